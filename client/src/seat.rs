//! A seat, as an application holds it: [`Seat::check`] reads one number, a thread (or the
//! application itself, by [`Seat::poll`]) keeps that number up to date, and dropping the seat gives
//! it back.

use crate::clock::boot;
use crate::conn::wait;
use crate::driver::Driver;
use crate::error::Error;
use crate::mooring::Licensed;
use crate::watch::{State, Why, Word};
use mooring_core::names::ClaimName;
use mooring_core::time::BootTime;
use mooring_core::wire::HoldState;
use mooring_forked::Origin;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A seat of one product: licensed as long as [`check`](Self::check) says so, given back when it is
/// dropped.
///
/// [`check`](Self::check) is for the application's innermost loop: it reads an atomic and the boot
/// clock, waits for nothing and never fails. What keeps it true is a thread named `mooring` that
/// sleeps until the sidecar says something or a limit comes; it runs the callbacks of
/// [`on_change`](Self::on_change), and is started by `hold`. An application that wants none asks
/// for the seat [`without_thread`](crate::Claim::without_thread) and calls [`poll`](Self::poll)
/// itself. Should nobody drive the seat, `check` still ends it at the last known limit.
///
/// A forked child has no seat: there `check` says [`Why::Forked`], and the parent's is given back
/// with the parent, whether children live on or not.
pub struct Seat {
    shared: Arc<Shared>,
}

type Callback = Box<dyn FnMut(State) + Send>;

struct Shared {
    /// A [`Word`].
    word: AtomicU64,
    origin: Origin,
    ready: Arc<OwnedFd>,
    /// Wakes the thread.
    wakeup: OwnedFd,
    inner: Mutex<Inner>,
    /// Each with what it was told last. Taken out while they run, so that they may call anything
    /// here.
    callbacks: Mutex<Vec<(Callback, Option<u64>)>>,
}

struct Inner {
    driver: Driver,
    changes: u64,
    /// Until it is held once, everything that happens is worth a look.
    beginning: bool,
    /// A full pool is an answer; otherwise it is waited for.
    impatient: bool,
    wakers: Vec<Waker>,
    ended: bool,
}

/// More about a seat than [`Seat::check`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Details {
    /// The claim's name, once there is one.
    pub claim: Option<ClaimName>,
    /// The state that the sidecar gave last; not verified.
    pub told: Option<HoldState>,
    /// The place in line, from 1.
    pub place: Option<u32>,
    /// What happened, in words, where there is something to say.
    pub message: Option<String>,
    /// The last token that verified.
    pub proof: Option<Licensed>,
}

impl Seat {
    pub(crate) fn new(driver: Driver, impatient: bool) -> Result<Self, Error> {
        let wakeup = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let shared = Shared {
            word: AtomicU64::new(Word::unlicensed(Why::Seeking).bits()),
            origin: Origin::here(),
            ready: driver.fd(),
            wakeup: wakeup.map_err(Error::system)?,
            inner: Mutex::new(Inner {
                driver,
                changes: 0,
                beginning: true,
                impatient,
                wakers: Vec::new(),
                ended: false,
            }),
            callbacks: Mutex::default(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// How the application stands now. Local, no I/O, well under a microsecond; it counts on the
    /// boot clock, so neither the wall clock nor a suspend matters.
    pub fn check(&self) -> State {
        if self.shared.origin.is_elsewhere() {
            return State::Unlicensed { why: Why::Forked };
        }
        self.shared.word().at(boot())
    }

    /// Whether the application may go on now; see [`check`](Self::check).
    pub fn is_licensed(&self) -> bool {
        self.check().is_licensed()
    }

    /// Calls `f` with the present state, and then at each change of it: another variant, another
    /// reason, or an end that moved. It runs on the seat's thread (or in [`poll`](Self::poll),
    /// without one), and holds up nothing but the next call. If it panics it is not called again.
    pub fn on_change(&self, f: impl FnMut(State) + Send + 'static) {
        if self.shared.origin.is_elsewhere() {
            return;
        }
        lock(&self.shared.callbacks).push((Box::new(f), None));
        self.shared.wake_thread();
    }

    /// Waits for the next change, as [`on_change`](Self::on_change) counts them, on any executor.
    pub fn changed(&self) -> Changed<'_> {
        let since = self.shared.here().map_or(0, |i| i.changes);
        Changed { seat: self, since }
    }

    /// What else is known.
    pub fn details(&self) -> Details {
        let inner = self.shared.here();
        let driver = inner.as_ref().map(|i| &i.driver);
        let spoken = driver.and_then(Driver::spoken);
        Details {
            claim: spoken.map(|s| s.name.clone()),
            told: spoken.map(|s| s.state),
            place: spoken.and_then(|s| s.place),
            message: driver.map_or_else(|| Some(Why::Forked.to_string()), Driver::message),
            proof: driver.and_then(Driver::proof).cloned(),
        }
    }

    /// Does what can be done without waiting, and says how the application stands. For a seat
    /// without a thread: call it whenever the seat's descriptor ([`AsFd`]) is readable, from any
    /// event loop; its timers are in there, too. It must be neither read nor closed.
    pub fn poll(&self) -> State {
        if !self.shared.origin.is_elsewhere() {
            self.shared.drive();
        }
        self.check()
    }

    /// How the asking of [`Claim::begin`](crate::Claim::begin) ended: none while it goes on. After
    /// an error the seat goes on trying until it is dropped.
    pub fn begun(&self) -> Option<Result<(), Error>> {
        if self.shared.origin.is_elsewhere() {
            return Some(Err(Error::Forked));
        }
        self.shared.outcome()
    }

    /// How many changes there were, as [`on_change`](Self::on_change) counts them: for applications
    /// that compare.
    pub fn changes(&self) -> u64 {
        self.shared.here().map_or(u64::MAX, |i| i.changes)
    }

    /// Waits until it is held, or the time for that is over.
    pub(crate) fn begin(&self) -> Result<(), Error> {
        loop {
            self.shared.drive();
            if let Some(result) = self.shared.outcome() {
                return result;
            }
            wait(&[(self.shared.ready.as_fd(), false)], BootTime::NEVER)?;
        }
    }

    pub(crate) fn start_thread(&self) -> Result<(), Error> {
        let shared = self.shared.clone();
        let thread = std::thread::Builder::new().name("mooring".into());
        let started = thread.spawn(move || {
            while shared.drive() {
                let fds = [
                    (shared.ready.as_fd(), false),
                    (shared.wakeup.as_fd(), false),
                ];
                if wait(&fds, BootTime::NEVER).is_err() {
                    std::thread::sleep(Duration::from_millis(100));
                }
                let _ = rustix::io::read(&shared.wakeup, &mut [0; 8]);
            }
        });
        let failed = |e: std::io::Error| Error::Broken(format!("no thread can be started: {e}"));
        started.map(drop).map_err(failed)
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seat").field(&self.check()).finish()
    }
}

impl AsFd for Seat {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.ready.as_fd()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.shared.origin.is_elsewhere() {
            // Another thread of the parent may have held the lock when it forked: then a few
            // descriptors stay, all of /dev/null.
            if let Ok(mut inner) = self.shared.inner.try_lock() {
                inner.driver.abandon();
            }
            return;
        }
        let mut inner = lock(&self.shared.inner);
        inner.ended = true;
        inner.driver.close();
        drop(inner);
        self.shared.wake_thread();
    }
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn word(&self) -> Word {
        Word::from_bits(self.word.load(Ordering::Acquire))
    }

    /// None in a forked child, where another thread of the parent may hold the lock for ever.
    fn here(&self) -> Option<MutexGuard<'_, Inner>> {
        (!self.origin.is_elsewhere()).then(|| lock(&self.inner))
    }

    fn wake_thread(&self) {
        // It fails only if the counter is full, and then the thread is woken already.
        let _ = rustix::io::write(&self.wakeup, &1u64.to_ne_bytes());
    }

    /// One round; false once the seat has been dropped.
    fn drive(&self) -> bool {
        let woken = {
            let mut inner = lock(&self.inner);
            if inner.ended {
                return false;
            }
            let (before, word) = (self.word(), inner.driver.poll());
            self.word.store(word.bits(), Ordering::Release);
            let changed = word.key() != before.key();
            inner.changes += u64::from(changed);
            if changed || inner.beginning {
                std::mem::take(&mut inner.wakers)
            } else {
                Vec::new()
            }
        };
        woken.into_iter().for_each(Waker::wake);
        self.tell();
        true
    }

    /// Calls back whoever was told something else before.
    fn tell(&self) {
        loop {
            let mut mine = std::mem::take(&mut *lock(&self.callbacks));
            let word = self.word();
            mine.retain_mut(|(f, told)| {
                if *told == Some(word.key()) {
                    return true;
                }
                *told = Some(word.key());
                let state = word.at(boot());
                catch_unwind(AssertUnwindSafe(|| f(state))).is_ok()
            });
            let mut all = lock(&self.callbacks);
            // Those that came meanwhile stand behind.
            mine.append(&mut all);
            let current = self.word().key();
            let again = mine.iter().any(|(_, told)| *told != Some(current));
            *all = mine;
            drop(all);
            if !again {
                return;
            }
        }
    }

    fn outcome(&self) -> Option<Result<(), Error>> {
        let mut inner = lock(&self.inner);
        let impatient = inner.impatient;
        let outcome = inner.driver.outcome(impatient)?;
        inner.beginning = false;
        inner.driver.deadline = BootTime::NEVER;
        Some(outcome)
    }

    fn wake_later(&self, waker: &Waker) {
        let mut inner = lock(&self.inner);
        if !inner.wakers.iter().any(|w| w.will_wake(waker)) {
            inner.wakers.push(waker.clone());
        }
    }
}

/// The next change of a seat; see [`Seat::changed`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Changed<'a> {
    seat: &'a Seat,
    since: u64,
}

impl Future for Changed<'_> {
    type Output = State;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<State> {
        let shared = &self.seat.shared;
        if shared.origin.is_elsewhere() {
            return Poll::Ready(self.seat.check());
        }
        shared.wake_later(cx.waker());
        // Looked at after the waker is known: no change falls between the two.
        if lock(&shared.inner).changes == self.since {
            Poll::Pending
        } else {
            Poll::Ready(self.seat.check())
        }
    }
}

/// A seat that is being asked for; see [`Claim::hold_async`](crate::Claim::hold_async). Dropping it
/// gives up the place in line.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Holding {
    /// None once the result was given.
    begun: Option<Result<Seat, Error>>,
}

impl Holding {
    pub(crate) fn new(begun: Result<Seat, Error>) -> Self {
        Self { begun: Some(begun) }
    }
}

impl Future for Holding {
    type Output = Result<Seat, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let over = || Error::Broken("this future has already given its result".into());
        let seat = self.begun.take().unwrap_or_else(|| Err(over()))?;
        if seat.shared.origin.is_elsewhere() {
            return Poll::Ready(Err(Error::Forked));
        }
        seat.shared.wake_later(cx.waker());
        if let Some(outcome) = seat.shared.outcome() {
            return Poll::Ready(outcome.map(|()| seat));
        }
        self.begun = Some(Ok(seat));
        Poll::Pending
    }
}
