//! Reading a license file: out of its armour, its signature verified, its fields checked.

use super::armour::dearmour;
use super::check::LicenseError;
use super::dsse::{Digest, DsseError, Envelope};
use super::file::License;
use super::keys::{KeyId, PublicKey};
use super::types;
use serde::de::DeserializeOwned;

/// Whose signature is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Trust<'a> {
    Pinned(&'a [PublicKey]),
    /// Nobody's: the reader has no vendor key. Applications pin their own; a server without keys
    /// only cannot explain a forged file before they do.
    Unchecked,
}

impl Trust<'_> {
    /// The document in an envelope, and whose signature was verified.
    pub(super) fn open<T: DeserializeOwned>(
        self,
        envelope: &Envelope,
        payload_type: &'static str,
    ) -> Result<(T, Option<KeyId>), DsseError> {
        let signed_by = match self {
            Self::Pinned(keys) => Some(envelope.signer(payload_type, keys)?.id()),
            Self::Unchecked => None,
        };
        Ok((envelope.read_unverified(payload_type)?, signed_by))
    }
}

/// A license that was read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenLicense {
    pub license: License,
    /// The SHA-256 of the signed bytes.
    pub digest: Digest,
    /// The signed bytes.
    pub envelope: Envelope,
    /// The vendor's key that verified; none if unchecked.
    pub signed_by: Option<KeyId>,
}

impl OpenLicense {
    /// Reads a license file. Dates are judged by [`License::check_dates`].
    pub fn read(text: &str, trust: Trust<'_>) -> Result<Self, LicenseError> {
        Self::from_envelope(dearmour(text, types::LICENSE)?, trust)
    }

    /// Checks a license out of its envelope.
    pub fn from_envelope(envelope: Envelope, trust: Trust<'_>) -> Result<Self, LicenseError> {
        let (license, signed_by) = trust.open::<License>(&envelope, types::LICENSE)?;
        license.check()?;
        Ok(Self {
            digest: envelope.digest(),
            license,
            envelope,
            signed_by,
        })
    }
}
