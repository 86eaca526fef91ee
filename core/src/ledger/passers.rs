//! Who was granted past whom, and what that won and cost: plain data.

use super::pool::Draws;
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
    pub(super) fn sum(&self) -> Backfilled {
        self.sum
    }

    /// What those have who were granted past a claim that they have not delayed yet.
    pub(super) fn theirs(&self, head: LeaseId) -> Option<Draws> {
        let head = self.by_head.get(&head)?;
        let draws = head.passers.iter().flat_map(|l| l.draws.iter().copied());
        head.delayed.is_none().then(|| draws.collect())
    }

    /// A claim would have its seats from now on, had nobody been granted past it.
    pub(super) fn delay(&mut self, head: LeaseId, now: BootTime) {
        if let Some(head) = self.by_head.get_mut(&head) {
            head.delayed = Some(now);
        }
    }

    /// A lease was granted past a claim.
    pub(super) fn note(&mut self, head: LeaseId, (lease, draws): (LeaseId, Draws), now: BootTime) {
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
