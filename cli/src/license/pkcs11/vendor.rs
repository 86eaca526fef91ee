//! A vendor's key that lies in an HSM: found, made, asked to sign.

use super::uri::Uri;
use super::{Names, Wanted, find_token, load, login};
use anyhow::{Context as _, anyhow, bail};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::slot::TokenInfo;
use mooring_core::license::PublicKey;
use ring::rand::{SecureRandom as _, SystemRandom};

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

/// An Ed25519 key on a token, logged in to.
pub struct TokenKey {
    session: Session,
    private: ObjectHandle,
    public: PublicKey,
    name: String,
}

struct Open {
    session: Session,
    info: TokenInfo,
}

fn open(uri: &Uri, writes: bool) -> anyhow::Result<Open> {
    let wanted = Wanted {
        module: &uri.module,
        token: uri.token.as_deref(),
        serial: uri.serial.as_deref(),
        pin_file: uri.pin_file.as_deref(),
        names: NAMES,
    };
    let module = load(&wanted)?;
    let (slot, info) = find_token(&module, &wanted)?;
    let session = if writes {
        module.open_rw_session(slot)
    } else {
        module.open_ro_session(slot)
    };
    let session =
        session.with_context(|| format!("cannot open a session with token {:?}", info.label()))?;
    login(&session, &info, &wanted)?;
    Ok(Open { session, info })
}

impl TokenKey {
    /// The one Ed25519 key that the URI names.
    pub fn find(uri: &Uri) -> anyhow::Result<Self> {
        let o = open(uri, false)?;
        let mut found = keys(&o.session, uri)?;
        match found.len() {
            1 => {}
            0 => bail!("{}", nothing_found(&o, uri)),
            _ => {
                let names: Vec<&str> = found.iter().map(|(_, _, n)| n.as_str()).collect();
                bail!(
                    "token {:?} has several Ed25519 keys that fit: {}; name one with object or id",
                    o.info.label(),
                    names.join(", ")
                );
            }
        }
        let (private, public, name) = found.pop().context("no key")?;
        Ok(Self {
            session: o.session,
            private,
            public,
            name,
        })
    }

    /// Makes a key on the token, never extractable. One that is there already is never touched: it
    /// is refused.
    pub fn make(uri: &Uri) -> anyhow::Result<Self> {
        let label = uri
            .object
            .clone()
            .context("object: missing; expected the new key's label, such as object=vendor")?;
        let o = open(uri, true)?;
        if let Some((_, public, name)) = keys(&o.session, uri)?.pop() {
            bail!(
                "token {:?} has key {name} already, key id {}; name another object, or print it with `mooring license public`",
                o.info.label(),
                public.id()
            );
        }
        let mut random = [0; 8];
        SystemRandom::new()
            .fill(&mut random)
            .map_err(|_| anyhow!("the kernel gave no random bytes"))?;
        let id = uri.id.clone().unwrap_or_else(|| random.to_vec());
        let (public, private) = generate(&o.session, &label, &id)
            .with_context(|| format!("token {:?}: it made no Ed25519 key", o.info.label()))?;
        let key = point(&o.session, public)
            .ok_or_else(|| anyhow!("the token does not tell the public key it has made"))?;
        let made = Self {
            session: o.session,
            private,
            public: key,
            name: format!("{label:?} (id {})", hex::encode(&id)),
        };
        made.sign(b"mooring license keygen")?;
        Ok(made)
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs, and verifies what the token gave: a faulty one must not make a license that nobody
    /// can read.
    pub fn sign(&self, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        let how = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519));
        let sig = self.session.sign(&how, self.private, message);
        let sig = sig.with_context(|| {
            format!(
                "key {}: it does not sign with CKM_EDDSA; a key that asks for the PIN at each signature is not supported",
                self.name
            )
        })?;
        if !self.public.verifies(message, &sig) {
            bail!(
                "key {}: what it signs does not verify against the public key beside it; use another key",
                self.name
            );
        }
        Ok(sig)
    }
}

type Keys = Vec<(ObjectHandle, PublicKey, String)>;

fn keys(session: &Session, uri: &Uri) -> anyhow::Result<Keys> {
    let mut wanted = vec![
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::KeyType(KeyType::EC_EDWARDS),
    ];
    let more = [
        uri.object
            .as_ref()
            .map(|l| Attribute::Label(l.as_bytes().to_vec())),
        uri.id.clone().map(Attribute::Id),
    ];
    wanted.extend(more.into_iter().flatten());
    let mut found = Vec::new();
    for private in session
        .find_objects(&wanted)
        .context("cannot list the token's keys")?
    {
        let (id, label) = name_of(session, private);
        if let Some(public) = public_of(session, private, &id) {
            found.push((
                private,
                public,
                format!("{label:?} (id {})", hex::encode(&id)),
            ));
        }
    }
    Ok(found)
}

fn name_of(session: &Session, key: ObjectHandle) -> (Vec<u8>, String) {
    let (mut id, mut label) = (Vec::new(), String::new());
    let asked = [AttributeType::Id, AttributeType::Label];
    for a in session.get_attributes(key, &asked).unwrap_or_default() {
        match a {
            Attribute::Id(v) => id = v,
            Attribute::Label(v) => label = String::from_utf8_lossy(&v).into_owned(),
            _ => {}
        }
    }
    (id, label)
}

/// The public half: the object with the same id, or what the private one says itself.
fn public_of(session: &Session, private: ObjectHandle, id: &[u8]) -> Option<PublicKey> {
    let wanted = [
        Attribute::Class(ObjectClass::PUBLIC_KEY),
        Attribute::KeyType(KeyType::EC_EDWARDS),
        Attribute::Id(id.to_vec()),
    ];
    let twins = if id.is_empty() {
        Vec::new()
    } else {
        session.find_objects(&wanted).unwrap_or_default()
    };
    let twin = twins.into_iter().find_map(|k| point(session, k));
    twin.or_else(|| point(session, private))
}

fn point(session: &Session, key: ObjectHandle) -> Option<PublicKey> {
    let (mut params, mut point) = (Vec::new(), Vec::new());
    let asked = [AttributeType::EcParams, AttributeType::EcPoint];
    for a in session.get_attributes(key, &asked).ok()? {
        match a {
            Attribute::EcParams(v) => params = v,
            Attribute::EcPoint(v) => point = v,
            _ => {}
        }
    }
    ed25519(&params, &point)
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
    <[u8; 32]>::try_from(raw).ok().map(PublicKey::Ed25519)
}

fn nothing_found(o: &Open, uri: &Uri) -> String {
    let any = [Attribute::Class(ObjectClass::PRIVATE_KEY)];
    let others = o.session.find_objects(&any).unwrap_or_default();
    let names: Vec<String> = others
        .iter()
        .map(|k| {
            let kind = o.session.get_attributes(*k, &[AttributeType::KeyType]);
            let p256 = kind.is_ok_and(|a| a.contains(&Attribute::KeyType(KeyType::EC)));
            let kind = if p256 { ", ECDSA" } else { "" };
            format!("{:?}{kind}", name_of(&o.session, *k).1)
        })
        .collect();
    let there = if names.is_empty() {
        "no private key".to_owned()
    } else {
        format!("other keys: {}", names.join(", "))
    };
    let object = uri
        .object
        .as_ref()
        .map(|l| format!(" with label {l:?}"))
        .unwrap_or_default();
    let id = uri
        .id
        .as_ref()
        .map(|i| format!(" with id {}", hex::encode(i)))
        .unwrap_or_default();
    format!(
        "token {:?}: no Ed25519 key{object}{id} (there is {there}); vendors sign with Ed25519, and `mooring license keygen --key` makes such a key",
        o.info.label()
    )
}

fn generate(
    session: &Session,
    label: &str,
    id: &[u8],
) -> Result<(ObjectHandle, ObjectHandle), cryptoki::error::Error> {
    let both = [
        Attribute::Token(true),
        Attribute::Label(label.as_bytes().to_vec()),
        Attribute::Id(id.to_vec()),
    ];
    let private: Vec<Attribute> = [
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
    ]
    .into_iter()
    .chain(both.iter().cloned())
    .collect();
    let with = |params: &[u8]| {
        let public: Vec<Attribute> = [
            Attribute::EcParams(params.to_vec()),
            Attribute::Verify(true),
        ]
        .into_iter()
        .chain(both.iter().cloned())
        .collect();
        session.generate_key_pair(&Mechanism::EccEdwardsKeyPairGen, &public, &private)
    };
    with(&ED25519_OID).or_else(|_| with(&ED25519_NAME))
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
