//! Client tokens: issued, inspected, refused.

use super::common::Desk;
use mooring_core::client_token::ClientToken;
use mooring_core::time::Timestamp;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

fn issue(desk: &Desk, more: &[&str]) -> super::common::Outcome {
    let args = ["client", "issue", "--key", "client.key", "--server", "main"];
    desk.mooring(&[&args[..], more].concat())
}

#[test]
fn a_token_is_issued_and_a_server_would_take_it() {
    let desk = Desk::new();
    let key = desk.mooring(&["client", "keygen", "--out", "client.key"]);
    // The output is a line of the server's file.
    let key = key.good().stdout;
    desk.write("client-keys", &key);
    let made = issue(
        &desk,
        &["--subject", "build-7", "--for", "12h", "--out", "t"],
    )
    .good();
    assert!(
        made.stderr.contains("for build-7 on license server main"),
        "{}",
        made.stderr
    );
    assert!(!made.stderr.contains("mct_") && made.stdout.is_empty());
    let mode = fs::metadata(desk.path("t")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let keys = [key.trim().parse().unwrap()];
    let text = desk.read("t");
    let (token, _) = ClientToken::open(text.trim(), &keys, "main", Timestamp::now()).unwrap();
    let lasts = token.expires.as_second() - token.issued_at.as_second();
    assert_eq!((token.subject.as_str(), lasts), ("build-7", 12 * 3600));
    assert!(made.stderr.contains(&token.id), "its id is what revokes it");

    let seen = desk.mooring(&["client", "inspect", "t", "--client-key", "client-keys"]);
    let seen = seen.good().stdout;
    assert!(
        seen.contains("build-7") && seen.contains("verified, by key"),
        "{seen}"
    );
    let unchecked = desk.mooring(&["client", "inspect", "t"]).good().stdout;
    assert!(unchecked.contains("not checked"), "{unchecked}");
    let other = "ed25519:".to_owned() + &"01".repeat(32);
    let e = desk
        .mooring(&["client", "inspect", "t", "--client-key", &other])
        .bad();
    assert!(
        e.stdout.contains("NOT VERIFIED") && e.stderr.contains("not signed by"),
        "{}",
        e.stderr
    );
    let json = desk
        .mooring(&["client", "inspect", "t", "-o", "json"])
        .good()
        .stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["subject"], &json["verified"]),
        (&"build-7".into(), &false.into())
    );
}

#[test]
fn what_makes_no_token_says_what_was_expected() {
    let desk = Desk::new();
    desk.mooring(&["client", "keygen", "--out", "client.key"])
        .good();
    let before = desk.read("client.key");
    desk.mooring(&["client", "keygen", "--out", "client.key"])
        .bad();
    assert_eq!(desk.read("client.key"), before);
    for (args, says) in [
        (
            &["--subject", "mooring-operator"][..],
            "not \"mooring-operator\"",
        ),
        (&["--subject", ""], "expected 1 to 200 bytes"),
        (&["--subject", "a", "--id", "a b"], "client token field id"),
        (&["--subject", "a", "--expires", "2020-01-01"], "has passed"),
        (&["--subject", "a", "--out", "client.key"], "there already"),
    ] {
        let e = issue(&desk, args).bad().stderr;
        assert!(e.contains(says), "{args:?}: {e}");
    }
    assert_eq!(
        issue(&desk, &["--subject", "a", "--for", "12"]).code,
        Some(2)
    );
    desk.write("short", "mct_abc");
    let e = desk.mooring(&["client", "inspect", "short"]).bad().stderr;
    assert!(e.contains("expected \"mct_\""), "{e}");
    // An expired one is shown, and is an error.
    let long_ago = issue(&desk, &["--subject", "a", "--for", "1s"])
        .good()
        .stdout;
    desk.write("old", &long_ago);
    let mut code = Some(0);
    while code == Some(0) {
        code = desk.mooring(&["client", "inspect", "old"]).code;
    }
    assert_eq!(code, Some(1));
}
