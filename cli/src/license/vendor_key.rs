//! The vendor's key: a private one in a PKCS#8 PEM file (as `openssl genpkey -algorithm ed25519`
//! writes it), and the public ones that verify, as text or in files.

use super::file;
use anyhow::{Context as _, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mooring_core::license::{PublicKey, SigningKey};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// What stands before the 32 bytes of an Ed25519 private key in PKCS#8, version 1 (RFC 8410,
/// section 7).
const PKCS8_ED25519: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// A private key as PKCS#8 PEM. Version 1, without the public half: every OpenSSL reads it.
pub fn to_pem(seed: &[u8; 32]) -> String {
    let der = STANDARD.encode([PKCS8_ED25519.as_slice(), seed].concat());
    format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n")
}

pub fn from_pem(text: &str) -> anyhow::Result<SigningKey> {
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") {
        bail!(
            "it is encrypted; expected an unencrypted Ed25519 key: decrypt it with `openssl pkey` into a 0600 file"
        );
    }
    let der = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).map_err(|e| {
        anyhow!("no PKCS#8 private key in PEM ({e}); expected what `mooring license keygen` wrote")
    })?;
    let key = SigningKey::from_pkcs8(der.secret_pkcs8_der());
    key.map_err(|e| anyhow!("{e}; expected an Ed25519 key, as `mooring license keygen` makes it"))
}

/// Reads the file of a private key. Others that may read the file are worth a warning, no refusal:
/// a vendor's build machine may have its own ways.
pub fn read(path: &Path) -> anyhow::Result<SigningKey> {
    let text = file::read(path)?;
    let mode = std::fs::metadata(path).map_or(0, |m| m.permissions().mode());
    if mode & 0o077 != 0 && path != Path::new("-") {
        eprintln!(
            "Warning: {} can be read by others (mode {:04o}); chmod 600 it",
            path.display(),
            mode & 0o7777
        );
    }
    from_pem(&text).with_context(|| format!("--key {}", path.display()))
}

/// Public keys from `--vendor-key`: `ed25519:‹hex›`, the 64 digits alone, or a file with one a line
/// (`#` begins a comment).
pub fn public(values: &[String]) -> anyhow::Result<Vec<PublicKey>> {
    public_of("--vendor-key", values)
}

/// The same from a flag of another name.
pub fn public_of(flag: &str, values: &[String]) -> anyhow::Result<Vec<PublicKey>> {
    let mut keys = Vec::new();
    for value in values {
        let at = || format!("{flag} {value}");
        match one(value) {
            Some(key) => keys.push(key.with_context(at)?),
            None => keys.extend(public_file(Path::new(value)).with_context(at)?),
        }
    }
    Ok(keys)
}

/// A key, if the text looks like one and not like a file's name. Vendors sign with Ed25519; another
/// key is a mix-up, such as an anchor's.
fn one(text: &str) -> Option<anyhow::Result<PublicKey>> {
    let is_hex = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let key = if is_hex {
        format!("ed25519:{text}")
    } else {
        text.to_owned()
    };
    if !key.starts_with("ed25519:") && !key.starts_with("p256:") {
        return None;
    }
    Some(match key.parse() {
        Ok(PublicKey::P256(_)) => Err(anyhow!(
            "a P-256 key; vendors sign with Ed25519 (is it the anchor's key?)"
        )),
        read => read.map_err(Into::into),
    })
}

fn public_file(path: &Path) -> anyhow::Result<Vec<PublicKey>> {
    let text = file::read(path)
        .context("neither a key (\"ed25519:\" and 64 hexadecimal digits) nor a file")?;
    if text.contains("PRIVATE KEY") {
        bail!(
            "a private key; expected public keys: the line that `mooring license keygen` printed"
        );
    }
    let mut keys = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or("").trim();
        if !line.is_empty() {
            let key = one(line).unwrap_or_else(|| line.parse().map_err(Into::into));
            keys.push(key.with_context(|| format!("line {}", i + 1))?);
        }
    }
    if keys.is_empty() {
        bail!("no key in it; expected one a line");
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_written() {
        let key = from_pem(&to_pem(&[7; 32])).unwrap();
        assert_eq!(
            key.public(),
            SigningKey::from_seed(&[7; 32]).unwrap().public()
        );
    }

    #[test]
    fn what_is_no_private_key_says_what_was_expected() {
        for (bad, says) in [
            ("", "mooring license keygen"),
            (
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                "expected an Ed25519 key",
            ),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
                "openssl pkey",
            ),
        ] {
            let e = format!("{:#}", from_pem(bad).unwrap_err());
            assert!(e.contains(says), "{e}");
        }
    }

    #[test]
    fn a_public_key_may_be_its_digits_alone() {
        let hex = "ab".repeat(32);
        let keys = public(&[hex.clone(), format!("ed25519:{hex}")]).unwrap();
        assert_eq!(keys[0], keys[1]);
        assert!(public(&["ed25519:12".into()]).is_err());
        assert!(public(&["/no/such/file".into()]).is_err());
    }
}
