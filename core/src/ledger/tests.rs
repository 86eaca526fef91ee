//! The ledger's promises, one test each, and random histories against what must always be true.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod backfill;
mod dates;
mod families;
mod files;
mod issuers;
mod names;
mod policy;
mod projects;
mod rollout;
mod sharers;
mod stance;
mod taken_back;

use super::*;
use crate::age::Given;
use crate::identity::Holder;
use crate::license::{Digest, License, Pool, Product};
use crate::names::{ClaimName, InstanceId, LeaseId, ProductName, RequestId, Seats};
use crate::policy::{PolicyGroup, Reclaim, SeatPolicy};
use crate::receipt::{PartBefore, Ticket};
use crate::request;
use crate::secret::Secret;
use crate::time::{BootTime, Timestamp};
use crate::wire::{Problem, ProblemType, Renewal, Standing, ViewState, WaitReason};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

mod wait;

const D: Duration = Duration::from_secs(30);

fn at(ms: u64) -> BootTime {
    BootTime::from_millis(1_000_000 + ms)
}

fn license(pools: &[(&str, u32)], products: &[(&str, &str)]) -> License {
    let from = |s: &str| -> serde_json::Value {
        let alt = |a: &str| -> serde_json::Value {
            a.split('+')
                .map(|d| {
                    let (p, w) = d.split_once('*').unwrap_or((d, "1"));
                    serde_json::json!({"pool": p, "weight": w.parse::<u32>().unwrap()})
                })
                .collect()
        };
        s.split('|').map(alt).collect()
    };
    let pools: Vec<Pool> = pools
        .iter()
        .map(|(n, s)| Pool {
            name: n.parse().unwrap(),
            seats: *s,
            overdraft: 0,
            not_before: None,
            expires: None,
        })
        .collect();
    let products: Vec<Product> = products
        .iter()
        .map(|(n, f)| {
            serde_json::from_value(serde_json::json!({"name": n, "from": from(f)})).unwrap()
        })
        .collect();
    License {
        schema: 1,
        critical: vec![],
        id: "t".into(),
        supersedes: vec![],
        customer: "t".into(),
        issued: Timestamp::UNIX_EPOCH,
        not_before: None,
        expires: None,
        maintenance_until: None,
        test: false,
        emergency: false,
        pools,
        products,
        anchors: vec![],
        policy: crate::license::Policy::default(),
    }
}

fn settings(instance: u8, settle: Duration) -> Settings {
    Settings {
        instance: InstanceId::from_bytes([instance; 16]),
        generation: u64::from(instance),
        lease_for: D,
        settle,
        reclaim: Reclaim::Any,
        grace: Duration::from_secs(600),
        outsiders: false,
        limits: Limits::default(),
    }
}

/// What one license file has.
fn one(license: &License) -> Capacity {
    Capacity::of([(license, &Digest(license.id.clone()))])
}

/// Another license comes, as the frontend has the ledger take it in.
fn relicense(l: &mut Ledger, capacity: Capacity, now: BootTime) {
    l.set_capacity(capacity, now);
    l.grants(now);
}

fn seats(n: u32) -> Ledger {
    let l = license(&[("r", n)], &[("render", "r")]);
    Ledger::new(settings(1, Duration::ZERO), one(&l), at(0))
}

fn secret(n: u8) -> Secret {
    Secret::from_bytes([n; 32])
}

fn pod(n: u8) -> Holder {
    Holder::Pod {
        namespace: "ns".into(),
        pod: format!("p{n}"),
        uid: format!("uid-{n}"),
        service_account: "default".into(),
        node: None,
    }
}

fn claim(n: u8, what: &str) -> Claim {
    let (items, id) = (request::parse(what).unwrap(), LeaseId::from_bytes([n; 16]));
    Claim::new(pod(n), ClaimName::pod(), items, (secret(n).hash(), id))
}

fn granted(r: Result<Claimed, Refusal>) -> Granted {
    match r {
        Ok(Claimed::Granted(g)) => g,
        other => panic!("expected a grant: {other:?}"),
    }
}

fn place(r: Result<Claimed, Refusal>) -> Place {
    match r {
        Ok(Claimed::Waiting(p)) => p,
        other => panic!("expected a place in line: {other:?}"),
    }
}

fn refused(r: Result<Claimed, Refusal>) -> (ProblemType, Option<String>) {
    match r {
        Err(r) => {
            let p = Problem::from(r);
            (p.kind, p.field)
        }
        other => panic!("expected a refusal: {other:?}"),
    }
}

fn renewal(n: u8, lease: LeaseId, counter: u64, request: u8) -> Renewal {
    Renewal {
        lease,
        secret: secret(n),
        counter,
        request_id: RequestId::from_bytes([request; 16]),
        have: None,
    }
}

/// What a holder shows of a lease that run `instance` gave it, and that is in force.
fn shown(g: &Granted, instance: u8) -> HeldLease {
    let part = |p: &Part| PartBefore {
        // The tests' licenses have their id for a digest.
        license: p.license.0.clone(),
        draws: p.draws.clone(),
    };
    HeldLease {
        lease: g.lease,
        instance: InstanceId::from_bytes([instance; 16]),
        lease_for: D,
        parts: g.parts.iter().map(part).collect(),
        unexpired: true,
        runs_on: true,
        counter: g.counter.max(1),
        age: None,
        family: g.family.clone(),
        handover: None,
        handed_ago: None,
    }
}

fn ticket(p: &Place, instance: u8) -> Ticket {
    Ticket {
        instance: InstanceId::from_bytes([instance; 16]),
        generation: p.generation,
        arrival: p.arrival,
        lease: p.lease,
        contested: p.contested,
        claims: p.claims,
        given: Given {
            at: Timestamp::UNIX_EPOCH,
            stamp: None,
        },
        runs_for: Duration::ZERO,
        passed_for: p.passed.map(|t| at(0).since(t)),
    }
}

fn states(l: &Ledger, now: BootTime) -> Vec<(String, ViewState)> {
    let mut v: Vec<_> = l
        .views(now)
        .into_iter()
        .map(|v| (v.holder.to_string(), v.state))
        .collect();
    v.sort_by(|a, b| a.0.cmp(&b.0));
    v
}

#[test]
fn seats_are_granted_then_claims_wait_in_order_of_arrival() {
    let mut l = seats(2);
    let a = granted(l.claim(claim(1, "render"), at(0)));
    granted(l.claim(claim(2, "render"), at(1)));
    assert_eq!(place(l.claim(claim(3, "render"), at(2))).place, 1);
    assert_eq!(place(l.claim(claim(4, "render"), at(3))).place, 2);
    assert_eq!(
        l.release(&ClaimName::pod(), a.lease, &secret(1), None, at(4)),
        Ok(true)
    );
    let g = granted(l.claim(claim(3, "render"), at(5)));
    assert_eq!(
        g.lease,
        LeaseId::from_bytes([3; 16]),
        "the lease is the id it waited under"
    );
    assert_eq!(place(l.claim(claim(4, "render"), at(6))).place, 1);
}

#[test]
fn a_release_grants_in_the_same_step_and_says_so() {
    let mut l = seats(1);
    let a = granted(l.claim(claim(1, "render"), at(0)));
    place(l.claim(claim(2, "render"), at(1)));
    while l.next_event().is_some() {}
    l.release(&ClaimName::pod(), a.lease, &secret(1), None, at(2))
        .unwrap();
    let events: Vec<_> = std::iter::from_fn(|| l.next_event())
        .map(|e| (e.view.holder.to_string(), e.view.state))
        .collect();
    assert_eq!(
        events,
        [
            ("ns/p1".into(), ViewState::Ended),
            ("ns/p2".into(), ViewState::Held)
        ]
    );
}

#[test]
fn silence_frees_at_last_receipt_plus_d_plus_m_and_not_before() {
    let mut l = seats(1);
    let a = granted(l.claim(claim(1, "render"), at(0)));
    l.renew(&renewal(1, a.lease, 1, 1), at(10_000)).unwrap();
    for t in (11_000..41_000).step_by(5000) {
        assert_eq!(place(l.claim(claim(2, "render"), at(t))).place, 1);
    }
    let free = 10_000 + 30_000 + 1030;
    l.claim(claim(2, "render"), at(free - 1))
        .map(|_| ())
        .unwrap();
    assert_eq!(
        states(&l, at(free - 1)),
        [
            ("ns/p1".into(), ViewState::Silent),
            ("ns/p2".into(), ViewState::Waiting)
        ]
    );
    assert_eq!(l.next_deadline(), at(free));
    l.tick(at(free));
    assert_eq!(states(&l, at(free)), [("ns/p2".into(), ViewState::Held)]);
}

#[test]
fn a_place_dies_d_after_its_last_request() {
    let mut l = seats(1);
    let a = granted(l.claim(claim(1, "render"), at(0)));
    place(l.claim(claim(2, "render"), at(0)));
    place(l.claim(claim(3, "render"), at(1)));
    l.renew(&renewal(1, a.lease, 1, 1), at(20_000)).unwrap();
    place(l.claim(claim(3, "render"), at(20_000)));
    l.tick(at(30_000));
    l.release(&ClaimName::pod(), a.lease, &secret(1), None, at(30_001))
        .unwrap();
    assert_eq!(
        states(&l, at(30_001)),
        [("ns/p3".into(), ViewState::Held)],
        "a dead waiter is not granted"
    );
}

#[test]
fn the_same_claim_again_has_the_same_lease_and_the_same_place() {
    let mut l = seats(1);
    let a = granted(l.claim(claim(1, "render"), at(0)));
    place(l.claim(claim(2, "render"), at(0)));
    let mut again = claim(1, "render");
    again.new_id = LeaseId::from_bytes([99; 16]);
    assert_eq!(granted(l.claim(again, at(1))).lease, a.lease);
    place(l.claim(claim(3, "render"), at(2)));
    assert_eq!(
        place(l.claim(claim(2, "render"), at(3))).place,
        1,
        "a repeat keeps the place"
    );
    assert_eq!(l.pools()[0].used, 1);
}

#[test]
fn all_or_nothing_over_pools_and_free_seats_gather_for_the_head() {
    let lic = license(&[("a", 2), ("b", 1)], &[("x", "a"), ("y", "b")]);
    let mut l = Ledger::new(settings(1, Duration::ZERO), one(&lic), at(0));
    let one = granted(l.claim(claim(1, "x"), at(0)));
    let two = granted(l.claim(claim(2, "x"), at(0)));
    place(l.claim(claim(3, "x:2,y"), at(0)));
    assert_eq!(place(l.claim(claim(4, "x"), at(1))).place, 2);
    assert_eq!(
        place(l.claim(claim(5, "y"), at(1))).place,
        2,
        "y is free, but kept for who came first"
    );
    l.release(&ClaimName::pod(), one.lease, &secret(1), None, at(2))
        .unwrap();
    assert_eq!(
        place(l.claim(claim(4, "x"), at(3))).place,
        2,
        "a small claim does not overtake"
    );
    l.release(&ClaimName::pod(), two.lease, &secret(2), None, at(4))
        .unwrap();
    granted(l.claim(claim(3, "x:2,y"), at(5)));
    let used: Vec<u32> = l.pools().iter().map(|p| p.used).collect();
    assert_eq!(used, [2, 1]);
}

#[test]
fn suites_and_weights_are_drawn_in_order() {
    let lic = license(&[("own", 1), ("suite", 4)], &[("x", "own|suite*2")]);
    let mut l = Ledger::new(settings(1, Duration::ZERO), one(&lic), at(0));
    assert_eq!(l.products()[0].seats, 3);
    granted(l.claim(claim(1, "x:2"), at(0)));
    let used: Vec<u32> = l.pools().iter().map(|p| p.used).collect();
    assert_eq!(used, [1, 2]);
    granted(l.claim(claim(2, "x"), at(0)));
    place(l.claim(claim(3, "x"), at(0)));
}

#[test]
fn priority_goes_before_arrival_and_contested_before_both() {
    let mut l = seats(1);
    let a = granted(l.claim(claim(1, "render"), at(0)));
    place(l.claim(claim(2, "render"), at(1)));
    let of = PolicyGroup {
        name: "vip".into(),
        service_accounts: vec!["ns/vip".into()],
        priority: 5,
        ..PolicyGroup::default()
    };
    let policy = SeatPolicy {
        name: "ranks".into(),
        notice: Duration::from_secs(60),
        groups: vec![of],
        ..SeatPolicy::default()
    };
    l.set_policy(Some(policy.into()), at(1));
    let mut high = claim(3, "render");
    if let Holder::Pod {
        service_account, ..
    } = &mut high.holder
    {
        *service_account = "vip".into();
    }
    assert_eq!(place(l.claim(high.clone(), at(2))).place, 1);
    let mut back = claim(4, "render");
    back.standing = Standing::Held;
    back.held = Some(HeldLease {
        lease: LeaseId::from_bytes([44; 16]),
        unexpired: false,
        counter: 3,
        ..shown(&a, 0)
    });
    let p = place(l.claim(back.clone(), at(3)));
    assert_eq!((p.place, p.contested), (1, true));
    assert_eq!(l.gauges().overlap_seats, 1);
    l.release(&ClaimName::pod(), a.lease, &secret(1), None, at(4))
        .unwrap();
    back.held = None;
    granted(l.claim(back, at(5)));
    assert_eq!(place(l.claim(high, at(6))).place, 1);
}

#[test]
fn what_can_never_be_granted_is_refused_by_field_and_shown() {
    let mut l = seats(2);
    assert_eq!(
        refused(l.claim(claim(1, "rendr"), at(0))),
        (ProblemType::UnknownProduct, Some("items[0].product".into()))
    );
    assert_eq!(states(&l, at(0)), [("ns/p1".into(), ViewState::Refused)]);
    assert_eq!(
        refused(l.claim(claim(1, "render:3"), at(1))),
        (ProblemType::ExceedsSeats, Some("items[0].seats".into()))
    );
    let mut other = claim(1, "render");
    other.new_id = LeaseId::from_bytes([9; 16]);
    granted(l.claim(other, at(2)));
    assert_eq!(
        states(&l, at(2)),
        [("ns/p1".into(), ViewState::Held)],
        "the refusal is gone"
    );
    assert_eq!(l.gauges().refused, 0);
}

#[test]
fn without_the_secret_nobody_changes_anothers_claim() {
    let mut l = seats(1);
    let a = granted(l.claim(claim(1, "render"), at(0)));
    let mut thief = claim(1, "render");
    thief.secret_hash = secret(9).hash();
    assert_eq!(
        refused(l.claim(thief, at(1))),
        (ProblemType::ClaimChanged, Some("secretHash".into()))
    );
    assert_eq!(
        l.renew(&renewal(9, a.lease, 1, 1), at(1))
            .map_err(Problem::from)
            .unwrap_err()
            .kind,
        ProblemType::Unauthenticated
    );
    assert_eq!(
        l.release(&ClaimName::pod(), a.lease, &secret(9), None, at(1))
            .map_err(Problem::from)
            .unwrap_err()
            .kind,
        ProblemType::Unauthenticated
    );
    assert_eq!(
        l.lookup(a.lease, &secret(9))
            .map_err(Problem::from)
            .unwrap_err()
            .kind,
        ProblemType::Unauthenticated
    );
    assert_eq!(states(&l, at(1)), [("ns/p1".into(), ViewState::Held)]);
    let mut more = claim(1, "render:2");
    more.secret_hash = secret(1).hash();
    assert_eq!(refused(l.claim(more, at(1))).0, ProblemType::ClaimChanged);
}

/// A claim for an application's own seat.
fn bound(n: u8, to: u8) -> Claim {
    Claim {
        bind: Some(secret(to).hash()),
        ..claim(n, "render")
    }
}

#[test]
fn a_seat_belongs_to_who_took_it_for_its_whole_life() {
    let mut l = seats(1);
    let a = granted(l.claim(bound(1, 50), at(0)));
    assert_eq!(a.bind, Some(secret(50).hash()));
    // Neither another application's nor nobody's, though the claim's own secret is shown.
    for other in [bound(1, 51), claim(1, "render")] {
        assert_eq!(
            refused(l.claim(other, at(1))),
            (ProblemType::ClaimChanged, Some("bind".into()))
        );
    }
    assert_eq!(granted(l.claim(bound(1, 50), at(2))).lease, a.lease);
    let renewed = l.renew(&renewal(1, a.lease, 1, 1), at(3)).unwrap();
    assert_eq!(renewed.bind, a.bind, "in each of its tokens");
    let waits = place(l.claim(bound(2, 60), at(4)));
    assert_eq!(waits.bind, Some(secret(60).hash()), "and in its ticket");
}

#[test]
fn after_a_restart_a_seat_belongs_to_who_took_it() {
    let mut l = seats(1);
    let held = granted(l.claim(bound(1, 50), at(0)));
    let waiter = place(l.claim(bound(2, 60), at(1)));
    let shown = shown(&held, 1);
    let mut l = second_run(Duration::from_millis(31_030));
    let mut back = comes_back(1, &shown);
    back.bind = held.bind;
    let g = granted(l.claim(back, at(2001)));
    assert_eq!((g.lease, g.bind), (held.lease, held.bind));
    let mut back = bound(2, 60);
    back.ticket = Some(ticket(&waiter, 1));
    back.new_id = LeaseId::from_bytes([102; 16]);
    let p = place(l.claim(back, at(2001)));
    assert_eq!((p.lease, p.bind), (waiter.lease, waiter.bind));
}

#[test]
fn an_application_asks_sixty_times_a_minute_at_most() {
    let mut l = seats(2);
    let a = granted(l.claim(claim(1, "render"), at(0))).lease;
    let b = granted(l.claim(claim(2, "render"), at(0))).lease;
    for _ in 0..60 {
        l.question(a, &secret(1), at(1)).unwrap();
    }
    let p = l.question(a, &secret(1), at(1)).map_err(Problem::from);
    let p = p.unwrap_err();
    assert_eq!(
        (p.kind, p.retry_after_secs),
        (ProblemType::Overloaded, Some(1))
    );
    l.question(b, &secret(2), at(1)).unwrap();
    l.question(a, &secret(1), at(1001)).unwrap();
    let again = l.question(a, &secret(1), at(1999));
    assert!(again.is_err(), "one a second");
    // Its renewals are no questions.
    l.renew(&renewal(1, a, 1, 1), at(1999)).unwrap();
}

#[test]
fn the_counter_tells_a_retry_from_a_copy() {
    let mut l = seats(1);
    let a = granted(l.claim(claim(1, "render"), at(0))).lease;
    assert_eq!(l.renew(&renewal(1, a, 1, 1), at(1)).unwrap().counter, 1);
    assert_eq!(
        l.renew(&renewal(1, a, 1, 1), at(2)).unwrap().counter,
        1,
        "a retry is answered alike"
    );
    assert_eq!(
        l.renew(&renewal(1, a, 1, 2), at(3))
            .map_err(Problem::from)
            .unwrap_err()
            .kind,
        ProblemType::Cloned
    );
    assert_eq!(
        l.renew(&renewal(1, a, 2, 3), at(4)).unwrap().counter,
        2,
        "the first of the two goes on"
    );
    assert_eq!(
        l.renew(&renewal(1, a, 1, 1), at(5))
            .map_err(Problem::from)
            .unwrap_err()
            .kind,
        ProblemType::Cloned
    );
}

#[test]
fn late_messages_of_a_given_back_claim_change_nothing() {
    let mut l = seats(1);
    let a = granted(l.claim(claim(1, "render"), at(0))).lease;
    l.release(&ClaimName::pod(), a, &secret(1), None, at(1))
        .unwrap();
    assert_eq!(
        refused(l.claim(claim(1, "render"), at(2))).0,
        ProblemType::GivenBack,
        "the secret was given back"
    );
    let mut new = claim(1, "render");
    new.secret_hash = secret(7).hash();
    new.new_id = LeaseId::from_bytes([7; 16]);
    let b = granted(l.claim(new, at(3))).lease;
    assert_eq!(
        l.release(&ClaimName::pod(), a, &secret(1), None, at(4)),
        Ok(false)
    );
    assert_eq!(
        l.renew(&renewal(1, a, 1, 1), at(5))
            .map_err(Problem::from)
            .unwrap_err()
            .kind,
        ProblemType::UnknownLease
    );
    assert_eq!(
        l.status(b).map(|c| matches!(c, Claimed::Granted(_))),
        Some(true),
        "the newer lease is untouched"
    );
}

#[test]
fn bounds_hold_and_harm_nobody_else() {
    let lic = license(&[("r", 100)], &[("render", "r")]);
    let mut s = settings(1, Duration::ZERO);
    s.limits = Limits {
        per_holder: 2,
        per_namespace: 3,
        queue: 10,
    };
    let mut l = Ledger::new(s, one(&lic), at(0));
    for i in 0..3u8 {
        let mut c = claim(1, "render");
        c.name = format!("c{i}").parse().unwrap();
        c.new_id = LeaseId::from_bytes([100 + i; 16]);
        let r = l.claim(c, at(0));
        if i < 2 {
            granted(r);
        } else {
            assert_eq!(refused(r).0, ProblemType::TooManyClaims);
        }
    }
    granted(l.claim(claim(2, "render"), at(0)));
    assert_eq!(
        refused(l.claim(claim(3, "render"), at(0))).0,
        ProblemType::TooManyClaims
    );
    let mut elsewhere = claim(4, "render");
    elsewhere.holder = Holder::External {
        subject: "x".into(),
    };
    granted(l.claim(elsewhere, at(0)));
}

#[test]
fn a_pod_proven_gone_frees_in_that_step() {
    let mut l = seats(1);
    granted(l.claim(claim(1, "render"), at(0)));
    place(l.claim(claim(2, "render"), at(0)));
    assert_eq!(l.gone(&[pod(1).key(), pod(9).key()], at(1)), 1);
    assert_eq!(states(&l, at(1)), [("ns/p2".into(), ViewState::Held)]);
}

#[test]
fn a_smaller_license_throws_nobody_out_and_new_claims_wait() {
    let mut l = seats(3);
    let ids: Vec<LeaseId> = (1..=3)
        .map(|n| granted(l.claim(claim(n, "render"), at(0))).lease)
        .collect();
    place(l.claim(claim(4, "render"), at(1)));
    relicense(
        &mut l,
        one(&license(&[("r", 1)], &[("render", "r")])),
        at(2),
    );
    assert_eq!(l.gauges().held, 3);
    for (i, id) in ids.iter().enumerate().take(2) {
        l.release(&ClaimName::pod(), *id, &secret(i as u8 + 1), None, at(3))
            .unwrap();
        assert_eq!(place(l.claim(claim(4, "render"), at(4))).place, 1);
    }
    l.release(&ClaimName::pod(), ids[2], &secret(3), None, at(5))
        .unwrap();
    granted(l.claim(claim(4, "render"), at(6)));
    relicense(
        &mut l,
        one(&license(&[("r", 5)], &[("render", "r")])),
        at(7),
    );
    granted(l.claim(claim(5, "render"), at(8)));
}

#[test]
fn nothing_new_is_granted_while_paused_and_places_stay() {
    let mut l = seats(2);
    let a = granted(l.claim(claim(1, "render"), at(0))).lease;
    l.pause(Some(Problem::new(ProblemType::AnchorLost, "gone")), at(1));
    assert_eq!(
        refused(l.claim(claim(2, "render"), at(2))).0,
        ProblemType::AnchorLost
    );
    l.renew(&renewal(1, a, 1, 1), at(3)).unwrap();
    l.pause(None, at(4));
    assert_eq!(l.gauges().held, 2, "who asked meanwhile is granted at once");
}

/// One run with two holders and one waiter; what they carry over a restart.
fn before_restart() -> (Vec<HeldLease>, Place) {
    let mut l = seats(2);
    let held = (1..=2u8)
        .map(|n| {
            let g = granted(l.claim(claim(n, "render"), at(0)));
            HeldLease {
                counter: 4,
                ..shown(&g, 1)
            }
        })
        .collect();
    (held, place(l.claim(claim(3, "render"), at(1))))
}

fn second_run(settle: Duration) -> Ledger {
    Ledger::new(
        settings(2, settle),
        one(&license(&[("r", 2)], &[("render", "r")])),
        at(2000),
    )
}

fn comes_back(n: u8, h: &HeldLease) -> Claim {
    let mut c = claim(n, "render");
    c.new_id = LeaseId::from_bytes([100 + n; 16]);
    c.standing = Standing::Held;
    c.held = Some(h.clone());
    c
}

#[test]
fn after_a_restart_leases_come_back_with_their_ids_and_places_from_tickets() {
    let (held, waiter) = before_restart();
    let mut l = second_run(Duration::from_millis(31_030));
    let p = place(l.claim(claim(9, "render"), at(2001)));
    assert_eq!(
        p.reason,
        WaitReason::Settling,
        "a stranger gets nothing, though the books are empty"
    );
    let mut c = claim(3, "render");
    c.new_id = LeaseId::from_bytes([103; 16]);
    c.ticket = Some(ticket(&waiter, 1));
    let p = place(l.claim(c, at(2002)));
    assert_eq!(
        (p.lease, p.place),
        (waiter.lease, 1),
        "the restored place is before the newcomer's"
    );
    for n in [1u8, 2] {
        let g = granted(l.claim(comes_back(n, &held[usize::from(n) - 1]), at(2003)));
        assert_eq!((g.lease, g.counter), (LeaseId::from_bytes([n; 16]), 4));
    }
    assert!(
        l.settling(),
        "the license may have had more seats before, and others be on their way"
    );
    l.expected(&[], &[], at(2003));
    assert!(!l.settling());
    l.release(
        &ClaimName::pod(),
        LeaseId::from_bytes([1; 16]),
        &secret(1),
        None,
        at(2004),
    )
    .unwrap();
    assert_eq!(l.gauges().held, 2);
    assert!(matches!(l.status(waiter.lease), Some(Claimed::Granted(_))));
}

#[test]
fn q_is_counted_from_the_longest_lease_before_and_from_the_longest_there_can_be_if_unknown() {
    let s = Duration::from_secs;
    assert_eq!(
        settle_for(Some(s(60)), s(30)),
        s(61) + Duration::from_millis(60)
    );
    assert_eq!(settle_for(None, s(30)), settle_for(Some(s(300)), s(30)));
    assert_eq!(settle_for(Some(s(0)), s(30)), s(0));
}

#[test]
fn settling_ends_with_q_or_with_the_roster() {
    let (held, _) = before_restart();
    let q = Duration::from_millis(31_030);
    let mut l = second_run(q);
    place(l.claim(claim(9, "render"), at(2001)));
    place(l.claim(claim(9, "render"), at(20_000)));
    assert!(l.next_deadline() <= at(2000 + 31_030));
    l.tick(at(33_029));
    assert!(l.settling());
    l.tick(at(33_030));
    assert!(!l.settling());
    assert_eq!(l.gauges().held, 1);

    let mut l = second_run(q);
    let mut nine = claim(9, "render");
    nine.heard = Some(InstanceId::from_bytes([2; 16]));
    place(l.claim(nine, at(2001)));
    granted(l.claim(comes_back(1, &held[0]), at(2002)));
    l.expected(&[pod(1).key(), pod(2).key(), pod(9).key()], &[], at(2003));
    assert_eq!(l.settling.missing(), Some(1));
    assert!(
        l.settling(),
        "one that may hold a lease is neither in nor gone"
    );
    l.gone(&[pod(2).key()], at(2004));
    assert!(!l.settling());
    assert_eq!(l.gauges().held, 2);

    let mut l = second_run(q);
    l.expected(&[], &[], at(2001));
    assert!(!l.settling(), "on a first start nothing is waited for");
}

/// A pod with two claims gives the place of one back as the first thing that this run hears of it;
/// the other may be held by an earlier run's lease.
#[test]
fn a_claim_given_back_says_nothing_of_its_holders_others_while_it_settles() {
    let mut l = second_run(Duration::from_millis(31_030));
    l.expected(&[pod(9).key()], &[], at(2001));
    let p = place(l.claim(claim(9, "render"), at(2002)));
    let name = claim(9, "render").name;
    l.release(&name, p.lease, &secret(9), None, at(2003))
        .unwrap();
    assert!(l.settling(), "its other claim may be held still");
}

#[test]
fn where_there_may_be_outsiders_no_roster_ends_settling_early() {
    let q = Duration::from_millis(31_030);
    for reclaim in [Reclaim::Any, Reclaim::Confirmed] {
        let settings = Settings {
            outsiders: true,
            reclaim,
            ..settings(2, q)
        };
        let l = license(&[("r", 2)], &[("render", "r")]);
        let mut l = Ledger::new(settings, one(&l), at(2000));
        l.expected(&[], &[], at(2001));
        assert!(l.settling(), "an outsider may hold a lease");
        let until = l.next_deadline();
        l.tick(at(33_029));
        assert!(l.settling());
        l.tick(until);
        assert!(!l.settling());
    }
}

#[test]
fn under_confirmed_who_is_on_the_roster_without_having_held_costs_q_at_most() {
    let q = Duration::from_millis(31_030);
    let second = || {
        let settings = Settings {
            reclaim: Reclaim::Confirmed,
            ..settings(2, q)
        };
        let l = license(&[("r", 2)], &[("render", "r")]);
        Ledger::new(settings, one(&l), at(2000))
    };
    let forged = pod(66).key();

    let mut l = second();
    l.expected(&[pod(1).key(), forged.clone()], &[pod(1).key()], at(2001));
    l.tick(at(33_030));
    assert!(
        l.settling(),
        "one that held may still run: its grace is waited for"
    );
    l.gone(&[pod(1).key()], at(40_000));
    assert!(!l.settling());

    let mut l = second();
    l.expected(&[forged], &[], at(2001));
    assert_eq!(l.next_deadline(), at(33_030));
    l.tick(at(33_029));
    assert!(l.settling());
    l.tick(at(33_030));
    assert!(
        !l.settling(),
        "a forged pod is waited for no longer than under Any"
    );

    let mut l = second();
    l.tick(at(33_030));
    assert!(l.settling(), "without a roster nobody knows who held");
}

#[test]
fn an_expired_or_ended_lease_is_not_taken_in() {
    let (held, _) = before_restart();
    let mut l = second_run(Duration::from_secs(60));
    let mut old = held[0].clone();
    old.unexpired = false;
    let p = place(l.claim(comes_back(1, &old), at(2001)));
    assert!(
        p.contested,
        "it gives nothing but the rank of who was held once"
    );

    let mut l = second_run(Duration::from_secs(60));
    let g = granted(l.claim(comes_back(1, &held[0]), at(2001)));
    l.release(&ClaimName::pod(), g.lease, &secret(1), None, at(2002))
        .unwrap();
    let again = l.claim(comes_back(1, &held[0]), at(2003));
    assert_eq!(
        refused(again).0,
        ProblemType::GivenBack,
        "released, then replayed: nothing"
    );
}

#[test]
fn who_was_told_by_another_run_that_it_waits_has_no_lease_any_more() {
    let (held, _) = before_restart();
    let between = InstanceId::from_bytes([9; 16]);
    for (heard, comes_in) in [
        (None, true),
        (Some(held[0].instance), true),
        (Some(between), false),
    ] {
        let mut l = second_run(Duration::from_secs(60));
        let mut back = comes_back(1, &held[0]);
        back.heard = heard;
        let claimed = l.claim(back, at(2001)).unwrap();
        let is_in = matches!(claimed, Claimed::Granted(_));
        assert_eq!(is_in, comes_in, "{heard:?}");
    }
}

#[test]
fn who_comes_back_to_find_the_seats_taken_is_contested() {
    let (held, _) = before_restart();
    let mut l = second_run(Duration::ZERO);
    granted(l.claim(claim(8, "render"), at(2001)));
    granted(l.claim(claim(9, "render"), at(2001)));
    let p = place(l.claim(comes_back(1, &held[0]), at(2002)));
    assert!(p.contested);
    assert_eq!(
        states(&l, at(2002))[0],
        ("ns/p1".into(), ViewState::Contested)
    );
}

#[test]
fn with_confirmed_silence_alone_frees_nothing_before_the_grace() {
    let lic = license(&[("r", 1)], &[("render", "r")]);
    let mut s = settings(1, Duration::ZERO);
    s.reclaim = Reclaim::Confirmed;
    let mut l = Ledger::new(s, one(&lic), at(0));
    granted(l.claim(claim(1, "render"), at(0)));
    for t in (0..600_000).step_by(20_000) {
        place(l.claim(claim(2, "render"), at(t)));
    }
    l.claim(claim(2, "render"), at(600_000))
        .map(|_| ())
        .unwrap();
    l.tick(at(601_030));
    assert_eq!(states(&l, at(601_030)), [("ns/p2".into(), ViewState::Held)]);
}

#[test]
fn a_license_that_demands_proof_is_obeyed_at_once_and_so_is_one_that_does_not() {
    let held = |l: &mut Ledger, t| {
        l.tick(at(t));
        l.pools()[0].used
    };
    let mut l = seats(1);
    granted(l.claim(claim(1, "render"), at(0)));
    // Silent already when the new license comes.
    l.tick(at(25_000));
    l.set_reclaim(Reclaim::Confirmed, at(25_000));
    assert_eq!((held(&mut l, 40_000), held(&mut l, 600_000)), (1, 1));
    assert_eq!(held(&mut l, 601_100), 0);

    granted(l.claim(claim(2, "render"), at(700_000)));
    assert_eq!(held(&mut l, 720_500), 1, "silent, until its grace");
    l.set_reclaim(Reclaim::Any, at(720_500));
    assert_eq!((held(&mut l, 731_000), held(&mut l, 731_100)), (1, 0));
}

#[derive(Clone, Debug)]
enum Op {
    Claim(u8, u8),
    Renew(u8),
    Release(u8),
    Gone(u8),
    Wait(u16),
    Resize(u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..8u8, 1..3u8).prop_map(|(n, s)| Op::Claim(n, s)),
        3 => (0..8u8).prop_map(Op::Renew),
        2 => (0..8u8).prop_map(Op::Release),
        1 => (0..8u8).prop_map(Op::Gone),
        3 => (1..20_000u16).prop_map(Op::Wait),
        1 => (0..5u8).prop_map(Op::Resize),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn in_every_history_seats_are_kept_and_the_books_add_up(ops in proptest::collection::vec(op(), 1..120)) {
        let mut l = seats(3);
        let (mut now, mut cap, mut fresh) = (0u64, 3u32, 0u16);
        let mut most_since_resize = 0u32;
        let mut secrets: std::collections::HashMap<u8, (Secret, u64)> = std::collections::HashMap::new();
        for o in ops {
            match o {
                Op::Wait(ms) => { now += u64::from(ms); l.tick(at(now)); }
                Op::Resize(n) => {
                    cap = u32::from(n);
                    most_since_resize = l.pools()[0].used;
                    relicense(&mut l, one(&license(&[("r", cap)], &[("render", "r")])), at(now));
                }
                Op::Gone(n) => { l.gone(&[pod(n).key()], at(now)); secrets.remove(&n); }
                Op::Claim(n, s) => {
                    fresh += 1;
                    let mut id = [0u8; 16];
                    id[..2].copy_from_slice(&fresh.to_be_bytes());
                    let mut bytes = [n; 32];
                    bytes[..2].copy_from_slice(&fresh.to_be_bytes());
                    let (sec, _) = secrets.entry(n).or_insert((Secret::from_bytes(bytes), 0));
                    let mut c = claim(n, "render");
                    c.items[0].seats = Seats::new(u32::from(s)).unwrap();
                    c.secret_hash = sec.hash();
                    c.new_id = LeaseId::from_bytes(id);
                    let _ = l.claim(c, at(now));
                }
                Op::Renew(n) => {
                    if let Some((sec, counter)) = secrets.get_mut(&n)
                        && let Some(lease) = l.lease_of(&pod(n).key(), &ClaimName::pod()) {
                        *counter += 1;
                        let r = Renewal { lease, secret: sec.clone(), counter: *counter, request_id: RequestId::from_bytes([n; 16]), have: None };
                        let _ = l.renew(&r, at(now));
                    }
                }
                Op::Release(n) => {
                    if let Some((sec, _)) = secrets.get(&n).cloned()
                        && let Some(lease) = l.lease_of(&pod(n).key(), &ClaimName::pod()).filter(|id| l.status(*id).is_some()) {
                        prop_assert_eq!(l.release(&ClaimName::pod(), lease, &sec, None, at(now)), Ok(true));
                        secrets.remove(&n);
                    }
                }
            }
            let used = l.pools()[0].used;
            prop_assert!(used <= cap.max(most_since_resize), "used {} of {}", used, cap);
            most_since_resize = most_since_resize.min(used).max(if used > cap { used } else { 0 });
            let held: u32 = l.entries.iter().filter(|e| matches!(e.state, entry::State::Held { .. })).map(|e| e.items()[0].seats.get()).sum();
            prop_assert_eq!(held, used, "the books add up");
            let waiting = l.entries.iter().filter(|e| matches!(e.state, entry::State::Queued { .. })).count();
            prop_assert_eq!(waiting, l.queue.len());
            // The head of the queue waits only because it does not fit.
            if let Some(rank) = l.queue.all().into_iter().min() {
                let want = l.entries.get(&rank.id).unwrap().items()[0].seats.get();
                prop_assert!(want > cap.saturating_sub(used), "the head waits though {} of {} are used", used, cap);
            }
            for e in l.entries.iter() {
                prop_assert!(at(now) < e.last + D + l.margin() || matches!(e.state, entry::State::Refused(_)), "{:?} outlived its holder's silence", e.id);
            }
        }
    }
}

#[test]
fn product_names_are_compared_whole() {
    let _ = ProductName::new("render").unwrap();
    let mut l = seats(1);
    assert_eq!(
        refused(l.claim(claim(1, "render2"), at(0))).0,
        ProblemType::UnknownProduct
    );
}

fn on_node(n: u8, node: &str, what: &str) -> Claim {
    let Holder::Pod {
        namespace,
        pod,
        uid,
        service_account,
        ..
    } = pod(n)
    else {
        unreachable!()
    };
    let node = Some(node.to_owned());
    Claim {
        holder: Holder::Pod {
            namespace,
            pod,
            uid,
            service_account,
            node,
        },
        ..claim(n, what)
    }
}

/// One pool of `n` seats; "render" is counted by node, "trace" by claim.
fn by_node(n: u32) -> Ledger {
    let mut l = license(&[("r", n)], &[("render", "r"), ("trace", "r")]);
    l.products[0].count_by = crate::license::CountBy::Node;
    Ledger::new(settings(1, Duration::ZERO), one(&l), at(0))
}

#[test]
fn claims_that_count_as_one_take_as_many_seats_as_the_largest_of_them() {
    let mut l = by_node(4);
    let used = |l: &Ledger| l.pools()[0].used;
    let a = granted(l.claim(on_node(1, "n1", "render:2"), at(0)));
    assert_eq!(used(&l), 2);
    let b = granted(l.claim(on_node(2, "n1", "render:3"), at(1)));
    assert_eq!(used(&l), 3, "the larger adds what it has more");
    granted(l.claim(on_node(3, "n1", "render"), at(2)));
    granted(l.claim(on_node(4, "n2", "render"), at(3)));
    assert_eq!(used(&l), 4);
    // Another node's claim waits, one of the first node's does not: its seats are there.
    place(l.claim(on_node(5, "n3", "render"), at(4)));
    granted(l.claim(on_node(6, "n1", "render:3"), at(5)));
    // The largest leave; who is left needs less, and the waiting node gets its seat in that step.
    let free = |l: &mut Ledger, g: &Granted, n: u8, t| {
        l.release(&ClaimName::pod(), g.lease, &secret(n), None, at(t))
            .unwrap()
    };
    free(&mut l, &b, 2, 6);
    assert_eq!(used(&l), 4, "another claim of the node still has three");
    let six = l.lease_of(&pod(6).key(), &ClaimName::pod()).unwrap();
    l.release(&ClaimName::pod(), six, &secret(6), None, at(7))
        .unwrap();
    assert_eq!(used(&l), 4, "two of n1, one of n2, one of n3");
    assert!(l.views(at(8)).iter().all(|v| v.state == ViewState::Held));
    free(&mut l, &a, 1, 9);
    assert_eq!(used(&l), 3);
}

/// What docs/licenses.md warns of: who a subject is on Kubernetes.
#[test]
fn pods_of_one_service_account_are_one_subject() {
    use crate::license::CountBy;
    for (by, seats) in [
        (CountBy::Subject, 1),
        (CountBy::ServiceAccount, 1),
        (CountBy::Pod, 5),
        (CountBy::Node, 5),
        (CountBy::Claim, 5),
    ] {
        let mut l = license(&[("r", 5)], &[("render", "r")]);
        l.products[0].count_by = by;
        let mut l = Ledger::new(settings(1, Duration::ZERO), one(&l), at(0));
        for n in 1..=5 {
            // All of account `default`; their tokens name no node.
            granted(l.claim(claim(n, "render"), at(n.into())));
        }
        assert_eq!(l.pools()[0].used, seats, "{by:?}");
    }
}

#[test]
fn a_claim_whose_seats_others_have_overtakes_nobody_who_waits_for_seats() {
    let mut l = by_node(2);
    granted(l.claim(on_node(1, "n1", "render"), at(0)));
    let t = granted(l.claim(on_node(2, "n2", "trace"), at(1)));
    place(l.claim(on_node(3, "n3", "trace:2"), at(2)));
    let four = place(l.claim(on_node(4, "n4", "render"), at(3)));
    granted(l.claim(on_node(5, "n1", "render"), at(4)));
    // When n4's first claim is granted at last, its second needs nothing more.
    let six = place(l.claim(on_node(6, "n4", "render"), at(5)));
    l.release(&ClaimName::pod(), t.lease, &secret(2), None, at(6))
        .unwrap();
    assert!(
        matches!(l.status(four.lease), Some(Claimed::Waiting(_))),
        "free seats gather for the head"
    );
    let three = l.lease_of(&pod(3).key(), &ClaimName::pod()).unwrap();
    l.release(&ClaimName::pod(), three, &secret(3), None, at(7))
        .unwrap();
    assert!(matches!(l.status(four.lease), Some(Claimed::Granted(_))));
    assert!(matches!(l.status(six.lease), Some(Claimed::Granted(_))));
}

#[test]
fn a_revoked_holder_is_told_and_its_seat_is_free_only_when_its_lease_has_run_out() {
    let mut l = seats(1);
    let g = granted(l.claim(claim(1, "render"), at(0)));
    let waiter = place(l.claim(claim(2, "render"), at(1)));
    l.revoke(&pod(1).key(), Some("sold"), at(1000));
    let r = l.renew(&renewal(1, g.lease, 1, 1), at(2000)).unwrap_err();
    assert_eq!(r, Refusal::Revoked("sold".into()));
    assert_eq!(
        refused(l.claim(claim(1, "render"), at(3000))).0,
        ProblemType::Revoked
    );
    // Who looks sees until when it has its seat, before it is silent.
    let seen = l.views(at(3000));
    let seen = seen.iter().find(|v| v.lease == g.lease).unwrap();
    assert_eq!(
        (seen.state, seen.free_in_ms),
        (ViewState::Held, Some(28_030))
    );
    // What it asked since then was no sign of life; the seat follows its last good request.
    place(l.claim(claim(2, "render"), at(20_000)));
    l.tick(at(31_029));
    assert!(matches!(l.status(waiter.lease), Some(Claimed::Waiting(_))));
    l.tick(at(31_030));
    assert!(matches!(l.status(waiter.lease), Some(Claimed::Granted(_))));
    // Lifted, it waits like anyone.
    l.revoke(&pod(1).key(), None, at(32_000));
    place(l.claim(claim(1, "render"), at(33_000)));
    // And a revoked one loses its place at once.
    l.revoke(&pod(1).key(), Some("again"), at(34_000));
    assert_eq!(
        states(&l, at(34_000))
            .iter()
            .filter(|s| s.1 == ViewState::Refused)
            .count(),
        1
    );
}

#[test]
fn overlap_is_counted_until_the_application_must_stop_and_then_it_waits_like_others() {
    let mut l = seats(1);
    granted(l.claim(claim(1, "render"), at(0)));
    let mut back = comes_back(2, &held(&granted_as(2)));
    back.runs_for = Some(Duration::from_secs(10));
    let ordinary = place(l.claim(claim(3, "render"), at(1)));
    assert_eq!(
        place(l.claim(back.clone(), at(2))).place,
        1,
        "contested goes first"
    );
    assert_eq!((l.gauges().contested, l.gauges().overlap_seats), (1, 1));
    assert_eq!(place(l.claim(claim(3, "render"), at(3))).place, 2);
    l.tick(at(10_002));
    assert_eq!((l.gauges().contested, l.gauges().overlap_seats), (0, 0));
    assert_eq!(
        place(l.claim(claim(3, "render"), at(10_003))).lease,
        ordinary.lease
    );
    assert_eq!(
        place(l.claim(claim(3, "render"), at(10_003))).place,
        1,
        "the other arrived later"
    );
}

#[test]
fn a_late_duplicate_changes_neither_rank_nor_brings_a_claim_back() {
    let mut l = seats(1);
    let g = granted(l.claim(claim(1, "render"), at(0)));
    let mut back = comes_back(2, &held(&granted_as(2)));
    back.counter = Some(7);
    place(l.claim(claim(3, "render"), at(1)));
    place(l.claim(back, at(2)));
    let mut late = claim(2, "render");
    late.counter = Some(1);
    assert_eq!(
        refused(l.claim(late.clone(), at(3))).0,
        ProblemType::Cloned,
        "to nobody, or to a copy that fell behind"
    );
    assert_eq!(place(l.claim(claim(3, "render"), at(3))).place, 2);
    assert_eq!(l.gauges().contested, 1);
    // Both fall silent; the late one comes again, an hour later.
    l.tick(at(100_000));
    assert_eq!(
        refused(l.claim(late, at(100_001))).1.as_deref(),
        Some("counter")
    );
    assert_eq!(
        l.renew(&renewal(1, g.lease, 9, 9), at(100_002))
            .map_err(Problem::from)
            .unwrap_err()
            .kind,
        ProblemType::UnknownLease
    );
}

#[test]
fn a_smaller_license_refuses_who_waits_for_more_than_it_has_and_nobody_who_runs() {
    let mut l = seats(3);
    granted(l.claim(claim(1, "render:2"), at(0)));
    let big = place(l.claim(claim(2, "render:3"), at(1)));
    let mut runs = comes_back(3, &held(&granted_as(3)));
    runs.items = request::parse("render:3").unwrap();
    place(l.claim(runs.clone(), at(2)));
    let small = place(l.claim(claim(4, "render"), at(3)));
    let two = license(&[("r", 2)], &[("render", "r")]);
    relicense(&mut l, one(&two), at(4));
    assert_eq!(l.status(big.lease), None, "refused");
    assert_eq!(
        refused(l.claim(claim(2, "render:3"), at(5))).0,
        ProblemType::ExceedsSeats
    );
    // Contested, not thrown out.
    let said = place(l.claim(runs, at(6))).message;
    assert!(said.contains("can never grant it"), "{said}");
    assert_eq!(
        place(l.claim(claim(4, "render"), at(7))).place,
        1,
        "it stands in nobody's way"
    );
    let one = l.lease_of(&pod(1).key(), &ClaimName::pod()).unwrap();
    l.release(&ClaimName::pod(), one, &secret(1), None, at(8))
        .unwrap();
    assert!(matches!(l.status(small.lease), Some(Claimed::Granted(_))));
}

/// What a holder got from an earlier server.
fn granted_as(n: u8) -> Granted {
    granted(seats(1).claim(claim(n, "render"), at(0)))
}

/// The lease that it shows, too old to be taken in.
fn held(g: &Granted) -> HeldLease {
    HeldLease {
        unexpired: false,
        counter: 4,
        ..shown(g, 9)
    }
}

#[test]
fn a_lease_is_taken_in_from_the_pools_it_had() {
    // "render" draws on its own pool first, then on the suite's; "all" needs a seat of each.
    let l = license(&[("r", 1), ("s", 1)], &[("render", "r|s"), ("all", "r")]);
    let mut first = Ledger::new(settings(1, Duration::ZERO), one(&l), at(0));
    let all = granted(first.claim(claim(1, "all"), at(0)));
    let render = granted(first.claim(claim(2, "render"), at(1)));
    let mut second = Ledger::new(settings(2, Duration::from_secs(31)), one(&l), at(2000));
    // The one that has the suite's seat comes first: it leaves the other pool alone.
    let mut back = comes_back(2, &shown(&render, 1));
    assert_eq!(
        granted(second.claim(back.clone(), at(2001))).lease,
        render.lease
    );
    back = comes_back(1, &shown(&all, 1));
    back.items = request::parse("all").unwrap();
    assert_eq!(granted(second.claim(back, at(2002))).lease, all.lease);
}

#[test]
fn a_holder_of_two_claims_is_in_when_both_are() {
    let (held, _) = before_restart();
    let mut l = second_run(Duration::from_secs(60));
    l.expected(&[pod(1).key()], &[], at(2001));
    let mut one = comes_back(1, &held[0]);
    let other: ClaimName = "other".parse().unwrap();
    one.others = vec![other.clone()];
    granted(l.claim(one, at(2002)));
    assert!(l.settling(), "its other claim may still be held");
    let mut two = claim(1, "render");
    two.name = other;
    two.new_id = LeaseId::from_bytes([77; 16]);
    two.others = vec![ClaimName::pod()];
    place(l.claim(two.clone(), at(2003)));
    assert!(l.settling(), "that may have been a duplicate from long ago");
    two.heard = Some(InstanceId::from_bytes([2; 16]));
    granted(l.claim(two, at(2004)));
    assert!(!l.settling());
}

#[test]
fn a_copy_that_fell_behind_gives_back_nothing() {
    let mut l = seats(1);
    let a = granted(l.claim(claim(1, "render"), at(0))).lease;
    l.renew(&renewal(1, a, 2, 1), at(1)).unwrap();
    let late = l.release(&ClaimName::pod(), a, &secret(1), Some(2), at(2));
    assert_eq!(
        late.map_err(Problem::from).unwrap_err().kind,
        ProblemType::Cloned
    );
    assert_eq!(
        l.release(&ClaimName::pod(), a, &secret(1), Some(3), at(3)),
        Ok(true)
    );
}

#[test]
fn a_longer_lease_of_an_earlier_run_is_waited_for() {
    let (held, _) = before_restart();
    let mut l = second_run(Duration::from_millis(31_030));
    let mut long = held[0].clone();
    long.lease_for = 2 * D;
    long.age = Some(Duration::from_secs(1));
    granted(l.claim(comes_back(1, &long), at(2000)));
    // It may never hear of the shorter lease.
    l.tick(at(2000 + 31_030));
    assert_eq!(l.gauges().silent, 1);
    l.tick(at(1000 + 61_059));
    assert_eq!(l.gauges().silent, 1);
    l.tick(at(1000 + 61_060));
    assert_eq!(l.gauges().silent, 0);
}

#[test]
fn a_duplicate_that_came_first_does_not_cost_the_lease() {
    let (held, _) = before_restart();
    let mut l = second_run(Duration::from_secs(60));
    let ghost = place(l.claim(claim(1, "render"), at(2001)));
    let back = granted(l.claim(comes_back(1, &held[0]), at(2002)));
    assert_eq!(back.lease, held[0].lease);
    assert_eq!(
        l.status(ghost.lease)
            .map(|c| matches!(c, Claimed::Granted(_))),
        Some(true),
        "the same id, granted"
    );
    assert_eq!((l.gauges().held, l.gauges().waiting), (1, 0));

    // So does one of an earlier claim of this name, which had another secret.
    let mut l = second_run(Duration::from_secs(60));
    let mut old = claim(1, "render");
    (old.secret_hash, old.new_id) = (secret(77).hash(), LeaseId::from_bytes([77; 16]));
    place(l.claim(old, at(2001)));
    let back = granted(l.claim(comes_back(1, &held[0]), at(2002)));
    assert_eq!(back.lease, held[0].lease);
    assert_eq!((l.gauges().held, l.gauges().waiting), (1, 0));
}
