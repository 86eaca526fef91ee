//! Tests of this promise: right histories, and each way of breaking it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::super::story::*;
use crate::history::*;

#[test]
fn the_course_of_things_is_right() {
    let mut s = Story::new(1);
    s.granted(1, 1);
    let sent = s.t;
    s.wait(D).says_grace(1, 1, sent);
    s.wait(50).see(Fact::SidecarDown(CopyNo(1)));
    s.wait(500).see(Fact::SidecarUp(CopyNo(1)));
    s.says_grace(1, 1, sent).wait(G - D - 550);
    s.says(1, Says::Lost);
    // The server has long given the seat away.
    let mut checked = s;
    assert!(
        matches!(checked.verdict(), Some(2)),
        "which this server did not"
    );
}

/// Held at 1000 ms; its server does not matter.
fn held() -> Story {
    let mut s = Story::new(1);
    s.granted(1, 1);
    s.see(Fact::Frozen);
    s
}

#[test]
fn licensed_until_the_limit_and_not_after() {
    let mut s = held();
    s.wait(D)
        .says_grace(1, 1, 1000)
        .wait(G - D)
        .says(1, Says::Lost);
    assert_eq!(s.verdict(), None);
    assert_eq!((s.seen().in_grace, s.seen().ran_out), (1, 1));

    let mut s = held();
    s.wait(D).says_grace(1, 1, 1000).wait(G - D - 100);
    s.says(1, Says::Lost);
    assert_eq!(s.verdict(), Some(4), "lost too early");

    let mut s = held();
    s.wait(D).says_grace(1, 1, 1000).wait(G - D);
    assert_eq!(s.verdict(), Some(4), "never lost");
}

#[test]
fn the_limit_counts_from_the_sending() {
    let mut s = held();
    s.wait(D);
    s.tell(1, Says::Grace, Some(1), Some(s.t + G), None);
    assert_eq!(s.verdict(), Some(4), "from the lease's end");
    let mut s = held();
    s.wait(D)
        .tell(1, Says::Grace, Some(1), Some(1000 + G / 2), None);
    assert_eq!(s.verdict(), Some(4), "too short");

    let mut s = Story::new(1);
    s.begin(1);
    let msg = s.send(1, s.claim(1, None, None));
    let reply = got(1);
    s.wait(200).receive(msg).held(1, 1);
    s.see(Fact::Answered { msg, reply }).wait(200);
    s.hear(msg, got(1));
    s.tell(1, Says::Held, Some(1), Some(1000 + G), Some(s.t + D));
    assert_eq!(s.verdict(), Some(4), "D from the answer");
}

#[test]
fn a_crash_of_the_sidecar_changes_no_limit() {
    let mut s = held();
    s.wait(50).see(Fact::SidecarDown(CopyNo(1)));
    s.wait(D).see(Fact::SidecarUp(CopyNo(1)));
    let mut again = held();
    s.says_grace(1, 1, 1000);
    assert_eq!(s.verdict(), None);
    assert_eq!(s.seen().told_after_crash, 1);
    again.wait(50).see(Fact::SidecarDown(CopyNo(1)));
    again.wait(D).see(Fact::SidecarUp(CopyNo(1)));
    again.says_grace(1, 1, again.t);
    assert_eq!(again.verdict(), Some(4));
}

#[test]
fn a_suspend_counts() {
    // The clock of the holder stood still meanwhile.
    let mut s = held();
    s.wait(50).see(Fact::Suspended(CopyNo(1)));
    s.wait(5000).see(Fact::Resumed(CopyNo(1)));
    s.says_held(1, 1, 6000);
    assert_eq!(s.verdict(), Some(4));
    let mut s = held();
    s.wait(50).see(Fact::Suspended(CopyNo(1)));
    s.wait(2 * G).see(Fact::Resumed(CopyNo(1)));
    assert_eq!(s.verdict(), Some(4), "it says nothing new");
    let mut s = held();
    s.wait(50).see(Fact::Suspended(CopyNo(1)));
    s.wait(2 * G)
        .see(Fact::Resumed(CopyNo(1)))
        .says(1, Says::Lost);
    assert_eq!(s.verdict(), None);
}

#[test]
fn optimistic_runs_from_its_beginning_by_its_own_grace() {
    for (allowed, limit, promise) in [
        (true, 1000 + 10 * G, None),
        (true, 16_000 + 11 * G, Some(4)),
        (true, 1000 + 9 * G, Some(4)),
        (false, 1000 + 10 * G, Some(15)),
    ] {
        let mut s = Story::new(1);
        s.begin_as(1, 1, allowed).hears_nothing(1);
        s.tell(1, Says::Optimistic, None, Some(limit), None);
        assert_eq!(s.verdict(), promise);
    }
    let mut s = Story::new(1);
    s.granted(1, 1);
    s.begin_as(2, 2, true);
    let msg = s.sends(2, s.claim(2, None, None));
    s.book(2, 2, Book::Waiting).answer(msg, waiting(2, 1));
    s.says(2, Says::Waiting).wait(1000);
    s.tell(2, Says::Optimistic, None, Some(1000 + 10 * G), None);
    assert_eq!(s.verdict(), Some(15), "Waiting never becomes Optimistic");
}

#[test]
fn what_was_lost_stays_lost() {
    let mut s = held();
    s.wait(D)
        .says_grace(1, 1, 1000)
        .wait(G - D)
        .says(1, Says::Lost);
    s.wait(10).says_grace(1, 1, 1000);
    assert_eq!(s.verdict(), Some(4));
    let mut s = Story::new(1);
    s.begin(1).says_held(1, 1, 1000);
    assert_eq!(s.verdict(), Some(4), "never answered");
}

#[test]
fn a_refusal_ends_it_and_a_giving_back_does() {
    for (what, promise) in [
        ("not-entitled", None),
        ("overloaded", Some(4)),
        ("gives back", None),
    ] {
        let mut s = held();
        s.see(Fact::Thawed).wait(10);
        if what == "gives back" {
            s.gives_back(1, 1);
        } else {
            let renewal = s.renewal(1, 1);
            let msg = s.sends(1, renewal);
            s.answer(msg, Reply::Problem(what)).says(1, Says::Lost);
        }
        assert_eq!(s.verdict(), promise, "{what}");
    }
    let mut s = held();
    s.see(Fact::Thawed).wait(10).gives_back(1, 1).wait(10);
    s.says_grace(1, 1, 1000);
    assert_eq!(s.verdict(), Some(4), "it goes on after giving back");
}

/// 1 was held and lost its seat to 2 while it could not be reached; then it makes contact.
fn contact(optimistic: bool) -> Story {
    let mut s = Story::new(1);
    if optimistic {
        s.begin_as(1, 1, true).hears_nothing(1);
        s.tell(1, Says::Optimistic, None, Some(1000 + 10 * G), None);
    } else {
        s.granted(1, 1).wait(D).says_grace(1, 1, 1000);
        s.wait(M).ended(1, 1, "expired");
    }
    s.granted(2, 2).wait(100);
    let what = if optimistic {
        Msg::Claim {
            items: vec![(0, 1)],
            secret: SecretNo(1),
            bind: None,
            shows_secret: false,
            held: None,
            held_given: None,
            held_sent: None,
            ticket: None,
            runs_after_held: false,
            runs_optimistic: true,
        }
    } else {
        s.running(1, 1)
    };
    let msg = s.sends(1, what);
    s.book(1, 3, Book::Contested).answer(msg, waiting(3, 1));
    s
}

#[test]
fn contested_is_licensed_for_as_long_as_contested_may_be() {
    for optimistic in [false, true] {
        let mut s = contact(optimistic);
        let until = s.t + C;
        s.tell(1, Says::Contested, None, Some(until), None);
        assert_eq!(s.verdict(), None);
        assert_eq!(s.seen().contested_contacts, 1);
        assert_eq!(s.seen().contested_optimistic, u64::from(optimistic));

        let mut s = contact(optimistic);
        s.tell(1, Says::Contested, None, Some(s.t + C + 100), None);
        assert_eq!(s.verdict(), Some(7), "too long");
        let mut s = contact(optimistic);
        s.tell(1, Says::Contested, None, Some(s.t + C - 100), None);
        assert_eq!(s.verdict(), Some(4), "too short");
        let mut s = contact(optimistic);
        assert_eq!(s.verdict(), Some(7), "goes on as if nothing were");
    }
}

#[test]
fn who_started_in_silence_and_hears_of_no_seat_is_contested() {
    for (problem, says, limit, promise) in [
        ("too-many-claims", Says::Contested, 900_000, None),
        ("license-invalid", Says::Contested, 900_000, None),
        ("license-invalid", Says::Contested, 901_000, Some(7)),
        (
            "too-many-claims",
            Says::Optimistic,
            10 * G - 15_000,
            Some(7),
        ),
        ("overloaded", Says::Optimistic, 10 * G - 15_000, None),
    ] {
        let mut s = Story::new(1);
        s.begin_as(1, 1, true).hears_nothing(1);
        s.tell(1, Says::Optimistic, None, Some(1000 + 10 * G), None);
        let msg = s.send(1, s.claim(1, None, None));
        s.hear(msg, Reply::Problem(problem));
        let limit = s.t + limit;
        s.tell(1, says, None, Some(limit), None);
        assert_eq!(s.verdict(), promise, "{problem} {says:?}");
    }
}

#[test]
fn flapping_never_extends_contested() {
    let mut s = contact(false);
    let until = s.t + C;
    s.tell(1, Says::Contested, None, Some(until), None);
    s.wait(5000).renews(2, 2);
    let msg = s.sends(1, s.running(1, 1));
    s.answer(msg, waiting(3, 1));
    assert_eq!(s.verdict(), None);
    s.tell(1, Says::Contested, None, Some(s.t + C), None);
    assert_eq!(s.verdict(), Some(7));
}

#[test]
fn a_late_answer_need_not_be_taken() {
    let mut s = Story::new(1);
    s.granted(1, 1).wait(3000);
    let renewal = s.renewal(1, 1);
    let late = s.sends(1, renewal);
    s.see(Fact::Answered {
        msg: late,
        reply: got(1),
    });
    s.wait(16_000 - 3000 - 6000).says_grace(1, 1, 1000);
    s.see(Fact::Frozen).wait(20_000).hear(late, got(1));
    assert_eq!(s.verdict(), None);
    s.says_grace(1, 1, 4000);
    assert_eq!(s.verdict(), None, "nor need it be ignored");
}
