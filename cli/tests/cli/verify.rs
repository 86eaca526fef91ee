//! Files and bundles verified.

use super::common::{self, Desk};

#[test]
fn a_license_with_one_character_changed_is_refused() {
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
        e.contains("license signature") || e.contains("not a license file"),
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
    assert!(e.contains("BEGIN MOORING LICENSE"), "{e}");
}

#[test]
fn a_bundle_is_verified_for_a_product() {
    let desk = Desk::new();
    let v: serde_json::Value =
        serde_json::from_str(include_str!("../../../core/testdata/vectors.json")).unwrap();
    let vendor = v["keys"]["vendor"]["public"].as_str().unwrap();
    let write = |name: &str| {
        let case = v["bundles"]
            .as_array()
            .unwrap()
            .iter()
            .find(|b| b["name"] == name)
            .unwrap();
        let link = |l: &str| v["envelopes"][case["bundle"][l].as_str().unwrap()].clone();
        let license = v["envelopes"][case["bundle"]["licenses"][0].as_str().unwrap()].clone();
        let bundle = serde_json::json!({"licenses": [license], "delegation": link("delegation"), "lease": link("lease")});
        desk.write("bundle.json", &bundle.to_string());
    };
    let verify = |more: &[&str]| {
        desk.mooring(
            &[
                &["license", "verify", "bundle.json", "--vendor-key", vendor][..],
                &["--at", "2026-06-01T12:06:00Z"][..],
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
    // As an application of another day: a copy is worth what it was worth.
    let now = ["license", "verify", "bundle.json", "--vendor-key", vendor];
    let late = [&now[..], &["--product", "render", "--at", "2026-06-03"]].concat();
    let e = desk.mooring(&late).bad().stderr;
    assert!(
        e.contains("2026-06-01T12:05:00Z") && e.contains("2026-06-03T00:00:00Z"),
        "{e}"
    );
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
fn a_private_key_named_by_mistake_is_never_quoted() {
    let desk = Desk::new();
    let public = desk.vendor_key("vendor.key");
    desk.write("order.yaml", common::ORDER);
    let key = desk.read("vendor.key");
    let secret = key.lines().nth(1).unwrap();
    for args in [
        &["license", "issue", "vendor.key", "--key", "vendor.key"][..],
        &[
            "license",
            "issue",
            "order.yaml",
            "--key",
            "vendor.key",
            "--anchor",
            "vendor.key",
        ],
        &["license", "inspect", "vendor.key"],
        &["license", "verify", "vendor.key", "--vendor-key", &public],
        &[
            "license",
            "verify",
            "order.yaml",
            "--vendor-key",
            "vendor.key",
        ],
    ] {
        let out = desk.mooring(args).bad();
        assert!(
            out.stderr.contains("private key"),
            "{args:?}: {}",
            out.stderr
        );
        assert!(
            !out.stderr.contains(&secret[..20]),
            "{args:?}: {}",
            out.stderr
        );
    }
}

#[test]
fn a_license_says_whether_it_covers_a_version_and_why_not() {
    let desk = Desk::new();
    desk.vendor_key("vendor.key");
    let order = common::order_with_anchor();
    let (before, _) = order.split_once("products:").unwrap();
    let (_, anchors) = order.split_once("anchors:").unwrap();
    let sold = "products:
- {name: MATLAB, seats: 2, versions: ..21.9}
- {name: NX, seats: 2, versions: {scheme: decimal, to: \"21.9\"}}
- {name: any, seats: 1}
";
    desk.write("order.yaml", &format!("{before}{sold}anchors:{anchors}"));
    let args = ["--key", "vendor.key", "--out", "l.mooring"];
    desk.mooring(&[&["license", "issue", "order.yaml"][..], &args].concat())
        .good();
    let covers = |args: &[&str]| {
        desk.mooring(&[&["license", "inspect", "l.mooring", "--covers"][..], args].concat())
    };
    let seen = covers(&["21.10"]).good().stdout;
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = seen.lines().map(words).collect();
    assert_eq!(
        lines,
        [
            "PRODUCT 21.10 THE LICENSE COVERS",
            "MATLAB NOT covered up to 21.9",
            "NX covered up to 21.9 as decimal numbers",
            "any covered all versions",
        ]
    );
    let e = covers(&["21.10", "--product", "matlab"]).bad();
    assert!(
        e.stderr.contains("version 21.10 of matlab is not covered"),
        "{}",
        e.stderr
    );
    let e = covers(&["2023b", "--product", "nx"]).bad();
    assert!(
        e.stdout.contains("2023b is no decimal number"),
        "{}",
        e.stdout
    );
    let e = covers(&["1", "--product", "zbrush"]).bad().stderr;
    assert!(e.contains("--product: zbrush is not in the license"), "{e}");
    let json = covers(&["21.10", "--product", "nx", "-o", "json"])
        .good()
        .stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["covered"], true);
    // A reader that knows no schemes must not take the license.
    let seen = desk
        .mooring(&["license", "inspect", "l.mooring", "-o", "json"])
        .good();
    let json: serde_json::Value = serde_json::from_str(&seen.stdout).unwrap();
    assert_eq!(
        json["licenses"][0]["license"]["critical"],
        serde_json::json!(["scheme"])
    );
}
