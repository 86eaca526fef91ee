#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::super::story::*;
use crate::history::*;

#[test]
fn two_holders_of_two_seats_are_right_and_a_third_is_not() {
    let mut s = Story::new(2);
    s.granted(1, 1).wait(10).granted(2, 2);
    assert_eq!(s.verdict(), None);
    assert_eq!(s.seen().held_all_seats, 1);
    s.granted(3, 3);
    assert_eq!(s.verdict(), Some(1));
}

#[test]
fn holders_are_counted_though_the_books_are_right() {
    // A restart forgets the first holder, which is still Held.
    let mut s = Story::new(1);
    s.granted(1, 1).wait(100).see(Fact::Crashed);
    s.start(2, 0, Reclaim::Any, license(1));
    s.granted(2, 2);
    assert_eq!(s.verdict(), Some(1));
}

#[test]
fn who_is_over_counts_no_more() {
    for over in ["time", "death", "suspend"] {
        let mut s = Story::new(1);
        s.granted(1, 1).wait(100);
        match over {
            "time" => s.wait(D - 100).says_grace(1, 1, 1000),
            "death" => s.dies(1),
            _ => s.see(Fact::Suspended(CopyNo(1))),
        };
        s.see(Fact::Crashed);
        s.start(2, 0, Reclaim::Any, license(1));
        s.wait(10).granted(2, 2);
        assert_eq!(s.verdict(), None, "{over}");
        if over == "suspend" {
            s.see(Fact::Resumed(CopyNo(1)));
            assert_eq!(s.verdict(), Some(1), "it is Held again when it goes on");
        }
    }
}

#[test]
fn an_application_without_a_sidecar_counts_until_it_was_told() {
    let mut s = Story::new(1);
    s.granted(1, 1)
        .wait(100)
        .see(Fact::SidecarDown(CopyNo(1)))
        .see(Fact::Crashed);
    s.start(2, 0, Reclaim::Any, license(1));
    s.granted(2, 2);
    assert_eq!(s.verdict(), Some(1));
}

#[test]
fn copies_count_once() {
    let mut s = Story::new(1);
    s.granted(1, 1).copied(1, 2).says_held(2, 1, 1000);
    assert_eq!(s.verdict(), None);
}

#[test]
fn a_smaller_license_throws_nobody_out_and_grants_nothing() {
    let mut s = Story::new(2);
    s.granted(1, 1).granted(2, 2);
    s.wait(10).see(Fact::Reloaded(license(1)));
    s.renews(1, 1).renews(2, 2);
    assert_eq!(s.verdict(), None);
    s.gives_back(1, 1);
    assert_eq!(s.verdict(), None);
    // The free seats are below zero, not huge.
    s.granted(3, 3);
    assert_eq!(s.verdict(), Some(1));
}

#[test]
fn a_license_that_shrank_over_a_restart_throws_nobody_out_either() {
    let mut s = Story::new(2);
    s.granted(1, 1).granted(2, 2).wait(100);
    s.restart(2, 1);
    let msg = s.sends(1, s.running(1, 1));
    s.held(1, 1).answer(msg, got(1)).held_now(1, 1);
    assert_eq!(s.verdict(), None);
}

#[test]
fn held_needs_a_lease_that_was_granted() {
    let mut s = Story::new(1);
    s.begin(1);
    let msg = s.sends(1, s.claim(1, None, None));
    s.answer(msg, got(1));
    assert_eq!(s.verdict(), Some(1), "answered with what is not booked");
    let mut s = Story::new(1);
    s.begin(1).says(1, Says::Held);
    assert_eq!(s.verdict(), Some(1));
}

#[test]
fn never_a_part_of_a_claim() {
    for (items, draws, right) in [
        (vec![(0, 3)], vec![(0, 3)], true),
        (vec![(0, 3)], vec![(0, 2)], false),
        (vec![(0, 1), (1, 1)], vec![(0, 3)], true),
        (vec![(0, 1), (1, 1)], vec![(0, 1)], false),
        (vec![(2, 1)], vec![(1, 1)], true),
        (vec![(2, 1)], vec![(0, 1), (1, 1)], false),
    ] {
        let mut s = Story::new(4);
        s.items.insert(1, items);
        s.begin(1);
        let msg = s.sends(1, s.claim(1, None, None));
        s.book(1, 1, Book::Held { draws }).answer(msg, got(1));
        assert_eq!(s.verdict(), if right { None } else { Some(14) });
    }
}

#[test]
fn what_is_booked_is_what_was_asked_for() {
    let mut s = Story::new(4);
    s.items.insert(1, vec![(0, 2)]);
    s.begin(1);
    s.sends(1, s.claim(1, None, None));
    s.items.insert(1, vec![(0, 1)]);
    s.held(1, 1);
    assert_eq!(s.verdict(), Some(14));
    let mut s = Story::new(4);
    s.granted(1, 1).wait(20);
    s.book(
        1,
        1,
        Book::Silent {
            draws: vec![(0, 2)],
        },
    );
    assert_eq!(s.verdict(), Some(14), "draws change under way");
}

#[test]
fn what_a_copy_gave_back_does_not_count_unless_it_had_nothing() {
    for cloned in [false, true] {
        let mut s = Story::new(1);
        s.granted(1, 1).wait(10).copied(1, 2).says_held(2, 1, 1000);
        if cloned {
            s.renews(1, 1);
            let renewal = s.renewal(2, 1);
            let msg = s.sends(2, renewal);
            s.answer(msg, Reply::Problem("cloned")).says(2, Says::Lost);
        }
        s.wait(10).gives_back(2, 1).granted(3, 3);
        assert_eq!(s.verdict(), if cloned { Some(1) } else { None });
    }
}
