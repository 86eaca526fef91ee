#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::certs::{CertRequest, Usage};
use k8s_openapi::ByteString;
use std::collections::BTreeMap;
use std::time::Duration;

const NAME: &str = "main.licensing.svc";

fn names() -> Vec<String> {
    super::names(
        &ServerRef::new("licensing", "main"),
        &TlsSettings::default(),
    )
}

#[test]
fn names_and_addresses_that_were_asked_for_are_in_it_and_go_with_the_wish() {
    let asked = TlsSettings {
        names: vec![
            "license.example.com".into(),
            "192.0.2.7".into(),
            "2001:db8::7".into(),
        ],
    };
    let (ca, more) = (
        ca(),
        super::names(&ServerRef::new("licensing", "main"), &asked),
    );
    assert_eq!((more.len(), more[0].as_str()), (5, NAME));
    let s = with_names(&ca, None, more.clone());
    assert_eq!(renewal(Some(&s), &ca, &more, after(0)), None);
    let fewer = renewal(Some(&s), &ca, &names(), after(0));
    assert_eq!(fewer, Some("its names have changed"));
}

fn after(days: u64) -> SystemTime {
    SystemTime::now() + Duration::from_secs(days * 86_400)
}

fn ca() -> Ca {
    Ca::ephemeral(SystemTime::now()).unwrap()
}

/// The Secret of a server that was just given a certificate, with what it had before.
pub(crate) fn secret(ca: &Ca, before: Option<&Secret>) -> Secret {
    with_names(ca, before, names())
}

fn with_names(ca: &Ca, before: Option<&Secret>, dns_names: Vec<String>) -> Secret {
    let request = CertRequest {
        common_name: "main".into(),
        dns_names,
        usages: vec![Usage::Server],
        validity: ca.lives.certificate(),
    };
    let cert = ca.issue(&request).unwrap();
    let data = [
        (EARLIER, kept(before, &cert.cert_pem, NAME, after(0))),
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
fn it_serves_until_the_last_third_of_its_life() {
    let ca = ca();
    let s = secret(&ca, None);
    let at = |days| renewal(Some(&s), &ca, &names(), after(days));
    assert_eq!((at(0), at(59)), (None, None));
    assert_eq!(at(61), Some("it is in the last third of its life"));
}

#[test]
fn another_ca_other_names_or_nothing_make_a_new_one() {
    let ca = ca();
    let s = secret(&ca, None);
    let at = |s: Option<&Secret>, ca: &Ca, names: &[String]| renewal(s, ca, names, after(0));
    assert_eq!(
        at(Some(&s), &self::ca(), &names()),
        Some("the CA has changed")
    );
    let more = [names(), vec!["x.example".into()]].concat();
    assert_eq!(at(Some(&s), &ca, &more), Some("its names have changed"));
    assert_eq!(at(None, &ca, &names()), Some("there is none"));
    let mut broken = s.clone();
    let text = ByteString(b"x".to_vec());
    broken.data.as_mut().unwrap().insert("tls.crt".into(), text);
    assert_eq!(at(Some(&broken), &ca, &names()), Some("it cannot be read"));
    ca.succeed(&ca.get().succession(ca.lives.ca(), after(0)).unwrap());
    assert_eq!(at(Some(&s), &ca, &names()), Some("the CA has changed"));
}

#[test]
fn what_a_lost_ca_had_signed_is_shown_on_to_those_who_trust_only_that() {
    let lost = ca();
    let before = secret(&lost, None);
    let now = secret(&ca(), Some(&before));
    let kept = chains_with_keys(&text(&now, EARLIER));
    assert_eq!(kept.len(), 1);
    assert!(would_trust(&lost.roots_pem(), &kept[0], NAME, after(0)));
    assert!(kept[0].contains(text(&before, "tls.key").trim()));
    // It is kept over renewals, until it ends, and beside another loss.
    let third = ca();
    let later = secret(&third, Some(&now));
    assert_eq!(chains_with_keys(&text(&later, EARLIER)).len(), 2);
    assert_eq!(
        super::kept(Some(&later), &text(&later, "tls.crt"), NAME, after(91)),
        ""
    );
}

#[test]
fn nothing_is_kept_where_the_new_certificate_serves_everybody() {
    let ca = ca();
    let before = secret(&ca, None);
    let renewed = secret(&ca, Some(&before));
    assert_eq!(text(&renewed, EARLIER), "");
    ca.succeed(&ca.get().succession(ca.lives.ca(), after(0)).unwrap());
    let bridged = secret(&ca, Some(&renewed));
    assert_eq!(
        text(&bridged, EARLIER),
        "",
        "the bridge serves who trusts the old CA"
    );
}
