//! Key pairs on a token: found, made, asked what they are, tried.

use super::flags::Pkcs11Args;
use super::token::{self, KeyFacts, P256_OID};
use anyhow::{Context as _, anyhow, bail};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use mooring_core::license::PublicKey;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use std::fmt::Write as _;

/// A key pair on the token.
pub(super) struct KeyPair {
    pub(super) private: ObjectHandle,
    pub(super) public: PublicKey,
    pub(super) name: String,
}

/// P-256 key pairs that fit the flags.
pub(super) fn find_keys(session: &Session, args: &Pkcs11Args) -> anyhow::Result<Vec<KeyPair>> {
    let mut wanted = vec![
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::KeyType(KeyType::EC),
    ];
    wanted.extend(
        args.key_label
            .as_ref()
            .map(|l| Attribute::Label(l.as_bytes().to_vec())),
    );
    wanted.extend(args.key_id.as_ref().map(|i| Attribute::Id(i.0.clone())));
    let mut found = Vec::new();
    for private in session
        .find_objects(&wanted)
        .context("cannot list the token's keys")?
    {
        let (id, label) = name_of(session, private);
        if let Some(public) = public_of(session, private, id.as_deref()) {
            let name = format!("{label:?} (id {})", hex::encode(id.unwrap_or_default()));
            found.push(KeyPair {
                private,
                public,
                name,
            });
        }
    }
    Ok(found)
}

fn name_of(session: &Session, key: ObjectHandle) -> (Option<Vec<u8>>, String) {
    let (mut id, mut label) = (None, String::new());
    for a in session
        .get_attributes(key, &[AttributeType::Id, AttributeType::Label])
        .unwrap_or_default()
    {
        match a {
            Attribute::Id(v) if !v.is_empty() => id = Some(v),
            Attribute::Label(v) => label = String::from_utf8_lossy(&v).into_owned(),
            _ => {}
        }
    }
    (id, label)
}

/// The public half: the object with the same id, or what the private one says itself.
fn public_of(session: &Session, private: ObjectHandle, id: Option<&[u8]>) -> Option<PublicKey> {
    let twin = id.and_then(|id| {
        let wanted = [
            Attribute::Class(ObjectClass::PUBLIC_KEY),
            Attribute::KeyType(KeyType::EC),
            Attribute::Id(id.to_vec()),
        ];
        session
            .find_objects(&wanted)
            .unwrap_or_default()
            .into_iter()
            .find_map(|k| point_of(session, k))
    });
    twin.or_else(|| point_of(session, private))
}

fn point_of(session: &Session, key: ObjectHandle) -> Option<PublicKey> {
    let (mut params, mut point) = (Vec::new(), Vec::new());
    for a in session
        .get_attributes(key, &[AttributeType::EcParams, AttributeType::EcPoint])
        .ok()?
    {
        match a {
            Attribute::EcParams(v) => params = v,
            Attribute::EcPoint(v) => point = v,
            _ => {}
        }
    }
    token::p256(&params, &point)
}

/// The X.509 certificates that the token shows.
pub(super) fn certificates(session: &Session) -> Vec<Vec<u8>> {
    let wanted = [Attribute::Class(ObjectClass::CERTIFICATE)];
    let found = session.find_objects(&wanted).unwrap_or_default();
    let value = |c: ObjectHandle| match session
        .get_attributes(c, &[AttributeType::Value])
        .ok()?
        .pop()?
    {
        Attribute::Value(v) => Some(v),
        _ => None,
    };
    found.into_iter().filter_map(value).collect()
}

/// Says what there is instead.
pub(super) fn nothing_found(session: &Session, args: &Pkcs11Args) -> String {
    let any = [Attribute::Class(ObjectClass::PRIVATE_KEY)];
    let keys = session.find_objects(&any).unwrap_or_default();
    let names: Vec<String> = keys
        .iter()
        .map(|k| format!("{:?}", name_of(session, *k).1))
        .collect();
    let there = if names.is_empty() {
        "no private key".to_owned()
    } else {
        format!("other keys: {}", names.join(", "))
    };
    let mut wanted = String::from("no P-256 key");
    if let Some(l) = &args.key_label {
        let _ = write!(wanted, " with label {l:?}");
    }
    if let Some(i) = &args.key_id {
        let _ = write!(wanted, " with id {}", hex::encode(&i.0));
    }
    format!(
        "token {:?}: {wanted} (there is {there}); --generate makes one",
        args.token_label
    )
}

pub(super) fn generate(session: &Session, args: &Pkcs11Args) -> anyhow::Result<KeyPair> {
    let label = args
        .key_label
        .clone()
        .unwrap_or_else(|| "mooring".to_owned());
    let id = match &args.key_id {
        Some(id) => id.0.clone(),
        None => random::<8>()?.to_vec(),
    };
    let both = [
        Attribute::Token(true),
        Attribute::Label(label.clone().into_bytes()),
        Attribute::Id(id.clone()),
    ];
    let mut public = vec![
        Attribute::EcParams(P256_OID.to_vec()),
        Attribute::Verify(true),
    ];
    let mut private = vec![
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
    ];
    public.extend(both.iter().cloned());
    private.extend(both);
    let made = session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private);
    let (public, private) =
        made.with_context(|| format!("token {:?}: it made no P-256 key", args.token_label))?;
    let key = point_of(session, public)
        .ok_or_else(|| anyhow!("the token does not tell the public key it has made"))?;
    let name = format!("{label:?} (id {})", hex::encode(id));
    eprintln!("Made key {name} on token {:?}", args.token_label);
    Ok(KeyPair {
        private,
        public: key,
        name,
    })
}

fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut b = [0; N];
    SystemRandom::new()
        .fill(&mut b)
        .map_err(|_| anyhow!("the kernel gave no random bytes"))?;
    Ok(b)
}

/// What the token says of the private key, and whether each signature needs the PIN anew.
pub(super) fn facts(session: &Session, key: ObjectHandle) -> (KeyFacts, bool) {
    let (mut facts, mut each_time) = (KeyFacts::default(), false);
    // One by one: a token that does not know one attribute answers none of several.
    for a in [
        AttributeType::Sensitive,
        AttributeType::Extractable,
        AttributeType::NeverExtractable,
        AttributeType::Local,
        AttributeType::AlwaysAuthenticate,
    ] {
        match session
            .get_attributes(key, &[a])
            .unwrap_or_default()
            .first()
        {
            Some(Attribute::Sensitive(v)) => facts.sensitive = Some(*v),
            Some(Attribute::Extractable(v)) => facts.extractable = Some(*v),
            Some(Attribute::NeverExtractable(v)) => facts.never_extractable = Some(*v),
            Some(Attribute::Local(v)) => facts.local = Some(*v),
            Some(Attribute::AlwaysAuthenticate(v)) => each_time = *v,
            _ => {}
        }
    }
    (facts, each_time)
}

/// Signs something new, and verifies it: the two halves belong together, and the token lets the key
/// sign.
pub(super) fn prove(session: &Session, key: &KeyPair) -> anyhow::Result<()> {
    let message = [b"mooring anchor test ".as_slice(), &random::<32>()?].concat();
    let hash = digest(&SHA256, &message);
    let sig = session.sign(&Mechanism::Ecdsa, key.private, hash.as_ref());
    let sig = sig.with_context(|| format!("key {}: it does not sign", key.name))?;
    if !key.public.verifies(&message, &sig) {
        bail!(
            "key {}: what it signs does not verify against the public key beside it; use another key",
            key.name
        );
    }
    Ok(())
}
