//! Certificates.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use std::net::{IpAddr, Ipv4Addr};

/// A certificate authority of the test's own.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate.
    pub pem: String,
}

impl Ca {
    #[expect(clippy::new_without_default, reason = "each is another")]
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut p = CertificateParams::new(Vec::new()).unwrap();
        p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        p.distinguished_name.push(DnType::CommonName, "test CA");
        let pem = p.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(p, key),
            pem,
        }
    }

    /// A certificate for this subject, which is good for a server on this machine, and its key.
    pub fn issue(&self, cn: &str) -> (String, String) {
        self.issue_with(cn, |_| ())
    }

    /// The same, and it ended years ago.
    pub fn issue_ended(&self, cn: &str) -> (String, String) {
        self.issue_with(cn, |p| p.not_after = rcgen::date_time_ymd(2020, 1, 1))
    }

    fn issue_with(
        &self,
        cn: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names = ["localhost", "licenses.test"].map(str::to_owned);
        let mut p = CertificateParams::new(names).unwrap();
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        p.subject_alt_names.push(SanType::IpAddress(here));
        p.distinguished_name.push(DnType::CommonName, cn);
        change(&mut p);
        let cert = p.signed_by(&key, &self.issuer).unwrap();
        (cert.pem(), key.serialize_pem())
    }
}
