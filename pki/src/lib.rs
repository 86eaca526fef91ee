//! A certificate authority as data: makes itself, signs leaves, reads itself back. No I/O; time
//! comes in as an argument.
//!
//! ECDSA P-256 with SHA-256; serial numbers of 127 random bits (RFC 5280 4.1.2.2: positive, at most
//! 20 octets); leaves never outlive their CA; `notBefore` lies five minutes back, for nodes whose
//! clock is a little late.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SerialNumber,
};
use ring::rand::{SecureRandom, SystemRandom};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a new CA is valid: ten years.
pub const CA_VALIDITY: Duration = Duration::from_secs(3650 * 86_400);
/// How far back `notBefore` lies.
pub const BACKDATED: Duration = Duration::from_secs(300);
/// The subject of the operator's CA.
const CA_NAME: &str = "Mooring CA";

/// Why a CA could not be made or read, or why it did not sign.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The certificate's text is no CA certificate.
    #[error("`ca.crt` is no CA certificate in PEM: {0}")]
    BadCertificate(String),
    /// The key's text is no key, or not this certificate's.
    #[error("`ca.key` is not the private key of `ca.crt`: {0}")]
    BadKey(String),
    /// The CA has ended, or has not begun: a wrong clock, or ten years have passed.
    #[error(
        "the CA is not valid now ({0}): check this machine's clock; if it is right, replace the CA"
    )]
    NotValidNow(&'static str),
    /// The system gave no random numbers.
    #[error("no random numbers from the system")]
    Random,
    /// The library refused: a name that is no DNS name, for one.
    #[error("certificate for {common_name:?}: {source}")]
    Sign {
        /// The subject that was asked for.
        common_name: String,
        /// What the library says.
        #[source]
        source: rcgen::Error,
    },
}

/// What a leaf may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// To serve TLS.
    Server,
    /// To show who one is as a TLS client.
    Client,
}

/// A leaf that is wanted.
#[derive(Clone, Debug)]
pub struct CertRequest {
    /// The subject's CN.
    pub common_name: String,
    /// DNS names (or IP addresses as text) it is valid for.
    pub dns_names: Vec<String>,
    /// What it may be used for.
    pub usages: Vec<Usage>,
    /// How long from now; cut to the CA's end.
    pub validity: Duration,
}

/// A leaf with its key.
#[derive(Clone)]
pub struct IssuedCert {
    /// The certificate, PEM.
    pub cert_pem: String,
    /// Its private key, PKCS#8 PEM. Secret.
    pub key_pem: String,
    /// When it ends.
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
    /// Makes a new CA, valid for ten years; also returns its private key as PEM, to be kept.
    pub fn generate(now: SystemTime) -> Result<(Self, String), AuthorityError> {
        Self::generate_as(CA_NAME, CA_VALIDITY, now)
    }

    /// The same under a name of one's own, and for another time.
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
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(serial()?);
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        params.not_before = epoch + since_epoch(now - BACKDATED);
        params.not_after = epoch + since_epoch(now + validity);
        let cert_pem = params.self_signed(&key).map_err(sign)?.pem();
        let key_pem = key.serialize_pem();
        Ok((Self::from_pem(&cert_pem, &key_pem)?, key_pem))
    }

    /// Reads a CA back; refuses a certificate that may not sign and a key that is not its own.
    pub fn from_pem(cert_pem: &str, key_pem: &str) -> Result<Self, AuthorityError> {
        let bad = |e: &dyn std::fmt::Display| AuthorityError::BadCertificate(e.to_string());
        let (_, pem) =
            x509_parser::pem::parse_x509_pem(cert_pem.as_bytes()).map_err(|e| bad(&e))?;
        let cert = pem.parse_x509().map_err(|e| bad(&e))?;
        if !cert.is_ca() {
            return Err(bad(&"its basic constraints do not say CA"));
        }
        let key = KeyPair::from_pem(key_pem).map_err(|e| AuthorityError::BadKey(e.to_string()))?;
        if key.public_key_raw() != cert.public_key().subject_public_key.data.as_ref() {
            return Err(AuthorityError::BadKey(
                "it belongs to another certificate".to_owned(),
            ));
        }
        let time = |t: x509_parser::time::ASN1Time| {
            UNIX_EPOCH + Duration::from_secs(u64::try_from(t.timestamp()).unwrap_or(0))
        };
        let (not_before, not_after) = (
            time(cert.validity().not_before),
            time(cert.validity().not_after),
        );
        let issuer = Issuer::from_ca_cert_pem(cert_pem, key).map_err(|e| bad(&e))?;
        Ok(Self {
            cert_pem: cert_pem.to_owned(),
            not_before,
            not_after,
            issuer,
        })
    }

    /// The CA's certificate, PEM.
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// When it ends.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
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
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, request.common_name.as_str());
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = request.usages.iter().map(|u| purpose(*u)).collect();
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial()?);
        let not_after = (now + request.validity).min(self.not_after);
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        params.not_before = epoch + since_epoch((now - BACKDATED).max(self.not_before));
        params.not_after = epoch + since_epoch(not_after);
        let cert = params.signed_by(&key, &self.issuer).map_err(sign)?;
        Ok(IssuedCert {
            cert_pem: cert.pem(),
            key_pem: key.serialize_pem(),
            not_after,
        })
    }
}

fn purpose(usage: Usage) -> ExtendedKeyUsagePurpose {
    match usage {
        Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
        Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
    }
}

fn serial() -> Result<SerialNumber, AuthorityError> {
    let mut bytes = [0_u8; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| AuthorityError::Random)?;
    bytes[0] = (bytes[0] & 0x7f) | 0x40; // positive, and never shorter than it looks
    Ok(SerialNumber::from_slice(&bytes))
}

/// Seconds since the epoch. (rcgen's own type for dates comes from a crate that is no dependency of
/// ours; it adds durations.)
fn since_epoch(at: SystemTime) -> Duration {
    Duration::from_secs(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::server::WebPkiClientVerifier;
    use rustls::{RootCertStore, crypto::ring};
    use std::sync::Arc;

    const DAY: Duration = Duration::from_secs(86_400);

    fn request(usage: Usage) -> CertRequest {
        let dns_names = match usage {
            Usage::Server => vec![
                "main.licensing.svc".to_owned(),
                "main.licensing.svc.cluster.local".to_owned(),
            ],
            Usage::Client => vec![],
        };
        CertRequest {
            common_name: "mooring-operator".to_owned(),
            dns_names,
            usages: vec![usage],
            validity: 30 * DAY,
        }
    }

    fn roots(ca: &Authority) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(ca.cert_pem().as_bytes()).unwrap())
            .unwrap();
        Arc::new(roots)
    }

    fn serves(
        ca: &Authority,
        leaf: &IssuedCert,
        name: &str,
        at: SystemTime,
    ) -> Result<(), rustls::Error> {
        let v = WebPkiServerVerifier::builder_with_provider(
            roots(ca),
            Arc::new(ring::default_provider()),
        )
        .build();
        let leaf = CertificateDer::from_pem_slice(leaf.cert_pem.as_bytes()).unwrap();
        let at = UnixTime::since_unix_epoch(since_epoch(at));
        let name = ServerName::try_from(name.to_owned()).unwrap();
        v.unwrap()
            .verify_server_cert(&leaf, &[], &name, &[], at)
            .map(|_| ())
    }

    fn authenticates(
        ca: &Authority,
        leaf: &IssuedCert,
        at: SystemTime,
    ) -> Result<(), rustls::Error> {
        let v = WebPkiClientVerifier::builder_with_provider(
            roots(ca),
            Arc::new(ring::default_provider()),
        )
        .build();
        let leaf = CertificateDer::from_pem_slice(leaf.cert_pem.as_bytes()).unwrap();
        v.unwrap()
            .verify_client_cert(&leaf, &[], UnixTime::since_unix_epoch(since_epoch(at)))
            .map(|_| ())
    }

    #[test]
    fn a_leaf_serves_its_names_and_nothing_else_within_its_time() {
        let now = SystemTime::now();
        let ca = Authority::generate(now).unwrap().0;
        let leaf = ca.issue(&request(Usage::Server), now).unwrap();
        serves(&ca, &leaf, "main.licensing.svc", now).unwrap();
        serves(&ca, &leaf, "main.licensing.svc", now - BACKDATED).unwrap();
        serves(
            &ca,
            &leaf,
            "main.licensing.svc.cluster.local",
            now + 29 * DAY,
        )
        .unwrap();
        serves(&ca, &leaf, "other.licensing.svc", now).unwrap_err();
        serves(&ca, &leaf, "main.licensing.svc", now - 2 * BACKDATED).unwrap_err();
        serves(&ca, &leaf, "main.licensing.svc", now + 31 * DAY).unwrap_err();
        authenticates(&ca, &leaf, now).unwrap_err();
    }

    #[test]
    fn an_address_is_a_name_like_any_other() {
        let now = SystemTime::now();
        let (ca, _) = Authority::generate_as("ACME licenses", 10 * DAY, now).unwrap();
        let mut wanted = request(Usage::Server);
        wanted.dns_names = vec!["10.0.0.5".into(), "::1".into(), "localhost".into()];
        let leaf = ca.issue(&wanted, now).unwrap();
        for name in ["10.0.0.5", "::1", "localhost"] {
            serves(&ca, &leaf, name, now).unwrap();
        }
        serves(&ca, &leaf, "10.0.0.6", now).unwrap_err();
        assert_eq!(leaf.not_after, ca.not_after());
    }

    #[test]
    fn a_client_leaf_authenticates_and_does_not_serve() {
        let now = SystemTime::now();
        let ca = Authority::generate(now).unwrap().0;
        let leaf = ca.issue(&request(Usage::Client), now).unwrap();
        authenticates(&ca, &leaf, now).unwrap();
        let (_, pem) = x509_parser::pem::parse_x509_pem(leaf.cert_pem.as_bytes()).unwrap();
        let cert = pem.parse_x509().unwrap();
        assert_eq!(cert.subject().to_string(), "CN=mooring-operator");
        assert!(!cert.is_ca());
    }

    #[test]
    fn a_ca_read_back_signs_for_the_same_root() {
        let now = SystemTime::now();
        let (ca, key) = Authority::generate(now).unwrap();
        let again = Authority::from_pem(ca.cert_pem(), &key).unwrap();
        let leaf = again.issue(&request(Usage::Server), now).unwrap();
        serves(&ca, &leaf, "main.licensing.svc", now).unwrap();
    }

    #[test]
    fn a_leaf_never_outlives_its_ca_and_a_dead_ca_does_not_sign() {
        let now = SystemTime::now();
        let ca = Authority::generate(now).unwrap().0;
        let late = now + CA_VALIDITY - 2 * DAY;
        let leaf = ca.issue(&request(Usage::Server), late).unwrap();
        assert!(leaf.not_after <= now + CA_VALIDITY);
        assert!(
            ca.expires_within(3 * DAY, late).is_some() && ca.expires_within(DAY, late).is_none()
        );
        let e = ca
            .issue(&request(Usage::Server), now + CA_VALIDITY + DAY)
            .unwrap_err()
            .to_string();
        assert!(e.contains("it has ended"), "{e}");
    }

    #[test]
    fn another_ca_with_the_same_name_is_not_trusted() {
        let now = SystemTime::now();
        let (a, _) = Authority::generate(now).unwrap();
        let (b, b_key) = Authority::generate(now).unwrap();
        let leaf = b.issue(&request(Usage::Server), now).unwrap();
        serves(&a, &leaf, "main.licensing.svc", now).unwrap_err();
        let e = Authority::from_pem(a.cert_pem(), &b_key)
            .unwrap_err()
            .to_string();
        assert!(e.contains("another certificate"), "{e}");
    }

    #[test]
    fn serial_numbers_are_long_positive_and_differ() {
        let (a, b) = (serial().unwrap().to_bytes(), serial().unwrap().to_bytes());
        assert_ne!(a, b);
        assert!(a.len() == 16 && a[0] < 0x80);
    }

    #[test]
    fn a_bad_name_is_an_error_that_names_the_certificate() {
        let ca = Authority::generate(SystemTime::now()).unwrap().0;
        let mut bad = request(Usage::Server);
        bad.dns_names = vec!["ü".to_owned()];
        let e = ca.issue(&bad, SystemTime::now()).unwrap_err().to_string();
        assert!(e.contains("mooring-operator"), "{e}");
    }
}
