#![allow(clippy::unwrap_used, clippy::many_single_char_names)]
use super::*;
use crate::tests::chain::{at, chain, state_of};
use mooring_core::frontend::{Signer as _, answer};
use mooring_core::identity::Holder;
use mooring_core::ledger::{Granted, Part, Place, SeatDates};
use mooring_core::names::{ClaimName, LeaseId, ProductName, Seats};
use mooring_core::receipt::{Sealed, Shown, Ticket};
use mooring_core::request::Item;
use mooring_core::secret::Secret;
use mooring_core::time::BootTime;
use mooring_core::time::Now;
use mooring_core::wire::WaitReason;

fn holder(n: &str) -> Holder {
    Holder::External { subject: n.into() }
}

fn secret(b: u8) -> Secret {
    Secret::from_bytes([b; 32])
}

fn items() -> Vec<Item> {
    vec![Item {
        product: ProductName::new("render").unwrap(),
        seats: Seats::ONE,
        version: None,
    }]
}

/// What the claim's holder shows that has its secret.
fn shown<'a>(
    claim: &'a ClaimName,
    items: &'a [Item],
    secret: &'a Secret,
    holder: &'a Holder,
) -> Shown<'a> {
    Shown {
        claim,
        items,
        secret_hash: secret.hash(),
        secret: Some(secret),
        bind: None,
        holder,
    }
}

fn now(boot_secs: u64, wall: &str) -> Now {
    Now {
        boot: BootTime::from_millis(boot_secs * 1000),
        wall: at(wall),
    }
}

fn held(run: u8) -> HeldProof {
    let c = chain(run, "2026-05-01T12:00:00Z");
    let f = state_of(run, "2026-05-01T12:00:00Z").in_force.unwrap();
    let g = Granted {
        lease: LeaseId::from_bytes([1; 16]),
        claim: ClaimName::pod(),
        holder: holder("a"),
        items: items(),
        counter: 3,
        received: BootTime::from_millis(1_010_000),
        parts: vec![Part {
            license: f.delegation.licenses[0].clone(),
            items: items(),
            draws: vec![],
        }],
        dates: SeatDates::default(),
        overdraft: 0,
        secret_hash: secret(1).hash(),
        bind: None,
        claims: None,
        family: None,
        called_back: None,
        handover: None,
        handed: None,
    };
    let t = now(1011, "2026-05-01T12:00:11Z");
    let b = answer::token(&mut &c, &f, &g, t, None).unwrap();
    HeldProof {
        receipt: Sealed::from_bytes(&[]),
        sent_ago: None,
        delegation: b.delegation,
        lease: b.lease,
        counter: 4,
    }
}

/// Opens it, and asks whether it counts.
fn verify_held(
    c: &Chain,
    f: &InForce,
    h: &HeldProof,
    s: &Shown<'_>,
    t: Now,
) -> Result<LeaseToken, BadProof> {
    let token = c.proofs(t.boot).lease(f, h)?.token;
    s.counts(&token, &c.identity)?;
    Ok(token)
}

#[test]
fn an_earlier_runs_lease_counts_with_its_secret_for_its_holder_and_its_claim_alone() {
    let c = chain(2, "2026-05-01T12:00:20Z");
    let f = state_of(2, "2026-05-01T12:00:20Z").in_force.unwrap();
    let pod = ClaimName::pod();
    let other = ClaimName::new("other").unwrap();
    let (a, b) = (holder("a"), holder("b"));
    let (right, wrong) = (secret(1), secret(2));
    let t = now(1021, "2026-05-01T12:00:21Z");
    let verify = |claim, hash: &Secret, secret, holder| {
        let s = Shown {
            claim,
            items: &items(),
            secret_hash: hash.hash(),
            secret,
            bind: None,
            holder,
        };
        verify_held(&c, &f, &held(1), &s, t).map_err(|e| e.to_string())
    };
    let ok = verify(&pod, &right, Some(&right), &a).unwrap();
    assert_eq!((ok.counter, ok.cnf), (3, right.hash()));
    for (r, want) in [
        (verify(&pod, &right, None, &a), "field secret"),
        (verify(&pod, &right, Some(&wrong), &a), "field secret"),
        (verify(&pod, &wrong, Some(&wrong), &a), "field secret"),
        (verify(&pod, &right, Some(&right), &b), "another holder"),
        (verify(&other, &right, Some(&right), &a), "claim"),
    ] {
        assert!(r.as_ref().is_err_and(|e| e.contains(want)), "{want}: {r:?}");
    }
}

#[test]
fn an_earlier_runs_lease_is_of_whose_seat_it_was() {
    let c = chain(2, "2026-05-01T12:00:20Z");
    let f = state_of(2, "2026-05-01T12:00:20Z").in_force.unwrap();
    let (pod, items, a, s) = (ClaimName::pod(), items(), holder("a"), secret(1));
    let shown = Shown {
        bind: Some(secret(7).hash()),
        ..shown(&pod, &items, &s, &a)
    };
    let t = now(1021, "2026-05-01T12:00:21Z");
    let e = verify_held(&c, &f, &held(1), &shown, t).unwrap_err();
    assert!(e.to_string().contains("field bind"), "{e}");
}

#[test]
fn tampered_and_foreign_proofs_are_refused() {
    let c = chain(2, "2026-05-01T12:00:20Z");
    let f = state_of(2, "2026-05-01T12:00:20Z").in_force.unwrap();
    let (pod, items, a, s) = (ClaimName::pod(), items(), holder("a"), secret(1));
    let shown = shown(&pod, &items, &s, &a);
    let t = now(1021, "2026-05-01T12:00:21Z");
    let mut h = held(1);
    let text = String::from_utf8(h.lease.payload.clone())
        .unwrap()
        .replace("\"seats\":1", "\"seats\":9");
    h.lease.payload = text.into_bytes();
    assert!(verify_held(&c, &f, &h, &shown, t).is_err());
    // A delegation of one run with a token of another.
    let mixed = HeldProof {
        delegation: held(1).delegation,
        ..held(3)
    };
    assert!(verify_held(&c, &f, &mixed, &shown, t).is_err());
}

#[test]
fn a_ticket_brings_its_place_back() {
    let (c1, c2) = (
        chain(1, "2026-05-01T12:00:00Z"),
        chain(2, "2026-05-01T12:00:20Z"),
    );
    let p = Place {
        lease: LeaseId::from_bytes([8; 16]),
        claim: ClaimName::pod(),
        holder: holder("a"),
        items: items(),
        place: 1,
        reason: WaitReason::Full,
        message: String::new(),
        generation: 77,
        arrival: 5,
        contested: false,
        runs_until: None,
        passed: None,
        secret_hash: secret(1).hash(),
        bind: None,
        claims: None,
    };
    let f1 = state_of(1, "2026-05-01T12:00:00Z").in_force.unwrap();
    let lease = p.lease;
    let t = now(1005, "2026-05-01T12:00:05Z");
    let t = answer::waiting((&c1).run(), &f1, p, t).ticket;
    let (pod, items, a, s) = (ClaimName::pod(), items(), holder("a"), secret(1));
    let back = Ticket::open(&t, &c2.identity, &shown(&pod, &items, &s, &a)).unwrap();
    assert_eq!((back.generation, back.arrival, back.lease), (77, 5, lease));
}
