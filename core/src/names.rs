//! Names, as types that are checked once, where they come in.

use crate::whole::Whole;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;

/// A name that breaks its rule: which kind, what it was, what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {value:?}: {expected}")]
pub struct BadName {
    kind: &'static str,
    value: String,
    expected: &'static str,
}

impl BadName {
    fn unless(ok: bool, kind: &'static str, s: &str, expected: &'static str) -> Result<(), Self> {
        let value = || s.chars().take(80).collect();
        let bad = || {
            Err(Self {
                kind,
                value: value(),
                expected,
            })
        };
        if ok { Ok(()) } else { bad() }
    }
}

fn dnsish(kind: &'static str, s: &str) -> Result<(), BadName> {
    let edge = |c: &u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let b = s.as_bytes();
    let inner = b.iter().all(|c| edge(c) || matches!(c, b'-' | b'_' | b'.'));
    let ok = b.len() <= 63 && inner && b.first().is_some_and(edge) && b.last().is_some_and(edge);
    let expected = "expected 1 to 63 of a-z, 0-9, '-', '_' and '.', beginning and ending with a letter or digit";
    BadName::unless(ok, kind, s, expected)
}

/// The longest name of a project, in characters.
pub const MAX_PROJECT: usize = 63;

/// A DNS label (RFC 1123).
fn label(kind: &'static str, s: &str) -> Result<(), BadName> {
    let edge = |c: &u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let b = s.as_bytes();
    let inner = b.iter().all(|c| edge(c) || *c == b'-');
    let ends = b.first().is_some_and(edge) && b.last().is_some_and(edge);
    let ok = b.len() <= MAX_PROJECT && inner && ends;
    let expected =
        "expected 1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit";
    BadName::unless(ok, kind, s, expected)
}

/// The longest name of what is sold, in characters.
pub const MAX_PRODUCT: usize = 64;

/// The longest version.
pub(crate) const MAX_VERSION: usize = 32;

/// Names as vendors have them (`85690DSPRM_F`, `pgc++`, `_ep`). One of digits alone is half of
/// something else: CodeMeter's firm code before its product code.
fn sold(kind: &'static str, s: &str) -> Result<(), BadName> {
    let b = s.as_bytes();
    let first = b
        .first()
        .is_some_and(|c| c.is_ascii_alphanumeric() || *c == b'_');
    let ok = first && b.len() <= MAX_PRODUCT && s.chars().all(is_sold_char);
    let expected = "expected 1 to 64 of letters, digits, '.', '_', '+' and '-', beginning with a letter, a digit or '_'";
    BadName::unless(ok, kind, s, expected)?;
    let expected = "expected a name as the license has it, and not digits alone (CodeMeter's firm code and product code are none)";
    BadName::unless(!is_digits_alone(s), kind, s, expected)
}

/// Whether it is digits and nothing else.
pub(crate) fn is_digits_alone(s: &str) -> bool {
    !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit())
}

/// Whether it may stand in the name or the version of what is sold.
pub(crate) fn is_sold_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-')
}

/// JSON has it as its text.
macro_rules! as_text {
    ($t:ident, $e:ty) => {
        impl TryFrom<String> for $t {
            type Error = $e;
            fn try_from(s: String) -> Result<Self, $e> {
                s.parse()
            }
        }

        impl From<$t> for String {
            fn from(t: $t) -> Self {
                t.to_string()
            }
        }
    };
}
pub(crate) use as_text;

macro_rules! name {
    ($(#[$doc:meta])* $t:ident, $kind:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $t(Arc<str>);

        impl $t {
            /// Checks and keeps a name.
            pub fn new(s: &str) -> Result<Self, BadName> {
                $check($kind, s)?;
                Ok(Self(s.into()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $t {
            type Err = BadName;
            fn from_str(s: &str) -> Result<Self, BadName> {
                Self::new(s)
            }
        }

        as_text!($t, BadName);

        impl fmt::Display for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &self.0)
            }
        }
    };
}

/// Names of which vendors and pods each have their spelling: compared without regard to ASCII case.
macro_rules! caseless {
    ($t:ident) => {
        impl $t {
            fn folded(&self) -> impl Iterator<Item = u8> + '_ {
                self.0.bytes().map(|b| b.to_ascii_lowercase())
            }

            /// Whether a text is this name, in whatever case.
            pub fn is(&self, text: &str) -> bool {
                self.0.eq_ignore_ascii_case(text)
            }
        }

        impl PartialEq for $t {
            fn eq(&self, other: &Self) -> bool {
                self.is(&other.0)
            }
        }

        impl Eq for $t {}

        impl PartialOrd for $t {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $t {
            fn cmp(&self, other: &Self) -> Ordering {
                self.folded().cmp(other.folded())
            }
        }

        impl Hash for $t {
            fn hash<H: Hasher>(&self, state: &mut H) {
                // In one piece: a hash that is fed bytewise takes many times as long.
                let mut folded = [0; MAX_PRODUCT];
                folded
                    .iter_mut()
                    .zip(self.folded())
                    .for_each(|(to, b)| *to = b);
                state.write(folded.get(..self.0.len()).unwrap_or(&folded));
                state.write_u8(0xff);
            }
        }
    };
}

name!(
    /// What a license sells. Two names that differ in case alone are the same.
    ProductName, "product", sold
);
caseless!(ProductName);
name!(
    /// A number of seats that products draw on. Two names that differ in case alone are the same.
    PoolName, "pool", sold
);
caseless!(PoolName);
name!(
    /// A holder's name for one of its claims.
    #[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
    ClaimName, "claim", dnsish
);

name!(
    /// What its seats are used for, as their holder says: a tag for metrics, audit and reports.
    #[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
    ProjectName, "project", label
);

impl ClaimName {
    /// The claim that a sidecar makes for its pod's annotation.
    pub fn pod() -> Self {
        Self("pod".into())
    }

    /// Whether it is that one.
    pub fn is_pod(&self) -> bool {
        &*self.0 == "pod"
    }

    /// The claim that the operator makes for an owner of pods.
    pub fn owner() -> Self {
        Self("owner".into())
    }
}

fn version(kind: &'static str, s: &str) -> Result<(), BadName> {
    let ok = (1..=MAX_VERSION).contains(&s.len()) && s.chars().all(is_sold_char);
    // Slurm writes a license's host there (`nastran@flex_host`).
    let digit = |b: Option<&u8>| b.is_some_and(u8::is_ascii_digit);
    let b = s.as_bytes();
    let letter = b.first().is_some_and(u8::is_ascii_alphabetic);
    let ok = ok && (digit(b.first()) || letter && digit(b.get(1)));
    let expected = "expected a version such as 2026.1, v2026.1 or R2026b: 1 to 32 of letters, digits, '.', '-', '_' and '+', a digit first or after one letter";
    BadName::unless(ok, kind, s, expected)
}

name!(
    /// A version of a product, as the annotation asks for it.
    #[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
    Version, "version", version
);

fn hex_id<const N: usize>(kind: &'static str, s: &str) -> Result<[u8; N], BadName> {
    let upper = s.bytes().any(|c| c.is_ascii_uppercase());
    let mut id = [0; N];
    let ok = !upper && hex::decode_to_slice(s, &mut id).is_ok();
    let expected = match N {
        16 => "expected 32 hexadecimal digits",
        _ => "expected 16 hexadecimal digits",
    };
    BadName::unless(ok, kind, s, expected)?;
    Ok(id)
}

macro_rules! id {
    ($(#[$doc:meta])* $t:ident, $kind:literal, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $t([u8; $bytes]);

        impl $t {
            /// An id from its bytes.
            pub const fn from_bytes(b: [u8; $bytes]) -> Self {
                Self(b)
            }

            /// The bytes.
            pub const fn to_bytes(self) -> [u8; $bytes] {
                self.0
            }
        }

        impl FromStr for $t {
            type Err = BadName;
            fn from_str(s: &str) -> Result<Self, BadName> {
                hex_id($kind, s).map(Self)
            }
        }

        as_text!($t, BadName);

        impl Serialize for $t {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $t {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                crate::text::read(d)
            }
        }

        impl fmt::Display for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0; 2 * $bytes];
                // It has the length that there are digits.
                hex::encode_to_slice(self.0, &mut text).map_err(|_| fmt::Error)?;
                f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
            }
        }

        impl fmt::Debug for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

id!(
    /// One lease: given to a claim when it arrives, kept while it waits and while it is held, never
    /// given again.
    LeaseId, "lease id", 16
);
id!(
    /// One run of a license server's process.
    InstanceId, "instance", 16
);
id!(
    /// One request of a holder; a retry carries the same one.
    RequestId, "request id", 16
);

id!(
    /// What a lease stands under, as its holder was told it: the run, the license files and pools,
    /// the limits. The first bytes of a hash.
    TermsId, "terms", 8
);
id!(
    /// A license server, by its identity key and its own name for itself: the same wherever and by
    /// whatever name it is asked. The first bytes of a hash.
    ServerId, "server", 16
);
id!(
    /// One boot of one machine: readings of its boot clock compare with each other alone.
    BootId, "boot id", 8
);

impl BootId {
    /// Of a machine that does not tell: like no boot, not even itself.
    pub const UNKNOWN: Self = Self([0; 8]);

    /// Whether both are one boot.
    pub fn is(self, other: Self) -> bool {
        self == other && self != Self::UNKNOWN
    }
}

/// A number of seats: at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Whole", into = "u32")]
pub struct Seats(NonZeroU32);

/// What is no number of seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} seats: expected 1 to {max}", max = u32::MAX)]
pub struct BadSeats(u64);

impl TryFrom<Whole> for Seats {
    type Error = BadSeats;
    fn try_from(n: Whole) -> Result<Self, BadSeats> {
        let seats = u32::try_from(n.0).ok().and_then(Self::new);
        seats.ok_or(BadSeats(n.0))
    }
}

impl From<Seats> for u32 {
    fn from(s: Seats) -> u32 {
        s.get()
    }
}

impl Seats {
    /// One seat.
    pub const ONE: Self = Self(NonZeroU32::MIN);

    /// `n` seats; none for zero.
    pub const fn new(n: u32) -> Option<Self> {
        match NonZeroU32::new(n) {
            Some(n) => Some(Self(n)),
            None => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for Seats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_once_where_they_come_in() {
        for good in [
            "render",
            "a",
            "ansys-2",
            "MATLAB",
            "Vivado_System_Edition",
            "85690DSPRM_F",
            "pgc++",
            "3D",
            "_ep",
            "a-",
            &"x".repeat(64),
        ] {
            assert_eq!(
                ProductName::new(good).map(|p| p.to_string()),
                Ok(good.to_owned())
            );
        }
        for bad in [
            "",
            "-a",
            "+a",
            ".a",
            "a b",
            "a/b",
            "ü",
            "6000010",
            &"x".repeat(65),
        ] {
            let e = ProductName::new(bad).map_err(|e| e.to_string());
            assert!(
                e.as_ref().is_err_and(|e| e.starts_with("product ")),
                "{bad}: {e:?}"
            );
        }
    }

    #[test]
    fn case_makes_no_other_product_and_the_spelling_stays() {
        let name = |s: &str| ProductName::new(s).unwrap_or_else(|e| panic!("{e}"));
        let (a, b) = (name("MATLAB"), name("matlab"));
        assert_eq!((&a, a.as_str()), (&b, "MATLAB"));
        assert_eq!(a.cmp(&b), Ordering::Equal);
        assert!(a.is("MatLab") && !a.is("matlab_"));
        let set = std::collections::HashSet::from([a]);
        assert!(set.contains(&b) && !set.contains(&name("matlab_")));
        // Only ASCII: nothing else is in a name. And claims are told apart.
        assert!(ClaimName::new("POD").is_err());
    }

    #[test]
    fn a_version_is_no_host() {
        for good in [
            "2026.0508",
            "1.000",
            "v2029.01",
            "2019.2019",
            "R2024b",
            "0",
            "2023SP2",
            "1.a",
        ] {
            assert!(Version::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "flex_host",
            "host1",
            ".5",
            "-1",
            "SP2",
            "1 2",
            &"1".repeat(33),
        ] {
            let e = Version::new(bad).map_err(|e| e.to_string());
            assert!(
                e.as_ref().is_err_and(|e| e.contains("such as 2026.1")),
                "{bad}: {e:?}"
            );
        }
    }

    #[test]
    fn ids_are_32_lower_case_digits() {
        let id = LeaseId::from_bytes([0xab; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("AB".repeat(16).parse::<LeaseId>().is_err());
        assert!("ab".parse::<LeaseId>().is_err());
    }
}
