//! The rules around the holder, one test each.

use super::super::drive::{Do, Drive, others};
use super::*;
use crate::wire::ClaimKind;

/// A claim with its sidecar: what is on the disk outlives it.
struct Sidecar {
    d: Drive,
    disk: Option<Saved>,
    r: Steady,
}

fn spec(name: &str, items: &str) -> Spec {
    let items = crate::request::parse(items).unwrap();
    Spec::new(ClaimName::new(name).unwrap(), items, Start::Optimistic)
}

impl Sidecar {
    fn of(kind: ClaimKind) -> Self {
        Self {
            d: Drive::new(
                spec("a", "render"),
                kind,
                Secret::from_bytes([1; 32]),
                at(0),
            ),
            disk: None,
            r: Steady(0),
        }
    }

    /// A claim that holds a lease since 0.
    fn held(kind: ClaimKind) -> Self {
        let mut s = Self::of(kind);
        let (_, tag, _) = s.sends(0);
        s.d.landed(at(0), tag, grant(0), &mut s.r);
        s
    }

    /// What was saved, in the life after a crash.
    fn after_a_crash(self, kind: ClaimKind, t: u64) -> Self {
        let saved = self.disk.clone().unwrap();
        Self {
            d: Drive::restore(spec("a", "render"), kind, saved, at(t)),
            disk: self.disk,
            r: Steady(100),
        }
    }

    fn next(&mut self, t: u64) -> Do {
        let todo = self.d.next(at(t), &mut self.r);
        if let Do::Save = todo {
            self.disk = Some(self.d.saved().clone());
        }
        todo
    }

    fn leave(&mut self, t: u64) {
        assert!(self.d.leave(at(t)));
        self.disk = Some(self.d.saved().clone());
    }

    fn stop(&mut self, t: u64) {
        assert!(self.d.stop(at(t)));
        self.disk = Some(self.d.saved().clone());
    }

    /// Goes on until a request leaves: when, and what.
    fn sends(&mut self, from: u64) -> (u64, Tag, Request) {
        let mut t = from;
        for _ in 0..1000 {
            match self.next(t) {
                Do::Save => {}
                Do::Send { tag, request, .. } => return (t, tag, request),
                Do::Sleep { until } => t = until.as_millis() - 5_000_000,
                Do::Done | Do::Kept => panic!("it is over"),
            }
        }
        panic!("nothing is sent");
    }
}

fn numbers(r: &Request) -> (u64, RequestId) {
    match r {
        Request::Renew(r) => (r.counter, r.request_id),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_leaves_once_its_numbers_are_saved() {
    let mut s = Sidecar::of(ClaimKind::Pod);
    assert!(matches!(s.next(0), Do::Save));
    let saved = s.disk.clone().unwrap();
    let Do::Send { tag, request, .. } = s.next(0) else {
        panic!("saved, it leaves")
    };
    let Request::Claim { body, .. } = request else {
        panic!("{request:?}")
    };
    assert_eq!((body.counter, saved.counter), (Some(1), 1));
    s.d.landed(at(5), tag, grant(1), &mut s.r);
    assert!(
        matches!(s.next(5), Do::Save),
        "what was heard is saved, too"
    );
    let (_, _, renewal) = s.sends(5);
    let disk = s.disk.clone().unwrap();
    let (counter, id) = numbers(&renewal);
    assert_eq!((disk.counter, disk.pending), (counter, Some(id)));
}

#[test]
fn a_crash_between_save_and_send_uses_up_no_number() {
    let mut s = Sidecar::held(ClaimKind::Pod);
    assert!(matches!(s.next(0), Do::Save));
    let Do::Sleep { until } = s.next(0) else {
        panic!("it sleeps until it renews")
    };
    let t = until.as_millis() - 5_000_000;
    assert!(matches!(s.next(t), Do::Save));
    let never_sent = s.disk.clone().unwrap();
    let mut s = s.after_a_crash(ClaimKind::Pod, t + 500);
    let (_, _, renewal) = s.sends(t + 500);
    let (counter, id) = numbers(&renewal);
    assert_eq!(
        (never_sent.counter, never_sent.pending),
        (counter, Some(id))
    );
}

#[test]
fn a_crash_does_not_bring_back_what_was_given_back() {
    let mut s = Sidecar::held(ClaimKind::Claim);
    s.sends(0);
    s.leave(20_000);
    let mut s = s.after_a_crash(ClaimKind::Claim, 20_500);
    assert!(s.d.is_leaving(), "its name stays free");
    assert_eq!(s.d.holder().status(at(20_500)).state, HoldState::Released);
    let (_, tag, r) = s.sends(20_500);
    assert!(matches!(r, Request::Release { lease: l, .. } if l == lease(1)));
    s.d.landed(at(20_600), tag, Answer::Released, &mut s.r);
    assert!(matches!(s.next(20_600), Do::Done));
}

#[test]
fn one_save_does_for_giving_back() {
    for give_back in [Sidecar::leave, Sidecar::stop] {
        let mut s = Sidecar::held(ClaimKind::Claim);
        s.sends(0);
        give_back(&mut s, 20_000);
        let Do::Send { request, .. } = s.next(20_000) else {
            panic!("its number is saved already")
        };
        let Request::Release { counter, .. } = request else {
            panic!("{request:?}")
        };
        assert_eq!(s.disk.unwrap().counter, counter);
    }
}

#[test]
fn a_lease_that_comes_while_it_leaves_is_saved_before_it_is_given_back() {
    let mut s = Sidecar::of(ClaimKind::Claim);
    let (_, tag, _) = s.sends(0);
    s.leave(1);
    assert!(
        matches!(s.next(1), Do::Sleep { .. }),
        "the answer may bring a lease"
    );
    s.d.landed(at(9), tag, grant(1), &mut s.r);
    assert!(matches!(s.next(9), Do::Save));
    let mut s = s.after_a_crash(ClaimKind::Claim, 10);
    assert!(matches!(s.sends(10).2, Request::Release { .. }));
}

#[test]
fn what_was_decided_and_never_sent_is_not_waited_for() {
    let mut s = Sidecar::of(ClaimKind::Claim);
    assert!(matches!(s.next(0), Do::Save));
    s.leave(0);
    assert!(
        matches!(s.next(0), Do::Done),
        "nothing was asked, nothing is given back"
    );
}

#[test]
fn a_release_that_reached_nobody_is_sent_again_with_doubling_pauses() {
    let mut s = Sidecar::held(ClaimKind::Claim);
    s.leave(0);
    let (_, tag, first) = s.sends(0);
    let (mut t, mut tries) = (0, vec![]);
    loop {
        s.d.landed(at(t), tag, silence(), &mut s.r);
        s.d.landed(at(t), tag, silence(), &mut s.r);
        let until = match s.next(t) {
            Do::Sleep { until } => until.as_millis() - 5_000_000,
            Do::Done => break,
            other => panic!("{other:?}"),
        };
        t = until;
        let Do::Send {
            tag: again,
            request,
            timeout,
        } = s.next(t)
        else {
            panic!("it is sent again")
        };
        assert_eq!((again, format!("{request:?}")), (tag, format!("{first:?}")));
        assert_eq!(timeout, CONTACT.saturating_sub(Duration::from_millis(t)));
        tries.push(t);
    }
    assert_eq!(tries[..6], [100, 300, 700, 1_500, 3_100, 5_100]);
    assert_eq!(
        tries.last(),
        Some(&13_100),
        "as long as its answer may take"
    );
}

#[test]
fn the_pods_claim_begins_anew_once_what_was_left_is_given_back() {
    let stopped = |mut s: Sidecar| {
        s.stop(20_000);
        s.sends(20_000);
        s.after_a_crash(ClaimKind::Pod, 21_000)
    };
    let other_items = |mut s: Sidecar| {
        s.sends(0);
        let saved = s.disk.clone().unwrap();
        s.d = Drive::restore(spec("a", "render:2"), ClaimKind::Pod, saved, at(21_000));
        s
    };
    let ways: [&dyn Fn(Sidecar) -> Sidecar; 2] = [&stopped, &other_items];
    for crash in ways {
        let mut s = crash(Sidecar::held(ClaimKind::Pod));
        let old = s.d.holder().secret_hash();
        let (t, tag, r) = s.sends(21_000);
        assert!(matches!(r, Request::Release { .. }), "{r:?}");
        s.d.landed(at(t), tag, Answer::Released, &mut s.r);
        let (t, newer, r) = s.sends(t);
        let Request::Claim { body, .. } = r else {
            panic!("{r:?}")
        };
        assert_ne!(body.secret_hash, old);
        assert_eq!(s.disk.clone().unwrap().secret.hash(), body.secret_hash);
        assert_ne!(newer, tag, "a late answer to the release is none to this");
        assert_eq!(s.d.holder().status(at(t)).state, HoldState::Seeking);
    }
}

#[test]
fn a_sidecar_that_ends_begins_nothing_anew() {
    let mut s = Sidecar::held(ClaimKind::Pod);
    s.stop(0);
    s.sends(0);
    let mut s = s.after_a_crash(ClaimKind::Pod, 500);
    assert!(!s.d.stop(at(500)), "that is saved");
    let (_, tag, _) = s.sends(500);
    s.d.landed(at(600), tag, Answer::Released, &mut s.r);
    assert!(matches!(s.next(600), Do::Save));
    assert!(matches!(s.next(600), Do::Kept));
    let kept = s.disk.unwrap();
    assert!(kept.lease.is_none(), "nothing is given back a second time");
}

#[test]
fn a_pods_claim_that_was_answered_starts_by_no_silence_when_its_sidecar_ends_and_starts_again() {
    let mut s = Sidecar::of(ClaimKind::Pod);
    let (_, tag, _) = s.sends(0);
    let full = Problem::new(ProblemType::Overloaded, "later");
    s.d.landed(at(5), tag, Answer::Problem(full), &mut s.r);
    s.stop(1000);
    while !matches!(s.next(1000), Do::Kept) {}
    let mut s = s.after_a_crash(ClaimKind::Pod, 2000);
    let mut t = 2000;
    while t < 60_000 {
        let (sent, tag, request) = s.sends(t);
        assert!(matches!(request, Request::Claim { .. }), "{request:?}");
        t = sent + 5_000;
        s.d.landed(at(t), tag, silence(), &mut s.r);
        assert_eq!(s.d.holder().status(at(t)).state, HoldState::Seeking);
    }
}

#[test]
fn a_defect_of_the_caller_forgets_no_answer() {
    let mut s = Sidecar::of(ClaimKind::Pod);
    let (_, tag, _) = s.sends(0);
    let before = s.disk.clone();
    let full = Problem::new(ProblemType::Overloaded, "later");
    s.d.landed(at(5), tag, Answer::Problem(full), &mut s.r);
    let to_save = s.d.begin_again(before, at(6), &mut s.r);
    assert!(!to_save && s.d.saved().answered);
}

#[test]
fn a_save_that_failed_is_tried_again_and_holds_nothing_up() {
    let mut s = Sidecar::held(ClaimKind::Pod);
    assert!(matches!(s.d.next(at(0), &mut s.r), Do::Save));
    s.d.was_saved(false);
    let Do::Sleep { until } = s.d.next(at(0), &mut s.r) else {
        panic!("it goes on")
    };
    assert_eq!(until, at(1_000), "a second later");
    assert!(matches!(s.d.next(until, &mut s.r), Do::Save));
    s.d.was_saved(true);
    let Do::Sleep { until } = s.d.next(until, &mut s.r) else {
        panic!("it goes on")
    };
    assert!(until > at(5_000), "until it renews");
}

#[test]
fn a_defect_of_the_caller_takes_no_leave_back() {
    let mut s = Sidecar::held(ClaimKind::Claim);
    s.sends(0);
    let before = s.disk.clone();
    s.leave(20_000);
    assert!(s.d.begin_again(before, at(20_000), &mut s.r), "to be saved");
    assert!(s.d.is_leaving());
    assert!(matches!(s.sends(20_000).2, Request::Release { .. }));
}

#[test]
fn the_other_claims_are_those_that_go_on() {
    let drive = |name| {
        Drive::new(
            spec(name, "render"),
            ClaimKind::Claim,
            Secret::from_bytes([1; 32]),
            at(0),
        )
    };
    let mut all = ["a", "b", "c", "d"].map(drive);
    assert!(all[1].leave(at(0)));
    assert!(!all[1].leave(at(1)), "saved once");
    assert!(all[2].stop(at(0)));
    let name = |n| ClaimName::new(n).unwrap();
    assert_eq!(others(&all, &name("a")), [name("c"), name("d")]);
}
