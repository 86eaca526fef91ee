//! Ranges of product versions.

use crate::names::Version;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;

/// From and to, both inclusive. A bound counts only as far as it is written: `to: 2026` covers
/// 2026.9. A `v` before the first number says nothing: v2026 is 2026.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct VersionRange {
    /// The first version covered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Version>,
    /// The last version covered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Version>,
}

impl VersionRange {
    pub fn is_all(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    pub fn covers(&self, v: &Version) -> bool {
        let (from, to) = (self.from.as_ref(), self.to.as_ref());
        from.is_none_or(|b| compare(v, b) != Ordering::Less)
            && to.is_none_or(|b| compare(v, b) != Ordering::Greater)
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.from, &self.to) {
            (None, None) => f.write_str("all versions"),
            (Some(a), None) => write!(f, "{a} and later"),
            (None, Some(b)) => write!(f, "up to {b}"),
            (Some(a), Some(b)) => write!(f, "{a} to {b}"),
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

/// Compares `v` with a bound, part by part, numbers as numbers; parts the bound does not have do
/// not count.
fn compare(v: &Version, bound: &Version) -> Ordering {
    let mut parts = bare(v).split(['.', '-', '_', '+']);
    for b in bare(bound).split(['.', '-', '_', '+']) {
        let a = parts.next().unwrap_or("0");
        let o = match (a.parse::<u64>(), b.parse::<u64>()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            _ => a.cmp(b),
        };
        if o != Ordering::Equal {
            return o;
        }
    }
    Ordering::Equal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: &str, to: &str) -> VersionRange {
        VersionRange {
            from: Version::new(from).ok(),
            to: Version::new(to).ok(),
        }
    }

    #[test]
    fn a_bound_counts_as_far_as_it_is_written() {
        let covers = |r: &VersionRange, v: &str| Version::new(v).is_ok_and(|v| r.covers(&v));
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
    }
}
