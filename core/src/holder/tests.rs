//! The holder's table of states, cell by cell, and its clock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::license::{Envelope, FreshToken};
use crate::names::{InstanceId, ServerId};
use crate::policy::Start;
use crate::wire::{ProblemType, Standing, True};

mod drive;
mod lines;
mod numbers;
mod papers;
mod parts;

struct Steady(u8);

impl Random for Steady {
    fn request_id(&mut self) -> RequestId {
        self.0 = self.0.wrapping_add(1);
        RequestId::from_bytes([self.0; 16])
    }
    fn fraction(&mut self) -> f64 {
        1.0
    }
    fn secret(&mut self) -> Secret {
        self.0 = self.0.wrapping_add(1);
        Secret::from_bytes([self.0; 32])
    }
}

fn at(ms: u64) -> BootTime {
    BootTime::from_millis(5_000_000 + ms)
}

fn envelope() -> Envelope {
    Envelope {
        payload_type: "t".into(),
        payload: vec![],
        signatures: vec![],
    }
}

fn bundle() -> Bundle {
    let there = envelope().digest();
    let says = serde_json::json!({"delegation": there, "parts": [{"license": there}]});
    Bundle {
        licenses: vec![envelope()],
        delegation: envelope(),
        lease: Envelope {
            payload: says.to_string().into_bytes(),
            ..envelope()
        },
    }
}

fn pod() -> identity::Holder {
    identity::Holder::External {
        subject: "x".into(),
    }
}

fn lease(n: u8) -> LeaseId {
    LeaseId::from_bytes([n; 16])
}

fn instance() -> InstanceId {
    InstanceId::from_bytes([1; 16])
}

fn grant(counter: u64) -> Answer {
    Answer::Granted(Box::new(Grant {
        lease: lease(1),
        claim: ClaimName::pod(),
        instance: instance(),
        items: vec![],
        lease_for: Duration::from_secs(30),
        run_for: Duration::from_secs(600),
        max_contested: Duration::from_secs(60),
        optimistic_start: OptimisticStart::Allow,
        counter,
        called_back: None,
        holder: pod(),
        terms: terms(),
        receipt: sealed(1),
        token: bundle(),
    }))
}

fn renewed(counter: u64) -> Answer {
    Answer::Renewed(Box::new(Renewed::Ok {
        lease: lease(1),
        instance: instance(),
        lease_for: Duration::from_secs(30),
        run_for: Duration::from_secs(600),
        max_contested: Duration::from_secs(60),
        optimistic_start: OptimisticStart::Allow,
        counter,
        called_back: None,
        terms: terms(),
        receipt: sealed(counter),
        token: FreshToken::of(bundle(), &[]),
    }))
}

/// Nothing but the counter is new.
fn same(counter: u64) -> Answer {
    Answer::Renewed(Box::new(Renewed::Same {
        same: True,
        lease: lease(1),
        counter,
        receipt: sealed(counter),
    }))
}

fn terms() -> TermsId {
    TermsId::from_bytes([4; 8])
}

fn sealed(n: u64) -> Sealed {
    Sealed::from_bytes(&n.to_be_bytes())
}

fn full() -> Answer {
    Answer::Waiting(Box::new(Waiting {
        lease: lease(1),
        claim: ClaimName::pod(),
        instance: instance(),
        server: ServerId::from_bytes([1; 16]),
        place: 2,
        reason: WaitReason::Full,
        message: "all 2 seats of render are taken".into(),
        ticket: sealed(0),
        retry_in: Duration::from_secs(10),
        max_contested: Duration::from_secs(60),
        holder: pod(),
    }))
}

fn no(kind: ProblemType) -> Answer {
    Answer::Problem(Problem::new(kind, "x"))
}

fn silence() -> Answer {
    Answer::NoContact("x".into())
}

struct World {
    h: Claimant,
    r: Steady,
}

impl World {
    fn new(start: Start) -> Self {
        let spec = Spec::new(
            ClaimName::pod(),
            crate::request::parse("render").unwrap(),
            start,
        );
        Self {
            h: Claimant::new(spec, Secret::from_bytes([1; 32]), at(0)),
            r: Steady(0),
        }
    }

    /// Lets time pass until something is sent; returns when, and what.
    fn send(&mut self, from: u64) -> (u64, Tag, Request) {
        let mut t = at(from);
        for _ in 0..1000 {
            match self.h.poll(t, &mut self.r) {
                Do::Send { tag, request, .. } => {
                    return (t.as_millis() - 5_000_000, tag, request);
                }
                Do::Save | Do::Done | Do::Kept => panic!("a driver's"),
                Do::Sleep { until } => t = until.max(t + Duration::from_millis(1)),
            }
        }
        panic!("nothing is sent");
    }

    /// Sends, and is answered after `after` ms. Returns when the answer came.
    fn ask(&mut self, from: u64, answer: Answer, after: u64) -> u64 {
        let (t, tag, _) = self.send(from);
        self.h.answered(at(t + after), tag, answer, &mut self.r);
        t + after
    }

    /// No attempt from `from` to `to` is answered, each is refused after 100 ms; when the last was.
    fn is_unanswered(&mut self, from: u64, to: u64) -> u64 {
        let mut t = from;
        loop {
            let (sent, tag, _) = self.send(t);
            if sent + 100 > to {
                // It stays under way: the next one takes its place.
                self.h.outstanding = None;
                self.h.next_at = at(sent);
                return t;
            }
            t = sent + 100;
            self.h.answered(at(t), tag, silence(), &mut self.r);
        }
    }

    fn state(&self, t: u64) -> HoldState {
        self.h.status(at(t)).state
    }

    fn until(&self, t: u64) -> u64 {
        self.h.status(at(t)).until_boot_ms.unwrap() - 5_000_000
    }

    fn in_state(state: HoldState) -> Self {
        let mut w = Self::new(if state == HoldState::Seeking {
            Start::Licensed
        } else {
            Start::Optimistic
        });
        match state {
            HoldState::Seeking => {}
            HoldState::Waiting => drop(w.ask(0, full(), 0)),
            HoldState::Held => drop(w.ask(0, grant(0), 0)),
            HoldState::Grace => {
                w.ask(0, grant(0), 0);
                let mut t = 0;
                while t < 30_000 {
                    t = w.ask(t, silence(), 5000);
                }
            }
            HoldState::Optimistic => {
                let mut t = 0;
                while t < 15_000 {
                    t = w.ask(t, silence(), 5000);
                }
            }
            HoldState::Contested => {
                w.ask(0, grant(0), 0);
                let t = w.ask(1, no(ProblemType::UnknownLease), 0);
                w.ask(t, full(), 0);
            }
            HoldState::Refused => drop(w.ask(0, no(ProblemType::UnknownProduct), 0)),
            HoldState::Lost => {
                w.ask(0, grant(0), 0);
                w.ask(1, no(ProblemType::NotEntitled), 0);
            }
            HoldState::Released => unreachable!(),
        }
        w
    }
}

/// When each state of [`World::in_state`] has been reached.
const LATER: u64 = 40_000;

#[test]
fn the_table_cell_by_cell() {
    use HoldState as S;
    type Column = (&'static str, fn() -> Answer);
    let columns: [Column; 4] = [
        ("full", full),
        ("refused", || no(ProblemType::UnknownProduct)),
        ("no contact", silence),
        ("cloned", || no(ProblemType::Cloned)),
    ];
    let rows = [
        (S::Seeking, [S::Waiting, S::Refused, S::Seeking, S::Refused]),
        (S::Waiting, [S::Waiting, S::Refused, S::Waiting, S::Refused]),
        (
            S::Optimistic,
            [S::Contested, S::Lost, S::Optimistic, S::Lost],
        ),
        (S::Grace, [S::Contested, S::Lost, S::Grace, S::Lost]),
        (S::Contested, [S::Contested, S::Lost, S::Contested, S::Lost]),
        (S::Lost, [S::Waiting, S::Lost, S::Lost, S::Lost]),
        (S::Refused, [S::Waiting, S::Refused, S::Refused, S::Refused]),
    ];
    for (state, wants) in rows {
        for ((name, answer), want) in columns.iter().zip(wants) {
            let mut w = World::in_state(state);
            assert_eq!(w.state(LATER), state, "the way into {state}");
            let t = w.ask(LATER, answer(), 0);
            assert_eq!(w.state(t), want, "{state} + {name}");
        }
    }
}

/// What becomes of a state by a problem, as the page's tables say.
fn by_problem(state: HoldState, kind: ProblemType) -> HoldState {
    use HoldState as S;
    use ProblemType as T;
    let refused = if state.is_licensed() || state == S::Lost {
        S::Lost
    } else {
        S::Refused
    };
    match kind {
        T::NotEntitled
        | T::UnknownProduct
        | T::ExceedsSeats
        | T::VersionNotCovered
        | T::Revoked
        | T::Cloned => refused,
        T::GivenBack | T::CalledBack if state.is_licensed() => S::Lost,
        T::TooManyClaims | T::LicenseInvalid if state == S::Optimistic => S::Contested,
        T::BadRequest if !state.is_licensed() => refused,
        _ => state,
    }
}

#[test]
fn each_problem_does_to_each_state_what_the_page_says_and_starts_nothing() {
    use HoldState as S;
    let states = [
        S::Seeking,
        S::Waiting,
        S::Optimistic,
        S::Held,
        S::Grace,
        S::Contested,
        S::Refused,
        S::Lost,
    ];
    for state in states {
        let kinds = ProblemType::ALL.iter().copied();
        for kind in kinds.chain([ProblemType::Other]) {
            let mut w = World::in_state(state);
            w.h.spec.start = Start::Optimistic;
            let at_once = if state == S::Held { 1 } else { LATER };
            let limit = w.h.status(at(at_once)).until_boot_ms;
            let t = w.ask(at_once, no(kind), 10);
            assert_eq!(w.state(t), by_problem(state, kind), "{state} + {kind}");
            assert!(w.h.s.answered, "{state} + {kind}");
            let later = w.h.status(at(t)).until_boot_ms;
            assert!(
                later.is_none_or(|l| limit.is_some_and(|before| l <= before)),
                "{state} + {kind} lengthens the limit"
            );
            // Nothing that never was licensed becomes so by silence after it: not in this process,
            // and not in the next one.
            if state.is_licensed() {
                continue;
            }
            let again = restarted(&w, t);
            for (mut w, which) in [(w, "this process"), (again, "the next")] {
                let mut t = t;
                while t < LATER + 100_000 && w.h.s.barred != Some(super::Bar::Cloned) {
                    t = w.ask(t, silence(), 5000);
                    assert!(!w.state(t).is_licensed(), "{state} + {kind}, {which}");
                }
            }
        }
    }
}

#[test]
fn a_lease_counts_from_the_sending_of_its_request() {
    let mut w = World::new(Start::Optimistic);
    let t = w.ask(0, grant(0), 4000);
    assert_eq!(
        (t, w.state(29_999), w.state(30_000)),
        (4000, HoldState::Held, HoldState::Grace)
    );
    assert_eq!(w.until(t), 600_000, "and so does the grace");
    assert_eq!(
        (w.state(599_999), w.state(600_000)),
        (HoldState::Grace, HoldState::Lost)
    );
}

#[test]
fn it_renews_after_a_third_of_the_lease_and_counts_up() {
    let mut w = World::new(Start::Optimistic);
    w.ask(0, grant(7), 0);
    let (t, tag, r) = w.send(1);
    assert!((9000..=10_000).contains(&t), "{t}");
    let Request::Renew(first) = r else {
        panic!("{r:?}")
    };
    assert_eq!(first.counter, 8);
    w.h.answered(at(t + 10), tag, silence(), &mut w.r);
    let (t, tag, r) = w.send(t + 10);
    let Request::Renew(again) = r else {
        panic!("{r:?}")
    };
    assert_eq!(
        (again.counter, again.request_id),
        (8, first.request_id),
        "a retry is the same request"
    );
    w.h.answered(at(t), tag, renewed(8), &mut w.r);
    let (_, _, r) = w.send(t);
    let Request::Renew(next) = r else {
        panic!("{r:?}")
    };
    assert_eq!(next.counter, 9);
    assert_ne!(next.request_id, first.request_id);
}

#[test]
fn an_unknown_lease_is_claimed_again_with_token_and_secret_and_stays_held() {
    let mut w = World::in_state(HoldState::Held);
    let t = w.ask(1, no(ProblemType::UnknownLease), 0);
    assert_eq!(w.state(t), HoldState::Held);
    let (_, _, r) = w.send(t);
    let Request::Claim { body, bearer, wait } = r else {
        panic!("{r:?}")
    };
    assert!(body.held.is_some() && body.secret.is_some() && body.holder.is_some());
    assert_eq!((body.standing, bearer, wait), (Standing::Held, false, None));
}

#[test]
fn a_credential_that_is_not_taken_is_replaced_by_the_service_account_token() {
    let mut w = World::in_state(HoldState::Waiting);
    let t = w.ask(100, no(ProblemType::Unauthenticated), 0);
    assert_eq!(w.state(t), HoldState::Waiting);
    let (_, _, r) = w.send(t);
    assert!(matches!(r, Request::Claim { bearer: true, .. }), "{r:?}");
}

#[test]
fn no_server_in_reach_starts_after_fifteen_seconds_or_never() {
    // Nobody answers at all, or each attempt is refused at once.
    for takes in [15_000, 1] {
        let mut w = World::new(Start::Optimistic);
        let mut t = 0;
        while t < 15_000 {
            assert_eq!(w.state(t), HoldState::Seeking, "{t}");
            let (sent, tag, _) = w.send(t);
            t = sent + takes.min(15_000 - sent.min(14_999));
            w.h.answered(at(t), tag, silence(), &mut w.r);
        }
        assert!(t < 15_010, "{t}");
        assert_eq!(w.state(t), HoldState::Optimistic);
        assert_eq!(w.until(t), 8 * 3600 * 1000, "counted from the beginning");
    }
    let mut w = World::new(Start::Licensed);
    w.is_unanswered(0, 100_000);
    assert_eq!(w.state(100_000), HoldState::Seeking);
    let mut w = World::new(Start::Optimistic);
    w.ask(0, full(), 10);
    w.is_unanswered(10, 100_000);
    assert_eq!(
        w.state(100_000),
        HoldState::Waiting,
        "who was told to wait waits"
    );
}

#[test]
fn an_answer_that_is_not_understood_is_one() {
    let mut w = World::new(Start::Optimistic);
    let t = w.ask(0, Answer::Unreadable("status 418".into()), 10);
    assert_eq!(w.state(t), HoldState::Seeking);
    let mut back = restarted(&w, t);
    for w in [&mut w, &mut back] {
        w.is_unanswered(t, 100_000);
        assert_eq!(w.state(100_000), HoldState::Seeking);
    }
}

#[test]
fn time_alone_starts_nothing_while_nobody_was_asked() {
    // The machine slept for an hour with a request under way: its answer may have come and gone.
    let mut w = World::new(Start::Optimistic);
    let (_, tag, _) = w.send(0);
    assert_eq!(w.state(3_600_000), HoldState::Seeking);
    w.h.answered(at(3_600_000), tag, silence(), &mut w.r);
    assert_eq!(w.state(3_600_000), HoldState::Seeking);
    let t = w.is_unanswered(3_600_000, 3_614_999);
    assert_eq!(w.state(t), HoldState::Seeking);
    let t = w.is_unanswered(t, 3_620_000);
    assert_eq!(w.state(t), HoldState::Optimistic);

    // It slept between two attempts.
    let mut w = World::new(Start::Optimistic);
    w.ask(0, silence(), 10);
    let t = w.ask(3_600_000, silence(), 5_000);
    assert_eq!(w.state(t), HoldState::Seeking);

    // The process ended in between: the next one has asked nobody yet.
    let mut w = World::new(Start::Optimistic);
    w.ask(0, silence(), 10);
    let mut back = restarted(&w, 14_000);
    assert_eq!(back.state(20_000), HoldState::Seeking);
    let t = back.ask(20_000, silence(), 10);
    assert_eq!(back.state(t), HoldState::Seeking);
    let t = back.is_unanswered(t, 36_000);
    assert_eq!(back.state(t), HoldState::Optimistic);
    assert_eq!(back.until(t), 8 * 3600 * 1000, "from the claim's begin");
}

#[test]
fn a_fault_of_its_own_is_neither_answer_nor_silence() {
    let own = || Answer::Unsent(Problem::new(ProblemType::Unauthenticated, "no token file"));
    let mut w = World::new(Start::Optimistic);
    let mut t = 0;
    while t < 600_000 {
        t = w.ask(t, own(), 1);
    }
    assert_eq!(w.state(t), HoldState::Seeking, "nobody was asked");
    assert!(!w.h.s.answered);
    // Silence begins with the first request that leaves, however long the pause before it was.
    let (sent, tag, _) = w.send(t);
    w.h.answered(at(sent + 100), tag, silence(), &mut w.r);
    let t = w.is_unanswered(sent + 100, sent + 14_999);
    assert_eq!(w.state(t), HoldState::Seeking);
    let t = w.is_unanswered(t, sent + 16_000);
    assert_eq!(w.state(t), HoldState::Optimistic);
    // The time stands: ten seconds of silence, a fault for ten minutes, and five more seconds.
    let mut w = World::new(Start::Optimistic);
    let mut t = w.is_unanswered(0, 10_000);
    let silent = t;
    while t < 600_000 {
        t = w.ask(t, own(), 1);
    }
    assert_eq!(w.state(t), HoldState::Seeking);
    let (sent, tag, _) = w.send(t);
    w.h.answered(at(sent + 100), tag, silence(), &mut w.r);
    assert_eq!(w.state(sent + 100), HoldState::Seeking);
    let end = w.is_unanswered(sent + 100, sent + 15_000 - silent + 1_000);
    assert_eq!(w.state(end), HoldState::Optimistic, "{silent} {t} {end}");
}

#[test]
fn who_started_in_silence_and_hears_that_there_is_no_seat_has_one_end() {
    for kind in [ProblemType::TooManyClaims, ProblemType::LicenseInvalid] {
        let mut w = World::in_state(HoldState::Optimistic);
        let (sent, tag, _) = w.send(LATER);
        w.h.answered(at(sent + 10), tag, no(kind), &mut w.r);
        assert_eq!(w.state(sent + 10), HoldState::Contested);
        let limit = w.until(sent + 10);
        assert_eq!(limit, sent + 900_000, "15 min where nobody said less");
        let mut back = restarted(&w, sent + 20);
        for w in [&mut w, &mut back] {
            let mut t = sent + 20;
            while t + 20_000 < limit {
                for answer in [no(kind), silence(), no(ProblemType::Overloaded)] {
                    t = w.ask(t, answer, 100);
                    assert_eq!((w.state(t), w.until(t)), (HoldState::Contested, limit));
                }
            }
            assert_eq!(w.state(limit), HoldState::Lost);
        }
    }
    // The first place in line says how long that is here, and no later one lengthens it.
    let mut w = World::in_state(HoldState::Optimistic);
    let t = w.ask(LATER, no(ProblemType::TooManyClaims), 0);
    let (sent, tag, _) = w.send(t);
    w.h.answered(at(sent), tag, full(), &mut w.r);
    assert_eq!(w.until(sent), sent + 60_000);
    let t = w.ask(sent, full(), 0);
    assert_eq!(w.until(t), sent + 60_000);
}

#[test]
fn contested_has_one_limit_that_no_flapping_extends() {
    let mut w = World::in_state(HoldState::Contested);
    let limit = w.until(20_000);
    assert!(limit <= 70_000, "{limit}");
    let mut t = 20_000;
    while t + 25_000 < limit {
        t = w.ask(t, silence(), 1000);
        t = w.ask(t, full(), 0);
        if t < limit {
            assert_eq!(w.until(t), limit);
        }
    }
    assert_eq!(w.state(limit), HoldState::Lost);
}

#[test]
fn a_crash_restarts_neither_the_grace_nor_the_lease_nor_the_counter() {
    let mut w = World::new(Start::Optimistic);
    w.ask(0, grant(3), 0);
    let (t, _, r) = w.send(1);
    let Request::Renew(sent) = r else {
        panic!("{r:?}")
    };
    let text = serde_json::to_string(&w.h.s).unwrap();
    let mut back = World {
        h: Claimant::restore(
            w.h.spec.clone(),
            serde_json::from_str(&text).unwrap(),
            at(t + 500),
        ),
        r: Steady(100),
    };
    assert_eq!(
        (back.state(t + 500), back.until(t + 500)),
        (HoldState::Held, 600_000)
    );
    let (_, _, r) = back.send(t + 500);
    let Request::Renew(again) = r else {
        panic!("{r:?}")
    };
    assert_eq!(
        (again.counter, again.request_id, again.lease),
        (sent.counter, sent.request_id, sent.lease)
    );
}

#[test]
fn a_late_answer_to_an_earlier_request_changes_nothing() {
    let mut w = World::in_state(HoldState::Held);
    let (t, old, _) = w.send(1);
    w.h.answered(at(t), old, silence(), &mut w.r);
    let (t, _, _) = w.send(t);
    w.h.answered(at(t), old, no(ProblemType::Cloned), &mut w.r);
    assert_eq!(w.state(t), HoldState::Held);
}

#[test]
fn it_gives_back_once_and_then_listens_to_nobody() {
    let mut w = World::in_state(HoldState::Held);
    let (t, renewal, _) = w.send(1);
    w.h.release(at(t));
    assert_eq!(w.state(t), HoldState::Released);
    let (t, tag, r) = w.send(t);
    assert!(
        matches!(r, Request::Release { lease: l, .. } if l == lease(1)),
        "{r:?}"
    );
    w.h.answered(at(t), renewal, renewed(1), &mut w.r);
    assert_eq!(w.state(t), HoldState::Released);
    w.h.answered(at(t), tag, Answer::Released, &mut w.r);
    assert!(w.h.releasing == Releasing::Done);

    let mut w = World::new(Start::Optimistic);
    let (t, tag, _) = w.send(0);
    w.h.release(at(t));
    assert!(
        w.h.releasing != Releasing::Done,
        "the answer may bring a lease"
    );
    w.h.answered(at(t + 5), tag, grant(0), &mut w.r);
    let (_, _, r) = w.send(t + 5);
    assert!(matches!(r, Request::Release { .. }), "{r:?}");

    let mut w = World::new(Start::Optimistic);
    w.h.release(at(0));
    assert!(
        w.h.releasing == Releasing::Done,
        "nothing was asked, nothing is given back"
    );
}

#[test]
fn who_waits_has_the_server_hold_the_answer_and_does_not_ask_in_a_loop() {
    let mut w = World::in_state(HoldState::Waiting);
    let (t, tag, r) = w.send(0);
    assert!(t <= 100, "a grant is fetched within 100 ms: {t}");
    assert!(
        matches!(r, Request::Claim { wait: Some(s), bearer: false, .. } if s == Duration::from_secs(10)),
        "{r:?}"
    );
    w.h.answered(at(t + 1), tag, full(), &mut w.r);
    let (next, _, _) = w.send(t + 1);
    assert!(next >= t + 201, "answered at once: {next}");
}

#[test]
fn a_clone_stays_lost_and_silent() {
    let mut w = World::in_state(HoldState::Held);
    w.ask(1, no(ProblemType::Cloned), 0);
    assert!(
        matches!(w.h.poll(at(9_000_000), &mut w.r), Do::Sleep { until } if until == BootTime::NEVER)
    );
    assert_eq!(w.state(9_000_000), HoldState::Lost);
}

/// The same claim in a new process.
fn restarted(w: &World, t: u64) -> World {
    World {
        h: Claimant::restore(w.h.spec.clone(), w.h.s.clone(), at(t)),
        r: Steady(100),
    }
}

#[test]
fn who_was_answered_once_never_starts_without_the_server_not_even_after_a_crash() {
    for answer in [
        full(),
        no(ProblemType::NotEntitled),
        no(ProblemType::Revoked),
    ] {
        let mut w = World::new(Start::Optimistic);
        w.ask(0, answer, 0);
        let back = restarted(&w, 1_000);
        assert!(
            !back.state(2_000_000).is_licensed(),
            "{:?}",
            back.state(2_000_000)
        );
    }
}

#[test]
fn a_claim_that_a_copy_gave_back_is_over_and_begins_anew_with_another_secret() {
    for (state, then) in [
        (HoldState::Held, HoldState::Lost),
        (HoldState::Waiting, HoldState::Waiting),
    ] {
        let mut w = World::in_state(state);
        let bind = Some(Secret::from_bytes([99; 32]).hash());
        w.h.spec.bind = bind;
        let old = w.h.secret_hash();
        let t = w.ask(1, no(ProblemType::UnknownLease), 0);
        let t = w.ask(t, no(ProblemType::GivenBack), 0);
        assert_eq!(w.state(t), then);
        let (next, _, r) = w.send(t);
        let Request::Claim { body, bearer, .. } = r else {
            panic!("{r:?}")
        };
        assert_eq!(next, t, "at once");
        assert_ne!(body.secret_hash, old);
        assert_eq!(body.bind, bind, "whose seat it is stays");
        assert!(bearer && body.ticket.is_none() && body.held.is_none());
    }
}

#[test]
fn a_copy_gives_back_nothing() {
    let mut w = World::in_state(HoldState::Held);
    let t = w.ask(1, no(ProblemType::Cloned), 0);
    w.h.release(at(t));
    assert!(
        w.h.releasing == Releasing::Done,
        "the lease is the other copy's"
    );
}

#[test]
fn what_was_being_given_back_is_given_back_after_a_crash() {
    let mut w = World::in_state(HoldState::Held);
    w.h.release(at(2));
    let mut back = restarted(&w, 3);
    let (t, tag, r) = back.send(3);
    assert!(matches!(r, Request::Release { .. }), "{r:?}");
    back.h.answered(at(t), tag, Answer::Released, &mut back.r);
    assert!(back.h.releasing == Releasing::Done);
}

#[test]
fn every_request_of_a_claim_has_a_higher_number() {
    let mut w = World::new(Start::Optimistic);
    let number = |r: &Request| match r {
        Request::Claim { body, .. } => body.counter.unwrap(),
        Request::Renew(r) => r.counter,
        Request::Release { counter, .. } => *counter,
    };
    let (t, tag, claim) = w.send(0);
    w.h.answered(at(t), tag, grant(0), &mut w.r);
    let (t, tag, renewal) = w.send(t);
    w.h.answered(at(t), tag, no(ProblemType::UnknownLease), &mut w.r);
    let (t, tag, again) = w.send(t);
    w.h.answered(at(t), tag, full(), &mut w.r);
    w.h.release(at(t));
    let (_, _, release) = w.send(t);
    let numbers = [&claim, &renewal, &again, &release].map(number);
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
}

#[test]
fn what_is_told_is_the_servers_last_word_and_since_when_it_gives_nothing() {
    let mut w = World::new(Start::Licensed);
    let t = w.ask(0, full(), 0);
    let told = w.h.status(at(t));
    assert_eq!(
        (told.reason, told.message.as_deref(), told.since_boot_ms),
        (
            Some(WaitReason::Full),
            Some("all 2 seats of render are taken"),
            None
        )
    );
    // A server without its anchor answers a place with a problem: no seat is said to be taken.
    let (first, tag, _) = w.send(t);
    let lost = || {
        Answer::Problem(Problem::new(
            ProblemType::AnchorLost,
            "PinRejected: wrong PIN",
        ))
    };
    w.h.answered(at(first), tag, lost(), &mut w.r);
    let t = w.ask(first, lost(), 100);
    let told = w.h.status(at(t));
    assert_eq!(
        (told.state, told.reason, told.message.as_deref()),
        (
            HoldState::Waiting,
            None,
            Some("anchor-lost: PinRejected: wrong PIN")
        )
    );
    assert_eq!(told.since_boot_ms, Some(at(first).as_millis()));
    let t = w.ask(t, grant(0), 0);
    assert_eq!(w.h.status(at(t)).since_boot_ms, None);
}

#[test]
fn a_granted_claim_shows_its_products_as_the_license_spells_them() {
    let shown = |granted: &str| {
        let items = |s| crate::request::parse(s).unwrap();
        let spec = Spec::new(ClaimName::pod(), items("matlab:2"), Start::Licensed);
        let mut w = World {
            h: Claimant::new(spec, Secret::from_bytes([1; 32]), at(0)),
            r: Steady(0),
        };
        let Answer::Granted(mut g) = grant(1) else {
            panic!("a grant")
        };
        g.items = items(granted);
        w.ask(0, Answer::Granted(g), 1);
        crate::request::print(&w.h.status(at(1)).items)
    };
    assert_eq!(shown("MATLAB:2"), "MATLAB:2");
    assert_eq!(
        shown("other"),
        "matlab:2",
        "what it did not ask for is not its own"
    );
}
