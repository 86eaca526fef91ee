#![allow(clippy::unwrap_used)]
use super::*;

const HARD: KeyFacts = KeyFacts {
    sensitive: Some(true),
    extractable: Some(false),
    never_extractable: Some(true),
    local: Some(true),
};

#[test]
fn software_is_told_by_name_or_by_what_the_key_allows() {
    assert_eq!(
        software("Yubico (www.yubico.com)", "YubiKey YK5", HARD),
        Vec::<String>::new()
    );
    assert_eq!(
        software(
            "www.CardContact.de",
            "PKCS#15 emulated",
            KeyFacts::default()
        ),
        Vec::<String>::new()
    );
    assert_eq!(software("SoftHSM project", "SoftHSM v2", HARD).len(), 1);
    for (key, says) in [
        (
            KeyFacts {
                extractable: Some(true),
                ..HARD
            },
            "CKA_EXTRACTABLE",
        ),
        (
            KeyFacts {
                sensitive: Some(false),
                ..HARD
            },
            "CKA_SENSITIVE",
        ),
        (
            KeyFacts {
                never_extractable: Some(false),
                ..HARD
            },
            "CKA_NEVER_EXTRACTABLE",
        ),
        (
            KeyFacts {
                local: Some(false),
                ..HARD
            },
            "CKA_LOCAL",
        ),
    ] {
        let why = software("Yubico", "YubiKey", key);
        assert!(why.len() == 1 && why[0].contains(says), "{why:?}");
    }
}

#[test]
fn a_point_comes_wrapped_or_bare() {
    let raw = [&[4][..], &[9; 64]].concat();
    let wrapped = [&[0x04, 0x41][..], &raw].concat();
    assert_eq!(p256(&P256_OID, &wrapped), p256(&P256_OID, &raw));
    assert!(p256(&P256_OID, &raw).is_some());
    assert!(p256(&P256_OID, &raw[1..]).is_none());
    assert!(
        p256(&[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22], &raw).is_none(),
        "P-384"
    );
    // A bare compressed point is no key this version reads.
    assert!(p256(&P256_OID, &[&[2][..], &[9; 32]].concat()).is_none());
}

#[test]
fn a_key_id_is_hex() {
    assert_eq!(key_id("a1:b2").unwrap(), [0xa1, 0xb2]);
    assert_eq!(key_id("0x01").unwrap(), [1]);
    assert!(key_id("").is_err() && key_id("g1").is_err() && key_id("1").is_err());
}
