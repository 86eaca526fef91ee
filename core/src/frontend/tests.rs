//! What the frontend promises: nothing is granted that cannot be signed, what is granted is signed,
//! nobody waits without bound.

#![allow(clippy::unwrap_used, clippy::panic)]

mod dates;
pub(crate) mod testing;

use super::{Asked, Authority, ClaimAnswer, Frontend, Proven};
use crate::identity::Holder;
use crate::ledger::{Capacity, Claimed, Ledger, Limits, Settings};
use crate::license::Digest;
use crate::names::{ClaimName, InstanceId, LeaseId, RequestId};
use crate::policy::Reclaim;
use crate::reason::AnchorReason;
use crate::secret::Secret;
use crate::time::{BootTime, Now};
use crate::wire::{ClaimRequest, Problem, ProblemType, Renewal, Stance, Standing};
use std::sync::Arc;
use std::time::Duration;
use testing::{at, authority};

const NOON: &str = "2026-05-01T12:00:00Z";
const D: u64 = 30;

fn now(secs: u64) -> Now {
    Now {
        boot: BootTime::from_millis(secs * 1000),
        wall: at(NOON).checked_add(Duration::from_secs(secs)).unwrap(),
    }
}

fn secret(n: u8) -> Secret {
    Secret::from_bytes([n; 32])
}

/// A frontend with two seats that settles for so long.
fn frontend(authority: Authority, settle: u64) -> Frontend<u8> {
    let settings = Settings {
        instance: InstanceId::from_bytes([1; 16]),
        generation: 1,
        lease_for: Duration::from_secs(D),
        settle: Duration::from_secs(settle),
        reclaim: Reclaim::Any,
        grace: Duration::from_secs(3600),
        outsiders: false,
        limits: Limits::default(),
    };
    let in_force = authority.in_force.clone().unwrap();
    let capacity = Capacity::of(in_force.licenses().map(|l| (&l.license, &l.digest)));
    Frontend::new(
        Ledger::new(settings, capacity, now(0).boot),
        authority,
        now(0),
    )
}

fn body(n: u8) -> ClaimRequest {
    ClaimRequest {
        items: crate::request::parse("render").unwrap(),
        secret_hash: secret(n).hash(),
        bind: None,
        project: None,
        request_id: RequestId::from_bytes([n; 16]),
        standing: Standing::Seeking,
        licensed_for: None,
        counter: Some(1),
        others: Vec::new(),
        heard: None,
        stance: Stance::Gathers,
        part: false,
        clock_ahead_secs: None,
        ticket: None,
        held: None,
        secret: None,
        holder: None,
    }
}

fn holder(n: u8) -> Holder {
    Holder::External {
        subject: format!("h{n}"),
    }
}

fn claims(f: &mut Frontend<u8>, n: u8, wait: u64, entitled: Result<(), Problem>, t: Now) {
    claims_as(f, (n, &body(n)), wait, entitled, t);
}

fn claims_as(
    f: &mut Frontend<u8>,
    (n, body): (u8, &ClaimRequest),
    wait: u64,
    entitled: Result<(), Problem>,
    t: Now,
) {
    let asked = Asked {
        name: ClaimName::pod(),
        body,
        proven: Proven {
            holder: holder(n),
            ticket: None,
            held: None,
            claims: None,
            dates: Vec::new(),
            bad: Vec::new(),
        },
        entitled,
        wait: (wait > 0).then(|| Duration::from_secs(wait)),
        new_id: LeaseId::from_bytes([n; 16]),
    };
    f.claim(n, asked, t);
}

/// How the next answer stands: `held`, `waits`, or the problem.
fn answer(f: &mut Frontend<u8>) -> Option<(u8, &'static str)> {
    let word = |a: ClaimAnswer| match a {
        Ok((Claimed::Granted(_), _)) => "held",
        Ok((Claimed::Waiting(_), _)) => "waits",
        Err(p) => p.kind.name(),
    };
    f.next_answer().map(|(n, a)| (n, word(a)))
}

fn held(f: &Frontend<u8>) -> u64 {
    f.ledger().gauges().held
}

#[test]
fn what_cannot_be_signed_is_not_granted_though_nobody_has_looked_meanwhile() {
    let mut f = frontend(authority(NOON), 0);
    claims(&mut f, 1, 0, Ok(()), now(1));
    assert_eq!(answer(&mut f), Some((1, "held")));
    // The clock is set to after the license's end: the books hear of it in this very step.
    let mut late = now(2);
    late.wall = at("2027-03-02T00:00:00Z");
    claims(&mut f, 2, 0, Ok(()), late);
    assert_eq!(answer(&mut f), Some((2, "license-invalid")));
    assert_eq!(held(&f), 1, "no seat is kept for who was told no");
    // And out of the delegation: only a fresh one is missed.
    let mut jumped = now(3);
    jumped.wall = at("2026-05-01T18:00:00Z");
    assert!(f.awaits_delegation(jumped));
    claims(&mut f, 3, 0, Ok(()), jumped);
    assert_eq!(answer(&mut f), Some((3, "anchor-lost")));
    assert_eq!(held(&f), 1);
    // Once the clock is right they have their seat.
    claims(&mut f, 2, 0, Ok(()), now(4));
    assert_eq!(answer(&mut f), Some((2, "held")));
}

/// A part of a claim: its `count`-th request.
fn a_part(n: u8, stance: Stance, count: u64) -> ClaimRequest {
    ClaimRequest {
        part: true,
        stance,
        counter: Some(count),
        request_id: RequestId::from_bytes([n + 10 * u8::try_from(count).unwrap(); 16]),
        ..body(n)
    }
}

#[test]
fn a_part_hears_at_once_that_it_is_the_first_and_that_it_is_granted() {
    let mut f = frontend(authority(NOON), 0);
    for n in [1, 2] {
        claims(&mut f, n, 0, Ok(()), now(1));
        assert_eq!(answer(&mut f), Some((n, "held")));
    }
    for n in [3, 4] {
        let rests = a_part(n, Stance::Rests, 1);
        claims_as(&mut f, (n, &rests), 0, Ok(()), now(2));
        assert_eq!(answer(&mut f), Some((n, "waits")));
    }
    // Who is the first is told so, however long it would wait; the other is held open.
    for n in [3, 4] {
        let rests = a_part(n, Stance::Rests, 2);
        claims_as(&mut f, (n, &rests), 10, Ok(()), now(3));
    }
    assert_eq!(answer(&mut f), Some((3, "waits")));
    assert_eq!(answer(&mut f), None);
    // The first takes its part, which is not there yet.
    let takes = a_part(3, Stance::Gathers, 3);
    claims_as(&mut f, (3, &takes), 0, Ok(()), now(4));
    assert_eq!(answer(&mut f), Some((3, "waits")));
    let takes = a_part(3, Stance::Gathers, 4);
    claims_as(&mut f, (3, &takes), 10, Ok(()), now(4));
    assert_eq!(answer(&mut f), None);
    let lease = LeaseId::from_bytes([1; 16]);
    f.act(now(5), |l, t| {
        l.release(&ClaimName::pod(), lease, &secret(1), None, t)
    })
    .unwrap();
    let mut told = vec![answer(&mut f).unwrap(), answer(&mut f).unwrap()];
    told.sort_unstable();
    assert_eq!(told, [(3, "held"), (4, "waits")], "both in that step");
}

#[test]
fn who_comes_back_when_it_is_told_to_keeps_its_place_however_long_nothing_is_granted() {
    let mut f = frontend(authority(NOON), 0);
    for n in 1..=3 {
        claims(&mut f, n, 0, Ok(()), now(1));
    }
    while f.next_answer().is_some() {}
    let mut t = 2;
    while t < 10 * D {
        let mut later = now(t);
        later.wall = at("2027-03-02T00:00:00Z");
        claims(&mut f, 3, 0, Ok(()), later);
        let Some((3, Err(told))) = f.next_answer() else {
            panic!("it is told why it waits")
        };
        assert_eq!(told.kind, ProblemType::LicenseInvalid);
        let retry = told.retry_after_secs.unwrap();
        assert!(retry <= D / 3, "{retry} s, and a place lives {D} s");
        t += retry;
        f.tick(Now {
            boot: now(t).boot,
            ..later
        });
        assert_eq!(f.ledger().gauges().waiting, 1, "at {t} s");
    }
}

#[test]
fn a_request_is_held_open_until_it_is_granted_and_half_a_lease_at_most() {
    let mut f = frontend(authority(NOON), 0);
    for n in 1..=2 {
        claims(&mut f, n, 0, Ok(()), now(1));
        assert_eq!(answer(&mut f), Some((n, "held")));
    }
    claims(&mut f, 3, 600, Ok(()), now(2));
    assert_eq!(answer(&mut f), None);
    assert_eq!(f.next_deadline().min(now(17).boot), now(17).boot);
    f.tick(now(16));
    assert_eq!(answer(&mut f), None);
    f.tick(now(17));
    assert_eq!(answer(&mut f), Some((3, "waits")), "half a lease");
    claims(&mut f, 3, 600, Ok(()), now(18));
    let lease = LeaseId::from_bytes([1; 16]);
    f.release(&ClaimName::pod(), lease, &secret(1), Some(2), now(19))
        .unwrap();
    assert_eq!(answer(&mut f), Some((3, "held")), "in the same step");
    // The server ends: who waits is answered, and nobody waits any more.
    claims(&mut f, 4, 600, Ok(()), now(20));
    assert_eq!(answer(&mut f), None);
    f.close(now(21));
    assert_eq!(answer(&mut f), Some((4, "waits")));
    claims(&mut f, 5, 600, Ok(()), now(21));
    assert_eq!(answer(&mut f), Some((5, "waits")));
}

#[test]
fn who_comes_back_to_a_run_that_settles_is_answered_at_once() {
    let mut f = frontend(authority(NOON), 31);
    claims(&mut f, 1, 600, Ok(()), now(1));
    assert_eq!(answer(&mut f), Some((1, "waits")));
}

#[test]
fn without_the_anchor_nothing_is_granted_and_renewals_are_heard_all_the_same() {
    let mut f = frontend(authority(NOON), 0);
    claims(&mut f, 1, 0, Ok(()), now(1));
    assert_eq!(answer(&mut f), Some((1, "held")));
    let mut lost = authority(NOON);
    lost.lost_since = Some(now(2).boot);
    lost.anchor.reason = AnchorReason::TokenLost;
    f.set_authority(Arc::new(lost), now(2));
    claims(&mut f, 2, 0, Ok(()), now(3));
    assert_eq!(answer(&mut f), Some((2, "anchor-lost")));
    let mut renew = |counter, t: Now| {
        let r = Renewal {
            lease: LeaseId::from_bytes([1; 16]),
            secret: secret(1),
            counter,
            request_id: RequestId::from_bytes([9; 16]),
            have: None,
        };
        let (renewed, may) = f.renew(&[r], |_| Ok(()), t);
        (renewed[0].1.is_ok(), may.map_err(|p| p.kind).err())
    };
    for (i, t) in (10..600).step_by(20).enumerate() {
        assert_eq!(renew(i as u64 + 2, now(t)), (true, None), "{t}");
    }
    // Beyond the grace nothing is signed, and the holder is alive in the books.
    assert_eq!(renew(90, now(603)), (true, Some(ProblemType::AnchorLost)));
}

#[test]
fn who_is_not_entitled_is_refused_and_seen_in_the_books() {
    let mut f = frontend(authority(NOON), 0);
    let no = Problem::new(ProblemType::NotEntitled, "another namespace");
    claims(&mut f, 1, 600, Err(no), now(1));
    assert_eq!(answer(&mut f), Some((1, "not-entitled")));
    assert_eq!((held(&f), f.ledger().gauges().refused), (0, 1));
}

#[test]
fn a_license_issued_anew_is_free_of_what_a_fast_clock_left_with_holders() {
    let mut f = frontend(authority(NOON), 0);
    let digest = f.authority().in_force.clone().unwrap().licenses[0]
        .open
        .digest
        .clone();
    let shows = |f: &mut Frontend<u8>, date: &str| {
        let asked = Asked {
            name: ClaimName::pod(),
            body: &body(1),
            proven: Proven {
                holder: holder(1),
                ticket: None,
                held: None,
                claims: None,
                dates: vec![(digest.clone(), at(date))],
                bad: Vec::new(),
            },
            entitled: Ok(()),
            wait: None,
            new_id: LeaseId::from_bytes([1; 16]),
        };
        f.claim(1, asked, now(1));
        answer(f).map(|(_, a)| a)
    };
    assert_eq!(
        shows(&mut f, "2026-05-02T11:00:00Z"),
        Some("held"),
        "less than a day"
    );
    assert_eq!(
        shows(&mut f, "2026-05-03T12:00:00Z"),
        Some("license-invalid")
    );
    assert_eq!(
        shows(&mut f, "2026-05-02T12:00:00Z"),
        Some("license-invalid"),
        "the latest counts"
    );
    let mut anew = authority(NOON);
    let mut in_force = (*anew.in_force.unwrap()).clone();
    in_force.delegation.licenses = vec![Digest("anew".into())];
    anew.in_force = Some(Arc::new(in_force));
    f.set_authority(Arc::new(anew), now(2));
    assert!(f.may_sign(now(2)).is_ok());
}
