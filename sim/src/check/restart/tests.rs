//! Tests of this promise: right histories, and each way of breaking it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::super::story::*;
use crate::history::*;

fn back(s: &mut Story, copy: u32, no: u32) {
    let msg = s.sends(copy, s.running(copy, no));
    s.held(copy, no).answer(msg, got(no)).held_now(copy, no);
}

#[test]
fn a_holder_within_its_lease_stays_held() {
    let mut s = Story::new(1);
    s.granted(1, 1).wait(100).restart(2, 1);
    s.wait(100);
    back(&mut s, 1, 1);
    assert_eq!(s.verdict(), None);
    assert_eq!((s.seen().taken_in, s.seen().stayed_held), (1, 1));

    let mut s = Story::new(1);
    s.granted(1, 1).wait(100).restart(2, 1);
    let msg = s.sends(1, s.running(1, 1));
    s.book(1, 2, Book::Contested);
    s.answer(msg, settling(2, 1));
    assert_eq!(s.verdict(), Some(3));
}

#[test]
fn nothing_new_before_q_of_the_longest_earlier_lease() {
    for (after, promise) in [
        (0, Some(3)),
        (D + M, Some(3)),
        (6 * D + 1060 - 100, Some(3)),
        (6 * D + 1060, None),
    ] {
        let mut s = Story::new(2);
        s.see(Fact::Crashed);
        s.start(2, 6 * D, Reclaim::Any, license(2));
        s.wait(after);
        if promise.is_none() {
            s.see(Fact::Settled);
        }
        s.granted(3, 3);
        assert_eq!(s.verdict(), promise, "after {after} ms");
    }
}

#[test]
fn settling_ends_early_when_every_seat_is_taken() {
    let mut s = Story::new(1);
    s.granted(1, 1).wait(100).see(Fact::Crashed);
    let mut one_pool = license(1);
    one_pool.pools = vec![(1, 0), (0, 0)];
    s.start(2, D, Reclaim::Any, one_pool);
    s.wait(100);
    back(&mut s, 1, 1);
    s.see(Fact::Settled);
    s.wait(100).gives_back(1, 1).wait(10).granted(2, 2);
    assert_eq!(s.verdict(), None);

    // Half of the seats are not all.
    let mut s = Story::new(2);
    s.granted(1, 1).wait(100).restart(2, 2);
    back(&mut s, 1, 1);
    s.see(Fact::Settled);
    assert_eq!(s.verdict(), Some(3));
}

#[test]
fn what_is_granted_anew_fills_no_pool_with_earlier_leases() {
    let mut s = Story::new(1);
    s.restart(2, 1);
    s.wait(10).granted(1, 1);
    assert_eq!(s.verdict(), Some(3));
}

#[test]
fn settling_ends_early_when_the_roster_is_in_or_gone() {
    for complete in [true, false] {
        let mut s = Story::new(3);
        s.granted(1, 1).granted(2, 2).wait(100).restart(2, 3);
        s.see(Fact::Roster(vec![HolderNo(1), HolderNo(2)]));
        back(&mut s, 1, 1);
        if complete {
            s.dies(2).see(Fact::Gone(vec![HolderNo(2)]));
            s.see(Fact::Settled);
        }
        s.wait(10).granted(3, 3);
        assert_eq!(s.verdict(), if complete { None } else { Some(3) });
    }
}

#[test]
fn settling_ends() {
    let mut s = Story::new(1);
    s.restart(2, 1);
    s.wait(D + M + 1100).begin(1);
    s.sends(1, s.claim(1, None, None));
    assert_eq!(s.verdict(), Some(3));
}

#[test]
fn confirmed_waits_for_the_roster_longer_than_q() {
    for (roster, promise) in [(true, None), (false, Some(3))] {
        let mut s = Story::new(1);
        s.see(Fact::Crashed);
        s.start(2, D, Reclaim::Confirmed, license(1));
        s.wait(D + M + 10).see(Fact::Settled);
        if roster {
            s.see(Fact::Roster(vec![]));
        }
        s.granted(1, 1);
        assert_eq!(s.verdict(), promise);
    }
}

#[test]
fn an_expired_token_is_not_taken_in() {
    let mut s = Story::new(1);
    s.granted(1, 1).wait(D - 100).see(Fact::Crashed);
    s.start(2, 6 * D, Reclaim::Any, license(1));
    s.wait(100).says_grace(1, 1, 1000);
    s.wait(M + 100);
    let msg = s.sends(1, s.running(1, 1));
    s.held(1, 1).answer(msg, got(1));
    assert_eq!(s.verdict(), Some(3));
}

#[test]
fn a_lease_is_taken_in_once_and_with_its_secret() {
    let mut s = Story::new(1);
    s.granted(1, 1).wait(100).restart(2, 1);
    back(&mut s, 1, 1);
    s.wait(10).gives_back(1, 1);
    assert_eq!(s.verdict(), None);
    s.receive(MsgNo(1)).held(1, 1);
    assert_eq!(s.verdict(), Some(3));

    let mut s = Story::new(1);
    s.granted(1, 1).wait(100).restart(2, 1);
    let Msg::Claim {
        items,
        secret,
        held,
        ticket,
        ..
    } = s.running(1, 1)
    else {
        panic!()
    };
    let bare = Msg::Claim {
        items,
        secret,
        bind: None,
        shows_secret: false,
        held,
        held_given: None,
        held_sent: None,
        ticket,
        runs_after_held: true,
        runs_optimistic: false,
    };
    s.sends(1, bare);
    s.held(1, 1);
    assert_eq!(s.verdict(), Some(11));

    let mut s = Story::new(1);
    s.granted(1, 1).wait(100).restart(2, 1);
    s.held(1, 1);
    assert_eq!(s.verdict(), Some(3), "nobody asked");
}

#[test]
fn leases_are_taken_in_within_the_seats() {
    let mut s = Story::new(2);
    s.granted(1, 1).granted(2, 2).wait(100).restart(2, 1);
    back(&mut s, 1, 1);
    back(&mut s, 2, 2);
    assert_eq!(s.verdict(), Some(3));
}

#[test]
fn a_ticket_keeps_the_place() {
    let line = |s: &mut Story| {
        s.granted(1, 1).waits(2, 2, 1).wait(1).waits(3, 3, 2);
        s.wait(100).restart(2, 1);
        s.wait(10);
        let msg = s.sends(3, s.claim(3, None, Some(3)));
        s.book(3, 3, Book::Waiting).answer(msg, settling(3, 1));
        s.wait(10);
        s.sends(2, s.claim(2, None, Some(2)))
    };
    let mut s = Story::new(1);
    let msg = line(&mut s);
    s.book(2, 2, Book::Waiting).answer(msg, settling(2, 1));
    assert_eq!(s.verdict(), None);
    assert_eq!(s.seen().came_with_ticket, 2);

    let mut s = Story::new(1);
    let msg = line(&mut s);
    s.book(2, 2, Book::Waiting).answer(msg, settling(2, 2));
    assert_eq!(s.verdict(), Some(5), "behind the one that came after it");

    let mut s = Story::new(1);
    let msg = line(&mut s);
    s.book(2, 4, Book::Waiting).answer(msg, settling(4, 2));
    assert_eq!(s.verdict(), Some(3), "another lease");
}

#[test]
fn a_late_ticket_does_not_push_a_holder_out() {
    for taken_in in [true, false] {
        let mut s = Story::new(1);
        s.granted(1, 1).wait(100).gives_back(1, 1);
        s.waits_and_is_granted(2, 2);
        s.wait(100).restart(2, 1);
        // A claim from the time when it waited comes late, and is taken for a new one.
        let late = s.sends(2, s.claim(2, None, Some(2)));
        s.book(2, 2, Book::Waiting).see(Fact::Answered {
            msg: late,
            reply: settling(2, 1),
        });
        s.wait(100);
        let msg = s.sends(2, s.running(2, 2));
        if taken_in {
            s.held(2, 2).answer(msg, got(2)).held_now(2, 2);
        } else {
            s.book(2, 2, Book::Contested).answer(msg, settling(2, 1));
        }
        assert_eq!(s.verdict(), if taken_in { None } else { Some(3) });
    }
}

#[test]
fn a_lease_is_taken_in_with_the_pools_it_had() {
    let mut s = Story::new(1);
    s.items.insert(1, vec![(2, 1)]);
    s.begin(1);
    let msg = s.sends(1, s.claim(1, None, None));
    s.book(
        1,
        1,
        Book::Held {
            draws: vec![(1, 1)],
        },
    );
    s.answer(msg, got(1)).held_now(1, 1).wait(100).restart(2, 1);
    s.sends(1, s.running(1, 1));
    s.book(
        1,
        1,
        Book::Held {
            draws: vec![(0, 1)],
        },
    );
    assert_eq!(s.verdict(), Some(3));
}

#[test]
fn the_token_before_a_lost_answer_counts() {
    // A run with long leases, one with short ones whose answer is lost, and a third.
    let mut s = Story::new(1);
    s.granted(1, 1).wait(100).see(Fact::Crashed);
    s.start(2, D, Reclaim::Any, license(1));
    let msg = s.sends(1, s.running(1, 1));
    let short = Reply::Lease {
        lease: lease(1),
        lease_for: 1000,
        run_for: G,
        called_back: false,
        bind: None,
    };
    s.held(1, 1).see(Fact::Answered { msg, reply: short });
    s.wait(100).see(Fact::Crashed);
    s.start(3, D, Reclaim::Any, license(1));
    s.wait(5000);
    let msg = s.sends(1, s.running(1, 1));
    s.held(1, 1).answer(msg, got(1)).held_now(1, 1);
    assert_eq!(s.verdict(), None);
}
