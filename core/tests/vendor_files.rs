//! What a vendor signs besides licenses: revocation lists and vouchers. Each refusal by its field;
//! no flipped bit changes a meaning.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use mooring_core::license::{
    Envelope, OpenRevocations, OpenVoucher, Revocations, RevokedLicense, SigningKey, Trust,
    Voucher, armour, armoured_type, types,
};
use mooring_core::names::ProductName;
use mooring_core::time::Timestamp;

fn at(s: &str) -> Timestamp {
    s.parse().unwrap()
}

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32]).unwrap()
}

fn list() -> Revocations {
    Revocations {
        schema: 1,
        number: 7,
        issued: at("2026-01-01T00:00:00Z"),
        next: Some(at("2026-02-01T00:00:00Z")),
        revoked: vec![RevokedLicense {
            license: "L-1".into(),
            since: at("2026-01-10T00:00:00Z"),
            reason: "charged back".into(),
        }],
    }
}

fn voucher() -> Voucher {
    Voucher {
        schema: 1,
        license: "L-1".into(),
        products: vec![ProductName::new("render").unwrap()],
        issued: at("2026-01-01T00:00:00Z"),
        not_before: Some(at("2026-01-05T00:00:00Z")),
        expires: at("2026-02-01T00:00:00Z"),
    }
}

fn file<T: serde::Serialize>(t: &'static str, document: &T) -> String {
    armour(&Envelope::sign(t, document, &key(1)).unwrap()).unwrap()
}

fn read_list(text: &str) -> Result<OpenRevocations, String> {
    OpenRevocations::read(text, Trust::Pinned(&[key(1).public()])).map_err(|e| e.to_string())
}

fn read_voucher(text: &str) -> Result<OpenVoucher, String> {
    OpenVoucher::read(text, Trust::Pinned(&[key(1).public()])).map_err(|e| e.to_string())
}

#[test]
fn they_are_read_as_they_were_written_and_told_apart() {
    let (l, v) = (
        file(types::REVOCATIONS, &list()),
        file(types::VOUCHER, &voucher()),
    );
    assert_eq!(read_list(&l).unwrap().list, list());
    assert_eq!(read_voucher(&v).unwrap().voucher, voucher());
    assert_eq!(armoured_type(&l), Some(types::REVOCATIONS));
    assert_eq!(armoured_type(&format!("Dear …\n{v}")), Some(types::VOUCHER));
    assert_eq!(armoured_type("nothing"), None);
    assert!(
        read_voucher(&l)
            .unwrap_err()
            .contains("found \"-----BEGIN MOORING REVOCATIONS-----\"")
    );
    // Another first line does not make it another document: the type is signed.
    let dressed = l.replace("REVOCATIONS", "VOUCHER");
    assert!(
        read_voucher(&dressed)
            .unwrap_err()
            .contains("is of type \"application/vnd.mooring.revocations.v1+json\"")
    );
    // A document that has no file of its own.
    let e = Envelope::sign(types::LEASE, &list(), &key(1)).unwrap();
    assert!(armour(&e).is_err());
}

#[test]
fn each_field_of_a_list_is_refused_by_name() {
    type Change = fn(&mut Revocations);
    let cases: [(&str, Change); 7] = [
        ("schema", |l| l.schema = 2),
        ("number", |l| l.number = 0),
        ("next", |l| l.next = Some(l.issued)),
        ("revoked[0].license", |l| {
            l.revoked[0].license = " ".into();
        }),
        ("revoked[0].license", |l| {
            l.revoked[0].license = "x".repeat(257);
        }),
        ("revoked[0].reason", |l| l.revoked[0].reason.clear()),
        ("revoked[1].license", |l| {
            l.revoked.push(l.revoked[0].clone());
        }),
    ];
    for (field, change) in cases {
        let mut l = list();
        change(&mut l);
        let e = read_list(&file(types::REVOCATIONS, &l)).unwrap_err();
        assert!(
            e.starts_with(&format!("revocation list field {field}: ")),
            "{e}"
        );
    }
    let other = armour(&Envelope::sign(types::REVOCATIONS, &list(), &key(2)).unwrap()).unwrap();
    assert!(
        read_list(&other)
            .unwrap_err()
            .starts_with("revocation list signature: not signed")
    );
}

#[test]
fn a_list_revokes_from_its_day_on_and_goes_only_forward() {
    let l = list();
    assert_eq!(l.revokes("L-1", at("2026-01-09T23:59:59Z")), None);
    let r = l.revokes("L-1", at("2026-01-10T00:00:00Z")).unwrap();
    assert_eq!(
        r.to_string(),
        "license field id: \"L-1\" is revoked since 2026-01-10T00:00:00Z by revocation list number 7, issued \
         2026-01-01T00:00:00Z: charged back; ask the vendor for another license"
    );
    assert_eq!(l.revokes("L-2", at("2026-01-10T00:00:00Z")), None);

    let open = |l: &Revocations| read_list(&file(types::REVOCATIONS, l)).unwrap();
    let known = open(&l);
    known.follows(&known).unwrap();
    let with = |n, revoked: bool| {
        let mut l = list();
        l.number = n;
        if !revoked {
            l.revoked.clear();
        }
        open(&l)
    };
    with(8, false).follows(&known).unwrap();
    for (bad, says) in [
        (
            with(6, true),
            "field number: 6, and number 7, issued 2026-01-01",
        ),
        (
            with(7, false),
            "field number: 7 is known already with other contents",
        ),
    ] {
        let e = bad.follows(&known).unwrap_err();
        assert!(e.to_string().contains(says), "{e}");
        assert_eq!(e.reason().name(), "RevocationsNumberNotHigher");
    }
}

#[test]
fn each_field_of_a_voucher_is_refused_by_name() {
    type Change = fn(&mut Voucher);
    let cases: [(&str, Change); 5] = [
        ("schema", |v| v.schema = 0),
        ("license", |v| v.license.clear()),
        ("products", |v| v.products.clear()),
        ("expires", |v| v.expires = at("2026-01-05T00:00:00Z")),
        ("expires", |v| {
            v.not_before = None;
            v.expires = v.issued;
        }),
    ];
    for (field, change) in cases {
        let mut v = voucher();
        change(&mut v);
        let e = read_voucher(&file(types::VOUCHER, &v)).unwrap_err();
        assert!(e.starts_with(&format!("voucher field {field}: ")), "{e}");
    }
}

#[test]
fn a_voucher_permits_its_products_in_its_time() {
    let v = voucher();
    let permits = |product: &str, t: &str| {
        let p = ProductName::new(product).unwrap();
        v.permits(&p, at(t)).map_err(|e| e.reason())
    };
    assert_eq!(permits("render", "2026-01-05T00:00:00Z"), Ok(()));
    assert_eq!(permits("render", "2026-01-31T23:59:59Z"), Ok(()));
    assert_eq!(
        permits("render", "2026-01-04T23:59:59Z"),
        Err("VoucherNotYetValid")
    );
    assert_eq!(
        permits("render", "2026-02-01T00:00:00Z"),
        Err("VoucherExpired")
    );
    assert_eq!(
        permits("denoise", "2026-01-10T00:00:00Z"),
        Err("VoucherProduct")
    );
}

/// Over the whole files: whatever still reads says the same.
#[test]
fn no_flipped_bit_changes_a_meaning() {
    let (l, v) = (
        file(types::REVOCATIONS, &list()),
        file(types::VOUCHER, &voucher()),
    );
    for (text, is_list) in [(l, true), (v, false)] {
        let mut read = 0;
        for i in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[i / 8] ^= 1 << (i % 8);
            let Ok(changed) = String::from_utf8(bytes) else {
                continue;
            };
            let same = if is_list {
                read_list(&changed).map(|o| o.list == list())
            } else {
                read_voucher(&changed).map(|o| o.voucher == voucher())
            };
            assert_ne!(same, Ok(false), "bit {i}");
            read += usize::from(same.is_ok());
        }
        // Blanks between the lines, and the spelling of what is not signed: a few.
        assert!(read < text.len(), "{read} of {} still read", text.len() * 8);
    }
}

#[test]
fn a_list_that_does_not_fit_into_a_secret_is_refused_with_what_to_do() {
    let text = "x".repeat(256 * 1024 + 1);
    let why = OpenRevocations::read(&text, Trust::Unchecked)
        .unwrap_err()
        .to_string();
    assert!(
        why.contains("it has 262145 bytes, expected at most 262144; leave out what has ended"),
        "{why}"
    );
}
