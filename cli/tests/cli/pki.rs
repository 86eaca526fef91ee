//! Certificates, as OpenSSL sees them.

use super::common::Desk;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

fn openssl(desk: &Desk, args: &[&str]) -> super::common::Outcome {
    desk.program("openssl", args, "", &[])
}

#[test]
fn a_ca_signs_for_servers_and_clients_and_each_key_is_private() {
    let desk = Desk::new();
    desk.mooring(&["pki", "init", "--out", "pki", "--name", "ACME licenses"])
        .good();
    let server = ["pki", "server", "--ca", "pki", "--out", "pki"];
    let names = ["--name", "license.example.com", "--name", "127.0.0.1"];
    desk.mooring(&[&server[..], &names].concat()).good();
    let client = ["pki", "client", "--ca", "pki", "--out", "laptops/anna"];
    desk.mooring(&[&client[..], &["--subject", "anna", "--for", "30d"]].concat())
        .good();
    for key in ["pki/ca.key", "pki/server.key", "laptops/anna/anna.key"] {
        let mode = fs::metadata(desk.path(key)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
    let verify = |more: &[&str]| {
        openssl(
            &desk,
            &[&["verify", "-x509_strict", "-CAfile", "pki/ca.crt"], more].concat(),
        )
        .code
    };
    let server = ["-purpose", "sslserver", "pki/server.crt"];
    assert_eq!(verify(&server), Some(0));
    assert_eq!(
        verify(&[&["-verify_hostname", "license.example.com"], &server[..]].concat()),
        Some(0)
    );
    assert_eq!(
        verify(&[&["-verify_ip", "127.0.0.1"], &server[..]].concat()),
        Some(0)
    );
    assert_ne!(
        verify(&[&["-verify_ip", "127.0.0.2"], &server[..]].concat()),
        Some(0)
    );
    assert_eq!(
        verify(&["-purpose", "sslclient", "laptops/anna/anna.crt"]),
        Some(0)
    );
    assert_ne!(
        verify(&["-purpose", "sslserver", "laptops/anna/anna.crt"]),
        Some(0)
    );
    let subject = ["x509", "-noout", "-subject", "-in", "laptops/anna/anna.crt"];
    assert_eq!(openssl(&desk, &subject).stdout.trim(), "subject=CN = anna");
}

#[test]
fn nothing_is_overwritten_by_accident_and_bad_input_says_what_was_expected() {
    let desk = Desk::new();
    let mooring = |args: &[&str]| desk.mooring(&[&["pki"], args].concat());
    let e = mooring(&["server", "--name", "a"]).bad().stderr;
    assert!(e.contains("--ca (mooring pki init makes one)"), "{e}");
    mooring(&["init"]).good();
    let before = (desk.read("ca.crt"), desk.read("ca.key"));
    let e = mooring(&["init"]).bad().stderr;
    assert!(e.contains("--force") && e.contains("there already"), "{e}");
    // One of the two files is enough to refuse both.
    fs::remove_file(desk.path("ca.key")).unwrap();
    mooring(&["init"]).bad();
    assert!(!desk.path("ca.key").exists());
    desk.write("ca.key", &before.1);
    assert_eq!(desk.read("ca.crt"), before.0);

    mooring(&["server", "--name", "a"]).good();
    mooring(&["server", "--name", "a"]).bad();
    let old = desk.read("server.crt");
    mooring(&["server", "--name", "b", "--force"]).good();
    assert_ne!(desk.read("server.crt"), old);
    for (args, says) in [
        (
            &["client", "--subject", "mooring-operator"][..],
            "not \"mooring-operator\"",
        ),
        (&["client", "--subject", "../x"], "--file-name"),
        (
            &["client", "--subject", &"x".repeat(65)],
            "a client token takes more",
        ),
        (&["server", "--name", "ü", "--out", "u"], "--name"),
        (
            &["init", "--name", "", "--out", "v"],
            "expected 1 to 64 bytes",
        ),
    ] {
        let e = mooring(args).bad().stderr;
        assert!(e.contains(says), "{args:?}: {e}");
    }
    desk.vendor_key("vendor.key");
    desk.write("ca.key", &desk.read("vendor.key"));
    let e = mooring(&["client", "--subject", "x"]).bad().stderr;
    assert!(e.contains("not the private key of `ca.crt`"), "{e}");
}

#[test]
fn a_server_asked_itself_needs_roots_and_somebody_who_asks() {
    let desk = Desk::new();
    desk.mooring(&["pki", "init"]).good();
    let server = ["--server", "https://127.0.0.1:1"];
    let leases = |more: &[&str]| desk.mooring(&[&["leases"], &server[..], more].concat());
    let roots = ["--roots", "ca.crt"];
    for (args, says) in [
        (&[][..], "--roots: missing"),
        (&roots[..], "who asks?"),
        (
            &["--roots", "ca.crt", "--token-file", "ca.key"],
            "a private key",
        ),
        (
            &["--roots", "ca.crt", "-A"],
            "--all-namespaces goes with a cluster",
        ),
    ] {
        let e = leases(args).bad().stderr;
        assert!(e.contains(says), "{args:?}: {e}");
    }
    desk.write("token", "mct_x\n");
    let e = leases(&[&roots[..], &["--token-file", "token"]].concat())
        .bad()
        .stderr;
    assert!(e.contains("cannot connect to 127.0.0.1:1"), "{e}");
    let e = desk
        .mooring(&["leases", "--server", "main", "--roots", "ca.crt"])
        .bad()
        .stderr;
    assert!(e.contains("--server https://NAME:PORT"), "{e}");
    assert_eq!(desk.mooring(&["leases", "--roots", "ca.crt"]).code, Some(2));
    let e = desk
        .mooring(&["revoke", "12", "--server", "https://a"])
        .bad()
        .stderr;
    assert!(e.contains("expected 32 hexadecimal digits"), "{e}");
}
