//! The gate in all orders of its threads, by loom: it finds a thread that waits for ever, and two
//! that are at the user's data at once.
#![allow(clippy::unwrap_used)]
use super::*;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread::spawn;

/// What C gave for its callback: how often it was called. Two threads at it at once are an error.
#[derive(Clone)]
struct User(Arc<UnsafeCell<u32>>);

impl User {
    fn new() -> Self {
        Self(Arc::new(UnsafeCell::new(0)))
    }

    fn called(&self) {
        // SAFETY: loom ends the model before a second thread gets here.
        self.0.with_mut(|n| unsafe { *n += 1 });
    }

    /// C has it for itself again, and may free it.
    fn taken_back(&self) -> u32 {
        // SAFETY: as above.
        self.0.with_mut(|n| unsafe { *n })
    }
}

#[test]
fn after_closing_what_a_callback_was_given_is_the_closers_alone() {
    loom::model(|| {
        let (gate, user) = (Arc::new(Gate::default()), User::new());
        let (mine, given) = (gate.clone(), user.clone());
        let caller = spawn(move || {
            for _ in 0..2 {
                mine.pass(|| given.called());
            }
        });
        gate.close();
        let called = user.taken_back();
        caller.join().unwrap();
        assert_eq!(user.taken_back(), called, "called back after closing");
    });
}

#[test]
fn a_callback_that_closes_its_own_gate_is_the_last_one() {
    loom::model(|| {
        let (gate, user) = (Arc::new(Gate::default()), User::new());
        let (mine, given) = (gate.clone(), user.clone());
        let caller = spawn(move || {
            for _ in 0..2 {
                mine.pass(|| {
                    mine.close();
                    given.called();
                });
            }
        });
        caller.join().unwrap();
        assert_eq!(user.taken_back(), 1);
    });
}

#[test]
fn closed_from_within_and_from_another_thread_nobody_waits_for_ever() {
    loom::model(|| {
        let (gate, user) = (Arc::new(Gate::default()), User::new());
        let (mine, given) = (gate.clone(), user.clone());
        let caller = spawn(move || {
            mine.pass(|| {
                mine.close();
                given.called();
            });
        });
        gate.close();
        assert!(user.taken_back() <= 1);
        caller.join().unwrap();
    });
}

#[test]
fn two_who_close_both_wait_for_who_is_inside() {
    loom::model(|| {
        let (gate, user) = (Arc::new(Gate::default()), User::new());
        let (mine, given) = (gate.clone(), user.clone());
        let caller = spawn(move || mine.pass(|| given.called()));
        let (mine, given) = (gate.clone(), user.clone());
        let closer = spawn(move || {
            mine.close();
            given.0.with(|_| ());
        });
        gate.close();
        user.0.with(|_| ());
        closer.join().unwrap();
        caller.join().unwrap();
    });
}
