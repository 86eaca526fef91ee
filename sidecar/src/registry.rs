//! The claims as they stand. Status is always computed at the moment of asking, so a limit that
//! passes shows without anyone waking up; changes go out numbered, each once.
//!
//! A claim that is being given back because the application asked for it is not shown any more, and
//! its name is free.

use crate::report::{Refusal, log_change, refusal, status_of};
use crate::store::{About, Store};
use mooring_core::holder::drive::{Do, Drive, others};
use mooring_core::holder::{Answer, Random, Request, Saved, Tag};
use mooring_core::time::BootTime;
use mooring_core::wire::{ClaimKind, ClaimStatus, HoldState, Problem, Status};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, broadcast, watch};

/// How many changes a slow reader may be behind before it is brought up to date in one step.
const BACKLOG: usize = 64;

/// All claims of this sidecar.
#[derive(Debug)]
pub(crate) struct Registry {
    inner: Mutex<Inner>,
    changes: broadcast::Sender<Arc<Status>>,
    removals: watch::Sender<()>,
}

#[derive(Debug)]
struct Inner {
    server: String,
    /// In the order in which they came: the pod's first.
    slots: BTreeMap<ClaimId, Slot>,
    told: BTreeMap<ClaimId, ClaimStatus>,
    seq: u64,
    next: u64,
}

#[derive(Debug)]
struct Slot {
    about: About,
    store: Store,
    drive: Drive,
    /// The server's refusal, whole, as long as it stands.
    problem: Option<Problem>,
    /// A hold whose connection is there.
    followed: bool,
    wake: Arc<Notify>,
}

/// Which claim on the registry; never used again for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ClaimId(u64);

/// What there is under a name.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) id: ClaimId,
    pub(crate) kind: ClaimKind,
    pub(crate) items: Vec<mooring_core::request::Item>,
    pub(crate) state: HoldState,
}

/// How many run-time claims there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// That live.
    pub(crate) live: usize,
    /// That are being given back.
    pub(crate) leaving: usize,
}

impl Registry {
    /// A registry without claims.
    pub(crate) fn new(server: String) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::new(Inner {
                server,
                slots: BTreeMap::new(),
                told: BTreeMap::new(),
                seq: 0,
                next: 0,
            }),
            changes: broadcast::Sender::new(BACKLOG),
            removals: watch::Sender::new(()),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a claim on the registry. What is given with it wakes the claim's task.
    pub(crate) fn add(
        &self,
        about: About,
        store: Store,
        drive: Drive,
        now: BootTime,
    ) -> (ClaimId, Arc<Notify>) {
        let mut inner = self.lock();
        let id = ClaimId(inner.next);
        inner.next += 1;
        let wake = Arc::new(Notify::new());
        let slot = Slot {
            about,
            store,
            drive,
            problem: None,
            followed: false,
            wake: wake.clone(),
        };
        inner.slots.insert(id, slot);
        self.refresh(&mut inner, now);
        (id, wake)
    }

    /// What a claim's task does next; `None` once the claim is gone.
    pub(crate) fn next(&self, id: ClaimId, now: BootTime, random: &mut dyn Random) -> Option<Do> {
        let mut inner = self.lock();
        let mut todo = inner.slots.get_mut(&id).map(|s| s.drive.next(now, random));
        if let Some(Do::Send {
            request: Request::Claim { body, .. },
            ..
        }) = &mut todo
            && let Some(slot) = inner.slots.get(&id)
        {
            body.others = others(inner.slots.values().map(|s| &s.drive), &slot.about.name);
        }
        self.refresh(&mut inner, now);
        todo
    }

    /// Hands an answer to a claim, and keeps the refusal that is in it.
    pub(crate) fn landed(
        &self,
        id: ClaimId,
        now: BootTime,
        tag: Tag,
        answer: Answer,
        random: &mut dyn Random,
    ) {
        let mut inner = self.lock();
        if let Some(slot) = inner.slots.get_mut(&id) {
            match refusal(&answer) {
                Refusal::NotSaid => {}
                Refusal::Lifted => slot.problem = None,
                Refusal::Stands(p) => slot.problem = Some(p.clone()),
            }
            slot.drive.landed(now, tag, answer, random);
        }
        self.refresh(&mut inner, now);
    }

    /// Saves a claim as it stands.
    pub(crate) fn save(&self, id: ClaimId) {
        if let Some(slot) = self.lock().slots.get(&id) {
            slot.save();
        }
    }

    /// Begins to give a claim back since the sidecar ends.
    pub(crate) fn stop(&self, id: ClaimId, now: BootTime) {
        self.change(id, now, |d| d.stop(now));
    }

    /// Begins to give a claim back, at the application's wish: it is shown no more.
    pub(crate) fn leave(&self, id: ClaimId, now: BootTime) {
        self.change(id, now, |d| d.leave(now));
    }

    /// Puts a claim back to what was saved last.
    pub(crate) fn begin_again(
        &self,
        id: ClaimId,
        saved: Option<Saved>,
        now: BootTime,
        random: &mut dyn Random,
    ) {
        self.change(id, now, |d| d.begin_again(saved, now, random));
    }

    fn change(&self, id: ClaimId, now: BootTime, how: impl FnOnce(&mut Drive) -> bool) {
        let mut inner = self.lock();
        if let Some(slot) = inner.slots.get_mut(&id) {
            if how(&mut slot.drive) {
                slot.save();
            }
            slot.wake.notify_one();
        }
        self.refresh(&mut inner, now);
    }

    /// Takes a claim off that was given back.
    pub(crate) fn remove(&self, id: ClaimId, now: BootTime) {
        let mut inner = self.lock();
        inner.slots.remove(&id);
        self.refresh(&mut inner, now);
        drop(inner);
        self.removals.send_replace(());
    }

    /// Whether it is being given back at the application's wish; also if it is gone.
    pub(crate) fn is_leaving(&self, id: ClaimId) -> bool {
        self.lock()
            .slots
            .get(&id)
            .is_none_or(|s| s.drive.is_leaving())
    }

    /// Waits until it was taken off.
    pub(crate) async fn gone(&self, id: ClaimId) {
        let mut removals = self.removals.subscribe();
        // An error would mean that the registry is gone.
        let _ = removals
            .wait_for(|()| !self.lock().slots.contains_key(&id))
            .await;
    }

    /// Who follows a hold: `true` if nobody did and it is the caller from now on.
    pub(crate) fn follow(&self, id: ClaimId) -> bool {
        let mut inner = self.lock();
        let slot = inner.slots.get_mut(&id);
        slot.is_some_and(|s| !std::mem::replace(&mut s.followed, true))
    }

    /// The holds that nobody follows.
    pub(crate) fn orphans(&self) -> Vec<ClaimId> {
        let inner = self.lock();
        let lost =
            |s: &Slot| s.about.kind == ClaimKind::Hold && !s.followed && !s.drive.is_leaving();
        let found = inner.slots.iter().filter(|(_, s)| lost(s));
        found.map(|(id, _)| *id).collect()
    }

    /// The run-time claims by number.
    pub(crate) fn count(&self) -> Count {
        let inner = self.lock();
        let mut count = Count::default();
        for s in inner
            .slots
            .values()
            .filter(|s| s.about.kind != ClaimKind::Pod)
        {
            let n = if s.drive.is_leaving() {
                &mut count.leaving
            } else {
                &mut count.live
            };
            *n += 1;
        }
        count
    }

    /// The claim of this name.
    pub(crate) fn find(&self, name: &str, now: BootTime) -> Option<Found> {
        let inner = self.lock();
        let (id, slot) = inner
            .slots
            .iter()
            .find(|(_, s)| !s.drive.is_leaving() && s.about.name.as_str() == name)?;
        Some(Found {
            id: *id,
            kind: slot.about.kind,
            items: slot.about.items.clone(),
            state: slot.drive.holder().status(now).state,
        })
    }

    /// The first of the pod's own claims.
    pub(crate) fn pod(&self) -> Option<ClaimId> {
        let inner = self.lock();
        let (id, _) = inner
            .slots
            .iter()
            .find(|(_, s)| s.about.kind == ClaimKind::Pod)?;
        Some(*id)
    }

    /// Reads something of a claim.
    pub(crate) fn read<T>(&self, id: ClaimId, f: impl FnOnce(&Drive) -> T) -> Option<T> {
        self.lock().slots.get(&id).map(|s| f(&s.drive))
    }

    /// How one claim stands at `now`; `None` once it was given back at the application's wish.
    pub(crate) fn claim(&self, id: ClaimId, now: BootTime) -> Option<ClaimStatus> {
        let mut inner = self.lock();
        self.refresh(&mut inner, now);
        inner
            .slots
            .get(&id)
            .filter(|s| !s.drive.is_leaving())
            .map(|s| s.status(now))
    }

    /// How everything stands at `now`.
    pub(crate) fn status(&self, now: BootTime) -> Status {
        let mut inner = self.lock();
        self.refresh(&mut inner, now)
    }

    /// How everything stands at `now`, and every change from then on.
    pub(crate) fn subscribe(&self, now: BootTime) -> (Status, broadcast::Receiver<Arc<Status>>) {
        let mut inner = self.lock();
        let status = self.refresh(&mut inner, now);
        (status, self.changes.subscribe())
    }

    fn refresh(&self, inner: &mut Inner, now: BootTime) -> Status {
        let shown = inner.slots.iter().filter(|(_, s)| !s.drive.is_leaving());
        let claims: BTreeMap<_, _> = shown.map(|(id, s)| (*id, s.status(now))).collect();
        let comparable: BTreeMap<_, _> = claims
            .iter()
            .map(|(id, c)| {
                let c = ClaimStatus {
                    for_ms: None,
                    ..c.clone()
                };
                (*id, c)
            })
            .collect();
        let changed = comparable != inner.told;
        if changed {
            inner.seq += 1;
            for (id, new) in &comparable {
                log_change(inner.told.get(id), new);
            }
            inner.told = comparable;
        }
        let claims = claims.into_values().collect();
        let status = status_of(inner.server.clone(), inner.seq, claims, now);
        if changed {
            // Nobody may be listening.
            let _ = self.changes.send(Arc::new(status.clone()));
        }
        status
    }
}

impl Slot {
    fn save(&self) {
        if let Err(e) = self.store.save(&self.about, self.drive.saved()) {
            tracing::error!(claim = %self.about.name, error = %e, "a crash of the sidecar now would lose the lease");
        }
    }

    fn status(&self, now: BootTime) -> ClaimStatus {
        let status = self.drive.holder().status(now);
        let ended = matches!(status.state, HoldState::Refused | HoldState::Lost);
        ClaimStatus {
            kind: self.about.kind,
            problem: self.problem.clone().filter(|_| ended),
            ..status
        }
    }
}

#[cfg(test)]
mod tests;
