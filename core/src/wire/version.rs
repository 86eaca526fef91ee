//! Which versions of the messages understand each other. Each request and each answer says its
//! sender's ([`WIRE_HEADER`]), so that who reads it knows what the sender can say and take.

use super::{Problem, ProblemType};
use serde::{Deserialize, Serialize};

/// The version of the messages as this program speaks them. It grows by one with each change that
/// the other side must know of; docs/protocol.md ("Versions that differ") has a line for each.
pub const WIRE: u16 = 2;

/// The oldest that it takes: of the last four minor versions, since pods live for months.
pub const OLDEST: u16 = 1;

/// Header of each request to a license server and of each of its answers: its sender's version.
pub const WIRE_HEADER: &str = "mooring-wire";

/// The versions of the API, by the begin of their paths.
pub const VERSIONS: &[&str] = &["v1"];

/// `GET /v1/versions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Versions {
    /// Those of the API that the server has, by the begin of their paths.
    pub versions: Vec<String>,
    /// The version of the messages as it speaks them (header `mooring-wire`).
    #[serde(default = "first")]
    pub wire: u16,
    /// The oldest of who asks that it takes.
    #[serde(default = "first")]
    pub oldest_wire: u16,
}

impl Versions {
    /// This program's.
    pub fn own() -> Self {
        Self {
            versions: VERSIONS.iter().map(ToString::to_string).collect(),
            wire: WIRE,
            oldest_wire: OLDEST,
        }
    }
}

const fn first() -> u16 {
    FIRST
}

/// What the first version said of itself: nothing.
const FIRST: u16 = 1;

/// Why what another says cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadVersion {
    /// The header is no number.
    #[error("header {WIRE_HEADER}: {0:?}: expected a whole number from 1")]
    Malformed(String),
    /// It is older than [`OLDEST`].
    #[error(
        "it speaks version {0} of the messages (header {WIRE_HEADER}), and {OLDEST} to {WIRE} are understood here"
    )]
    TooOld(u16),
}

/// The version of who sends this header's value, if it is understood here. A later one is: it
/// knows ours, and says nothing else to us.
pub fn understood(header: Option<&[u8]>) -> Result<u16, BadVersion> {
    match header.map_or(Ok(FIRST), said)? {
        version if version >= OLDEST => Ok(version),
        version => Err(BadVersion::TooOld(version)),
    }
}

fn said(value: &[u8]) -> Result<u16, BadVersion> {
    let version = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok());
    version.ok_or_else(|| {
        let value = String::from_utf8_lossy(value).chars().take(80).collect();
        BadVersion::Malformed(value)
    })
}

impl BadVersion {
    /// What a license server answers with.
    pub fn answer(&self) -> Problem {
        match self {
            Self::Malformed(_) => {
                Problem::new(ProblemType::BadRequest, self.to_string()).field(WIRE_HEADER)
            }
            Self::TooOld(_) => {
                let todo =
                    "upgrade what asks: a pod has this version's sidecar once it is made anew";
                let detail = format!("{self}: {todo}");
                Problem::new(ProblemType::UpgradeRequired, detail).retry_after(60)
            }
        }
    }

    /// What who asked a license server makes of its answer.
    pub fn of_the_server(&self) -> Problem {
        let detail = format!("the license server: {self}: upgrade the license server");
        Problem::new(ProblemType::UpgradeRequired, detail).retry_after(60)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn who_says_nothing_speaks_the_first_and_later_ones_are_understood() {
        let later = (WIRE + 1).to_string();
        let all = [
            (None, FIRST),
            (Some("1"), 1),
            (Some("2"), 2),
            (Some(&*later), WIRE + 1),
        ];
        for (said, want) in all {
            assert_eq!(understood(said.map(str::as_bytes)), Ok(want), "{said:?}");
        }
    }

    #[test]
    fn what_is_too_old_or_no_number_is_told_what_is_expected() {
        let old = understood(Some(b"0")).map_err(|e| e.answer());
        let old = old.unwrap_err();
        assert_eq!(old.kind, ProblemType::UpgradeRequired);
        let words =
            format!("version 0 of the messages (header mooring-wire), and {OLDEST} to {WIRE}");
        assert!(old.detail.contains(&words), "{old}");
        for bad in ["", "two", "-1", "70000", "1 "] {
            let p = understood(Some(bad.as_bytes())).map_err(|e| e.answer());
            let p = p.unwrap_err();
            assert_eq!(p.kind, ProblemType::BadRequest, "{p}");
            assert!(p.detail.contains(&format!("{bad:?}: expected")), "{p}");
        }
    }
}
