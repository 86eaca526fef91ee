//! Delegations: the anchor lends its word to an ephemeral server key, for at most 15 minutes.

use super::anchor::{AnchorKey, AnchorKind};
use super::dsse::{Digest, DsseError, Envelope};
use super::file::License;
use super::keys::{KeyId, PublicKey};
use super::types;
use crate::names::InstanceId;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The longest time a delegation may span.
pub const MAX_DELEGATION: Duration = Duration::from_secs(15 * 60);

/// The most license files that a server serves, and so a delegation names.
pub const MAX_LICENSES: usize = 16;

fn list(licenses: &[Digest]) -> String {
    let all: Vec<&str> = licenses.iter().map(|d| d.0.as_str()).collect();
    all.join(", ")
}

/// Why a delegation is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DelegationError {
    /// Not signed by an anchor of the license, or of another type.
    #[error("delegation signature: {0}")]
    Signature(#[from] DsseError),
    #[error("delegation field anchor.keyId: names {named}, but {signer} signed")]
    WrongAnchor { named: KeyId, signer: KeyId },
    #[error("delegation field notAfter: it spans {secs} s, expected 1 to 900")]
    Span { secs: i64 },
    #[error("delegation field licenses: made for {}, not {expected}", list(.found))]
    WrongLicense {
        found: Vec<Digest>,
        expected: Digest,
    },
    #[error("delegation field licenses: {0} of them, expected 1 to {MAX_LICENSES}")]
    Licenses(usize),
}

/// The document that the anchor signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Delegation {
    /// The licenses it is for: all that the server serves, and that list the anchor.
    pub licenses: Vec<Digest>,
    /// The anchor's kind.
    pub kind: AnchorKind,
    /// The anchor's key.
    pub key_id: KeyId,
    /// The server's key, in memory only.
    pub server_key: PublicKey,
    /// The server's run.
    pub instance: InstanceId,
    /// From when.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Instant"))]
    pub not_before: Timestamp,
    /// Until when, exclusive.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Instant"))]
    pub not_after: Timestamp,
}

impl Delegation {
    /// Checks that an anchor of one of `licenses` signed it and that it spans at most
    /// [`MAX_DELEGATION`]. Which licenses it names is left to the caller: a server takes in tokens
    /// made under a license that was replaced since.
    pub fn open<'l>(
        envelope: &Envelope,
        licenses: impl Iterator<Item = &'l License> + Clone,
    ) -> Result<(Self, &'l AnchorKey), DelegationError> {
        let mut anchors = licenses.flat_map(|l| &l.anchors);
        // Several licenses of one anchor list one key.
        let mut keys: Vec<PublicKey> = Vec::new();
        for a in anchors.clone() {
            if !keys.contains(&a.key) {
                keys.push(a.key);
            }
        }
        let (d, signer) = envelope.open::<Self>(types::DELEGATION, &keys)?;
        let by = |a: &&AnchorKey| a.key == signer && a.kind == d.kind && a.key.id() == d.key_id;
        let wrong = || DelegationError::WrongAnchor {
            named: d.key_id.clone(),
            signer: signer.id(),
        };
        let anchor = anchors.find(by).ok_or_else(wrong)?;
        if !(1..=MAX_LICENSES).contains(&d.licenses.len()) {
            return Err(DelegationError::Licenses(d.licenses.len()));
        }
        // Counted with its fraction and rounded up: 900.9 s are too long.
        let span = d.not_before.duration_until(d.not_after);
        let secs = span.as_secs() + i64::from(span.subsec_nanos() > 0);
        if !(1..=MAX_DELEGATION.as_secs().cast_signed()).contains(&secs) {
            return Err(DelegationError::Span { secs });
        }
        Ok((d, anchor))
    }

    /// The same, and it must name this very license, among others.
    pub fn open_for<'l>(
        envelope: &Envelope,
        license: &'l License,
        digest: &Digest,
    ) -> Result<(Self, &'l AnchorKey), DelegationError> {
        let (d, a) = Self::open(envelope, std::iter::once(license))?;
        if !d.licenses.contains(digest) {
            return Err(DelegationError::WrongLicense {
                found: d.licenses,
                expected: digest.clone(),
            });
        }
        Ok((d, a))
    }

    pub fn covers(&self, t: Timestamp) -> bool {
        self.not_before <= t && t < self.not_after
    }
}
