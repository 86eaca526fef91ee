//! The vendor's key in an HSM: SoftHSM2 stands for it.
use super::common::{ANCHOR, Desk, MODULE, Outcome};

fn uri(rest: &str) -> String {
    format!("pkcs11:token=vendor{rest}?module-path={MODULE}&pin-source=file:pin")
}

fn desk() -> Desk {
    let desk = Desk::new();
    desk.token("vendor", "4711");
    desk.write("anchor.yaml", ANCHOR);
    desk
}

fn issue(desk: &Desk, keys: &[&str], out: &str) -> Outcome {
    let mut args = vec![
        "license",
        "issue",
        "--id",
        "H-1",
        "--customer",
        "ACME",
        "--expires",
        "2090-01-01",
        "--product",
        "render:2",
        "--anchor",
        "anchor.yaml",
        "--out",
        out,
    ];
    for k in keys {
        args.extend(["--key", k]);
    }
    desk.mooring(&args)
}

#[test]
fn a_key_that_was_made_in_the_hsm_signs_licenses_lists_and_vouchers() {
    let desk = desk();
    let key = uri(";object=licenses");
    let public = desk
        .mooring(&["license", "keygen", "--key", &key])
        .good()
        .find("ed25519:");
    let again = desk
        .mooring(&["license", "keygen", "--key", &key])
        .bad()
        .stderr;
    assert!(again.contains("has key \"licenses\""), "{again}");
    let shown = desk.mooring(&["license", "public", "--key", &key]).good();
    assert_eq!(shown.find("ed25519:"), public);

    issue(&desk, &[&key], "l.mooring").good();
    let verify =
        |file: &str, key: &str| desk.mooring(&["license", "verify", file, "--vendor-key", key]);
    verify("l.mooring", &public).good();
    // One key in the HSM, one in a file, while they rotate: each verifies alone.
    let old = desk.vendor_key("old.key");
    issue(&desk, &["old.key", &key], "both.mooring").good();
    verify("both.mooring", &old).good();
    verify("both.mooring", &public).good();
    verify("l.mooring", &old).bad();

    // Two keys on one token: one login serves both.
    let next = uri(";object=next");
    let next_public = desk
        .mooring(&["license", "keygen", "--key", &next])
        .good()
        .find("ed25519:");
    issue(&desk, &[&key, &next], "two.mooring").good();
    verify("two.mooring", &public).good();
    verify("two.mooring", &next_public).good();
    let e = issue(&desk, &[&key, &key], "twice.mooring").bad().stderr;
    assert!(e.contains("is given twice"), "{e}");

    let revoke = [
        "license", "revoke", "--list", "r", "--new", "H-0", "--reason", "x", "--key", &key,
    ];
    desk.mooring(&revoke).good();
    verify("r", &public).good();
    let voucher = [
        "license",
        "voucher",
        "l.mooring",
        "--not-before",
        "2089-12-01",
        "--expires",
        "2089-12-31",
        "--key",
        &key,
        "--out",
        "v",
    ];
    desk.mooring(&voucher).good();
    let at = [
        "license",
        "verify",
        "v",
        "--vendor-key",
        &public,
        "--at",
        "2089-12-02",
    ];
    desk.mooring(&at).good();
}

#[test]
fn a_key_that_is_not_named_well_is_refused_and_says_why() {
    let desk = desk();
    for label in ["one", "two"] {
        let key = uri(&format!(";object={label}"));
        desk.mooring(&["license", "keygen", "--key", &key]).good();
    }
    // An anchor's key on the same token is no vendor's.
    desk.token("test", "4711");
    desk.anchor(&["--generate"]).good();
    let p256 = format!("pkcs11:token=test?module-path={MODULE}&pin-source=file:pin");
    for (key, says) in [
        (uri(""), "several Ed25519 keys that fit: \""),
        (uri(";object=three"), "no Ed25519 key with label \"three\""),
        (p256, "\"mooring\", ECDSA"),
        (
            "pkcs11:token=other?module-path=/usr/lib/softhsm/libsofthsm2.so".into(),
            "token \"other\": no such token; there is",
        ),
        (
            "pkcs11:token=vendor?module-path=/nowhere.so".into(),
            "module-path /nowhere.so",
        ),
        ("pkcs11:token=vendor".into(), "module-path: missing"),
        (
            format!("pkcs11:token=vendor?module-path={MODULE}&pin-value=4711"),
            "pin-value: a PIN on the command line",
        ),
        (
            format!("pkcs11:token=vendor?module-path={MODULE}&pin-source=none"),
            "pin-source",
        ),
    ] {
        let e = issue(&desk, &[&key], "l.mooring").bad().stderr;
        assert!(e.contains(says), "{e}");
    }
}

#[test]
fn a_wrong_pin_is_tried_once() {
    let desk = desk();
    let key = uri(";object=licenses");
    desk.mooring(&["license", "keygen", "--key", &key]).good();
    desk.write("pin", "0000");
    // SoftHSM does not count tries, so what is seen here is that the program stops at the first.
    let e = issue(&desk, &[&key], "l.mooring").bad().stderr;
    assert_eq!(e.matches("wrong PIN").count(), 1, "{e}");
    assert!(
        e.contains("tried once and is not tried again") && e.contains("Check pin-source"),
        "{e}"
    );
    // The PIN may come from the environment.
    let plain = format!("pkcs11:token=vendor;object=licenses?module-path={MODULE}");
    desk.run(
        &["license", "public", "--key", &plain],
        "",
        &[("MOORING_PIN", "4711")],
    )
    .good();
}
