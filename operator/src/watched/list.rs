//! Lists and maps of which only a part is kept.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

/// A rule for what is kept of a list: asked with what is kept already.
pub(super) trait Keep: Sized {
    fn keep(kept: &[Self], next: &Self) -> bool;
}

/// Reads a list, or `null`, one after the other.
pub(super) fn kept<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Keep,
{
    struct List<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de> + Keep> Visitor<'de> for List<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list or null")
        }

        fn visit_unit<E>(self) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut kept = Vec::new();
            while let Some(next) = list.next_element()? {
                if T::keep(&kept, &next) {
                    kept.push(next);
                }
            }
            Ok(kept)
        }
    }
    deserializer.deserialize_any(List(PhantomData))
}

/// A map of which only the entries under `KEYS` are read.
#[derive(Clone, Debug, Default)]
pub(super) struct Entries<K>(pub(super) BTreeMap<String, String>, PhantomData<K>);

/// Which entries of a map are read.
pub(super) trait Keys {
    const KEYS: &[&str];
}

impl<'de, K: Keys> Deserialize<'de> for Entries<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map<K>(PhantomData<K>);
        impl<'de, K: Keys> Visitor<'de> for Map<K> {
            type Value = Entries<K>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map or null")
            }

            fn visit_unit<E>(self) -> Result<Entries<K>, E> {
                Ok(Entries(BTreeMap::new(), PhantomData))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<K>, A::Error> {
                let mut kept = BTreeMap::new();
                while let Some(key) = map.next_key::<String>()? {
                    if K::KEYS.contains(&key.as_str()) {
                        kept.insert(key, map.next_value()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Entries(kept, PhantomData))
            }
        }
        deserializer.deserialize_any(Map(PhantomData))
    }
}
