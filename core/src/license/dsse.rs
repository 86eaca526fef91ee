//! DSSE (Dead Simple Signing Envelope, v1.0.2): signs exact bytes together with their type.

use super::keys::{KeyId, PublicKey};
use crate::cut::cut;
use crate::secret::sha256;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The most signatures one envelope may carry.
const MAX_SIGNATURES: usize = 8;

/// Why an envelope is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DsseError {
    #[error("the document is of type {found:?}, expected {expected:?}")]
    WrongType {
        found: String,
        expected: &'static str,
    },
    #[error("not signed by any of the keys {trusted}; its signatures name {named}")]
    NotSigned { trusted: String, named: String },
    #[error("the signed document cannot be read: {0}")]
    Payload(String),
}

impl DsseError {
    /// With the reader's words, which may quote the document.
    pub(crate) fn payload(e: &serde_json::Error) -> Self {
        Self::Payload(cut(e.to_string()))
    }
}

mod b64 {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(v: &[u8], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&STANDARD.encode(v))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        let s = std::borrow::Cow::<str>::deserialize(d)?;
        let read = STANDARD.decode(s.as_bytes());
        read.map_err(serde::de::Error::custom)
    }
}

/// A signed document.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// The document's media type; signed with it.
    pub payload_type: String,
    /// The document's exact bytes.
    #[serde(with = "b64")]
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Base64"))]
    pub payload: Vec<u8>,
    /// Who signed; several, so that keys can rotate.
    pub signatures: Vec<Signature>,
}

/// One signature.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Signature {
    /// A hint which key it is; never trusted.
    pub keyid: KeyId,
    /// The signature's bytes.
    #[serde(with = "b64")]
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Base64"))]
    pub sig: Vec<u8>,
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Envelope({} {})", self.payload_type, self.digest())
    }
}

/// The SHA-256 of a document's bytes, in hex.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(pub String);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Envelope {
    /// An envelope around a document that nobody has signed yet.
    pub fn unsigned<T: Serialize>(
        payload_type: &'static str,
        document: &T,
    ) -> Result<Self, DsseError> {
        let payload = serde_json::to_vec(document).map_err(|e| DsseError::payload(&e))?;
        Ok(Self {
            payload_type: payload_type.to_owned(),
            payload,
            signatures: Vec::new(),
        })
    }

    /// Makes and signs an envelope with one key in memory.
    pub fn sign<T: Serialize>(
        payload_type: &'static str,
        document: &T,
        key: &super::SigningKey,
    ) -> Result<Self, DsseError> {
        let mut e = Self::unsigned(payload_type, document)?;
        let sig = key.sign(&e.signed_bytes());
        e.add_signature(&key.public(), sig);
        Ok(e)
    }

    /// The bytes a key signs: DSSE's pre-authentication encoding of type and document.
    pub fn signed_bytes(&self) -> Vec<u8> {
        let (t, p) = (&self.payload_type, &self.payload);
        let mut out = format!("DSSEv1 {} {} {} ", t.len(), t, p.len()).into_bytes();
        out.extend_from_slice(p);
        out
    }

    /// Adds a signature of [`signed_bytes`](Self::signed_bytes).
    pub fn add_signature(&mut self, by: &PublicKey, sig: Vec<u8>) {
        let keyid = by.id();
        self.signatures.push(Signature { keyid, sig });
    }

    /// The SHA-256 of the document.
    pub fn digest(&self) -> Digest {
        Digest(hex::encode(sha256(&self.payload)))
    }

    /// Checks type and signature, and reads the document. Tells which key signed.
    pub fn open<T: DeserializeOwned>(
        &self,
        payload_type: &'static str,
        keys: &[PublicKey],
    ) -> Result<(T, PublicKey), DsseError> {
        let signer = self.signer(payload_type, keys)?;
        Ok((self.read_unverified(payload_type)?, signer))
    }

    /// Which of `keys` signed this document of this type.
    pub fn signer(
        &self,
        payload_type: &'static str,
        keys: &[PublicKey],
    ) -> Result<PublicKey, DsseError> {
        self.check_type(payload_type)?;
        let message = self.signed_bytes();
        let signatures = self.signatures.iter().take(MAX_SIGNATURES);
        let signed = |k: &&PublicKey| {
            let (id, mut signatures) = (k.id(), signatures.clone());
            signatures.any(|s| s.keyid == id && k.verifies(&message, &s.sig))
        };
        let signer = keys.iter().find(signed).copied();
        signer.ok_or_else(|| DsseError::NotSigned {
            trusted: list(keys.iter().map(PublicKey::id)),
            named: list(signatures.map(|s| s.keyid.clone())),
        })
    }

    /// Reads the document WITHOUT looking at its signature.
    pub fn read_unverified<T: DeserializeOwned>(
        &self,
        payload_type: &'static str,
    ) -> Result<T, DsseError> {
        self.check_type(payload_type)?;
        serde_json::from_slice(&self.payload).map_err(|e| DsseError::payload(&e))
    }

    fn check_type(&self, expected: &'static str) -> Result<(), DsseError> {
        if self.payload_type == expected {
            Ok(())
        } else {
            Err(DsseError::WrongType {
                found: self.payload_type.chars().take(80).collect(),
                expected,
            })
        }
    }
}

fn list(ids: impl Iterator<Item = KeyId>) -> String {
    let v: Vec<String> = ids.map(|i| i.0.chars().take(64).collect()).collect();
    if v.is_empty() {
        "none".into()
    } else {
        v.join(", ")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_error_does_not_repeat_a_long_document_and_says_where_it_is() {
        let read =
            |json: &str| DsseError::payload(&serde_json::from_str::<bool>(json).unwrap_err());
        let short = read("7").to_string();
        assert!(
            short.contains("expected a boolean at line 1 column 1"),
            "{short}"
        );
        let long = read(&format!("\"{}\"", "ü".repeat(5000))).to_string();
        assert!(long.chars().count() < 500 && long.contains("üü…"), "{long}");
        assert!(
            long.ends_with("expected a boolean at line 1 column 10002"),
            "{long}"
        );
    }
}
