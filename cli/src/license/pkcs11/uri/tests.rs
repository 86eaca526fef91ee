#![allow(clippy::unwrap_used)]
use super::*;

#[test]
fn a_uri_names_a_key() {
    let u: Uri = "pkcs11:token=My%20token;object=vendor;id=%01%A2;type=private?module-path=/lib/p.so&pin-source=file:///run/pin"
        .parse()
        .unwrap();
    assert_eq!(u.token.as_deref(), Some("My token"));
    assert_eq!(u.object.as_deref(), Some("vendor"));
    assert_eq!(u.id.as_deref(), Some(&[1, 0xa2][..]));
    assert_eq!(u.module, PathBuf::from("/lib/p.so"));
    assert_eq!(u.pin_file, Some(PathBuf::from("/run/pin")));
    let u: Uri = "PKCS11:serial=77?pin-source=pin&module-path=p.so"
        .parse()
        .unwrap();
    assert_eq!(u.pin_file, Some(PathBuf::from("pin")));
    assert_eq!((u.token, u.object, u.id), (None, None, None));
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    for (uri, says) in [
        ("pkcs11:object=x?module-path=p", "token: missing"),
        ("pkcs11:token=a", "module-path: missing"),
        (
            "pkcs11:token=a;slot-id=1?module-path=p",
            "slot-id: not used",
        ),
        (
            "pkcs11:token=a;type=public?module-path=p",
            "type: \"public\"",
        ),
        ("pkcs11:token=a;token=b?module-path=p", "token: given twice"),
        (
            "pkcs11:token=%4?module-path=p",
            "token: \"%4\": expected two",
        ),
        (
            "pkcs11:token=%FF?module-path=p",
            "token: expected text in UTF-8",
        ),
        ("pkcs11:token=?module-path=p", "token: empty"),
        ("pkcs11:token?module-path=p", "token: expected name=value"),
        (
            "pkcs11:token=a?module-path=p&pin-value=1234",
            "pin-value: a PIN on the command line",
        ),
        (
            "pkcs11:token=a?module-path=p&pin-source=%7Ccat",
            "pin-source: expected a file",
        ),
        ("pkcs11:token=a?module-name=p", "module-name: not used"),
    ] {
        let e = uri.parse::<Uri>().unwrap_err().to_string();
        assert!(e.starts_with(says), "{uri}: {e}");
    }
    assert!(!is_uri("vendor.key") && !is_uri("pkcs11") && is_uri("pkcs11:"));
}
