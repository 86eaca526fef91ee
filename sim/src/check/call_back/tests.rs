use crate::check::story::*;
use crate::history::*;

/// 1 holds a lease, and is not entitled any more.
fn unentitled() -> Story {
    let mut s = Story::new(2);
    s.granted(1, 1).wait(1000);
    s.see(Fact::Entitled(HolderNo(1).group(), false));
    s
}

fn renews(s: &mut Story, reply: Reply) -> &mut Story {
    let what = s.renewal(1, 1);
    let msg = s.sends(1, what);
    s.see(Fact::Answered { msg, reply })
}

#[test]
fn it_is_called_back_and_refused_when_the_time_is_over() {
    let mut s = unentitled();
    renews(&mut s, called_back(1, C));
    renews(s.wait(8000), called_back(1, C - 8000));
    renews(s.wait(8000), called_back(1, C - 16_000));
    renews(s.wait(C - 16_000 + 50), Reply::Problem("not-entitled"));
    assert_eq!(s.verdict(), None);
    assert_eq!((s.seen().called_back, s.seen().call_back_over), (3, 1));
}

#[test]
fn no_answer_moves_its_limit() {
    let mut s = unentitled();
    renews(&mut s, called_back(1, C));
    renews(s.wait(5000), called_back(1, C));
    assert_eq!(s.verdict(), Some(4));
    let mut s = unentitled();
    renews(&mut s, got(1));
    assert_eq!(s.verdict(), Some(4), "as if it were entitled");
    let mut s = unentitled();
    renews(&mut s, Reply::Problem("not-entitled"));
    assert_eq!(s.verdict(), Some(4), "at once");
}

#[test]
fn it_is_lifted_when_it_is_entitled_again() {
    let mut s = unentitled();
    renews(&mut s, called_back(1, C));
    s.see(Fact::Entitled(HolderNo(1).group(), true)).wait(10);
    renews(&mut s, got(1));
    assert_eq!(s.verdict(), None);
    assert_eq!(s.seen().call_back_lifted, 1);
    let mut s = unentitled();
    renews(&mut s, called_back(1, C));
    s.see(Fact::Entitled(HolderNo(1).group(), true)).wait(10);
    renews(&mut s, called_back(1, C - 10));
    assert_eq!(s.verdict(), Some(4));
}

#[test]
fn nothing_new_is_granted() {
    for (reply, promise) in [
        (Reply::Problem("not-entitled"), None),
        (waiting(4, 1), Some(12)),
        (called_back(4, C), Some(12)),
    ] {
        let mut s = unentitled();
        s.begin(4);
        let msg = s.sends(4, s.claim(4, None, None));
        match reply {
            Reply::Waiting { .. } => drop(s.book(4, 4, Book::Waiting)),
            Reply::Lease { .. } => drop(s.held(4, 4)),
            _ => {}
        }
        s.see(Fact::Answered { msg, reply });
        assert_eq!(s.verdict(), promise);
    }
}

#[test]
fn a_seat_that_was_taken_back_is_free_when_its_holder_has_heard_or_with_time() {
    let taken = || {
        let mut s = Story::new(1);
        s.granted(1, 1).wait(1000);
        s.see(Fact::TakenBack(lease(1)));
        s
    };
    let mut s = taken();
    s.ended(1, 1, "released");
    assert!(s.verdict().is_some(), "in that step");
    let mut s = taken();
    renews(&mut s, got(1));
    assert_eq!(s.verdict(), Some(12), "it is renewed");
    let mut s = taken();
    renews(&mut s, Reply::Problem("given-back"));
    s.wait(D + M).ended(1, 1, "released");
    assert_eq!(s.verdict(), None);
    let mut s = taken();
    let what = s.renewal(1, 1);
    let msg = s.sends(1, what);
    s.answer(msg, Reply::Problem("given-back"));
    s.says(1, Says::Lost).begin_as(1, 9, false);
    let msg = s.sends(1, s.claim(1, None, None));
    s.ended(1, 1, "released").held(1, 2).answer(msg, got(2));
    assert_eq!((s.verdict(), s.seen().taken_back), (None, 1));
}
