#![allow(clippy::unwrap_used)]
use super::*;

// openssl genpkey -algorithm ed25519
const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n-----END PRIVATE KEY-----\n";

fn file(dir: &tempfile::TempDir, text: &str, mode: u32) -> PathBuf {
    let path = dir.path().join("key");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn a_key_is_read_if_others_cannot() {
    let dir = tempfile::tempdir().unwrap();
    for mode in [0o400, 0o600, 0o440, 0o640] {
        let key = read(&file(&dir, PEM, mode)).unwrap();
        assert_eq!(
            key.public(),
            SigningKey::from_seed(&[7; 32]).unwrap().public()
        );
        std::fs::remove_file(dir.path().join("key")).unwrap();
    }
    for mode in [0o644, 0o604, 0o602] {
        let e = read(&file(&dir, PEM, mode)).unwrap_err().to_string();
        assert!(
            e.contains(&format!("mode {mode:04o}")) && e.contains("defaultMode"),
            "{e}"
        );
    }
}

#[test]
fn what_is_no_key_is_not_quoted() {
    let dir = tempfile::tempdir().unwrap();
    for bad in [
        "",
        "secret words",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ] {
        let e = read(&file(&dir, bad, 0o600)).unwrap_err().to_string();
        assert!(
            e.contains("expected an unencrypted Ed25519 key") && !e.contains("secret words"),
            "{e}"
        );
    }
    let e = read(&dir.path().join("none")).unwrap_err().to_string();
    assert!(e.contains("No such file"), "{e}");
}
