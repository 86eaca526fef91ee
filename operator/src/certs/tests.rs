#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use mooring_net::tls::would_trust;

fn leaf(ca: &Ca) -> IssuedCert {
    let request = CertRequest {
        common_name: "main.a.svc".into(),
        dns_names: vec!["main.a.svc".into()],
        usages: vec![Usage::Server],
        validity: ca.lives.certificate(),
    };
    ca.issue(&request).unwrap()
}

#[test]
fn whatever_root_a_pod_has_it_verifies_the_server_before_in_and_after_a_succession() {
    let now = SystemTime::now();
    let ca = Ca::ephemeral(now).unwrap();
    let trusts = |roots: &str, chain: &str| would_trust(roots, chain, "main.a.svc", now);
    let (old_roots, old_leaf) = (ca.roots_pem(), leaf(&ca).cert_pem);

    ca.succeed(&ca.get().succession(ca.lives.ca(), now).unwrap());
    let (both, new_leaf) = (ca.roots_pem(), leaf(&ca).cert_pem);
    assert_eq!(both.matches("BEGIN CERTIFICATE").count(), 2);
    ca.succeed(&ca.get().farewell());
    let (new_roots, last_leaf) = (ca.roots_pem(), leaf(&ca).cert_pem);
    assert_eq!(new_roots.matches("BEGIN CERTIFICATE").count(), 1);

    // A pod from before, at a server that has the new certificate, or not yet.
    assert!(trusts(&old_roots, &old_leaf) && trusts(&old_roots, &new_leaf));
    assert!(trusts(&old_roots, &last_leaf));
    // A pod made meanwhile, at a server that has not the new certificate yet.
    assert!(trusts(&both, &old_leaf) && trusts(&both, &new_leaf));
    // A pod made when all servers have it: it trusts the old CA no more.
    assert!(trusts(&new_roots, &new_leaf) && !trusts(&new_roots, &old_leaf));
}

#[test]
fn a_certificate_is_due_in_its_last_third_unless_a_new_one_would_not_last_longer() {
    let now = SystemTime::now();
    let ca = Ca::ephemeral(now).unwrap();
    let day = Duration::from_secs(86_400);
    assert!(!ca.is_due(now + 90 * day, now) && !ca.is_due(now + 30 * day, now));
    assert!(ca.is_due(now + 29 * day, now) && ca.is_due(now, now) && ca.is_due(now - day, now));
    let end = ca.get().authority.not_after();
    assert!(!ca.is_due(end, end - day), "cut to the CA's end");
}
