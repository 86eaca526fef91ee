//! Single rules, then thousands of random lives against an oracle that keeps the history instead of
//! a state.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use mooring_core::license::AnchorKind;
use mooring_core::policy::OptimisticStart;
use mooring_core::time::Timestamp;
use proptest::prelude::*;

const fn t(ms: u64) -> BootTime {
    BootTime::from_millis(ms)
}

const fn s(secs: u64) -> BootTime {
    BootTime::from_millis(secs * 1000)
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn lease(n: u8) -> LeaseId {
    LeaseId::from_bytes([n; 16])
}

const TERMS: Terms = Terms {
    seats: 2,
    unverified: false,
    hold: true,
};

fn told(state: HoldState, until: BootTime) -> ClaimReport {
    ClaimReport {
        name: ClaimName::new("hold-x").unwrap(),
        state,
        until,
        held_until: if state == HoldState::Held {
            until.min(s(130))
        } else {
            BootTime::default()
        },
        lease: Some(lease(1)),
    }
}

fn proof(run_for: Duration) -> Verified {
    Verified {
        claim: ClaimName::new("hold-x").unwrap(),
        lease: lease(1),
        seats: 2,
        run_for,
        fresh: true,
        anchor: AnchorKind::Pkcs11,
        software: false,
        overdraft: 0,
        test: false,
        emergency: false,
        features: Vec::new(),
        optimistic_start: OptimisticStart::Allow,
        max_contested: DEFAULT_MAX_CONTESTED,
        license_id: "ACME-1".into(),
        issued_at: Timestamp::UNIX_EPOCH,
    }
}

/// Connected at 100 s, held until 130 s and licensed until 200 s, proved until 190 s.
fn held() -> Watch {
    let mut w = Watch::new(TERMS, 7, s(100));
    assert_eq!(w.want(s(100)), Some(Want::Open { resume: None }));
    w.opened();
    w.told(told(HoldState::Held, s(200)), s(100));
    assert_eq!(
        w.word(s(100)).at(s(100)),
        State::Unlicensed { why: Why::Unproven }
    );
    assert_eq!(w.want(s(100)), Some(Want::Ask { fresh: true }));
    w.asked();
    assert_eq!(w.want(s(100)), None);
    w.proved(s(100), &proof(secs(90)), true, s(101));
    assert_eq!(w.word(s(101)).at(s(101)), State::Licensed { until: s(190) });
    w
}

const fn restricts(run_for: Duration) -> Restricts {
    Restricts {
        optimistic_start: OptimisticStart::Allow,
        run_for,
        max_contested: DEFAULT_MAX_CONTESTED,
    }
}

fn at(w: &Watch, now: BootTime) -> State {
    w.word(now).at(now)
}

fn ending(n: u64, why: Why) -> State {
    State::Ending {
        in_: Duration::from_millis(n),
        why,
    }
}

#[test]
fn it_is_asked_again_within_a_tenth_of_the_grace_and_the_limit_moves_on() {
    let mut w = held();
    let again = w.wake_at(s(101));
    assert!(again > s(105) && again <= s(109), "{again}");
    assert_eq!(w.want(t(again.as_millis() - 1)), None);
    assert_eq!(w.want(again), Some(Want::Ask { fresh: true }));
    w.asked();
    w.proved(again, &proof(secs(90)), true, again);
    assert_eq!(
        at(&w, again),
        State::Licensed {
            until: again + secs(90)
        }
    );
    assert_eq!(every(secs(8 * 3600)), secs(900));
    assert_eq!(every(secs(12)), secs(4));
}

#[test]
fn a_broken_connection_ends_nothing_and_is_resumed_by_name() {
    let mut w = held();
    w.broken(s(102));
    assert_eq!(at(&w, s(102)), State::Licensed { until: s(190) });
    assert_eq!(
        at(&w, s(130)),
        ending(60_000, Why::NoSidecar),
        "it would have renewed"
    );
    assert_eq!(at(&w, t(189_999)), ending(1, Why::NoSidecar));
    assert_eq!(at(&w, s(190)), State::Unlicensed { why: Why::Expired });
    let again = w.wake_at(s(102));
    assert!(again <= t(102_020), "{again}");
    assert_eq!(
        w.want(again),
        Some(Want::Open {
            resume: ClaimName::new("hold-x").ok()
        })
    );
    for _ in 0..50 {
        w.broken(s(103));
    }
    assert!(
        w.wake_at(s(103)) <= s(105),
        "the sidecar keeps the seat for 10 s"
    );
    w.opened();
    w.told(told(HoldState::Held, s(200)), s(104));
    assert_eq!(
        w.want(s(104)),
        Some(Want::Ask { fresh: true }),
        "whoever speaks now must prove it"
    );
    assert_eq!(at(&w, s(104)), State::Licensed { until: s(190) });
}

#[test]
fn a_sidecar_that_hangs_is_ending_when_it_should_have_renewed() {
    let w = held();
    assert!(matches!(at(&w, t(129_999)), State::Licensed { .. }));
    assert_eq!(at(&w, s(130)), ending(60_000, Why::NoSidecar));
}

#[test]
fn without_the_server_the_sidecars_limit_counts_down() {
    let mut w = held();
    w.told(told(HoldState::Grace, s(150)), s(120));
    assert_eq!(at(&w, s(120)), ending(30_000, Why::NoServer));
    assert_eq!(at(&w, s(150)), State::Unlicensed { why: Why::Expired });
    w.told(told(HoldState::Contested, s(140)), s(121));
    assert_eq!(at(&w, s(121)), ending(19_000, Why::Contested));
    w.told(told(HoldState::Held, s(180)), s(122));
    assert_eq!(at(&w, s(122)), State::Licensed { until: s(180) });
}

#[test]
fn the_sidecars_no_counts_at_once_and_its_next_yes_needs_a_proof() {
    for (state, why) in [
        (HoldState::Lost, Why::Lost),
        (HoldState::Released, Why::Released),
        (HoldState::Refused, Why::Refused),
        (HoldState::Waiting, Why::Waiting),
        (HoldState::Seeking, Why::Seeking),
    ] {
        let mut w = held();
        w.told(told(state, s(200)), s(110));
        assert_eq!(at(&w, s(110)), State::Unlicensed { why });
        w.told(told(HoldState::Held, s(200)), s(111));
        assert_eq!(at(&w, s(111)), State::Unlicensed { why: Why::Unproven });
    }
}

#[test]
fn what_does_not_verify_ends_the_license_until_something_does() {
    let wrong_lease = Verified {
        lease: lease(2),
        ..proof(secs(90))
    };
    let wrong_claim = Verified {
        claim: ClaimName::new("hold-y").unwrap(),
        ..proof(secs(90))
    };
    let fewer = Verified {
        seats: 1,
        ..proof(secs(90))
    };
    for (bad, why) in [
        (None, Why::NotVerified),
        (Some(wrong_lease), Why::OtherLease),
        (Some(wrong_claim), Why::OtherLease),
        (Some(fewer), Why::FewerSeats),
    ] {
        let mut w = held();
        w.asked();
        match bad {
            None => w.disproved(s(110)),
            Some(p) => w.proved(s(110), &p, true, s(110)),
        }
        assert_eq!(at(&w, s(110)), State::Unlicensed { why });
        w.told(told(HoldState::Held, s(300)), s(111));
        assert_eq!(
            at(&w, s(111)),
            State::Unlicensed { why },
            "saying it again does not help"
        );
        let again = w.wake_at(s(111));
        assert!(again <= s(112), "{again}");
        w.asked();
        w.proved(s(112), &proof(secs(90)), true, s(112));
        assert_eq!(at(&w, s(112)), State::Licensed { until: s(202) });
    }
}

#[test]
fn an_answer_of_another_time_is_none_and_says_so() {
    // It was proved: that limit stands, and no new one comes.
    let mut w = held();
    w.asked();
    w.stale(&restricts(secs(3600)), true, s(110));
    let why = Why::ClockOrStale;
    assert_eq!(at(&w, s(110)), ending(80_000, why));
    let again = w.wake_at(s(110));
    assert!(again <= s(112), "{again}");
    w.asked();
    w.stale(&restricts(secs(3600)), true, s(180));
    w.told(told(HoldState::Held, s(300)), s(181));
    assert_eq!(at(&w, s(190)), State::Unlicensed { why });
    assert_eq!(w.word(s(190)), Word::unlicensed(why));
    // The clock was set: all is well.
    w.asked();
    w.proved(s(200), &proof(secs(90)), true, s(200));
    assert_eq!(w.word(s(200)).limit(), s(290));
    assert_ne!(at(&w, s(200)).why(), Some(why));

    // It was not: a strict application does not start.
    let mut w = Watch::new(TERMS, 7, s(100));
    w.opened();
    w.told(told(HoldState::Held, s(200)), s(100));
    w.asked();
    w.stale(&restricts(secs(3600)), true, s(101));
    assert_eq!(at(&w, s(101)), State::Unlicensed { why });
}

#[test]
fn a_token_of_another_time_restricts_all_the_same() {
    let terms = Terms {
        unverified: true,
        ..TERMS
    };
    for (run_for, may_start, licensed) in
        [(3600, true, true), (3600, false, false), (5, true, false)]
    {
        let mut w = Watch::new(terms, 7, s(100));
        w.opened();
        w.told(told(HoldState::Grace, s(1_000_000)), s(110));
        w.asked();
        w.unanswered(s(111));
        assert_eq!(w.want(s(111)), Some(Want::Ask { fresh: false }));
        w.asked();
        w.stale(&restricts(secs(run_for)), may_start, s(111));
        let is = at(&w, s(111)).is_licensed();
        assert_eq!(is, licensed, "{run_for} {may_start}");
    }
}

#[test]
fn an_answer_about_an_earlier_lease_is_neither_proof_nor_lie() {
    let mut w = held();
    w.asked();
    let mut other = told(HoldState::Held, s(200));
    other.lease = Some(lease(3));
    w.told(other, s(110));
    w.proved(s(110), &proof(secs(500)), true, s(110));
    assert_eq!(at(&w, s(110)), State::Licensed { until: s(190) });
    assert_eq!(w.want(s(110)), Some(Want::Ask { fresh: true }));
}

#[test]
fn a_start_on_the_sidecars_word_is_the_applications_choice_and_bounded_once() {
    let terms = Terms {
        unverified: true,
        ..TERMS
    };
    let far = s(1_000_000);
    for allowed in [false, true] {
        let mut w = Watch::new(
            Terms {
                unverified: allowed,
                ..terms
            },
            7,
            s(100),
        );
        w.opened();
        let mut optimistic = told(HoldState::Optimistic, far);
        optimistic.lease = None;
        w.told(optimistic.clone(), s(110));
        assert_eq!(w.want(s(110)), None, "there is nothing to ask about");
        if !allowed {
            assert_eq!(at(&w, s(110)), State::Unlicensed { why: Why::Unproven });
            continue;
        }
        let end = s(100) + DEFAULT_GRACE;
        assert_eq!(
            at(&w, s(110)),
            State::Ending {
                in_: s(110).until(end),
                why: Why::Unproven
            }
        );
        w.broken(s(120));
        w.opened();
        w.told(optimistic.clone(), s(130));
        assert_eq!(
            at(&w, end),
            State::Unlicensed { why: Why::Expired },
            "a new connection begins no new time"
        );
        // An old token shows the license's own grace, which is shorter; that stays known.
        w.told(told(HoldState::Grace, far), s(131));
        assert_eq!(w.want(s(131)), Some(Want::Ask { fresh: true }));
        w.asked();
        w.unanswered(s(141));
        assert_eq!(w.want(s(141)), Some(Want::Ask { fresh: false }));
        w.asked();
        let old = Verified {
            fresh: false,
            ..proof(secs(60))
        };
        w.proved(s(141), &old, true, s(141));
        assert_eq!(at(&w, s(141)), ending(19_000, Why::Unproven));
        w.told(optimistic, s(142));
        assert_eq!(at(&w, s(142)), ending(18_000, Why::Unproven));
        w.told(told(HoldState::Held, far), s(150));
        w.asked();
        w.proved(s(150), &proof(secs(60)), true, s(150));
        assert!(
            matches!(at(&w, s(150)), State::Ending { .. }),
            "held_until has passed in this test"
        );
        assert_eq!(w.word(s(150)).limit(), s(210));
    }
}

#[test]
fn a_license_that_an_old_token_shows_may_forbid_the_start() {
    let terms = Terms {
        unverified: true,
        ..TERMS
    };
    let mut w = Watch::new(terms, 7, s(100));
    w.opened();
    w.told(told(HoldState::Grace, s(1_000_000)), s(110));
    w.asked();
    w.unanswered(s(111));
    assert!(at(&w, s(111)).is_licensed(), "nothing is known yet");
    w.asked();
    let old = Verified {
        fresh: false,
        ..proof(secs(600))
    };
    w.proved(s(111), &old, false, s(111));
    assert_eq!(at(&w, s(111)), State::Unlicensed { why: Why::Unproven });
    // The server's answer to the application's own question is worth more.
    w.asked();
    w.proved(s(200), &proof(secs(600)), false, s(200));
    assert!(at(&w, s(200)).is_licensed());
}

#[test]
fn a_seat_given_back_meanwhile_runs_as_long_as_the_license_says() {
    let mut w = held();
    w.asked();
    let p = Verified {
        max_contested: secs(60),
        ..proof(secs(3600))
    };
    w.proved(s(110), &p, true, s(110));
    let limit = w.word(s(110)).limit();
    w.broken(s(111));
    w.resume_unknown(s(112));
    assert_eq!(w.word(s(112)).limit(), limit.min(s(172)));
}

#[test]
fn a_seat_given_back_meanwhile_runs_out_and_flapping_does_not_extend_it() {
    let mut w = held();
    w.asked();
    w.proved(s(101), &proof(secs(8 * 3600)), true, s(101));
    w.told(told(HoldState::Held, s(20_000)), s(101));
    let mut limit = s(101) + DEFAULT_MAX_CONTESTED;
    w.broken(s(101));
    w.resume_unknown(s(101));
    for now in [102, 110, 300] {
        assert_eq!(w.want(s(now)), Some(Want::Open { resume: None }));
        w.opened();
        assert_eq!(w.word(s(now)).limit(), limit);
        assert_eq!(at(&w, s(now)).why(), Some(Why::GivenBack));
        w.told(told(HoldState::Seeking, BootTime::default()), s(now));
        w.told(told(HoldState::Waiting, BootTime::default()), s(now));
        assert_eq!(w.word(s(now)).limit(), limit);
        w.broken(s(now));
        w.resume_unknown(s(now));
        limit = limit.min(w.word(s(now)).limit());
    }
    assert_eq!(limit, s(101) + DEFAULT_MAX_CONTESTED);
    w.opened();
    let mut new = told(HoldState::Held, s(30_000));
    new.lease = Some(lease(9));
    new.held_until = s(30_000);
    w.told(new, s(400));
    assert_eq!(w.word(s(400)).limit(), limit, "not yet proved");
    w.asked();
    let p = Verified {
        lease: lease(9),
        ..proof(secs(1000))
    };
    w.proved(s(400), &p, true, s(400));
    assert_eq!(at(&w, s(400)), State::Licensed { until: s(1400) });
}

#[test]
fn a_refused_seat_is_asked_for_again_a_minute_later_and_never_resumed() {
    let mut w = held();
    w.told(told(HoldState::Refused, BootTime::default()), s(110));
    w.broken(s(110));
    let again = w.wake_at(s(110));
    assert_eq!(again, s(170));
    assert_eq!(w.want(again), Some(Want::Open { resume: None }));
}

#[test]
fn a_pods_seat_is_followed_and_not_resumed() {
    let mut w = Watch::new(
        Terms {
            hold: false,
            ..TERMS
        },
        7,
        s(100),
    );
    w.opened();
    w.told(told(HoldState::Held, s(200)), s(100));
    w.broken(s(101));
    assert_eq!(w.want(s(105)), Some(Want::Open { resume: None }));
    w.opened();
    w.absent();
    assert_eq!(at(&w, s(105)), State::Unlicensed { why: Why::NotAsked });
}

/// One thing that happens to a seat.
#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Broken,
    Opened,
    ResumeUnknown,
    ClaimReport(HoldState, u64, u8),
    Proved {
        ago: u64,
        run_for: u64,
        lease: u8,
        seats: u32,
        fresh: bool,
    },
    Disproved,
    Stale {
        run_for: u64,
        may_start: bool,
    },
    Unanswered,
}

fn step() -> impl Strategy<Value = Step> {
    let state = proptest::sample::select(HoldState::ALL.to_vec());
    prop_oneof![
        4 => (0u64..40_000).prop_map(Step::Pass),
        2 => Just(Step::Broken),
        2 => Just(Step::Opened),
        1 => Just(Step::ResumeUnknown),
        4 => (state, 0u64..2_000_000, 1u8..3).prop_map(|(s, u, l)| Step::ClaimReport(s, u, l)),
        2 => (0u64..2_000_000, 1u8..3).prop_map(|(u, l)| Step::ClaimReport(HoldState::Held, u, l)),
        5 => (0u64..5000, 1u64..2000, 1u8..3, 1u32..4, any::<bool>()).prop_map(
            |(ago, run_for, lease, seats, fresh)| Step::Proved { ago, run_for, lease, seats, fresh }
        ),
        1 => Just(Step::Disproved),
        1 => (1u64..2000, any::<bool>())
            .prop_map(|(run_for, may_start)| Step::Stale { run_for, may_start }),
        1 => Just(Step::Unanswered),
    ]
}

/// The limit by the rules as the documentation tells them, from the whole history each time. Shares
/// nothing with [`Watch`].
fn oracle(mut unverified: bool, begun: u64, history: &[(u64, Step)]) -> u64 {
    let mut limit_before_given_back = 0;
    let mut said: Option<(HoldState, u64, u8)> = None;
    let mut proof: Option<u64> = None;
    let mut grace = 8 * 3600 * 1000;
    let mut lied = false;
    let mut kept = 0;
    for (now, step) in history {
        match step {
            Step::ClaimReport(state, until, lease) => {
                said = Some((*state, *until, *lease));
                if !state.is_licensed() || *until == 0 {
                    proof = None;
                    if !matches!(state, HoldState::Seeking | HoldState::Waiting) {
                        kept = 0;
                    }
                }
            }
            Step::Proved {
                ago,
                run_for,
                lease,
                seats,
                fresh,
            } => {
                let right = said.is_some_and(|(_, _, l)| l == *lease) && *seats >= 2;
                lied = !right;
                if lied {
                    (proof, kept) = (None, 0);
                } else {
                    grace = grace.min(run_for * 1000);
                    if *fresh {
                        proof = Some(now - ago + run_for * 1000);
                    }
                }
            }
            Step::Disproved => (lied, proof, kept) = (true, None, 0),
            Step::Stale { run_for, may_start } => {
                grace = grace.min(run_for * 1000);
                unverified &= may_start;
            }
            Step::ResumeUnknown => {
                kept = limit_before_given_back.min(now + 15 * 60 * 1000);
                (said, proof) = (None, None);
            }
            Step::Pass(_) | Step::Broken | Step::Opened | Step::Unanswered => {}
        }
        let yes_now = said.filter(|(s, until, _)| s.is_licensed() && *until > 0);
        if yes_now.is_some() && proof.is_some() {
            kept = 0;
        }
        let cap = match proof {
            Some(cap) => cap,
            None if unverified => begun + grace,
            None => 0,
        };
        let own = yes_now.map_or(0, |(_, until, _)| until.min(cap));
        limit_before_given_back = if lied { 0 } else { own.max(kept) };
    }
    limit_before_given_back
}

fn run(unverified: bool, steps: &[Step]) -> Result<(), TestCaseError> {
    let begun = 1_000_000;
    let terms = Terms {
        unverified,
        ..TERMS
    };
    let (mut w, mut now, mut history) = (Watch::new(terms, 7, t(begun)), begun, Vec::new());
    for step in steps {
        let limit_before = w.word(t(now)).limit();
        match step {
            Step::Pass(ms) => now += ms,
            Step::Broken => w.broken(t(now)),
            Step::Opened => w.opened(),
            Step::ResumeUnknown => w.resume_unknown(t(now)),
            Step::ClaimReport(state, until, l) => {
                let until = if state.is_licensed() {
                    begun + until
                } else {
                    *until
                };
                history.push((now, Step::ClaimReport(*state, until, *l)));
                let mut said = told(*state, t(until));
                said.lease = Some(lease(*l));
                w.told(said, t(now));
            }
            Step::Proved {
                ago,
                run_for,
                lease: l,
                seats,
                fresh,
            } => {
                if w.told_state().is_none() {
                    continue; // nobody asks before it was told of a lease
                }
                w.asked();
                let p = Verified {
                    lease: lease(*l),
                    seats: *seats,
                    fresh: *fresh,
                    ..proof(secs(*run_for))
                };
                w.proved(t(now - ago), &p, true, t(now));
            }
            Step::Disproved => w.disproved(t(now)),
            Step::Stale { run_for, may_start } => {
                w.asked();
                w.stale(&restricts(secs(*run_for)), *may_start, t(now));
            }
            Step::Unanswered => w.unanswered(t(now)),
        }
        if !matches!(step, Step::ClaimReport(..)) {
            history.push((now, step.clone()));
        }
        let limit = oracle(unverified, begun, &history);
        // Exactly until the limit: at each instant before it, at none from it on.
        for at in [now, limit.saturating_sub(1), limit, limit + 1] {
            if at >= now {
                let licensed = w.word(t(at)).at(t(at)).is_licensed();
                prop_assert_eq!(licensed, at < limit, "at {} of {}: {:?}", at, limit, w);
            }
        }
        // Nor does the word, kept while nobody drives the seat, say anything else.
        let word = w.word(t(now));
        prop_assert_eq!(word.at(t(limit.max(now))).is_licensed(), false);
        let quiet = matches!(
            step,
            Step::Pass(_) | Step::Broken | Step::Opened | Step::Unanswered
        );
        if quiet && now < limit {
            prop_assert_eq!(t(limit), limit_before, "{:?}", step);
        }
        let wake = w.wake_at(t(now));
        prop_assert!(
            wake > t(now) || w.want(t(now)).is_some(),
            "it would spin: {:?}",
            w
        );
        prop_assert!(
            now >= limit || wake <= t(limit) || w.want(t(now)).is_some(),
            "it would sleep past its limit"
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn any_life_is_licensed_exactly_until_its_limit(unverified in any::<bool>(), steps in proptest::collection::vec(step(), 1..40)) {
        run(unverified, &steps)?;
    }
}
