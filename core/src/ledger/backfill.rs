//! Claims that were granted past others which did not fit (`Backfill`): from when on those are
//! passed no more, and what it won and cost.
//!
//! A claim is passed for as long as the policy's patience, counted from the first claim that was
//! granted past it; then free seats gather for it as everywhere else. Its ticket says how long that
//! has been, so that a restart forgets nothing. So it waits at most for that time longer than it
//! would without: from then on only who ranks higher is granted before it.

use super::entry::State;
use super::passers::Backfilled;
use super::pool::Draws;
use super::queue::{Next, Queued};
use super::state::Ledger;
use crate::mutant::{self, Mutant};
use crate::names::LeaseId;
use crate::time::BootTime;
use std::time::Duration;

/// Whom a claim that does not fit lets pass.
pub(super) enum Yields {
    Never,
    ToAll,
    /// Whose turn is before this: somebody behind it has been passed for long enough.
    Before(Next),
}

impl Ledger {
    /// What passing won and cost since the run began.
    pub fn backfilled(&self) -> Backfilled {
        self.passers.sum()
    }

    /// A claim is granted past the first of these groups, and past all there that stand before it.
    pub(super) fn passes(&mut self, (by, draws): (&Next, Draws), groups: &[usize], now: BootTime) {
        let firsts = groups.iter().filter_map(|g| self.queue.first_of(*g));
        let Some(head) = firsts.min() else { return };
        self.passers.note(head.id, (by.rank.id, draws), now);
        for g in groups {
            for id in self.queue.newly_passed(*g, by, &self.capacity.rights) {
                let e = self.entries.get_mut(&id);
                if let Some(State::Queued(place)) = e.map(|e| &mut e.state) {
                    let before = place.passed.filter(|_| !mutant::on(Mutant::PassedAnew));
                    let since = before.unwrap_or(now);
                    self.queue.is_passed(place, since);
                    place.passed = Some(since);
                }
            }
        }
    }

    /// Whether claims that fit are granted past the first of a group, where that is patient for so
    /// long; and from whose turn on they are not, if somebody behind it there has been passed for
    /// longer than it.
    pub(super) fn yields(&self, first: &Next, patience: Option<Duration>, now: BootTime) -> Yields {
        let (Some(patience), Some(place)) = (patience, self.place_of(first.rank.id)) else {
            return Yields::Never;
        };
        if mutant::on(Mutant::PassedForEver) {
            return Yields::ToAll;
        }
        let over = |t: BootTime| now.since(t) >= patience;
        if place.passed.is_some_and(over) {
            return Yields::Never;
        }
        // None, mostly: who came first has been passed for longest.
        let longer = self.queue.passed(first.group).take_while(|(t, _)| over(*t));
        let ranks = longer.filter_map(|(_, id)| Some(self.place_of(id)?.rank));
        let turn = |rank| self.queue.turn_of(first.group, rank, &self.capacity.rights);
        let from = ranks.min().and_then(turn);
        from.map_or(Yields::ToAll, Yields::Before)
    }

    fn place_of(&self, id: LeaseId) -> Option<&Queued> {
        match self.state_of(id)? {
            State::Queued(place) => Some(place),
            _ => None,
        }
    }

    /// The first of a group does not fit: notes whether that is for who was granted past it.
    pub(super) fn look_at_passers(&mut self, head: LeaseId, now: BootTime) {
        let Some(theirs) = self.passers.theirs(head) else {
            return;
        };
        let Some(e) = self.entries.get(&head) else {
            return;
        };
        let of = |p: usize| theirs.iter().filter(|(q, _)| *q == p).map(|(_, n)| n).sum();
        let there = |p: usize| self.capacity.free(p).saturating_add(of(p));
        if self.capacity.plan(e.items(), e.asks(), &there).is_some() {
            self.passers.delay(head, now);
        }
    }
}
