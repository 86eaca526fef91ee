//! Leases that are called back, and leases that an administrator takes back.

use super::*;

fn against(why: &str) -> CallBack {
    CallBack {
        why: Problem::new(ProblemType::NotEntitled, why),
        notice: Duration::from_secs(60),
        told: true,
    }
}

fn unentitled(n: u8) -> Claim {
    Claim {
        call_back: Some(against("x")),
        ..claim(n, "render")
    }
}

/// Renews 1's lease, whose holder is not entitled.
fn renew(l: &mut Ledger, lease: LeaseId, n: u8, ms: u64) -> Result<Granted, Refusal> {
    let r = renewal(1, lease, n.into(), n);
    l.renew_judged(&r, |_| Some(against("x")), at(ms))
}

fn kind(r: Refusal) -> ProblemType {
    Problem::from(r).kind
}

#[test]
fn a_lease_that_is_called_back_is_renewed_up_to_its_limit_and_then_as_silent() {
    let mut l = seats(1);
    let lease = granted(l.claim(claim(1, "render"), at(0))).lease;
    for (n, ms) in [(1, 10_000), (2, 30_000), (3, 50_000), (4, 69_000)] {
        let g = renew(&mut l, lease, n, ms).unwrap();
        let until = g.called_back.unwrap().until;
        assert_eq!(until, at(70_000), "the first word sets it, at {ms}");
        // A claim for what it has is as a renewal.
        let again = granted(l.claim(unentitled(1), at(ms + 1)));
        assert_eq!(again.called_back.unwrap().until, until);
    }
    let view = l.views(at(69_500)).remove(0);
    assert_eq!(view.state, ViewState::Held);
    assert_eq!(view.problem.unwrap().kind, ProblemType::NotEntitled);
    assert_eq!(view.free_in_ms, Some(500));
    for (n, ms) in [(5, 70_000), (6, 80_000)] {
        assert_eq!(
            kind(renew(&mut l, lease, n, ms).unwrap_err()),
            ProblemType::NotEntitled
        );
        assert_eq!(
            refused(l.claim(unentitled(1), at(ms + 1))).0,
            ProblemType::NotEntitled
        );
    }
    // What it asked since then was no sign of life.
    let waiter = place(l.claim(claim(2, "render"), at(90_000)));
    l.tick(at(69_001 + 31_029));
    assert!(matches!(l.status(waiter.lease), Some(Claimed::Waiting(_))));
    l.tick(at(69_001 + 31_030));
    assert!(matches!(l.status(waiter.lease), Some(Claimed::Granted(_))));
}

#[test]
fn a_call_back_is_lifted_and_a_later_one_begins_anew() {
    let mut l = seats(1);
    let lease = granted(l.claim(claim(1, "render"), at(0))).lease;
    renew(&mut l, lease, 1, 10_000).unwrap();
    let g = l.renew(&renewal(1, lease, 2, 2), at(20_000)).unwrap();
    assert_eq!(g.called_back, None);
    let g = renew(&mut l, lease, 3, 30_000).unwrap();
    assert_eq!(g.called_back.unwrap().until, at(90_000));
}

#[test]
fn no_notice_begins_of_which_nobody_is_told() {
    let mut l = seats(1);
    let lease = granted(l.claim(claim(1, "render"), at(0))).lease;
    let r = renewal(1, lease, 1, 1);
    let unsaid = CallBack {
        told: false,
        ..against("x")
    };
    let untold = l.renew_judged(&r, |_| Some(unsaid.clone()), at(10_000));
    assert_eq!(untold.unwrap().called_back, None);
    let g = renew(&mut l, lease, 2, 20_000).unwrap();
    assert_eq!(g.called_back.unwrap().until, at(80_000));
}

#[test]
fn who_is_not_entitled_gets_nothing_new_and_loses_its_place() {
    let mut l = seats(1);
    assert_eq!(
        refused(l.claim(unentitled(1), at(0))).0,
        ProblemType::NotEntitled
    );
    granted(l.claim(claim(2, "render"), at(1)));
    place(l.claim(claim(3, "render"), at(2)));
    assert_eq!(
        refused(l.claim(unentitled(3), at(3))).0,
        ProblemType::NotEntitled
    );
    assert_eq!(l.gauges().waiting, 0);
    assert_eq!(place(l.claim(claim(3, "render"), at(4))).place, 1);
}

#[test]
fn an_earlier_runs_lease_of_who_is_not_entitled_is_reinstated_and_called_back() {
    let mut l = seats(1);
    let g = granted(l.claim(claim(1, "render"), at(0)));
    let license = license(&[("r", 1)], &[("render", "r")]);
    let mut next = Ledger::new(settings(2, D), one(&license), at(5_000));
    let mut back = unentitled(1);
    back.standing = Standing::Held;
    back.held = Some(shown(&g, 1));
    let g = granted(next.claim(back, at(6_000)));
    assert_eq!(g.called_back.unwrap().until, at(66_000));
}

#[test]
fn a_lease_that_was_taken_back_is_renewed_no_more_and_free_when_its_lease_has_run_out() {
    let mut l = seats(1);
    let lease = granted(l.claim(claim(1, "render"), at(0))).lease;
    let waiter = place(l.claim(claim(2, "render"), at(1)));
    assert!(l.take_back(lease, at(1_000)));
    assert!(!l.take_back(LeaseId::from_bytes([99; 16]), at(1_000)));
    assert!(
        matches!(l.status(waiter.lease), Some(Claimed::Waiting(_))),
        "its holder goes by what it was told"
    );
    for ms in [2_000, 12_000] {
        let r = l.renew(&renewal(1, lease, 1, 1), at(ms)).unwrap_err();
        assert_eq!(kind(r), ProblemType::GivenBack);
        assert_eq!(
            refused(l.claim(claim(1, "render"), at(ms + 1))).0,
            ProblemType::GivenBack
        );
        assert!(l.lookup(lease, &secret(1)).is_err(), "nor proven");
    }
    place(l.claim(claim(2, "render"), at(20_000)));
    l.tick(at(31_029));
    assert!(matches!(l.status(waiter.lease), Some(Claimed::Waiting(_))));
    l.tick(at(31_030));
    assert!(matches!(l.status(waiter.lease), Some(Claimed::Granted(_))));
    // It is barred from nothing.
    let mut anew = claim(1, "render");
    anew.secret_hash = secret(77).hash();
    anew.new_id = LeaseId::from_bytes([77; 16]);
    assert_eq!(place(l.claim(anew, at(32_000))).place, 1);
}

#[test]
fn it_is_free_at_once_when_its_holder_comes_with_another_secret_and_by_no_duplicate() {
    let mut l = seats(1);
    let mut first = claim(1, "render");
    first.counter = Some(5);
    let lease = granted(l.claim(first, at(0))).lease;
    let waiter = place(l.claim(claim(2, "render"), at(1)));
    assert!(l.take_back(lease, at(1_000)));
    let anew = |counter: u64| Claim {
        secret_hash: secret(77).hash(),
        new_id: LeaseId::from_bytes([77; 16]),
        counter: Some(counter),
        ..claim(1, "render")
    };
    // One from before the lease, whose secret nobody knows any more.
    assert_eq!(
        refused(l.claim(anew(4), at(2_000))).0,
        ProblemType::ClaimChanged
    );
    let p = place(l.claim(anew(6), at(3_000)));
    assert_eq!(p.place, 1, "behind nobody but in the queue");
    assert!(matches!(l.status(waiter.lease), Some(Claimed::Granted(_))));
    // A place is given up in that step.
    assert!(l.take_back(p.lease, at(4_000)));
    assert_eq!(l.gauges().waiting, 0);
}

#[test]
fn an_old_proof_brings_nobody_before_others() {
    let mut l = seats(1);
    let a = granted(l.claim(claim(1, "render"), at(0)));
    place(l.claim(claim(2, "render"), at(1)));
    let shows = |n: u8, runs_on: bool| {
        let lease = LeaseId::from_bytes([n + 100; 16]);
        let g = Granted { lease, ..a.clone() };
        Claim {
            standing: Standing::Held,
            held: Some(HeldLease {
                unexpired: false,
                runs_on,
                counter: 3,
                ..shown(&g, 0)
            }),
            ..claim(n, "render")
        }
    };
    let old = place(l.claim(shows(3, false), at(2)));
    assert_eq!((old.place, old.contested), (2, false));
    let young = place(l.claim(shows(4, true), at(3)));
    assert_eq!((young.place, young.contested), (1, true));
    // Nor does it when the claim is repeated.
    let old = place(l.claim(shows(3, false), at(4)));
    assert_eq!((old.place, old.contested), (3, false));
}

#[test]
fn what_is_taken_away_says_so_to_who_looks_and_a_lifted_one_too() {
    let mut l = seats(2);
    let lease = granted(l.claim(claim(1, "render"), at(0))).lease;
    let shown = |l: &Ledger, n: u8, ms| {
        let of = claim(n, "render").holder;
        let v = l
            .views(at(ms))
            .into_iter()
            .find(|v| v.holder == of)
            .unwrap();
        (v.state, v.problem.map(|p| (p.kind, p.detail)))
    };
    let told = |l: &mut Ledger| std::iter::from_fn(|| l.next_event()).count();
    told(&mut l);
    let key = claim(1, "render").holder.key();
    l.revoke(&key, Some("stolen"), at(1_000));
    assert_eq!(told(&mut l), 1, "who watches is told at once");
    let (state, problem) = shown(&l, 1, 1_000);
    let (kind, detail) = problem.unwrap();
    assert_eq!((state, kind), (ViewState::Held, ProblemType::Revoked));
    assert!(detail.contains("stolen"), "{detail}");
    l.revoke(&key, None, at(2_000));
    assert_eq!(told(&mut l), 1);
    assert_eq!(shown(&l, 1, 2_000), (ViewState::Held, None));

    assert!(l.take_back(lease, at(3_000)));
    let (state, problem) = shown(&l, 1, 3_000);
    let (kind, detail) = problem.unwrap();
    assert_eq!((state, kind), (ViewState::Silent, ProblemType::GivenBack));
    assert!(detail.contains("an administrator took"), "{detail}");

    // A refused one is shown as lifted until it asks again.
    let key = claim(2, "render").holder.key();
    l.revoke(&key, Some("stolen"), at(4_000));
    refused(l.claim(claim(2, "render"), at(4_001)));
    assert_eq!(shown(&l, 2, 4_001).1.unwrap().0, ProblemType::Revoked);
    l.revoke(&key, None, at(4_002));
    let (state, problem) = shown(&l, 2, 4_002);
    let (kind, detail) = problem.unwrap();
    assert_eq!(
        (state, kind),
        (ViewState::Refused, ProblemType::UnknownLease)
    );
    assert!(detail.contains("is lifted"), "{detail}");
}
