//! Whatever stands in annotations: they are read, or refused with few words.

use crate::inject::{Requested, unknown_keys};
use mooring_core::annotation::{ALL, LICENSES, PREFIX};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Values near to good ones, and anything else.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9@:.,/-]{0,40}",
        "(licensed|optimistic|startup|none|keep|scheduling|stop)?[a-z]{0,2}",
        "[0-9]{1,20}(\\.[0-9]{1,9})?(m|k|Ki|Mi|Gi|E|e3)?",
        any::<String>(),
        "x{5000}",
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => proptest::sample::select(ALL.map(|a| a.key).to_vec()).prop_map(str::to_owned),
        1 => "[a-z-]{0,20}".prop_map(|k| format!("{PREFIX}{k}")),
        1 => any::<String>().prop_map(|k| format!("{PREFIX}{k}")),
    ]
}

proptest! {
    #[test]
    fn annotations_are_read_or_refused_with_few_words(
        mut map in proptest::collection::btree_map(key(), value(), 0..10),
        licenses in proptest::option::of("[a-z]{1,9}(@[0-9.]{1,9})?(:[1-9]{1,5})?"),
    ) {
        map.extend(licenses.map(|l| (LICENSES.to_string(), l)));
        let map: BTreeMap<String, String> = map;
        let few = |words: &str| !words.trim().is_empty() && words.len() < 2000;
        match Requested::read(&map) {
            Ok(requested) => prop_assert_eq!(requested.is_some(), map.contains_key(LICENSES.key)),
            Err(e) => prop_assert!(few(&e.to_string()), "{e:.3000}"),
        }
        for w in unknown_keys(&map) {
            prop_assert!(few(&w), "{w:.3000}");
        }
    }
}
