//! Pools that begin and end by the wall clock.

use super::*;

/// So many seconds after the beginning, by the wall clock; the boot clock is at the same.
fn wall(secs: u64) -> Timestamp {
    let begin: Timestamp = "2026-11-29T00:00:00Z".parse().unwrap();
    begin.checked_add(Duration::from_secs(secs)).unwrap()
}

/// A license whose pools have dates, in seconds.
fn dated(pools: &[(&str, u32, Option<u64>, Option<u64>)], products: &[(&str, &str)]) -> License {
    let plain: Vec<(&str, u32)> = pools.iter().map(|p| (p.0, p.1)).collect();
    let mut l = license(&plain, products);
    for (p, (.., begin, end)) in l.pools.iter_mut().zip(pools) {
        (p.not_before, p.expires) = (begin.map(wall), end.map(wall));
    }
    l.check_pools().unwrap();
    l
}

/// The books of run `no` with such a license, at the beginning.
fn run(no: u8, settle: u64, license: &License) -> Ledger {
    let settings = settings(no, Duration::from_secs(settle));
    let mut l = Ledger::new(settings, one(license), at(0));
    go(&mut l, 0);
    l
}

/// Both clocks go on to so many seconds after the beginning.
fn go(l: &mut Ledger, secs: u64) -> BootTime {
    let now = at(secs * 1000);
    l.set_date(wall(secs), now);
    l.grants(now);
    now
}

/// How a lease is answered that is renewed, as the frontend judges it: the pools it draws on.
fn renews(l: &mut Ledger, n: u8, counter: u64, secs: u64) -> Result<Vec<String>, ProblemType> {
    let now = go(l, secs);
    let r = renewal(
        n,
        LeaseId::from_bytes([n; 16]),
        counter,
        u8::try_from(counter % 256).unwrap(),
    );
    let g = l.renew(&r, now).map_err(|e| Problem::from(e).kind)?;
    g.in_force(wall(secs)).map_err(|p| p.kind)?;
    Ok(drawn(&g))
}

/// Renews as a holder does until so many seconds after the beginning.
fn lives(l: &mut Ledger, n: u8, until: u64) {
    for secs in (10..=until).step_by(10) {
        renews(l, n, secs / 10, secs).unwrap();
    }
}

/// The same for two at once, up to ten seconds before the pool `extra` ends.
fn both_live(l: &mut Ledger) {
    for secs in (10..100).step_by(10) {
        renews(l, 1, secs / 10, secs).unwrap();
        renews(l, 2, secs / 10, secs).unwrap();
    }
}

fn drawn(g: &Granted) -> Vec<String> {
    let draw = |d: &crate::license::TokenDraw| format!("{} of {}", d.seats, d.pool);
    g.parts.iter().flat_map(|p| &p.draws).map(draw).collect()
}

/// (seats, used) of each pool.
fn numbers(l: &Ledger) -> Vec<(u32, u32)> {
    l.pools().iter().map(|p| (p.seats, p.used)).collect()
}

const TWO: [(&str, u32, Option<u64>, Option<u64>); 2] =
    [("extra", 1, None, Some(100)), ("base", 1, None, None)];

#[test]
fn a_lease_moves_to_another_pool_of_its_product_when_its_own_ends() {
    let mut l = run(1, 0, &dated(&TWO, &[("render", "extra|base")]));
    let g = granted(l.claim(claim(1, "render"), at(0)));
    assert_eq!(drawn(&g), ["1 of extra"]);
    lives(&mut l, 1, 90);
    assert_eq!(renews(&mut l, 1, 50, 99), Ok(vec!["1 of extra".into()]));
    while l.next_event().is_some() {}
    go(&mut l, 100);
    assert_eq!(numbers(&l), [(0, 0), (1, 1)], "and it is counted once");
    assert!(l.next_event().is_some(), "the watch is told");
    assert_eq!(renews(&mut l, 1, 51, 101), Ok(vec!["1 of base".into()]));
    assert_eq!(l.products()[0].seats, 1);
}

#[test]
fn a_lease_that_cannot_move_is_told_so_from_that_instant_and_ends_when_its_grace_has_passed() {
    let mut l = run(1, 0, &dated(&TWO, &[("render", "extra|base")]));
    granted(l.claim(claim(1, "render"), at(0)));
    granted(l.claim(claim(2, "render"), at(0)));
    let ended = Err(ProblemType::LicenseInvalid);
    both_live(&mut l);
    // Its last good renewal was at 90; it keeps asking until its grace of 600 s and the margin
    // (1.6 s) have passed, and is there for so long.
    for (counter, secs) in (100..).zip((100..=690).step_by(10)) {
        assert_eq!(renews(&mut l, 1, counter, secs), ended, "at {secs}");
        assert_eq!(
            renews(&mut l, 2, counter, secs),
            Ok(vec!["1 of base".into()])
        );
    }
    let view = l.views(at(690_000)).into_iter();
    let view = view.min_by_key(|v| v.lease).unwrap();
    assert_eq!(view.state, ViewState::Held);
    let told = view.problem.unwrap();
    assert_eq!(told.kind, ProblemType::LicenseInvalid);
    assert!(
        told.detail
            .contains("pool extra, which ended 2026-11-29T00:01:40Z")
    );
    assert_eq!(view.free_in_ms, Some(1_600));
    go(&mut l, 692);
    assert_eq!(numbers(&l), [(0, 0), (1, 1)]);
    assert_eq!(renews(&mut l, 1, 300, 693), Err(ProblemType::UnknownLease));
    // It asks anew like any other.
    let c = Claim {
        counter: Some(301),
        ..claim(1, "render")
    };
    assert_eq!(place(l.claim(c, at(694_000))).reason, WaitReason::Full);
}

#[test]
fn a_lease_that_cannot_move_does_as_soon_as_there_is_room_and_before_who_waits() {
    let mut l = run(1, 0, &dated(&TWO, &[("render", "extra|base")]));
    granted(l.claim(claim(1, "render"), at(0)));
    let second = granted(l.claim(claim(2, "render"), at(0))).lease;
    both_live(&mut l);
    place(l.claim(claim(3, "render"), at(91_000)));
    assert_eq!(renews(&mut l, 1, 50, 100), Err(ProblemType::LicenseInvalid));
    l.release(&ClaimName::pod(), second, &secret(2), None, at(101_000))
        .unwrap();
    assert_eq!(renews(&mut l, 1, 51, 102), Ok(vec!["1 of base".into()]));
    assert!(l.views(at(102_000)).iter().all(|v| v.problem.is_none()));
    assert_eq!(place(l.claim(claim(3, "render"), at(103_000))).place, 1);
}

#[test]
fn a_lease_of_two_products_moves_as_a_whole_or_not_at_all() {
    let pools = [
        ("extra", 1, None, Some(100)),
        ("base", 1, None, None),
        ("cut", 1, None, Some(100)),
    ];
    let mut l = run(
        1,
        0,
        &dated(&pools, &[("render", "extra|base"), ("denoise", "cut")]),
    );
    granted(l.claim(claim(1, "render,denoise"), at(0)));
    lives(&mut l, 1, 90);
    assert_eq!(renews(&mut l, 1, 50, 100), Err(ProblemType::LicenseInvalid));
    assert_eq!(
        numbers(&l),
        [(0, 1), (1, 0), (0, 1)],
        "base is free for others"
    );
    granted(l.claim(claim(2, "render"), at(101_000)));
}

#[test]
fn seats_that_count_as_one_move_together() {
    let mut license = dated(&TWO, &[("render", "extra|base")]);
    license.products[0].count_by = crate::license::CountBy::ServiceAccount;
    let mut l = run(1, 0, &license);
    granted(l.claim(claim(1, "render"), at(0)));
    granted(l.claim(claim(2, "render"), at(0)));
    assert_eq!(numbers(&l), [(1, 1), (1, 0)]);
    both_live(&mut l);
    for n in [1, 2] {
        assert_eq!(renews(&mut l, n, 50, 100), Ok(vec!["1 of base".into()]));
    }
    assert_eq!(numbers(&l), [(0, 0), (1, 1)]);
    for n in [1, 2] {
        let lease = LeaseId::from_bytes([n; 16]);
        l.release(&ClaimName::pod(), lease, &secret(n), None, at(101_000))
            .unwrap();
    }
    assert_eq!(numbers(&l), [(0, 0), (1, 0)]);
}

#[test]
fn who_waits_is_told_of_seats_that_begin_and_gets_them_in_that_step() {
    let pools = [("base", 1, None, None), ("more", 2, Some(25), None)];
    let mut l = run(1, 0, &dated(&pools, &[("render", "base|more")]));
    granted(l.claim(claim(1, "render"), at(0)));
    let p = place(l.claim(claim(2, "render:2"), at(1000)));
    assert!(
        p.message.ends_with("more begin 2026-11-29T00:00:25Z"),
        "{}",
        p.message
    );
    assert_eq!(l.next_date(), Some(wall(25)));
    let changes = l.products().remove(0).changes;
    let changes: Vec<_> = changes.iter().map(|c| (c.at.as_str(), c.seats)).collect();
    assert_eq!(changes, [("2026-11-29T00:00:25Z", 3)]);
    go(&mut l, 24);
    assert!(matches!(l.status(p.lease), Some(Claimed::Waiting(_))));
    go(&mut l, 25);
    let Some(Claimed::Granted(g)) = l.status(p.lease) else {
        panic!("expected a grant");
    };
    assert_eq!(drawn(&g), ["2 of more"]);
    assert_eq!(g.dates.begin, Some(wall(25)));
    // What comes later counts for what can ever be granted, what is never there together does not.
    assert_eq!(
        refused(l.claim(claim(3, "render:4"), at(26_000))).0,
        ProblemType::ExceedsSeats
    );
}

#[test]
fn pools_that_are_never_there_together_do_not_add_up() {
    let pools = [("old", 2, None, Some(50)), ("new", 2, Some(50), None)];
    let mut l = run(1, 0, &dated(&pools, &[("render", "old|new")]));
    assert_eq!(
        refused(l.claim(claim(1, "render:3"), at(0))).0,
        ProblemType::ExceedsSeats
    );
    granted(l.claim(claim(2, "render:2"), at(0)));
    lives(&mut l, 2, 40);
    assert_eq!(renews(&mut l, 2, 50, 50), Ok(vec!["2 of new".into()]));
}

#[test]
fn claims_for_seats_that_have_all_ended_are_answered_as_by_a_license_that_has_ended() {
    let license = dated(
        &[("cut", 1, None, Some(20)), ("x", 1, None, None)],
        &[("denoise", "cut"), ("render", "x")],
    );
    let mut l = run(1, 0, &license);
    let ends: Vec<_> = l.products().into_iter().map(|p| p.expires).collect();
    assert_eq!(ends, [Some("2026-11-29T00:00:20Z".to_owned()), None]);
    granted(l.claim(claim(1, "denoise"), at(0)));
    place(l.claim(claim(2, "denoise"), at(1000)));
    go(&mut l, 20);
    for n in [2, 3] {
        let r = l.claim(claim(n, "denoise"), at(21_000));
        assert_eq!(refused(r).0, ProblemType::LicenseInvalid);
    }
    granted(l.claim(claim(4, "render"), at(21_000)));
}

#[test]
fn a_clock_that_is_set_back_brings_the_seats_back() {
    let mut l = run(
        1,
        0,
        &dated(&[("cut", 1, None, Some(20))], &[("render", "cut")]),
    );
    granted(l.claim(claim(1, "render"), at(0)));
    assert_eq!(renews(&mut l, 1, 1, 20), Err(ProblemType::LicenseInvalid));
    l.set_date(wall(10), at(21_000));
    let r = renewal(1, LeaseId::from_bytes([1; 16]), 2, 2);
    assert_eq!(l.renew(&r, at(21_000)).unwrap().in_force(wall(10)), Ok(()));
    assert!(l.views(at(21_000))[0].problem.is_none());
}

#[test]
fn a_longer_end_in_a_new_license_takes_the_lease_up_again() {
    let mut l = run(
        1,
        0,
        &dated(&[("cut", 1, None, Some(20))], &[("render", "cut")]),
    );
    granted(l.claim(claim(1, "render"), at(0)));
    assert_eq!(renews(&mut l, 1, 1, 20), Err(ProblemType::LicenseInvalid));
    let longer = dated(&[("cut", 1, None, Some(200))], &[("render", "cut")]);
    relicense(&mut l, one(&longer), at(21_000));
    assert_eq!(renews(&mut l, 1, 2, 22), Ok(vec!["1 of cut".into()]));
}

#[test]
fn after_a_restart_a_lease_comes_back_into_the_pool_that_has_ended_and_moves_once_all_are_in() {
    let license = dated(&TWO, &[("render", "extra|base")]);
    let mut old = run(1, 0, &license);
    let first = granted(old.claim(claim(1, "render"), at(0)));
    let second = granted(old.claim(claim(2, "render"), at(0)));
    let mut l = run(2, 31, &license);
    go(&mut l, 100);
    let shows = |n: u8, g: &Granted| Claim {
        held: Some(shown(g, 1)),
        ..claim(n, "render")
    };
    // The seat that it could move to is another's, who has not come back yet.
    let mut l2 = run(2, 200, &license);
    go(&mut l2, 100);
    let g = granted(l2.claim(shows(1, &first), at(100_000)));
    assert_eq!(drawn(&g), ["1 of extra"]);
    assert_eq!(
        g.in_force(wall(100)).unwrap_err().kind,
        ProblemType::LicenseInvalid
    );
    let g = granted(l2.claim(shows(2, &second), at(100_100)));
    assert_eq!(drawn(&g), ["1 of base"]);
    l2.release(&ClaimName::pod(), g.lease, &secret(2), None, at(101_000))
        .unwrap();
    assert_eq!(
        numbers(&l2),
        [(0, 1), (1, 0)],
        "nothing moves while it settles"
    );
    l2.gone(&[pod(2).key()], at(101_000));
    l2.expected(&[pod(1).key(), pod(2).key()], &[], at(101_000));
    assert!(!l2.settling());
    assert_eq!(numbers(&l2), [(0, 0), (1, 1)]);
    // A run that settled before: as any other.
    assert_eq!(
        drawn(&granted(l.claim(shows(2, &second), at(100_000)))),
        ["1 of base"]
    );
}
