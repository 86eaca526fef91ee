//! The frontend at work: one lock around it, its events and answers handed out, its deadlines kept.
//!
//! Critical sections are short and never wait: signing, reading and writing happen outside.

use crate::events::{Expired, Ring, Stamped};
use mooring_core::frontend::{Asked, Authority, ClaimAnswer, Clock, FRESH, Frontend};
use mooring_core::ledger::{Capacity, Ledger};
use mooring_core::policy::Reclaim;
use mooring_core::time::{BootTime, Now};
use mooring_core::wire::{EndReason, LeaseView};
use mooring_net::clock;
use mooring_net::shutdown::Shutdown;
use mooring_net::sync::lock;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::{Notify, oneshot, watch};

/// What a request is known by: where its answer goes.
type Requester = oneshot::Sender<ClaimAnswer>;

pub(crate) struct Engine {
    inner: Mutex<Inner>,
    /// The deadline has come nearer.
    nearer: Notify,
    /// Asks the anchor task to look at once.
    pub(crate) look: Notify,
    /// Says that there is an event, or that license, anchor or settling stand otherwise.
    changed: watch::Sender<()>,
}

struct Inner {
    frontend: Frontend<Requester>,
    ring: Ring,
    settling: bool,
    /// The nearest deadline: the timer sleeps until then, or less.
    armed: BootTime,
}

impl Engine {
    /// Takes a ledger into service, in a run that begins at `started`.
    pub(crate) fn new(ledger: Ledger, authority: Authority, started: Now) -> Arc<Self> {
        let inner = Inner {
            settling: ledger.settling(),
            frontend: Frontend::new(ledger, authority, started),
            ring: Ring::default(),
            armed: BootTime::default(),
        };
        Arc::new(Self {
            inner: Mutex::new(inner),
            nearer: Notify::new(),
            look: Notify::new(),
            changed: watch::Sender::new(()),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
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

    pub(crate) fn set_authority(&self, authority: Authority) {
        self.with(|frontend, now| frontend.set_authority(Arc::new(authority), now));
        self.changed.send_replace(());
    }

    /// Other licenses have come into force.
    pub(crate) fn take_over(&self, authority: Authority, capacity: Capacity, reclaim: Reclaim) {
        let authority = Arc::new(authority);
        self.with(|frontend, now| frontend.take_over(authority, capacity, reclaim, now));
        self.changed.send_replace(());
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
        let settling = inner.frontend.ledger().settling();
        if std::mem::replace(&mut inner.settling, settling) != settling || !told.is_empty() {
            self.changed.send_replace(());
        }
        let next = inner.frontend.next_deadline();
        if next < inner.armed {
            self.nearer.notify_one();
        }
        inner.armed = next;
        told
    }

    /// Keeps the deadlines until asked to end; then answers all who wait.
    pub(crate) async fn run(&self, shutdown: Shutdown) {
        loop {
            self.with(Frontend::tick);
            let next = self.lock().armed;
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
        let views = inner.frontend.ledger().views(clock::boot());
        (inner.ring.last(), views)
    }

    pub(crate) fn last_event(&self) -> u64 {
        self.lock().ring.last()
    }

    /// Up to `most` events after `seq`.
    pub(crate) fn events_after(&self, seq: u64, most: usize) -> Result<Vec<Arc<Stamped>>, Expired> {
        self.lock().ring.after(seq, most)
    }

    /// Follows events, license, anchor, and whether the server settles.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
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
