//! Keys of the vectors: seeds that anyone can see, good for nothing else.

use super::model::Key;
use mooring_core::license::{PublicKey, SigningKey};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use std::collections::BTreeMap;

/// A P-256 key in PKCS#8, made once.
const P256: &str = "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b02010104204b6f612e9943e8bb50bcbfad68d0a7d7d86c0dfbcc4d3c60fa96ff2015a6d140a144034200046a25edc705864de8b462aee15cda22ddc517f022ced73d1f21e5c02203d5e61ce9fd5bd42807bf18b136b9ab3b2421ec9941509ca7aba0a4daddc3c77609140e";

/// Who may sign what.
pub struct Keys {
    pub vendor: SigningKey,
    pub new_vendor: SigningKey,
    pub rogue: SigningKey,
    pub anchor: SigningKey,
    pub server: SigningKey,
    pub other_server: SigningKey,
}

fn seed(n: u8) -> [u8; 32] {
    [n; 32]
}

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&seed(n)).unwrap()
}

pub fn keys() -> Keys {
    Keys {
        vendor: key(1),
        new_vendor: key(2),
        rogue: key(3),
        anchor: key(4),
        server: key(5),
        other_server: key(6),
    }
}

/// For the file.
pub fn listed() -> BTreeMap<String, Key> {
    let names = [
        "vendor",
        "newVendor",
        "rogue",
        "anchorEd25519",
        "server",
        "otherServer",
    ];
    let mut all = BTreeMap::new();
    for (name, n) in names.into_iter().zip(1..) {
        let public = key(n).public();
        let seed_hex = Some(hex::encode(seed(n)));
        all.insert(
            name.to_owned(),
            Key {
                public,
                id: public.id().0,
                seed_hex,
                pkcs8_hex: None,
            },
        );
    }
    let public = p256_public();
    let key = Key {
        public,
        id: public.id().0,
        seed_hex: None,
        pkcs8_hex: Some(P256.to_owned()),
    };
    all.insert("anchorP256".to_owned(), key);
    all
}

fn p256() -> EcdsaKeyPair {
    let der = hex::decode(P256).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &SystemRandom::new()).unwrap()
}

pub fn p256_public() -> PublicKey {
    PublicKey::P256(p256().public_key().as_ref().try_into().unwrap())
}

/// ECDSA as `ring` does it is never twice the same: a signature that is in the file already is
/// kept.
pub fn p256_sign(message: &[u8], kept: &[Vec<u8>]) -> Vec<u8> {
    let public = p256_public();
    if let Some(sig) = kept.iter().find(|s| public.verifies(message, s)) {
        return sig.clone();
    }
    p256()
        .sign(&SystemRandom::new(), message)
        .unwrap()
        .as_ref()
        .to_vec()
}
