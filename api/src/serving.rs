//! Which of two anchors on different nodes serves, and what administrators ask for by annotation.
//!
//! There is one pod of one name for both of them: the API server holds no two objects of one name,
//! so there are never two behind one Service. Which of the two it is made for stands in the status
//! before anything is made.

use crate::schema;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The LicenseServer's annotation by which an administrator says which side is to serve.
pub const FAILOVER: &str = "mooring.dev/failover";
/// The label of the server's pod with the side that it is of.
pub const SIDE: &str = "mooring.dev/side";
/// The finalizer of the server's pod: its object stays until the operator has seen its end.
pub const END_SEEN: &str = "mooring.dev/end-seen";
/// The word by which an administrator answers for what nobody has seen.
pub const WITHOUT_PROOF: &str = "without-proof";
/// The longest text of that annotation.
pub const MAX_FAILOVER: usize = 200;

/// One of the two places from which a license server with a standby elsewhere may serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Side {
    /// `spec.anchor`, at `spec.placement`.
    #[default]
    Primary,
    /// `spec.standby`, at its own placement.
    Standby,
}

impl Side {
    /// As annotations, labels and the command line spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Standby => "standby",
        }
    }

    /// The one that does not serve then.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Primary => Self::Standby,
            Self::Standby => Self::Primary,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No side is called like that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?}, expected primary or standby")]
pub struct BadSide(String);

impl FromStr for Side {
    type Err = BadSide;
    fn from_str(s: &str) -> Result<Self, BadSide> {
        let all = [Self::Primary, Self::Standby];
        let found = all.into_iter().find(|side| side.as_str() == s);
        found.ok_or_else(|| BadSide(s.chars().take(32).collect()))
    }
}

/// What an administrator asks for: `‹side› [without-proof] ‹whatever tells it from the last one›`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailoverRequest {
    /// Who is to serve.
    pub to: Side,
    /// Also if nobody has seen the end of who serves.
    pub without_proof: bool,
}

/// A request that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// Its first word is no side.
    #[error(
        "annotation {FAILOVER}: {0} as its first word, and what tells this request from the last one behind it, such as the time"
    )]
    Side(#[from] BadSide),
    /// It would not fit into the status.
    #[error("annotation {FAILOVER}: {0} bytes, expected at most {MAX_FAILOVER}")]
    Long(usize),
}

impl FromStr for FailoverRequest {
    type Err = BadRequest;
    fn from_str(s: &str) -> Result<Self, BadRequest> {
        if s.len() > MAX_FAILOVER {
            return Err(BadRequest::Long(s.len()));
        }
        let mut words = s.split_whitespace();
        let to = words.next().unwrap_or_default().parse()?;
        let without_proof = words.any(|w| w == WITHOUT_PROOF);
        Ok(Self { to, without_proof })
    }
}

/// Which side serves: the only one of which a pod is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Serving {
    /// That side.
    pub side: Side,
    /// Since when, once it was the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::optional_time")]
    pub since: Option<Time>,
    /// Why, in words: by which proof, or on whose word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The UID of the other side's last pod, of which it is proven, or was answered for, that it
    /// has ended; none if that had no node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<String>,
    /// Since when its pod is being ended, so that the other side can begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::optional_time")]
    pub hands_over: Option<Time>,
    /// The request that was taken up last: the annotation's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// Why that one was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn asked(text: &str) -> Result<(Side, bool), String> {
        let read = text.parse::<FailoverRequest>();
        let read = read.map(|r| (r.to, r.without_proof));
        read.map_err(|e| e.to_string())
    }

    #[test]
    fn a_request_names_a_side_and_may_say_that_there_is_no_proof() {
        assert_eq!(asked("standby"), Ok((Side::Standby, false)));
        assert_eq!(asked(" primary  #4 by anna"), Ok((Side::Primary, false)));
        assert_eq!(asked("standby without-proof 2"), Ok((Side::Standby, true)));
        // A word that is misspelt allows nothing.
        assert_eq!(asked("standby witout-proof"), Ok((Side::Standby, false)));
    }

    #[test]
    fn a_request_that_cannot_be_read_says_what_was_expected() {
        for text in ["", "Standby", "without-proof standby", "node-b"] {
            let e = asked(text).unwrap_err();
            assert!(
                e.contains(FAILOVER) && e.contains("primary or standby"),
                "{e}"
            );
        }
        let e = asked(&format!("standby {}", "x".repeat(200))).unwrap_err();
        assert!(e.contains("208 bytes"), "{e}");
    }
}
