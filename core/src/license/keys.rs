//! Keys. The algorithm belongs to the key: `ed25519:‹64 hex digits›` or `p256:‹130 hex digits,
//! uncompressed point›`.

use crate::names::as_text;
use crate::secret::sha256;
use hex::FromHex;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error(
        "key {0:?}: expected \"ed25519:\" and 64 hexadecimal digits, or \"p256:\" and 130 (an uncompressed point)"
    )]
    Form(String),
    #[error("the private key cannot be used: {0}")]
    Private(String),
}

/// A public key with its algorithm.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PublicKey {
    /// Ed25519 (RFC 8032).
    Ed25519([u8; 32]),
    /// ECDSA over P-256 with SHA-256; signatures are r ‖ s, 64 bytes (as PKCS#11 gives them).
    P256([u8; 65]),
}

/// A short name of a key: the first 16 bytes of the SHA-256 of its text, in hex.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(pub String);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PublicKey {
    pub fn id(&self) -> KeyId {
        let digest = sha256(self.to_string().as_bytes());
        KeyId(hex::encode(digest.get(..16).unwrap_or_default()))
    }

    /// Whether `sig` is this key's signature of `message`.
    pub fn verifies(&self, message: &[u8], sig: &[u8]) -> bool {
        let key: UnparsedPublicKey<&[u8]> = match self {
            Self::Ed25519(k) => UnparsedPublicKey::new(&ED25519, k),
            Self::P256(k) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, k),
        };
        key.verify(message, sig).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ed25519(k) => write!(f, "ed25519:{}", hex::encode(k)),
            Self::P256(k) => write!(f, "p256:{}", hex::encode(k)),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;
    fn from_str(s: &str) -> Result<Self, KeyError> {
        let key = match s.split_once(':') {
            Some(("ed25519", h)) => FromHex::from_hex(h).ok().map(Self::Ed25519),
            Some(("p256", h)) => {
                let point = <[u8; 65]>::from_hex(h).ok();
                point.filter(|k| k.first() == Some(&4)).map(Self::P256)
            }
            _ => None,
        };
        key.ok_or_else(|| KeyError::Form(s.chars().take(160).collect()))
    }
}

as_text!(PublicKey, KeyError);

/// An Ed25519 private key in memory: the vendor's, or the server's ephemeral one.
pub struct SigningKey(Ed25519KeyPair);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public())
    }
}

impl SigningKey {
    /// From 32 random bytes (the RFC 8032 private key).
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, KeyError> {
        Ed25519KeyPair::from_seed_unchecked(seed)
            .map(Self)
            .map_err(|e| KeyError::Private(e.to_string()))
    }

    /// From a PKCS#8 document (DER).
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der);
        key.map(Self).map_err(|e| KeyError::Private(e.to_string()))
    }

    pub fn public(&self) -> PublicKey {
        let mut k = [0; 32];
        k.copy_from_slice(self.0.public_key().as_ref());
        PublicKey::Ed25519(k)
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}
