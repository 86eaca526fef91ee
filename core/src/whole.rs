//! Whole numbers as JSON may write them: `2`, and `2.0`, which is the same number, and an integer
//! to JSON Schema (2020-12, 6.1.1). Languages with one kind of number write the second.

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use std::fmt;

/// Beyond 2⁵³ a floating point number is not exact, and whoever wrote it may have meant another.
pub(crate) const EXACT: i64 = 1 << 53;

/// A whole number, at least 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whole(pub(crate) u64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = Whole;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, at least 0")
            }

            fn visit_u64<E: Error>(self, n: u64) -> Result<Whole, E> {
                Ok(Whole(n))
            }

            fn visit_i64<E: Error>(self, n: i64) -> Result<Whole, E> {
                let bad = |_| E::invalid_value(Unexpected::Signed(n), &self);
                u64::try_from(n).map(Whole).map_err(bad)
            }

            fn visit_f64<E: Error>(self, n: f64) -> Result<Whole, E> {
                if n.fract() == 0.0 && (0.0..=EXACT as f64).contains(&n) {
                    Ok(Whole(n as u64))
                } else {
                    Err(E::invalid_value(Unexpected::Float(n), &self))
                }
            }
        }
        d.deserialize_u64(V)
    }
}

pub(crate) fn read<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    Whole::deserialize(d).map(|w| w.0)
}

/// Reads one, where it may be absent.
pub(crate) fn read_option<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u64>, D::Error> {
    Ok(Option::<Whole>::deserialize(d)?.map(|w| w.0))
}

/// A whole number of either sign that every language writes exactly.
struct Signed(i64);

impl<'de> Deserialize<'de> for Signed {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = Signed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number of at most 2^53 of either sign")
            }

            fn visit_u64<E: Error>(self, n: u64) -> Result<Signed, E> {
                let exact = i64::try_from(n).ok().filter(|n| *n <= EXACT);
                exact
                    .map(Signed)
                    .ok_or_else(|| E::invalid_value(Unexpected::Unsigned(n), &self))
            }

            fn visit_i64<E: Error>(self, n: i64) -> Result<Signed, E> {
                if n.unsigned_abs() <= EXACT.unsigned_abs() {
                    Ok(Signed(n))
                } else {
                    Err(E::invalid_value(Unexpected::Signed(n), &self))
                }
            }

            fn visit_f64<E: Error>(self, n: f64) -> Result<Signed, E> {
                if n.fract() == 0.0 && n.abs() <= EXACT as f64 {
                    Ok(Signed(n as i64))
                } else {
                    Err(E::invalid_value(Unexpected::Float(n), &self))
                }
            }
        }
        d.deserialize_i64(V)
    }
}

/// Reads one of either sign, where it may be absent.
pub(crate) fn read_signed<'de, D: Deserializer<'de>>(d: D) -> Result<Option<i64>, D::Error> {
    Ok(Option::<Signed>::deserialize(d)?.map(|n| n.0))
}

/// Reads one that fits into a smaller type.
pub(crate) fn read_small<'de, D, T>(d: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i64>,
{
    small(Signed::deserialize(d)?)
}

/// Reads one that fits into a smaller type, where it may be absent.
pub(crate) fn read_small_option<'de, D, T>(d: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i64>,
{
    Option::<Signed>::deserialize(d)?.map(small).transpose()
}

fn small<T: TryFrom<i64>, E: Error>(Signed(n): Signed) -> Result<T, E> {
    let unfit = |_| E::invalid_value(Unexpected::Signed(n), &"a whole number within its bounds");
    T::try_from(n).map_err(unfit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_either_sign_too() {
        let read = |s: &str| serde_json::from_str::<Signed>(s).ok().map(|w| w.0);
        assert_eq!(read("-3600"), Some(-3600));
        assert_eq!(read("-3600.0"), Some(-3600));
        assert_eq!(read("7.2e3"), Some(7200));
        for bad in [
            "0.5",
            "1e17",
            "-1e17",
            "9007199254740993",
            "-9007199254740993",
            "\"2\"",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_number_is_whole_however_it_is_written() {
        let read = |s: &str| serde_json::from_str::<Whole>(s).ok().map(|w| w.0);
        assert_eq!(read("2"), Some(2));
        assert_eq!(read("2.0"), Some(2));
        assert_eq!(read("1e3"), Some(1000));
        assert_eq!(read("18446744073709551615"), Some(u64::MAX));
        for bad in [
            "2.5",
            "-1",
            "-1.0",
            "1e17",
            "18446744073709551616",
            "\"2\"",
            "null",
            "true",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
