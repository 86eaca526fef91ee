#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::super::story::*;
use crate::history::*;

fn end(s: &mut Story) -> Option<u8> {
    s.see(Fact::End);
    s.verdict()
}

/// 1 is held, 2 waits, both go on for 3 D after faults end.
fn quiet() -> Story {
    let mut s = Story::new(1);
    s.granted(1, 1).waits(2, 2, 1).see(Fact::FaultsEnd);
    for _ in 0..6 {
        s.wait(D / 2).renews(1, 1).asks_again(2, 2, 1);
    }
    s
}

#[test]
fn held_or_behind_a_full_pool() {
    let mut s = quiet();
    assert_eq!(end(&mut s), None);
    assert_eq!((s.seen().judged_at_end, s.seen().waits_at_end), (2, 1));

    let mut s = quiet();
    let sent = s.t;
    s.wait(D).says_grace(1, 1, sent);
    assert_eq!(end(&mut s), Some(10), "no contact");

    let mut s = quiet();
    s.begin(3)
        .says(3, Says::Seeking)
        .wait(D / 2)
        .renews(1, 1)
        .asks_again(2, 2, 1);
    assert_eq!(end(&mut s), None, "too young to be judged");
    for _ in 0..4 {
        s.wait(D / 2).renews(1, 1).asks_again(2, 2, 1);
    }
    assert_eq!(end(&mut s), Some(10), "never heard of");
}

#[test]
fn nobody_waits_in_front_of_free_seats() {
    let mut s = Story::new(1);
    s.granted(1, 1).waits(2, 2, 1).waits(3, 3, 2).wait(100);
    // The head does not ask; the seat becomes free; nobody gets it.
    for _ in 0..3 {
        s.wait(D / 2).renews(1, 1).asks_again(3, 3, 2);
    }
    s.see(Fact::AnchorLost(true));
    s.gives_back(1, 1).see(Fact::FaultsEnd);
    for _ in 0..5 {
        s.wait(D / 2).asks_again(3, 3, 2);
    }
    assert_eq!(end(&mut s), Some(10));
}

#[test]
fn a_refusal_is_an_answer() {
    let mut s = Story::new(1);
    s.items.insert(1, vec![(0, 9)]);
    s.begin(1).see(Fact::FaultsEnd);
    let msg = s.sends(1, s.claim(1, None, None));
    s.answer(msg, Reply::Problem("exceeds-seats"))
        .says(1, Says::Refused);
    s.wait(4 * D);
    assert_eq!(end(&mut s), None);
}
