#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

#[test]
fn a_secret_gives_back_the_ca_it_was_made_from() {
    let secret = new_secret(SystemTime::now()).unwrap();
    let ca = Ca::from_secret(&secret, "mooring").unwrap();
    assert_eq!(ca.roots_pem().matches("BEGIN CERTIFICATE").count(), 1);
    assert_eq!(secret.type_.as_deref(), Some("mooring.dev/ca"));
}

#[test]
fn the_successor_is_trusted_while_it_is_rolled_out() {
    let mut secret = new_secret(SystemTime::now()).unwrap();
    let next = new_secret(SystemTime::now())
        .unwrap()
        .data
        .unwrap()
        .remove(CERT)
        .unwrap();
    secret
        .data
        .as_mut()
        .unwrap()
        .insert(NEXT_CERT.to_owned(), next);
    let ca = Ca::from_secret(&secret, "mooring").unwrap();
    assert_eq!(ca.roots_pem().matches("BEGIN CERTIFICATE").count(), 2);
}

#[test]
fn a_damaged_secret_says_what_is_missing_and_what_follows() {
    let mut secret = new_secret(SystemTime::now()).unwrap();
    secret.data.as_mut().unwrap().remove(KEY);
    let e = Ca::from_secret(&secret, "mooring").unwrap_err().to_string();
    assert!(
        e.contains("mooring/mooring-ca has no key `ca.key`") && e.contains("restore"),
        "{e}"
    );
    secret
        .data
        .as_mut()
        .unwrap()
        .insert(KEY.to_owned(), ByteString(b"nonsense".to_vec()));
    let e = Ca::from_secret(&secret, "mooring").unwrap_err().to_string();
    assert!(e.contains("ca.key"), "{e}");
}
