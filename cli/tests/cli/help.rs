//! What the program says of itself.

use super::common::Desk;

#[test]
fn help_explains_with_examples() {
    let desk = Desk::new();
    for args in [
        &["license", "issue"][..],
        &["license", "anchor", "pkcs11"],
        &["license", "keygen"],
        &["license", "revoke"],
        &["license", "verify"],
        &["client", "keygen"],
        &["client", "issue"],
        &["client", "inspect"],
        &["audit", "verify"],
        &["audit", "extract"],
        &["pki", "init"],
        &["pki", "server"],
        &["pki", "client"],
        &["revoke"],
        &["status"],
        &["leases"],
    ] {
        let help = desk.mooring(&[args, &["--help"]].concat()).good().stdout;
        assert!(
            help.contains("Examples:") && help.contains("mooring "),
            "{args:?}: {help}"
        );
    }
    for document in ["license", "delegation", "lease", "revocations", "voucher"] {
        let text = desk.mooring(&["license", "schema", document]).good().stdout;
        let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(schema["title"], document);
        assert!(schema["properties"].is_object(), "{text}");
    }
    let e = desk.mooring(&["license", "isue"]);
    assert_eq!(e.code, Some(2));
    assert!(e.stderr.contains("issue"), "{}", e.stderr);
}
