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
use super::queue::Next;
use super::state::Ledger;
use crate::mutant::{self, Mutant};
use crate::names::LeaseId;
use crate::time::BootTime;

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
