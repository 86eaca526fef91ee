//! Tests of promise 5 where the policy has `backfill`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::check::story::*;
use crate::history::*;

const PATIENCE: Ms = 15_000;

/// Two seats, of which one is out, and one who waits for two.
fn filled() -> Story {
    let mut s = Story::new(2);
    let policy = Policy {
        notice: D,
        backfill: vec![(0, PATIENCE)],
        ..Policy::default()
    };
    s.see(Fact::Policy(Some(policy)));
    s.granted(1, 1);
    s.items.insert(2, vec![(0, 2)]);
    s.waits(2, 2, 1).wait(10);
    s
}

/// Time goes on, and all ask.
fn asks(s: &mut Story, ms: Ms) {
    s.wait(ms);
    s.renews(1, 1).asks_again(2, 2, 1);
}

#[test]
fn a_claim_that_fits_passes_one_that_does_not_while_that_is_patient() {
    let mut s = filled();
    s.waits_and_is_granted(3, 3);
    assert_eq!(s.verdict(), None);
    assert_eq!(s.seen().passed_by_fill, 1);
    asks(&mut s, 8_000);
    s.gives_back(3, 3);
    s.waits_and_is_granted(4, 4);
    assert_eq!(s.verdict(), None);
    s.gives_back(4, 4);
    asks(&mut s, 8_000);
    s.waits_and_is_granted(5, 5);
    assert_eq!(s.verdict(), Some(5), "it has been passed for 16 s");
}

#[test]
fn who_fits_has_its_seat_in_that_step_also_past_one_that_is_passed() {
    let mut s = filled();
    s.waits(3, 3, 2).wait(10);
    assert_eq!(s.verdict(), Some(5));
    // Not when the other's patience is over.
    let mut s = filled();
    s.waits_and_is_granted(3, 3);
    asks(&mut s, 8_000);
    s.renews(3, 3);
    asks(&mut s, 8_000);
    s.gives_back(3, 3);
    s.waits(4, 4, 2).wait(10);
    assert_eq!(s.verdict(), None);
    assert!(s.seen().patience_over > 0);
}

#[test]
fn without_a_word_of_the_policy_nobody_is_passed() {
    let mut s = filled();
    let none = Policy {
        notice: D,
        ..Policy::default()
    };
    s.see(Fact::Policy(Some(none)));
    s.waits_and_is_granted(3, 3);
    assert_eq!(s.verdict(), Some(5));
}

#[test]
fn a_restart_forgets_no_patience() {
    for (late, promise) in [(0, None), (8_000, Some(5))] {
        let mut s = filled();
        s.waits_and_is_granted(3, 3);
        asks(&mut s, 9_000);
        s.renews(3, 3).restart(2, 2);
        let policy = Policy {
            notice: D,
            backfill: vec![(0, PATIENCE)],
            ..Policy::default()
        };
        s.see(Fact::Policy(Some(policy)));
        for n in [1, 3] {
            let msg = s.sends(n, s.running(n, n));
            s.held(n, n);
            s.answer(msg, got(n));
        }
        let msg = s.sends(2, s.claim(2, None, Some(2)));
        s.book(2, 2, Book::Waiting);
        s.answer(msg, settling(2, 1));
        s.wait(1).see(Fact::Roster(Vec::new())).see(Fact::Settled);
        s.gives_back(3, 3);
        asks(&mut s, late / 2);
        asks(&mut s, late / 2);
        s.waits_and_is_granted(4, 4);
        assert_eq!(s.verdict(), promise, "{late}");
    }
}
