//! What a vendor allows and a pod wishes, each as a word with one spelling: in licenses,
//! configuration, annotations, objects and messages.

mod projects;
mod seats;

pub use projects::{AllowedProjects, allowed_projects, projects_of_group};
pub use seats::{Backfill, EVERY_NAMESPACE, PolicyGroup, PoolRights, SeatPolicy};

use serde::{Deserialize, Serialize};

/// A word that is none of those expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?}: expected {expected}")]
pub struct BadWord {
    found: String,
    expected: String,
}

/// The words of an enum that are written the same everywhere.
macro_rules! words {
    ($t:ident: $($variant:ident = $word:literal),+) => {
        impl $t {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The words.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// As it is written.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl std::fmt::Display for $t {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $t {
            type Err = $crate::policy::BadWord;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                let found = Self::ALL.iter().find(|w| w.as_str() == s);
                found.copied().ok_or_else(|| Self::Err::new(s, Self::WORDS))
            }
        }
    };
}
pub(crate) use words;

impl BadWord {
    pub(crate) fn new(found: &str, words: &[&str]) -> Self {
        let found = found.chars().take(80).collect();
        let expected = one_of(words);
        Self { found, expected }
    }
}

/// Words to choose from, as an error tells them.
pub fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|w| format!("{w:?}")).collect();
    match quoted.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => quoted.concat(),
    }
}

/// What to do at the start with no server in reach (annotation `mooring.dev/start`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Start {
    /// Start; wait if the server answers that it is full.
    #[default]
    Optimistic,
    /// Wait for a lease.
    Licensed,
}

words!(Start: Optimistic = "optimistic", Licensed = "licensed");

/// What the license says of starting with no server in reach, the stricter the higher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum OptimisticStart {
    /// The application may start.
    #[default]
    Allow,
    /// Only with a signed permit.
    Voucher,
    /// Never.
    Deny,
}

words!(OptimisticStart: Allow = "allow", Voucher = "voucher", Deny = "deny");

// The stricter the higher.
/// When a silent pod's seat is given away.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Reclaim {
    /// After its lease ran out.
    #[default]
    Any,
    /// Only on proof that the pod is gone, or after its grace.
    Confirmed,
}

words!(Reclaim: Any = "Any", Confirmed = "Confirmed");

impl Reclaim {
    /// The strictest of this and of what licenses demand.
    #[must_use]
    pub fn and(self, demanded: impl IntoIterator<Item = Option<Self>>) -> Self {
        demanded.into_iter().flatten().fold(self, Self::max)
    }
}

/// What to do when the license is lost while the application runs (annotation
/// `mooring.dev/on-loss`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnLoss {
    /// Tell it on the socket and let it run.
    #[default]
    Keep,
    /// Stop it.
    Stop,
}

words!(OnLoss: Keep = "keep", Stop = "stop");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_as_it_is_written_and_the_others_are_named() {
        for s in OptimisticStart::ALL {
            assert_eq!(s.to_string().parse(), Ok(*s));
            assert_eq!(serde_json::to_value(s).ok(), Some(s.as_str().into()));
        }
        for r in Reclaim::ALL {
            assert_eq!(serde_json::to_value(r).ok(), Some(r.as_str().into()));
        }
        for s in Start::ALL {
            assert_eq!(serde_json::to_value(s).ok(), Some(s.as_str().into()));
        }
        let e = "Deny".parse::<OptimisticStart>().map_err(|e| e.to_string());
        let text = "\"Deny\": expected \"allow\", \"voucher\" or \"deny\"";
        assert_eq!(e, Err(text.to_owned()));
    }
}
