//! Attestations: a certificate in which a YubiKey says that a key was made in it and cannot leave
//! it.
//!
//! The chain is the certificate of the key, that of the device (slot f9), and up to a root that the
//! vendor names. What the extensions say:
//! <https://developers.yubico.com/PIV/Introduction/PIV_attestation.html>.

use super::file;
use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mooring_core::license::PublicKey;
use mooring_core::time::Timestamp;
use std::fmt;
use std::path::PathBuf;
use x509_parser::certificate::X509Certificate;
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer as _;

/// Three bytes: the firmware's version.
const FIRMWARE: &str = "1.3.6.1.4.1.41482.3.3";
/// An INTEGER: the device's serial number.
const SERIAL: &str = "1.3.6.1.4.1.41482.3.7";
/// Two bytes: when the PIN is asked for, and when a touch.
const POLICY: &str = "1.3.6.1.4.1.41482.3.8";
const MAX_CHAIN: usize = 6;

/// What the device says of itself and of the key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attested {
    pub firmware: String,
    /// Not every device tells it.
    pub serial: Option<u64>,
    /// When the PIN is asked for: 1 never, 2 once, 3 always.
    pub pin: Option<u8>,
    /// When a touch is: 1 never, 2 always, 3 once in fifteen seconds.
    pub touch: Option<u8>,
}

impl fmt::Display for Attested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let untold = || "untold".to_owned();
        let serial = self.serial.map_or_else(untold, |s| s.to_string());
        let word = |v: Option<u8>, words: [&str; 3]| match v {
            Some(n @ 1..=3) => words[usize::from(n) - 1].to_owned(),
            n => n.map_or_else(untold, |n| n.to_string()),
        };
        let pin = word(self.pin, ["never", "once", "always"]);
        let touch = word(self.touch, ["never", "always", "once in 15 s"]);
        let firmware = &self.firmware;
        write!(
            f,
            "YubiKey serial {serial}, firmware {firmware}, PIN {pin}, touch {touch}"
        )
    }
}

impl Attested {
    /// Why a server cannot sign with such a key on its own.
    pub fn needs_a_hand(&self) -> Option<&'static str> {
        match (self.pin, self.touch) {
            (_, Some(2 | 3)) => Some(
                "each signature wants a touch, and a server signs every five minutes, also at night; make the key with touch policy never",
            ),
            (Some(3), _) => Some(
                "each signature wants the PIN anew, and a server signs every five minutes; make the key with PIN policy once or never",
            ),
            _ => None,
        }
    }
}

/// What is wrong, and with which certificate of the chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("attestation[{index}]: {problem}")]
pub struct AttestationError {
    /// From 0: the key's own.
    pub index: usize,
    pub problem: String,
}

fn bad<T>(index: usize, problem: impl Into<String>) -> Result<T, AttestationError> {
    let problem = problem.into();
    Err(AttestationError { index, problem })
}

pub fn from_pem(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut all = Vec::new();
    for p in Pem::iter_from_buffer(text.as_bytes()) {
        let p = p.map_err(|e| format!("no PEM: {e}"))?;
        if p.label != "CERTIFICATE" {
            return Err(format!("a {:?}; expected certificates in PEM", p.label));
        }
        all.push(p.contents);
    }
    if all.is_empty() {
        return Err("no certificate in it; expected PEM".into());
    }
    Ok(all)
}

/// All certificates of the files of a flag, in DER.
pub fn from_files(flag: &'static str, paths: &[PathBuf]) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    for path in paths {
        let text = file::read_public(path).context(flag)?;
        all.extend(from_pem(&text).map_err(|e| anyhow!("{flag} {}: {e}", path.display()))?);
    }
    Ok(all)
}

pub fn to_pem(der: &[u8]) -> String {
    let b64 = STANDARD.encode(der);
    let lines: Vec<_> = b64
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    let lines = lines.join("\n");
    format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n")
}

fn parse(index: usize, der: &[u8]) -> Result<X509Certificate<'_>, AttestationError> {
    match X509Certificate::from_der(der) {
        Ok(([], c)) => Ok(c),
        Ok(_) => bad(index, "bytes after the certificate"),
        Err(e) => bad(index, format!("no X.509 certificate: {e}")),
    }
}

fn is_of(c: &X509Certificate<'_>, key: &PublicKey) -> bool {
    let point = c.public_key().subject_public_key.data.as_ref();
    match key {
        PublicKey::P256(k) => point == k,
        PublicKey::Ed25519(k) => point == k,
    }
}

fn extension<'c>(c: &'c X509Certificate<'_>, oid: &str) -> Option<&'c [u8]> {
    let found = c.extensions().iter().find(|e| e.oid.to_id_string() == oid);
    found.map(|e| e.value)
}

fn signed_by(c: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
    // The algorithm is said twice, and only one of them is signed (RFC 5280, 4.1.1.2).
    let one_algorithm = c.signature_algorithm == c.tbs_certificate.signature;
    one_algorithm
        && c.issuer() == issuer.subject()
        && c.verify_signature(Some(issuer.public_key())).is_ok()
}

/// Among a token's certificates: the attestation of this key, and those above it.
pub fn find(certificates: &[Vec<u8>], key: &PublicKey) -> Vec<Vec<u8>> {
    let parsed: Vec<(&Vec<u8>, X509Certificate<'_>)> = certificates
        .iter()
        .filter_map(|d| Some((d, parse(0, d).ok()?)))
        .collect();
    let leaf = parsed
        .iter()
        .find(|(_, c)| is_of(c, key) && extension(c, FIRMWARE).is_some());
    let mut chain: Vec<_> = leaf.into_iter().collect();
    while let Some((_, last)) = chain.last().filter(|_| chain.len() < MAX_CHAIN) {
        let above = parsed
            .iter()
            .find(|(d, c)| !chain.iter().any(|(e, _)| e == d) && signed_by(last, c));
        match above {
            Some(a) => chain.push(a),
            None => break,
        }
    }
    chain.into_iter().map(|(d, _)| (*d).clone()).collect()
}

/// Reads what the device says. Nothing is verified.
pub fn read(leaf: &[u8]) -> Result<Attested, AttestationError> {
    told(&parse(0, leaf)?)
}

fn told(c: &X509Certificate<'_>) -> Result<Attested, AttestationError> {
    let Some([major, minor, patch]) = extension(c, FIRMWARE) else {
        let p = "it does not say which firmware made it, so it is no attestation of a YubiKey; expected what slot 9a, 9c, 9d or 9e attests";
        return bad(0, p);
    };
    let serial = match extension(c, SERIAL) {
        None => None,
        // INTEGER, at most eight bytes.
        Some([2, len, n @ ..]) if usize::from(*len) == n.len() && n.len() <= 8 => {
            Some(n.iter().fold(0, |a, b| a << 8 | u64::from(*b)))
        }
        Some(_) => return bad(0, "its serial number is no INTEGER"),
    };
    let (pin, touch) = match extension(c, POLICY) {
        None => (None, None),
        Some([pin, touch]) => (Some(*pin), Some(*touch)),
        Some(_) => return bad(0, "its policy of PIN and touch is not two bytes"),
    };
    Ok(Attested {
        firmware: format!("{major}.{minor}.{patch}"),
        serial,
        pin,
        touch,
    })
}

/// Whether certificate `i`, or `what` belongs to it, is valid now.
fn in_time(
    i: usize,
    what: &str,
    c: &X509Certificate<'_>,
    now: Timestamp,
) -> Result<(), AttestationError> {
    let (from, to) = (&c.validity().not_before, &c.validity().not_after);
    if (from.timestamp()..=to.timestamp()).contains(&now.as_second()) {
        return Ok(());
    }
    bad(
        i,
        format!("{what} is valid from {from} to {to}, and now it is {now}"),
    )
}

/// Checks a chain: it is of this key, each certificate is signed by the next and in its time, the
/// last by one of the roots.
pub fn check(
    key: &PublicKey,
    chain: &[Vec<u8>],
    roots: &[Vec<u8>],
    now: Timestamp,
) -> Result<Attested, AttestationError> {
    let n = chain.len();
    if n == 0 || n > MAX_CHAIN {
        let problem = format!(
            "{n} certificates, expected 1 to {MAX_CHAIN}: that of the key, that of the device, and up to the root's"
        );
        return bad(0, problem);
    }
    let certs = chain.iter().enumerate().map(|(i, d)| parse(i, d));
    let certs = certs.collect::<Result<Vec<_>, _>>()?;
    let (Some(leaf), Some(last), Some(last_der)) = (certs.first(), certs.last(), chain.last())
    else {
        return bad(0, "missing");
    };
    if !is_of(leaf, key) {
        return bad(
            0,
            format!("it is of another key than the anchor's, {}", key.id()),
        );
    }
    for (i, c) in certs.iter().enumerate() {
        in_time(i, "it", c, now)?;
        // Attestations are made by the device's key alone: only what stands above may sign.
        if i > 0 && !c.is_ca() {
            return bad(i, "it may not sign other certificates (no CA)");
        }
        if let Some(above) = certs.get(i + 1).filter(|above| !signed_by(c, above)) {
            let above = format!("attestation[{}], {}", i + 1, above.subject());
            return bad(i, format!("it is not signed by {above}"));
        }
    }
    let top = n - 1;
    for (n, der) in roots.iter().enumerate() {
        let Ok(root) = parse(n, der) else {
            let problem = format!("--attestation-root: certificate {} cannot be read", n + 1);
            return bad(top, problem);
        };
        if (last_der == der && top > 0) || signed_by(last, &root) {
            in_time(top, "the root above it", &root, now)?;
            return told(leaf);
        }
    }
    let issuer = last.issuer();
    bad(
        top,
        format!("it is signed by {issuer}, which is none of --attestation-root"),
    )
}

#[cfg(test)]
mod tests;
