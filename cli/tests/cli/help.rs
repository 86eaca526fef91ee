//! What the program says of itself.

use super::common::Desk;

#[test]
fn help_explains_with_examples() {
    let desk = Desk::new();
    for args in [
        &["license", "issue"][..],
        &["license", "anchor", "pkcs11"],
        &["license", "keygen"],
        &["client", "keygen"],
        &["client", "issue"],
        &["client", "inspect"],
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
    let e = desk.mooring(&["license", "isue"]);
    assert_eq!(e.code, Some(2));
    assert!(e.stderr.contains("issue"), "{}", e.stderr);
}
