//! Licence files that come, go and are refused.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::testing::{licence, vendor};
use mooring_core::license::{Envelope, SigningKey, armour, types};

struct Files {
    dir: tempfile::TempDir,
    file: LicenceFile,
}

impl Files {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keys = dir.path().join("keys");
        std::fs::create_dir(&keys).unwrap();
        std::fs::write(
            keys.join("vendor"),
            format!("# ours\n{} # 2026\n", vendor().public()),
        )
        .unwrap();
        let file = LicenceFile::new(dir.path().join("licence"), Some(keys));
        Self { dir, file }
    }

    fn put(&self, l: &mooring_core::license::Licence, key: &SigningKey) -> String {
        let text = armour(&Envelope::sign(types::LICENCE, l, key).unwrap()).unwrap();
        std::fs::write(self.dir.path().join("licence"), &text).unwrap();
        text
    }
}

fn at(s: &str) -> Timestamp {
    s.parse().unwrap()
}

#[test]
fn a_bad_new_file_is_refused_while_the_good_old_one_stays() {
    let mut f = Files::new();
    let now = at("2026-05-01T00:00:00Z");
    let key = SigningKey::from_seed(&[5; 32]).unwrap().public();
    assert!(f.file.look(now, None));
    assert_eq!(f.file.view(now).reason, "Unreadable");
    let text = f.put(&licence(key), &vendor());
    assert!(f.file.look(now, Some(&[key])));
    assert!(!f.file.look(now, Some(&[key])));
    let v = f.file.view(now);
    assert!(
        v.valid && v.reason == "Valid" && v.message.contains("licence test-1 of"),
        "{v:?}"
    );

    // One byte changed: somewhere in the middle of the signed text.
    let mut bytes = text.into_bytes();
    let i = bytes.len() / 2;
    bytes[i] = if bytes[i] == b'A' { b'B' } else { b'A' };
    std::fs::write(f.dir.path().join("licence"), bytes).unwrap();
    assert!(f.file.look(now, Some(&[key])));
    assert!(!f.file.look(now, Some(&[key])));
    let v = f.file.view(now);
    assert!(
        v.valid && v.reason == "NewLicenceRefused" && v.message.contains("stays in force"),
        "{v:?}"
    );

    // The old one ends all the same.
    let later = at("2027-06-01T00:00:00Z");
    assert_eq!(
        (f.file.view(later).valid, f.file.view(later).reason.as_str()),
        (false, "Expired")
    );
}

#[test]
fn each_refusal_says_why() {
    let now = at("2026-05-01T00:00:00Z");
    let [key, other] = [[5; 32], [6; 32]].map(|s| SigningKey::from_seed(&s).unwrap().public());
    let mut expired = licence(key);
    expired.expires = Some(at("2026-04-01T00:00:00Z"));
    let mut future = licence(key);
    future.not_before = Some(at("2026-06-01T00:00:00Z"));
    let forger = SigningKey::from_seed(&[66; 32]).unwrap();
    for (l, signer, reason, words) in [
        (&expired, &vendor(), "Expired", "ended 2026-04-01"),
        (&future, &vendor(), "NotYetValid", "begins 2026-06-01"),
        (
            &licence(key),
            &forger,
            "SignatureInvalid",
            "not signed by any of the keys",
        ),
        (
            &licence(other),
            &vendor(),
            "NotForThisAnchor",
            "licence field anchors: it is issued for key",
        ),
    ] {
        let mut f = Files::new();
        f.put(l, signer);
        f.file.look(now, Some(&[key]));
        let v = f.file.view(now);
        assert_eq!((v.valid, v.reason.as_str()), (false, reason));
        assert!(v.message.contains(words), "{}", v.message);
    }
}

#[test]
fn one_whose_time_comes_is_taken_without_a_change_of_the_file() {
    let mut f = Files::new();
    let key = SigningKey::from_seed(&[5; 32]).unwrap().public();
    let mut l = licence(key);
    l.not_before = Some(at("2026-06-01T00:00:00Z"));
    f.put(&l, &vendor());
    f.file.look(at("2026-05-31T23:59:59Z"), None);
    assert!(!f.file.view(at("2026-05-31T23:59:59Z")).valid);
    assert!(f.file.look(at("2026-06-01T00:00:00Z"), None));
    assert!(f.file.view(at("2026-06-01T00:00:00Z")).valid);
}
