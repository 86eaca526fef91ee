use crate::check::story::*;
use crate::history::*;

/// A claim that may start without the server, and has asked.
fn seeks() -> (Story, MsgNo) {
    let mut s = Story::new(1);
    s.begin_as(1, 1, true);
    let msg = s.send(1, s.claim(1, None, None));
    s.says(1, Says::Seeking);
    (s, msg)
}

fn starts(s: &mut Story) -> &mut Story {
    let limit = 1000 + 10 * G;
    s.tell(1, Says::Optimistic, None, Some(limit), None)
}

fn is_silent(s: &mut Story) -> &mut Story {
    s.see(Fact::Silence {
        copy: CopyNo(1),
        claim: ClaimNo(0),
    })
}

#[test]
fn who_hears_nothing_for_the_contact_time_starts() {
    let (mut s, _) = seeks();
    is_silent(s.wait(15_000));
    starts(&mut s);
    assert_eq!(s.verdict(), None);
    assert_eq!(s.seen().optimistic_starts, 1);
}

#[test]
fn whatever_the_server_answered_it_does_not() {
    for answer in [
        Reply::Problem("overloaded"),
        Reply::Problem("anchor-lost"),
        Reply::Problem("of-the-future"),
        waiting(1, 2),
    ] {
        let (mut s, msg) = seeks();
        s.hear(msg, answer.clone());
        let msg = s.send(1, s.claim(1, None, None));
        is_silent(s.wait(60_000));
        starts(&mut s);
        assert_eq!(s.verdict(), Some(15), "{answer:?} {msg:?}");
    }
}

#[test]
fn an_answer_counts_on_over_a_crash_and_silence_begins_anew() {
    let (mut s, msg) = seeks();
    s.hear(msg, Reply::Problem("overloaded"));
    s.see(Fact::SidecarDown(CopyNo(1)))
        .see(Fact::SidecarUp(CopyNo(1)));
    s.send(1, s.claim(1, None, None));
    is_silent(s.wait(20_000));
    starts(&mut s);
    assert_eq!(s.verdict(), Some(15));

    let (mut s, _) = seeks();
    is_silent(s.wait(10_000));
    s.see(Fact::SidecarDown(CopyNo(1)))
        .see(Fact::SidecarUp(CopyNo(1)));
    s.send(1, s.claim(1, None, None));
    is_silent(s.wait(10_000));
    starts(&mut s);
    assert_eq!(s.verdict(), Some(15));
}

#[test]
fn an_answer_counts_on_when_the_sidecar_was_told_to_end_and_started_again() {
    let (mut s, msg) = seeks();
    s.hear(msg, Reply::Problem("overloaded"));
    s.see(Fact::GivesBack {
        copy: CopyNo(1),
        claim: ClaimNo(0),
    });
    s.begin_as(1, 2, true);
    s.send(1, s.claim(1, None, None));
    s.says(1, Says::Seeking);
    is_silent(s.wait(20_000));
    starts(&mut s);
    assert_eq!(s.verdict(), Some(15));
}

#[test]
fn a_clock_alone_starts_nothing() {
    let (mut s, _) = seeks();
    starts(s.wait(15_000));
    assert_eq!(s.verdict(), Some(15));
    let mut s = Story::new(1);
    s.begin_as(1, 1, true).says(1, Says::Seeking);
    is_silent(s.wait(15_000));
    starts(&mut s);
    assert_eq!(s.verdict(), Some(15), "nobody was asked");
}
