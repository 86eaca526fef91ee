//! Ranges of product versions, and how versions are compared.

use crate::names::Version;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;

/// How versions are compared. In both a `v` before the first number says nothing: v2026 is 2026.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum VersionScheme {
    /// Part by part, numbers as numbers: 21.10 comes after 21.9. A bound counts only as far as it
    /// is written: `to: 2026` covers 2026.9.
    #[default]
    Dotted,
    /// As decimal numbers, as FlexNet does: 21.10 is 21.1, and comes before 21.9.
    Decimal,
}

impl VersionScheme {
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
    fn is_dotted(&self) -> bool {
        *self == Self::Dotted
    }

    /// What is wrong with a version by this scheme, if something is.
    pub fn fault(self, v: &Version) -> Option<String> {
        let bad = self == Self::Decimal && decimal(v).is_none();
        bad.then(|| {
            format!("{v} is no decimal number, such as 2026.0508 (digits, and at most one point)")
        })
    }
}

/// From and to, both inclusive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct VersionRange {
    /// How versions are compared.
    #[serde(default, skip_serializing_if = "VersionScheme::is_dotted")]
    pub scheme: VersionScheme,
    /// The first version covered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Version>,
    /// The last version covered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Version>,
}

impl VersionRange {
    /// The bound that is no version by the scheme, and why.
    pub fn fault(&self) -> Option<(&'static str, String)> {
        let bounds = [("from", &self.from), ("to", &self.to)];
        let mut bounds = bounds.into_iter();
        bounds.find_map(|(name, bound)| Some((name, self.scheme.fault(bound.as_ref()?)?)))
    }

    pub fn is_all(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    pub fn covers(&self, v: &Version) -> bool {
        let within = |bound: &Option<Version>, out: Ordering| {
            let compared = bound.as_ref().map(|b| self.compare(v, b));
            // What cannot be compared is not covered.
            compared.is_none_or(|o| o.is_some_and(|o| o != out))
        };
        within(&self.from, Ordering::Less) && within(&self.to, Ordering::Greater)
    }

    fn compare(&self, v: &Version, bound: &Version) -> Option<Ordering> {
        match self.scheme {
            VersionScheme::Dotted => Some(compare_parts(bare(v), bare(bound))),
            VersionScheme::Decimal => Some(decimal(v)?.cmp(&decimal(bound)?)),
        }
    }

    /// What it covers, in words, for who asked for a version that it does not.
    pub fn against(&self, v: &Version) -> String {
        let fault = self.scheme.fault(v);
        fault.map_or_else(|| self.to_string(), |f| format!("{self}; {f}"))
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.from, &self.to) {
            (None, None) => return f.write_str("all versions"),
            (Some(a), None) => write!(f, "{a} and later")?,
            (None, Some(b)) => write!(f, "up to {b}")?,
            (Some(a), Some(b)) => write!(f, "{a} to {b}")?,
        }
        match self.scheme {
            VersionScheme::Dotted => Ok(()),
            VersionScheme::Decimal => f.write_str(" as decimal numbers"),
        }
    }
}

/// What is compared: without the `v` that some write before a number.
fn bare(v: &Version) -> &str {
    let text = v.as_str();
    let bare = text.strip_prefix(['v', 'V']);
    bare.filter(|b| b.starts_with(|c: char| c.is_ascii_digit()))
        .unwrap_or(text)
}

/// Digits whose number has no zeros in front: longer ones are larger.
type Number<'a> = (usize, &'a str);

fn number(digits: &str) -> Number<'_> {
    let n = digits.trim_start_matches('0');
    (n.len(), n)
}

/// A decimal number: what stands before the point, and after it without the zeros at the end.
fn decimal(v: &Version) -> Option<(Number<'_>, &str)> {
    let (whole, fraction) = bare(v).split_once('.').unwrap_or((bare(v), "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let is_number = digits(whole) && digits(fraction);
    is_number.then(|| (number(whole), fraction.trim_end_matches('0')))
}

/// A part of a dotted version. A word comes after each number.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    Number(Number<'a>),
    Word(String),
}

/// The parts of a dotted version: what stands between its marks, digits and letters each for
/// themselves, so that 2023b is 2023 and b.
fn parts(mut text: &str) -> impl Iterator<Item = Part<'_>> {
    std::iter::from_fn(move || {
        text = text.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        let digits = text.starts_with(|c: char| c.is_ascii_digit());
        let same = |c: char| c.is_ascii_alphanumeric() && c.is_ascii_digit() == digits;
        let end = text.find(|c| !same(c)).unwrap_or(text.len());
        let (part, rest) = text.split_at_checked(end).filter(|(p, _)| !p.is_empty())?;
        text = rest;
        Some(if digits {
            Part::Number(number(part))
        } else {
            Part::Word(part.to_ascii_lowercase())
        })
    })
}

/// Compares a version with a bound, as far as the bound is written.
fn compare_parts(v: &str, bound: &str) -> Ordering {
    let mut parts_of_v = parts(v);
    for b in parts(bound) {
        let a = parts_of_v.next().unwrap_or(Part::Number(number("0")));
        let o = a.cmp(&b);
        if o != Ordering::Equal {
            return o;
        }
    }
    Ordering::Equal
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn version(s: &str) -> Version {
        Version::new(s).unwrap()
    }

    fn range(scheme: VersionScheme, from: &str, to: &str) -> VersionRange {
        VersionRange {
            scheme,
            from: Version::new(from).ok(),
            to: Version::new(to).ok(),
        }
    }

    fn covers(r: &VersionRange, v: &str) -> bool {
        r.covers(&version(v))
    }

    #[test]
    fn a_bound_counts_as_far_as_it_is_written() {
        let range = |from, to| range(VersionScheme::Dotted, from, to);
        let r = range("2024.2", "2026");
        for v in ["2024.2", "2024.2.1", "2024.10", "2025", "2026.9"] {
            assert!(covers(&r, v), "{v}");
        }
        for v in ["2024.1", "2024", "2027.1", "9"] {
            assert!(!covers(&r, v), "{v}");
        }
        assert!(covers(&VersionRange::default(), "0"));
        // Some write a v, here, there, or on both sides.
        for r in [range("v2024", "v2027"), range("2024", "V2027")] {
            for v in ["2026.1", "v2026.1", "2027.4", "V2024"] {
                assert!(covers(&r, v), "{r} {v}");
            }
            for v in ["2023", "v2028.1"] {
                assert!(!covers(&r, v), "{r} {v}");
            }
        }
        // Letters are a part of their own, after the number that they stand behind.
        for (to, v, is) in [
            ("2023", "2023b", true),
            ("2023", "2023SP2", true),
            ("2023a", "2023b", false),
            ("2023b", "2023a", true),
            ("2023b", "2023", true),
            ("2023SP2", "2023sp10", false),
            ("R2024b", "r2024B", true),
            ("R2024a", "R2024b", false),
            ("99999999999999999998", "99999999999999999999", false),
        ] {
            assert_eq!(covers(&range("", to), v), is, "..{to} {v}");
        }
        assert!(!covers(&range("2023b", ""), "2023"));
    }

    /// docs/licenses.md has this table.
    #[test]
    fn the_two_schemes_differ_where_the_page_says() {
        use VersionScheme::{Decimal, Dotted};
        for (to, v, dotted, decimal) in [
            ("21.9", "21.10", false, true),
            ("6.5", "6.50", false, true),
            ("2026.0508", "2026.6", true, false),
            ("2023", "2023b", true, false),
            ("2023", "2023SP2", true, false),
            ("2027", "2027.3", true, false),
        ] {
            assert_eq!(
                covers(&range(Dotted, "", to), v),
                dotted,
                "dotted ..{to} {v}"
            );
            assert_eq!(
                covers(&range(Decimal, "", to), v),
                decimal,
                "decimal ..{to} {v}"
            );
        }
        let r = range(Decimal, "1.000", "v2029.01");
        for v in [
            "1",
            "2019.2019",
            "2026.0508",
            "11.0",
            "v2029.0100",
            "0001.0",
        ] {
            assert!(covers(&r, v), "{v}");
        }
        for v in [
            "0.999", "2029.011", "2037.05", "1.2.3", "1.", "1_0", "2023b",
        ] {
            assert!(!covers(&r, v), "{v}");
        }
        let said = r.against(&version("2023b"));
        let expected = "1.000 to v2029.01 as decimal numbers; 2023b is no decimal number, such as 2026.0508 (digits, and at most one point)";
        assert_eq!(said, expected);
        // A bound that is none covers nothing, whoever signed it.
        assert!(!covers(&range(Decimal, "", "2023b"), "1"));
    }

    proptest! {
        #[test]
        fn decimals_are_compared_as_numbers(a in 0u32..3000, b in 0u32..9999, c in 0u32..3000, d in 0u32..9999) {
            let r = range(VersionScheme::Decimal, "", &format!("{c}.{d:04}"));
            let is = u64::from(a) * 10_000 + u64::from(b) <= u64::from(c) * 10_000 + u64::from(d);
            prop_assert_eq!(covers(&r, &format!("{a}.{b:04}00")), is);
        }

        #[test]
        fn any_two_versions_are_compared(a in "[0-9vR][0-9a-zA-Z._+-]{0,12}", b in "[0-9vR][0-9a-zA-Z._+-]{0,12}") {
            for scheme in [VersionScheme::Dotted, VersionScheme::Decimal] {
                let r = range(scheme, &b, "");
                if let (Ok(v), false) = (Version::new(&a), r.is_all()) {
                    let _ = r.covers(&v);
                }
            }
        }
    }
}
