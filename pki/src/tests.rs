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
    let v =
        WebPkiServerVerifier::builder_with_provider(roots(ca), Arc::new(ring::default_provider()))
            .build();
    let mut chain = CertificateDer::pem_slice_iter(leaf.cert_pem.as_bytes()).map(Result::unwrap);
    let (leaf, bridge): (_, Vec<_>) = (chain.next().unwrap(), chain.collect());
    let at = UnixTime::since_unix_epoch(since_epoch(at));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    v.unwrap()
        .verify_server_cert(&leaf, &bridge, &name, &[], at)
        .map(|_| ())
}

fn authenticates(ca: &Authority, leaf: &IssuedCert, at: SystemTime) -> Result<(), rustls::Error> {
    let v =
        WebPkiClientVerifier::builder_with_provider(roots(ca), Arc::new(ring::default_provider()))
            .build();
    let leaf = CertificateDer::from_pem_slice(leaf.cert_pem.as_bytes()).unwrap();
    v.unwrap()
        .verify_client_cert(&leaf, &[], UnixTime::since_unix_epoch(since_epoch(at)))
        .map(|_| ())
}

#[test]
fn a_leaf_serves_its_names_and_nothing_else_within_its_time() {
    let now = SystemTime::now();
    let ca = Authority::generate(CA_VALIDITY, now).unwrap().0;
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
    let ca = Authority::generate(CA_VALIDITY, now).unwrap().0;
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
    let (ca, key) = Authority::generate(CA_VALIDITY, now).unwrap();
    let again = Authority::from_pem(ca.cert_pem(), &key).unwrap();
    let leaf = again.issue(&request(Usage::Server), now).unwrap();
    serves(&ca, &leaf, "main.licensing.svc", now).unwrap();
}

#[test]
fn a_leaf_never_outlives_its_ca_and_a_dead_ca_does_not_sign() {
    let now = SystemTime::now();
    let ca = Authority::generate(CA_VALIDITY, now).unwrap().0;
    let late = now + CA_VALIDITY - 2 * DAY;
    let leaf = ca.issue(&request(Usage::Server), late).unwrap();
    assert!(leaf.not_after <= now + CA_VALIDITY);
    assert!(ca.expires_within(3 * DAY, late).is_some() && ca.expires_within(DAY, late).is_none());
    let e = ca
        .issue(&request(Usage::Server), now + CA_VALIDITY + DAY)
        .unwrap_err()
        .to_string();
    assert!(e.contains("it has ended"), "{e}");
}

#[test]
fn another_ca_with_the_same_name_is_not_trusted() {
    let now = SystemTime::now();
    let (a, _) = Authority::generate(CA_VALIDITY, now).unwrap();
    let (b, b_key) = Authority::generate(CA_VALIDITY, now).unwrap();
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
    let ca = Authority::generate(CA_VALIDITY, SystemTime::now())
        .unwrap()
        .0;
    let mut bad = request(Usage::Server);
    bad.dns_names = vec!["ü".to_owned()];
    let e = ca.issue(&bad, SystemTime::now()).unwrap_err().to_string();
    assert!(e.contains("mooring-operator"), "{e}");
}

#[test]
fn with_its_bridge_a_successors_leaf_serves_who_trusts_only_the_one_before() {
    let now = SystemTime::now();
    let (old, _) = Authority::generate(10 * DAY, now).unwrap();
    let (new, _) = Authority::generate(CA_VALIDITY, now).unwrap();
    let mut leaf = new.issue(&request(Usage::Server), now).unwrap();
    let name = "main.licensing.svc";
    serves(&old, &leaf, name, now).unwrap_err();
    leaf.cert_pem.push_str(&old.vouch_for(&new).unwrap());
    serves(&old, &leaf, name, now).unwrap();
    serves(&new, &leaf, name, now).unwrap();
    // The bridge ends with the CA that signed it; the leaf goes on for who trusts the new one.
    let later = now + 11 * DAY;
    serves(&old, &leaf, name, later).unwrap_err();
    serves(&new, &leaf, name, later).unwrap();
    // It is no bridge for anybody else.
    let (other, _) = Authority::generate(CA_VALIDITY, now).unwrap();
    serves(&other, &leaf, name, now).unwrap_err();
}

#[test]
fn no_two_cas_share_a_name() {
    let now = SystemTime::now();
    let name = || Authority::generate(DAY, now).unwrap().0.name().to_owned();
    assert_ne!(name(), name());
    assert!(name().starts_with("Mooring CA "), "{}", name());
}

#[test]
fn the_last_third_of_a_life_is_counted_without_what_it_is_backdated_by() {
    let now = SystemTime::now();
    let ca = Authority::generate(9 * DAY, now).unwrap().0;
    assert!(!ca.in_last(3, now) && !ca.in_last(3, now + 6 * DAY - BACKDATED));
    assert!(ca.in_last(3, now + 6 * DAY + BACKDATED) && ca.in_last(3, now + 10 * DAY));
    let short = Authority::generate(Duration::from_secs(180), now)
        .unwrap()
        .0;
    assert!(!short.in_last(3, now + Duration::from_secs(110)));
    assert!(short.in_last(3, now + Duration::from_secs(130)));
}
