//! What a policy leaves to whom: owners, limits, loans.

use super::*;
use crate::ledger::entry::State;
use crate::license::CountBy;
use crate::policy::PoolRights;

type Has = (u32, Option<u32>, Option<u32>);

/// A group for each namespace, with what it has of pool `r`: (owned, max, lend).
#[allow(clippy::unnecessary_wraps)] // as the ledger takes it
pub(super) fn policy(groups: &[(&str, Has)]) -> Option<Arc<SeatPolicy>> {
    let group = |(name, (owned, max, lend)): &(&str, Has)| {
        let rights = PoolRights {
            owned: *owned,
            max: *max,
            lend: *lend,
        };
        PolicyGroup {
            name: (*name).to_owned(),
            namespaces: vec![(*name).to_owned()],
            pools: [("r".parse().unwrap(), rights)].into(),
            ..PolicyGroup::default()
        }
    };
    Some(Arc::new(SeatPolicy {
        name: "shares".into(),
        notice: Duration::from_secs(60),
        groups: groups.iter().map(group).collect(),
        ..SeatPolicy::default()
    }))
}

fn of(namespace: &str, n: u8, what: &str) -> Claim {
    let mut c = claim(n, what);
    if let Holder::Pod { namespace: ns, .. } = &mut c.holder {
        *ns = namespace.into();
    }
    c
}

/// Gives a lease back.
fn back(l: &mut Ledger, n: u8, ms: u64) {
    let id = LeaseId::from_bytes([n; 16]);
    let gone = l.release(&ClaimName::pod(), id, &secret(n), None, at(ms));
    assert_eq!(gone, Ok(true));
}

fn held(l: &Ledger, n: u8) -> bool {
    let e = l.entries.get(&LeaseId::from_bytes([n; 16]));
    e.is_some_and(|e| matches!(e.state, State::Held { .. }))
}

fn ruled(seats: u32, groups: &[(&str, Has)]) -> Ledger {
    let mut l = super::seats(seats);
    l.set_policy(policy(groups), at(0));
    l
}

#[test]
fn who_is_at_its_limit_stops_nobody_else() {
    let mut l = ruled(10, &[("b", (0, Some(5), None))]);
    for n in 1..=5 {
        granted(l.claim(of("b", n, "render"), at(0)));
    }
    let waits = place(l.claim(of("b", 6, "render"), at(1)));
    assert_eq!(waits.reason, WaitReason::Policy);
    assert!(
        waits.message.contains("policy shares") && waits.message.contains("group b"),
        "{}",
        waits.message
    );
    for n in 7..=10 {
        granted(l.claim(of("a", n, "render"), at(2)));
    }
    // Nor when nothing is left: it gathers nothing of the license's.
    granted(l.claim(of("a", 11, "render"), at(3)));
    let next = place(l.claim(of("a", 12, "render"), at(4)));
    assert_eq!((next.place, next.reason), (1, WaitReason::Full));
    back(&mut l, 7, 5);
    assert!(held(&l, 12) && !held(&l, 6));
    back(&mut l, 1, 6);
    assert!(held(&l, 6));
}

#[test]
fn what_is_owned_is_lent_until_its_owner_wants_it() {
    let mut l = ruled(4, &[("a", (2, None, None))]);
    for n in 1..=4 {
        granted(l.claim(of("b", n, "render"), at(0)));
    }
    let later = place(l.claim(of("b", 5, "render"), at(1)));
    assert_eq!((later.place, later.reason), (1, WaitReason::Full));
    // An owner came: who would borrow is held back, whenever it came.
    place(l.claim(of("a", 6, "render"), at(2)));
    back(&mut l, 1, 4);
    assert!(held(&l, 6) && !held(&l, 5));
    // What it does not want is lent again.
    back(&mut l, 2, 5);
    assert!(held(&l, 5));
}

#[test]
fn what_is_not_lent_stays_free() {
    let mut l = ruled(4, &[("a", (2, None, Some(0)))]);
    granted(l.claim(of("b", 1, "render:2"), at(0)));
    let waits = place(l.claim(of("b", 2, "render"), at(1)));
    assert_eq!(waits.reason, WaitReason::Policy, "{}", waits.message);
    granted(l.claim(of("a", 3, "render:2"), at(2)));
    // More than it owns is nobody's own.
    let more = place(l.claim(of("a", 4, "render"), at(3)));
    assert_eq!(more.reason, WaitReason::Full, "{}", more.message);
}

#[test]
fn no_more_is_owned_than_there_is_and_the_first_groups_own_it() {
    let mut l = ruled(4, &[("a", (3, None, None)), ("c", (3, None, Some(0)))]);
    for n in 1..=3 {
        granted(l.claim(of("b", n, "render"), at(0)));
    }
    place(l.claim(of("b", 4, "render"), at(1)));
    granted(l.claim(of("c", 5, "render"), at(2)));
    // Of the second group's three one alone is its own.
    place(l.claim(of("c", 6, "render"), at(3)));
    assert_eq!(told(&mut l, 3, 1, 4), Ok(None));
    place(l.claim(of("a", 7, "render:3"), at(5)));
    for n in 1..=3 {
        assert!(told(&mut l, n, 2, 6).is_ok_and(|c| c.is_some()), "{n}");
    }
    assert_eq!(told(&mut l, 5, 1, 6), Ok(None));
}

#[test]
fn a_claim_that_policy_never_permits_is_refused_with_its_name() {
    let mut l = ruled(10, &[("b", (0, Some(5), None)), ("a", (4, None, Some(1)))]);
    let claimed = l.claim(of("b", 1, "render:6"), at(0));
    let why = claimed.clone().unwrap_err().to_string();
    assert!(
        why.contains("policy shares") && why.contains("group b"),
        "{why}"
    );
    assert_eq!(refused(claimed).0, ProblemType::ExceedsSeats);
    // All but what its owner does not lend.
    refused(l.claim(of("c", 2, "render:8"), at(1)));
    granted(l.claim(of("c", 3, "render:7"), at(2)));
}

#[test]
fn nobody_is_thrown_out_by_a_policy_nor_by_a_restart_under_a_stricter_one() {
    let mut l = ruled(4, &[]);
    let all: Vec<Granted> = (1..=3)
        .map(|n| granted(l.claim(of("b", n, "render"), at(0))))
        .collect();
    l.set_policy(policy(&[("b", (0, Some(2), None))]), at(1));
    assert!((1..=3).all(|n| held(&l, n)));
    place(l.claim(of("b", 4, "render"), at(2)));
    let license = license(&[("r", 4)], &[("render", "r")]);
    let mut l = Ledger::new(settings(2, D), one(&license), at(10));
    l.set_policy(policy(&[("b", (0, Some(2), None))]), at(10));
    for (n, g) in (1..).zip(&all) {
        let mut c = of("b", n, "render");
        c.held = Some(shown(g, 1));
        granted(l.claim(c, at(11)));
    }
}

#[test]
fn who_has_fewer_for_its_weight_stands_before_and_the_head_keeps_what_gathers_for_it() {
    let weight = |n| std::num::NonZeroU32::new(n);
    let group = |name: &str, n| PolicyGroup {
        name: name.to_owned(),
        namespaces: vec![name.to_owned()],
        weight: weight(n),
        ..PolicyGroup::default()
    };
    let mut l = super::seats(4);
    let policy = SeatPolicy {
        name: "weights".into(),
        notice: Duration::from_secs(60),
        groups: vec![group("a", 1), group("b", 3)],
        ..SeatPolicy::default()
    };
    let policy = Some(Arc::new(policy));
    l.set_policy(policy.clone(), at(0));
    for n in 1..=4 {
        granted(l.claim(of("a", n, "render"), at(0)));
    }
    for n in 11..=13 {
        place(l.claim(of("a", n, "render"), at(1)));
    }
    for n in 21..=24 {
        place(l.claim(of("b", n, "render"), at(2)));
    }
    for n in 1..=4 {
        back(&mut l, n, u64::from(n) + 2);
    }
    let who: Vec<u8> = (11..=24).filter(|n| held(&l, *n)).collect();
    assert_eq!(who, [11, 21, 22, 23], "seat for seat: b, b, b, a");
    // The next of b wants two: while one is free for it, nobody has that who has fewer.
    let mut l = super::seats(4);
    l.set_policy(policy, at(0));
    granted(l.claim(of("b", 1, "render"), at(0)));
    granted(l.claim(of("none", 2, "render"), at(0)));
    granted(l.claim(of("none", 3, "render:2"), at(0)));
    place(l.claim(of("b", 4, "render:2"), at(1)));
    back(&mut l, 2, 2);
    place(l.claim(of("a", 5, "render"), at(3)));
    assert!(!held(&l, 4) && !held(&l, 5));
    back(&mut l, 3, 4);
    assert!(held(&l, 4) && held(&l, 5));
}

#[test]
fn each_group_pays_for_seats_that_claims_of_both_count_as_one() {
    let mut license = license(&[("r", 4)], &[("render", "r")]);
    license.products[0].count_by = CountBy::Node;
    let mut l = Ledger::new(settings(1, Duration::ZERO), one(&license), at(0));
    l.set_policy(
        policy(&[("b", (0, Some(1), None)), ("c", (0, Some(1), None))]),
        at(0),
    );
    let on = |namespace: &str, n: u8, node: &str| {
        let mut c = of(namespace, n, "render");
        if let Holder::Pod { node: on, .. } = &mut c.holder {
            *on = Some(node.into());
        }
        c
    };
    granted(l.claim(on("b", 1, "n1"), at(0)));
    granted(l.claim(on("b", 2, "n1"), at(1)));
    // The other group pays for itself, though the license's seat is out already.
    granted(l.claim(on("c", 3, "n1"), at(2)));
    assert_eq!(l.pools()[0].used, 1);
    place(l.claim(on("c", 4, "n2"), at(3)));
    place(l.claim(on("b", 5, "n2"), at(4)));
    granted(l.claim(on("d", 6, "n2"), at(5)));
    // Nor by sharing one.
    let shares = place(l.claim(on("b", 5, "n2"), at(6)));
    assert_eq!(shares.reason, WaitReason::Policy);
    back(&mut l, 1, 7);
    assert!(!held(&l, 5));
    back(&mut l, 2, 8);
    assert!(held(&l, 5));
}

/// What its holder is told at its next request: until when it may go on.
fn told(l: &mut Ledger, n: u8, counter: u64, ms: u64) -> Result<Option<BootTime>, ProblemType> {
    let id = LeaseId::from_bytes([n; 16]);
    let renewed = l.renew(&renewal(n, id, counter, n), at(ms));
    let until = renewed.map(|g| g.called_back.map(|c| c.until));
    until.map_err(|e| Problem::from(e).kind)
}

#[test]
fn the_youngest_loans_are_called_back_and_no_more_than_are_wanted() {
    let mut l = ruled(4, &[("a", (2, None, None)), ("c", (1, None, None))]);
    granted(l.claim(of("c", 1, "render"), at(0)));
    for n in 2..=4 {
        granted(l.claim(of("b", n, "render"), at(u64::from(n))));
    }
    place(l.claim(of("a", 9, "render"), at(10)));
    let notice = 60_000;
    assert_eq!(told(&mut l, 4, 1, 20), Ok(Some(at(20 + notice))));
    assert_eq!(
        told(&mut l, 4, 2, 500),
        Ok(Some(at(20 + notice))),
        "the first word counts"
    );
    for n in 1..=3 {
        assert_eq!(told(&mut l, n, 1, 600), Ok(None), "{n}");
    }
    place(l.claim(of("a", 10, "render"), at(700)));
    assert_eq!(
        told(&mut l, 3, 2, 800),
        Ok(None),
        "its owner stands behind another"
    );
    // The seat comes from elsewhere: nothing is called back any more, but for who is next.
    back(&mut l, 2, 900);
    assert!(held(&l, 9));
    assert_eq!(told(&mut l, 3, 3, 1_000), Ok(None));
    assert_eq!(told(&mut l, 4, 3, 1_000), Ok(Some(at(20 + notice))));
    // Its owner goes away: it goes on.
    back(&mut l, 10, 1_100);
    assert_eq!(told(&mut l, 4, 4, 1_200), Ok(None));
    assert_eq!(told(&mut l, 4, 5, 1_300), Ok(None));
}

#[test]
fn a_loan_is_back_within_its_notice_though_its_holder_asks_on() {
    let mut l = ruled(1, &[("a", (1, None, None))]);
    let lease = granted(l.claim(of("b", 1, "render"), at(0))).lease;
    place(l.claim(of("a", 9, "render"), at(10)));
    let mut counter = 0;
    let mut asks = |l: &mut Ledger, ms: u64| {
        counter += 1;
        // The owner asks again, as who waits does.
        let _ = l.claim(of("a", 9, "render"), at(ms));
        told(l, 1, counter, ms)
    };
    assert_eq!(asks(&mut l, 1_000), Ok(Some(at(61_000))));
    let last = 60_000;
    for ms in (10_000..=last).step_by(10_000) {
        assert_eq!(asks(&mut l, ms), Ok(Some(at(61_000))));
    }
    assert_eq!(asks(&mut l, 61_000), Err(ProblemType::CalledBack));
    let free = 61_000 + crate::time::margin(Duration::from_secs(60)).as_millis() as u64;
    assert_eq!(asks(&mut l, free - 1), Err(ProblemType::CalledBack));
    assert!(
        held(&l, 1) && !held(&l, 9),
        "until no clock lets its holder go by it"
    );
    l.tick(at(free));
    assert!(!held(&l, 1) && held(&l, 9), "{lease}");
}

#[test]
fn who_begins_anew_after_its_notice_has_heard_and_its_seat_is_back() {
    let mut l = ruled(1, &[("a", (1, None, None))]);
    granted(l.claim(of("b", 1, "render"), at(0)));
    place(l.claim(of("a", 9, "render"), at(10)));
    assert_eq!(told(&mut l, 1, 1, 1_000), Ok(Some(at(61_000))));
    let anew = |secret: u8, counter: u64| {
        let mut c = of("b", 2, "render");
        c.holder = of("b", 1, "render").holder;
        c.secret_hash = super::secret(secret).hash();
        c.counter = Some(counter);
        c
    };
    let _ = l.claim(of("a", 9, "render"), at(20_000));
    assert_eq!(
        refused(l.claim(anew(7, 2), at(20_000))).0,
        ProblemType::ClaimChanged
    );
    for ms in [30_000, 50_000] {
        let _ = l.claim(of("a", 9, "render"), at(ms));
        assert_eq!(told(&mut l, 1, ms, ms), Ok(Some(at(61_000))));
    }
    assert_eq!(
        refused(l.claim(anew(7, 2), at(61_000))).0,
        ProblemType::ClaimChanged,
        "late"
    );
    assert!(held(&l, 1));
    let waits = place(l.claim(anew(7, 70_000), at(61_001)));
    assert!(!held(&l, 1) && held(&l, 9));
    assert_eq!(waits.place, 1, "an ordinary place");
}

#[test]
fn nothing_is_called_back_in_vain_nor_what_its_group_owns() {
    let mut l = ruled(4, &[("a", (2, None, None)), ("c", (2, None, None))]);
    granted(l.claim(of("c", 1, "render"), at(0)));
    granted(l.claim(of("c", 2, "render:2"), at(1)));
    granted(l.claim(of("b", 3, "render"), at(2)));
    // The youngest has one of the two that are wanted: then another's two, which is more than its
    // group owns, are enough alone.
    place(l.claim(of("a", 9, "render:2"), at(3)));
    assert_eq!(told(&mut l, 3, 1, 4), Ok(None));
    assert_eq!(told(&mut l, 2, 1, 4), Ok(Some(at(4 + 60_000))));
    assert_eq!(told(&mut l, 1, 1, 4), Ok(None));
}

#[test]
fn who_has_more_than_it_owns_elsewhere_keeps_what_it_owns_here() {
    let license = license(&[("r", 2), ("s", 2)], &[("render", "r"), ("sim", "s")]);
    let mut l = Ledger::new(settings(1, Duration::ZERO), one(&license), at(0));
    let mut shares = policy(&[("a", (1, None, None)), ("c", (1, None, None))]);
    let groups = shares
        .as_mut()
        .and_then(Arc::get_mut)
        .map(|p| &mut p.groups);
    let of_s = ("s".parse().unwrap(), PoolRights::default());
    groups.unwrap()[1].pools.extend([of_s]);
    l.set_policy(shares, at(0));
    granted(l.claim(of("b", 1, "render"), at(0)));
    // Of r its group has what it owns, and of s more.
    granted(l.claim(of("c", 2, "render,sim"), at(1)));
    place(l.claim(of("a", 9, "render"), at(2)));
    assert_eq!(told(&mut l, 2, 1, 3), Ok(None));
    assert!(told(&mut l, 1, 1, 3).is_ok_and(|c| c.is_some()));
}

#[test]
fn who_waits_for_seats_of_which_the_policy_does_not_speak_owns_none_of_them() {
    let license = license(&[("r", 1), ("s", 1)], &[("both", "r+s"), ("either", "s|r")]);
    let mut l = Ledger::new(settings(1, Duration::ZERO), one(&license), at(0));
    l.set_policy(
        policy(&[("a", (1, None, None)), ("b", (0, None, None))]),
        at(0),
    );
    granted(l.claim(of("c", 1, "both"), at(0)));
    place(l.claim(of("b", 9, "either"), at(1)));
    assert_eq!(told(&mut l, 1, 1, 2), Ok(None));
    place(l.claim(of("a", 8, "either"), at(3)));
    assert!(told(&mut l, 1, 2, 4).is_ok_and(|c| c.is_some()));
}

#[test]
fn who_waits_for_seats_that_are_to_begin_is_not_held_back() {
    let mut license = license(&[("r", 1), ("s", 3)], &[("render", "r|s")]);
    license.pools[1].not_before = Some("2030-01-01T00:00:00Z".parse().unwrap());
    let mut l = Ledger::new(settings(1, Duration::ZERO), one(&license), at(0));
    l.set_date("2029-01-01T00:00:00Z".parse().unwrap(), at(0));
    l.set_policy(policy(&[("b", (0, None, None))]), at(0));
    place(l.claim(of("b", 1, "render:3"), at(0)));
    let next = place(l.claim(of("c", 2, "render"), at(1)));
    assert_eq!(next.reason, WaitReason::Behind);
}

#[test]
fn where_more_is_out_than_there_is_as_much_more_is_called_back() {
    let mut l = ruled(3, &[("a", (1, None, None))]);
    granted(l.claim(of("b", 1, "render"), at(0)));
    granted(l.claim(of("b", 2, "render:2"), at(1)));
    l.set_capacity(one(&license(&[("r", 1)], &[("render", "r")])), at(2));
    place(l.claim(of("a", 9, "render"), at(3)));
    for n in 1..=2 {
        assert!(told(&mut l, n, 1, 4).is_ok_and(|c| c.is_some()), "{n}");
    }
}

#[test]
fn a_loan_of_an_earlier_run_is_not_free_while_its_holder_may_go_by_that_runs_longer_lease() {
    let mut l = Ledger::new(
        Settings {
            lease_for: D * 10,
            ..settings(1, Duration::ZERO)
        },
        one(&license(&[("r", 1)], &[("render", "r")])),
        at(0),
    );
    let before = granted(l.claim(of("b", 1, "render"), at(0)));
    let license = license(&[("r", 1)], &[("render", "r")]);
    let mut l = Ledger::new(settings(2, Duration::ZERO), one(&license), at(10));
    l.set_policy(policy(&[("a", (1, None, None))]), at(10));
    let mut c = of("b", 1, "render");
    c.held = Some(HeldLease {
        lease_for: D * 10,
        ..shown(&before, 1)
    });
    granted(l.claim(c, at(20)));
    place(l.claim(of("a", 9, "render"), at(1_000)));
    // No answer reaches it: it goes on by what it was told before.
    assert!(told(&mut l, 1, 5, 1_001).is_ok_and(|c| c.is_some()));
    let longer = (D * 10).as_millis() as u64;
    for ms in (1_001..longer).step_by(5_000) {
        let _ = l.claim(of("a", 9, "render"), at(ms));
    }
    assert!(held(&l, 1), "by a lease of {longer} ms");
}

/// What the policy has counted is what is out.
fn is_counted(l: &mut Ledger) {
    let before = format!("{:?}", l.capacity.rights);
    l.count_tenants();
    assert_eq!(format!("{:?}", l.capacity.rights), before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn owners_and_limits_hold_and_whoever_could_have_a_seat_has_it(
        ops in proptest::collection::vec((0u8..10, 0u8..120, 0usize..4, 1u8..3), 1..120),
        owned in 0u32..4, max in 1u32..5, lend in proptest::option::of(0u32..3),
    ) {
        let groups = [("a", (owned, None, lend)), ("b", (0, Some(max), None)), ("c", (1, None, None))];
        let mut l = ruled(6, &groups);
        for (new, (op, n, who, many)) in (1..).zip(ops) {
            let now = u64::from(new);
            if op < 4 {
                let id = LeaseId::from_bytes([n; 16]);
                let _ = l.release(&ClaimName::pod(), id, &secret(n), None, at(now));
            } else {
                let namespace = ["a", "b", "c", "none"][who];
                let _ = l.claim(of(namespace, new, &format!("render:{many}")), at(now));
            }
            is_counted(&mut l);
            let of = |ns: &str| {
                let of_it = l.entries.iter().filter(|e| e.who.namespace() == Some(ns));
                let (mut has, mut waits) = (0, Vec::new());
                for e in of_it {
                    let seats = e.items()[0].seats.get();
                    match &e.state {
                        State::Held { .. } => has += seats,
                        State::Queued(place) => waits.push((place.rank, seats)),
                        State::Refused(_) => {}
                    }
                }
                (has, waits.into_iter().min())
            };
            let all = ["a", "b", "c", "none"].map(of);
            let free = 6 - all.iter().map(|(has, _)| has).sum::<u32>();
            prop_assert!(all[1].0 <= max);
            // The first owner who waits for seats of its own waits for room alone, and another one
            // for no more than its turn.
            let owners = [(all[0], owned), (all[2], 1)];
            let own = owners.iter().filter_map(|((has, waits), owned)| {
                waits.filter(|(_, n)| has + n <= *owned)
            });
            if let Some((_, n)) = own.min() {
                prop_assert!(n > free, "{n} of its own wanted, and {free} are free: {all:?}");
            }
            // Where nobody wants its own, and all is lent, a seat is free for somebody else alone
            // if each who waits wants more, or is at its limit.
            if own_is_idle(&owners) && lend.is_none() {
                for (i, (has, waits)) in all.iter().enumerate() {
                    let Some((_, n)) = waits else { continue };
                    let limited = i == 1 && has + n > max;
                    prop_assert!(limited || *n > free || behind(&all, i, max, free), "{all:?}");
                }
            }
        }
    }
}

type Stand = (u32, Option<(crate::ledger::queue::Rank, u32)>);

fn own_is_idle(owners: &[(Stand, u32)]) -> bool {
    owners
        .iter()
        .all(|((has, waits), owned)| waits.is_none_or(|(_, n)| has + n > *owned))
}

/// Whether somebody stands before it who wants more than is free, and is not at its limit.
fn behind(all: &[Stand], i: usize, max: u32, free: u32) -> bool {
    let Some((rank, _)) = all[i].1 else {
        return false;
    };
    all.iter().enumerate().any(|(other, (has, waits))| {
        let limited = |n: u32| other == 1 && has + n > max;
        waits.is_some_and(|(r, n)| r < rank && n > free && !limited(n))
    })
}

#[test]
fn an_owners_claim_for_more_than_its_own_keeps_no_other_of_its_group_from_that() {
    let mut l = ruled(4, &[("a", (2, None, Some(0))), ("c", (1, None, Some(0)))]);
    granted(l.claim(of("b", 1, "render"), at(0)));
    // It would take what another keeps, too.
    let waits = place(l.claim(of("a", 2, "render:3"), at(1)));
    assert_eq!(waits.reason, WaitReason::Policy);
    // One of its own is free, and nobody else may have it.
    place(l.claim(of("b", 3, "render"), at(2)));
    granted(l.claim(of("a", 4, "render"), at(3)));
}

#[test]
fn an_owner_that_wants_more_than_its_own_stands_behind_who_came_before_it() {
    let mut l = ruled(4, &[("a", (2, None, Some(0)))]);
    granted(l.claim(of("b", 1, "render"), at(0)));
    granted(l.claim(of("b", 2, "render"), at(0)));
    granted(l.claim(of("a", 3, "render"), at(0)));
    // One is free, and kept; one of what nobody owns is wanted by both.
    place(l.claim(of("b", 4, "render:2"), at(1)));
    place(l.claim(of("a", 5, "render:2"), at(2)));
    back(&mut l, 1, 3);
    assert!(!held(&l, 4) && !held(&l, 5));
    back(&mut l, 2, 4);
    assert!(held(&l, 4) && !held(&l, 5));
}

#[test]
fn who_waits_for_seats_that_others_have_is_not_held_back() {
    // All is lent: who wants more than is free waits as without a policy; no smaller one passes.
    let mut l = ruled(3, &[("a", (1, None, None))]);
    granted(l.claim(of("b", 1, "render"), at(0)));
    granted(l.claim(of("b", 2, "render"), at(0)));
    place(l.claim(of("c", 3, "render:2"), at(1)));
    place(l.claim(of("b", 4, "render"), at(2)));
    back(&mut l, 1, 3);
    assert!(held(&l, 3) && !held(&l, 4));
    // Nor in another pool that it needs: what is free there gathers for it.
    let license = license(&[("r", 1), ("s", 1)], &[("render", "r"), ("sim", "s")]);
    let mut l = Ledger::new(settings(1, Duration::ZERO), one(&license), at(0));
    l.set_policy(policy(&[("a", (1, None, None))]), at(0));
    granted(l.claim(of("b", 1, "render"), at(0)));
    place(l.claim(of("c", 2, "render,sim"), at(1)));
    place(l.claim(of("c", 3, "sim"), at(2)));
    back(&mut l, 1, 3);
    assert!(held(&l, 2) && !held(&l, 3));
}

#[test]
fn who_stands_behind_one_of_its_group_that_waits_for_seats_is_not_held_back() {
    let license = license(&[("r", 1), ("s", 1)], &[("render", "r"), ("sim", "s")]);
    let mut l = Ledger::new(settings(1, Duration::ZERO), one(&license), at(0));
    l.set_policy(policy(&[("b", (0, Some(3), None))]), at(0));
    granted(l.claim(of("c", 1, "render"), at(0)));
    place(l.claim(of("b", 2, "render"), at(1)));
    place(l.claim(of("b", 3, "render,sim"), at(2)));
    place(l.claim(of("c", 4, "sim"), at(3)));
}
