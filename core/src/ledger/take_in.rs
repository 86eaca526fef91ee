//! Taking in: the leases of earlier runs that their holders show, with their ids and from the pools they had (promise 3).

use super::Ledger;
use super::capacity::Plan;
use super::claim::Claim;
use super::entry::State;
use crate::license::LeaseToken;
use crate::mutant::{self, Mutant};
use crate::names::LeaseId;
use crate::time::{BootTime, margin};
use std::time::Duration;

/// An earlier lease that the holder showed.
#[derive(Clone, Debug)]
pub struct HeldLease {
    /// Its token.
    pub token: LeaseToken,
    /// Whether it may still be in force at the holder ([`LeaseToken::unexpired`]).
    pub unexpired: bool,
    /// The holder's renewal counter.
    pub counter: u64,
    /// How long ago it was given, if that is known.
    pub age: Option<Duration>,
}

impl HeldLease {
    /// When it was given, at the latest.
    fn given(&self, now: BootTime) -> BootTime {
        now - self.age.unwrap_or_default()
    }
}

impl Ledger {
    /// Whether a claim shows an unexpired lease of an earlier run that can be taken in, within the seats (promise 3); from
    /// where its seats come. One that ended in this run is not taken in again, whatever its token says.
    pub(super) fn shows_lease<'a>(&self, c: &'a Claim) -> Option<(&'a HeldLease, Plan)> {
        let held = c.held.as_ref().filter(|h| {
            (h.unexpired || mutant::on(Mutant::ExpiredTakenIn))
                && (h.token.cnf == c.secret_hash || mutant::on(Mutant::TakenInWithoutSecret))
                && h.token.claim == c.name
        })?;
        let items = held.token.items.iter().map(|i| (&i.product, i.seats));
        let same = items.eq(c.items.iter().map(|i| (&i.product, i.seats)));
        let own = held.token.instance == self.settings.instance;
        let ended = self.ended_ids.get(&held.token.lease) == Some(&true);
        if !same || ((own || ended) && !mutant::on(Mutant::TakenInTwice)) {
            return None;
        }
        let plan = self
            .capacity
            .plan_as_before(&c.items, &c.holder, &held.token.draws)?;
        Some((held, plan))
    }

    /// Takes the lease in that a claim shows, with its id.
    pub(super) fn take_in(&mut self, c: &Claim, now: BootTime) -> Option<LeaseId> {
        let (held, plan) = self.shows_lease(c)?;
        let id = held.token.lease;
        if self.entries.contains_key(&id) {
            return None;
        }
        // Its holder goes by the earlier run's word until it has heard this one's, and that may be a longer lease.
        let (d, run) = (held.token.lease_for, &self.settings);
        let longer = (d > run.lease_for).then(|| held.given(now) + d + margin(d));
        let (drawn, overdraft) = self.capacity.book(id, plan);
        let state = State::Held {
            drawn,
            overdraft,
            silent: false,
        };
        self.insert(id, c, state, now);
        if let (Some(t), Some(e)) = (longer, self.entries.get_mut(&id)) {
            e.not_before = t;
        }
        Some(id)
    }
}
