//! Anchors on a SoftHSM2 token, described and licensed.

use super::common::{self, Desk, ORDER, Outcome};

#[test]
fn from_token_to_verified_license() {
    let desk = Desk::new();
    desk.token("test", "1234");
    let public = desk.vendor_key("vendor.key");
    let made = desk.anchor(&["--generate", "--out", "anchor.yaml"]).good();
    assert!(
        made.stderr.contains("Made key \"mooring\""),
        "{}",
        made.stderr
    );
    assert!(
        made.stderr.contains("--allow-software-token"),
        "{}",
        made.stderr
    );
    let described = desk.read("anchor.yaml");
    assert!(
        described.contains("software: true") && described.contains("kind: pkcs11"),
        "{described}"
    );
    // The same key is found again, not made anew.
    let again: serde_json::Value =
        serde_json::from_str(&desk.anchor(&["--generate", "-o", "json"]).good().stdout).unwrap();
    assert!(described.contains(again["key"].as_str().unwrap()));

    desk.write("order.yaml", ORDER);
    let issue = [
        "license",
        "issue",
        "order.yaml",
        "--key",
        "vendor.key",
        "--anchor",
        "anchor.yaml",
        "--out",
        "l.mooring",
    ];
    let refused = desk.mooring(&issue).bad();
    assert!(
        refused.stderr.contains("anchors[0].software")
            && refused.stderr.contains("--allow-software-token"),
        "{}",
        refused.stderr
    );
    assert!(!desk.path("l.mooring").exists());

    let issue = [&issue[..], &["--allow-software-token"]].concat();
    let issued = desk.mooring(&issue).good();
    assert!(
        issued.stderr.contains("ACME-2027-001") && issued.stderr.contains("2090-01-01"),
        "{}",
        issued.stderr
    );
    let refused = desk.mooring(&issue).bad();
    assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
    desk.mooring(&[&issue[..], &["--force"]].concat()).good();

    let seen = desk
        .mooring(&["license", "inspect", "l.mooring"])
        .good()
        .stdout;
    for says in [
        "NOT VERIFIED",
        "ACME Corp",
        "render: 10 seats",
        "2024.2 to 2027",
        "SOFTWARE",
    ] {
        assert!(seen.contains(says), "{says}: {seen}");
    }
    let seen = desk
        .mooring(&["license", "inspect", "l.mooring", "--vendor-key", &public])
        .good()
        .stdout;
    assert!(
        seen.contains("verified: signed by the vendor's key") && !seen.contains("NOT VERIFIED"),
        "{seen}"
    );

    let ok = desk
        .mooring(&["license", "verify", "l.mooring", "--vendor-key", &public])
        .good()
        .stdout;
    assert!(ok.starts_with("OK: "), "{ok}");
    let bare = &public["ed25519:".len()..];
    desk.mooring(&["license", "verify", "l.mooring", "--vendor-key", bare])
        .good();
    desk.write(
        "keys",
        &format!(
            "# ours\ned25519:{}\n{public}  # the new one\n",
            "11".repeat(32)
        ),
    );
    desk.mooring(&["license", "verify", "l.mooring", "--vendor-key", "keys"])
        .good();
    let late = desk
        .mooring(&[
            "license",
            "verify",
            "l.mooring",
            "--vendor-key",
            "keys",
            "--at",
            "2090-01-01",
        ])
        .bad();
    assert!(
        late.stderr.contains("expires") && late.stderr.contains("ask the vendor"),
        "{}",
        late.stderr
    );
}

#[test]
fn a_wrong_pin_is_tried_once() {
    let desk = Desk::new();
    desk.token("test", "1234");
    desk.anchor(&["--generate"]).good();
    desk.write("pin", "9999\n");
    let wrong: Outcome = desk.anchor(&[]).bad();
    assert!(
        wrong.stderr.contains("wrong PIN") && wrong.stderr.contains("tried once"),
        "{}",
        wrong.stderr
    );
    desk.write("pin", "\n");
    let empty = desk.anchor(&[]).bad();
    assert!(
        empty.stderr.contains("--pin-file") && empty.stderr.contains("empty"),
        "{}",
        empty.stderr
    );
    // The environment serves as well as a file.
    let args = [
        "license",
        "anchor",
        "pkcs11",
        "--module",
        common::MODULE,
        "--token-label",
        "test",
    ];
    desk.run(&args, "", &[("MOORING_PIN", "1234")]).good();
    let none = desk.run(&args, "", &[]).bad();
    assert!(
        none.stderr.contains("--pin-file") && none.stderr.contains("MOORING_PIN"),
        "{}",
        none.stderr
    );
}

#[test]
fn what_is_not_there_is_named_with_what_is() {
    let desk = Desk::new();
    desk.token("test", "1234");
    let e = desk.anchor(&[]).bad().stderr;
    assert!(
        e.contains("no P-256 key") && e.contains("--generate"),
        "{e}"
    );
    let args = |module: &str, label: &str| {
        let args = [
            "license",
            "anchor",
            "pkcs11",
            "--pin-file",
            "pin",
            "--module",
            module,
            "--token-label",
            label,
        ];
        desk.mooring(&args).bad().stderr
    };
    let e = args(common::MODULE, "tset");
    assert!(e.contains("tset") && e.contains("\"test\""), "{e}");
    let e = args("/nowhere/module.so", "test");
    assert!(e.contains("--module /nowhere/module.so"), "{e}");
    let e = args("/bin/true", "test");
    assert!(
        e.contains("--module /bin/true") && e.contains("expected a PKCS#11 module"),
        "{e}"
    );
}

#[test]
fn one_of_several_keys_is_chosen_by_label_or_id() {
    let desk = Desk::new();
    desk.token("test", "1234");
    desk.anchor(&["--generate", "--key-label", "one", "--key-id", "01"])
        .good();
    desk.anchor(&["--generate", "--key-label", "two", "--key-id", "02"])
        .good();
    let e = desk.anchor(&[]).bad().stderr;
    assert!(
        e.contains("\"one\" (id 01)") && e.contains("\"two\" (id 02)") && e.contains("--key-label"),
        "{e}"
    );
    let key = |flags: &[&str]| {
        desk.anchor(&[flags, &["-o", "json"]].concat())
            .good()
            .stdout
    };
    assert_eq!(key(&["--key-label", "one"]), key(&["--key-id", "01"]));
    assert_ne!(key(&["--key-label", "one"]), key(&["--key-label", "two"]));
    let e = desk.anchor(&["--key-label", "three"]).bad().stderr;
    assert!(e.contains("three") && e.contains("\"one\""), "{e}");
}

#[test]
fn nothing_is_made_on_the_token_if_the_description_cannot_be_written() {
    let desk = Desk::new();
    desk.token("test", "1234");
    desk.write("anchor.yaml", "mine");
    let e = desk
        .anchor(&["--generate", "--out", "anchor.yaml"])
        .bad()
        .stderr;
    assert!(e.contains("--out") && e.contains("already"), "{e}");
    assert_eq!(desk.read("anchor.yaml"), "mine");
    let e = desk.anchor(&[]).bad().stderr;
    assert!(e.contains("no private key"), "no key was made: {e}");
}
