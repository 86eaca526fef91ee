#![allow(clippy::unwrap_used)]
use super::*;
use crate::border::Sized32 as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};

#[test]
fn closing_waits_for_who_is_inside_and_nobody_passes_afterwards() {
    let gate = Arc::new(Gate::default());
    let (inside, leave) = (channel(), channel::<()>());
    let ended = Arc::new(AtomicBool::new(false));
    let (mine, end) = (gate.clone(), ended.clone());
    let caller = std::thread::spawn(move || {
        mine.pass(|| {
            inside.0.send(()).unwrap();
            leave.1.recv().unwrap();
            end.store(true, Ordering::SeqCst);
        });
    });
    inside.1.recv().unwrap();
    let (closing, end) = (gate.clone(), ended.clone());
    let closer = std::thread::spawn(move || {
        closing.close();
        end.load(Ordering::SeqCst)
    });
    while !gate.lock().closed {
        std::thread::yield_now();
    }
    leave.0.send(()).unwrap();
    assert!(closer.join().unwrap(), "it did not wait");
    caller.join().unwrap();
    gate.pass(|| ended.store(false, Ordering::SeqCst));
    assert!(ended.load(Ordering::SeqCst), "somebody passed");
}

#[test]
fn a_callback_may_close_its_own_gate() {
    let gate = Gate::default();
    gate.pass(|| gate.close());
    assert!(gate.lock().closed);
}

/// What C gives with a callback.
struct User {
    inside: Sender<()>,
    calls: u32,
}

extern "C" fn linger(_: *const mooring_state, user: *mut c_void) {
    // SAFETY: the test gives a User that lives until the gate is closed, to one thread.
    let user = unsafe { &mut *user.cast::<User>() };
    user.inside.send(()).unwrap();
    // The closer's turn.
    for _ in 0..10 {
        std::thread::yield_now();
    }
    user.calls += 1;
}

/// Miri sees it if the callback is still at it.
#[test]
fn what_a_callback_was_given_may_go_once_the_gate_is_closed() {
    let gate = Arc::new(Gate::default());
    let (inside, began) = channel();
    let user = Box::into_raw(Box::new(User { inside, calls: 0 }));
    let callback = Callback {
        f: linger,
        user: user.cast(),
    };
    let mine = gate.clone();
    let caller = std::thread::spawn(move || {
        for _ in 0..3 {
            mine.tell(&callback, &mooring_state::zeros());
        }
    });
    began.recv().unwrap();
    gate.close();
    // SAFETY: it came from a Box, and nobody is called back with it any more.
    let user = unsafe { Box::from_raw(user) };
    assert!(user.calls >= 1, "it was not waited for");
    drop(user);
    caller.join().unwrap();
}
