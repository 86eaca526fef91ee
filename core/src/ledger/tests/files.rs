//! Several license files: seats add up, and a claim's seats of a product come from one file.

use super::*;
use crate::license::{CountBy, VersionRange};
use crate::names::Version;

fn wall(secs: i64) -> Timestamp {
    Timestamp::from_second(secs).unwrap()
}

/// A file of one pool, which has the license's name, for these products.
fn file(id: &str, seats: u32, products: &[&str]) -> License {
    let products: Vec<(&str, &str)> = products.iter().map(|p| (*p, "r")).collect();
    License {
        id: id.into(),
        ..license(&[("r", seats)], &products)
    }
}

fn all(files: &[License]) -> Capacity {
    let digests: Vec<Digest> = files.iter().map(|l| Digest(l.id.clone())).collect();
    Capacity::of(files.iter().zip(&digests))
}

fn ledger(files: &[License]) -> Ledger {
    let mut l = Ledger::new(settings(1, Duration::ZERO), Capacity::none(), at(0));
    relicense(&mut l, all(files), at(0));
    l
}

/// What a lease has: of each file its products, and the seats it draws there.
fn parts(g: &Granted) -> Vec<String> {
    let part = |p: &Part| {
        let draws = p.draws.iter().map(|d| d.seats).sum::<u32>();
        format!(
            "{} of {}, drawing {draws}",
            request::print(&p.items),
            p.license.0
        )
    };
    g.parts.iter().map(part).collect()
}

fn now_has(l: &Ledger, n: u8) -> Vec<String> {
    match l.status(LeaseId::from_bytes([n; 16])) {
        Some(Claimed::Granted(g)) => parts(&g),
        other => panic!("{other:?}"),
    }
}

/// (file, seats, used) of each pool.
fn numbers(l: &Ledger) -> Vec<(String, u32, u32)> {
    let pools = l.pools().into_iter();
    pools
        .map(|p| (p.license.unwrap(), p.seats, p.used))
        .collect()
}

#[test]
fn seats_add_up_over_claims_and_each_claim_draws_on_one_file() {
    let mut l = ledger(&[file("a", 3, &["render"]), file("b", 2, &["render"])]);
    assert_eq!(l.products()[0].seats, 5);
    let two = granted(l.claim(claim(1, "render:2"), at(0)));
    assert_eq!(parts(&two), ["render:2 of a, drawing 2"]);
    let two = granted(l.claim(claim(2, "render:2"), at(0)));
    assert_eq!(
        parts(&two),
        ["render:2 of b, drawing 2"],
        "whole, although a has one"
    );
    let last = granted(l.claim(claim(3, "render"), at(0)));
    assert_eq!(parts(&last), ["render of a, drawing 1"]);
    assert_eq!(
        place(l.claim(claim(4, "render"), at(0))).reason,
        WaitReason::Full
    );
}

#[test]
fn more_than_one_file_has_is_refused_with_what_to_do() {
    let mut l = ledger(&[file("a", 3, &["render"]), file("b", 2, &["render"])]);
    let why = l
        .claim(claim(1, "render:4"), at(0))
        .unwrap_err()
        .to_string();
    assert_eq!(
        why,
        "4 seats of render are asked for, and the license has 5, at most 3 of them in one file; make several claims of it"
    );
    let why = l
        .claim(claim(1, "render:6"), at(0))
        .unwrap_err()
        .to_string();
    assert!(why.contains("the license has 5, at most 3"), "{why}");
}

#[test]
fn a_claim_of_two_products_may_draw_on_two_files() {
    let mut l = ledger(&[
        file("a", 1, &["render"]),
        file("b", 1, &["denoise", "render"]),
    ]);
    let g = granted(l.claim(claim(1, "denoise,render"), at(0)));
    assert_eq!(
        parts(&g),
        ["denoise of b, drawing 1", "render of a, drawing 1"]
    );
    // All or nothing, also over files.
    let waits = place(l.claim(claim(2, "denoise,render"), at(0)));
    assert_eq!(waits.reason, WaitReason::Full);
    assert_eq!(numbers(&l).iter().map(|n| n.2).sum::<u32>(), 2);
}

#[test]
fn a_version_is_served_by_a_file_that_covers_it() {
    let up_to = |l: &mut License, v: &str| {
        let to = Some(v.parse::<Version>().unwrap());
        l.products[0].versions = VersionRange {
            from: None,
            to,
            ..VersionRange::default()
        };
    };
    let (mut a, mut b) = (file("a", 1, &["render"]), file("b", 1, &["render"]));
    up_to(&mut a, "2025");
    up_to(&mut b, "2027");
    let mut l = ledger(&[a, b]);
    let g = granted(l.claim(claim(1, "render@2026"), at(0)));
    assert_eq!(parts(&g), ["render@2026 of b, drawing 1"]);
    let waits = place(l.claim(claim(2, "render@2026"), at(0)));
    assert_eq!(waits.reason, WaitReason::Full, "a's seat is no seat for it");
    let why = l
        .claim(claim(3, "render@2028"), at(0))
        .unwrap_err()
        .to_string();
    assert!(
        why.contains("the license covers up to 2025, or up to 2027"),
        "{why}"
    );
}

#[test]
fn beside_others_a_file_ends_with_its_seats_alone() {
    let mut a = file("a", 1, &["render"]);
    a.expires = Some(wall(100));
    let mut l = ledger(&[a, file("b", 1, &["render"])]);
    l.set_date(wall(0), at(0));
    granted(l.claim(claim(1, "render"), at(0)));
    assert_eq!(now_has(&l, 1), ["render of a, drawing 1"]);
    l.set_date(wall(100), at(10_000));
    l.grants(at(10_000));
    assert_eq!(now_has(&l, 1), ["render of b, drawing 1"]);
    assert_eq!(numbers(&l), [("a".into(), 0, 0), ("b".into(), 1, 1)]);
}

#[test]
fn a_file_that_is_taken_away_takes_its_seats_along() {
    let (a, b) = (file("a", 1, &["render"]), file("b", 1, &["render"]));
    let mut l = ledger(&[a.clone(), b.clone()]);
    granted(l.claim(claim(1, "render"), at(0)));
    granted(l.claim(claim(2, "render"), at(0)));
    relicense(&mut l, all(std::slice::from_ref(&b)), at(1_000));
    let renewed = l.renew(&renewal(1, LeaseId::from_bytes([1; 16]), 1, 1), at(2_000));
    let told = renewed.unwrap().in_force(wall(0)).unwrap_err();
    assert_eq!(told.kind, ProblemType::LicenseInvalid);
    assert!(
        told.detail
            .contains("license a, which is not in force here any more"),
        "{}",
        told.detail
    );
    // No room: it has not moved. The other goes, and it does.
    l.release(
        &ClaimName::pod(),
        LeaseId::from_bytes([2; 16]),
        &secret(2),
        None,
        at(3_000),
    )
    .unwrap();
    assert_eq!(now_has(&l, 1), ["render of b, drawing 1"]);
    // The file comes back to its own place.
    relicense(&mut l, all(&[a, b]), at(4_000));
    assert_eq!(numbers(&l), [("a".into(), 1, 0), ("b".into(), 1, 1)]);
}

#[test]
fn a_license_that_supersedes_another_takes_its_place_and_what_is_out() {
    let (a, b) = (file("a", 1, &["render"]), file("b", 1, &["render"]));
    let mut l = ledger(&[a, b.clone()]);
    granted(l.claim(claim(1, "render"), at(0)));
    let mut next = file("a2", 2, &["render"]);
    next.supersedes = vec!["a".into()];
    relicense(&mut l, all(&[next.clone(), b.clone()]), at(1_000));
    assert_eq!(now_has(&l, 1), ["render of a2, drawing 1"]);
    let waits = place(l.claim(claim(2, "render:2"), at(1_000)));
    assert_eq!(
        waits.message,
        "2 seats of render are wanted, and no license file has so many of the 2 that are free"
    );
    assert_eq!(numbers(&l), [("a2".into(), 2, 1), ("b".into(), 1, 0)]);
}

#[test]
fn one_license_for_two_takes_in_what_is_out_of_both() {
    let mut l = ledger(&[file("a", 1, &["render"]), file("b", 1, &["render"])]);
    granted(l.claim(claim(1, "render"), at(0)));
    granted(l.claim(claim(2, "render"), at(0)));
    let mut both = file("ab", 2, &["render"]);
    both.supersedes = vec!["a".into(), "b".into()];
    relicense(&mut l, all(&[both]), at(1_000));
    assert_eq!(now_has(&l, 1), ["render of ab, drawing 1"]);
    assert_eq!(now_has(&l, 2), ["render of ab, drawing 1"]);
    assert_eq!(
        place(l.claim(claim(3, "render"), at(1_000))).reason,
        WaitReason::Full
    );
}

#[test]
fn after_a_restart_a_lease_is_taken_in_from_the_files_that_it_had() {
    let files = [
        file("a", 1, &["render"]),
        file("b", 1, &["render", "denoise"]),
    ];
    let mut l = ledger(&files);
    granted(l.claim(claim(1, "render"), at(0)));
    let g = granted(l.claim(claim(2, "render"), at(0)));
    assert_eq!(parts(&g), ["render of b, drawing 1"]);
    let mut next = Ledger::new(settings(2, D), all(&files), at(5_000));
    let back = Claim {
        held: Some(shown(&g, 1)),
        ..claim(2, "render")
    };
    let g = granted(next.claim(back, at(5_000)));
    assert_eq!(
        parts(&g),
        ["render of b, drawing 1"],
        "the other's seat is the other's"
    );
}

fn by_node(id: &str, seats: u32) -> License {
    let mut l = file(id, seats, &["render"]);
    l.products[0].count_by = CountBy::Node;
    l
}

fn on_node(n: u8, node: &str) -> Claim {
    let mut c = claim(n, "render");
    if let Holder::Pod { node: of, .. } = &mut c.holder {
        *of = Some(node.into());
    }
    c
}

#[test]
fn who_counts_as_one_with_others_joins_them_in_their_file() {
    let mut l = ledger(&[by_node("a", 1), by_node("b", 1)]);
    granted(l.claim(on_node(1, "x"), at(0)));
    granted(l.claim(on_node(2, "y"), at(0)));
    assert_eq!(now_has(&l, 2), ["render of b, drawing 1"]);
    l.release(
        &ClaimName::pod(),
        LeaseId::from_bytes([1; 16]),
        &secret(1),
        None,
        at(1),
    )
    .unwrap();
    granted(l.claim(on_node(3, "y"), at(2)));
    assert_eq!(
        now_has(&l, 3),
        ["render of b, drawing 1"],
        "a has room, and it needs none"
    );
    assert_eq!(numbers(&l), [("a".into(), 1, 0), ("b".into(), 1, 1)]);
}

#[test]
fn who_counts_as_one_leaves_together_for_a_file_with_room() {
    let mut a = by_node("a", 1);
    a.expires = Some(wall(100));
    let mut l = ledger(&[a, by_node("b", 1)]);
    l.set_date(wall(0), at(0));
    for n in [1, 2] {
        granted(l.claim(on_node(n, "x"), at(0)));
        assert_eq!(now_has(&l, n), ["render of a, drawing 1"]);
    }
    l.set_date(wall(100), at(10_000));
    l.grants(at(10_000));
    for n in [1, 2] {
        assert_eq!(now_has(&l, n), ["render of b, drawing 1"]);
    }
    assert_eq!(numbers(&l), [("a".into(), 0, 0), ("b".into(), 1, 1)]);
    for n in [1, 2] {
        l.release(
            &ClaimName::pod(),
            LeaseId::from_bytes([n; 16]),
            &secret(n),
            None,
            at(11_000),
        )
        .unwrap();
    }
    assert_eq!(numbers(&l)[1].2, 0);
}

#[test]
fn another_license_in_the_only_ones_place_takes_no_seats_that_it_does_not_have() {
    let mut l = ledger(&[file("x", 2, &["render"])]);
    granted(l.claim(claim(1, "render"), at(0)));
    granted(l.claim(claim(2, "render"), at(0)));
    // It sells the same out of a pool of another name, and has one seat.
    let y = License {
        id: "y".into(),
        ..license(&[("ry", 1)], &[("render", "ry")])
    };
    relicense(&mut l, all(std::slice::from_ref(&y)), at(1_000));
    assert_eq!(now_has(&l, 1), ["render of y, drawing 1"]);
    let second = l.renew(&renewal(2, LeaseId::from_bytes([2; 16]), 1, 1), at(2_000));
    assert!(
        second.unwrap().in_force(wall(0)).is_err(),
        "no seat, no renewal"
    );
    assert_eq!(
        place(l.claim(claim(3, "render"), at(2_000))).reason,
        WaitReason::Full
    );
    // The first one beside it: its seats are two, whoever has them.
    relicense(&mut l, all(&[y, file("x", 2, &["render"])]), at(3_000));
    for n in [2, 3] {
        assert_eq!(now_has(&l, n), ["render of x, drawing 1"]);
    }
    assert_eq!(
        place(l.claim(claim(4, "render"), at(3_000))).reason,
        WaitReason::Full
    );
}

#[test]
fn seats_end_on_their_day_also_where_the_license_does_not_list_them_any_more() {
    let mut a = license(&[("p26", 1)], &[("render", "p26")]);
    a.id = "a".into();
    a.pools[0].expires = Some(wall(100));
    let mut l = ledger(&[a]);
    l.set_date(wall(0), at(0));
    granted(l.claim(claim(1, "render"), at(0)));
    let mut next = license(&[("p27", 1)], &[("render", "p27")]);
    next.id = "a".into();
    next.pools[0].not_before = Some(wall(100));
    relicense(&mut l, all(&[next]), at(1_000));
    l.set_date(wall(100), at(10_000));
    l.grants(at(10_000));
    assert_eq!(
        place(l.claim(claim(2, "render"), at(10_000))).reason,
        WaitReason::Full
    );
    let g = l.renew(&renewal(1, LeaseId::from_bytes([1; 16]), 1, 1), at(10_000));
    assert_eq!(
        g.unwrap().parts[0].draws[0].pool.as_str(),
        "p27",
        "it has moved"
    );
}

#[test]
fn nobody_joins_seats_that_have_ended() {
    let mut a = by_node("a", 1);
    a.expires = Some(wall(100));
    let mut l = ledger(&[a, by_node("b", 1)]);
    l.set_date(wall(0), at(0));
    granted(l.claim(on_node(1, "x"), at(0)));
    granted(l.claim(on_node(2, "y"), at(0)));
    l.set_date(wall(100), at(10_000));
    l.grants(at(10_000));
    let waits = place(l.claim(on_node(3, "x"), at(11_000)));
    assert_eq!(waits.reason, WaitReason::Full);
}

#[test]
fn who_waits_for_a_file_blocks_no_other() {
    let covers = |id: &str, from: &str, to: &str| {
        let mut l = file(id, 1, &["render"]);
        l.products[0].versions = VersionRange {
            from: Some(from.parse::<Version>().unwrap()),
            to: Some(to.parse::<Version>().unwrap()),
            ..VersionRange::default()
        };
        l
    };
    let mut l = ledger(&[covers("a", "2024", "2025"), covers("b", "2026", "2027")]);
    granted(l.claim(claim(1, "render@2027"), at(0)));
    place(l.claim(claim(2, "render@2027"), at(0)));
    let g = granted(l.claim(claim(3, "render@2025"), at(0)));
    assert_eq!(parts(&g), ["render@2025 of a, drawing 1"]);
}

#[test]
fn a_file_with_too_few_in_many_pools_does_not_keep_from_the_next() {
    let pools = [("p", 60), ("q", 60), ("r", 60), ("s", 19)];
    let mut a = license(&pools, &[("render", "p|q|r|s")]);
    a.id = "a".into();
    let mut l = ledger(&[a, file("b", 5000, &["render"])]);
    let g = granted(l.claim(claim(1, "render:200"), at(0)));
    assert_eq!(parts(&g), ["render:200 of b, drawing 200"]);
}

#[derive(Clone, Debug)]
enum Op {
    Claim(u8, u8),
    Release(u8),
    Files(u8),
    Date(u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..8u8, 1..3u8).prop_map(|(n, s)| Op::Claim(n, s)),
        3 => (0..8u8).prop_map(Op::Release),
        1 => (1..8u8).prop_map(Op::Files),
        1 => (0..200u8).prop_map(Op::Date),
    ]
}

/// Three files, of which a set of bits chooses; the second ends, the third counts by node.
fn chosen(bits: u8) -> Vec<License> {
    let mut b = file("b", 2, &["render", "denoise"]);
    b.expires = Some(wall(100));
    let all = [file("a", 2, &["render"]), b, by_node("c", 1)];
    let of = all.into_iter().enumerate();
    of.filter(|(i, _)| bits & (1 << i) != 0)
        .map(|(_, l)| l)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn whatever_files_come_and_go_each_seat_is_counted_once(ops in proptest::collection::vec(op(), 1..80)) {
        let mut l = ledger(&chosen(7));
        let (mut now, mut fresh) = (0u64, 0u8);
        for o in ops {
            now += 100;
            match o {
                Op::Claim(n, seats) => {
                    fresh += 1;
                    let mut c = on_node(n, if n % 2 == 0 { "x" } else { "y" });
                    c.items = request::parse(if n % 3 == 0 { "denoise,render" } else { "render" }).unwrap();
                    c.items[0].seats = Seats::new(u32::from(seats)).unwrap();
                    c.new_id = LeaseId::from_bytes([fresh; 16]);
                    let _ = l.claim(c, at(now));
                }
                Op::Release(n) => {
                    if let Some(lease) = l.lease_of(&pod(n).key(), &ClaimName::pod()) {
                        let _ = l.release(&ClaimName::pod(), lease, &secret(n), None, at(now));
                    }
                }
                Op::Files(bits) => relicense(&mut l, all(&chosen(bits)), at(now)),
                Op::Date(secs) => {
                    l.set_date(wall(secs.into()), at(now));
                    l.grants(at(now));
                }
            }
            let mut used = vec![0; l.pools().len()];
            for v in l.views(at(now)) {
                for (pool, n) in l.draws(v.lease) {
                    used[pool] += n;
                }
                if let Some(Claimed::Granted(g)) = l.status(v.lease) {
                    let of_files: usize = g.parts.iter().map(|p| p.items.len()).sum();
                    prop_assert_eq!(of_files, g.items.len(), "each product of one file");
                    if g.in_force(wall(0)).is_ok() {
                        prop_assert!(g.parts.iter().all(|p| !p.draws.is_empty()), "{:?}", g.parts);
                    }
                }
            }
            let pools = l.pools();
            let counted: Vec<u32> = pools.iter().map(|p| p.used).collect();
            prop_assert_eq!(&used, &counted);
            // More than there is only where seats have ended that nobody could leave.
            for p in pools.iter().filter(|p| p.seats > 0) {
                prop_assert!(p.used <= p.seats, "{p:?}");
            }
        }
    }
}
