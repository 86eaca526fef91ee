//! Tokens that refuse, hang, die and lie: a shell script in the worker's place.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use mooring_core::license::SigningKey;
use std::os::unix::fs::PermissionsExt as _;

const FOUND: &str = r#"read l; echo '{"answer":"found","loginRequired":true}'"#;
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
        let pins = PinGuard::open(d.join("pin.json"), &[1; 32]);
        let mut a = Pkcs11Anchor::new(config, pins, Arc::new(Metrics::new().unwrap()));
        a.how = How {
            program: Some(program),
            open: Duration::from_millis(1500),
            answer: Duration::from_millis(500),
        };
        a
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
async fn a_login_that_may_have_failed_is_not_tried_again() {
    let says_no = r#"read l; echo '{"answer":"rejected","problem":"C_Login: CKR_GENERAL_ERROR"}'"#;
    for login in [says_no, "read l; sleep 60", "read l; exit 1"] {
        let b = Bench::new();
        let script = [FOUND, login];
        assert_eq!(
            lost(&mut b.anchor(&script)).await,
            AnchorReason::PinRejected,
            "{login}"
        );
        // Neither by the next try nor by the next process: the module is not even loaded.
        let mut again = b.anchor(&script);
        assert_eq!(lost(&mut again).await, AnchorReason::PinRejected);
        assert_eq!(lost(&mut again).await, AnchorReason::PinRejected);
        assert_eq!(b.starts(), 1, "{login}");
        // Another PIN is tried.
        std::fs::write(b.dir.path().join("pin"), "4321").unwrap();
        assert!(b.anchor(&[FOUND, DONE, &keys()]).open(&[]).await.is_ok());
    }
}

#[tokio::test]
async fn a_pin_that_has_worked_is_not_to_blame_for_a_token_that_hangs() {
    let b = Bench::new();
    assert!(b.anchor(&[FOUND, DONE, &keys()]).open(&[]).await.is_ok());
    let hangs = [FOUND, "read l; sleep 60"];
    assert_eq!(lost(&mut b.anchor(&hangs)).await, AnchorReason::Hung);
    assert_eq!(lost(&mut b.anchor(&hangs)).await, AnchorReason::Hung);
    assert!(b.anchor(&[FOUND, DONE, &keys()]).open(&[]).await.is_ok());
    // A token that says no, does: somebody has changed its PIN.
    let no = r#"read l; echo '{"answer":"rejected","problem":"C_Login: CKR_PIN_INCORRECT"}'"#;
    assert_eq!(
        lost(&mut b.anchor(&[FOUND, no])).await,
        AnchorReason::PinRejected
    );
    let starts = b.starts();
    assert_eq!(
        lost(&mut b.anchor(&[FOUND, no])).await,
        AnchorReason::PinRejected
    );
    assert_eq!(b.starts(), starts);
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
    assert!(!b.dir.path().join("pin.json").exists());
    let mut a = b.anchor(&[&found, DONE, &keys()]);
    assert_eq!(
        a.open(&[wanted, key().public()]).await,
        Ok(vec![key().public()])
    );
    assert!(b.dir.path().join("pin.json").exists());
}

#[tokio::test]
async fn the_last_try_is_not_spent_on_a_pin_that_has_never_worked() {
    let b = Bench::new();
    let found = |tries: &str| {
        format!(r#"read l; echo '{{"answer":"found","loginRequired":true,"tries":"{tries}"}}'"#)
    };
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
}
