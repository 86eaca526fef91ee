#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

const YEAR: Duration = Duration::from_secs(365 * 86_400);

pub(crate) fn fresh() -> StoredCa {
    StoredCa::read(new_secret(YEAR, SystemTime::now()).unwrap()).unwrap()
}

/// The Secret after a merge patch.
fn patched(before: &StoredCa, patch: &Value) -> Secret {
    let mut value = serde_json::to_value(&before.secret).unwrap();
    json_patch::merge(&mut value, patch);
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_secret_gives_back_the_ca_it_was_made_from() {
    let secret = new_secret(YEAR, SystemTime::now()).unwrap();
    assert_eq!(secret.type_.as_deref(), Some("mooring.dev/ca"));
    let stored = StoredCa::read(secret).unwrap();
    assert!(stored.bridge.is_none() && stored.previous.is_none() && !stored.is_requested());
}

#[test]
fn a_successor_is_known_by_whom_it_follows_and_the_old_key_is_not_kept() {
    let mut old = fresh();
    let asked = [(ROTATE.to_owned(), "now".to_owned())];
    old.secret.metadata.annotations = Some(asked.into());
    assert!(old.is_requested());
    let change = old.succession(YEAR, SystemTime::now()).unwrap();
    let after = patched(&old, &change);
    let key = |s: &Secret| s.data.as_ref().unwrap()[KEY].0.clone();
    let all = serde_json::to_string(&after).unwrap();
    let old_key = serde_json::to_string(&ByteString(key(&old.secret))).unwrap();
    assert!(!all.contains(old_key.trim_matches('"')));
    let News::Ours(new) = old.news(&after) else {
        panic!("the successor is taken for a stranger");
    };
    assert!(!new.is_requested(), "one request makes one CA");
    assert_eq!(new.previous.as_deref(), Some(old.authority.cert_pem()));
    // Then the old one is forgotten; the bridge stays.
    let after = patched(&new, &new.farewell());
    let News::Ours(last) = new.news(&after) else {
        panic!("the same CA is taken for a stranger");
    };
    assert!(last.previous.is_none() && last.bridge == new.bridge && last.bridge.is_some());
    assert!(matches!(old.news(&after), News::Foreign(_)), "too late");
}

#[test]
fn another_ca_is_foreign_and_a_damaged_secret_is_no_reason_to_end() {
    let (ours, other) = (fresh(), fresh());
    assert!(matches!(ours.news(&other.secret), News::Foreign(_)));
    let mut broken = ours.secret.clone();
    broken.data.as_mut().unwrap().remove(KEY);
    let News::Unreadable(e) = ours.news(&broken) else {
        panic!("a Secret without a key was read");
    };
    let e = e.to_string();
    assert!(
        e.contains("mooring-ca has no key `ca.key`") && e.contains("restore"),
        "{e}"
    );
    let nonsense = ByteString(b"nonsense".to_vec());
    broken.data.as_mut().unwrap().insert(KEY.into(), nonsense);
    let e = StoredCa::read(broken).unwrap_err().to_string();
    assert!(e.contains("ca.key"), "{e}");
}

#[test]
fn a_restored_secret_is_the_one_that_was_deleted() {
    let mut old = fresh();
    old.secret.metadata.uid = Some("u".into());
    old.secret.metadata.resource_version = Some("7".into());
    let again = old.restored();
    assert!(again.metadata.uid.is_none() && again.metadata.resource_version.is_none());
    assert_eq!(
        (&again.data, &again.type_),
        (&old.secret.data, &old.secret.type_)
    );
}

#[test]
fn certificates_are_told_apart_by_content_not_by_text() {
    let (a, b) = (fresh(), fresh());
    let (a, b) = (a.authority.cert_pem(), b.authority.cert_pem());
    let windows = format!("# a comment\r\n{}", b.replace('\n', "\r\n"));
    assert_eq!(
        certificates(&format!("{a}{b}")),
        certificates(&format!("{windows}\n\n{a}"))
    );
    assert_ne!(certificates(a), certificates(b));
    assert!(certificates("nonsense").is_empty());
}
