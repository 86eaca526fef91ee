//! A callback of C's, behind a gate: once the seat is given back it is not called any more, and
//! what it was given may go.

use crate::state::mooring_state;
use crate::sync::{Condvar, Mutex, MutexGuard, ThreadId, current};
use std::ffi::c_void;
use std::sync::PoisonError;

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

    /// Tells C of a state, unless the gate is closed.
    pub(crate) fn tell(&self, callback: &Callback, state: &mooring_state) {
        // SAFETY: C's function, with what C gave for it; the gate is closed before either goes.
        self.pass(|| unsafe { (callback.f)(state, callback.user) });
    }

    fn pass(&self, f: impl FnOnce()) {
        let mut inner = self.lock();
        if inner.closed {
            return;
        }
        inner.inside = Some(current().id());
        drop(inner);
        f();
        self.lock().inside = None;
        self.left.notify_all();
    }

    /// From here on nobody passes; waits until who is inside has left, unless that is the caller.
    pub(crate) fn close(&self) {
        let me = current().id();
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

#[cfg(all(test, loom))]
mod model;
#[cfg(all(test, not(loom)))]
mod tests;
