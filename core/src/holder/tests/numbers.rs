//! Whatever numbers a server tells, a holder neither panics nor stalls nor spins.

use super::*;
use proptest::prelude::*;

/// Numbers at the edges, and any.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(1),
        Just(29),
        Just(u64::MAX),
        Just(u64::MAX / 1000),
        any::<u64>()
    ]
}

fn told(what: u8, n: [u64; 5]) -> Answer {
    let secs = Duration::from_secs;
    match what % 4 {
        0 => {
            let Answer::Granted(mut g) = grant(n[4]) else {
                unreachable!()
            };
            (g.lease_for, g.run_for, g.max_contested) = (secs(n[0]), secs(n[1]), secs(n[2]));
            g.called_back = n[3]
                .is_multiple_of(2)
                .then(|| Problem::new(ProblemType::NotEntitled, "x"));
            Answer::Granted(g)
        }
        1 => {
            let Answer::Waiting(mut w) = full() else {
                unreachable!()
            };
            (w.retry_in, w.max_contested) = (secs(n[0]), secs(n[2]));
            Answer::Waiting(w)
        }
        2 => Answer::Problem(Problem::new(ProblemType::Overloaded, "x").retry_after(n[3])),
        _ => silence(),
    }
}

proptest! {
    #[test]
    fn no_number_of_a_server_panics_or_stalls_a_holder(
        said in prop::collection::vec((any::<u8>(), prop::array::uniform5(number())), 1..20)
    ) {
        let mut w = World::new(Start::Optimistic);
        let mut t = 0;
        for (what, numbers) in said {
            let (sent, tag, request) = w.send(t);
            // Within two minutes it asks again, whatever it was told, and holds no request open for
            // longer than a lease may be.
            prop_assert!(sent <= t + 120_000, "{sent} after {t}");
            if let Request::Claim { wait, .. } = request {
                prop_assert!(wait.unwrap_or_default() <= crate::time::MAX_LEASE);
            }
            t = sent + 1;
            w.h.answered(at(t), tag, told(what, numbers), &mut w.r);
            let s = w.h.status(at(t));
            let month = 31 * 86_400_000;
            prop_assert!(s.for_ms.is_none_or(|ms| ms <= month), "{s:?}");
        }
        // It does not spin: 100 requests that nobody answers take seconds.
        let begun = t;
        for _ in 0..100 {
            let (sent, tag, _) = w.send(t);
            t = sent;
            w.h.answered(at(t), tag, silence(), &mut w.r);
        }
        prop_assert!(t >= begun + 4_000, "{t} after {begun}");
    }
}

#[test]
fn a_lease_that_is_called_back_ends_at_its_first_limit_unless_it_is_lifted() {
    let called = |run: u8, run_for: u64, called_back: bool| {
        let Answer::Granted(mut g) = grant(0) else {
            unreachable!()
        };
        g.instance = InstanceId::from_bytes([run; 16]);
        g.run_for = Duration::from_secs(run_for);
        g.lease_for = g.lease_for.min(g.run_for);
        g.called_back = called_back.then(|| Problem::new(ProblemType::NotEntitled, "no longer"));
        Answer::Granted(g)
    };
    let mut w = World::in_state(HoldState::Held);
    let t = w.ask(1_000, no(ProblemType::UnknownLease), 0);
    let (sent, tag, _) = w.send(t);
    w.h.answered(at(sent), tag, called(1, 60, true), &mut w.r);
    let s = w.h.status(at(sent));
    assert_eq!((s.state, w.until(sent)), (HoldState::Held, sent + 60_000));
    assert_eq!(s.called_back.unwrap().kind, ProblemType::NotEntitled);
    assert!(s.message.unwrap().starts_with("called back: not-entitled"));
    let limit = sent + 60_000;
    // Another run of the server begins its notice anew; this side does not, nor after a crash.
    let mut back = restarted(&w, sent + 10);
    assert!(back.h.status(at(sent + 10)).called_back.is_some());
    for w in [&mut w, &mut back] {
        w.h.repeat = true;
        let (sent, tag, _) = w.send(sent + 10);
        w.h.answered(at(sent), tag, called(2, 60, true), &mut w.r);
        assert_eq!(w.until(sent), limit);
        w.h.repeat = true;
        let (sent, tag, _) = w.send(sent + 10);
        w.h.answered(at(sent), tag, called(2, 59, true), &mut w.r);
        assert_eq!(w.until(sent), limit);
        assert_eq!(w.state(limit), HoldState::Lost);
    }
    // Lifted, it is as any other.
    back.h.repeat = true;
    let (sent, tag, _) = back.send(limit - 5_000);
    back.h
        .answered(at(sent), tag, called(2, 600, false), &mut back.r);
    assert_eq!(back.until(sent), sent + 600_000);
    assert_eq!(back.h.status(at(sent)).called_back, None);
}

#[test]
fn a_renewal_that_hears_that_its_lease_was_taken_back_begins_anew() {
    let mut w = World::in_state(HoldState::Held);
    let old = w.h.secret_hash();
    let taken = Answer::Renewed(Box::new(Renewed::Problem {
        lease: lease(1),
        problem: Problem::new(ProblemType::GivenBack, "taken back"),
    }));
    let t = w.ask(1, taken, 0);
    assert_eq!(w.state(t), HoldState::Lost);
    assert_ne!(w.h.secret_hash(), old);
    let (_, _, r) = w.send(t);
    assert!(matches!(r, Request::Claim { bearer: true, .. }), "{r:?}");
}
