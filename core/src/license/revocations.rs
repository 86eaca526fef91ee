//! Revocation lists: which licenses a vendor has taken back.
//!
//! A list is whole: it names every revoked license, so that the newest one says all. It is
//! numbered, and whoever knows a list takes no lower number: an old list put in the place of a
//! newer one would bring a revoked license back.

use super::armour::{ArmourError, dearmour};
use super::check::other_schema;
use super::dsse::{Digest, DsseError, Envelope};
use super::keys::KeyId;
use super::open::Trust;
use super::types;
use crate::reason::LicenseReason;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Why a revocation list is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevocationsError {
    #[error("not a revocation list: {0}")]
    Armour(#[from] ArmourError),
    #[error("revocation list signature: {0}")]
    Signature(#[from] DsseError),
    #[error("revocation list field {field}: {problem}")]
    Field { field: String, problem: String },
    #[error(
        "revocation list field number: {number}, and number {known}, issued {issued}, is known already; put the newer list back"
    )]
    Older {
        number: u64,
        known: u64,
        issued: Timestamp,
    },
    #[error(
        "revocation list field number: {number} is known already with other contents, issued {issued}; ask the vendor for a list with a higher number"
    )]
    SameNumber { number: u64, issued: Timestamp },
}

impl RevocationsError {
    /// The same in a word, for conditions and metrics.
    pub const fn reason(&self) -> LicenseReason {
        match self {
            Self::Armour(_) => LicenseReason::RevocationsMalformed,
            Self::Signature(_) => LicenseReason::RevocationsSignatureInvalid,
            Self::Field { .. } => LicenseReason::RevocationsFieldInvalid,
            Self::Older { .. } | Self::SameNumber { .. } => {
                LicenseReason::RevocationsNumberNotHigher
            }
        }
    }
}

/// A license that the list takes back: the words for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "license field id: {id:?} is revoked since {since} by revocation list number {number}, issued {issued}: {reason}; ask the vendor for another license"
)]
pub struct Revoked {
    pub id: String,
    /// From when on.
    pub since: Timestamp,
    /// The vendor's words.
    pub reason: String,
    pub number: u64,
    pub issued: Timestamp,
}

/// The signed document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Revocations {
    /// 1.
    #[cfg_attr(feature = "schema", schemars(extend("const" = 1)))]
    pub schema: u32,
    /// Grows with each list of the vendor; a reader takes no lower one than it knows.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub number: u64,
    /// When it was issued.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Instant"))]
    pub issued: Timestamp,
    /// When the next one is due: later than that, people are told to ask for it. A list counts
    /// beyond it all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Instant>"))]
    pub next: Option<Timestamp>,
    /// All revoked licenses.
    pub revoked: Vec<RevokedLicense>,
}

/// One revoked license.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RevokedLicense {
    /// The license's id.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 256)))]
    pub license: String,
    /// From when on it is not in force.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Instant"))]
    pub since: Timestamp,
    /// Why, in words: the customer reads them.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 256)))]
    pub reason: String,
}

impl Revocations {
    /// Whether everything it says fits together.
    pub fn check(&self) -> Result<(), RevocationsError> {
        let bad = |field: String, problem: String| Err(RevocationsError::Field { field, problem });
        if let Some(p) = other_schema(self.schema) {
            return bad("schema".into(), p);
        }
        if self.number == 0 {
            return bad("number".into(), "0, expected 1 or more".into());
        }
        if let Some(next) = self.next.filter(|n| *n <= self.issued) {
            let p = format!("{next} is not after issued, {}", self.issued);
            return bad("next".into(), p);
        }
        for (i, r) in self.revoked.iter().enumerate() {
            for (name, value) in [("license", &r.license), ("reason", &r.reason)] {
                if value.trim().is_empty() || value.len() > 256 {
                    let start: String = value.chars().take(80).collect();
                    let p = format!("{start:?}: expected 1 to 256 bytes");
                    return bad(format!("revoked[{i}].{name}"), p);
                }
            }
            if self.revoked.iter().take(i).any(|q| q.license == r.license) {
                let p = format!("{:?} is there twice", r.license);
                return bad(format!("revoked[{i}].license"), p);
            }
        }
        Ok(())
    }

    /// Whether this license is revoked at `now`.
    pub fn revokes(&self, id: &str, now: Timestamp) -> Option<Revoked> {
        let r = self.revoked.iter().find(|r| r.license == id)?;
        (r.since <= now).then(|| Revoked {
            id: r.license.clone(),
            since: r.since,
            reason: r.reason.clone(),
            number: self.number,
            issued: self.issued,
        })
    }
}

/// A list that was read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRevocations {
    pub list: Revocations,
    /// The SHA-256 of the signed bytes.
    pub digest: Digest,
    /// The signed bytes.
    pub envelope: Envelope,
    /// The vendor's key that verified; none if unchecked.
    pub signed_by: Option<KeyId>,
}

impl OpenRevocations {
    /// Reads a revocation list's file.
    pub fn read(text: &str, trust: Trust<'_>) -> Result<Self, RevocationsError> {
        let envelope = dearmour(text, types::REVOCATIONS)?;
        let (list, signed_by) = trust.open::<Revocations>(&envelope, types::REVOCATIONS)?;
        list.check()?;
        Ok(Self {
            digest: envelope.digest(),
            list,
            envelope,
            signed_by,
        })
    }

    /// Whether this list may take the place of `known`: a higher number, or the very same document.
    pub fn follows(&self, known: &Self) -> Result<(), RevocationsError> {
        let (number, issued) = (self.list.number, known.list.issued);
        if number < known.list.number {
            return Err(RevocationsError::Older {
                number,
                known: known.list.number,
                issued,
            });
        }
        if number == known.list.number && self.digest != known.digest {
            return Err(RevocationsError::SameNumber { number, issued });
        }
        Ok(())
    }
}
