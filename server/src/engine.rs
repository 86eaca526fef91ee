//! The ledger at work: one lock around it, its events handed out, its deadlines kept.
//!
//! Critical sections are short and never wait: signing, reading and writing happen outside.

use crate::events::{Expired, Ring, Stamped};
use mooring_core::ledger::{Claim, Claimed, Ledger};
use mooring_core::names::LeaseId;
use mooring_core::time::BootTime;
use mooring_core::wire::{EndReason, LeaseView, Problem, ViewState};
use mooring_net::clock;
use mooring_net::shutdown::Shutdown;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot, watch};

/// The shared ledger.
pub(crate) struct Engine {
    inner: Mutex<Inner>,
    /// The deadline has come nearer.
    nearer: Notify,
    /// The number of the last event, for watchers.
    head: watch::Sender<u64>,
    settling: watch::Sender<bool>,
}

struct Inner {
    ledger: Ledger,
    ring: Ring,
    /// Requests held open, by the lease they wait for.
    waiters: HashMap<LeaseId, Vec<oneshot::Sender<()>>>,
    /// The deadline that the timer sleeps towards.
    armed: BootTime,
}

impl Engine {
    /// Takes a ledger into service.
    pub(crate) fn new(ledger: Ledger) -> Arc<Self> {
        let settling = watch::Sender::new(ledger.settling());
        let inner = Inner {
            ledger,
            ring: Ring::default(),
            waiters: HashMap::new(),
            armed: BootTime::default(),
        };
        Arc::new(Self {
            inner: Mutex::new(inner),
            nearer: Notify::new(),
            head: watch::Sender::new(0),
            settling,
        })
    }

    /// A panic in a critical section is a defect of the ledger, whose every step is tested; going on serves more than ending.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the ledger do something now, and hands out what came of it.
    pub(crate) fn act<R>(&self, f: impl FnOnce(&mut Ledger, BootTime) -> R) -> R {
        let mut inner = self.lock();
        let now = clock::boot();
        let r = f(&mut inner.ledger, now);
        let told = self.hand_out(&mut inner, now);
        drop(inner);
        log(&told);
        r
    }

    /// Asks the ledger something that changes nothing.
    pub(crate) fn ask<R>(&self, f: impl FnOnce(&Ledger, BootTime) -> R) -> R {
        f(&self.lock().ledger, clock::boot())
    }

    /// Takes a claim. One that waits comes with a wake-up: it is woken the moment it is granted or ended.
    pub(crate) fn claim(
        &self,
        c: Claim,
    ) -> Result<(Claimed, Option<oneshot::Receiver<()>>), Problem> {
        let mut inner = self.lock();
        let now = clock::boot();
        let claimed = inner.ledger.claim(c, now);
        let told = self.hand_out(&mut inner, now);
        let wake = match &claimed {
            Err(_) | Ok(Claimed::Granted(_)) => None,
            Ok(Claimed::Waiting(p)) => {
                let (tx, rx) = oneshot::channel();
                let waiters = inner.waiters.entry(p.lease).or_default();
                waiters.retain(|w| !w.is_closed());
                waiters.push(tx);
                Some(rx)
            }
        };
        drop(inner);
        log(&told);
        Ok((claimed?, wake))
    }

    /// Hands out what came of a step. What it returns is logged after the lock: a log that cannot be written must stop nobody.
    fn hand_out(&self, inner: &mut Inner, now: BootTime) -> Vec<Arc<Stamped>> {
        let mut told = Vec::new();
        while let Some(e) = inner.ledger.next_event() {
            if matches!(
                e.view.state,
                ViewState::Held | ViewState::Ended | ViewState::Refused
            ) && let Some(waiters) = inner.waiters.remove(&e.view.lease)
            {
                for w in waiters {
                    let _ = w.send(());
                }
            }
            told.push(inner.ring.push(e, now));
        }
        if !told.is_empty() {
            self.head.send_replace(inner.ring.last());
        }
        let settling = inner.ledger.settling();
        self.settling
            .send_if_modified(|s| std::mem::replace(s, settling) != settling);
        let next = inner.ledger.next_deadline();
        if next < inner.armed {
            inner.armed = next;
            self.nearer.notify_one();
        }
        told
    }

    /// Does what is due; returns when the next thing is.
    fn tick(&self) -> BootTime {
        let mut inner = self.lock();
        let now = clock::boot();
        inner.ledger.tick(now);
        // Already the nearest, so that handing out does not wake the very task that ticks.
        inner.armed = BootTime::default();
        let told = self.hand_out(&mut inner, now);
        let next = inner.ledger.next_deadline();
        inner.armed = next;
        drop(inner);
        log(&told);
        next
    }

    /// Keeps the ledger's deadlines until asked to end.
    pub(crate) async fn run(&self, shutdown: Shutdown) {
        loop {
            let next = self.tick();
            tokio::select! {
                () = clock::sleep_until(next) => {}
                () = self.nearer.notified() => {}
                () = shutdown.asked() => return,
            }
        }
    }

    /// All claims, and the event after which they are so.
    pub(crate) fn views(&self) -> (u64, Vec<LeaseView>) {
        let inner = self.lock();
        (inner.ring.last(), inner.ledger.views(clock::boot()))
    }

    /// Up to `most` events after `seq`.
    pub(crate) fn events_after(&self, seq: u64, most: usize) -> Result<Vec<Arc<Stamped>>, Expired> {
        self.lock().ring.after(seq, most)
    }

    /// Follows the number of the last event.
    pub(crate) fn head(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    /// Follows whether the server settles.
    pub(crate) fn settling(&self) -> watch::Receiver<bool> {
        self.settling.subscribe()
    }
}

fn log(told: &[Arc<Stamped>]) {
    for e in told {
        let v = e.as_it_was();
        tracing::info!(
            lease = %v.lease, claim = %v.claim, holder = %v.holder, items = %mooring_core::request::print(&v.items),
            state = %v.state, place = v.place, ended = v.ended.map(EndReason::as_str),
            problem = v.problem.as_ref().map(|p| p.kind.name()), "lease"
        );
    }
}
