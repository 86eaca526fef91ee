//! A certificate authority as data: makes itself, signs leaves, reads itself back. No I/O; time
//! comes in as an argument.
//!
//! ECDSA P-256 with SHA-256; serial numbers of 127 random bits (RFC 5280 4.1.2.2: positive, at most
//! 20 octets); leaves never outlive their CA; `notBefore` lies five minutes back, for nodes whose
//! clock is a little late.
//!
//! A CA hands over to its successor by signing the successor's key ([`Authority::vouch_for`]): with
//! that bridge behind a leaf, who trusts only the CA of before verifies what the new one signed.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SerialNumber,
};
use ring::rand::{SecureRandom, SystemRandom};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a new CA is valid, unless it is said: ten years.
pub const CA_VALIDITY: Duration = Duration::from_secs(3650 * 86_400);
/// How far back `notBefore` lies.
pub const BACKDATED: Duration = Duration::from_secs(300);
/// The beginning of the operator's CA's subject. Random digits follow: clients say by these names
/// whom they trust, so no two CAs may share one.
const CA_NAME: &str = "Mooring CA";

/// Why a CA could not be made or read, or why it did not sign.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("`ca.crt` is no CA certificate in PEM: {0}")]
    BadCertificate(String),
    #[error("`ca.key` is not the private key of `ca.crt`: {0}")]
    BadKey(String),
    /// The CA has ended, or has not begun: a wrong clock, or ten years have passed.
    #[error(
        "the CA is not valid now ({0}): check this machine's clock; if it is right, replace the CA"
    )]
    NotValidNow(&'static str),
    #[error("no random numbers from the system")]
    Random,
    /// The library refused: a name that is no DNS name, for one.
    #[error("certificate for {common_name:?}: {source}")]
    Sign {
        common_name: String,
        #[source]
        source: rcgen::Error,
    },
}

/// What a leaf may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    Server,
    Client,
}

/// A leaf that is wanted.
#[derive(Clone, Debug)]
pub struct CertRequest {
    pub common_name: String,
    /// DNS names (or IP addresses as text) it is valid for.
    pub dns_names: Vec<String>,
    pub usages: Vec<Usage>,
    /// How long from now; cut to the CA's end.
    pub validity: Duration,
}

/// A leaf with its key.
#[derive(Clone)]
pub struct IssuedCert {
    pub cert_pem: String,
    /// Its private key, PKCS#8 PEM. Secret.
    pub key_pem: String,
    pub not_after: SystemTime,
}

impl std::fmt::Debug for IssuedCert {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedCert")
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// A CA that can sign.
pub struct Authority {
    cert_pem: String,
    not_before: SystemTime,
    not_after: SystemTime,
    name: String,
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes a new CA under a name of its own; also returns its private key as PEM, to be kept.
    pub fn generate(validity: Duration, now: SystemTime) -> Result<(Self, String), AuthorityError> {
        let [a, b, c, d, ..] = random()?;
        let name = format!("{CA_NAME} {:08x}", u32::from_be_bytes([a, b, c, d]));
        Self::generate_as(&name, validity, now)
    }

    /// The same under a name that is given.
    pub fn generate_as(
        name: &str,
        validity: Duration,
        now: SystemTime,
    ) -> Result<(Self, String), AuthorityError> {
        let sign = |source| AuthorityError::Sign {
            common_name: name.to_owned(),
            source,
        };
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(sign)?;
        // One CA below it: its successor.
        let params = ca_params(name, 1, now - BACKDATED, now + validity)?;
        let cert_pem = params.self_signed(&key).map_err(sign)?.pem();
        let key_pem = key.serialize_pem();
        Ok((Self::from_pem(&cert_pem, &key_pem)?, key_pem))
    }

    /// Reads a CA back; refuses a certificate that may not sign and a key that is not its own.
    pub fn from_pem(cert_pem: &str, key_pem: &str) -> Result<Self, AuthorityError> {
        let bad = |e: &dyn std::fmt::Display| AuthorityError::BadCertificate(e.to_string());
        let pem = x509_parser::pem::parse_x509_pem(cert_pem.as_bytes());
        let (_, pem) = pem.map_err(|e| bad(&e))?;
        let cert = pem.parse_x509().map_err(|e| bad(&e))?;
        if !cert.is_ca() {
            return Err(bad(&"its basic constraints do not say CA"));
        }
        let key = KeyPair::from_pem(key_pem).map_err(|e| AuthorityError::BadKey(e.to_string()))?;
        if key.public_key_raw() != cert.public_key().subject_public_key.data.as_ref() {
            let problem = "it belongs to another certificate";
            return Err(AuthorityError::BadKey(problem.to_owned()));
        }
        let time = |t: x509_parser::time::ASN1Time| {
            UNIX_EPOCH + Duration::from_secs(u64::try_from(t.timestamp()).unwrap_or(0))
        };
        let valid = cert.validity();
        Ok(Self {
            cert_pem: cert_pem.to_owned(),
            not_before: time(valid.not_before),
            not_after: time(valid.not_after),
            name: common_name(&cert),
            issuer: Issuer::from_ca_cert_pem(cert_pem, key).map_err(|e| bad(&e))?,
        })
    }

    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Its subject's common name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether no more than a third of its life (`part`: 3) is left.
    pub fn in_last(&self, part: u32, now: SystemTime) -> bool {
        let whole = self.not_after.duration_since(self.not_before);
        // What it is backdated by is no part of its life.
        let life = whole.unwrap_or_default().saturating_sub(BACKDATED);
        self.expires_within(life / part, now).is_some()
    }

    /// A certificate for the successor's key, signed by this CA, as PEM. Valid as long as both are.
    pub fn vouch_for(&self, successor: &Self) -> Result<String, AuthorityError> {
        let not_before = self.not_before.max(successor.not_before);
        let not_after = self.not_after.min(successor.not_after);
        let mut params = ca_params(&successor.name, 0, not_before, not_after)?;
        params.use_authority_key_identifier_extension = true;
        let signed = params.signed_by(successor.issuer.key(), &self.issuer);
        let signed = signed.map_err(|source| AuthorityError::Sign {
            common_name: successor.name.clone(),
            source,
        })?;
        Ok(signed.pem())
    }

    /// What is left of the CA, if that is less than `limit`.
    pub fn expires_within(&self, limit: Duration, now: SystemTime) -> Option<Duration> {
        let left = self.not_after.duration_since(now).unwrap_or_default();
        (left < limit).then_some(left)
    }

    /// Signs a new key pair for this request.
    pub fn issue(
        &self,
        request: &CertRequest,
        now: SystemTime,
    ) -> Result<IssuedCert, AuthorityError> {
        if now >= self.not_after {
            return Err(AuthorityError::NotValidNow("it has ended"));
        }
        if now < self.not_before {
            return Err(AuthorityError::NotValidNow("it has not begun"));
        }
        let sign = |source| AuthorityError::Sign {
            common_name: request.common_name.clone(),
            source,
        };
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(sign)?;
        let mut params = CertificateParams::new(request.dns_names.clone()).map_err(sign)?;
        let not_before = (now - BACKDATED).max(self.not_before);
        let not_after = (now + request.validity).min(self.not_after);
        describe(&mut params, &request.common_name, not_before, not_after)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = request.usages.iter().map(|u| purpose(*u)).collect();
        params.use_authority_key_identifier_extension = true;
        let cert = params.signed_by(&key, &self.issuer).map_err(sign)?;
        Ok(IssuedCert {
            cert_pem: cert.pem(),
            key_pem: key.serialize_pem(),
            not_after,
        })
    }
}

/// What a CA's certificate says, its own and the one that its predecessor signs.
fn ca_params(
    name: &str,
    below: u8,
    not_before: SystemTime,
    not_after: SystemTime,
) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    describe(&mut params, name, not_before, not_after)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn common_name(cert: &x509_parser::certificate::X509Certificate<'_>) -> String {
    let mut names = cert.subject().iter_common_name();
    let name = names.next().and_then(|n| n.as_str().ok());
    name.unwrap_or_default().to_owned()
}

/// What a CA's certificate and a leaf's both say.
fn describe(
    params: &mut CertificateParams,
    name: &str,
    not_before: SystemTime,
    not_after: SystemTime,
) -> Result<(), AuthorityError> {
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(serial()?);
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + since_epoch(not_before);
    params.not_after = epoch + since_epoch(not_after);
    Ok(())
}

fn purpose(usage: Usage) -> ExtendedKeyUsagePurpose {
    match usage {
        Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
        Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
    }
}

fn random() -> Result<[u8; 16], AuthorityError> {
    let mut bytes = [0_u8; 16];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| AuthorityError::Random)?;
    Ok(bytes)
}

fn serial() -> Result<SerialNumber, AuthorityError> {
    let mut bytes = random()?;
    bytes[0] = (bytes[0] & 0x7f) | 0x40; // positive, and never shorter than it looks
    Ok(SerialNumber::from_slice(&bytes))
}

/// Seconds since the epoch. (rcgen's own type for dates comes from a crate that is no dependency of
/// ours; it adds durations.)
fn since_epoch(at: SystemTime) -> Duration {
    Duration::from_secs(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

#[cfg(test)]
mod tests;
