//! Who signs for the vendor: a key in a file, or one in an HSM.

use super::pkcs11::uri::{self, Uri};
use super::pkcs11::vendor::TokenKey;
use super::vendor_key;
use anyhow::{Context as _, bail};
use mooring_core::license::{Envelope, PublicKey, SigningKey};
use serde::Serialize;
use std::path::Path;

/// A vendor's key that can sign.
pub enum Signer {
    /// From a PKCS#8 file.
    File(SigningKey),
    /// On a token.
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
            let public = signer.public();
            if out.iter().any(|s| s.public() == public) {
                bail!(
                    "--key: {} is given twice; expected each key once",
                    public.id()
                );
            }
            out.push(signer);
        }
        Ok(out)
    }

    /// The public half.
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
    let ids: Vec<String> = signers.iter().map(|s| s.public().id().0).collect();
    ids.join(", ")
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
        let sig = s
            .sign(&message)
            .with_context(|| format!("--key: {}", s.public().id()))?;
        envelope.add_signature(&s.public(), sig);
    }
    Ok(envelope)
}
