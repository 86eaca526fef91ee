//! Key pairs on a token: found, made, asked to sign.

use anyhow::{Context as _, anyhow, bail};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use mooring_core::license::PublicKey;
use mooring_net::random;
use ring::digest::{SHA256, digest};

/// What is looked for: anchors sign with one curve, vendors with another.
pub struct Curve {
    pub name: &'static str,
    pub key_type: KeyType,
    /// `CKA_EC_PARAMS` of a new key, and another form of it that older modules know.
    pub params: &'static [u8],
    pub older_params: Option<&'static [u8]>,
    pub generation: Mechanism<'static>,
    /// A public key out of `CKA_EC_PARAMS` and `CKA_EC_POINT`.
    pub read: fn(&[u8], &[u8]) -> Option<PublicKey>,
    /// What to do about no key, and about several.
    pub if_none: &'static str,
    pub if_several: &'static str,
}

/// The key that is meant: `CKA_LABEL`, `CKA_ID`.
#[derive(Clone, Copy)]
pub struct Called<'a> {
    pub label: Option<&'a str>,
    pub id: Option<&'a [u8]>,
}

pub struct KeyPair {
    pub private: ObjectHandle,
    pub public: PublicKey,
    /// For people.
    pub name: String,
}

impl Curve {
    /// The key pairs of this curve that fit.
    pub fn find(&self, session: &Session, called: Called<'_>) -> anyhow::Result<Vec<KeyPair>> {
        let mut wanted = vec![
            Attribute::Class(ObjectClass::PRIVATE_KEY),
            Attribute::KeyType(self.key_type),
        ];
        wanted.extend(called.label.map(|l| Attribute::Label(l.into())));
        wanted.extend(called.id.map(|i| Attribute::Id(i.into())));
        let found = session.find_objects(&wanted);
        let found = found.context("cannot list the token's keys")?;
        let pair = |private| {
            let (id, label) = name_of(session, private);
            let public = self.public_of(session, private, &id)?;
            let name = name(&label, &id);
            Some(KeyPair {
                private,
                public,
                name,
            })
        };
        Ok(found.into_iter().filter_map(pair).collect())
    }

    /// The only one of those found on `token`.
    pub fn only(
        &self,
        session: &Session,
        token: &str,
        called: Called<'_>,
        mut found: Vec<KeyPair>,
    ) -> anyhow::Result<KeyPair> {
        if found.len() > 1 {
            let names: Vec<String> = found.into_iter().map(|k| k.name).collect();
            let (curve, names, choose) = (self.name, names.join(", "), self.if_several);
            bail!("token {token:?} has several {curve} keys that fit: {names}; {choose}");
        }
        found.pop().ok_or_else(|| {
            let label = called.label.map(|l| format!(" with label {l:?}"));
            let id = called.id.map(|i| format!(" with id {}", hex::encode(i)));
            anyhow!(
                "token {token:?}: no {} key{}{} (there is {}); {}",
                self.name,
                label.unwrap_or_default(),
                id.unwrap_or_default(),
                self.others(session),
                self.if_none
            )
        })
    }

    /// What there is instead.
    fn others(&self, session: &Session) -> String {
        let any = [Attribute::Class(ObjectClass::PRIVATE_KEY)];
        let name = |key: ObjectHandle| {
            let kind = session.get_attributes(key, &[AttributeType::KeyType]);
            let ecdsa = kind.is_ok_and(|a| a.contains(&Attribute::KeyType(KeyType::EC)));
            let kind = if ecdsa && self.key_type != KeyType::EC {
                ", ECDSA"
            } else {
                ""
            };
            format!("{:?}{kind}", name_of(session, key).1)
        };
        let keys = session.find_objects(&any).unwrap_or_default();
        if keys.is_empty() {
            return "no private key".to_owned();
        }
        let names: Vec<String> = keys.into_iter().map(name).collect();
        format!("other keys: {}", names.join(", "))
    }

    /// Makes a key on `token`, never extractable; its id is random if none is given.
    pub fn generate(
        &self,
        session: &Session,
        token: &str,
        label: &str,
        id: Option<&[u8]>,
    ) -> anyhow::Result<KeyPair> {
        let id = id.map_or_else(|| random::bytes::<8>().to_vec(), <[u8]>::to_vec);
        let both = [
            Attribute::Token(true),
            Attribute::Label(label.into()),
            Attribute::Id(id.clone()),
        ];
        let private = [
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
        ];
        let private = [&private[..], &both[..]].concat();
        let with = |params: &[u8]| {
            let public = [Attribute::EcParams(params.into()), Attribute::Verify(true)];
            let public = [&public[..], &both[..]].concat();
            session.generate_key_pair(&self.generation, &public, &private)
        };
        let made = with(self.params).or_else(|e| self.older_params.map_or(Err(e), with));
        let (public, private) =
            made.with_context(|| format!("token {token:?}: it made no {} key", self.name))?;
        let public = self.point(session, public);
        Ok(KeyPair {
            private,
            public: public.context("the token does not tell the public key it has made")?,
            name: name(label, &id),
        })
    }

    /// The public half: the object with the same id, or what the private one says itself.
    fn public_of(&self, session: &Session, private: ObjectHandle, id: &[u8]) -> Option<PublicKey> {
        let wanted = [
            Attribute::Class(ObjectClass::PUBLIC_KEY),
            Attribute::KeyType(self.key_type),
            Attribute::Id(id.to_vec()),
        ];
        let twins = if id.is_empty() {
            Vec::new()
        } else {
            session.find_objects(&wanted).unwrap_or_default()
        };
        let mut all = twins.into_iter().chain([private]);
        all.find_map(|k| self.point(session, k))
    }

    fn point(&self, session: &Session, key: ObjectHandle) -> Option<PublicKey> {
        let (mut params, mut point) = (Vec::new(), Vec::new());
        let asked = [AttributeType::EcParams, AttributeType::EcPoint];
        for a in session.get_attributes(key, &asked).ok()? {
            match a {
                Attribute::EcParams(v) => params = v,
                Attribute::EcPoint(v) => point = v,
                _ => {}
            }
        }
        (self.read)(&params, &point)
    }
}

impl KeyPair {
    /// Signs, and verifies what the token gave: a faulty one must not make what nobody can read,
    /// and the two halves must belong together.
    pub fn sign(&self, session: &Session, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        let (sig, hint) = match self.public {
            PublicKey::P256(_) => {
                let hash = digest(&SHA256, message);
                (
                    session.sign(&Mechanism::Ecdsa, self.private, hash.as_ref()),
                    "",
                )
            }
            PublicKey::Ed25519(_) => {
                let how = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519));
                let hint = " with CKM_EDDSA; a key that asks for the PIN at each signature is not supported";
                (session.sign(&how, self.private, message), hint)
            }
        };
        let name = &self.name;
        let sig = sig.with_context(|| format!("key {name}: it does not sign{hint}"))?;
        if !self.public.verifies(message, &sig) {
            bail!(
                "key {name}: what it signs does not verify against the public key beside it; use another key"
            );
        }
        Ok(sig)
    }
}

fn name(label: &str, id: &[u8]) -> String {
    format!("{label:?} (id {})", hex::encode(id))
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
