//! The one place where a claim changes its state: the queue's index, the counts, its deadline and
//! the event follow.

use super::ended::Ended;
use super::entry::{Entry, State, Wait};
use super::state::Ledger;
use super::types::{Claim, Event, Part};
use super::views::waiting;
use super::wish::WishRef;
use crate::mutant::{self, Mutant};
use crate::names::LeaseId;
use crate::time::{BootTime, whole_millis};
use crate::wire::{EndReason, LeaseView, ViewState};
use std::time::Duration;

impl Ledger {
    /// A new claim. One that waits is told of, and has its deadline, when the step is over
    /// ([`arrived`](Self::arrived)): mostly it is granted by then.
    pub(super) fn insert(&mut self, id: LeaseId, c: &Claim, state: State, now: BootTime) {
        self.insert_as(id, c, (state, |_| ()), now);
    }

    /// The same of one of which more is known.
    pub(super) fn insert_as(
        &mut self,
        id: LeaseId,
        c: &Claim,
        (state, also): (State, impl FnOnce(&mut Entry)),
        now: BootTime,
    ) {
        let waits = matches!(state, State::Queued(_));
        let wish = WishRef {
            name: &c.name,
            items: &self.capacity.spelled(&c.items),
            claims: c.claims,
            project: c.project.as_ref(),
        };
        let kept = (self.places.keep(&c.holder), wish.one(&mut self.wishes));
        let mut e = Entry::new((id, state), c, kept);
        (e.since, e.last) = (now, now);
        also(&mut e);
        self.knows_of_handovers(&mut e, c, now);
        if let Some(ns) = c.holder.namespace() {
            match self.per_namespace.get_mut(ns) {
                Some(n) => *n += 1,
                None => drop(self.per_namespace.insert(ns.to_owned(), 1)),
            }
        }
        self.quotas.count(&e.who, true);
        self.tally.enter(&e);
        if let State::Queued(place) = &e.state {
            self.queue.enter(place);
            let keys = self.capacity.share_keys(e.items(), e.asks());
            self.sharers.enter(place.rank, keys);
        }
        let at = self.entries.insert(e);
        if !waits {
            self.book_deadline(at);
            self.tell(id, now);
        }
    }

    /// The step is over in which a claim came: if it waits, that is told now.
    pub(super) fn arrived(&mut self, id: LeaseId, now: BootTime) {
        let Some(at) = self.entries.find(&id) else {
            return;
        };
        if self
            .entries
            .at(at)
            .is_some_and(|e| e.due == BootTime::NEVER)
        {
            self.book_deadline(at);
        }
        self.tell_news(id, now);
    }

    /// Puts an entry into a state: the queue's index, its deadline and the event follow.
    pub(super) fn set_state(&mut self, id: LeaseId, state: State, now: BootTime) {
        self.change_state(id, state, true, now);
    }

    /// The same; without `news` nobody is told.
    pub(super) fn change_state(&mut self, id: LeaseId, state: State, news: bool, now: BootTime) {
        let Some(at) = self.entries.find(&id) else {
            return;
        };
        let Some(e) = self.entries.at_mut(at) else {
            return;
        };
        self.tally.leave(e);
        let before = std::mem::replace(&mut e.state, state);
        if let State::Queued(place) = &before {
            self.queue.leave(place);
            self.sharers.leave(place.rank);
            if !matches!(e.state, State::Queued(_)) {
                self.recalls.lift(id);
                self.passers.waits_no_more(id, now);
            }
        }
        if let State::Queued(place) = &e.state {
            self.queue.enter(place);
            let keys = self.capacity.share_keys(e.items(), e.asks());
            self.sharers.enter(place.rank, keys);
        }
        if news {
            e.since = now;
        }
        self.tally.enter(e);
        self.book_deadline(at);
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
        let heir = self.heir_of(id);
        let Some(e) = self.remove(id, now) else {
            return;
        };
        self.gives_back(&e, heir, now);
        let over = how == EndReason::Released || matches!(e.state, State::Held { .. });
        if !matches!(e.state, State::Refused(_)) {
            let ended = Ended {
                id,
                secret_hash: e.secret_hash,
                counter: e.counter,
                released: how == EndReason::Released,
                over,
            };
            self.past.remember(ended, now);
        }
        let view = Self::ended_view(&e, how);
        self.emit(view, Default::default());
    }

    /// Drops a refusal or a place without remembering it: its holder asks again, and stands
    /// otherwise in the same step.
    pub(super) fn forget(&mut self, id: LeaseId, now: BootTime) {
        if let Some(e) = self.remove(id, now) {
            let view = Self::ended_view(&e, EndReason::AskedAgain);
            self.emit(view, Default::default());
        }
    }

    fn remove(&mut self, id: LeaseId, now: BootTime) -> Option<Entry> {
        let (at, e) = self.entries.remove(&id)?;
        if e.stranded().is_some() {
            self.stranded.remove(&id);
        }
        self.cancel_deadline(at, (e.due, e.spot));
        self.tally.leave(&e);
        if let State::Queued(place) = &e.state {
            self.queue.leave(place);
            self.sharers.leave(place.rank);
            self.recalls.lift(id);
            self.passers.waits_no_more(id, now);
        } else {
            self.recalls.ended(id);
            self.passers.ended(id, now);
        }
        self.quotas.count(&e.who, false);
        if let Some(ns) = e.who.namespace()
            && let Some(n) = self.per_namespace.get_mut(ns)
        {
            *n = n.saturating_sub(1);
            if *n == 0 {
                self.per_namespace.remove(ns);
            }
        }
        Some(e)
    }

    /// Tells others of a claim that waits for no longer than this step.
    pub(super) fn tell_arrival(
        &mut self,
        id: LeaseId,
        c: &Claim,
        runs_until: Option<BootTime>,
        now: BootTime,
    ) {
        let (claim, holder) = (c.name.clone(), c.holder.clone());
        let items = self.capacity.spelled(&c.items).into_owned();
        let state = waiting(runs_until);
        let view = LeaseView {
            project: c.project.clone(),
            runs_for_ms: runs_until.map(|t| whole_millis(now.until(t))),
            ..LeaseView::new(id, claim, holder, items, state, Duration::ZERO)
        };
        self.emit(view, Default::default());
    }

    /// Tells others how an entry stands now.
    pub(super) fn tell(&mut self, id: LeaseId, now: BootTime) {
        let wait = self.entries.get(&id).and_then(|e| self.wait_of(e));
        self.tell_wait(id, wait, now);
    }

    /// The same of a claim that waits so.
    pub(super) fn tell_wait(&mut self, id: LeaseId, wait: Option<Wait>, now: BootTime) {
        let Some(e) = self.entries.get_mut(&id) else {
            return;
        };
        e.told = wait.clone().map(Box::new);
        let Some(e) = self.entries.get(&id) else {
            return;
        };
        let view = self.view(e, wait, now);
        let seats = match &e.state {
            State::Held {
                drawn, overdraft, ..
            } => (self.capacity.parts(id, e.items(), drawn), *overdraft),
            _ => Default::default(),
        };
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
