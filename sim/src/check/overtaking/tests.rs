//! Tests of this promise: right histories, and each way of breaking it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::super::story::*;
use crate::history::*;

/// 1 holds the only seat; 2 and 3 wait.
fn line(first: i32, second: i32) -> Story {
    let mut s = Story::new(1);
    s.priority.insert(2, first);
    s.priority.insert(3, second);
    s.granted(1, 1).waits(2, 2, 1).wait(1);
    let place = if second > first { 1 } else { 2 };
    s.waits(3, 3, place).wait(100);
    s
}

#[test]
fn arrival_and_priority_decide() {
    for (first, second, granted, promise) in [
        (0, 0, 2, None),
        (0, 0, 3, Some(5)),
        (0, 5, 3, None),
        (0, 5, 2, Some(5)),
    ] {
        let mut s = line(first, second);
        s.gives_back(1, 1).held(granted, granted);
        assert_eq!(s.verdict(), promise, "{first} {second}: {granted}");
    }
}

#[test]
fn a_free_seat_is_granted_in_the_step_that_frees_it() {
    let mut s = line(0, 0);
    s.gives_back(1, 1);
    assert_eq!(s.verdict(), Some(5));
    let mut s = line(0, 0);
    s.see(Fact::Reloaded(license(2)));
    assert_eq!(s.verdict(), Some(5));
    let mut s = line(0, 0);
    s.see(Fact::Reloaded(license(2))).held(2, 2);
    assert_eq!(s.verdict(), None);
}

#[test]
fn nothing_is_granted_while_the_anchor_is_lost_and_all_when_it_is_back() {
    let mut s = line(0, 0);
    s.see(Fact::AnchorLost(true)).wait(10).gives_back(1, 1);
    assert_eq!(s.verdict(), None);
    s.see(Fact::AnchorLost(false));
    assert_eq!(s.verdict(), Some(5));
}

#[test]
fn free_seats_gather_for_the_head() {
    let waits = || {
        let mut s = Story::new(2);
        s.granted(1, 1).granted(2, 2);
        s.items.insert(3, vec![(0, 2)]);
        s.waits(3, 3, 1).wait(10).gives_back(1, 1).wait(10);
        s
    };
    let mut s = waits();
    assert_eq!(s.verdict(), None);
    s.granted(4, 4);
    assert_eq!(s.verdict(), Some(5), "a small one overtakes");
    let mut s = waits();
    s.waits(4, 4, 2).gives_back(2, 2).held(3, 3);
    assert_eq!(s.verdict(), None);
    assert!(s.seen().head_waits_for_seats > 0 && s.seen().granted_before_others > 0);
}

#[test]
fn another_pool_is_another_line() {
    let mut s = Story::new(1);
    s.granted(1, 1).waits(2, 2, 1).wait(10);
    s.items.insert(3, vec![(2, 1)]);
    s.begin(3);
    let msg = s.sends(3, s.claim(3, None, None));
    s.book(
        3,
        3,
        Book::Held {
            draws: vec![(1, 1)],
        },
    )
    .answer(msg, got(3));
    assert_eq!(s.verdict(), None);
}

#[test]
fn the_dead_are_not_granted_and_hold_nobody_up() {
    let mut s = line(0, 0);
    s.wait(D - 1000).asks_again(3, 3, 2).renews(1, 1);
    s.wait(D - 1000).asks_again(3, 3, 2).wait(100);
    s.gives_back(1, 1).held(2, 2);
    assert_eq!(s.verdict(), Some(5), "dead");
    let mut s = line(0, 0);
    s.wait(D - 1000).asks_again(3, 3, 2).renews(1, 1);
    s.wait(D - 1000).asks_again(3, 3, 2).wait(100);
    s.gives_back(1, 1).held(3, 3);
    assert_eq!(s.verdict(), None);
    let mut s = line(0, 0);
    s.wait(D - 1000).asks_again(3, 3, 2).renews(1, 1);
    s.wait(D - 1000).asks_again(3, 3, 2).wait(100);
    s.gives_back(1, 1);
    assert_eq!(s.verdict(), Some(5), "the living wait behind the dead");
}

#[test]
fn places_are_ranks() {
    let mut s = line(0, 0);
    s.asks_again(2, 2, 1).asks_again(3, 3, 2);
    assert_eq!(s.verdict(), None);
    s.asks_again(2, 2, 2);
    assert_eq!(s.verdict(), Some(6), "a repeated claim loses its place");
    let mut s = line(0, 0);
    s.asks_again(3, 3, 0);
    assert_eq!(s.verdict(), Some(6));
    let mut s = line(0, 5);
    s.asks_again(2, 2, 2).asks_again(3, 3, 1);
    assert_eq!(s.verdict(), None);
}

#[test]
fn contested_goes_first_and_optimistic_does_not() {
    for (held, promise) in [(true, None), (false, Some(5))] {
        let mut s = Story::new(1);
        s.priority.insert(3, 9);
        if held {
            s.granted(1, 1).wait(D).says_grace(1, 1, 1000);
            s.wait(M).ended(1, 1, "expired");
        } else {
            s.begin_as(1, 1, true);
        }
        s.granted(2, 2).waits(3, 3, 1).wait(10);
        let mut what = s.running(1, 1);
        if let Msg::Claim {
            held: token,
            shows_secret,
            runs_after_held,
            runs_optimistic,
            ..
        } = &mut what
            && !held
        {
            *token = None;
            *shows_secret = false;
            *runs_after_held = false;
            *runs_optimistic = true;
        }
        let msg = s.sends(1, what);
        s.book(1, 4, Book::Contested);
        s.see(Fact::Answered {
            msg,
            reply: waiting(4, 1),
        });
        s.wait(10).gives_back(2, 2).held(1, 4);
        assert_eq!(s.verdict(), promise);
    }
}
