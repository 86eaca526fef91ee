//! Pods that replace others of their owner before those have gone.

use super::*;
use crate::identity::HolderKey;
use crate::license::CountBy;
use crate::receipt::HandoverBefore;
use crate::wire::Replacing;

/// maxHandover.
const H: u64 = 60_000;

fn name() -> ClaimName {
    ClaimName::new("owner").unwrap()
}

/// The Deployment's claim for so many seats.
fn owner(seats: u32) -> Claim {
    let mut c = claim(90, &format!("render:{seats}"));
    c.name = name();
    c.holder = Holder::Owner {
        namespace: "ns".into(),
        owner: "Deployment/d".into(),
        uid: "owner".into(),
        service_account: "default".into(),
    };
    c
}

fn key() -> HolderKey {
    owner(1).holder.key()
}

fn rolls(seats: u32) -> License {
    let mut l = license(&[("r", seats)], &[("render", "r")]);
    l.policy.max_handover = Some(Duration::from_millis(H));
    l
}

fn names(l: &mut Ledger, pods: &[u8], pairs: &[(u8, u8)], ms: u64) {
    let all: Vec<HolderKey> = pods.iter().map(|n| pod(*n).key()).collect();
    let pair = |(old, new): &(u8, u8)| Replacing {
        pod: pod(*old).key(),
        by: pod(*new).key(),
    };
    let pairs: Vec<Replacing> = pairs.iter().map(pair).collect();
    l.set_pods(&key(), &name(), &all, at(ms));
    l.set_replaces(&key(), &name(), &pairs, at(ms));
}

/// Two seats, which pods 1 and 2 of a Deployment have; a stranger (7) waits.
fn full(license: &License) -> Ledger {
    let mut l = Ledger::new(settings(1, Duration::ZERO), one(license), at(0));
    for n in [1, 2] {
        granted(l.claim(claim(n, "render"), at(0)));
    }
    names(&mut l, &[1, 2], &[], 0);
    granted(l.claim(owner(2), at(0)));
    place(l.claim(claim(7, "render"), at(1)));
    l
}

/// The same, and pod 3 has come to replace pod 1.
fn rolling(license: &License) -> Ledger {
    let mut l = full(license);
    names(&mut l, &[1, 2, 3], &[(1, 3)], 10);
    l
}

fn id(n: u8) -> LeaseId {
    LeaseId::from_bytes([n; 16])
}

fn back(l: &mut Ledger, n: u8, ms: u64) {
    let gone = l.release(&ClaimName::pod(), id(n), &secret(n), None, at(ms));
    assert_eq!(gone, Ok(true), "{n}");
}

/// What a pod is told now.
fn asks(l: &mut Ledger, n: u8, ms: u64) -> Granted {
    granted(l.claim(claim(n, "render"), at(ms)))
}

fn until(g: &Granted) -> Option<BootTime> {
    g.called_back.as_ref().map(|c| c.until)
}

fn used(l: &Ledger) -> u32 {
    l.pools()[0].used
}

#[test]
fn a_successor_is_held_beyond_the_seats_and_has_the_seat_of_who_goes_in_that_step() {
    let mut l = rolling(&rolls(2));
    let g = asks(&mut l, 3, 20);
    assert_eq!(until(&g), Some(at(20 + H)));
    assert_eq!(g.called_back.unwrap().why.kind, ProblemType::CalledBack);
    assert_eq!(g.parts[0].draws[0].seats, 1, "its token names the seat");
    assert_eq!(used(&l), 2);
    assert_eq!(l.gauges().overlap_seats, 1);
    assert_eq!((l.gauges().handover_seats, l.gauges().held), (1, 3));
    assert_eq!(l.products()[0].used, 2);
    assert!(l.draws(id(3)).is_empty() && l.is_beyond(id(3)));
    assert_eq!(
        until(&asks(&mut l, 1, 30)),
        None,
        "who is to go is told nothing"
    );
    place(l.claim(claim(7, "render"), at(40)));
    back(&mut l, 1, 50);
    assert!(!l.is_beyond(id(3)));
    let g = asks(&mut l, 3, 60);
    assert_eq!((until(&g), g.handover), (None, None));
    place(l.claim(claim(7, "render"), at(70)));
    assert_eq!((used(&l), l.gauges().handover_seats), (2, 0));
    back(&mut l, 3, 80);
    back(&mut l, 2, 80);
    l.end_owner(&key(), &name(), at(90));
    asks(&mut l, 7, 100);
    assert_eq!(used(&l), 1);
}

#[test]
fn who_waits_already_is_handed_the_seat_when_it_is_named_and_others_need_no_owners_claim() {
    let mut l = full(&rolls(2));
    place(l.claim(claim(3, "render"), at(5)));
    names(&mut l, &[1, 2, 3], &[(1, 3)], 10);
    assert!(l.is_beyond(id(3)));
    // The owner's claim ends, and all counts by itself.
    l.end_owner(&key(), &name(), at(20));
    l.gone(&[pod(1).key()], at(30));
    assert!(!l.is_beyond(id(3)));
    place(l.claim(claim(7, "render"), at(40)));
    assert_eq!(used(&l), 2);
}

#[test]
fn at_its_end_the_successor_is_lost_and_waits_and_who_was_to_go_stays() {
    let mut l = rolling(&rolls(2));
    asks(&mut l, 3, 20);
    for ms in (10_000..H).step_by(10_000) {
        for n in [1, 2, 3] {
            asks(&mut l, n, ms);
        }
        place(l.claim(claim(7, "render"), at(ms)));
    }
    let last = l.claim(claim(3, "render"), at(20 + H - 1)).unwrap();
    assert_eq!(until(&granted(Ok(last))), Some(at(20 + H)));
    let over = l.renew(&renewal(3, id(3), 9, 9), at(20 + H)).unwrap_err();
    assert_eq!(Problem::from(over).kind, ProblemType::CalledBack);
    // It begins anew with another secret, behind who waited; no second time is there for it.
    let mut anew = claim(4, "render");
    (anew.holder, anew.counter) = (pod(3), Some(10));
    assert_eq!(place(l.claim(anew, at(20 + H + 1))).place, 2);
    assert_eq!((l.gauges().handover_seats, used(&l)), (0, 2));
    assert_eq!(until(&asks(&mut l, 1, 20 + H + 2)), None);
    // One that asks nothing any more ends in the books with its margin.
    let mut l = rolling(&rolls(2));
    asks(&mut l, 3, 20);
    let free = 20 + H + crate::time::margin(Duration::from_millis(H)).as_millis() as u64;
    for ms in (0..free).step_by(9_000).chain([free - 1]) {
        let ms = ms.max(20);
        l.renew(&renewal(3, id(3), 10 + ms, 9), at(ms)).ok();
        for n in [1, 2] {
            asks(&mut l, n, ms);
        }
    }
    l.tick(at(free - 1));
    assert!(l.is_beyond(id(3)));
    l.tick(at(free));
    assert!(l.status(id(3)).is_none());
}

#[test]
fn a_seat_is_handed_over_again_only_after_ten_times_as_long_whoever_has_it() {
    let mut l = rolling(&rolls(2));
    asks(&mut l, 3, 20);
    back(&mut l, 1, 30);
    names(&mut l, &[2, 3, 4], &[(3, 4)], 40);
    for ms in (40..=20 + H * 10).step_by(9_990) {
        for n in [2, 3] {
            asks(&mut l, n, ms);
        }
        place(l.claim(claim(4, "render"), at(ms)));
    }
    asks(&mut l, 3, 20 + H * 10 - 1);
    place(l.claim(claim(4, "render"), at(20 + H * 10 - 1)));
    let g = asks(&mut l, 4, 20 + H * 10);
    assert_eq!(until(&g), Some(at(20 + H * 11)));
}

#[test]
fn a_pod_that_gives_its_lease_back_and_asks_anew_begins_no_chain() {
    let mut l = rolling(&rolls(2));
    asks(&mut l, 3, 20);
    back(&mut l, 1, 30);
    back(&mut l, 3, 40);
    // The seat is its owner's meanwhile, and the stranger still waits.
    let mut anew = claim(4, "render");
    (anew.holder, anew.counter) = (pod(3), Some(10));
    granted(l.claim(anew, at(50)));
    names(&mut l, &[2, 3, 5], &[(3, 5)], 60);
    place(l.claim(claim(5, "render"), at(70)));
}

#[test]
fn a_successor_that_goes_is_no_loss_and_its_predecessor_has_no_second_one() {
    let mut l = rolling(&rolls(2));
    asks(&mut l, 3, 20);
    back(&mut l, 3, 30);
    assert_eq!((used(&l), l.gauges().handover_seats), (2, 0));
    names(&mut l, &[1, 2, 4], &[(1, 4)], 40);
    place(l.claim(claim(4, "render"), at(50)));
    // The other pod's seat is another one.
    names(&mut l, &[1, 2, 4], &[(2, 4)], 60);
    asks(&mut l, 4, 70);
}

#[test]
fn to_whom_nothing_is_handed_over() {
    let waits = |mut l: Ledger, what: &str, why: &str| {
        place(l.claim(claim(3, what), at(20)));
        assert!(!l.is_beyond(id(3)), "{why}");
    };
    let plain = license(&[("r", 2)], &[("render", "r")]);
    waits(rolling(&plain), "render", "the license allows none");
    waits(full(&rolls(2)), "render", "it is not named");
    let mut l = full(&rolls(2));
    names(&mut l, &[1, 2], &[(1, 3)], 10);
    waits(l, "render", "it is not the owner's");
    waits(rolling(&rolls(2)), "render:2", "it wants more");
    let mut l = full(&rolls(2));
    names(&mut l, &[1, 2, 3, 4, 5], &[(5, 3)], 10);
    waits(l, "render", "who is to go has nothing");
    let mut l = rolling(&rolls(2));
    l.take_back(id(1), at(15));
    waits(l, "render", "an administrator took it back");
    let mut l = rolling(&rolls(2));
    l.pause(Some(Problem::new(ProblemType::AnchorLost, "x")), at(15));
    assert!(l.claim(claim(3, "render"), at(20)).is_err());
    assert!(!l.is_beyond(id(3)), "nothing can be signed");
}

#[test]
fn seats_that_others_count_as_one_with_who_goes_are_handed_to_nobody() {
    let mut sold = license(&[("r", 1)], &[("render", "r")]);
    sold.policy.max_handover = Some(Duration::from_millis(H));
    sold.products[0].count_by = CountBy::Node;
    let on = |n: u8, node: &str| {
        let mut c = claim(n, "render");
        if let Holder::Pod { node: at, .. } = &mut c.holder {
            *at = Some(node.into());
        }
        c
    };
    for (other, beyond) in [("b", false), ("c", true)] {
        let mut l = Ledger::new(settings(1, Duration::ZERO), one(&sold), at(0));
        granted(l.claim(on(1, "b"), at(0)));
        names(&mut l, &[1, 2, 3], &[(1, 3)], 1);
        l.claim(on(2, other), at(2)).unwrap();
        l.claim(on(3, "a"), at(3)).unwrap();
        assert_eq!(l.is_beyond(id(3)), beyond, "{other}");
        back(&mut l, 1, 4);
        assert!(!l.is_beyond(id(3)));
        assert_eq!(used(&l), 1);
    }
}

/// What a holder shows of a lease that was given so long ago.
fn shown_later(g: &Granted, then: BootTime, now: BootTime) -> HeldLease {
    let handover = g.handover.as_ref().map(|h| HandoverBefore {
        from: h.0.clone(),
        left: now.until(h.1),
    });
    HeldLease {
        handover,
        handed_ago: g.handed.map(|t| now.since(t)),
        age: Some(now.since(then)),
        ..shown(g, 1)
    }
}

#[test]
fn after_a_restart_a_handover_is_one_whoever_comes_first() {
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]] {
        let mut l = rolling(&rolls(2));
        let mut all = vec![(owner(2), granted(l.claim(owner(2), at(20))))];
        for n in [3, 2, 1] {
            all.push((claim(n, "render"), asks(&mut l, n, 20)));
        }
        let mut l = Ledger::new(settings(2, D), one(&rolls(2)), at(10_000));
        for i in order {
            let (mut c, g) = all[i].clone();
            c.held = Some(shown_later(&g, at(20), at(10_000)));
            granted(l.claim(c, at(10_000)));
        }
        assert!(l.is_beyond(id(3)), "{order:?}");
        assert_eq!(used(&l), 2, "{order:?}");
        assert_eq!(until(&asks(&mut l, 3, 10_001)), Some(at(20 + H)));
        l.expected(&[], &[], at(10_002));
        place(l.claim(claim(7, "render"), at(10_003)));
        // Each knows that the seat was handed over.
        names(&mut l, &[1, 2, 3], &[(1, 3)], 10_004);
        back(&mut l, 1, 10_005);
        assert!(!l.is_beyond(id(3)));
        names(&mut l, &[2, 3, 4], &[(3, 4)], 10_006);
        place(l.claim(claim(4, "render"), at(10_007)));
    }
}

#[test]
fn after_a_restart_the_seat_of_who_is_gone_is_its_successors_before_anybody_waits_for_it() {
    let mut l = rolling(&rolls(2));
    let g = asks(&mut l, 3, 20);
    let g2 = asks(&mut l, 2, 20);
    let mut l = Ledger::new(settings(2, D), one(&rolls(2)), at(10_000));
    place(l.claim(claim(7, "render"), at(10_000)));
    for (n, g) in [(3, g), (2, g2)] {
        let mut c = claim(n, "render");
        c.held = Some(shown_later(&g, at(20), at(10_000)));
        granted(l.claim(c, at(10_000)));
    }
    assert!(l.is_beyond(id(3)));
    l.expected(&[], &[], at(10_001));
    assert!(!l.is_beyond(id(3)));
    place(l.claim(claim(7, "render"), at(10_002)));
    assert_eq!(used(&l), 2);
}

#[test]
fn one_whose_time_is_over_is_not_taken_in() {
    let mut l = rolling(&rolls(2));
    let g = asks(&mut l, 3, 20);
    let mut l = Ledger::new(settings(2, D), one(&rolls(2)), at(20 + H));
    let mut c = claim(3, "render");
    c.held = Some(shown_later(&g, at(20), at(20 + H)));
    place(l.claim(c, at(20 + H)));
}

#[test]
fn a_seat_that_its_owner_has_called_for_is_that_owners() {
    let mut l = Ledger::new(settings(1, Duration::ZERO), one(&rolls(2)), at(0));
    for n in [1, 2] {
        asks(&mut l, n, 0);
    }
    names(&mut l, &[1, 2, 3], &[(1, 3)], 10);
    asks(&mut l, 3, 20);
    l.set_policy(
        super::policy::policy(&[("theirs", (1, None, None))]),
        at(30),
    );
    l.grants(at(30));
    let mut theirs = claim(8, "render");
    if let Holder::Pod { namespace, .. } = &mut theirs.holder {
        *namespace = "theirs".into();
    }
    place(l.claim(theirs.clone(), at(40)));
    let told = until(&asks(&mut l, 1, 50));
    assert!(told.is_some(), "one that has seats");
    assert_eq!(until(&asks(&mut l, 3, 50)), Some(at(20 + H)));
    back(&mut l, 1, 60);
    granted(l.claim(theirs, at(70)));
    assert!(l.is_beyond(id(3)));
    l.gone(&[pod(8).key()], at(80));
    assert!(l.is_beyond(id(3)), "nothing comes to it any more");
    names(&mut l, &[2, 3, 4], &[(2, 4)], 90);
    granted(l.claim(claim(4, "render"), at(100)));
    assert!(!l.is_beyond(id(4)), "there is a free seat");
}
