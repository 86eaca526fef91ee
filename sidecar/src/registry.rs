//! The claims as they stand. What was told of them is kept, and holds until one changes or a limit
//! passes; that is looked at whenever somebody asks, so it shows without anyone waking up. Changes
//! go out numbered, each once.
//!
//! A claim that is being given back because the application asked for it is not shown any more, and
//! its name is free.
//!
//! A claim has a line at each license server; what these are to each other is `core`'s rule
//! ([`parts`]), applied here after each thing that happens to one of them.

use crate::printed::Printed;
use crate::report::{Refusal, log_change, refusal, status_of};
use crate::store::{About, Store};
use crate::users::{Asker, Owner};
use bytes::Bytes;
use mooring_core::holder::drive::{Do, Drive, others};
use mooring_core::holder::{Answer, Random, Request, Saved, Tag, parts};
use mooring_core::names::ProductName;
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
    /// The license servers, in the order of each claim's lines.
    servers: Vec<String>,
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
    /// One at each license server.
    lines: Vec<Line>,
    /// Which part of the claim each of them is.
    parts: Vec<usize>,
    /// A hold whose connection is there.
    followed: bool,
}

#[derive(Debug)]
struct Line {
    drive: Drive,
    /// The server's refusal, whole, as long as it stands.
    problem: Option<Problem>,
    wake: Arc<Notify>,
    /// It was given back for good.
    ended: bool,
}

/// Which claim on the registry; never used again for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ClaimId(u64);

/// Which of a claim's lines: the number of its license server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineId {
    pub(crate) claim: ClaimId,
    pub(crate) server: usize,
}

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
    pub(crate) fn new(servers: Vec<String>) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::new(Inner {
                servers,
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

    /// Puts a claim on the registry, with its line at each server. What is given with it wakes each
    /// line's task.
    pub(crate) fn add(
        &self,
        about: About,
        store: Store,
        drives: Vec<Drive>,
        now: BootTime,
    ) -> (ClaimId, Vec<Arc<Notify>>) {
        let mut inner = self.lock();
        let id = ClaimId(inner.next);
        inner.next += 1;
        let line = |drive| Line {
            drive,
            problem: None,
            wake: Arc::new(Notify::new()),
            ended: false,
        };
        let lines: Vec<Line> = drives.into_iter().map(line).collect();
        let wakes = lines.iter().map(|l| l.wake.clone()).collect();
        let slot = Slot {
            parts: about.parts(lines.len()),
            about,
            store,
            lines,
            followed: false,
        };
        inner.slots.insert(id, slot);
        inner.settle(id, now);
        self.refresh(&mut inner, now);
        (id, wakes)
    }

    /// What a line's task does next; `None` once the line is gone.
    pub(crate) fn next(&self, id: LineId, now: BootTime, random: &mut dyn Random) -> Option<Do> {
        let mut inner = self.lock();
        inner.settle(id.claim, now);
        let mut todo = inner.line(id).map(|l| l.drive.next(now, random));
        if let Some(Do::Send { request, .. }) = &mut todo
            && let Request::Claim { body, .. } = request
            && let Some(slot) = inner.slots.get(&id.claim)
        {
            let own = slot.about.name_at_server();
            let there = inner.slots.values().filter_map(|s| s.lines.get(id.server));
            body.others = others(there.map(|l| &l.drive), &own);
        }
        // Time may have changed it.
        inner.settle(id.claim, now);
        self.refresh(&mut inner, now);
        todo
    }

    /// Hands an answer to a line, and keeps the refusal that is in it.
    pub(crate) fn landed(
        &self,
        id: LineId,
        now: BootTime,
        tag: Tag,
        answer: Answer,
        random: &mut dyn Random,
    ) {
        let mut inner = self.lock();
        if let Some(line) = inner.line(id) {
            match refusal(&answer) {
                Refusal::NotSaid => {}
                Refusal::Lifted => line.problem = None,
                Refusal::Stands(p) => line.problem = Some(p.clone()),
            }
            line.drive.landed(now, tag, answer, random);
            // Saved before anybody is told.
            let unsaved = line.drive.is_unsaved();
            if !inner.settle(id.claim, now) && unsaved {
                inner.save(id.claim);
            }
        }
        self.refresh(&mut inner, now);
    }

    pub(crate) fn save(&self, id: ClaimId) {
        self.lock().save(id);
    }

    /// Begins to give a line back since the sidecar ends.
    pub(crate) fn stop(&self, id: LineId, now: BootTime) {
        let mut inner = self.lock();
        let stops = inner.line(id).is_some_and(|l| l.drive.stop(now));
        inner.changed(id, stops);
        self.refresh(&mut inner, now);
    }

    /// Begins to give a claim back, at the application's wish: it is shown no more.
    pub(crate) fn leave(&self, id: ClaimId, now: BootTime) {
        let mut inner = self.lock();
        for server in 0..inner.servers.len() {
            let id = LineId { claim: id, server };
            let leaves = inner.line(id).is_some_and(|l| l.drive.leave(now));
            inner.changed(id, leaves);
        }
        self.refresh(&mut inner, now);
    }

    pub(crate) fn begin_again(
        &self,
        id: LineId,
        saved: Option<Saved>,
        now: BootTime,
        random: &mut dyn Random,
    ) {
        let mut inner = self.lock();
        let line = inner.line(id);
        let save = line.is_some_and(|l| l.drive.begin_again(saved, now, random));
        inner.changed(id, save);
        self.refresh(&mut inner, now);
    }

    /// A line was given back for good; with the last one the claim is over, and forgotten.
    pub(crate) fn ended(&self, id: LineId) {
        let mut inner = self.lock();
        if let Some(line) = inner.line(id) {
            line.ended = true;
        }
        let Some(slot) = inner.slots.get(&id.claim) else {
            return;
        };
        if slot.lines.iter().all(|l| l.ended) {
            slot.store.forget();
        } else {
            inner.save(id.claim);
        }
    }

    /// A line's task has ended: the claim goes with its last.
    pub(crate) fn remove(&self, id: LineId, now: BootTime) {
        let mut inner = self.lock();
        if let Some(line) = inner.line(id) {
            line.ended = true;
        }
        let slot = inner.slots.get(&id.claim);
        if slot.is_some_and(|s| s.lines.iter().any(|l| !l.ended)) {
            return;
        }
        inner.slots.remove(&id.claim);
        self.refresh(&mut inner, now);
        drop(inner);
        self.removals.send_replace(());
    }

    /// Whether it is being given back at the application's wish; also if it is gone.
    pub(crate) fn is_leaving(&self, id: ClaimId) -> bool {
        let inner = self.lock();
        inner.slots.get(&id).is_none_or(Slot::is_leaving)
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
        let lost = |s: &Slot| s.about.kind == ClaimKind::Hold && !s.followed && !s.is_leaving();
        let found = inner.slots.iter().filter(|(_, s)| lost(s));
        found.map(|(id, _)| *id).collect()
    }

    /// Of all users; of one alone with `only`.
    pub(crate) fn count(&self, only: Option<Owner>) -> Count {
        let inner = self.lock();
        let all = inner.slots.values();
        let run_time = all.filter(|s| s.about.kind != ClaimKind::Pod);
        let run_time = run_time.filter(|s| only.is_none_or(|o| s.about.owner == o));
        let (leaving, live): (Vec<_>, Vec<_>) = run_time.partition(|s| s.is_leaving());
        Count {
            live: live.len(),
            leaving: leaving.len(),
        }
    }

    /// A claim by its name: the asker's own or the pod's, or another's that the asker may see.
    pub(crate) fn find(&self, name: &str, asker: Asker, now: BootTime) -> Option<Found> {
        let inner = self.lock();
        let shown = |s: &Slot| !s.is_leaving() && s.is_shown_to(asker);
        let named = inner.slots.iter();
        let named = named.filter(|(_, s)| shown(s) && s.about.name.as_str() == name);
        let (id, slot) = named.min_by_key(|(_, s)| s.about.owner != asker.owner)?;
        Some(Found {
            id: *id,
            owner: slot.about.owner,
            bind: slot.about.bind,
            kind: slot.about.kind,
            items: slot.about.items_of(0).to_vec(),
            state: slot.timeless(&inner.servers, now)?.state,
        })
    }

    /// The first of the pod's own claims.
    pub(crate) fn pod(&self) -> Option<ClaimId> {
        let inner = self.lock();
        let mut slots = inner.slots.iter();
        slots.find_map(|(id, s)| (s.about.kind == ClaimKind::Pod).then_some(*id))
    }

    /// Reads the line by which a claim is licensed: where it has several parts that of a product,
    /// else the first. It is told the number of its server. `None`: it is licensed by none.
    pub(crate) fn licensing<T>(
        &self,
        id: ClaimId,
        product: Option<&ProductName>,
        now: BootTime,
        f: impl FnOnce(usize, &Drive) -> T,
    ) -> Option<T> {
        let inner = self.lock();
        let slot = inner.slots.get(&id)?;
        slot.timeless(&inner.servers, now).filter(|s| s.licensed)?;
        let has = |l: &Line| {
            let mut items = l.drive.items().iter();
            product.is_none_or(|p| items.any(|i| i.product == *p))
        };
        let chosen = |l: &Line| slot.lines.len() == 1 || l.drive.saved().is_chosen();
        let mut lines = slot.lines.iter().enumerate().filter(|(_, l)| chosen(l));
        // The answer to who asks for another product is a token without that.
        let first = lines.clone().next();
        let (server, line) = lines.find(|(_, l)| has(l)).or(first)?;
        Some(f(server, &line.drive))
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
        let shown = inner.slots.iter().filter(|(_, s)| !s.is_leaving());
        let stand = shown.filter_map(|(id, s)| Some((*id, s.timeless(&inner.servers, now)?)));
        let stand: BTreeMap<_, _> = stand.collect();
        let lines = inner.slots.values().flat_map(|s| &s.lines);
        let changes = lines.map(|l| l.drive.holder().changes_at(now));
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
    fn line(&mut self, id: LineId) -> Option<&mut Line> {
        self.slots.get_mut(&id.claim)?.lines.get_mut(id.server)
    }

    /// Something has been done to a line from outside.
    fn changed(&mut self, id: LineId, save: bool) {
        if save {
            self.save(id.claim);
        }
        if let Some(line) = self.line(id) {
            line.wake.notify_one();
        }
    }

    /// What a claim's lines are to each other now; whether it was saved for that.
    fn settle(&mut self, id: ClaimId, now: BootTime) -> bool {
        let Some(slot) = self.slots.get_mut(&id) else {
            return false;
        };
        if slot.lines.len() < 2 {
            return false;
        }
        let drives = slot.lines.iter_mut().map(|l| &mut l.drive);
        let mut by_part = grouped(drives, &slot.parts);
        let changed = parts::settle(&mut by_part, now);
        let wakes = grouped(slot.lines.iter().map(|l| &l.wake), &slot.parts);
        for (wake, changed) in wakes.iter().flatten().zip(changed.iter().flatten()) {
            if changed.wake {
                wake.notify_one();
            }
        }
        let save = changed.iter().flatten().any(|c| c.save);
        if save {
            self.save(id);
        }
        save
    }

    fn save(&mut self, id: ClaimId) {
        let Some(slot) = self.slots.get_mut(&id) else {
            return;
        };
        let lines = self.servers.iter().zip(&slot.lines);
        let lines = lines.filter(|(_, l)| !l.ended);
        let lines = lines.map(|(server, l)| (server.as_str(), l.drive.saved()));
        let saved = slot.store.save(&slot.about, lines);
        for line in &mut slot.lines {
            line.drive.was_saved(saved.is_ok());
        }
        if let Err(e) = saved {
            tracing::error!(claim = %slot.about.name, error = %e, "a crash of the sidecar now would lose the lease");
        }
    }

    /// What was told, to one who asks at `now`.
    fn status(&self, asker: Asker, now: BootTime) -> Status {
        let shown = |id| self.slots.get(id).is_some_and(|s| s.is_shown_to(asker));
        let claims = self.told.iter().filter(|(id, _)| shown(*id));
        let claims: Vec<_> = claims.map(|(_, told)| timed(told, now)).collect();
        let others = u32::try_from(self.told.len() - claims.len()).unwrap_or(u32::MAX);
        status_of(self.servers.join(","), self.seq, claims, others, now)
    }
}

/// Sees all claims: the sidecar itself.
const EVERYBODY: Asker = Asker {
    owner: None,
    all: true,
};

/// What lines have, by the part that each is.
fn grouped<T>(lines: impl Iterator<Item = T>, parts: &[usize]) -> Vec<Vec<T>> {
    let mut all: Vec<Vec<T>> = Vec::new();
    for (line, part) in lines.zip(parts) {
        while all.len() <= *part {
            all.push(Vec::new());
        }
        if let Some(of_part) = all.get_mut(*part) {
            of_part.push(line);
        }
    }
    all
}

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

    /// Whether it is being given back at the application's wish.
    fn is_leaving(&self) -> bool {
        self.lines.iter().any(|l| l.drive.is_leaving())
    }

    /// How it stands, and the number of the server whose line speaks for it.
    fn stands(&self, now: BootTime) -> Option<(usize, ClaimStatus)> {
        // Mostly there is one server, and this is looked at with each request.
        if let [line] = &*self.lines {
            return Some((0, line.drive.holder().status(now)));
        }
        let drives = grouped(self.lines.iter().map(|l| &l.drive), &self.parts);
        let speaks = parts::speaker(&drives, now)?;
        let mut lines = self.lines.iter();
        let server = lines.position(|l| std::ptr::eq(&raw const l.drive, speaks))?;
        Some((server, parts::status(&drives, now)?))
    }

    fn timeless(&self, servers: &[String], now: BootTime) -> Option<ClaimStatus> {
        let (server, status) = self.stands(now)?;
        let problem = self.lines.get(server)?.problem.clone();
        let ended = matches!(status.state, HoldState::Refused | HoldState::Lost);
        let several = servers.len() > 1;
        Some(ClaimStatus {
            name: self.about.name.clone(),
            kind: self.about.kind,
            server: servers.get(server).filter(|_| several).cloned(),
            problem: problem.filter(|_| ended),
            for_ms: None,
            ..status
        })
    }
}

#[cfg(test)]
mod tests;
