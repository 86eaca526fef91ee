//! Claims that fit are granted past those that do not, for as long as those are patient.

use super::*;
use crate::ledger::entry::State;
use crate::policy::{Backfill, PoolRights};
use std::collections::BTreeMap;
use std::num::NonZeroU32;

const PATIENCE: u64 = 60_000;

fn ledger(seats: u32) -> Ledger {
    let license = license(&[("r", seats)], &[("render", "r")]);
    let mut l = Ledger::new(settings(1, Duration::ZERO), one(&license), at(0));
    l.set_policy(Some(policy()), at(0));
    l
}

fn policy() -> Arc<SeatPolicy> {
    let patience = Duration::from_millis(PATIENCE);
    Arc::new(SeatPolicy {
        name: "fill".into(),
        backfill: [("r".parse().unwrap(), Backfill { patience })].into(),
        ..SeatPolicy::default()
    })
}

fn back(l: &mut Ledger, n: u8, ms: u64) {
    let id = LeaseId::from_bytes([n; 16]);
    let gone = l.release(&ClaimName::pod(), id, &secret(n), None, at(ms));
    assert_eq!(gone, Ok(true), "{n}");
}

fn held(l: &Ledger, n: u8) -> bool {
    let e = l.entries.get(&LeaseId::from_bytes([n; 16]));
    e.is_some_and(|e| matches!(e.state, State::Held { .. }))
}

/// Who waits asks again, as sidecars do.
fn ask(l: &mut Ledger, who: &[(u8, &str)], ms: u64) {
    for (n, what) in who {
        let _ = l.claim(claim(*n, what), at(ms));
    }
}

#[test]
fn a_claim_that_fits_passes_one_that_does_not_until_that_has_been_passed_for_its_patience() {
    let mut l = ledger(4);
    granted(l.claim(claim(1, "render:2"), at(0)));
    let big = place(l.claim(claim(2, "render:4"), at(1)));
    assert_eq!((big.place, big.reason), (1, WaitReason::Full));
    assert!(
        big.message.contains("may pass it, for 60 s"),
        "{}",
        big.message
    );
    let also = place(l.claim(claim(3, "render:3"), at(2)));
    assert_eq!(also.place, 2);
    // A small one passes both.
    granted(l.claim(claim(4, "render"), at(1_000)));
    let stats = l.backfilled();
    assert_eq!((stats.grants, stats.seats_won), (1, Duration::ZERO));
    for ms in (10_000..=60_000).step_by(10_000) {
        ask(
            &mut l,
            &[
                (1, "render:2"),
                (2, "render:4"),
                (3, "render:3"),
                (4, "render"),
            ],
            ms,
        );
    }
    // A moment before the patience is over another does, and then none: seats gather.
    granted(l.claim(claim(5, "render"), at(1_000 + PATIENCE - 1)));
    back(&mut l, 5, 1_000 + PATIENCE);
    let late = place(l.claim(claim(6, "render"), at(1_000 + PATIENCE)));
    assert_eq!((late.place, late.reason), (3, WaitReason::Behind));
    back(&mut l, 1, 62_000);
    assert!(!held(&l, 2) && !held(&l, 3) && !held(&l, 6));
    back(&mut l, 4, 63_000);
    assert!(held(&l, 2), "all four are there for the first");
    back(&mut l, 2, 64_000);
    assert!(held(&l, 3) && held(&l, 6));
    // One seat for 62 s, another for 1 ms; the head would have had its four at 62 s.
    let stats = l.backfilled();
    assert_eq!(stats.grants, 2);
    assert_eq!(stats.seats_won, Duration::from_millis(62_000 + 1));
    assert_eq!(stats.delayed, Duration::from_secs(1));
}

#[test]
fn without_a_word_of_the_policy_nobody_passes() {
    let mut l = seats(4);
    granted(l.claim(claim(1, "render:2"), at(0)));
    place(l.claim(claim(2, "render:4"), at(1)));
    place(l.claim(claim(3, "render"), at(2)));
}

#[test]
fn a_restart_forgets_no_patience() {
    let mut l = ledger(4);
    let first = granted(l.claim(claim(1, "render:2"), at(0)));
    place(l.claim(claim(2, "render:4"), at(1)));
    let small = granted(l.claim(claim(3, "render"), at(1_000)));
    ask(&mut l, &[(1, "render:2"), (3, "render")], 20_000);
    let waits = place(l.claim(claim(2, "render:4"), at(20_000)));
    assert_eq!(waits.passed, Some(at(1_000)));
    let sealed = Ticket {
        passed_for: waits.passed.map(|t| at(20_000).since(t)),
        ..ticket(&waits, 1)
    };
    let license = license(&[("r", 4)], &[("render", "r")]);
    let mut l = Ledger::new(settings(2, D), one(&license), at(21_000));
    l.set_policy(Some(policy()), at(21_000));
    for (n, what, g) in [(1, "render:2", &first), (3, "render", &small)] {
        let mut c = claim(n, what);
        c.held = Some(shown(g, 1));
        granted(l.claim(c, at(21_000)));
    }
    let mut again = claim(2, "render:4");
    again.ticket = Some(sealed);
    let waits = place(l.claim(again, at(22_000)));
    assert_eq!(
        waits.passed,
        Some(at(3_000)),
        "but for the time in which no server was there"
    );
    for ms in [30_000, 40_000, 50_000, 60_000] {
        ask(
            &mut l,
            &[(1, "render:2"), (2, "render:4"), (3, "render")],
            ms,
        );
    }
    place(l.claim(claim(4, "render"), at(63_000)));
    assert!(!held(&l, 4));
}

/// A group for this namespace, of weight 1.
fn weighs(namespace: &str) -> PolicyGroup {
    PolicyGroup {
        name: namespace.to_owned(),
        namespaces: vec![namespace.to_owned()],
        weight: NonZeroU32::new(1),
        ..PolicyGroup::default()
    }
}

fn of(namespace: &str, n: u8, what: &str) -> Claim {
    let mut c = claim(n, what);
    if let Holder::Pod { namespace: ns, .. } = &mut c.holder {
        *ns = namespace.into();
    }
    c
}

#[test]
fn who_has_fewer_seats_for_its_weight_is_passed_by_who_came_before_it_for_no_longer() {
    let mut l = ledger(4);
    let groups = ["a", "b"].map(weighs).into();
    let weighed = SeatPolicy {
        groups,
        ..(*policy()).clone()
    };
    l.set_policy(Some(Arc::new(weighed)), at(0));
    granted(l.claim(of("a", 1, "render:3"), at(0)));
    granted(l.claim(claim(2, "render"), at(0)));
    for n in [3, 4] {
        place(l.claim(of("a", n, "render"), at(1)));
    }
    // It has nothing, and so stands before them.
    place(l.claim(of("b", 5, "render:4"), at(2)));
    back(&mut l, 2, 1_000);
    assert!(held(&l, 3), "it passes the one for four");
    for ms in (10_000..=60_000).step_by(10_000) {
        for (n, what) in [(1, "render:3"), (3, "render"), (4, "render")] {
            let _ = l.claim(of("a", n, what), at(ms));
        }
        place(l.claim(of("b", 5, "render:4"), at(ms)));
    }
    back(&mut l, 3, 1_000 + PATIENCE);
    assert!(!held(&l, 4), "a seat gathers for the one for four");
}

#[test]
fn who_comes_to_stand_in_front_of_one_that_was_passed_brings_it_no_new_patience() {
    let mut l = ledger(4);
    granted(l.claim(claim(1, "render:2"), at(0)));
    let early = place(l.claim(claim(2, "render:4"), at(1)));
    let license = license(&[("r", 4)], &[("render", "r")]);
    let mut l = Ledger::new(settings(2, D), one(&license), at(2_000));
    l.set_policy(Some(policy()), at(2_000));
    l.expected(&[], &[], at(2_000));
    granted(l.claim(claim(1, "render:2"), at(2_001)));
    place(l.claim(claim(3, "render:4"), at(2_002)));
    granted(l.claim(claim(4, "render"), at(3_000)));
    // One of the earlier run comes back to its place, which nobody has passed.
    let mut again = claim(2, "render:4");
    again.ticket = Some(ticket(&early, 1));
    assert_eq!(place(l.claim(again, at(20_000))).place, 1);
    let all = [
        (1, "render:2"),
        (2, "render:4"),
        (3, "render:4"),
        (4, "render"),
    ];
    for ms in (20_000..=60_000).step_by(10_000) {
        ask(&mut l, &all, ms);
    }
    place(l.claim(claim(5, "render"), at(3_000 + PATIENCE)));
}

#[test]
fn nothing_is_called_back_for_an_owner_whose_own_others_of_its_group_have_that_passed_it() {
    let mut l = ledger(4);
    let rights = PoolRights {
        owned: 3,
        ..PoolRights::default()
    };
    let owns = PolicyGroup {
        name: "a".to_owned(),
        namespaces: vec!["a".to_owned()],
        pools: [("r".parse().unwrap(), rights)].into(),
        ..PolicyGroup::default()
    };
    let owned = SeatPolicy {
        groups: vec![owns],
        notice: Duration::from_secs(60),
        ..(*policy()).clone()
    };
    l.set_policy(Some(Arc::new(owned)), at(0));
    granted(l.claim(of("a", 1, "render"), at(0)));
    granted(l.claim(of("a", 2, "render"), at(0)));
    let lent = [3, 4].map(|n| granted(l.claim(claim(n, "render"), at(0))));
    place(l.claim(of("a", 5, "render:2"), at(1)));
    place(l.claim(of("a", 6, "render"), at(2)));
    // One seat is back, and another would let the first have its two. But the second has it.
    back(&mut l, 2, 3);
    assert!(held(&l, 6) && !held(&l, 5));
    for g in lent {
        let n = g.lease.to_bytes()[0];
        let again = granted(l.claim(claim(n, "render"), at(4)));
        assert_eq!(again.called_back, None, "its group has two of its three");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn nobody_is_passed_for_longer_than_its_patience_and_no_seat_idles_that_may_be_had(
        ops in proptest::collection::vec((0u8..8, 0u8..100, 1u8..5, 1u64..9_000), 1..100),
    ) {
        let mut l = ledger(4);
        let mut now = 0;
        let mut passed: BTreeMap<LeaseId, u64> = BTreeMap::new();
        for (new, (op, n, many, step)) in (1u8..).zip(ops) {
            now += step;
            let waiting: Vec<_> = l.entries.iter().filter_map(|e| match &e.state {
                State::Queued(q) => Some((q.rank, e.id)),
                _ => None,
            }).collect();
            if op < 3 {
                let id = LeaseId::from_bytes([n; 16]);
                let _ = l.release(&ClaimName::pod(), id, &secret(n), None, at(now));
            } else {
                let _ = l.claim(claim(new, &format!("render:{many}")), at(now));
            }
            // All who wait ask again, so that nobody's place dies.
            let all: Vec<_> = l.entries.iter().map(|e| (e.id.to_bytes()[0], e.items()[0].seats.get())).collect();
            for (n, seats) in all {
                let _ = l.claim(claim(n, &format!("render:{seats}")), at(now));
            }
            let is_held = |id: &LeaseId| l.entries.get(id).is_some_and(|e| matches!(e.state, State::Held { .. }));
            let newest = waiting.iter().filter(|(_, id)| is_held(id)).map(|(rank, _)| *rank).max();
            let newest = newest.filter(|_| op < 3);
            let new = LeaseId::from_bytes([new; 16]);
            let came = op >= 3 && is_held(&new);
            for (rank, id) in &waiting {
                let waits = l.entries.get(id).is_some_and(|e| matches!(e.state, State::Queued(_)));
                if waits && (came || newest.is_some_and(|n| *rank < n)) {
                    let first = *passed.entry(*id).or_insert(now);
                    prop_assert!(now - first < PATIENCE, "{id} is passed at {now}, first at {first}");
                }
            }
            let mut free = 4;
            let mut line = Vec::new();
            for e in l.entries.iter() {
                let seats = e.items()[0].seats.get();
                match &e.state {
                    State::Held { .. } => free -= seats,
                    State::Queued(q) => line.push((q.rank, e.id, seats)),
                    State::Refused(_) => {}
                }
            }
            line.sort();
            for (_, id, seats) in line {
                prop_assert!(seats > free, "{id} waits for {seats} of {free}");
                if passed.get(&id).is_some_and(|first| now - first >= PATIENCE) {
                    break;
                }
            }
        }
    }
}
