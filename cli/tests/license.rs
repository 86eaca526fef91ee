//! `mooring license …` as its users run it: the real program, files in a folder, a SoftHSM2 token.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use common::{Desk, Outcome};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

const ORDER: &str = "
id: ACME-2027-001
customer: ACME Corp
expires: 2090-01-01
products:
- {name: render, seats: 10, versions: 2024.2..2027}
";

#[test]
fn keygen_makes_a_key_that_openssl_reads_and_never_overwrites() {
    let desk = Desk::new();
    let made = desk
        .mooring(&["license", "keygen", "--out", "vendor.key"])
        .good();
    let public = made.find("ed25519:");
    assert_eq!(public.len(), "ed25519:".len() + 64);
    assert!(
        made.stdout
            .contains(&format!("from_hex(\"{}\")", &public["ed25519:".len()..]))
    );
    assert!(made.stdout.contains("0x"), "bytes for C");
    let mode = fs::metadata(desk.path("vendor.key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(
        !made
            .stdout
            .contains(desk.read("vendor.key").lines().nth(1).unwrap()),
        "the private half is not printed"
    );

    let before = desk.read("vendor.key");
    let again = desk
        .mooring(&["license", "keygen", "--out", "vendor.key"])
        .bad();
    assert!(
        again.stderr.contains("vendor.key is there already"),
        "{}",
        again.stderr
    );
    assert_eq!(desk.read("vendor.key"), before);

    let json = desk
        .mooring(&["license", "keygen", "--out", "b.key", "-o", "json"])
        .good();
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert!(
        json["publicKey"]
            .as_str()
            .unwrap()
            .ends_with(json["hex"].as_str().unwrap())
    );
}

#[test]
fn from_token_to_verified_licence() {
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
            "# ours\n{}\n{public}  # the new one\n",
            format!("ed25519:{}", "11".repeat(32))
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
fn a_licence_with_one_character_changed_is_refused() {
    let desk = Desk::new();
    let public = desk.vendor_key("vendor.key");
    desk.issue_for_test();
    let text = desk.read("l.mooring");
    let line = text.lines().nth(5).unwrap();
    let other = if line.starts_with('A') { 'B' } else { 'A' };
    desk.write(
        "changed.mooring",
        &text.replacen(line, &format!("{other}{}", &line[1..]), 1),
    );
    let e = desk
        .mooring(&[
            "license",
            "verify",
            "changed.mooring",
            "--vendor-key",
            &public,
        ])
        .bad()
        .stderr;
    assert!(
        e.contains("licence signature") || e.contains("not a licence file"),
        "{e}"
    );

    let rogue = desk.vendor_key("rogue.key");
    let e = desk
        .mooring(&["license", "verify", "l.mooring", "--vendor-key", &rogue])
        .bad()
        .stderr;
    assert_eq!(e.matches("not signed by any").count(), 1, "said once: {e}");
    let e = desk
        .mooring(&[
            "license",
            "verify",
            "l.mooring",
            "--vendor-key",
            "vendor.key",
        ])
        .bad()
        .stderr;
    assert!(e.contains("private key"), "{e}");
    let e = desk
        .mooring(&["license", "inspect", "order.yaml"])
        .bad()
        .stderr;
    assert!(e.contains("BEGIN MOORING LICENCE"), "{e}");
}

#[test]
fn two_keys_sign_while_they_rotate() {
    let desk = Desk::new();
    let old = desk.vendor_key("old.key");
    let new = desk.vendor_key("new.key");
    desk.write("order.yaml", &common::order_with_anchor());
    let issue = |keys: &[&str]| {
        desk.mooring(
            &[
                &["license", "issue", "order.yaml", "--out", "l.mooring"],
                keys,
            ]
            .concat(),
        )
    };
    issue(&["--key", "old.key", "--key", "new.key"]).good();
    for key in [&old, &new] {
        desk.mooring(&["license", "verify", "l.mooring", "--vendor-key", key])
            .good();
    }
    let e = issue(&["--key", "old.key", "--key", "old.key", "--force"])
        .bad()
        .stderr;
    assert!(e.contains("given twice"), "{e}");
    let e = issue(&["--key", "pkcs11:token=x", "--force"]).bad().stderr;
    assert!(e.contains("HSM"), "{e}");
}

#[test]
fn an_order_comes_from_flags_or_a_pipe_as_well() {
    let desk = Desk::new();
    desk.vendor_key("vendor.key");
    desk.write("anchor.yaml", common::ANCHOR);
    let flags = [
        "--id",
        "T-1",
        "--customer",
        "ACME",
        "--product",
        "render@2024..2026:2",
        "--test",
        "--anchor",
        "anchor.yaml",
    ];
    let seen = desk
        .mooring(&[&["license", "issue", "--dry-run"], &flags[..]].concat())
        .good()
        .stdout;
    assert!(
        seen.contains("test: true") && seen.contains("seats: 2") && seen.contains("to: '2026'"),
        "{seen}"
    );

    let piped = desk
        .run(
            &["license", "issue", "--from", "-", "--key", "vendor.key"],
            &common::order_with_anchor(),
            &[],
        )
        .good();
    assert!(
        piped
            .stdout
            .starts_with("-----BEGIN MOORING LICENCE-----\n"),
        "{}",
        piped.stdout
    );
    let seen = desk
        .run(&["license", "inspect", "-"], &piped.stdout, &[])
        .good()
        .stdout;
    assert!(seen.contains("ACME-1"), "{seen}");
}

#[test]
fn each_refusal_of_an_order_names_field_value_and_what_was_expected() {
    let desk = Desk::new();
    desk.vendor_key("vendor.key");
    desk.write("anchor.yaml", common::ANCHOR);
    let good = ORDER;
    let cases: &[(&str, &str, &[&str])] = &[
        ("id: ACME-2027-001", "", &["id", "missing", "ACME-2027-001"]),
        (
            "customer: ACME Corp",
            "customer: ''",
            &["customer", "missing"],
        ),
        (
            "customer: ACME Corp",
            "customer: \"A\\nB\"",
            &["customer", "one line"],
        ),
        (
            "customer:",
            "custmer:",
            &["custmer", "expected one of", "customer"],
        ),
        ("expires: 2090-01-01", "", &["expires", "missing", "never"]),
        (
            "expires: 2090-01-01",
            "expires: 2090-13-01",
            &["expires", "2090-13-01", "2027-01-01"],
        ),
        (
            "expires: 2090-01-01",
            "expires: 2020-01-01",
            &["expires", "2020-01-01", "over already"],
        ),
        (
            "expires: 2090-01-01",
            "expires: 2090-01-01\nnotBefore: 2091-01-01",
            &["expires", "not after", "2091-01-01"],
        ),
        (
            "expires: 2090-01-01",
            "expires: 2090-01-01\ntest: true",
            &["expires", "at most 7 days"],
        ),
        (
            "expires: 2090-01-01",
            "expires: never\ntest: true",
            &["expires", "at most 7 days"],
        ),
        (
            "seats: 10",
            "seats: ten",
            &["products[0].seats", "ten", "whole number from 0 to 1000000"],
        ),
        (
            "seats: 10",
            "seats: 0",
            &["products[0].seats", "0", "from 1"],
        ),
        ("seats: 10, ", "", &["products[0].seats", "missing"]),
        (
            "seats: 10",
            "seats: 10, from: gpu",
            &["products[0].seats", "beside from"],
        ),
        ("seats: 10", "from: gpu", &["products[0].from", "gpu"]),
        (
            "seats: 10",
            "seats: 10, countBy: node",
            &["products[0].countBy", "claim"],
        ),
        (
            "name: render",
            "name: Render",
            &["products[0].name", "Render", "a-z"],
        ),
        (
            "2024.2..2027",
            "2024.2",
            &["products[0].versions", "2024.2"],
        ),
        (
            "2024.2..2027",
            "2027..2024",
            &["products[0].versions", "covers nothing"],
        ),
        (
            "2024.2..2027",
            "'a b..'",
            &["products[0].versions.from", "a b"],
        ),
        (
            "products:",
            "policy: {maxGrace: 8}\nproducts:",
            &["policy.maxGrace", "8"],
        ),
        (
            "products:",
            "policy: {maxGrace: 60d}\nproducts:",
            &["policy.maxGrace", "60d", "30d"],
        ),
        (
            "products:",
            "policy: {maxLease: 1h}\nproducts:",
            &["policy.maxLease", "1h", "10s", "5m"],
        ),
        (
            "products:",
            "policy: {maxAnchorGrace: 1h}\nproducts:",
            &["policy.maxAnchorGrace", "10m"],
        ),
        (
            "products:",
            "policy: {optimisticStart: maybe}\nproducts:",
            &["policy.optimisticStart", "maybe", "allow"],
        ),
        (
            "products:",
            "critical: [moonPhase]\nproducts:",
            &["moonPhase"],
        ),
        (
            "products:",
            "pools: [{name: render, seats: 1}]\nproducts:",
            &["products[0].seats", "pools lists render"],
        ),
    ];
    for (from, to, says) in cases {
        assert!(good.contains(from), "{from}");
        desk.write("bad.yaml", &good.replacen(from, to, 1));
        let out = desk
            .mooring(&[
                "license",
                "issue",
                "bad.yaml",
                "--key",
                "vendor.key",
                "--anchor",
                "anchor.yaml",
            ])
            .bad();
        assert!(
            says.iter().all(|s| out.stderr.contains(s)),
            "{to:?} should say {says:?}: {}",
            out.stderr
        );
        assert_eq!(out.stdout, "", "nothing is issued");
    }
    desk.write("order.yaml", good);
    let no_anchor = desk
        .mooring(&["license", "issue", "order.yaml", "--key", "vendor.key"])
        .bad();
    assert!(
        no_anchor.stderr.contains("anchors") && no_anchor.stderr.contains("--anchor"),
        "{}",
        no_anchor.stderr
    );
    let two = desk
        .mooring(&[
            "license",
            "issue",
            "order.yaml",
            "--key",
            "vendor.key",
            "--anchor",
            "anchor.yaml",
            "--anchor",
            "anchor.yaml",
        ])
        .bad();
    assert!(
        two.stderr.contains("anchors[1].key") && two.stderr.contains("twice"),
        "{}",
        two.stderr
    );
    let no_key = desk
        .mooring(&[
            "license",
            "issue",
            "order.yaml",
            "--key",
            "nowhere.key",
            "--anchor",
            "anchor.yaml",
        ])
        .bad();
    assert!(no_key.stderr.contains("nowhere.key"), "{}", no_key.stderr);
}

#[test]
fn a_bundle_is_verified_for_a_product() {
    let desk = Desk::new();
    let v: serde_json::Value =
        serde_json::from_str(include_str!("../../core/testdata/vectors.json")).unwrap();
    let vendor = v["keys"]["vendor"]["public"].as_str().unwrap();
    let write = |name: &str| {
        let case = v["bundles"]
            .as_array()
            .unwrap()
            .iter()
            .find(|b| b["name"] == name)
            .unwrap();
        let link = |l: &str| v["envelopes"][case["bundle"][l].as_str().unwrap()].clone();
        let bundle = serde_json::json!({"licence": link("licence"), "delegation": link("delegation"), "lease": link("lease")});
        desk.write("bundle.json", &bundle.to_string());
    };
    let verify = |more: &[&str]| {
        desk.mooring(
            &[
                &["license", "verify", "bundle.json", "--vendor-key", vendor],
                more,
            ]
            .concat(),
        )
    };
    write("ed25519");
    let nonce = "0123456789abcdef";
    let ok = verify(&[
        "--product",
        "render",
        "--app-version",
        "2026.1",
        "--built-on",
        "2026-03-01",
        "--nonce",
        nonce,
    ])
    .good();
    assert!(
        ok.stdout.contains("2 seats of render") && ok.stdout.contains("answers the nonce"),
        "{}",
        ok.stdout
    );
    assert!(
        verify(&["--product", "render"])
            .good()
            .stdout
            .contains("UNFRESH")
    );
    for (flags, says) in [
        (&["--product", "denoise"][..], "denoise"),
        (
            &["--product", "render", "--app-version", "2027"],
            "versions",
        ),
        (
            &["--product", "render", "--built-on", "2026-07-01"],
            "maintenance",
        ),
        (&["--product", "render", "--nonce", "other"], "nonce"),
        (&[], "--product"),
    ] {
        let e = verify(flags).bad().stderr;
        assert!(e.contains(says), "{flags:?}: {e}");
    }
    write("hardware-software");
    let e = verify(&["--product", "render", "--hardware"]).bad().stderr;
    assert!(e.contains("insists on hardware"), "{e}");
    write("lease-payload-bit");
    let e = verify(&["--product", "render"]).bad().stderr;
    assert!(e.contains("lease token signature"), "{e}");
    write("ed25519");
    let seen = desk
        .mooring(&["license", "inspect", "bundle.json"])
        .good()
        .stdout;
    assert!(
        seen.contains("Delegation    NOT VERIFIED") && seen.contains("render:2"),
        "{seen}"
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

#[test]
fn help_explains_with_examples() {
    let desk = Desk::new();
    for args in [
        &["license", "issue"][..],
        &["license", "anchor", "pkcs11"],
        &["license", "keygen"],
        &["status"],
        &["leases"],
    ] {
        let help = desk.mooring(&[args, &["--help"]].concat()).good().stdout;
        assert!(
            help.contains("Examples:") && help.contains("mooring "),
            "{args:?}: {help}"
        );
    }
    let e = desk.mooring(&["license", "isue"]);
    assert_eq!(e.code, Some(2));
    assert!(e.stderr.contains("issue"), "{}", e.stderr);
}
