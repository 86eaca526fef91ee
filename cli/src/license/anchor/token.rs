//! What a token says of itself and of a key, and what follows from it. Pure.

use mooring_core::license::PublicKey;

/// DER of the object identifier of P-256 (prime256v1, SEC 2), as `CKA_EC_PARAMS` carries it.
pub(super) const P256_OID: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// Words in a token's manufacturer or model that name software.
const SOFTWARE: &[&str] = &[
    "softhsm",
    "opendnssec",
    "kryoptic",
    "mozilla",
    "nss ",
    "p11-kit",
    "gnome",
    "opencryptoki soft",
    "swtpm",
];

/// What a private key's attributes say; `None` where the token does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyFacts {
    /// `CKA_SENSITIVE`.
    pub(super) sensitive: Option<bool>,
    /// `CKA_EXTRACTABLE`.
    pub(super) extractable: Option<bool>,
    /// `CKA_NEVER_EXTRACTABLE`.
    pub(super) never_extractable: Option<bool>,
    /// `CKA_LOCAL`: made on the token.
    pub(super) local: Option<bool>,
}

/// Why this key can be copied; nothing if nothing says so.
pub(super) fn software(manufacturer: &str, model: &str, key: KeyFacts) -> Vec<String> {
    let mut why = Vec::new();
    let words = format!("{manufacturer} {model} ").to_lowercase();
    if SOFTWARE.iter().any(|w| words.contains(w)) {
        why.push(format!(
            "the token is software (manufacturer {manufacturer:?}, model {model:?})"
        ));
    }
    if key.extractable == Some(true) {
        why.push("the key is extractable (CKA_EXTRACTABLE is true)".to_owned());
    }
    if key.sensitive == Some(false) {
        why.push("the key can be read in the clear (CKA_SENSITIVE is false)".to_owned());
    }
    if key.never_extractable == Some(false) {
        why.push("the key was extractable once (CKA_NEVER_EXTRACTABLE is false)".to_owned());
    }
    if key.local == Some(false) {
        why.push(
            "the key was not made on the token (CKA_LOCAL is false): there may be copies"
                .to_owned(),
        );
    }
    why
}

/// A P-256 public key out of `CKA_EC_PARAMS` and `CKA_EC_POINT`.
pub(super) fn p256(params: &[u8], point: &[u8]) -> Option<PublicKey> {
    if params != P256_OID {
        return None;
    }
    // PKCS#11 wraps the point in an OCTET STRING; some tokens leave that out.
    let raw = match point {
        [0x04, 0x41, raw @ ..] if raw.len() == 65 => raw,
        raw => raw,
    };
    let key = <[u8; 65]>::try_from(raw).ok()?;
    (key.first() == Some(&4)).then_some(PublicKey::P256(key))
}

/// Bytes of a `CKA_ID` from hexadecimal digits, with or without colons.
pub(super) fn key_id(s: &str) -> Result<Vec<u8>, String> {
    let plain: String = s.chars().filter(|c| *c != ':').collect();
    let bytes = hex::decode(plain.strip_prefix("0x").unwrap_or(&plain));
    bytes
        .ok()
        .filter(|b| !b.is_empty())
        .ok_or_else(|| "expected hexadecimal digits, such as 01 or a1:b2".to_owned())
}

#[cfg(test)]
mod tests;
