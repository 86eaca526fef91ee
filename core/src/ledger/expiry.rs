//! What happens when nobody asks: silence, freed seats, dead places; and the one place where states change.

use super::entry::{Entry, State};
use super::line::{Class, Rank};
use super::views::Event;
use super::{Ended, Ledger, MAX_REMEMBERED, REMEMBERED};
use crate::mutant::{self, Mutant};
use crate::names::LeaseId;
use crate::policy::Reclaim;
use crate::time::BootTime;
use std::time::Duration;

/// How long a refusal stays visible after the holder last asked; it asks each minute.
const REFUSED: Duration = Duration::from_secs(150);

impl Ledger {
    /// Does what is due by `now`: misses renewals, frees seats, drops dead places, ends settling, grants to the line.
    pub fn tick(&mut self, now: BootTime) {
        let mut changed = self.settle_if_done(now);
        while let Some((t, id)) = self.deadlines.first().copied().filter(|(t, _)| *t <= now) {
            self.deadlines.remove(&(t, id));
            changed |= self.due(id, now);
        }
        while self.ended_order.front().is_some_and(|(t, _, _)| *t <= now) {
            self.forget_oldest();
        }
        if changed {
            self.grant_line(now);
        }
    }

    /// A deadline as booked has come. The holder may have been heard since: deadlines are moved only here, so that
    /// a renewal costs no more than writing down its time.
    fn due(&mut self, id: LeaseId, now: BootTime) -> bool {
        let Some(e) = self.entries.get_mut(&id) else {
            return false;
        };
        e.due = BootTime::NEVER;
        let due = self.due_at(id);
        if due > now {
            self.book_deadline(id, due);
            return false;
        }
        let Some(e) = self.entries.get(&id) else {
            return false;
        };
        match &e.state {
            State::Held { silent: false, .. } => {
                self.set_silent(id, true, now);
                let next = self.due_at(id);
                if next <= now {
                    self.end(id, self.lapsed(id), now);
                    return true;
                }
                self.book_deadline(id, next);
                self.tell(id, now);
                false
            }
            State::Held { .. } => {
                self.end(id, self.lapsed(id), now);
                true
            }
            State::Line { rank, group, .. } if now < e.last + self.settings.lease_for => {
                // Its application may not run on: from here it waits like any other.
                let (rank, group) = (
                    Rank {
                        class: Class::Ordinary,
                        ..*rank
                    },
                    *group,
                );
                self.set_state(
                    id,
                    State::Line {
                        rank,
                        group,
                        runs_until: None,
                    },
                    now,
                );
                self.refuse_if_impossible(id, now);
                true
            }
            State::Line { .. } => {
                self.end(id, "left the line", now);
                true
            }
            State::Refused(_) => {
                self.end(id, "forgotten", now);
                false
            }
        }
    }

    /// How a lease ends whose holder is silent.
    fn lapsed(&self, id: LeaseId) -> &'static str {
        let revoked = self
            .entries
            .get(&id)
            .is_some_and(|e| self.is_revoked(&e.holder.key()));
        if revoked { "revoked" } else { "expired" }
    }

    /// The one place where a granted entry's silence is noted.
    fn set_silent(&mut self, id: LeaseId, now_silent: bool, now: BootTime) {
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

    /// When an entry's next deadline is, counted from when it was last heard.
    fn due_at(&self, id: LeaseId) -> BootTime {
        let Some(e) = self.entries.get(&id) else {
            return BootTime::NEVER;
        };
        let d = self.settings.lease_for;
        match (&e.state, self.settings.reclaim) {
            // Two renewals missed: worth showing to people.
            (State::Held { silent: false, .. }, _) => e.last + d * 2 / 3,
            (State::Held { .. }, Reclaim::Any) if mutant::on(Mutant::FreedWithoutMargin) => {
                e.last + d
            }
            (State::Held { .. }, Reclaim::Any) => (e.last + d + self.margin()).max(e.not_before),
            (State::Held { .. }, Reclaim::Confirmed) => {
                (e.last + self.settings.grace.max(d) + self.margin()).max(e.not_before)
            }
            (State::Line { runs_until, .. }, _) if mutant::on(Mutant::DeadWaiterGranted) => {
                runs_until.unwrap_or(BootTime::NEVER)
            }
            (State::Line { runs_until, .. }, _) => {
                (e.last + d).min(runs_until.unwrap_or(BootTime::NEVER))
            }
            (State::Refused(_), _) => e.last + REFUSED,
        }
    }

    /// Takes over what a new license demands of a silent holder's seat. Seats that are silent now are judged by it, too.
    pub fn set_reclaim(&mut self, reclaim: Reclaim, now: BootTime) {
        self.tick(now);
        if self.settings.reclaim == reclaim {
            return;
        }
        self.settings.reclaim = reclaim;
        // Deadlines are moved when they come; one that is nearer now would come too late.
        let held = |e: &Entry| matches!(e.state, State::Held { .. });
        let ids: Vec<LeaseId> = self
            .entries
            .iter()
            .filter(|(_, e)| held(e))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.book_deadline(id, self.due_at(id));
        }
        self.tick(now);
    }

    /// When a silent entry's seats are free.
    pub(super) fn frees_at(&self, id: LeaseId) -> BootTime {
        self.due_at(id)
    }

    fn book_deadline(&mut self, id: LeaseId, t: BootTime) {
        if let Some(e) = self.entries.get_mut(&id) {
            if e.due != BootTime::NEVER {
                self.deadlines.remove(&(e.due, id));
            }
            e.due = t;
            self.deadlines.insert((t, id));
        }
    }

    /// Its holder was heard.
    pub(super) fn heard(&mut self, id: LeaseId, now: BootTime) {
        let Some(e) = self.entries.get_mut(&id) else {
            return;
        };
        e.last = e.last.max(now);
        if let State::Held { silent: true, .. } = e.state {
            self.set_silent(id, false, now);
            let due = self.due_at(id);
            self.book_deadline(id, due);
            self.tell(id, now);
        }
    }

    /// Puts an entry into a state: the line's index, its deadline and the event follow.
    pub(super) fn set_state(&mut self, id: LeaseId, state: State, now: BootTime) {
        self.stands(id, state, true, now);
    }

    /// The same; without `news` nobody is told.
    pub(super) fn stands(&mut self, id: LeaseId, state: State, news: bool, now: BootTime) {
        let Some(e) = self.entries.get_mut(&id) else {
            return;
        };
        self.tally.leave(e);
        if let State::Line { rank, group, .. } = e.state {
            self.line.leave(rank, group);
        }
        if let State::Line { rank, group, .. } = state {
            self.line.enter(rank, group);
        }
        e.state = state;
        if news {
            e.since = now;
        }
        self.tally.enter(e);
        let due = self.due_at(id);
        self.book_deadline(id, due);
        if news {
            self.tell(id, now);
        }
    }

    /// Ends a claim: its seats are free, its place is gone, its late messages change nothing from here on.
    pub(super) fn end(&mut self, id: LeaseId, how: &'static str, now: BootTime) {
        let Some(e) = self.remove(id) else { return };
        if let State::Held { drawn, .. } = &e.state {
            self.capacity.give_back(id, drawn);
        }
        if !matches!(e.state, State::Refused(_)) {
            self.remember(id, &e, how == "released", now);
        }
        let view = Self::ended_view(id, &e, how);
        self.emit(view);
    }

    /// Drops a refusal or a place without remembering it: its holder asks again, and stands otherwise in the same step.
    pub(super) fn forget(&mut self, id: LeaseId) {
        if let Some(e) = self.remove(id) {
            let view = Self::ended_view(id, &e, "asked again");
            self.emit(view);
        }
    }

    fn remove(&mut self, id: LeaseId) -> Option<Entry> {
        let e = self.entries.remove(&id)?;
        self.deadlines.remove(&(e.due, id));
        self.tally.leave(&e);
        if let State::Line { rank, group, .. } = e.state {
            self.line.leave(rank, group);
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

    fn forget_oldest(&mut self) {
        if let Some((_, hash, id)) = self.ended_order.pop_front() {
            self.ended.remove(&hash);
            self.ended_ids.remove(&id);
        }
    }

    /// Tells others how an entry stands now.
    pub(super) fn tell(&mut self, id: LeaseId, now: BootTime) {
        if let Some(view) = self.entries.get(&id).map(|e| self.view(id, e, now)) {
            self.emit(view);
        }
    }

    fn emit(&mut self, view: crate::wire::LeaseView) {
        self.seq += 1;
        self.events.push_back(Event {
            seq: self.seq,
            view,
        });
    }
}
