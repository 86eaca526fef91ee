//! The one place where a claim changes its state: the queue's index, the counts, its deadline and
//! the event follow.

use super::entry::{Entry, State, Wait};
use super::refusal::Refusal;
use super::state::{Ended, Ledger};
use super::types::{Claim, Event, Part};
use crate::mutant::{self, Mutant};
use crate::names::LeaseId;
use crate::time::BootTime;
use crate::wire::{EndReason, LeaseView, ViewState};
use std::time::Duration;

/// How long an ended claim's secret and id are remembered, so that a late duplicate brings nothing
/// back (promise 6).
const REMEMBERED: Duration = Duration::from_secs(3600);

/// How many ended claims are remembered at most.
const MAX_REMEMBERED: usize = 200_000;

impl Ledger {
    pub(super) fn insert(&mut self, id: LeaseId, c: &Claim, state: State, now: BootTime) {
        let e = Entry {
            holder: c.holder.clone(),
            name: c.name.clone(),
            items: self.capacity.spelled(&c.items),
            claims: c.claims,
            secret_hash: c.secret_hash,
            bind: c.bind,
            questions: BootTime::default(),
            // Replaced at once below, which books deadline and event.
            state: State::Refused(Box::new(Refusal::Ended)),
            since: now,
            last: now,
            due: BootTime::NEVER,
            counter: c.highest(),
            request: c.counter.map(|_| c.request_id),
            not_before: BootTime::default(),
            told: None,
            called_back: None,
            stranded: None,
            taken_back: false,
        };
        let of_holder = self.by_holder.entry(c.holder.key()).or_default();
        of_holder.push((c.name.clone(), id));
        if let Some(ns) = c.holder.namespace() {
            *self.per_namespace.entry(ns.to_owned()).or_default() += 1;
        }
        self.entries.insert(id, e);
        self.set_state(id, state, now);
    }

    /// Puts an entry into a state: the queue's index, its deadline and the event follow.
    pub(super) fn set_state(&mut self, id: LeaseId, state: State, now: BootTime) {
        self.change_state(id, state, true, now);
    }

    /// The same; without `news` nobody is told.
    pub(super) fn change_state(&mut self, id: LeaseId, state: State, news: bool, now: BootTime) {
        let Some(e) = self.entries.get_mut(&id) else {
            return;
        };
        self.tally.leave(e);
        if let State::Queued(place) = &e.state {
            self.queue.leave(place.rank, place.group);
        }
        if let State::Queued(place) = &state {
            self.queue.enter(place.rank, place.group);
        }
        e.state = state;
        if news {
            e.since = now;
        }
        self.tally.enter(e);
        self.book_deadline(id);
        if news {
            self.tell(id, now);
        }
    }

    /// The one place where a granted entry's silence is noted.
    pub(super) fn set_silent(&mut self, id: LeaseId, now_silent: bool, now: BootTime) {
        let Some(e) = self.entries.get_mut(&id) else {
            return;
        };
        self.tally.leave(e);
        if let State::Held { silent, .. } = &mut e.state {
            *silent = now_silent;
            e.since = now;
        }
        self.tally.enter(e);
    }

    /// Ends a claim: its seats are free, its place is gone, its late messages change nothing from
    /// here on.
    pub(super) fn end(&mut self, id: LeaseId, how: EndReason, now: BootTime) {
        let Some(e) = self.remove(id) else { return };
        if let State::Held { drawn, .. } = &e.state {
            self.capacity.give_back(id, drawn);
        }
        if !matches!(e.state, State::Refused(_)) {
            self.remember(id, &e, how == EndReason::Released, now);
        }
        let view = Self::ended_view(id, &e, how);
        self.emit(view, Default::default());
    }

    /// Drops a refusal or a place without remembering it: its holder asks again, and stands
    /// otherwise in the same step.
    pub(super) fn forget(&mut self, id: LeaseId) {
        if let Some(e) = self.remove(id) {
            let view = Self::ended_view(id, &e, EndReason::AskedAgain);
            self.emit(view, Default::default());
        }
    }

    fn remove(&mut self, id: LeaseId) -> Option<Entry> {
        let e = self.entries.remove(&id)?;
        self.stranded.remove(&id);
        self.deadlines.remove(&(e.due, id));
        self.tally.leave(&e);
        if let State::Queued(place) = &e.state {
            self.queue.leave(place.rank, place.group);
        }
        let key = e.holder.key();
        if let Some(v) = self.by_holder.get_mut(&key) {
            v.retain(|(_, i)| *i != id);
            if v.is_empty() {
                self.by_holder.remove(&key);
            }
        }
        if let Some(ns) = e.holder.namespace()
            && let Some(n) = self.per_namespace.get_mut(ns)
        {
            *n = n.saturating_sub(1);
            if *n == 0 {
                self.per_namespace.remove(ns);
            }
        }
        Some(e)
    }

    fn remember(&mut self, id: LeaseId, e: &Entry, released: bool, now: BootTime) {
        if self.ended_order.len() >= MAX_REMEMBERED {
            self.forget_oldest();
        }
        let counter = e.counter;
        self.ended
            .insert(e.secret_hash, Ended { released, counter });
        let over = released || matches!(e.state, State::Held { .. });
        self.ended_ids.insert(id, over);
        self.ended_order
            .push_back((now + REMEMBERED, e.secret_hash, id));
    }

    pub(super) fn forget_oldest(&mut self) {
        if let Some((_, hash, id)) = self.ended_order.pop_front() {
            self.ended.remove(&hash);
            self.ended_ids.remove(&id);
        }
    }

    /// Tells others how an entry stands now.
    pub(super) fn tell(&mut self, id: LeaseId, now: BootTime) {
        let Some(e) = self.entries.get(&id) else {
            return;
        };
        let view = self.view(id, e, now);
        let seats = match &e.state {
            State::Held {
                drawn, overdraft, ..
            } => (self.capacity.parts(&e.items, drawn), *overdraft),
            _ => Default::default(),
        };
        let told = Wait::told(&view);
        if let Some(e) = self.entries.get_mut(&id) {
            e.told = told;
        }
        self.emit(view, seats);
    }

    fn emit(&mut self, view: LeaseView, (parts, overdraft): (Vec<Part>, u32)) {
        if view.state == ViewState::Silent && mutant::on(Mutant::SilenceUntold) {
            return;
        }
        self.seq += 1;
        let seq = self.seq;
        self.events.push_back(Event {
            seq,
            view,
            parts,
            overdraft,
        });
    }
}
