//! What happens when nobody asks: silence, freed seats, dead places.

use super::entry::{Entry, State};
use super::queue::Class;
use super::state::Ledger;
use crate::mutant::{self, Mutant};
use crate::names::LeaseId;
use crate::policy::Reclaim;
use crate::time::BootTime;
use crate::wire::EndReason;
use std::time::Duration;

/// How long a refusal stays visible after the holder last asked; it asks each minute.
const REFUSED: Duration = Duration::from_secs(150);

impl Ledger {
    /// Does what is due by `now`: misses renewals, frees seats, drops dead places, ends settling,
    /// grants to the queue.
    pub fn tick(&mut self, now: BootTime) {
        let mut changed = self.settling.end_if_done(now);
        while let Some((t, id)) = self.deadlines.first().copied().filter(|(t, _)| *t <= now) {
            self.deadlines.remove(&(t, id));
            changed |= self.due(id, now);
        }
        while self.ended_order.front().is_some_and(|(t, _, _)| *t <= now) {
            self.forget_oldest();
        }
        if changed {
            self.grant_queue(now);
        }
    }

    /// A deadline as booked has come. The holder may have been heard since: deadlines are moved
    /// only here, so that a renewal costs no more than writing down its time.
    fn due(&mut self, id: LeaseId, now: BootTime) -> bool {
        let Some(e) = self.entries.get_mut(&id) else {
            return false;
        };
        e.due = BootTime::NEVER;
        let due = self.due_at(id);
        if due > now {
            self.book_deadline(id);
            return false;
        }
        let Some(e) = self.entries.get(&id) else {
            return false;
        };
        match &e.state {
            State::Held { silent, .. } => {
                if !silent && e.stranded.is_none_or(|t| t > now) {
                    self.set_silent(id, true, now);
                    if self.due_at(id) > now {
                        self.book_deadline(id);
                        self.tell(id, now);
                        return false;
                    }
                }
                self.end(id, self.lapsed(id), now);
                true
            }
            State::Queued(place) if now < e.last + self.settings.lease_for => {
                // Its application may not run on: from here it waits like any other.
                let mut place = *place;
                (place.rank.class, place.runs_until) = (Class::Ordinary, None);
                self.set_state(id, State::Queued(place), now);
                self.refuse_if_impossible(id, now);
                true
            }
            State::Queued(_) => {
                self.end(id, EndReason::LeftQueue, now);
                true
            }
            State::Refused(_) => {
                self.end(id, EndReason::Forgotten, now);
                false
            }
        }
    }

    /// How a lease ends whose holder is silent.
    fn lapsed(&self, id: LeaseId) -> EndReason {
        match self.entries.get(&id) {
            Some(e) if self.is_revoked(&e.holder.key()) => EndReason::Revoked,
            Some(e) if e.taken_back => EndReason::Released,
            _ => EndReason::Expired,
        }
    }

    /// When an entry's next deadline is, counted from when it was last heard: of a silent one, when
    /// its seats are free.
    pub(super) fn due_at(&self, id: LeaseId) -> BootTime {
        let Some(e) = self.entries.get(&id) else {
            return BootTime::NEVER;
        };
        let d = self.settings.lease_for;
        let stranded = e.stranded.unwrap_or(BootTime::NEVER);
        match &e.state {
            // Two renewals missed: worth showing to people.
            State::Held { silent: false, .. } if !e.taken_back => {
                (e.last + d * 2 / 3).min(stranded)
            }
            State::Held { .. } => self.free_at(e).min(stranded),
            State::Queued(place) => {
                let ran = place.runs_until.unwrap_or(BootTime::NEVER);
                if mutant::on(Mutant::DeadWaiterGranted) {
                    return ran;
                }
                ran.min(e.last + d)
            }
            State::Refused(_) => e.last + REFUSED,
        }
    }

    /// When the seats of a granted lease are free, if nothing of its holder counts any more.
    pub(super) fn free_at(&self, e: &Entry) -> BootTime {
        let d = self.settings.lease_for;
        let runs = match self.settings.reclaim {
            // Whoever took it back says that nobody needs it: no other proof is asked for.
            _ if e.taken_back => d,
            Reclaim::Any if mutant::on(Mutant::FreedWithoutMargin) => return e.last + d,
            Reclaim::Any => d,
            Reclaim::Confirmed => self.settings.grace.max(d),
        };
        (e.last + runs + self.margin()).max(e.not_before)
    }

    pub(super) fn book_deadline(&mut self, id: LeaseId) {
        let t = self.due_at(id);
        if let Some(e) = self.entries.get_mut(&id) {
            if e.due != BootTime::NEVER {
                self.deadlines.remove(&(e.due, id));
            }
            e.due = t;
            self.deadlines.insert((t, id));
        }
    }

    pub(super) fn heard(&mut self, id: LeaseId, now: BootTime) {
        let Some(e) = self.entries.get_mut(&id) else {
            return;
        };
        e.last = e.last.max(now);
        if let State::Held { silent: true, .. } = e.state {
            self.set_silent(id, false, now);
            self.book_deadline(id);
            self.tell(id, now);
        }
    }
}
