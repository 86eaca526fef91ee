#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::super::story::*;
use crate::history::*;

#[test]
fn cloned_needs_a_copy() {
    for copied in [true, false] {
        let mut s = Story::new(1);
        s.granted(1, 1).wait(10);
        if copied {
            s.copied(1, 2).says_held(2, 1, 1000).wait(10);
            s.renews(1, 1);
        }
        let copy = if copied { 2 } else { 1 };
        let renewal = s.renewal(copy, 1);
        let msg = s.sends(copy, renewal);
        s.answer(msg, Reply::Problem("cloned"))
            .says(copy, Says::Lost);
        assert_eq!(s.verdict(), if copied { None } else { Some(8) });
    }
}

#[test]
fn of_two_copies_one_is_held() {
    let mut s = Story::new(1);
    s.granted(1, 1).wait(10).copied(1, 2).says_held(2, 1, 1000);
    s.wait(1000).renews(1, 1).wait(100).renews(2, 1);
    assert_eq!(s.verdict(), None, "one renewal each is not two");
    s.wait(1000).renews(1, 1).wait(100).renews(2, 1);
    assert_eq!(s.verdict(), Some(8));
}

#[test]
fn of_two_copies_not_both_are_lost() {
    let mut s = Story::new(1);
    s.granted(1, 1).wait(10).copied(1, 2).says_held(2, 1, 1000);
    s.wait(1000);
    for copy in [1, 2] {
        let renewal = s.renewal(copy, 1);
        let msg = s.sends(copy, renewal);
        s.answer(msg, Reply::Problem("cloned"))
            .says(copy, Says::Lost);
    }
    assert_eq!(s.verdict(), Some(8));
}
