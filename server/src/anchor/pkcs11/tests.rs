//! Tokens that refuse, hang, die and lie: a shell script in the worker's place.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::keeper::Keeper;
use mooring_core::kept::AnchorRole;
use mooring_core::license::SigningKey;
use std::os::unix::fs::PermissionsExt as _;

const FOUND: &str = r#"read l; echo '{"answer":"found","loginRequired":true,"serial":"S1"}'"#;
const DONE: &str = r#"read l; echo '{"answer":"done"}'"#;

fn key() -> SigningKey {
    SigningKey::from_seed(&[3; 32]).unwrap()
}

/// As a license lists it.
fn entry(key: PublicKey) -> AnchorKey {
    AnchorKey {
        kind: AnchorKind::Pkcs11,
        key,
        software: true,
        label: None,
        usb: None,
        hwid: None,
        standby: None,
    }
}

fn keys() -> String {
    format!(
        r#"read l; echo '{{"answer":"keys","keys":["{}"]}}'"#,
        key().public()
    )
}

struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("pin"), "1234\n").unwrap();
        Self { dir }
    }

    /// A worker that does this; each of its starts is counted.
    fn anchor(&self, script: &[&str]) -> Pkcs11Anchor {
        let d = self.dir.path();
        let program = d.join("worker");
        let text = format!(
            "#!/bin/sh\necho >> {}/starts\n{}\n",
            d.display(),
            script.join("\n")
        );
        // Written by another process: a file that this one has open for writing cannot be executed.
        let copied = std::process::Command::new("/bin/sh")
            .args(["-c", "printf %s \"$1\" > \"$2\"", "sh", &text])
            .arg(&program)
            .status()
            .unwrap();
        assert!(copied.success());
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let config = Pkcs11Config {
            module: "/module.so".into(),
            token_label: "t".into(),
            pin_file: Some(d.join("pin")),
        };
        let pins = PinGuard::new(
            Keeper::in_file(d.join("state.json")),
            AnchorRole::Anchor,
            &[1; 32],
        );
        let mut a = Pkcs11Anchor::new(config, vec![], pins, Arc::new(Metrics::new().unwrap()));
        a.how = How {
            program: Some(program),
            open: Duration::from_millis(1500),
            answer: Duration::from_millis(500),
        };
        a
    }

    /// Writes the PIN's file.
    fn pin(&self, content: &str) {
        std::fs::write(self.dir.path().join("pin"), content).unwrap();
    }

    fn starts(&self) -> usize {
        let text = std::fs::read_to_string(self.dir.path().join("starts"));
        text.map_or(0, |t| t.lines().count())
    }
}

async fn lost(a: &mut Pkcs11Anchor) -> AnchorReason {
    match a.open(&[]).await {
        Err(l) => l.reason,
        Ok(k) => panic!("open: {k:?}"),
    }
}

#[tokio::test]
async fn a_pin_that_the_token_refuses_is_not_shown_again() {
    let b = Bench::new();
    let no = r#"read l; echo '{"answer":"rejected","problem":"C_Login: CKR_PIN_INCORRECT"}'"#;
    let script = [FOUND, no];
    assert_eq!(
        lost(&mut b.anchor(&script)).await,
        AnchorReason::PinRejected
    );
    // Neither by the next try nor by the next process: the module is not even loaded.
    let mut again = b.anchor(&script);
    assert_eq!(lost(&mut again).await, AnchorReason::PinRejected);
    assert_eq!(lost(&mut again).await, AnchorReason::PinRejected);
    assert_eq!(b.starts(), 1);
    // Another PIN is tried, and so is the first one after it.
    b.pin("4321");
    assert!(b.anchor(&[FOUND, DONE, &keys()]).open(&[]).await.is_ok());
    b.pin("1234\n");
    assert!(b.anchor(&[FOUND, DONE, &keys()]).open(&[]).await.is_ok());
}

#[tokio::test]
async fn a_login_that_may_have_failed_is_tried_once_more_and_not_again() {
    let unclear = r#"read l; echo '{"answer":"unclear","problem":"C_Login: CKR_GENERAL_ERROR"}'"#;
    for login in [unclear, "read l; sleep 60", "read l; exit 1"] {
        let b = Bench::new();
        let script = [FOUND, login];
        assert_eq!(
            lost(&mut b.anchor(&script)).await,
            AnchorReason::LoginUnclear,
            "{login}"
        );
        // By the next process, too.
        let mut again = b.anchor(&script);
        assert_eq!(lost(&mut again).await, AnchorReason::PinRejected);
        assert_eq!(lost(&mut again).await, AnchorReason::PinRejected);
        let mut again = b.anchor(&script);
        assert_eq!(lost(&mut again).await, AnchorReason::PinRejected);
        assert_eq!(b.starts(), 2, "{login}");
        b.pin("1234\n\n");
        assert!(b.anchor(&[FOUND, DONE, &keys()]).open(&[]).await.is_ok());
    }
}

#[tokio::test]
async fn an_unclear_login_does_not_cost_the_token_its_last_try() {
    let b = Bench::new();
    let unclear = r#"read l; echo '{"answer":"unclear","problem":"C_Login: CKR_DEVICE_ERROR"}'"#;
    assert_eq!(
        lost(&mut b.anchor(&[FOUND, unclear])).await,
        AnchorReason::LoginUnclear
    );
    let last = r#"read l; echo '{"answer":"found","loginRequired":true,"tries":"last"}'"#;
    let e = b.anchor(&[last, DONE, &keys()]).open(&[]).await;
    let e = e.unwrap_err();
    assert_eq!(e.reason, AnchorReason::PinRejected, "{e}");
    assert!(e.message.contains("one try is left"), "{e}");
    assert!(b.anchor(&[FOUND, DONE, &keys()]).open(&[]).await.is_ok());
}

#[tokio::test]
async fn a_pin_that_has_worked_is_not_to_blame_for_a_token_that_hangs() {
    let b = Bench::new();
    assert!(b.anchor(&[FOUND, DONE, &keys()]).open(&[]).await.is_ok());
    let hangs = [FOUND, "read l; sleep 60"];
    for _ in 0..3 {
        assert_eq!(lost(&mut b.anchor(&hangs)).await, AnchorReason::Hung);
    }
    assert!(b.anchor(&[FOUND, DONE, &keys()]).open(&[]).await.is_ok());
    // Unless the token says that it was shown a wrong one: somebody has changed its PIN.
    let used = r#"read l; echo '{"answer":"found","loginRequired":true,"serial":"S1","tries":"someUsed"}'"#;
    let hangs = [used, "read l; sleep 60"];
    for reason in [
        AnchorReason::LoginUnclear,
        AnchorReason::PinRejected,
        AnchorReason::PinRejected,
    ] {
        assert_eq!(lost(&mut b.anchor(&hangs)).await, reason);
    }
}

#[tokio::test]
async fn a_changed_pin_is_told_while_the_token_serves_and_tried_at_the_next_login() {
    let b = Bench::new();
    let mut a = b.anchor(&[FOUND, DONE, &keys(), DONE, DONE, DONE, DONE]);
    a.open(&[]).await.unwrap();
    a.present(None).await.unwrap();
    assert_eq!(a.note(), None);
    b.pin("4321");
    a.present(None).await.unwrap();
    let note = a.note().unwrap();
    assert_eq!(note.reason, AnchorReason::PinChanged);
    assert!(note.message.contains("at the next one"), "{note}");
    std::fs::remove_file(b.dir.path().join("pin")).unwrap();
    a.present(None).await.unwrap();
    assert_eq!(a.note().unwrap().reason, AnchorReason::PinMissing);
    b.pin("1234\n");
    a.present(None).await.unwrap();
    assert_eq!(a.note(), None);
    assert_eq!(b.starts(), 1);
}

#[tokio::test]
async fn a_worker_that_does_not_end_its_line_is_cut_off() {
    let b = Bench::new();
    let endless = "read l; tr '\\0' x < /dev/zero";
    let begin = std::time::Instant::now();
    let e = b.anchor(&[endless]).open(&[]).await.unwrap_err();
    assert_eq!(e.reason, AnchorReason::ModuleFailed, "{e}");
    assert!(e.message.contains("an answer of more than"), "{e}");
    println!("cut off after {:?}", begin.elapsed());
}

#[tokio::test]
async fn a_token_pulled_out_during_the_login_has_not_refused_the_pin() {
    let b = Bench::new();
    let gone = r#"read l; echo '{"answer":"failed","reason":"TokenLost","message":"pulled out; plug in"}'"#;
    assert_eq!(
        lost(&mut b.anchor(&[FOUND, gone])).await,
        AnchorReason::TokenLost
    );
    assert!(b.anchor(&[FOUND, DONE, &keys()]).open(&[]).await.is_ok());
}

#[tokio::test]
async fn every_signature_is_verified_and_a_hang_ends() {
    let b = Bench::new();
    let k = key().public();
    let good = hex::encode(key().sign(b"hello"));
    let signs = |s: &str| format!(r#"read l; echo '{{"answer":"signed","signature":"{s}"}}'"#);
    for (sign, want) in [
        (signs(&good), None),
        (signs(&"00".repeat(64)), Some(AnchorReason::SignFailed)),
        (signs("xyz"), Some(AnchorReason::SignFailed)),
        (
            "read l; echo nonsense".into(),
            Some(AnchorReason::ModuleFailed),
        ),
        ("read l; exit 3".into(), Some(AnchorReason::ModuleFailed)),
        ("read l; sleep 60".into(), Some(AnchorReason::Hung)),
    ] {
        let mut a = b.anchor(&[FOUND, DONE, &keys(), &sign]);
        assert_eq!(a.open(&[]).await, Ok(vec![k]));
        let signed = a.sign(&entry(k), b"hello").await;
        assert_eq!(signed.err().map(|l| l.reason), want, "{sign}");
        let begin = std::time::Instant::now();
        a.close().await;
        assert!(begin.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test]
async fn a_token_without_a_key_or_without_a_pin_file_says_so() {
    let b = Bench::new();
    let none = r#"read l; echo '{"answer":"keys","keys":[]}'"#;
    assert_eq!(
        lost(&mut b.anchor(&[FOUND, DONE, none])).await,
        AnchorReason::KeyNotFound
    );
    let mut a = b.anchor(&[FOUND, none]);
    a.config.pin_file = None;
    assert_eq!(lost(&mut a).await, AnchorReason::PinMissing);
    // A key that signs without a PIN needs none.
    let mut a = b.anchor(&[FOUND, &keys()]);
    a.config.pin_file = None;
    assert_eq!(a.open(&[]).await, Ok(vec![key().public()]));
}

#[tokio::test]
async fn a_token_that_shows_other_keys_than_the_licenses_is_not_shown_the_pin() {
    let b = Bench::new();
    let found = format!(
        r#"read l; echo '{{"answer":"found","loginRequired":true,"shown":["{}"]}}'"#,
        key().public()
    );
    let wanted = SigningKey::from_seed(&[4; 32]).unwrap().public();
    // The next question would be the login.
    let mut a = b.anchor(&[&found, "read l; echo \"$l\" >&2; exit 1"]);
    assert_eq!(a.open(&[wanted]).await, Ok(vec![key().public()]));
    a.close().await;
    assert!(!b.dir.path().join("state.json").exists());
    let mut a = b.anchor(&[&found, DONE, &keys()]);
    assert_eq!(
        a.open(&[wanted, key().public()]).await,
        Ok(vec![key().public()])
    );
    assert!(b.dir.path().join("state.json").exists());
}

#[tokio::test]
async fn the_last_try_is_not_spent_on_a_pin_that_has_never_worked() {
    let b = Bench::new();
    let of = |serial: &str, tries: &str| {
        format!(
            r#"read l; echo '{{"answer":"found","loginRequired":true,"serial":"{serial}","tries":"{tries}"}}'"#
        )
    };
    let found = |tries: &str| of("S1", tries);
    for (tries, words) in [
        ("last", "log in once by hand"),
        ("locked", "unlock it with its PUK"),
    ] {
        let mut a = b.anchor(&[&found(tries), DONE, &keys()]);
        let lost = a.open(&[]).await.unwrap_err();
        assert_eq!(lost.reason, AnchorReason::PinRejected, "{lost}");
        assert!(lost.message.contains(words), "{lost}");
    }
    // It is no rejection: with its tries back the token is logged in to, and then the PIN has
    // worked.
    assert!(
        b.anchor(&[&found("several"), DONE, &keys()])
            .open(&[])
            .await
            .is_ok()
    );
    assert!(
        b.anchor(&[&found("last"), DONE, &keys()])
            .open(&[])
            .await
            .is_ok()
    );
    // Another token of the same label has a PIN of its own.
    let mut a = b.anchor(&[&of("S2", "last"), DONE, &keys()]);
    let lost = a.open(&[]).await.unwrap_err();
    assert!(lost.message.contains("one try is left"), "{lost}");
}

#[tokio::test]
async fn what_cannot_be_a_pin_is_shown_to_no_token() {
    let b = Bench::new();
    let script = [FOUND, DONE, &keys()];
    let mut a = b.anchor(&script);
    for (content, words) in [
        ("", "empty"),
        ("\n", "empty"),
        ("1234\n5678\n", "several lines"),
        ("\u{feff}1234\n", "byte order mark"),
        ("12\t34\n", "control"),
    ] {
        b.pin(content);
        let lost = a.open(&[]).await.unwrap_err();
        assert_eq!(lost.reason, AnchorReason::PinMissing, "{content:?}: {lost}");
        for words in [
            words,
            "expected the token's user PIN",
            "anchor.pkcs11.pinFile",
        ] {
            assert!(lost.message.contains(words), "{content:?}: {lost}");
        }
        assert!(!lost.message.contains("34"), "{lost}");
    }
    assert_eq!(b.starts(), 0);
    // Nor does it count as anything.
    b.pin("1234\n");
    a.open(&[]).await.unwrap();
    a.close().await;
    // While the token serves, it is told at once.
    let mut a = b.anchor(&[FOUND, DONE, &keys(), DONE]);
    a.open(&[]).await.unwrap();
    b.pin("1234\n5678\n");
    a.present(None).await.unwrap();
    assert_eq!(a.note().unwrap().reason, AnchorReason::PinMissing);
}

#[tokio::test]
async fn a_token_that_was_logged_in_to_already_has_not_accepted_the_pin() {
    let b = Bench::new();
    let already = r#"read l; echo '{"answer":"loggedIn"}'"#;
    for _ in 0..3 {
        assert!(b.anchor(&[FOUND, already, &keys()]).open(&[]).await.is_ok());
    }
    let last =
        r#"read l; echo '{"answer":"found","loginRequired":true,"serial":"S1","tries":"last"}'"#;
    let e = b.anchor(&[last, DONE, &keys()]).open(&[]).await;
    let e = e.unwrap_err();
    assert!(e.message.contains("one try is left"), "{e}");
    // A hang is not forgiven.
    let hangs = [FOUND, "read l; sleep 60"];
    for reason in [AnchorReason::LoginUnclear, AnchorReason::PinRejected] {
        assert_eq!(lost(&mut b.anchor(&hangs)).await, reason);
    }
}
