//! Owners and the pods that take their shares over.

use super::*;
use crate::identity::HolderKey;
use crate::ledger::OWNER_SILENCE;
use crate::ledger::entry::State;
use crate::wire::Stance;
use std::collections::HashMap;

fn name() -> ClaimName {
    ClaimName::new("owner").unwrap()
}

/// The claim of an owner for so many seats in all.
fn owner(n: u8, seats: u32) -> Claim {
    let mut c = claim(n, &format!("render:{seats}"));
    c.name = name();
    c.holder = Holder::Owner {
        namespace: "ns".into(),
        owner: format!("Job/j{n}"),
        uid: format!("owner-{n}"),
        service_account: "default".into(),
    };
    c
}

fn key(n: u8) -> HolderKey {
    owner(n, 1).holder.key()
}

fn pods(l: &mut Ledger, of: u8, pods: &[u8], ms: u64) {
    let pods: Vec<HolderKey> = pods.iter().map(|n| pod(*n).key()).collect();
    l.set_pods(&key(of), &name(), &pods, at(ms));
}

fn used(l: &Ledger) -> u32 {
    l.pools()[0].used
}

fn held(l: &Ledger, n: u8) -> bool {
    let e = l.entries.get(&LeaseId::from_bytes([n; 16]));
    e.is_some_and(|e| matches!(e.state, State::Held { .. }))
}

fn back(l: &mut Ledger, claim: &ClaimName, n: u8, ms: u64) {
    let id = LeaseId::from_bytes([n; 16]);
    let gone = l.release(claim, id, &secret(n), None, at(ms));
    assert_eq!(gone, Ok(true), "{n}");
}

fn pod_back(l: &mut Ledger, n: u8, ms: u64) {
    back(l, &ClaimName::pod(), n, ms);
}

#[test]
fn an_owner_has_all_or_nothing_and_its_pods_take_their_shares_over() {
    let mut l = seats(5);
    granted(l.claim(claim(1, "render:2"), at(0)));
    place(l.claim(owner(9, 4), at(1)));
    // Free seats gather for it.
    place(l.claim(claim(2, "render"), at(2)));
    pod_back(&mut l, 1, 3);
    assert!(held(&l, 9) && held(&l, 2));
    assert_eq!(used(&l), 5);
    pods(&mut l, 9, &[11, 12, 13, 14, 15], 4);
    for n in 11..=14 {
        let g = granted(l.claim(claim(n, "render"), at(5)));
        assert_eq!(
            g.parts[0].draws[0].seats, 1,
            "its token tells its own share"
        );
    }
    assert_eq!(used(&l), 5, "they took nothing more");
    let fifth = place(l.claim(claim(15, "render"), at(6)));
    assert_eq!(fifth.reason, WaitReason::Full);
    place(l.claim(claim(3, "render"), at(7)));
    // One goes: its share stays with its owner, for the one that comes in its place.
    pod_back(&mut l, 12, 8);
    assert!(held(&l, 15) && !held(&l, 3));
    assert_eq!(used(&l), 5);
    // The owner goes: what no pod has taken is free, and who runs stays.
    pod_back(&mut l, 11, 9);
    assert!(!held(&l, 3), "it is the owner's");
    back(&mut l, &name(), 9, 10);
    assert!(held(&l, 3) && held(&l, 13) && held(&l, 14) && held(&l, 15));
    assert_eq!(used(&l), 5);
    pod_back(&mut l, 13, 11);
    assert_eq!(used(&l), 4);
}

#[test]
fn two_owners_of_four_never_have_half_each() {
    let mut l = seats(4);
    granted(l.claim(owner(8, 4), at(0)));
    let waits = place(l.claim(owner(9, 4), at(1)));
    assert_eq!(waits.place, 1);
    pods(&mut l, 8, &[1, 2, 3, 4], 2);
    pods(&mut l, 9, &[5, 6, 7, 10], 2);
    for n in [5, 6, 7, 10] {
        place(l.claim(claim(n, "render"), at(3)));
    }
    for n in [1, 2, 3, 4] {
        granted(l.claim(claim(n, "render"), at(4)));
    }
    // They end one by one, and their owner wants fewer each time.
    for (left, n) in [(3, 1), (2, 2), (1, 3)] {
        pod_back(&mut l, n, 5);
        granted(l.claim(owner(8, left), at(6)));
        assert!(!held(&l, 9) && (5..=7).all(|n| !held(&l, n)));
    }
    pod_back(&mut l, 4, 7);
    back(&mut l, &name(), 8, 8);
    assert!(held(&l, 9) && [5, 6, 7, 10].iter().all(|n| held(&l, *n)));
    assert_eq!(used(&l), 4);
}

#[test]
fn a_pod_that_is_replaced_leaves_its_seat_to_its_successor_and_no_stranger() {
    let mut l = seats(3);
    for n in 1..=3 {
        granted(l.claim(claim(n, "render"), at(0)));
    }
    place(l.claim(claim(7, "render"), at(1)));
    // They are a Deployment's: what they have is its, and it takes nothing for that.
    pods(&mut l, 9, &[1, 2, 3], 2);
    granted(l.claim(owner(9, 3), at(3)));
    assert_eq!(used(&l), 3);
    pod_back(&mut l, 2, 4);
    assert!(!held(&l, 7));
    pods(&mut l, 9, &[1, 3, 4], 5);
    granted(l.claim(claim(4, "render"), at(6)));
    assert_eq!(used(&l), 3);
    // It is scaled down while one is on its way out: nothing is kept for that.
    granted(l.claim(owner(9, 2), at(7)));
    pod_back(&mut l, 1, 8);
    assert!(held(&l, 7));
    // No more than its pods have is had by asking for more.
    let more = l.claim(owner(9, 3), at(9));
    assert_eq!(refused(more).0, ProblemType::ClaimChanged);
}

#[test]
fn a_pod_that_was_claimed_for_alone_counts_for_its_owner_once_that_claim_has_ended() {
    let mut l = seats(2);
    granted(l.claim(owner(8, 1), at(0)));
    pods(&mut l, 8, &[1], 0);
    granted(l.claim(claim(1, "render"), at(1)));
    granted(l.claim(claim(2, "render"), at(1)));
    place(l.claim(claim(7, "render"), at(2)));
    // While its own owner's claim lasts it counts for that.
    pods(&mut l, 9, &[1, 2], 3);
    place(l.claim(owner(9, 2), at(3)));
    assert_eq!(used(&l), 2);
    l.end_owner(&key(8), &name(), at(4));
    pods(&mut l, 9, &[1, 2], 5);
    assert!(held(&l, 9) && !held(&l, 7));
    assert_eq!(used(&l), 2);
    pod_back(&mut l, 1, 6);
    assert!(!held(&l, 7), "it is kept for its successor");
    pods(&mut l, 9, &[2, 3], 7);
    granted(l.claim(claim(3, "render"), at(8)));
    assert_eq!(used(&l), 2);
}

#[test]
fn who_waits_for_a_seat_of_its_owner_has_it_at_once_though_a_stranger_stands_before_it() {
    let mut l = seats(2);
    granted(l.claim(claim(1, "render"), at(0)));
    granted(l.claim(claim(2, "render"), at(0)));
    pods(&mut l, 9, &[1, 2], 1);
    granted(l.claim(owner(9, 2), at(1)));
    place(l.claim(claim(7, "render"), at(2)));
    pods(&mut l, 9, &[1, 2, 3], 3);
    place(l.claim(claim(3, "render"), at(3)));
    pod_back(&mut l, 1, 4);
    assert!(held(&l, 3) && !held(&l, 7));
    assert_eq!(used(&l), 2);
}

#[test]
fn an_owner_whose_pods_have_gone_meanwhile_gathers_no_seats_where_it_rests() {
    let mut l = seats(2);
    granted(l.claim(claim(1, "render"), at(0)));
    granted(l.claim(claim(2, "render"), at(0)));
    place(l.claim(claim(7, "render"), at(1)));
    pods(&mut l, 9, &[1, 3], 2);
    let mut rests = owner(9, 2);
    rests.stance = Stance::Rests;
    place(l.claim(rests.clone(), at(2)));
    pod_back(&mut l, 2, 3);
    assert!(held(&l, 7) && !held(&l, 9));
    // Who wants no more than its pods have has it at once.
    rests.items = owner(9, 1).items;
    granted(l.claim(rests, at(4)));
    assert_eq!(used(&l), 2);
}

#[test]
fn who_waits_already_has_its_share_in_the_step_in_which_it_is_named() {
    let mut l = seats(2);
    granted(l.claim(owner(9, 2), at(0)));
    place(l.claim(claim(1, "render"), at(1)));
    place(l.claim(claim(2, "render"), at(2)));
    pods(&mut l, 9, &[2], 3);
    assert!(held(&l, 2) && !held(&l, 1));
    assert_eq!(used(&l), 2);
}

#[test]
fn a_place_of_which_no_pod_lives_is_kept_and_in_nobodys_way() {
    let mut l = seats(1);
    granted(l.claim(claim(1, "render"), at(0)));
    let mut rests = owner(9, 1);
    rests.stance = Stance::Rests;
    place(l.claim(rests.clone(), at(1)));
    assert_eq!(l.gauges().waiting, 0, "nobody waits");
    assert_eq!(place(l.claim(claim(2, "render"), at(2))).place, 1);
    pod_back(&mut l, 1, 3);
    assert!(held(&l, 2) && !held(&l, 9));
    place(l.claim(claim(3, "render"), at(4)));
    // Its next pod is there: it stands where it came.
    assert_eq!(place(l.claim(owner(9, 1), at(5))).place, 1);
    assert_eq!(l.gauges().waiting, 2);
    pods(&mut l, 9, &[4], 5);
    place(l.claim(claim(4, "render"), at(6)));
    pod_back(&mut l, 2, 7);
    assert!(held(&l, 9) && held(&l, 4) && !held(&l, 3));
}

#[test]
fn a_policy_that_comes_while_an_owner_rests_ranks_it_anew() {
    let of = |stance| {
        let mut c = owner(9, 1);
        if let Holder::Owner { namespace, .. } = &mut c.holder {
            *namespace = "first".into();
        }
        Claim { stance, ..c }
    };
    let mut l = seats(1);
    granted(l.claim(claim(1, "render"), at(0)));
    place(l.claim(claim(2, "render"), at(1)));
    place(l.claim(of(Stance::Rests), at(2)));
    let first = PolicyGroup {
        name: "first".into(),
        namespaces: vec!["first".into()],
        priority: 1,
        ..PolicyGroup::default()
    };
    let policy = SeatPolicy {
        name: "ranks".into(),
        groups: vec![first],
        ..SeatPolicy::default()
    };
    l.set_policy(Some(Arc::new(policy)), at(3));
    assert_eq!(place(l.claim(of(Stance::Gathers), at(4))).place, 1);
}

#[test]
fn what_an_owner_has_is_kept_for_five_minutes_of_the_operators_silence() {
    let mut l = seats(2);
    granted(l.claim(owner(9, 2), at(0)));
    pods(&mut l, 9, &[1], 0);
    granted(l.claim(claim(1, "render"), at(0)));
    let free = OWNER_SILENCE.as_millis() as u64 + crate::time::margin(D).as_millis() as u64;
    for ms in (10_000..free).step_by(10_000) {
        granted(l.claim(claim(1, "render"), at(ms)));
    }
    l.tick(at(free - 1));
    assert_eq!(used(&l), 2);
    granted(l.claim(claim(1, "render"), at(free - 1)));
    l.tick(at(free));
    assert_eq!(used(&l), 1, "the pod's stays");
    pod_back(&mut l, 1, free + 1);
    assert_eq!(used(&l), 0);
}

/// A run after another, in which an owner of `n` and its pods come back in this order.
fn restarted(order: &[usize], n: u32, running: u8) -> u32 {
    let mut l = seats(6);
    let reserved = granted(l.claim(owner(9, n), at(0)));
    let all: Vec<u8> = (1..=running).collect();
    pods(&mut l, 9, &all, 0);
    let mut shown_by: Vec<(Claim, Granted)> = vec![(owner(9, n), reserved)];
    for p in all {
        shown_by.push((
            claim(p, "render"),
            granted(l.claim(claim(p, "render"), at(1))),
        ));
    }
    let license = license(&[("r", 6)], &[("render", "r")]);
    let mut l = Ledger::new(settings(2, D), one(&license), at(100));
    for i in order {
        let (mut c, g) = shown_by[i % shown_by.len()].clone();
        c.held = Some(shown(&g, 1));
        granted(l.claim(c, at(101)));
    }
    used(&l)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn after_a_restart_they_count_the_same_whoever_comes_first(
        order in Just((0..5usize).collect::<Vec<_>>()).prop_shuffle(),
        n in 1u32..5,
    ) {
        prop_assert_eq!(restarted(&order, n, 4), 4);
        let two: Vec<usize> = order.iter().copied().filter(|i| *i < 3).collect();
        prop_assert_eq!(restarted(&two, 4, 2), 4);
    }

    #[test]
    fn owners_and_pods_have_together_what_either_needs_and_never_more_than_there_is(
        ops in proptest::collection::vec((0u8..9, 1u8..9, 1u32..4, 0usize..3), 1..80),
    ) {
        let mut l = seats(6);
        let mut named: [Vec<u8>; 3] = Default::default();
        for (now, (op, n, seats, of)) in (1u64..).zip(ops) {
            let o = 20 + of as u8;
            match op {
                0 | 1 => drop(l.claim(owner(o, seats), at(now))),
                2 => drop(l.release(&name(), LeaseId::from_bytes([o; 16]), &secret(o), None, at(now))),
                3 | 4 => {
                    for other in &mut named {
                        other.retain(|p| *p != n);
                    }
                    named[of].push(n);
                    for (i, list) in named.iter().enumerate() {
                        pods(&mut l, 20 + i as u8, list, now);
                    }
                }
                5 => drop(l.release(&ClaimName::pod(), LeaseId::from_bytes([n; 16]), &secret(n), None, at(now))),
                _ => drop(l.claim(claim(n, "render"), at(now))),
            }
            let mut families: HashMap<String, (u32, u32)> = HashMap::new();
            let mut alone = 0;
            for e in l.entries.iter().filter(|e| matches!(e.state, State::Held { .. })) {
                let seats = e.items()[0].seats.get();
                match e.family().filter(|_| matches!(&e.state, State::Held { drawn, .. } if !drawn.shared.is_empty())) {
                    Some(f) if e.is_owner() => families.entry(f.into()).or_default().0 += seats,
                    Some(f) => families.entry(f.into()).or_default().1 += seats,
                    None => alone += seats,
                }
            }
            let sum = alone + families.values().map(|(o, p)| o.max(p)).sum::<u32>();
            prop_assert_eq!(used(&l), sum);
            prop_assert!(sum <= 6);
        }
    }
}

#[test]
fn what_is_not_counted_by_pods_is_reserved_for_nobody() {
    use crate::license::CountBy;
    for (by, reserved) in [
        (CountBy::Claim, true),
        (CountBy::Pod, true),
        (CountBy::Node, false),
        (CountBy::ServiceAccount, false),
        (CountBy::Subject, false),
    ] {
        let mut sold = license(&[("r", 2)], &[("render", "r")]);
        sold.products[0].count_by = by;
        let mut l = Ledger::new(settings(1, Duration::ZERO), one(&sold), at(0));
        match l.claim(owner(1, 2), at(0)) {
            Ok(_) => assert!(reserved, "{by}"),
            Err(Refusal::NotReserved { .. }) => assert!(!reserved, "{by}"),
            Err(e) => panic!("{e}"),
        }
    }
}

#[test]
fn what_is_claimed_for_a_pod_is_no_claim_of_its_own() {
    let mut l = seats(2);
    l.settings.limits.per_holder = 1;
    let mut c = owner(1, 1);
    let Holder::Pod { uid, .. } = pod(7) else {
        panic!()
    };
    c.holder = Holder::Owner {
        namespace: "ns".into(),
        owner: "Pod/p7".into(),
        uid,
        service_account: "default".into(),
    };
    assert!(matches!(l.claim(c, at(0)), Ok(Claimed::Granted(_))));
    let mut own = claim(2, "render");
    own.holder = pod(7);
    assert!(matches!(l.claim(own, at(1)), Ok(Claimed::Granted(_))));
}
