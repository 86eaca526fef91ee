#![allow(clippy::unwrap_used)]
use crate::{AnchorConfig, Config};
use std::path::Path;
use std::time::Duration;

const GOOD: &str = "
name: main
namespace: licensing
listen: '[::]:8443'
metrics: '[::]:8081'
tls: {cert: /c, key: /k, clientCa: /a}
licenses: [/l]
anchor: {pkcs11: {module: /m.so, tokenLabel: mooring, pinFile: /p}}
lease: {durationSecs: 30, graceSecs: 28800, reclaim: Any}
earlierLongestLeaseSecs: 30
stateDir: /s
identityKey: /i
tokenReview: true
";

fn load(text: &str) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.yaml");
    std::fs::write(&path, text).unwrap();
    Config::load(&path).map_err(|e| e.to_string())
}

#[test]
fn the_contracts_file_is_read() {
    let c = load(GOOD).unwrap();
    assert_eq!(c.audience().as_deref(), Some("mooring.dev/licensing"));
    assert_eq!(c.lease.duration(), Duration::from_secs(30));
}

#[test]
fn each_kind_of_anchor_is_read_with_its_defaults() {
    let of = |anchor: &str| {
        let c = load(&format!("{GOOD}\nstandby: {anchor}\n")).unwrap();
        c.standby.unwrap()
    };
    let AnchorConfig::Usb(u) = of("{usb: {keyFile: /k}}") else {
        unreachable!()
    };
    assert_eq!((u.key_file, u.sysfs_root), ("/k".into(), "/sys".into()));
    let AnchorConfig::Hwid(h) = of("{hwid: {keyFile: /k}}") else {
        unreachable!()
    };
    assert_eq!((h.key_file, h.host_root), ("/k".into(), "/".into()));
    let mut a = of("{usb: {keyFile: /k, sysfsRoot: /host/sys}}");
    a.rooted(None, Some("/h".as_ref()));
    assert!(matches!(&a, AnchorConfig::Usb(u) if u.sysfs_root == Path::new("/host/sys")));
    a.rooted(Some("/t".as_ref()), None);
    assert!(matches!(&a, AnchorConfig::Usb(u) if u.sysfs_root == Path::new("/t")));
}

#[test]
fn somebody_must_be_able_to_prove_who_they_are() {
    let nobody = GOOD
        .replace(", clientCa: /a", "")
        .replace("tokenReview: true", "");
    let e = load(&nobody).unwrap_err();
    assert!(
        e.contains("tls.clientCa") && e.contains("clients.keys"),
        "{e}"
    );
    load(&format!("{nobody}clients: {{keys: /k, revoked: /r}}\n")).unwrap();
    load(&format!("{nobody}clients: {{revoked: /r}}\n")).unwrap_err();
}

#[test]
fn every_refusal_names_the_field_and_what_was_expected() {
    for (from, to, want) in [
        ("stateDir: /s", "stateDri: /s", "unknown field `stateDri`"),
        (
            "clientCa",
            "clientCA",
            "tls: unknown field `clientCA`, expected one of",
        ),
        (
            "durationSecs: 30",
            "durationSecs: 5",
            "lease.durationSecs: 5; expected 10 to 300",
        ),
        (
            "reclaim: Any",
            "claimsPerHolder: 0",
            "lease.claimsPerHolder: 0; expected 1 to 1024",
        ),
        (
            "stateDir: /s",
            "stateDir: /s\naudit: {maxFileSize: 1000}",
            "audit.maxFileSize: 1000; expected 16384 to 1073741824 bytes",
        ),
        (
            "stateDir: /s",
            "stateDir: /s\naudit: {files: 1}",
            "audit.files: 1; expected 2 to 1000",
        ),
        (
            "graceSecs: 28800",
            "graceSecs: 20",
            "lease.graceSecs: 20; expected at least",
        ),
        ("namespace: licensing", "", "field namespace: absent"),
        (
            "earlierLongestLeaseSecs: 30",
            "earlierLongestLeaseSecs: 900",
            "earlierLongestLeaseSecs: 900",
        ),
        (
            "pkcs11:",
            "pcks11:",
            "anchor: unknown field `pcks11`, expected one of `pkcs11`, `usb`, `hwid`",
        ),
        (
            "pinFile: /p}}",
            "pinFile: /p}, usb: {keyFile: /k}}",
            "anchor: expected exactly one of pkcs11, usb and hwid, found pkcs11 and usb",
        ),
        (
            "anchor: {pkcs11: {module: /m.so, tokenLabel: mooring, pinFile: /p}}",
            "anchor: {}",
            "anchor: expected exactly one of pkcs11, usb and hwid, found none",
        ),
        (
            "tokenLabel: mooring",
            "tokenLabel: ' '",
            "anchor: pkcs11.tokenLabel is empty",
        ),
        (
            "stateDir: /s",
            "stateDir: /s\nstandby: {usb: {key: /k}}",
            "standby.usb: unknown field `key`, expected `keyFile` or `sysfsRoot`",
        ),
        (
            "reclaim: Any",
            "reclaim: any",
            "unknown variant `any`, expected `Any` or `Confirmed`",
        ),
        ("licenses: [/l]", "", "missing field `licenses`"),
        (
            "tokenReview: true",
            "clients: {key: /k}",
            "clients: unknown field `key`, expected one of `keys`, `issuers`, `revoked`",
        ),
        (
            "tokenReview: true",
            "admins: [root, '']",
            "field admins: \"\"; expected the subject",
        ),
    ] {
        let e = load(&GOOD.replace(from, to)).unwrap_err();
        assert!(e.contains(want), "{e}");
    }
    let off_kubernetes = GOOD.replace("namespace: licensing\n", "");
    let secret = off_kubernetes.replace("tokenReview: true", "stateSecret: main-state");
    let e = load(&secret).unwrap_err();
    assert!(e.contains("stateSecret needs it"), "{e}");
}
