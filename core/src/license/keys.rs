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
    #[error(
        "key {0}: everybody can sign for it (a point of small order, or one that is not written canonically); expected a key that a device or `mooring license keygen` made"
    )]
    Weak(String),
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

    /// An Ed25519 key of its 32 bytes; [`KeyError::Weak`] if everybody can sign for it.
    pub fn ed25519(bytes: [u8; 32]) -> Result<Self, KeyError> {
        let key = Self::Ed25519(bytes);
        if is_weak(&bytes) {
            return Err(KeyError::Weak(key.to_string()));
        }
        Ok(key)
    }

    /// Whether `sig` is this key's signature of `message`. Never, by a key that everybody can sign
    /// for.
    pub fn verifies(&self, message: &[u8], sig: &[u8]) -> bool {
        if matches!(self, Self::Ed25519(k) if is_weak(k)) {
            return false;
        }
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
            Some(("ed25519", h)) => match FromHex::from_hex(h) {
                Ok(bytes) => return Self::ed25519(bytes),
                Err(_) => None,
            },
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

/// The y of the points whose order divides eight, little-endian (RFC 8032, 5.1.2): of orders 4, 1,
/// 2, and twice 8. A point and its negative share one.
const SMALL_ORDER: [&str; 5] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
];
/// The field's prime, 2²⁵⁵ - 19: a y that is not below it is written a second way.
const PRIME: &str = "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";

/// Whether it is a key of small order, for which one signature is good for many messages, or one
/// that is not written canonically. `ring` takes both; RFC 8032 (5.1.7) leaves it to the verifier.
fn is_weak(key: &[u8; 32]) -> bool {
    let mut y = *key;
    // The top bit is the sign of x.
    y[31] &= 0x7f;
    let number = |h: &str| <[u8; 32]>::from_hex(h).unwrap_or_default();
    let not_below = y.iter().rev().ge(number(PRIME).iter().rev());
    not_below || SMALL_ORDER.iter().any(|h| y == number(h))
}

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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// All 32-byte texts that are small-order points, canonical or not, or no canonical y.
    fn weak() -> Vec<[u8; 32]> {
        let number = |h: &str| <[u8; 32]>::from_hex(h).unwrap();
        let mut all: Vec<[u8; 32]> = SMALL_ORDER.iter().map(|h| number(h)).collect();
        all.extend((0..19).map(|n| {
            let mut y = number(PRIME);
            y[0] += n;
            y
        }));
        let negated = all.iter().map(|y| {
            let mut y = *y;
            y[31] |= 0x80;
            y
        });
        [all.clone(), negated.collect()].concat()
    }

    #[test]
    fn a_key_that_everybody_can_sign_for_is_none() {
        // R = [S]B with S = 0: for the identity as a key that is a signature of every message.
        let mut forged = [0; 64];
        forged[0] = 1;
        let identity = number_of(1);
        let by_ring = UnparsedPublicKey::new(&ED25519, identity);
        assert!(
            by_ring.verify(b"any message", &forged).is_ok(),
            "the attack"
        );
        assert!(!PublicKey::Ed25519(identity).verifies(b"any message", &forged));
        assert_eq!(weak().len(), 48);
        for k in weak() {
            let text = PublicKey::Ed25519(k).to_string();
            let e = text.parse::<PublicKey>().map_err(|e| e.to_string());
            assert!(
                e.as_ref()
                    .is_err_and(|e| e.contains(&text) && e.contains("keygen")),
                "{e:?}"
            );
        }
    }

    #[test]
    fn keys_beside_those_are_keys() {
        let mut largest = <[u8; 32]>::from_hex(PRIME).unwrap();
        largest[0] -= 2;
        for k in [number_of(2), number_of(3), largest] {
            let text = PublicKey::Ed25519(k).to_string();
            assert_eq!(text.parse(), Ok(PublicKey::Ed25519(k)));
        }
        let real = SigningKey::from_seed(&[1; 32]).unwrap();
        assert_eq!(real.public().to_string().parse(), Ok(real.public()));
        assert!(real.public().verifies(b"m", &real.sign(b"m")));
    }

    fn number_of(n: u8) -> [u8; 32] {
        let mut y = [0; 32];
        y[0] = n;
        y
    }
}
