#![allow(clippy::unwrap_used)]
use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;

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
