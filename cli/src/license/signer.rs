//! Who signs for the vendor: a key in a file, or one in an HSM.

use super::pkcs11::uri::{self, Uri};
use super::pkcs11::vendor::TokenKey;
use super::vendor_key;
use crate::output::list;
use anyhow::{Context as _, bail};
use mooring_core::license::{Envelope, PublicKey, SigningKey};
use serde::Serialize;
use std::path::Path;

pub enum Signer {
    File(SigningKey),
    Token(TokenKey),
}

impl Signer {
    /// From `--key`: a file's name, or `pkcs11:…`.
    pub fn open(key: &str) -> anyhow::Result<Self> {
        if uri::is_uri(key) {
            let at = || format!("--key {key}");
            let uri: Uri = key.parse().with_context(at)?;
            return TokenKey::find(&uri).map(Self::Token).with_context(at);
        }
        vendor_key::read(Path::new(key)).map(Self::File)
    }

    /// Several; none twice.
    pub fn open_all(keys: &[String]) -> anyhow::Result<Vec<Self>> {
        let mut out: Vec<Self> = Vec::new();
        for key in keys {
            let signer = Self::open(key)?;
            if publics(&out).contains(&signer.public()) {
                let id = signer.public().id();
                bail!("--key: {id} is given twice; expected each key once");
            }
            out.push(signer);
        }
        Ok(out)
    }

    pub fn public(&self) -> PublicKey {
        match self {
            Self::File(k) => k.public(),
            Self::Token(k) => k.public(),
        }
    }

    fn sign(&self, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::File(k) => Ok(k.sign(message)),
            Self::Token(k) => k.sign(message),
        }
    }
}

/// Their public halves.
pub fn publics(signers: &[Signer]) -> Vec<PublicKey> {
    signers.iter().map(Signer::public).collect()
}

/// Their names, for people.
pub fn ids(signers: &[Signer]) -> String {
    list(signers.iter().map(|s| s.public().id()))
}

/// Signs a document with each of them.
pub fn seal<T: Serialize>(
    payload_type: &'static str,
    document: &T,
    signers: &[Signer],
) -> anyhow::Result<Envelope> {
    if signers.is_empty() {
        bail!("--key: missing; expected at least one");
    }
    let mut envelope = Envelope::unsigned(payload_type, document)?;
    let message = envelope.signed_bytes();
    for s in signers {
        let (sig, key) = (s.sign(&message), s.public());
        let sig = sig.with_context(|| format!("--key: {}", key.id()))?;
        envelope.add_signature(&key, sig);
    }
    Ok(envelope)
}
