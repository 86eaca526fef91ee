use super::super::refusals::{COUNTED, OF_A_HOLDER};
use super::*;
use crate::identity::{Holder, HolderKey};
use crate::ledger::Event;
use crate::ledger::Part;
use crate::license::{Digest, TokenDraw};
use crate::names::{ClaimName, LeaseId};
use crate::time::BootTime;
use crate::wire::{EndReason, LeaseView, Problem, ProblemType, ViewState};
use std::time::Duration;

const NOW: BootTime = BootTime::from_millis(1000);

fn holder(subject: &str) -> Holder {
    Holder::External {
        subject: subject.into(),
    }
}

fn event(n: u8, state: ViewState) -> Event {
    let items = crate::request::parse("render:2").unwrap();
    let lease = LeaseId::from_bytes([n; 16]);
    let view = LeaseView::new(
        lease,
        ClaimName::pod(),
        holder("ann"),
        items,
        state,
        Duration::ZERO,
    );
    Event {
        seq: 0,
        view,
        parts: vec![Part {
            license: Digest("d".into()),
            items: Vec::new(),
            draws: vec![TokenDraw {
                pool: "p".parse().unwrap(),
                seats: 2,
            }],
        }],
        overdraft: 0,
    }
}

fn with_problem(n: u8, state: ViewState, kind: ProblemType) -> Event {
    let mut e = event(n, state);
    e.view.problem = Some(Problem::new(kind, "why"));
    e
}

fn ended(n: u8, how: EndReason) -> Event {
    let mut e = event(n, ViewState::Ended);
    e.view.ended = Some(how);
    e
}

fn by(about: About) -> Actor {
    Actor {
        credential: Credential::Operator,
        about,
    }
}

fn claims() -> Actor {
    Actor {
        credential: Credential::ServiceAccountToken,
        about: About::Claim(holder("ann").key(), ClaimName::pod()),
    }
}

/// What is recorded of these: the event, and whether somebody is named for it.
fn told(trail: &mut Trail, steps: &[(Event, Option<Actor>)]) -> Vec<(&'static str, bool)> {
    for (e, actor) in steps {
        trail.happened(e, actor.as_ref(), NOW);
    }
    facts(trail)
        .into_iter()
        .map(|f| (f.event.as_str(), f.credential.is_some()))
        .collect()
}

fn facts(trail: &mut Trail) -> Vec<Fact> {
    std::iter::from_fn(|| trail.next_fact()).collect()
}

#[test]
fn a_claims_life_is_recorded_once_for_each_turn_and_no_plain_renewal() {
    use ViewState::{Held, Silent, Waiting};
    let mut trail = Trail::default();
    let steps = [
        (event(1, Waiting), Some(claims())),
        // It moves up; another's step grants it; it misses renewals, and comes back.
        (event(1, Waiting), None),
        (
            event(1, Held),
            Some(by(About::Lease(LeaseId::from_bytes([9; 16])))),
        ),
        (event(1, Silent), None),
        (event(1, Held), None),
        (with_problem(1, Held, ProblemType::NotEntitled), None),
        // Of a silent one less is shown.
        (event(1, Silent), None),
        (with_problem(1, Held, ProblemType::NotEntitled), None),
        (event(1, Held), None),
        (ended(1, EndReason::Expired), Some(claims())),
    ];
    assert_eq!(
        told(&mut trail, &steps),
        [
            ("claimed", true),
            ("granted", true),
            ("calledBack", false),
            ("kept", false),
            ("ended", false)
        ]
    );
}

#[test]
fn who_ends_a_lease_is_named_and_who_comes_after_is_not_its_deed() {
    let lease = LeaseId::from_bytes([1; 16]);
    let mut trail = Trail::default();
    let gives_back = Actor {
        credential: Credential::Secret,
        about: About::Lease(lease),
    };
    let steps = [
        (event(1, ViewState::Held), Some(claims())),
        (event(2, ViewState::Waiting), Some(claims())),
        (ended(1, EndReason::Released), Some(gives_back)),
        (event(2, ViewState::Held), Some(by(About::Lease(lease)))),
    ];
    trail.happened(&steps[0].0, steps[0].1.as_ref(), NOW);
    let first = facts(&mut trail);
    assert_eq!(first[0].event, AuditEvent::Reinstated, "it never waited");
    for (e, actor) in &steps[1..] {
        trail.happened(e, actor.as_ref(), NOW);
    }
    let found = facts(&mut trail);
    assert_eq!(found[1].how, Some(EndReason::Released));
    assert_eq!(found[1].credential, Some(Credential::Secret));
    assert_eq!(found[2].event, AuditEvent::Granted);
    assert_eq!(
        found[2].credential,
        Some(Credential::ServiceAccountToken),
        "that of its own claim"
    );
    assert_eq!(found[2].draws.len(), 1);
}

#[test]
fn an_administrators_deeds_name_the_administrator() {
    let lease = LeaseId::from_bytes([1; 16]);
    let mut trail = Trail::default();
    let taken = with_problem(1, ViewState::Silent, ProblemType::GivenBack);
    let steps = [
        (event(1, ViewState::Held), None),
        (taken, Some(by(About::Lease(lease)))),
        (
            ended(1, EndReason::Gone),
            Some(by(About::Holders([holder("ann").key()].into()))),
        ),
    ];
    assert_eq!(
        told(&mut trail, &steps),
        [("reinstated", false), ("calledBack", true), ("ended", true)]
    );
    trail.barred(
        &HolderKey("uid".into()),
        Some("astray"),
        Some(Credential::Operator),
    );
    trail.barred(&HolderKey("uid".into()), None, None);
    let found = facts(&mut trail);
    assert_eq!(found[0].event, AuditEvent::Revoked);
    assert_eq!(found[0].why.as_deref(), Some("astray"));
    assert_eq!(found[1].event, AuditEvent::Lifted);
}

fn refused(trail: &mut Trail, subject: &str, claim: &str, kind: ProblemType, now: BootTime) {
    let (holder, claim) = (holder(subject), claim.parse().unwrap());
    trail.refused((&holder, &claim, &[]), None, kind, now);
}

#[test]
fn refusals_that_repeat_are_counted() {
    let mut trail = Trail::default();
    let again = |trail: &mut Trail, n| {
        for _ in 0..n {
            refused(trail, "ann", "pod", ProblemType::UnknownProduct, NOW);
        }
    };
    again(&mut trail, 100);
    refused(&mut trail, "ann", "pod", ProblemType::Cloned, NOW);
    refused(&mut trail, "bob", "pod", ProblemType::UnknownProduct, NOW);
    assert_eq!(facts(&mut trail).len(), 3, "each kind once");
    trail.count(NOW + COUNTED - Duration::from_millis(1));
    assert_eq!(facts(&mut trail), []);
    trail.count(NOW + COUNTED);
    let found = facts(&mut trail);
    assert_eq!((found.len(), found[0].times), (1, Some(99)));
    // From there on it is news again; and at the end all is told.
    again(&mut trail, 3);
    trail.count(BootTime::NEVER);
    let times: Vec<_> = facts(&mut trail).iter().map(|f| f.times).collect();
    assert_eq!(times, [None, Some(2)]);
}

#[test]
fn a_holder_that_makes_up_names_fills_no_log() {
    let mut trail = Trail::default();
    for n in 0..1000 {
        let claim = format!("c{n}");
        refused(&mut trail, "ann", &claim, ProblemType::TooManyClaims, NOW);
    }
    let found = facts(&mut trail);
    assert_eq!(found.len(), OF_A_HOLDER + 1);
    assert_eq!(found[OF_A_HOLDER].claim, None);
    trail.count(BootTime::NEVER);
    let rest: u64 = facts(&mut trail).iter().filter_map(|f| f.times).sum();
    assert_eq!(rest, 1000 - OF_A_HOLDER as u64 - 1);
    refused(&mut trail, "ann", "pod", ProblemType::TooManyClaims, NOW);
    assert_eq!(facts(&mut trail).len(), 1, "its names are told apart again");
}

#[test]
fn who_is_not_known_writes_nothing() {
    let mut trail = Trail::default();
    for kind in [ProblemType::Unauthenticated, ProblemType::UnknownLease] {
        refused(&mut trail, "ann", "pod", kind, NOW);
    }
    assert_eq!(facts(&mut trail), []);
}

#[test]
fn a_claim_that_waited_and_is_refused_is_told_and_an_answer_not_twice() {
    let mut trail = Trail::default();
    let refused = with_problem(1, ViewState::Refused, ProblemType::UnknownProduct);
    let steps = [
        (event(1, ViewState::Waiting), Some(claims())),
        (refused.clone(), None),
        (ended(1, EndReason::Forgotten), None),
        // In the step of its own claim the answer says it.
        (refused, Some(claims())),
    ];
    assert_eq!(
        told(&mut trail, &steps),
        [("claimed", true), ("refused", false)]
    );
}

#[test]
fn what_seats_are_for_stands_in_each_record_of_a_lease() {
    let mut trail = Trail::default();
    let mut all = [
        event(1, ViewState::Waiting),
        event(1, ViewState::Held),
        ended(1, EndReason::Released),
    ];
    for e in &mut all {
        e.view.project = Some("falcon".parse().unwrap());
        trail.happened(e, None, NOW);
    }
    let mut count = 0;
    while let Some(fact) = trail.next_fact() {
        let project = fact.project.as_ref().map(ToString::to_string);
        assert_eq!(project.as_deref(), Some("falcon"), "{:?}", fact.event);
        count += 1;
    }
    assert_eq!(count, 3);
}
