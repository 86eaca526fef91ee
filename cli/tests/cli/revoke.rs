//! `mooring license revoke`, and who reads its lists.
use super::common::Desk;

fn revoke(desk: &Desk, more: &[&str]) -> super::common::Outcome {
    let args = ["license", "revoke", "--list", "r.mooring"];
    desk.mooring(&[&args[..], more].concat())
}

const KEY: [&str; 2] = ["--key", "vendor.key"];

#[test]
fn a_list_is_begun_extended_and_lifted_and_its_number_grows() {
    let desk = Desk::new();
    let key = desk.vendor_key("vendor.key");
    desk.issue_for_test();
    let first = ["--new", "ACME-1", "--reason", "charged back"];
    let made = revoke(&desk, &[&first[..], &KEY].concat()).good();
    assert!(
        made.stdout
            .contains("list number 1 in r.mooring: 1 revoked"),
        "{}",
        made.stdout
    );
    let begun = desk.read("r.mooring");

    // Whoever asks is told by which list, since when and why.
    let verify = |more: &[&str]| {
        let args = ["license", "verify", "l.mooring", "--vendor-key", &key];
        desk.mooring(&[&args[..], more].concat())
    };
    let e = verify(&["--revocations", "r.mooring"]).bad().stderr;
    assert!(
        e.contains("license field id: \"ACME-1\" is revoked since 20")
            && e.contains("by revocation list number 1, issued 20")
            && e.contains("charged back"),
        "{e}"
    );
    verify(&[]).good();
    verify(&["--revocations", "r.mooring", "--at", "2020-01-01"]).good();

    let more = ["ACME-2", "--reason", "a newer one", "--since", "2090-01-01"];
    revoke(&desk, &[&more[..], &KEY].concat()).good();
    let lift = ["--lift", "ACME-1", "--next", "2091-01-01"];
    revoke(&desk, &[&lift[..], &KEY].concat()).good();
    let ok = verify(&["--revocations", "r.mooring"]).good().stdout;
    assert!(ok.contains("not revoked by list 3 of 20"), "{ok}");

    let seen = desk
        .mooring(&["license", "inspect", "r.mooring", "--vendor-key", &key])
        .good()
        .stdout;
    for words in [
        "revocation list",
        "verified: signed by the vendor's key",
        "Number        3",
        "ACME-2 since 2090-01-01T00:00:00Z (not yet): a newer one",
        "2091-01-01",
    ] {
        assert!(seen.contains(words), "{words}: {seen}");
    }
    let json = desk
        .mooring(&["license", "inspect", "r.mooring", "-o", "json"])
        .good()
        .stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["verified"], false);
    assert_eq!(json["revocations"]["number"], 3);
    assert_eq!(json["revocations"]["revoked"][0]["license"], "ACME-2");
    let ok = desk
        .mooring(&["license", "verify", "r.mooring", "--vendor-key", &key])
        .good()
        .stdout;
    assert!(ok.contains("list number 3"), "{ok}");

    // One who has only an old file cannot pass it off as the present one by a flag.
    desk.write("r.mooring", &begun);
    let e = revoke(&desk, &[&["--number", "1"][..], &KEY].concat()).bad();
    assert!(
        e.stderr.contains("--number 1: the list has number 1"),
        "{}",
        e.stderr
    );
    revoke(&desk, &[&["--number", "9"][..], &KEY].concat()).good();
}

#[test]
fn what_cannot_be_a_next_list_is_refused_and_the_file_stays() {
    let desk = Desk::new();
    desk.vendor_key("vendor.key");
    desk.vendor_key("other.key");
    let begin = ["--new", "A", "--reason", "x"];
    revoke(&desk, &[&begin[..], &KEY].concat()).good();
    let before = desk.read("r.mooring");
    for (args, says) in [
        (&["--new", "B", "--reason", "x"][..], "is there already"),
        (&["A", "--reason", "x"], "\"A\" is revoked already, since"),
        (
            &["--lift", "B"],
            "--lift \"B\": the list does not revoke it",
        ),
        (&["B", "--reason", " "], "revoked[1].reason: \" \""),
        (
            &["B", "--reason", "x", "--next", "2020-01-01"],
            "--next 2020-01-01T00:00:00Z: over already",
        ),
    ] {
        let e = revoke(&desk, &[args, &KEY].concat()).bad().stderr;
        assert!(e.contains(says), "{e}");
        assert_eq!(desk.read("r.mooring"), before);
    }
    let e = revoke(&desk, &["--key", "other.key"]).bad().stderr;
    assert!(
        e.contains("not signed by the same vendor") && e.contains("not signed by any of the keys"),
        "{e}"
    );
    // While keys rotate: both sign.
    revoke(&desk, &["--key", "other.key", "--key", "vendor.key"]).good();
    revoke(&desk, &["--key", "other.key"]).good();
    let missing = ["license", "revoke", "--list", "none", "--key", "vendor.key"];
    let e = desk.mooring(&missing).bad().stderr;
    assert!(e.contains("--new to begin one"), "{e}");
    let e = desk
        .mooring(&["license", "inspect", "vendor.key"])
        .bad()
        .stderr;
    assert!(e.contains("a private key"), "{e}");
}
