//! Taking a seat, checking it, waiting for its changes, giving it back.

use crate::border::{Sized32 as _, call, end, fill, give, look, out, time};
use crate::claim::{MOORING_OWN, claim, mooring_claim};
use crate::gate::{Callback, Gate, mooring_changed};
use crate::last::{Fault, mooring_code};
use crate::mooring::mooring;
use crate::state::{mooring_details, mooring_state};
use mooring_client::{BootTime, Claim, Error, Seat, State, Why, boot, wait};
use std::ffi::{c_char, c_int, c_void};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often mooring_check() looks at the socket, where no thread does.
const LOOK_EVERY: u64 = 100;

/// A seat; from mooring_hold() and its like.
pub struct mooring_seat(Arc<Held>);

/// What is behind it. Each call keeps its own hold of it, so that a callback may release the seat
/// within the call that runs it.
struct Held {
    seat: Seat,
    thread: bool,
    /// When somebody looked at the socket last, on the boot clock.
    looked: AtomicU64,
    gates: Mutex<Vec<Arc<Gate>>>,
    /// Rung by the thread at each change, for mooring_wait().
    bell: Arc<(Mutex<()>, Condvar)>,
}

/// The seat behind a pointer of C's.
///
/// # Safety
/// `s` is NULL or as the header says.
unsafe fn held(s: *const mooring_seat) -> Result<Arc<Held>, Fault> {
    // SAFETY: the caller's promise.
    Ok(unsafe { look("s", s) }?.0.clone())
}

impl Held {
    fn new(seat: Seat, thread: bool) -> Self {
        let bell = Arc::new((Mutex::new(()), Condvar::new()));
        if thread {
            let mine = bell.clone();
            seat.on_change(move |_| {
                drop(mine.0.lock());
                mine.1.notify_all();
            });
        }
        Self {
            seat,
            thread,
            looked: AtomicU64::new(boot().as_millis()),
            gates: Mutex::default(),
            bell,
        }
    }

    fn check(&self) -> State {
        if !self.thread {
            let (now, last) = (boot().as_millis(), self.looked.load(Ordering::Relaxed));
            let due = now.saturating_sub(last) >= LOOK_EVERY;
            // One of many threads that check is enough.
            let order = Ordering::Relaxed;
            let mine = || self.looked.compare_exchange(last, now, order, order);
            if due && mine().is_ok() {
                return self.seat.poll();
            }
        }
        self.seat.check()
    }

    fn gates(&self) -> MutexGuard<'_, Vec<Arc<Gate>>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_elsewhere(&self) -> bool {
        self.seat.check() == State::Unlicensed { why: Why::Forked }
    }

    fn state(&self) -> mooring_state {
        // The number first: a change between the two is told once more, not lost.
        let changes = self.seat.changes();
        mooring_state::of(self.check(), changes)
    }

    /// Waits until there is something new, or the time is over; false then.
    fn wait(&self, seen: u64, end: BootTime) -> Result<bool, Fault> {
        loop {
            if !self.thread {
                self.seat.poll();
            }
            let guard = self.bell.0.lock().unwrap_or_else(PoisonError::into_inner);
            if self.seat.changes() != seen {
                return Ok(true);
            }
            let left = boot().until(end);
            if left.is_zero() {
                return Ok(false);
            }
            if self.thread {
                // A suspend stops the condition's clock, not the boot clock; and two changes that
                // cancel each other ring no bell.
                let left = left.min(Duration::from_secs(1));
                drop(self.bell.1.wait_timeout(guard, left));
            } else {
                drop(guard);
                wait(&[(self.seat.as_fd(), false)], end)?;
            }
        }
    }
}

/// # Safety
/// The pointers are as the header says.
unsafe fn take<'m>(
    m: *const mooring,
    c: *const mooring_claim,
    s: *mut *mut mooring_seat,
    how: fn(Claim<'m>) -> Result<Seat, Error>,
) -> mooring_code {
    // SAFETY: the caller's promise.
    call(|| unsafe {
        out("s", s, || {
            let (asked, thread) = claim(&look("m", m)?.0, c)?;
            Ok(mooring_seat(Arc::new(Held::new(how(asked)?, thread))))
        })
    })
}

/// Takes seats of a product and waits for them, at most `wait_ms`: 0 not at all for a free seat
/// (and 20 s for an answer), negative for ever. It returns once the license server's answer to a
/// question of the library's own has verified. No thread is started: mooring_check(),
/// mooring_poll() and mooring_wait() drive the seat, so call one of them each second or so. `*s` is
/// to be given back with mooring_release(); it is NULL unless the call succeeds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mooring_hold(
    m: *const mooring,
    product: *const c_char,
    seats: u32,
    wait_ms: i64,
    s: *mut *mut mooring_seat,
) -> mooring_code {
    let c = mooring_claim {
        size: size_of::<mooring_claim>() as u32,
        seats,
        product,
        wait_ms,
        kind: MOORING_OWN,
        ..mooring_claim::zeros()
    };
    // SAFETY: the header's rules for pointers.
    unsafe { mooring_hold_claim(m, &raw const c, s) }
}

/// The same for whatever a mooring_claim can say: the pod's seats, those of a name, a thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mooring_hold_claim(
    m: *const mooring,
    c: *const mooring_claim,
    s: *mut *mut mooring_seat,
) -> mooring_code {
    // SAFETY: the header's rules for pointers.
    unsafe { take(m, c, s, Claim::hold) }
}

/// Asks for the seat and waits for nothing, for event loops: `*s` is there at once, not licensed
/// yet. Call mooring_begun() whenever mooring_fd() is readable, until it says something else than
/// MOORING_AGAIN.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mooring_begin(
    m: *const mooring,
    c: *const mooring_claim,
    s: *mut *mut mooring_seat,
) -> mooring_code {
    // SAFETY: the header's rules for pointers.
    unsafe { take(m, c, s, Claim::begin) }
}

/// Does what can be done without waiting, and says how the asking of mooring_begin() stands:
/// MOORING_OK once the seat is held and proved, MOORING_AGAIN before, an error if it failed or the
/// waiting time is over. After an error release the seat.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mooring_begun(s: *const mooring_seat) -> mooring_code {
    call(|| {
        // SAFETY: the header's rules for pointers.
        let s = unsafe { held(s) }?;
        if !s.thread {
            s.seat.poll();
        }
        s.seat.begun().ok_or_else(Fault::again)?.map_err(Into::into)
    })
}

/// Whether the application may go on now. Never waits: it reads a number and the boot clock, well
/// under a microsecond; where no thread drives the seat it also looks at the socket, ten times a
/// second at most. After the last known limit it is false, whoever drives the seat or not. NULL:
/// false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mooring_check(s: *const mooring_seat) -> bool {
    // SAFETY: the header's rules for pointers.
    give(false, || Ok(unsafe { held(s) }?.check().is_licensed()))
}

/// How the seat stands now, with reason and limit. As mooring_check() it never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mooring_get_state(
    s: *const mooring_seat,
    state: *mut mooring_state,
) -> mooring_code {
    // SAFETY: the header's rules for pointers.
    call(|| unsafe { fill("state", state, &held(s)?.state()) })
}

/// What else is known of the seat.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mooring_get_details(
    s: *const mooring_seat,
    details: *mut mooring_details,
) -> mooring_code {
    // SAFETY: the header's rules for pointers.
    call(|| unsafe {
        let told = mooring_details::of(&held(s)?.seat.details());
        fill("details", details, &told)
    })
}

/// The descriptor that is readable when mooring_poll() has something to do; its timers are in
/// there, too. For poll(), epoll and every event loop; it must be neither read nor closed, and
/// lives as long as the seat. Negative on an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mooring_fd(s: *const mooring_seat) -> c_int {
    // SAFETY: the header's rules for pointers.
    give(-1, || Ok(unsafe { held(s) }?.seat.as_fd().as_raw_fd()))
}

/// Does what can be done without waiting, and calls back whoever is to be told. For a seat without
/// a thread: whenever its descriptor is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mooring_poll(s: *const mooring_seat) -> mooring_code {
    call(|| {
        // SAFETY: the header's rules for pointers.
        unsafe { held(s) }?.seat.poll();
        Ok(())
    })
}

/// Waits until the seat has changed since `changes` (of a mooring_state), at most `wait_ms`;
/// negative is for ever. MOORING_AGAIN: it has not. It drives a seat without a thread meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mooring_wait(
    s: *const mooring_seat,
    changes: u64,
    wait_ms: i64,
) -> mooring_code {
    call(|| {
        // SAFETY: the header's rules for pointers.
        let s = unsafe { held(s) }?;
        if s.is_elsewhere() {
            return Err(Error::Forked.into());
        }
        let news = s.wait(changes, boot() + time(wait_ms))?;
        news.then_some(()).ok_or_else(Fault::again)
    })
}

/// Calls `f` with the present state and then at each change of it: on the seat's thread, where
/// there is one (so what `user` points to must bear that), else in mooring_poll(), mooring_check()
/// and mooring_wait(). It may call anything here, mooring_release() too; it must not longjmp or
/// throw. After mooring_release() it is not called any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mooring_on_change(
    s: *const mooring_seat,
    f: mooring_changed,
    user: *mut c_void,
) -> mooring_code {
    call(|| {
        // SAFETY: the header's rules for pointers.
        let s = unsafe { held(s) }?;
        let callback = Callback {
            f: f.ok_or_else(|| Fault::null("f"))?,
            user,
        };
        if s.is_elsewhere() {
            return Err(Error::Forked.into());
        }
        let gate = Arc::new(Gate::default());
        s.gates().push(gate.clone());
        let mut told = 0;
        s.seat.on_change(move |state| {
            told += 1;
            gate.tell(&callback, &mooring_state::of(state, told));
        });
        if !s.thread {
            s.seat.poll();
        }
        Ok(())
    })
}

/// Gives the seat back. A callback that runs in another thread is waited for. In a forked child it
/// frees the copy alone. NULL is nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mooring_release(s: *mut mooring_seat) {
    // SAFETY: the header's rules for pointers.
    if let Some(seat) = unsafe { s.as_ref() }.filter(|s| !s.0.is_elsewhere()) {
        let gates = std::mem::take(&mut *seat.0.gates());
        for gate in gates {
            gate.close();
        }
    }
    // SAFETY: as above.
    unsafe { end(s) }
}
