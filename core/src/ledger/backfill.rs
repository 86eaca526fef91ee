//! Claims that were granted past others which did not fit (`Backfill`): from when on those are
//! passed no more, and what it won and cost.
//!
//! A claim is passed for as long as the policy's patience, counted from the first claim that was
//! granted past it; then free seats gather for it as everywhere else. Its ticket says how long that
//! has been, so that a restart forgets nothing. So it waits at most for that time longer than it
//! would without: from then on only who ranks higher is granted before it.

use super::entry::State;
use super::pool::Draws;
use super::queue::Rank;
use super::state::Ledger;
use crate::names::LeaseId;
use crate::time::BootTime;
use std::collections::BTreeMap;
use std::time::Duration;

/// What passing won and cost since the run began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backfilled {
    /// How many claims were granted past another.
    pub grants: u64,
    /// For how long they had seats that would have gathered for those that they passed: seconds
    /// times seats.
    pub seats_won: Duration,
    /// For how long those waited beside seats that would have been theirs.
    pub delayed: Duration,
}

/// Which leases were granted past which claim that waits yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Passers {
    by_head: BTreeMap<LeaseId, Head>,
    head_of: BTreeMap<LeaseId, LeaseId>,
    sum: Backfilled,
}

#[derive(Clone, Debug, Default)]
struct Head {
    passers: Vec<Passer>,
    /// It would have its seats, had none of these been granted past it.
    delayed: Option<BootTime>,
}

#[derive(Clone, Debug)]
struct Passer {
    lease: LeaseId,
    draws: Draws,
    since: BootTime,
}

impl Passer {
    /// What it has had of seats that would have gathered for another.
    fn won(&self, now: BootTime) -> Duration {
        let seats: u32 = self.draws.iter().map(|(_, n)| n).sum();
        now.since(self.since).saturating_mul(seats)
    }
}

impl Passers {
    /// A lease was granted past a claim.
    fn note(&mut self, head: LeaseId, (lease, draws): (LeaseId, Draws), now: BootTime) {
        self.sum.grants += 1;
        self.head_of.insert(lease, head);
        let passers = &mut self.by_head.entry(head).or_default().passers;
        passers.push(Passer {
            lease,
            draws,
            since: now,
        });
    }

    /// A claim waits no more, or is there no more; it may be one that was passed.
    pub(super) fn waits_no_more(&mut self, head: LeaseId, now: BootTime) {
        let Some(head) = self.by_head.remove(&head) else {
            return;
        };
        if let Some(t) = head.delayed {
            self.sum.delayed += now.since(t);
        }
        for p in head.passers {
            self.head_of.remove(&p.lease);
            self.sum.seats_won += p.won(now);
        }
    }

    /// A lease has ended; it may have passed somebody.
    pub(super) fn ended(&mut self, lease: LeaseId, now: BootTime) {
        let head = self.head_of.remove(&lease);
        let Some(head) = head.and_then(|h| self.by_head.get_mut(&h)) else {
            return;
        };
        if let Some(i) = head.passers.iter().position(|p| p.lease == lease) {
            self.sum.seats_won += head.passers.swap_remove(i).won(now);
        }
    }
}

impl Ledger {
    /// What passing won and cost since the run began.
    pub fn backfilled(&self) -> Backfilled {
        self.passers.sum
    }

    /// A claim is granted past the first of these groups, and past all there that rank higher.
    pub(super) fn passes(&mut self, (rank, draws): (Rank, Draws), groups: &[usize], now: BootTime) {
        let firsts = groups.iter().filter_map(|g| self.queue.first_of(*g));
        let Some(head) = firsts.min() else { return };
        self.passers.note(head.id, (rank.id, draws), now);
        for g in groups {
            for id in self.queue.newly_passed(*g, rank) {
                let e = self.entries.get_mut(&id);
                if let Some(State::Queued(place)) = e.map(|e| &mut e.state) {
                    place.passed.get_or_insert(now);
                }
            }
        }
    }

    /// The first of a group does not fit: notes whether that is for who was granted past it.
    pub(super) fn look_at_passers(&mut self, head: LeaseId, now: BootTime) {
        let Some(passed) = self.passers.by_head.get(&head) else {
            return;
        };
        let Some(e) = self.entries.get(&head).filter(|_| passed.delayed.is_none()) else {
            return;
        };
        let theirs = |p: usize| {
            let draws = passed.passers.iter().flat_map(|l| &l.draws);
            draws.filter(|(q, _)| *q == p).map(|(_, n)| n).sum::<u32>()
        };
        let there = |p: usize| self.capacity.free(p).saturating_add(theirs(p));
        if self.capacity.plan(e.items(), e.asks(), &there).is_some()
            && let Some(passed) = self.passers.by_head.get_mut(&head)
        {
            passed.delayed = Some(now);
        }
    }
}
