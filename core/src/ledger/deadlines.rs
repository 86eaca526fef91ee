//! What happens when nobody asks: silence, freed seats, dead places.

use super::at::At;
use super::booked::Spot;
use super::entry::{Entry, State};
use super::families::OWNER_SILENCE;
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
        while let Some(at) = self.deadlines.pop(now) {
            changed |= self.due(at, now);
        }
        self.past.forget(now);
        if changed {
            self.grant_queue(now);
        }
    }

    /// A deadline as booked has come. The holder may have been heard since: deadlines are moved
    /// only here, so that a renewal costs no more than writing down its time.
    fn due(&mut self, at: At, now: BootTime) -> bool {
        let Some(e) = self.entries.at_mut(at) else {
            return false;
        };
        e.due = BootTime::NEVER;
        let Some(e) = self.entries.at(at) else {
            return false;
        };
        let id = e.id;
        if self.due_at(e) > now {
            self.book_deadline(at);
            return false;
        }
        match &e.state {
            State::Held { silent, .. } => {
                let over = Self::over(e);
                if !silent && over > now {
                    self.set_silent(id, true, now);
                    let due = self.entries.at(at).map(|e| self.due_at(e));
                    if due.is_some_and(|t| t > now) {
                        self.book_deadline(at);
                        self.tell(id, now);
                        return false;
                    }
                }
                if mutant::on(Mutant::OwnerSilenceFreesPods) {
                    self.ends_pods_of(id, now);
                }
                self.end(id, self.lapsed(id), now);
                true
            }
            State::Queued(place) if now < e.last + self.silence_of(e) => {
                // Its application may not run on: from here it waits like any other.
                let mut place = place.clone();
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
            Some(e) if self.bars(e.who.key()) => EndReason::Revoked,
            Some(e) if e.taken_back => EndReason::Released,
            _ => EndReason::Expired,
        }
    }

    /// For how long its holder may be silent.
    pub(super) fn silence_of(&self, e: &Entry) -> Duration {
        if e.is_owner() {
            OWNER_SILENCE.max(self.settings.lease_for)
        } else {
            self.settings.lease_for
        }
    }

    /// When an entry's next deadline is, counted from when it was last heard: of a silent one, when
    /// its seats are free.
    pub(super) fn due_at(&self, e: &Entry) -> BootTime {
        let d = self.silence_of(e);
        let over = Self::over(e);
        match &e.state {
            // Two renewals missed: worth showing to people.
            State::Held { silent: false, .. } if !e.taken_back => (e.last + d * 2 / 3).min(over),
            State::Held { .. } => self.free_at(e).min(over),
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

    /// When a granted lease ends, whatever its holder asks.
    fn over(e: &Entry) -> BootTime {
        let stranded = e.stranded().unwrap_or(BootTime::NEVER);
        e.loan_ends().min(stranded).min(e.handover_over())
    }

    /// When the seats of a granted lease are free, if nothing of its holder counts any more.
    pub(super) fn free_at(&self, e: &Entry) -> BootTime {
        let d = self.silence_of(e);
        let runs = match self.settings.reclaim {
            // Nobody runs on it.
            _ if e.is_owner() => d,
            // Whoever took it back says that nobody needs it: no other proof is asked for.
            _ if e.taken_back => d,
            Reclaim::Any if mutant::on(Mutant::FreedWithoutMargin) => return e.last + d,
            Reclaim::Any => d,
            Reclaim::Confirmed => self.settings.grace.max(d),
        };
        (e.last + runs + self.margin()).max(e.not_before())
    }

    pub(super) fn book_deadline(&mut self, at: At) {
        let Some(t) = self.entries.at(at).map(|e| self.due_at(e)) else {
            return;
        };
        let Some(e) = self.entries.at_mut(at).filter(|e| e.due != t) else {
            return;
        };
        let before = (std::mem::replace(&mut e.due, t), e.spot);
        if t != BootTime::NEVER {
            e.spot = self.deadlines.book(t, at);
        }
        self.cancel_deadline(at, before);
    }

    /// Nothing is due of a claim at what was booked for it.
    pub(super) fn cancel_deadline(&mut self, at: At, (t, spot): (BootTime, Spot)) {
        if t == BootTime::NEVER {
            return;
        }
        for (at, spot) in self.deadlines.cancel(t, at, spot) {
            if let Some(e) = self.entries.at_mut(at) {
                e.spot = spot;
            }
        }
    }

    pub(super) fn heard(&mut self, id: LeaseId, now: BootTime) {
        let Some(at) = self.entries.find(&id) else {
            return;
        };
        let Some(e) = self.entries.at_mut(at) else {
            return;
        };
        e.last = e.last.max(now);
        if let State::Held { silent: true, .. } = e.state {
            self.set_silent(id, false, now);
            self.book_deadline(at);
            self.tell(id, now);
        }
    }
}
