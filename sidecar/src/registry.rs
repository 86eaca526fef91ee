//! The claims as they stand. What was told of them is kept, and holds until one changes or a limit
//! passes; that is looked at whenever somebody asks, so it shows without anyone waking up. Changes
//! go out numbered, each once.
//!
//! A claim that is being given back because the application asked for it is not shown any more, and
//! its name is free.

use crate::printed::Printed;
use crate::report::{Refusal, log_change, refusal, status_of};
use crate::store::{About, Store};
use crate::users::{Asker, Owner};
use bytes::Bytes;
use mooring_core::holder::drive::{Do, Drive, others};
use mooring_core::holder::{Answer, Random, Request, Saved, Tag};
use mooring_core::secret::SecretHash;
use mooring_core::time::BootTime;
use mooring_core::wire::{ClaimKind, ClaimStatus, HoldState, Problem, Status};
use mooring_net::clock;
use mooring_net::sync::lock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::{Notify, broadcast, watch};

/// How many changes a slow reader may be behind before it is brought up to date in one step.
const BACKLOG: usize = 64;

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
    /// Without the time that is left.
    told: BTreeMap<ClaimId, ClaimStatus>,
    /// When time alone changes it.
    told_until: BootTime,
    /// The same for who asked last: nearly always the same again.
    printed: Option<(Asker, Printed)>,
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

#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) id: ClaimId,
    pub(crate) owner: Owner,
    /// Whose seat a hold is.
    pub(crate) bind: Option<SecretHash>,
    pub(crate) kind: ClaimKind,
    pub(crate) items: Vec<mooring_core::request::Item>,
    pub(crate) state: HoldState,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) live: usize,
    pub(crate) leaving: usize,
}

/// Every change from a moment on.
pub(crate) struct Changes {
    registry: Arc<Registry>,
    feed: broadcast::Receiver<Arc<Status>>,
}

impl Changes {
    /// The next one. Of what a slow reader missed only the latest counts.
    pub(crate) async fn next(&mut self) -> Arc<Status> {
        if let Ok(status) = self.feed.recv().await {
            return status;
        }
        let (status, fresh) = self.registry.subscribe(clock::boot());
        *self = fresh;
        status
    }
}

impl Registry {
    pub(crate) fn new(server: String) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::new(Inner {
                server,
                slots: BTreeMap::new(),
                told: BTreeMap::new(),
                told_until: BootTime::NEVER,
                printed: None,
                seq: 0,
                next: 0,
            }),
            changes: broadcast::Sender::new(BACKLOG),
            removals: watch::Sender::new(()),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
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
        if let Some(Do::Send { request, .. }) = &mut todo
            && let Request::Claim { body, .. } = request
            && let Some(slot) = inner.slots.get(&id)
        {
            let own = slot.about.name_at_server();
            body.others = others(inner.slots.values().map(|s| &s.drive), &own);
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
            // Saved before anybody is told.
            if slot.drive.is_unsaved() {
                slot.save();
            }
        }
        self.refresh(&mut inner, now);
    }

    pub(crate) fn save(&self, id: ClaimId) {
        if let Some(slot) = self.lock().slots.get_mut(&id) {
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

    pub(crate) fn remove(&self, id: ClaimId, now: BootTime) {
        let mut inner = self.lock();
        inner.slots.remove(&id);
        self.refresh(&mut inner, now);
        drop(inner);
        self.removals.send_replace(());
    }

    /// Whether it is being given back at the application's wish; also if it is gone.
    pub(crate) fn is_leaving(&self, id: ClaimId) -> bool {
        self.read(id, Drive::is_leaving).unwrap_or(true)
    }

    pub(crate) async fn gone(&self, id: ClaimId) {
        let mut removals = self.removals.subscribe();
        let gone = removals.wait_for(|()| !self.lock().slots.contains_key(&id));
        // An error would mean that the registry is gone.
        let _ = gone.await;
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

    /// Of all users; of one alone with `only`.
    pub(crate) fn count(&self, only: Option<Owner>) -> Count {
        let inner = self.lock();
        let all = inner.slots.values();
        let run_time = all.filter(|s| s.about.kind != ClaimKind::Pod);
        let run_time = run_time.filter(|s| only.is_none_or(|o| s.about.owner == o));
        let (leaving, live): (Vec<_>, Vec<_>) = run_time.partition(|s| s.drive.is_leaving());
        Count {
            live: live.len(),
            leaving: leaving.len(),
        }
    }

    /// A claim by its name: the asker's own or the pod's, or another's that the asker may see.
    pub(crate) fn find(&self, name: &str, asker: Asker, now: BootTime) -> Option<Found> {
        let inner = self.lock();
        let shown = |s: &Slot| !s.drive.is_leaving() && s.is_shown_to(asker);
        let named = inner.slots.iter();
        let named = named.filter(|(_, s)| shown(s) && s.about.name.as_str() == name);
        let (id, slot) = named.min_by_key(|(_, s)| s.about.owner != asker.owner)?;
        Some(Found {
            id: *id,
            owner: slot.about.owner,
            bind: slot.about.bind,
            kind: slot.about.kind,
            items: slot.about.items.clone(),
            state: slot.drive.holder().status(now).state,
        })
    }

    /// The first of the pod's own claims.
    pub(crate) fn pod(&self) -> Option<ClaimId> {
        let inner = self.lock();
        let mut slots = inner.slots.iter();
        slots.find_map(|(id, s)| (s.about.kind == ClaimKind::Pod).then_some(*id))
    }

    pub(crate) fn read<T>(&self, id: ClaimId, f: impl FnOnce(&Drive) -> T) -> Option<T> {
        self.lock().slots.get(&id).map(|s| f(&s.drive))
    }

    /// How one claim stands at `now`; `None` once it was given back at the application's wish.
    pub(crate) fn claim(&self, id: ClaimId, now: BootTime) -> Option<ClaimStatus> {
        let mut inner = self.lock();
        self.look(&mut inner, now);
        inner.told.get(&id).map(|told| timed(told, now))
    }

    /// How everything stands at `now` that the asker may see.
    pub(crate) fn status(&self, asker: Asker, now: BootTime) -> Status {
        let mut inner = self.lock();
        self.look(&mut inner, now);
        inner.status(asker, now)
    }

    /// The same as JSON. Between two changes this costs what copying it does.
    pub(crate) fn printed(&self, asker: Asker, now: BootTime) -> serde_json::Result<Bytes> {
        let mut inner = self.lock();
        self.look(&mut inner, now);
        let known = inner.printed.take().filter(|(of, _)| *of == asker);
        let printed = match known {
            Some((_, printed)) => printed,
            None => Printed::of(&inner.status(asker, now))?,
        };
        let text = printed.at(now);
        inner.printed = Some((asker, printed));
        Ok(text)
    }

    /// How everything stands at `now`, and every change from then on.
    pub(crate) fn subscribe(self: &Arc<Self>, now: BootTime) -> (Arc<Status>, Changes) {
        let mut inner = self.lock();
        self.look(&mut inner, now);
        let (registry, feed) = (self.clone(), self.changes.subscribe());
        (
            Arc::new(inner.status(EVERYBODY, now)),
            Changes { registry, feed },
        )
    }

    /// Finds what time alone has changed by `now`.
    fn look(&self, inner: &mut Inner, now: BootTime) {
        if now >= inner.told_until {
            self.refresh(inner, now);
        }
    }

    /// Finds what has changed by `now`, and tells it to whoever follows.
    fn refresh(&self, inner: &mut Inner, now: BootTime) {
        let shown = inner.slots.iter().filter(|(_, s)| !s.drive.is_leaving());
        let stand: BTreeMap<_, _> = shown.map(|(id, s)| (*id, s.timeless(now))).collect();
        let changes = inner.slots.values();
        let changes = changes.map(|s| s.drive.holder().changes_at(now));
        inner.told_until = changes.min().unwrap_or(BootTime::NEVER);
        if stand == inner.told {
            return;
        }
        inner.seq += 1;
        for (id, new) in &stand {
            log_change(inner.told.get(id), new);
        }
        inner.told = stand;
        inner.printed = None;
        if self.changes.receiver_count() > 0 {
            // Whoever listened may have gone meanwhile.
            let _ = self.changes.send(Arc::new(inner.status(EVERYBODY, now)));
        }
    }
}

impl Inner {
    /// What was told, to one who asks at `now`.
    fn status(&self, asker: Asker, now: BootTime) -> Status {
        let shown = |id| self.slots.get(id).is_some_and(|s| s.is_shown_to(asker));
        let claims = self.told.iter().filter(|(id, _)| shown(*id));
        let claims: Vec<_> = claims.map(|(_, told)| timed(told, now)).collect();
        let others = u32::try_from(self.told.len() - claims.len()).unwrap_or(u32::MAX);
        status_of(self.server.clone(), self.seq, claims, others, now)
    }
}

/// Sees all claims: the sidecar itself.
const EVERYBODY: Asker = Asker {
    owner: None,
    all: true,
};

/// What was told, with the time that is left at `now`.
fn timed(told: &ClaimStatus, now: BootTime) -> ClaimStatus {
    let left = |until: u64| until.saturating_sub(now.as_millis());
    ClaimStatus {
        for_ms: told.until_boot_ms.map(left),
        ..told.clone()
    }
}

/// What is compared to find a change: that time passes is none.
pub(crate) fn timeless(claim: &ClaimStatus) -> ClaimStatus {
    ClaimStatus {
        for_ms: None,
        ..claim.clone()
    }
}

impl Slot {
    fn is_shown_to(&self, asker: Asker) -> bool {
        self.about.kind == ClaimKind::Pod || asker.sees(self.about.owner)
    }

    fn save(&mut self) {
        let saved = self.store.save(&self.about, self.drive.saved());
        self.drive.was_saved(saved.is_ok());
        if let Err(e) = saved {
            tracing::error!(claim = %self.about.name, error = %e, "a crash of the sidecar now would lose the lease");
        }
    }

    fn timeless(&self, now: BootTime) -> ClaimStatus {
        let status = self.drive.holder().status(now);
        let ended = matches!(status.state, HoldState::Refused | HoldState::Lost);
        ClaimStatus {
            name: self.about.name.clone(),
            kind: self.about.kind,
            problem: self.problem.clone().filter(|_| ended),
            for_ms: None,
            ..status
        }
    }
}

#[cfg(test)]
mod tests;
