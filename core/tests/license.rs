//! Licenses, delegations, envelopes: each refusal, by its field. The bundles' cases are in
//! `vectors`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use mooring_core::identity::Holder;
use mooring_core::license::{
    AnchorKey, AnchorKind, CountBy, Delegation, DelegationError, Digest, Draw, Envelope, License,
    LicenseError, OpenLicense, Policy, Pool, Product, PublicKey, SigningKey, Trust, VersionRange,
    armour, types,
};
use mooring_core::names::{InstanceId, PoolName, ProductName, Version};
use mooring_core::policy::Reclaim;
use mooring_core::receipt::Identity;
use mooring_core::time::Timestamp;
use std::time::Duration;

fn at(s: &str) -> Timestamp {
    s.parse().unwrap()
}

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32]).unwrap()
}

fn pool(name: &str) -> PoolName {
    PoolName::new(name).unwrap()
}

fn license() -> License {
    License {
        schema: 1,
        critical: vec![],
        id: "L-1".into(),
        supersedes: vec![],
        customer: "ACME".into(),
        issued: at("2026-01-01T00:00:00Z"),
        not_before: None,
        expires: Some(at("2027-01-01T00:00:00Z")),
        maintenance_until: None,
        test: false,
        emergency: false,
        pools: vec![Pool {
            name: pool("gpu"),
            seats: 10,
            overdraft: 2,
            not_before: None,
            expires: None,
        }],
        products: vec![Product {
            name: ProductName::new("render").unwrap(),
            versions: VersionRange::default(),
            features: vec![],
            count_by: CountBy::Claim,
            from: vec![vec![Draw {
                pool: pool("gpu"),
                weight: 1,
            }]],
        }],
        anchors: vec![AnchorKey {
            kind: AnchorKind::Pkcs11,
            key: key(4).public(),
            software: false,
            label: None,
            usb: None,
            hwid: None,
            standby: None,
        }],
        policy: Policy::default(),
    }
}

/// Signed by the vendor and read again.
fn issued(l: &License) -> Result<OpenLicense, LicenseError> {
    let text = armour(&Envelope::sign(types::LICENSE, l, &key(1)).unwrap()).unwrap();
    OpenLicense::read(&text, Trust::Pinned(&[key(1).public()]))
}

/// The same, from JSON in which one thing is replaced.
fn issued_raw(from: &str, to: &str) -> Result<OpenLicense, LicenseError> {
    let json = serde_json::to_string(&license()).unwrap();
    assert!(json.contains(from), "{from} is not in {json}");
    let mut e = Envelope {
        payload_type: types::LICENSE.into(),
        payload: vec![],
        signatures: vec![],
    };
    e.payload = json.replacen(from, to, 1).into_bytes();
    let sig = key(1).sign(&e.signed_bytes());
    e.add_signature(&key(1).public(), sig);
    OpenLicense::from_envelope(e, Trust::Pinned(&[key(1).public()]))
}

#[test]
fn a_license_is_read_as_it_was_written() {
    let l = license();
    let open = issued(&l).unwrap();
    assert_eq!(open.license, l);
    assert_eq!(open.signed_by, Some(key(1).public().id()));
    assert_eq!(open.digest, open.envelope.digest());
    let text = armour(&open.envelope).unwrap();
    assert!(
        text.lines().all(|l| l.len() <= 64),
        "lines that mail does not break"
    );
    assert!(text.is_ascii());
    let unchecked = OpenLicense::read(&text, Trust::Unchecked).unwrap();
    assert_eq!((unchecked.license, unchecked.signed_by), (l, None));
}

#[test]
fn each_field_is_refused_by_name() {
    type Change = fn(&mut License);
    let cases: [(&str, Change); 16] = [
        ("schema", |l| l.schema = 2),
        ("schema", |l| l.schema = 0),
        ("id", |l| l.id = " ".into()),
        ("id", |l| l.id = "x".repeat(257)),
        ("customer", |l| l.customer = String::new()),
        ("anchors", |l| l.anchors.clear()),
        ("expires", |l| l.not_before = l.expires),
        ("supersedes", |l| {
            l.supersedes = vec!["L-0".into(), l.id.clone()];
        }),
        ("pools[1].name", |l| l.pools.push(l.pools[0].clone())),
        ("pools[0].overdraft", |l| {
            (l.pools[0].seats, l.pools[0].overdraft) = (u32::MAX, 1);
        }),
        ("products", |l| l.products.clear()),
        ("products[1].name", |l| {
            l.products.push(l.products[0].clone());
        }),
        ("products[0].from", |l| l.products[0].from.clear()),
        ("products[0].from", |l| l.products[0].from.push(vec![])),
        ("products[0].from", |l| {
            l.products[0].from[0][0].pool = pool("cpu");
        }),
        ("products[0].from", |l| l.products[0].from[0][0].weight = 0),
    ];
    for (field, change) in cases {
        let mut l = license();
        change(&mut l);
        let e = issued(&l).unwrap_err();
        assert!(
            matches!(&e, LicenseError::Field { field: f, .. } if f == field),
            "{field}: {e}"
        );
        assert!(
            e.to_string()
                .starts_with(&format!("license field {field}: ")),
            "{e}"
        );
        assert_eq!(e.reason().name(), "FieldInvalid");
    }
}

#[test]
fn what_cannot_be_read_says_what_was_expected() {
    for (from, to, says) in [
        ("\"seats\":10", "\"seats\":-1", "u32"),
        ("\"seats\":10", "\"seats\":4294967296", "u32"),
        (
            "\"seats\":10",
            "\"seats\":10,\"seats\":99",
            "duplicate field `seats`",
        ),
        (
            "\"name\":\"render\"",
            "\"name\":\"Ren der\"",
            "expected 1 to 64 of letters",
        ),
        (
            "\"kind\":\"pkcs11\"",
            "\"kind\":\"tpm\"",
            "unknown variant `tpm`",
        ),
        ("2027-01-01T00:00:00Z", "2027-13-01T00:00:00Z", "month"),
        ("ed25519:", "rsa:", "expected \"ed25519:\""),
        ("\"customer\"", "\"custumer\"", "missing field `customer`"),
        (
            "\"countBy\":\"claim\"",
            "\"countBy\":\"core\"",
            "unknown variant `core`",
        ),
    ] {
        let e = issued_raw(from, to).unwrap_err().to_string();
        assert!(
            e.starts_with("license signature: the signed document cannot be read: "),
            "{e}"
        );
        assert!(e.contains(says), "{to}: {e}");
    }
    assert!(
        issued_raw("\"id\"", "\"later\":{\"x\":[1]},\"id\"").is_ok(),
        "unknown fields are ignored"
    );
}

/// A license with a value in every field but the anchors' own.
fn all_fields() -> License {
    let mut l = license();
    l.critical = vec!["x".into()];
    l.supersedes = vec!["L-0".into()];
    l.not_before = Some(l.issued);
    l.maintenance_until = l.expires;
    (l.test, l.emergency) = (true, true);
    l.products[0].features = vec!["gpu".into()];
    l.products[0].versions.to = Some(Version::new("2026").unwrap());
    let d = Some(Duration::from_secs(60));
    l.policy = Policy {
        max_grace: d,
        max_contested: d,
        max_handover: d,
        max_anchor_grace: d,
        max_lease: d,
        reclaim: Some(Reclaim::Confirmed),
        ..Policy::default()
    };
    l
}

/// The names of what a license says of itself, of its pools, products and policy.
fn names(license: &serde_json::Value) -> Vec<String> {
    let top = license.as_object().unwrap();
    let mut names: Vec<String> = top.keys().cloned().collect();
    for inner in [
        &license["pools"][0],
        &license["products"][0],
        &license["policy"],
    ] {
        names.extend(inner.as_object().unwrap().keys().cloned());
    }
    names.retain(|n| n != "name");
    names
}

#[test]
fn critical_names_must_be_understood() {
    let mut l = license();
    // Whatever the file can say is in force, so a vendor may insist on it; the names are those of
    // its JSON.
    let everything = serde_json::to_value(all_fields()).unwrap();
    l.critical = names(&everything);
    for name in ["features", "maxAnchorGrace", "countBy", "emergency"] {
        assert!(l.critical.iter().any(|c| c == name), "{name}");
    }
    assert!(issued(&l).is_ok());
    l.critical.push("moonPhase".into());
    let e = issued(&l).unwrap_err();
    assert!(
        e.to_string().contains("moonPhase") && e.to_string().contains("install a newer one"),
        "{e}"
    );
    assert_eq!(e.reason().name(), "NotUnderstood");
}

#[test]
fn dates_begin_inclusive_and_end_exclusive() {
    let mut l = license();
    l.not_before = Some(at("2026-06-01T00:00:00Z"));
    let ok = |t: &str| l.check_dates(at(t)).map_err(|e| e.reason().name());
    assert_eq!(ok("2026-05-31T23:59:59.999Z"), Err("NotYetValid"));
    assert_eq!(ok("2026-06-01T00:00:00Z"), Ok(()));
    assert_eq!(ok("2026-12-31T23:59:59.999Z"), Ok(()));
    assert_eq!(ok("2027-01-01T00:00:00Z"), Err("Expired"));
    let e = l
        .check_dates(at("2030-01-01T00:00:00Z"))
        .unwrap_err()
        .to_string();
    assert!(
        e.contains("2027-01-01T00:00:00Z")
            && e.contains("2030-01-01T00:00:00Z")
            && e.contains("vendor"),
        "{e}"
    );
    l.expires = None;
    assert!(
        l.check_dates(at("2999-01-01T00:00:00Z")).is_ok(),
        "a license may be without end"
    );
}

#[test]
fn a_file_that_is_none_says_why() {
    let text = armour(&Envelope::sign(types::LICENSE, &license(), &key(1)).unwrap()).unwrap();
    let huge = "x".repeat(4 * 1024 * 1024 + 1);
    for (bad, says) in [
        ("", "-----BEGIN MOORING LICENSE-----"),
        ("hello", "-----BEGIN MOORING LICENSE-----"),
        (&text[..text.len() - 40], "is it cut off?"),
        (&format!("{text}\n{text}"), "several"),
        (
            &text.replacen("MOORING LICENSE-----\n", "MOORING LICENSE-----\n!", 1),
            "between its first and last line",
        ),
        (
            "-----BEGIN MOORING LICENSE-----\ne30=\n-----END MOORING LICENSE-----",
            "no signed envelope",
        ),
        (
            &huge,
            "expected at most 4194304; have several licenses issued",
        ),
    ] {
        let e = OpenLicense::read(bad, Trust::Unchecked).unwrap_err();
        assert_eq!(e.reason().name(), "Malformed");
        assert!(e.to_string().contains(says), "{says}: {e}");
    }
}

#[test]
fn a_refused_signature_names_the_keys() {
    let text = armour(&Envelope::sign(types::LICENSE, &license(), &key(3)).unwrap()).unwrap();
    let e =
        OpenLicense::read(&text, Trust::Pinned(&[key(1).public(), key(2).public()])).unwrap_err();
    assert_eq!(e.reason().name(), "SignatureInvalid");
    for k in [1, 2, 3] {
        assert!(e.to_string().contains(&key(k).public().id().0), "{e}");
    }
    let e = OpenLicense::read(&text, Trust::Pinned(&[]))
        .unwrap_err()
        .to_string();
    assert!(e.contains("none"), "{e}");
}

#[test]
fn only_so_many_signatures_are_looked_at() {
    let mut e = Envelope::unsigned(types::LICENSE, &license()).unwrap();
    for n in 10..18 {
        let sig = key(n).sign(&e.signed_bytes());
        e.add_signature(&key(n).public(), sig);
    }
    let open = |e: &Envelope, n| e.signer(types::LICENSE, &[key(n).public()]).is_ok();
    assert!(open(&e, 10) && open(&e, 17));
    let sig = key(1).sign(&e.signed_bytes());
    e.add_signature(&key(1).public(), sig);
    assert!(!open(&e, 1), "the ninth");
}

fn delegation(minutes: i64) -> Delegation {
    let from = at("2026-06-01T12:00:00Z");
    Delegation {
        licenses: vec![Digest("00".repeat(32))],
        kind: AnchorKind::Pkcs11,
        key_id: key(4).public().id(),
        server_key: key(5).public(),
        instance: InstanceId::from_bytes([1; 16]),
        not_before: from,
        not_after: Timestamp::from_second(from.as_second() + minutes * 60).unwrap(),
    }
}

#[test]
fn a_delegation_is_the_anchors_own_and_short() {
    let l = license();
    let sealed = |d: &Delegation, k: u8| Envelope::sign(types::DELEGATION, d, &key(k)).unwrap();
    let d = delegation(15);
    let (open, anchor) = Delegation::open(&sealed(&d, 4), std::iter::once(&l)).unwrap();
    assert_eq!((&open, anchor), (&d, &l.anchors[0]));

    let open = |d: &Delegation, k| Delegation::open(&sealed(d, k), std::iter::once(&l)).map(|_| ());
    assert!(matches!(open(&d, 5), Err(DelegationError::Signature(_))));
    for (minutes, secs) in [(0, 0), (-1, -60), (16, 960), (60 * 24 * 365, 31_536_000)] {
        assert_eq!(
            open(&delegation(minutes), 4),
            Err(DelegationError::Span { secs })
        );
    }
    let other = Delegation {
        key_id: key(5).public().id(),
        ..d.clone()
    };
    assert!(matches!(
        open(&other, 4),
        Err(DelegationError::WrongAnchor { .. })
    ));
    let other = Delegation {
        kind: AnchorKind::Usb,
        ..d.clone()
    };
    assert!(matches!(
        open(&other, 4),
        Err(DelegationError::WrongAnchor { .. })
    ));

    let right = Digest("00".repeat(32));
    assert!(Delegation::open_for(&sealed(&d, 4), &l, &right).is_ok());
    let e = Delegation::open_for(&sealed(&d, 4), &l, &Digest("11".repeat(32))).unwrap_err();
    assert!(matches!(e, DelegationError::WrongLicense { .. }), "{e}");
    assert!(d.covers(d.not_before) && !d.covers(d.not_after));
}

#[test]
fn a_key_is_its_text() {
    let k = key(1).public();
    assert_eq!(k.to_string().parse(), Ok(k));
    assert_eq!(
        k.to_string()
            .to_uppercase()
            .replace("ED25519", "ed25519")
            .parse(),
        Ok(k)
    );
    let p256 = format!("p256:04{}", "ab".repeat(64));
    assert_eq!(
        p256.parse::<PublicKey>().map(|k| k.to_string()),
        Ok(p256.clone())
    );
    for bad in [
        "",
        "ed25519",
        "ed25519:",
        "ed25519:ab",
        "rsa:00",
        &p256.replacen("04", "02", 1),
        &format!("{p256}00"),
    ] {
        let e = bad.parse::<PublicKey>().unwrap_err().to_string();
        assert!(e.contains("expected \"ed25519:\" and 64"), "{bad}: {e}");
    }
    assert_ne!(k.id(), key(2).public().id());
    assert_eq!(k.id().0.len(), 32);
    assert!(
        !format!("{:?}", key(1)).contains(&"01".repeat(8)),
        "a private key never prints its seed"
    );
}

#[test]
fn a_holder_is_hidden_and_known_again() {
    let (a, b) = (
        Identity::new(&[1; 32], &[], "a"),
        Identity::new(&[2; 32], &[], "a"),
    );
    let alice = Holder::External {
        subject: "alice".into(),
    };
    let pod = Holder::Pod {
        namespace: "a".into(),
        pod: "alice".into(),
        uid: "u".into(),
        service_account: "s".into(),
        node: None,
    };
    let hidden = a.hide(&alice);
    assert!(a.is(&alice, &hidden) && !a.is(&pod, &hidden) && !b.is(&alice, &hidden));
    assert!(!hidden.0.contains("alice"));
    assert!(!a.is(&alice, &mooring_core::license::HolderHmac("zz".into())));
    assert!(!a.is(&alice, &mooring_core::license::HolderHmac(String::new())));
}

#[test]
fn a_grace_is_eight_hours_unless_the_license_says_otherwise() {
    let mut p = Policy::default();
    assert_eq!(p.grace_limit(), Duration::from_secs(8 * 3600));
    p.max_grace = Some(Duration::from_secs(60));
    assert_eq!(p.grace_limit(), Duration::from_secs(60));
}
