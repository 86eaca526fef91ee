//! License files that come, go and are refused.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::keeper::Keeper;
use crate::tests::license;
use mooring_core::license::{Envelope, Revocations, RevokedLicense, SigningKey, armour, types};
use mooring_testkit::vendor;

struct Files {
    dir: tempfile::TempDir,
    file: LicenseFiles,
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
        let file = Self::open(dir.path(), true);
        Self { dir, file }
    }

    /// As a server's start does, with what earlier runs kept.
    fn open(dir: &Path, with_keys: bool) -> LicenseFiles {
        std::fs::create_dir_all(dir.join("state")).unwrap();
        let config = Config {
            licenses: vec![dir.join("license")],
            vendor_keys: with_keys.then(|| dir.join("keys")),
            revocations: Some(dir.join("revocations")),
            ..mooring_config::print::example()
        };
        LicenseFiles::new(
            &config,
            Memory::new(Keeper::in_file(dir.join("state/state.json"))),
        )
    }

    fn restart(&mut self) {
        self.kept();
        self.file = Self::open(self.dir.path(), true);
    }

    /// What the anchor task has written now and then.
    fn kept(&self) {
        futures::executor::block_on(self.file.memory.keeper.flush());
    }

    /// What it does once the anchor has signed for a license.
    fn in_force(&mut self) {
        let good = self.good();
        self.file.in_force(&good);
    }

    /// The one that holds, at whatever time.
    fn good(&self) -> Arc<OpenLicense> {
        self.file.good(Timestamp::UNIX_EPOCH)[0].clone()
    }

    fn put_list(&self, number: u64, revoked: &[&str], key: &SigningKey) {
        let one = |id: &&str| RevokedLicense {
            license: (*id).to_owned(),
            since: at("2026-04-20T00:00:00Z"),
            reason: "charged back".into(),
        };
        let list = Revocations {
            schema: 1,
            number,
            issued: at("2026-04-19T00:00:00Z"),
            next: Some(at("2026-04-30T00:00:00Z")),
            revoked: revoked.iter().map(one).collect(),
        };
        let e = Envelope::sign(types::REVOCATIONS, &list, key).unwrap();
        std::fs::write(self.dir.path().join("revocations"), armour(&e).unwrap()).unwrap();
    }

    fn seen(&mut self, now: &str) -> (bool, &'static str, String) {
        let now = at(now);
        self.file.look(now, None);
        let v = self.file.view(now);
        (v.valid, v.reason.name(), v.message)
    }

    fn put(&self, l: &mooring_core::license::License, key: &SigningKey) -> String {
        let text = armour(&Envelope::sign(types::LICENSE, l, key).unwrap()).unwrap();
        std::fs::write(self.dir.path().join("license"), &text).unwrap();
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
    assert_eq!(f.file.view(now).reason.name(), "Unreadable");
    let text = f.put(&license(key), &vendor());
    assert!(f.file.look(now, Some(&[key])));
    assert!(!f.file.look(now, Some(&[key])));
    let v = f.file.view(now);
    assert!(
        v.valid && v.reason.name() == "Valid" && v.message.contains("license test-1 of"),
        "{v:?}"
    );

    // One byte changed: somewhere in the middle of the signed text.
    let mut bytes = text.into_bytes();
    let i = bytes.len() / 2;
    bytes[i] = if bytes[i] == b'A' { b'B' } else { b'A' };
    std::fs::write(f.dir.path().join("license"), bytes).unwrap();
    assert!(f.file.look(now, Some(&[key])));
    assert!(!f.file.look(now, Some(&[key])));
    let v = f.file.view(now);
    assert!(
        v.valid && v.reason.name() == "NewLicenseRefused" && v.message.contains("stays in force"),
        "{v:?}"
    );

    // The old one ends all the same.
    let later = at("2027-06-01T00:00:00Z");
    assert_eq!(
        (f.file.view(later).valid, f.file.view(later).reason.name()),
        (false, "Expired")
    );
}

#[test]
fn each_refusal_says_why() {
    let now = at("2026-05-01T00:00:00Z");
    let [key, other] = [[5; 32], [6; 32]].map(|s| SigningKey::from_seed(&s).unwrap().public());
    let mut expired = license(key);
    expired.expires = Some(at("2026-04-01T00:00:00Z"));
    let mut future = license(key);
    future.not_before = Some(at("2026-06-01T00:00:00Z"));
    let forger = SigningKey::from_seed(&[66; 32]).unwrap();
    for (l, signer, reason, words) in [
        (&expired, &vendor(), "Expired", "ended 2026-04-01"),
        (&future, &vendor(), "NotYetValid", "begins 2026-06-01"),
        (
            &license(key),
            &forger,
            "SignatureInvalid",
            "not signed by any of the keys",
        ),
        (
            &license(other),
            &vendor(),
            "NotForThisAnchor",
            "license field anchors: it is issued for key",
        ),
    ] {
        let mut f = Files::new();
        f.put(l, signer);
        f.file.look(now, Some(&[key]));
        let v = f.file.view(now);
        assert_eq!((v.valid, v.reason.name()), (false, reason));
        assert!(v.message.contains(words), "{}", v.message);
    }
}

#[test]
fn one_whose_time_comes_is_taken_without_a_change_of_the_file() {
    let mut f = Files::new();
    let key = SigningKey::from_seed(&[5; 32]).unwrap().public();
    let mut l = license(key);
    l.not_before = Some(at("2026-06-01T00:00:00Z"));
    f.put(&l, &vendor());
    f.file.look(at("2026-05-31T23:59:59Z"), None);
    assert!(!f.file.view(at("2026-05-31T23:59:59Z")).valid);
    assert!(f.file.look(at("2026-06-01T00:00:00Z"), None));
    assert!(f.file.view(at("2026-06-01T00:00:00Z")).valid);
}

const MAY: &str = "2026-05-01T00:00:00Z";

/// License `id`, which supersedes `old`.
fn named(id: &str, old: &[&str]) -> mooring_core::license::License {
    let mut l = license(SigningKey::from_seed(&[5; 32]).unwrap().public());
    l.id = id.into();
    l.supersedes = old.iter().map(|o| (*o).to_owned()).collect();
    l
}

#[test]
fn one_that_was_superseded_is_refused_also_after_a_restart() {
    let mut f = Files::new();
    f.put(&named("L-1", &[]), &vendor());
    assert!(f.seen(MAY).0);
    f.in_force();
    f.put(&named("L-2", &["L-0", "L-1"]), &vendor());
    assert!(f.seen(MAY).0);
    // It was not in force yet, so the old one may still come back: the new one might be for other
    // hardware.
    f.put(&named("L-1", &[]), &vendor());
    assert_eq!(f.seen(MAY).1, "Valid");
    f.put(&named("L-2", &["L-0", "L-1"]), &vendor());
    f.seen(MAY);
    f.in_force();

    for old in ["L-1", "L-0"] {
        f.put(&named(old, &[]), &vendor());
        let (valid, reason, message) = f.seen(MAY);
        assert!(valid && reason == "NewLicenseRefused", "{reason}");
        let words = format!(
            "license field id: {old:?} was superseded by license \"L-2\", issued 2026-01-01T00:00:00Z"
        );
        assert!(
            message.contains(&words) && message.contains("license L-2 of ACME"),
            "{message}"
        );
    }
    f.restart();
    let (valid, reason, _) = f.seen(MAY);
    assert_eq!((valid, reason), (false, "Superseded"));
    // A chain: the newest is taken.
    f.put(&named("L-3", &["L-2"]), &vendor());
    assert!(f.seen(MAY).0);
    // Without what was kept nobody can know.
    f.kept();
    std::fs::remove_file(f.dir.path().join("state/state.json")).unwrap();
    f.file = Files::open(f.dir.path(), true);
    f.put(&named("L-1", &[]), &vendor());
    assert!(f.seen(MAY).0);
    // A damaged file counts as none.
    std::fs::write(f.dir.path().join("state/state.json"), "{").unwrap();
    f.file = Files::open(f.dir.path(), true);
    assert!(f.seen(MAY).0);
}

#[test]
fn what_cannot_be_kept_is_told_and_stops_no_good_license() {
    let mut f = Files::new();
    let blocked = f.dir.path().join("state/state.new");
    std::fs::create_dir(&blocked).unwrap();
    f.put(&named("L-2", &["L-1"]), &vendor());
    f.seen(MAY);
    f.in_force();
    f.kept();
    let (valid, reason, message) = f.seen(MAY);
    assert!(valid && reason == "StateNotKept", "{reason}");
    for words in [
        "license L-2 of ACME",
        "state.json cannot be written",
        "make stateDir writable",
    ] {
        assert!(message.contains(words), "{message}");
    }
    std::fs::remove_dir(&blocked).unwrap();
    f.kept();
    assert_eq!(f.seen(MAY).1, "Valid");
    f.restart();
    f.put(&named("L-1", &[]), &vendor());
    assert_eq!(f.seen(MAY).1, "Superseded");
}

/// The API server was away when the pod started.
#[test]
fn what_an_earlier_pod_knew_and_is_heard_only_later_counts_from_then_on() {
    let mut f = Files::new();
    f.put(&named("L-1", &[]), &vendor());
    f.put_list(3, &[], &vendor());
    assert!(f.seen(MAY).0);
    f.in_force();
    let mut other = Files::new();
    other.put(&named("L-2", &["L-1"]), &vendor());
    other.put_list(4, &["L-5"], &vendor());
    other.seen(MAY);
    other.in_force();
    let theirs = other.file.memory.keeper.with(Clone::clone);
    f.file.memory.keeper.hears(theirs);
    let (valid, reason, message) = f.seen(MAY);
    assert_eq!((valid, reason), (false, "Superseded"), "{message}");
    assert!(f.file.good(Timestamp::UNIX_EPOCH).is_empty());
    assert!(message.contains("number: 3, and number 4"), "{message}");
    f.put(&named("L-2", &["L-1"]), &vendor());
    assert!(f.seen(MAY).0);
}

#[test]
fn what_no_key_has_verified_is_not_kept() {
    let mut f = Files::new();
    let forger = SigningKey::from_seed(&[66; 32]).unwrap();
    f.file = Files::open(f.dir.path(), false);
    f.put(&named("L-2", &["L-1"]), &forger);
    f.put_list(u64::MAX, &["L-1"], &forger);
    assert!(f.seen(MAY).0);
    f.in_force();
    f.put(&named("L-1", &[]), &vendor());
    assert_eq!(f.seen(MAY).1, "NewLicenseRefused", "in this run");
    std::fs::remove_file(f.dir.path().join("revocations")).unwrap();
    f.restart();
    assert!(f.seen(MAY).0, "nothing of it was written down");
}

#[test]
fn a_revoked_license_is_not_in_force() {
    let mut f = Files::new();
    f.put(&named("L-1", &[]), &vendor());
    assert!(f.seen(MAY).0);
    f.in_force();
    f.put_list(7, &["L-1", "L-9"], &vendor());
    let (valid, reason, message) = f.seen(MAY);
    assert_eq!((valid, reason), (false, "Revoked"));
    assert_eq!(
        message,
        "license field id: \"L-1\" is revoked since 2026-04-20T00:00:00Z by revocation list number 7, issued \
         2026-04-19T00:00:00Z: charged back; ask the vendor for another license"
    );
    let good = f.good();
    assert!(f.file.revoked(&good, at(MAY)).is_some());
    assert!(f.file.revoked(&good, at("2026-04-19T23:59:59Z")).is_none());

    // Taking the list away, or putting an older one in its place, brings nothing back, also after a
    // restart.
    std::fs::remove_file(f.dir.path().join("revocations")).unwrap();
    assert_eq!(f.seen(MAY).1, "Revoked");
    f.restart();
    assert_eq!(f.seen(MAY).1, "Revoked");
    f.put_list(6, &[], &vendor());
    let (_, reason, message) = f.seen(MAY);
    assert!(
        reason == "Revoked" && message.contains("revocation list field number: 6, and number 7"),
        "{reason} {message}"
    );
    // A newer list may lift it; it says when the next was due.
    f.put_list(8, &["L-9"], &vendor());
    let (valid, reason, message) = f.seen(MAY);
    assert_eq!((valid, reason), (true, "Valid"));
    assert!(
        message.contains("not revoked by list 8")
            && message.contains("was due 2026-04-30T00:00:00Z"),
        "{message}"
    );
    // A revoked new file is refused while the good old one stays.
    f.put(&named("L-9", &[]), &vendor());
    let (valid, reason, message) = f.seen(MAY);
    assert!(
        valid && reason == "NewLicenseRefused" && message.contains("\"L-9\" is revoked"),
        "{message}"
    );
}

#[test]
fn a_bad_list_is_refused_and_the_known_one_holds() {
    let mut f = Files::new();
    f.put(&named("L-1", &[]), &vendor());
    f.put_list(7, &["L-2"], &vendor());
    assert_eq!(f.seen(MAY).1, "Valid");
    let forger = SigningKey::from_seed(&[66; 32]).unwrap();
    let path = f.dir.path().join("revocations");
    f.put_list(8, &["L-1"], &forger);
    let (valid, reason, message) = f.seen(MAY);
    assert!(
        valid
            && reason == "RevocationsRefused"
            && message.contains("revocation list signature: not signed by any of the keys"),
        "{message}"
    );
    f.put_list(7, &["L-1"], &vendor());
    assert!(
        f.seen(MAY)
            .2
            .contains("number: 7 is known already with other contents")
    );
    std::fs::write(&path, "nonsense").unwrap();
    assert!(
        f.seen(MAY)
            .2
            .contains("not a revocation list: expected a line")
    );
    let text = f.put(&named("L-1", &[]), &vendor());
    std::fs::write(&path, text).unwrap();
    assert!(
        f.seen(MAY)
            .2
            .contains("found \"-----BEGIN MOORING LICENSE-----\"")
    );
    f.put(&named("L-2", &[]), &vendor());
    assert!(f.seen(MAY).2.contains("by revocation list number 7"));
}

/// A second file beside the first.
fn with_second(f: &mut Files) {
    let config = Config {
        licenses: vec![f.dir.path().join("license"), f.dir.path().join("second")],
        vendor_keys: Some(f.dir.path().join("keys")),
        revocations: Some(f.dir.path().join("revocations")),
        ..mooring_config::print::example()
    };
    let state = f.dir.path().join("state/state.json");
    f.file = LicenseFiles::new(&config, Memory::new(Keeper::in_file(state)));
}

fn put_second(f: &Files, l: &mooring_core::license::License) {
    let text = armour(&Envelope::sign(types::LICENSE, l, &vendor()).unwrap()).unwrap();
    std::fs::write(f.dir.path().join("second"), text).unwrap();
}

fn served(f: &Files) -> Vec<String> {
    let good = f.file.good(at(MAY)).into_iter();
    good.map(|l| l.license.id.clone()).collect()
}

#[test]
fn each_of_several_files_stands_for_itself() {
    let mut f = Files::new();
    with_second(&mut f);
    f.put(&named("L-1", &[]), &vendor());
    let (valid, reason, message) = f.seen(MAY);
    assert_eq!((valid, reason), (true, "PartlyValid"));
    assert!(
        message.contains("license L-1 of") && message.contains("Unreadable: license file"),
        "{message}"
    );
    put_second(&f, &named("L-2", &[]));
    assert_eq!(f.seen(MAY).1, "Valid");
    assert_eq!(served(&f), ["L-1", "L-2"]);
    // A bad new first one is refused, the one before stays, and the second does not care.
    std::fs::write(f.dir.path().join("license"), "nonsense").unwrap();
    let (valid, reason, message) = f.seen(MAY);
    assert_eq!((valid, reason), (true, "PartlyValid"));
    assert!(
        message.contains("license L-1 of") && message.contains("stays in force"),
        "{message}"
    );
    assert_eq!(served(&f), ["L-1", "L-2"]);
    // A revoked one goes, the other stays.
    f.put_list(1, &["L-1"], &vendor());
    assert!(f.seen(MAY).0);
    assert_eq!(served(&f), ["L-2"]);
    // Both: then the license is revoked, and what is told is that.
    f.put_list(2, &["L-1", "L-2"], &vendor());
    let (valid, reason, _) = f.seen(MAY);
    assert_eq!((valid, reason), (false, "Revoked"));
    assert_eq!(served(&f), ["L-1", "L-2"]);
}

#[test]
fn a_license_beside_its_successor_counts_for_nothing() {
    let mut f = Files::new();
    with_second(&mut f);
    f.put(&named("L-1", &[]), &vendor());
    put_second(&f, &named("L-2", &["L-1"]));
    let (valid, reason, message) = f.seen(MAY);
    assert_eq!((valid, reason), (true, "PartlyValid"));
    assert!(
        message.contains("\"L-1\" was superseded by license \"L-2\""),
        "{message}"
    );
    assert_eq!(served(&f), ["L-2"]);
    // Also once the successor's file is taken away, here and after a restart.
    f.in_force();
    f.kept();
    std::fs::remove_file(f.dir.path().join("second")).unwrap();
    with_second(&mut f);
    let (valid, reason, _) = f.seen(MAY);
    assert_eq!((valid, reason), (false, "Superseded"));
    assert!(served(&f).is_empty());
}

#[test]
fn the_same_license_in_two_files_counts_once() {
    let mut f = Files::new();
    with_second(&mut f);
    let mut again = named("L-1", &[]);
    f.put(&again, &vendor());
    again.issued = at("2026-04-02T00:00:00Z");
    put_second(&f, &again);
    let (valid, reason, message) = f.seen(MAY);
    assert_eq!((valid, reason), (true, "PartlyValid"));
    assert!(
        message.contains("Twice: license field id: \"L-1\" is also that of"),
        "{message}"
    );
    assert_eq!(served(&f), ["L-1"]);
    assert_eq!(
        f.file.good(at(MAY))[0].license.issued,
        again.issued,
        "the newer one"
    );
}

#[test]
fn a_license_that_another_server_of_the_anchor_has_replaced_counts_for_nothing() {
    let mut f = Files::new();
    f.put(&named("L-1", &[]), &vendor());
    assert!(f.seen(MAY).0);
    let replaced = ReplacedElsewhere {
        id: "L-1".into(),
        by: "L-2".into(),
        server: "licensing/new".into(),
    };
    f.file.elsewhere().set(vec![replaced]);
    let (valid, reason, message) = f.seen(MAY);
    assert_eq!((valid, reason), (false, "Superseded"));
    assert!(
        message.contains("which LicenseServer licensing/new serves on this anchor"),
        "{message}"
    );
    assert!(served(&f).is_empty());
    f.file.elsewhere().set(Vec::new());
    assert!(f.seen(MAY).0);
}
