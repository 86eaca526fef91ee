use super::super::story::*;
use crate::history::*;

/// Product 2 draws on pool 0, which ends at 5 s, or on pool 1; one seat of each.
fn two_pools() -> Story {
    let mut s = Story::new(1);
    let license = License {
        dates: vec![(None, Some(5_000))],
        ..license(1)
    };
    s.see(Fact::Reloaded(license));
    for copy in [1, 2] {
        s.items.insert(copy, vec![(2, 1)]);
    }
    s.granted(1, 1).wait(1_000);
    s
}

fn renew(s: &Story, copy: u32, no: u32) -> Msg {
    Msg::Renew {
        lease: lease(no),
        secret: s.secret(copy),
        counter: 2,
        request: 2,
    }
}

#[test]
fn a_lease_that_moves_when_its_pool_ends_is_right() {
    let mut s = two_pools();
    let until = 5_000 - s.t;
    s.wait(until);
    let msg = s.sends(1, renew(&s, 1, 1));
    s.book(
        1,
        1,
        Book::Held {
            draws: vec![(1, 1)],
        },
    );
    s.answer(msg, got(1)).held_now(1, 1);
    assert_eq!(s.verdict(), None);
    assert_eq!(s.seen().moved, 1);
}

#[test]
fn one_that_is_answered_with_seats_that_have_ended_is_not() {
    let mut s = two_pools();
    let msg = s.sends(1, renew(&s, 1, 1));
    s.answer(msg, got(1)).held_now(1, 1);
    assert_eq!(s.verdict(), None, "before");
    let until = 5_000 - s.t;
    s.wait(until);
    let msg = s.sends(1, renew(&s, 1, 1));
    s.answer(msg, got(1));
    assert_eq!(s.verdict(), Some(16));
}

#[test]
fn nor_one_that_keeps_what_it_had_or_moves_before_its_time() {
    let mut s = two_pools();
    let until = 5_000 - s.t;
    s.wait(until);
    let draws = vec![(0, 1), (1, 1)];
    s.book(1, 1, Book::Held { draws });
    assert_eq!(s.verdict(), Some(16));
    let mut s = two_pools();
    s.book(
        1,
        1,
        Book::Held {
            draws: vec![(1, 1)],
        },
    );
    assert_eq!(s.verdict(), Some(14));
}

#[test]
fn nor_one_that_stays_although_there_is_room_elsewhere() {
    let mut s = two_pools();
    let until = 5_000 - s.t;
    s.wait(until);
    let msg = s.sends(1, renew(&s, 1, 1));
    s.answer(msg, Reply::Problem("license-invalid"));
    assert_eq!(s.verdict(), Some(16));
    // With another in the other pool there is none.
    let mut s = two_pools();
    s.begin(2);
    let msg = s.sends(2, s.claim(2, None, None));
    s.book(
        2,
        2,
        Book::Held {
            draws: vec![(1, 1)],
        },
    );
    s.answer(msg, got(2)).held_now(2, 2);
    let until = 5_000 - s.t;
    s.wait(until);
    let msg = s.sends(1, renew(&s, 1, 1));
    s.answer(msg, Reply::Problem("license-invalid"));
    assert_eq!(s.verdict(), None);
    assert!(s.seen().stranded > 0);
}
