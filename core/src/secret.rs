//! A claim's secret: made by the holder, proven by the holder, never stored by the server.
//!
//! The server sees its SHA-256 at the claim and the secret itself at each renewal, release and
//! reinstating. The type prints as `…`, so that no log can carry it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde::Serialize;
use std::fmt;

/// What secrets and hashes are, as errors tell it.
pub const BYTES: &str = "32 bytes in base64url without padding (43 characters)";

/// What is not 32 bytes in unpadded base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {BYTES}")]
pub struct BadBytes;

macro_rules! bytes_as_text {
    ($t:ident) => {
        impl std::str::FromStr for $t {
            type Err = $crate::secret::BadBytes;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                $crate::secret::bytes_of(s).map(Self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $t {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                $crate::text::read(d)
            }
        }

        impl TryFrom<String> for $t {
            type Error = $crate::secret::BadBytes;
            fn try_from(s: String) -> Result<Self, Self::Error> {
                $crate::secret::bytes_of(&s).map(Self)
            }
        }

        impl From<$t> for String {
            fn from(s: $t) -> Self {
                $crate::secret::text_of(&s.0)
            }
        }
    };
}
pub(crate) use bytes_as_text;

pub(crate) fn bytes_of(text: &str) -> Result<[u8; 32], BadBytes> {
    // Room for what is a little too long, which is then told from what is not.
    let mut bytes = [0; 48];
    let n = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes);
    match (n, bytes.first_chunk()) {
        (Ok(32), Some(bytes)) => Ok(*bytes),
        _ => Err(BadBytes),
    }
}

pub(crate) fn text_of(bytes: &[u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

bytes_as_text!(Secret);
bytes_as_text!(SecretHash);

/// A claim's secret, 32 random bytes.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct Secret([u8; 32]);

impl Secret {
    /// A secret from 32 random bytes.
    pub const fn from_bytes(b: [u8; 32]) -> Self {
        Self(b)
    }

    /// What the server is given in its place.
    pub fn hash(&self) -> SecretHash {
        SecretHash(sha256(&self.0))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// The SHA-256 of a [`Secret`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(into = "String")]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// The hash that no secret has: for what is kept without one.
    pub(crate) const fn none() -> Self {
        Self([0; 32])
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether `secret` is the one. Comparing hashes leaks nothing of the secret through time.
    pub fn matches(&self, secret: &Secret) -> bool {
        secret.hash() == *self
    }
}

pub(crate) fn sha256(data: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, data).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_proven_by_its_hash_and_never_printed() {
        let s = Secret::from_bytes([7; 32]);
        assert!(s.hash().matches(&s));
        assert!(!s.hash().matches(&Secret::from_bytes([8; 32])));
        assert_eq!(format!("{s:?}"), "…");
        let text = String::from(s.clone());
        assert_eq!(Secret::try_from(text), Ok(s));
        assert_eq!(Secret::try_from("short".to_owned()), Err(BadBytes));
    }
}
