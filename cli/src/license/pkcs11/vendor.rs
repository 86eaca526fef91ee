//! A vendor's key that lies in an HSM: found, made, asked to sign.

use super::pairs::{Called, Curve, KeyPair};
use super::uri::Uri;
use super::{Names, Wanted};
use anyhow::{Context as _, bail};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::KeyType;
use cryptoki::session::Session;
use mooring_core::license::PublicKey;

const NAMES: Names = Names {
    module: "module-path",
    token: "token",
    serial: "serial",
    pin_file: "pin-source",
};
/// `CKA_EC_PARAMS` of Ed25519: its object identifier (RFC 8410).
const ED25519_OID: [u8; 5] = [0x06, 0x03, 0x2b, 0x65, 0x70];
/// The same as a name (PKCS#11 v3, "edwards25519"): older modules know only this form.
const ED25519_NAME: [u8; 14] = *b"\x13\x0cedwards25519";

const ED25519: Curve = Curve {
    name: "Ed25519",
    key_type: KeyType::EC_EDWARDS,
    params: &ED25519_OID,
    older_params: Some(&ED25519_NAME),
    generation: Mechanism::EccEdwardsKeyPairGen,
    read: ed25519,
    if_none: "vendors sign with Ed25519, and `mooring license keygen --key` makes such a key",
    if_several: "name one with object or id",
};

/// An Ed25519 key on a token, logged in to.
pub struct TokenKey {
    session: Session,
    pair: KeyPair,
}

fn called(uri: &Uri) -> Called<'_> {
    Called {
        label: uri.object.as_deref(),
        id: uri.id.as_deref(),
    }
}

/// A session with the URI's token, the token's label, and the keys there that fit.
fn open(uri: &Uri, writes: bool) -> anyhow::Result<(Session, String, Vec<KeyPair>)> {
    let wanted = Wanted {
        module: &uri.module,
        token: uri.token.as_deref(),
        serial: uri.serial.as_deref(),
        pin_file: uri.pin_file.as_deref(),
        names: NAMES,
    };
    let (session, info) = super::open(&wanted, writes)?;
    let found = ED25519.find(&session, called(uri))?;
    Ok((session, info.label().to_owned(), found))
}

impl TokenKey {
    pub fn find(uri: &Uri) -> anyhow::Result<Self> {
        let (session, token, found) = open(uri, false)?;
        let pair = ED25519.only(&session, &token, called(uri), found)?;
        Ok(Self { session, pair })
    }

    /// Makes a key on the token. One that is there already is never touched: it is refused.
    pub fn make(uri: &Uri) -> anyhow::Result<Self> {
        let label = uri.object.as_ref();
        let label = label
            .context("object: missing; expected the new key's label, such as object=vendor")?;
        let (session, token, mut found) = open(uri, true)?;
        if let Some(KeyPair { name, public, .. }) = found.pop() {
            bail!(
                "token {token:?} has key {name} already, key id {}; name another object, or print it with `mooring license public`",
                public.id()
            );
        }
        let pair = ED25519.generate(&session, &token, label, uri.id.as_deref())?;
        let made = Self { session, pair };
        made.sign(b"mooring license keygen")?;
        Ok(made)
    }

    pub fn public(&self) -> PublicKey {
        self.pair.public
    }

    pub fn sign(&self, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        self.pair.sign(&self.session, message)
    }
}

/// An Ed25519 public key out of `CKA_EC_PARAMS` and `CKA_EC_POINT`.
fn ed25519(params: &[u8], point: &[u8]) -> Option<PublicKey> {
    if params != ED25519_OID && params != ED25519_NAME {
        return None;
    }
    // PKCS#11 v2.40 wraps the point in an OCTET STRING, v3 has it bare or in a BIT STRING.
    let raw = match point {
        [0x04, 0x20, raw @ ..] | [0x03, 0x21, 0x00, raw @ ..] if raw.len() == 32 => raw,
        raw => raw,
    };
    PublicKey::ed25519(raw.try_into().ok()?).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_point_comes_wrapped_or_bare() {
        let raw = [7; 32];
        let key = Some(PublicKey::Ed25519(raw));
        assert_eq!(ed25519(&ED25519_OID, &raw), key);
        assert_eq!(ed25519(&ED25519_NAME, &[&[4, 32][..], &raw].concat()), key);
        assert_eq!(
            ed25519(&ED25519_OID, &[&[3, 33, 0][..], &raw].concat()),
            key
        );
        assert_eq!(ed25519(&ED25519_OID, &raw[1..]), None);
        // Ed448, and P-256.
        assert_eq!(ed25519(&[0x06, 0x03, 0x2b, 0x65, 0x71], &raw), None);
        assert_eq!(ed25519(&[0x06, 0x08], &raw), None);
    }
}
