//! The chain of signatures: documents that are signed rightly and say anything; bundles that
//! anybody could send.

use crate::genuine::GENUINE;
use crate::readable;
use mooring_core::license::{
    Bundle, Delegation, Demand, Envelope, LeaseToken, MAX_DELEGATION, MinAnchor, OpenLicense,
    OpenRevocations, OpenVoucher, Trust, Verified, armour, types, verify,
};
use mooring_core::names::{ProductName, Version};

fn demand<'a>(choice: u8, product: &'a ProductName, version: &'a Version) -> Demand<'a> {
    Demand {
        product,
        app_version: (choice & 1 != 0).then_some(version),
        built_on: (choice & 2 != 0).then(|| "2026-03-01T00:00:00Z".parse().unwrap()),
        nonce: (choice & 4 != 0).then_some(GENUINE.nonce.as_str()),
        bind: None,
        min_anchor: if choice & 8 != 0 {
            MinAnchor::Hardware
        } else {
            MinAnchor::Any
        },
    }
}

fn judge(bundle: &Bundle, choice: u8) -> Option<Verified> {
    let (product, version) = (
        ProductName::new("render").unwrap(),
        Version::new("2026.1").unwrap(),
    );
    let d = demand(choice, &product, &version);
    match verify(bundle, &[GENUINE.vendor()], &d, &GENUINE.clock) {
        Ok(v) => Some(v),
        Err(e) => {
            readable(&e);
            assert!(e.reason().chars().all(|c| c.is_ascii_alphabetic()));
            None
        }
    }
}

fn signed(payload_type: &str, payload: &[u8], by: &str) -> Envelope {
    let key = GENUINE.key(by);
    let mut e = Envelope {
        payload_type: payload_type.into(),
        payload: payload.to_vec(),
        signatures: Vec::new(),
    };
    let sig = key.sign(&e.signed_bytes());
    e.add_signature(&key.public(), sig);
    e
}

/// The first byte says which link is given (or a revocation list, or a voucher), and what is
/// demanded; the rest is its document, signed by the key that it needs.
pub fn chain(data: &[u8]) {
    let Some((first, payload)) = data.split_first() else {
        return;
    };
    let mut b = GENUINE.bundle.clone();
    match first >> 4 {
        3 => return revocations(&signed(types::REVOCATIONS, payload, "vendor")),
        4 => return voucher(&signed(types::VOUCHER, payload, "vendor")),
        0 => b.licenses = vec![signed(types::LICENSE, payload, "vendor")],
        1 => b.delegation = signed(types::DELEGATION, payload, "anchorEd25519"),
        _ => b.lease = signed(types::LEASE, payload, "server"),
    }
    let Some(v) = judge(&b, *first) else {
        return;
    };
    // Read again, by other ways than verify's own.
    let open = OpenLicense::from_envelope(b.licenses[0].clone(), Trust::Unchecked).unwrap();
    let d: Delegation = b.delegation.read_unverified(types::DELEGATION).unwrap();
    let t: LeaseToken = b.lease.read_unverified(types::LEASE).unwrap();
    assert!(d.not_before <= t.issued_at && t.issued_at < d.not_after);
    assert!(d.not_before.duration_until(d.not_after).unsigned_abs() <= MAX_DELEGATION);
    assert!(open.license.expires.is_none_or(|e| t.issued_at < e));
    assert!(open.license.not_before.is_none_or(|n| n <= t.issued_at));
    assert!(d.licenses.contains(&open.digest));
    let part = t.parts.iter().find(|p| p.license == open.digest).unwrap();
    assert!(
        open.license
            .anchors
            .iter()
            .any(|a| a.key.id() == d.key_id && a.kind == d.kind)
    );
    assert!(v.run_for <= open.license.policy.grace_limit() && v.run_for <= t.run_for);
    assert!(
        v.seats >= 1
            && part
                .items
                .iter()
                .any(|i| i.product.is("render") && i.seats.get() == v.seats)
    );
    assert!(first & 8 == 0 || !v.software);
    assert_eq!(v.fresh, first & 4 != 0);
}

fn revocations(e: &Envelope) {
    let now = "2026-06-01T12:00:00Z".parse().unwrap();
    match OpenRevocations::read(&armour(e).unwrap(), Trust::Pinned(&[GENUINE.vendor()])) {
        Err(e) => readable(&e),
        Ok(open) => {
            let first = open.list.revoked.first();
            let revoked = first.and_then(|r| open.list.revokes(&r.license, now));
            assert_eq!(revoked.is_some(), first.is_some_and(|r| r.since <= now));
            assert!(open.follows(&open).is_ok());
        }
    }
}

fn voucher(e: &Envelope) {
    let (render, now) = (
        ProductName::new("render").unwrap(),
        "2026-06-01T12:00:00Z".parse().unwrap(),
    );
    match OpenVoucher::read(&armour(e).unwrap(), Trust::Pinned(&[GENUINE.vendor()])) {
        Err(e) => readable(&e),
        Ok(open) => {
            let v = &open.voucher;
            let may = v.products.contains(&render)
                && now < v.expires
                && v.not_before.is_none_or(|n| n <= now);
            assert_eq!(v.permits(&render, now).is_ok(), may);
        }
    }
}

/// The first byte says what is demanded; the rest is the bundle's JSON.
pub fn token(data: &[u8]) {
    let Some((first, json)) = data.split_first() else {
        return;
    };
    let Ok(bundle) = serde_json::from_slice::<Bundle>(json) else {
        return;
    };
    if judge(&bundle, *first).is_some() {
        // Of several licenses the one that sells it: the others are nobody's business.
        let license = bundle.license_of(&ProductName::new("render").unwrap());
        for link in [license.unwrap(), &bundle.delegation, &bundle.lease] {
            assert!(GENUINE.has(link), "forged: {link:?}");
        }
    }
}
