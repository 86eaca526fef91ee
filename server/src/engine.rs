//! The frontend at work: one lock around it, its events and answers handed out, its deadlines kept.
//!
//! Critical sections are short and never wait: signing, reading and writing happen outside.

use crate::events::{Expired, Ring, Stamped};
use mooring_core::frontend::{Asked, Authority, ClaimAnswer, Clock, FRESH, Frontend};
use mooring_core::ledger::Ledger;
use mooring_core::time::{BootTime, Now};
use mooring_core::wire::{EndReason, LeaseView};
use mooring_net::clock;
use mooring_net::shutdown::Shutdown;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot, watch};

/// What a request is known by: where its answer goes.
type Requester = oneshot::Sender<ClaimAnswer>;

/// The shared frontend.
pub(crate) struct Engine {
    inner: Mutex<Inner>,
    /// The deadline has come nearer.
    nearer: Notify,
    /// Asks the anchor task to look at once.
    pub(crate) look: Notify,
    /// The number of the last event, for watchers.
    head: watch::Sender<u64>,
    settling: watch::Sender<bool>,
    /// Says that license or anchor stand otherwise.
    changed: watch::Sender<u64>,
}

struct Inner {
    frontend: Frontend<Requester>,
    ring: Ring,
    /// The deadline that the timer sleeps towards.
    armed: BootTime,
}

impl Engine {
    /// Takes a ledger into service, in a run that begins at `started`.
    pub(crate) fn new(ledger: Ledger, authority: Authority, started: Now) -> Arc<Self> {
        let settling = watch::Sender::new(ledger.settling());
        let inner = Inner {
            frontend: Frontend::new(ledger, authority, started),
            ring: Ring::default(),
            armed: BootTime::default(),
        };
        Arc::new(Self {
            inner: Mutex::new(inner),
            nearer: Notify::new(),
            look: Notify::new(),
            head: watch::Sender::new(0),
            settling,
            changed: watch::Sender::new(0),
        })
    }

    /// A panic in a critical section is a defect of the ledger, whose every step is tested; going
    /// on serves more than ending.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the frontend do something now, and hands out what came of it.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Frontend<Requester>, Now) -> T) -> T {
        let mut inner = self.lock();
        let now = clock::now();
        let r = f(&mut inner.frontend, now);
        let told = self.hand_out(&mut inner, now.boot);
        drop(inner);
        log(&told);
        r
    }

    /// Lets the ledger do something now.
    pub(crate) fn act<T>(&self, f: impl FnOnce(&mut Ledger, BootTime) -> T) -> T {
        self.with(|frontend, now| frontend.act(now, f))
    }

    /// Asks the ledger something that changes nothing.
    pub(crate) fn ask<T>(&self, f: impl FnOnce(&Ledger, BootTime) -> T) -> T {
        f(self.lock().frontend.ledger(), clock::boot())
    }

    /// Takes a claim. Its answer comes at once, or the moment that it is granted or ends, or when
    /// it has waited long enough.
    pub(crate) fn claim(&self, asked: Asked<'_>) -> oneshot::Receiver<ClaimAnswer> {
        let (tx, rx) = oneshot::channel();
        self.with(|frontend, now| frontend.claim(tx, asked, now));
        rx
    }

    /// What license and anchor allow, and what is known of the time to judge that.
    pub(crate) fn authority(&self) -> (Arc<Authority>, Clock) {
        let inner = self.lock();
        let frontend = &inner.frontend;
        (frontend.authority().clone(), frontend.clock())
    }

    /// License or anchor stand otherwise.
    pub(crate) fn set_authority(&self, authority: Authority) {
        self.with(|frontend, now| frontend.set_authority(Arc::new(authority), now));
        self.changed.send_modify(|n| *n += 1);
    }

    /// Waits a moment for the anchor if the wall clock has jumped out of what it has signed: that
    /// alone is mended at once.
    pub(crate) async fn fresh(&self) {
        let mut changes = self.changes();
        let awaits = || self.lock().frontend.awaits_delegation(clock::now());
        if !awaits() {
            return;
        }
        self.look.notify_one();
        let signed = async { while changes.changed().await.is_ok() && awaits() {} };
        let _ = tokio::time::timeout(FRESH, signed).await;
    }

    /// Hands out what came of a step. What it returns is logged after the lock: a log that cannot
    /// be written must stop nobody.
    fn hand_out(&self, inner: &mut Inner, now: BootTime) -> Vec<Arc<Stamped>> {
        let mut told = Vec::new();
        while let Some(e) = inner.frontend.next_event() {
            told.push(inner.ring.push(e, now));
        }
        while let Some((requester, answer)) = inner.frontend.next_answer() {
            // Whoever asked may have gone.
            let _ = requester.send(answer);
        }
        if !told.is_empty() {
            self.head.send_replace(inner.ring.last());
        }
        let settling = inner.frontend.ledger().settling();
        self.settling
            .send_if_modified(|s| std::mem::replace(s, settling) != settling);
        let next = inner.frontend.next_deadline();
        if next < inner.armed {
            inner.armed = next;
            self.nearer.notify_one();
        }
        told
    }

    /// Does what is due; returns when the next thing is.
    fn tick(&self) -> BootTime {
        let mut inner = self.lock();
        let now = clock::now();
        inner.frontend.tick(now);
        // Already the nearest, so that handing out does not wake the very task that ticks.
        inner.armed = BootTime::default();
        let told = self.hand_out(&mut inner, now.boot);
        let next = inner.frontend.next_deadline();
        inner.armed = next;
        drop(inner);
        log(&told);
        next
    }

    /// Keeps the deadlines until asked to end; then answers all who wait.
    pub(crate) async fn run(&self, shutdown: Shutdown) {
        loop {
            let next = self.tick();
            tokio::select! {
                () = clock::sleep_until(next) => {}
                () = self.nearer.notified() => {}
                () = shutdown.asked() => break,
            }
        }
        self.with(Frontend::close);
    }

    /// All claims, and the event after which they are so.
    pub(crate) fn views(&self) -> (u64, Vec<LeaseView>) {
        let inner = self.lock();
        (
            inner.ring.last(),
            inner.frontend.ledger().views(clock::boot()),
        )
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

    /// Follows license and anchor.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
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
