#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::certs::{Ca, CertRequest, Usage};
use k8s_openapi::ByteString;
use std::collections::BTreeMap;
use std::time::SystemTime;

fn after(days: u64) -> Timestamp {
    Timestamp::now()
        .checked_add(Duration::from_secs(days * 86_400))
        .unwrap()
}

fn secret(ca: &Ca, names: &[String]) -> Secret {
    let request = CertRequest {
        common_name: "main".into(),
        dns_names: names.to_vec(),
        usages: vec![Usage::Server],
        validity: VALIDITY,
    };
    let cert = ca.issue(&request).unwrap();
    let data = [
        ("tls.crt", cert.cert_pem),
        ("tls.key", cert.key_pem),
        ("ca.crt", ca.roots_pem()),
    ];
    let data: BTreeMap<_, _> = data
        .into_iter()
        .map(|(k, v)| (k.to_owned(), ByteString(v.into_bytes())))
        .collect();
    Secret {
        data: Some(data),
        ..Secret::default()
    }
}

#[test]
fn it_serves_until_two_thirds_of_its_life() {
    let ca = Ca::ephemeral(SystemTime::now()).unwrap();
    let names = dns_names(&ServerRef::new("licensing", "main"));
    let s = secret(&ca, &names);
    let at = |days| renewal(Some(&s), &ca.roots_pem(), &names, after(days));
    assert_eq!((at(0), at(59)), (None, None));
    assert_eq!(at(61), Some("it is at two thirds of its life"));
}

#[test]
fn another_ca_other_names_or_nothing_make_a_new_one() {
    let ca = Ca::ephemeral(SystemTime::now()).unwrap();
    let names = dns_names(&ServerRef::new("licensing", "main"));
    let s = secret(&ca, &names);
    let other = Ca::ephemeral(SystemTime::now()).unwrap();
    assert_eq!(
        renewal(Some(&s), &other.roots_pem(), &names, after(0)),
        Some("the CA has changed")
    );
    let more = [names.clone(), vec!["x.example".into()]].concat();
    assert_eq!(
        renewal(Some(&s), &ca.roots_pem(), &more, after(0)),
        Some("its names have changed")
    );
    assert_eq!(
        renewal(None, &ca.roots_pem(), &names, after(0)),
        Some("there is none")
    );
    let mut broken = s.clone();
    broken
        .data
        .as_mut()
        .unwrap()
        .insert("tls.crt".into(), ByteString(b"x".to_vec()));
    assert_eq!(
        renewal(Some(&broken), &ca.roots_pem(), &names, after(0)),
        Some("it cannot be read")
    );
}
