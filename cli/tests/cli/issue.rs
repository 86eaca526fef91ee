//! Keys made, orders issued or refused.

use super::common::{self, Desk, ORDER};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

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
}

#[test]
fn an_emergency_license_takes_a_software_anchor_for_fourteen_days() {
    let desk = Desk::new();
    let key = desk.vendor_key("vendor.key");
    let anchor = format!("{}software: true\n", common::ANCHOR);
    desk.write("anchor.yaml", &anchor);
    desk.write("order.yaml", common::ORDER);
    let issue = |more: &[&str]| {
        let args = [
            "license",
            "issue",
            "order.yaml",
            "--anchor",
            "anchor.yaml",
            "--key",
            "vendor.key",
            "--out",
            "l.mooring",
        ];
        desk.mooring(&[&args[..], more].concat())
    };
    let e = issue(&[]).bad().stderr;
    assert!(e.contains("order field anchors[0].software: key"), "{e}");
    let e = issue(&["--emergency"]).bad().stderr;
    assert!(
        e.contains("order field expires: 2090-01-01T00:00:00Z; an emergency license lasts at most 14 days, until 20"),
        "{e}"
    );
    let e = issue(&["--emergency", "--expires", "never"]).bad().stderr;
    assert!(
        e.contains("expires: never; an emergency license lasts"),
        "{e}"
    );
    desk.write(
        "order.yaml",
        &common::ORDER.replace("expires: 2090-01-01\n", ""),
    );
    issue(&["--emergency"]).good();
    let seen = desk
        .mooring(&["license", "inspect", "l.mooring", "-o", "json"])
        .good()
        .stdout;
    let seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
    let (l, day) = (&seen["licenses"][0]["license"], 86_400);
    let at = |f: &str| -> mooring_core::time::Timestamp { l[f].as_str().unwrap().parse().unwrap() };
    assert_eq!(l["emergency"], true);
    assert_eq!(
        at("expires").as_second() - at("issued").as_second(),
        14 * day
    );
    let text = desk.mooring(&["license", "inspect", "l.mooring"]).good();
    assert!(
        text.stdout.contains("Emergency     bridges the time"),
        "{}",
        text.stdout
    );
    desk.mooring(&["license", "verify", "l.mooring", "--vendor-key", &key])
        .good();
    let both = issue(&["--emergency", "--test", "--force"]);
    assert_eq!(both.code, Some(2), "{}", both.stderr);
    let order = common::ORDER.replace("2090-01-01", "2030-01-01\ntest: true\nemergency: true");
    desk.write("order.yaml", &order);
    let e = issue(&["--force"]).bad().stderr;
    assert!(
        e.contains("lasts at most 7 days") || e.contains("field emergency"),
        "{e}"
    );
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
            .starts_with("-----BEGIN MOORING LICENSE-----\n"),
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
            "seats: 10, countBy: core",
            &["products[0].countBy", "claim"],
        ),
        (
            "name: render",
            "name: Ren der",
            &["products[0].name", "Ren der", "of letters"],
        ),
        (
            "name: render",
            "name: '6000010'",
            &["products[0].name", "6000010", "digits alone", "CodeMeter"],
        ),
        (
            "products:",
            "products:\n- {name: Render, seats: 2}",
            &["products[1].name", "render and Render differ in case alone"],
        ),
        (
            "products:",
            "pools: [{name: GPU, seats: 2}, {name: gpu, seats: 1}]\nproducts:",
            &["pools[1].name", "gpu and GPU differ in case alone"],
        ),
        (
            "2024.2..2027",
            "{scheme: decimal, to: 2023b}",
            &[
                "products[0].versions.to",
                "2023b is no decimal number",
                "2026.0508",
            ],
        ),
        (
            "2024.2..2027",
            "{scheme: decimal}",
            &["products[0].versions.scheme", "expected from, to, or both"],
        ),
        (
            "2024.2..2027",
            "{scheme: roman, to: \"1\"}",
            &["products[0].versions", "roman", "decimal"],
        ),
        (
            "2024.2..2027",
            "flex_host..",
            &["products[0].versions.from", "flex_host", "such as 2026.1"],
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
            "policy: {maxHandover: 16m}\nproducts:",
            &["policy.maxHandover", "16m", "15m"],
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
        (
            "seats: 10",
            "seats: 10, expires: someday",
            &["products[0].expires", "someday"],
        ),
        (
            "products:",
            "pools: [{name: x, seats: 1, notBefore: 2027-02-01, expires: 2027-02-01}]\nproducts:",
            &["pools[0].expires", "2027-02-01T00:00:00Z", "notBefore"],
        ),
        (
            "seats: 10",
            "seats: 10, expires: 2999-01-01",
            &["products[0].expires", "2999-01-01", "license's own expires"],
        ),
        (
            "seats: 10",
            "seats: 10, notBefore: 2999-01-01",
            &["products[0].notBefore", "2999-01-01", "license's expires"],
        ),
        (
            "seats: 10",
            "expires: 2027-02-01, from: gpu",
            &["products[0].expires", "without seats", "in pools"],
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
fn names_are_as_vendors_have_them_and_found_in_whatever_case() {
    let desk = Desk::new();
    let key = desk.vendor_key("vendor.key");
    let order = common::order_with_anchor();
    let (before, _) = order.split_once("products:").unwrap();
    let (_, anchors) = order.split_once("anchors:").unwrap();
    let sold = "pools: [{name: solver, seats: 3}]
products:
- {name: MATLAB, seats: 2}
- {name: pgc++, seats: 4}
- {name: 85690DSPRM_F, from: \"PGC++\"}
- {name: 3D, from: solver+matlab}
- {name: _ep, from: [[{pool: pgc++}, {pool: solver}]]}
";
    desk.write("order.yaml", &format!("{before}{sold}anchors:{anchors}"));
    let args = ["--key", "vendor.key", "--out", "l.mooring"];
    desk.mooring(&[&["license", "issue", "order.yaml"][..], &args].concat())
        .good();
    let seen = desk
        .mooring(&["license", "inspect", "l.mooring", "--vendor-key", &key])
        .good();
    for says in [
        "85690DSPRM_F: all versions; each seat from PGC++",
        "3D: all versions; each seat from solver and matlab",
        "_ep: all versions; each seat from pgc++ and solver",
    ] {
        assert!(seen.stdout.contains(says), "{says}: {}", seen.stdout);
    }
    desk.mooring(&[
        "license",
        "voucher",
        "l.mooring",
        "--product",
        "matlab",
        "--expires",
        "2027-01-01",
        "--key",
        "vendor.key",
        "--out",
        "v.voucher",
    ])
    .good();
}

#[test]
fn an_anchor_for_whose_key_everybody_can_sign_is_refused() {
    let desk = Desk::new();
    desk.vendor_key("vendor.key");
    desk.write("order.yaml", ORDER);
    let issue = || {
        let args = ["--key", "vendor.key", "--anchor", "anchor.yaml"];
        desk.mooring(&[&["license", "issue", "order.yaml"][..], &args].concat())
    };
    // The identity point, and p + 3, which is 3 written a second way.
    for digits in [
        format!("01{}", "00".repeat(31)),
        format!("f0{}7f", "ff".repeat(30)),
    ] {
        let weak = common::ANCHOR.replace(&"01".repeat(32), &digits);
        desk.write("anchor.yaml", &weak);
        let e = issue().bad().stderr;
        let says = [
            "anchor.yaml",
            "key ",
            &digits,
            "everybody can sign for it",
            "keygen",
        ];
        assert!(says.iter().all(|s| e.contains(s)), "{e}");
    }
    desk.write("anchor.yaml", common::ANCHOR);
    issue().good();
}

#[test]
fn seats_with_an_end_of_their_own_are_issued_and_shown() {
    let desk = Desk::new();
    desk.vendor_key("vendor.key");
    let order = common::order_with_anchor();
    let (before, _) = order.split_once("products:").unwrap();
    let (_, anchors) = order.split_once("anchors:").unwrap();
    let sold = "pools:
- {name: base, seats: 8}
- {name: extra, seats: 2, expires: 2027-01-30}
products:
- {name: render, from: [extra, base]}
- {name: denoise, seats: 4, notBefore: 2027-01-01, expires: 2027-06-01}
";
    desk.write("order.yaml", &format!("{before}{sold}anchors:{anchors}"));
    let issue = "license issue order.yaml --key vendor.key --out acme.mooring";
    desk.mooring(&issue.split(' ').collect::<Vec<_>>()).good();
    let seen = desk.mooring(&["license", "inspect", "acme.mooring"]).good();
    for says in [
        "base: 8 seats\n",
        "extra: 2 seats, until 2027-01-30T00:00:00Z (exclusive)",
        "denoise: 4 seats, from 2027-01-01T00:00:00Z, until 2027-06-01T00:00:00Z (exclusive)",
        "each seat from denoise; its last seat ends 2027-06-01T00:00:00Z",
    ] {
        assert!(seen.stdout.contains(says), "{says}: {}", seen.stdout);
    }
    let render = seen
        .stdout
        .lines()
        .find(|l| l.contains("render: "))
        .unwrap();
    assert!(!render.contains("ends"), "as the license: {render}");
}

#[test]
fn ten_thousand_products_are_issued_and_verified_and_one_more_is_too_many() {
    let desk = Desk::new();
    let key = desk.vendor_key("vendor.key");
    let order = common::order_with_anchor();
    let (before, _) = order.split_once("products:").unwrap();
    let (_, anchors) = order.split_once("anchors:").unwrap();
    let products = |n: usize| -> String {
        let all = (0..n).map(|i| format!("- {{name: Acme_Suite_{i:05}, seats: 2}}\n"));
        all.collect()
    };
    let issue = |n: usize| {
        let order = format!("{before}products:\n{}anchors:{anchors}", products(n));
        desk.write("order.yaml", &order);
        let args = ["--key", "vendor.key", "--out", "l.mooring"];
        let begun = std::time::Instant::now();
        let out = desk.mooring(&[&["license", "issue", "order.yaml"][..], &args].concat());
        println!("{n} products issued: {:?}", begun.elapsed());
        out
    };
    let e = issue(10_001).bad().stderr;
    let says = [
        "products: 10001 of them, expected at most 10000",
        "several licenses",
    ];
    assert!(says.iter().all(|s| e.contains(s)), "{e}");
    let said = issue(10_000).good().stderr;
    assert!(said.contains("Warning: the license has "), "{said}");
    println!("{} bytes", desk.read("l.mooring").len());
    for args in [
        &["license", "verify", "l.mooring", "--vendor-key", &key][..],
        &[
            "license",
            "inspect",
            "l.mooring",
            "--covers",
            "1",
            "--product",
            "acme_suite_09999",
        ],
    ] {
        let begun = std::time::Instant::now();
        desk.mooring(args).good();
        println!("{}: {:?}", args[1], begun.elapsed());
    }
}
