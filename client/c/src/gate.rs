//! A callback of C's, behind a gate: once the seat is given back it is not called any more, and
//! what it was given may go.

use crate::state::mooring_state;
use std::ffi::c_void;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

/// Is told of each change of a seat; `user` is what was given with it.
pub type mooring_changed =
    Option<unsafe extern "C" fn(state: *const mooring_state, user: *mut c_void)>;

/// The callback's function and what goes with it.
pub(crate) struct Callback {
    pub(crate) f: unsafe extern "C" fn(*const mooring_state, *mut c_void),
    pub(crate) user: *mut c_void,
}

// SAFETY: the header says that the callback runs on the seat's thread, so C knows that `user` goes
// there.
unsafe impl Send for Callback {}

/// One callback's gate.
#[derive(Default)]
pub(crate) struct Gate {
    inner: Mutex<Inner>,
    left: Condvar,
}

#[derive(Default)]
struct Inner {
    closed: bool,
    inside: Option<ThreadId>,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls back, unless the gate is closed.
    pub(crate) fn pass(&self, f: impl FnOnce()) {
        let mut inner = self.lock();
        if inner.closed {
            return;
        }
        inner.inside = Some(std::thread::current().id());
        drop(inner);
        f();
        self.lock().inside = None;
        self.left.notify_all();
    }

    /// From here on nobody passes; waits until who is inside has left, unless that is the caller.
    pub(crate) fn close(&self) {
        let me = std::thread::current().id();
        let mut inner = self.lock();
        inner.closed = true;
        while inner.inside.is_some_and(|other| other != me) {
            inner = self
                .left
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
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
}
