#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::super::story::*;
use crate::history::*;

/// 1 was held and lost its seat to 2; it makes contact, and the books have it so.
fn contact(book: Book) -> Story {
    let mut s = Story::new(1);
    s.granted(1, 1).wait(D).says_grace(1, 1, 1000);
    s.wait(M).ended(1, 1, "expired").granted(2, 2).wait(100);
    let msg = s.sends(1, s.running(1, 1));
    s.book(1, 3, book).answer(msg, waiting(3, 1));
    s.tell(1, Says::Contested, None, Some(s.t + C), None);
    s
}

#[test]
fn who_runs_on_in_line_is_contested() {
    assert_eq!(contact(Book::Contested).verdict(), None);
    assert_eq!(contact(Book::Waiting).verdict(), Some(7));
}

#[test]
fn the_gauge_is_the_truth() {
    for (says, promise) in [(1, None), (0, Some(7)), (2, Some(7))] {
        let mut s = contact(Book::Contested);
        s.wait(10).see(Fact::Overlap(says));
        assert_eq!(s.verdict(), promise, "{says}");
    }
    for (says, promise) in [(0, None), (1, Some(7))] {
        let mut s = contact(Book::Contested);
        s.see(Fact::GivesBack {
            copy: CopyNo(2),
            claim: ClaimNo(0),
        })
        .says(2, Says::Released);
        s.sends(2, s.release(2, 2));
        s.ended(2, 2, "released")
            .held(1, 3)
            .see(Fact::Overlap(says));
        assert_eq!(s.verdict(), promise, "granted again; {says}");
    }
}

#[test]
fn the_gauge_falls_when_the_time_is_over() {
    for (says, promise) in [(0, None), (1, Some(7))] {
        let mut s = Story::new(1);
        s.granted(1, 1).wait(D).says_grace(1, 1, 1000);
        s.wait(M).ended(1, 1, "expired").granted(2, 2).wait(100);
        let msg = s.sends(1, s.running(1, 1));
        // Read amid the step: it runs on, for as long as it had at sending.
        s.book(1, 3, Book::Contested).see(Fact::Overlap(1));
        s.answer(msg, waiting(3, 1));
        let until = s.t + C;
        s.tell(1, Says::Contested, None, Some(until), None);
        s.wait(D - 100).renews(2, 2).wait(D - 100).renews(2, 2);
        let left = until - s.t;
        s.wait(left).says(1, Says::Lost);
        for _ in 0..10 {
            s.wait(D - 100).renews(2, 2);
        }
        s.see(Fact::Overlap(says));
        assert_eq!(s.verdict(), promise, "{says}");
    }
}
