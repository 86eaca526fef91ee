//! The life of a seat.

use mooring_client::{Error, HoldState, State, Why, boot};
use mooring_core::wire::{Problem, ProblemType};
use mooring_testkit::sidecar::{
    Reply, Scripted, answer, bundle, claim, edited, lease, problem, status, token, with,
};
use mooring_testkit::{eventually, secs};
use serde_json::json;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn is_ending(s: State, expected: Why) -> bool {
    matches!(s, State::Ending { why, .. } if why == expected)
}

fn is_fully(s: State) -> bool {
    matches!(s, State::Licensed { .. })
}

#[test]
fn a_seat_is_held_proved_and_given_back_when_it_is_dropped() {
    let fake = Scripted::good();
    let mooring = fake.mooring();
    let before = boot();
    let seat = mooring
        .claim("render")
        .seats(2)
        .version("2026+1")
        .hold()
        .unwrap();
    let State::Licensed { until, .. } = seat.check() else {
        panic!("{seat:?}")
    };
    assert!(until >= before + SECOND * 60 && until <= boot() + SECOND * 60);
    assert!(seat.is_licensed());
    let d = seat.details();
    assert_eq!(d.claim.unwrap().as_str(), "hold-1");
    assert_eq!(d.told, Some(HoldState::Held));
    let proof = d.proof.unwrap();
    assert!(proof.fresh && proof.lease == lease(1) && proof.seats == 2);
    let asked = fake.asked();
    assert!(
        asked
            .iter()
            .any(|a| a.starts_with("POST /v1/hold?product=render&seats=2&version=2026%2B1&bind=")),
        "{asked:?}"
    );
    assert!(
        asked
            .iter()
            .any(|a| a.starts_with("GET /v1/token?nonce=") && a.ends_with("&claim=hold-1")),
        "{asked:?}"
    );
    fake.follower_stays();
    drop(seat);
    fake.follower_left();
}

#[test]
fn what_is_asked_for_is_checked_before_anyone_is_asked() {
    let fake = Scripted::good();
    let m = fake.mooring();
    let before = fake.asked().len();
    let field = |c: mooring_client::Claim<'_>| match c.hold().unwrap_err() {
        Error::Argument { field, .. } => field,
        e => panic!("{e}"),
    };
    assert_eq!(field(m.claim("Ren der")), "product");
    assert_eq!(field(m.claim("a&seats=9")), "product");
    assert_eq!(field(m.claim("render").seats(0)), "seats");
    assert_eq!(field(m.claim("render").seats(1_000_001)), "seats");
    assert_eq!(field(m.claim("render").version("a&b")), "version");
    assert_eq!(field(m.named("a b", "render")), "claim");
    assert_eq!(fake.asked().len(), before);
}

#[test]
fn without_a_wait_a_full_pool_is_an_answer_and_with_one_it_is_waited_for() {
    let fake = Scripted::good();
    let waiting = |request: &str| {
        if request.starts_with("POST") {
            Reply::Stream(vec![claim("hold-1", "Seeking"), claim("hold-1", "Waiting")])
        } else {
            Reply::Bytes(status(&[claim("pod", "Held")]))
        }
    };
    fake.now(waiting);
    let m = fake.mooring();
    let e = m.claim("render").hold().unwrap_err();
    assert!(
        matches!(&e, Error::NotLicensed { state: HoldState::Waiting, why } if why.contains("all 2 seats of render are taken")),
        "{e}"
    );
    fake.follower_left();
    let e = m
        .claim("render")
        .wait(Duration::from_millis(50))
        .hold()
        .unwrap_err();
    assert!(
        matches!(
            e,
            Error::NotLicensed {
                state: HoldState::Waiting,
                ..
            }
        ),
        "{e}"
    );
    fake.follower_left();
    // A seat becomes free.
    let held = std::thread::scope(|s| {
        let held = s.spawn(|| m.claim("render").wait(SECOND * 30).hold());
        eventually("it asks", secs(10), || {
            (fake.count("POST") == 3).then_some(())
        });
        fake.now(|r| {
            let (_, nonce) = r.split_once("nonce=").unwrap();
            Reply::Bytes(answer(
                200,
                &token(nonce.split('&').next().unwrap(), "hold-1"),
            ))
        });
        fake.say(&claim("hold-1", "Held"));
        held.join().unwrap()
    });
    assert!(is_fully(held.unwrap().check()));
}

#[test]
fn a_refusal_is_the_servers_problem_whole() {
    let fake = Scripted::good();
    let no = Problem::new(ProblemType::UnknownProduct, "no \"rendr\"");
    let refused = with(
        claim("hold-1", "Refused"),
        "problem",
        serde_json::to_value(&no).unwrap(),
    );
    let later = with(
        refused.clone(),
        "problem",
        json!({"type": "https://mooring.dev/problems/of-the-future", "title": "Too early", "status": 499, "detail": "come tomorrow"}),
    );
    let m = fake.mooring();
    fake.now(move |_| Reply::Stream(vec![refused.clone()]));
    match m.claim("rendr").wait(SECOND * 30).hold().unwrap_err() {
        Error::Problem(p) => assert_eq!(p, no),
        e => panic!("{e}"),
    }
    fake.now(move |_| Reply::Stream(vec![later.clone()]));
    // One that this version does not know is told in its own words.
    match m.claim("rendr").wait(SECOND * 30).hold().unwrap_err() {
        Error::Problem(p) => assert_eq!(p.to_string(), "Too early: come tomorrow"),
        e => panic!("{e}"),
    }
    // What the sidecar itself refuses.
    fake.now(|_| Reply::Bytes(problem(ProblemType::TooManyClaims, "15 claims")));
    let e = m.claim("render").wait(SECOND * 30).hold().unwrap_err();
    assert!(
        matches!(&e, Error::Problem(p) if p.kind == ProblemType::TooManyClaims),
        "{e}"
    );
}

#[test]
fn a_start_without_proof_is_refused_unless_the_application_accepts_it() {
    let out_of_reach = |state: &'static str| {
        move |request: &str| match request {
            r if r.starts_with("POST") => Reply::Stream(vec![claim("hold-1", state)]),
            r if r.contains("nonce=") => {
                Reply::Bytes(problem(ProblemType::Overloaded, "out of reach"))
            }
            r if r.contains("/v1/token") => Reply::Bytes(answer(
                200,
                &edited(|t| {
                    t.claim = "hold-1".parse().unwrap();
                    t.lease = lease(1);
                }),
            )),
            _ => Reply::Bytes(status(&[claim("pod", "Held")])),
        }
    };
    for state in ["Optimistic", "Grace"] {
        let fake = Scripted::new(out_of_reach(state));
        let e = fake
            .mooring()
            .claim("render")
            .wait(Duration::from_millis(200))
            .hold()
            .unwrap_err();
        assert!(matches!(e, Error::Unproven { .. }), "{e}");
        assert!(!fake.asked().iter().any(|a| a.contains("start=")));
        let seat = fake
            .builder()
            .allow_unverified_start(true)
            .connect()
            .unwrap()
            .claim("render")
            .hold()
            .unwrap();
        assert!(is_ending(seat.check(), Why::Unproven), "{state}: {seat:?}");
        assert!(fake.asked().iter().any(|a| a.contains("&start=optimistic")));
        assert_eq!(
            seat.details().proof.map(|p| p.fresh),
            (state == "Grace").then_some(false)
        );
        // The server comes back.
        fake.now(|r| {
            let (_, nonce) = r.split_once("nonce=").unwrap();
            Reply::Bytes(answer(
                200,
                &token(nonce.split('&').next().unwrap(), "hold-1"),
            ))
        });
        fake.say(&claim("hold-1", "Held"));
        eventually("it is proved", secs(10), || {
            is_fully(seat.check()).then_some(())
        });
    }
}

#[test]
fn a_crashed_sidecar_is_found_again_and_the_same_seat_resumed() {
    let fake = Scripted::good();
    let seat = fake.mooring().claim("render").hold().unwrap();
    fake.stop();
    fake.follower_left();
    assert!(is_fully(seat.check()), "the last limit stands");
    fake.start();
    eventually("it resumes", secs(10), || {
        (fake.count("POST /v1/hold?resume=hold-1") == 1).then_some(())
    });
    eventually("and proves it anew", secs(10), || {
        (fake.count("GET /v1/token") == 2).then_some(())
    });
    assert!(is_fully(seat.check()));
}

#[test]
fn a_seat_that_was_given_back_meanwhile_is_asked_for_anew_while_the_application_saves() {
    let fake = Scripted::good();
    let seat = fake.mooring().claim("render").seats(2).hold().unwrap();
    fake.now(|r| match r {
        r if r.contains("resume=") => Reply::Bytes(problem(ProblemType::NotFound, "no such hold")),
        r if r.starts_with("POST") => Reply::Stream(vec![claim("hold-2", "Waiting")]),
        _ => Reply::Hang,
    });
    fake.cut();
    eventually("it says so", secs(10), || {
        is_ending(seat.check(), Why::GivenBack).then_some(())
    });
    eventually("it asks anew", secs(10), || {
        (fake.count("POST /v1/hold?product=render&seats=2") == 2).then_some(())
    });
    fake.now(|r| {
        let (_, nonce) = r.split_once("nonce=").unwrap();
        let mut b = edited(|t| {
            t.nonce = Some(nonce.split('&').next().unwrap().into());
            t.claim = "hold-2".parse().unwrap();
            t.lease = lease(2);
        });
        b.licenses = bundle().licenses;
        Reply::Bytes(answer(200, &b))
    });
    fake.say(&with(
        claim("hold-2", "Held"),
        "lease",
        lease(2).to_string(),
    ));
    eventually("it is held again", secs(10), || {
        is_fully(seat.check()).then_some(())
    });
    assert_eq!(seat.details().claim.unwrap().as_str(), "hold-2");
}

#[test]
fn a_sidecar_that_stays_away_ends_the_seat_at_its_limit_and_not_before() {
    let fake = Scripted::good();
    let until = boot() + SECOND * 2;
    let seat = fake.mooring().claim("render").hold().unwrap();
    let short = claim("hold-1", "Held");
    let short = with(
        with(short, "untilBootMs", until.as_millis()),
        "heldUntilBootMs",
        until.as_millis() - 1000,
    );
    fake.say(&short);
    eventually("the limit is known", secs(10), || {
        matches!(seat.check(), State::Licensed { until: u, .. } if u == until).then_some(())
    });
    fake.stop();
    let mut last = boot();
    let ended = loop {
        let (before, state) = (boot(), seat.check());
        if !state.is_licensed() {
            break before;
        }
        last = before;
        std::thread::sleep(Duration::from_millis(1));
    };
    assert!(
        last < until && boot() >= until,
        "licensed at {last}, not at {ended}, until {until}"
    );
    assert_eq!(seat.check(), State::Unlicensed { why: Why::Expired });
    fake.start();
    eventually("it comes back by itself", secs(10), || {
        is_fully(seat.check()).then_some(())
    });
}

#[test]
fn a_sidecar_that_hangs_extends_nothing_and_loses_nothing() {
    let fake = Scripted::good();
    let seat = fake.mooring().claim("render").hold().unwrap();
    let soon = boot() + Duration::from_millis(300);
    fake.say(&with(
        claim("hold-1", "Held"),
        "heldUntilBootMs",
        soon.as_millis(),
    ));
    eventually("it should have renewed", secs(10), || {
        is_ending(seat.check(), Why::NoSidecar).then_some(())
    });
    fake.follower_stays();
    fake.say(&claim("hold-1", "Held"));
    eventually("it goes on", secs(10), || {
        is_fully(seat.check()).then_some(())
    });
    assert_eq!(fake.count("POST"), 1, "on the same connection");
}

#[test]
fn words_that_are_not_understood_change_nothing() {
    let fake = Scripted::good();
    let seat = fake.mooring().claim("render").hold().unwrap();
    let event = |e: &str| format!("{:x}\r\n{e}\r\n", e.len());
    fake.say_raw(event("event: claim\ndata: {\"state\":\"OfTheFuture\"}\n\n").as_bytes());
    eventually("it is noted", secs(10), || {
        seat.details()
            .message
            .filter(|m| m.contains("cannot be read"))
    });
    assert!(is_fully(seat.check()));
    fake.say_raw(event("event: of-the-future\ndata: {}\n\n").as_bytes());
    fake.say_raw(b"this is no chunk\r\n");
    eventually("it begins anew", secs(10), || {
        (fake.count("POST /v1/hold?resume=") == 1).then_some(())
    });
    assert!(is_fully(seat.check()));
}

#[test]
fn the_sidecars_no_counts_at_once() {
    for (state, why) in [
        ("Lost", Why::Lost),
        ("Released", Why::Released),
        ("Waiting", Why::Waiting),
    ] {
        let fake = Scripted::good();
        let seat = fake.mooring().claim("render").hold().unwrap();
        fake.say(&claim("hold-1", state));
        eventually("it is told", secs(10), || {
            (seat.check() == State::Unlicensed { why }).then_some(())
        });
    }
}
