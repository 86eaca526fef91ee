//! What the books look like from outside: answers, views, numbers.

use super::entry::{Entry, Queued, State};
use super::queue::{Class, GroupAt, OWN};
use super::refusal::Refusal;
use super::state::Ledger;
use super::tally::Gauges;
use super::types::{Claimed, Granted, Place};
use crate::names::LeaseId;
use crate::time::{BootTime, whole_millis};
use crate::wire::{EndReason, LeaseView, PoolView, ProductView, ViewState, WaitReason};
use std::time::Duration;

impl Ledger {
    /// How a claim stands, to answer a request that was held open.
    pub fn status(&self, lease: LeaseId) -> Option<Claimed> {
        self.answer(lease, self.entries.get(&lease)?)
    }

    /// The answer to a claim that is granted or in the queue; `None` for a refused one.
    pub(super) fn answer(&self, id: LeaseId, e: &Entry) -> Option<Claimed> {
        let State::Queued(Queued { rank, .. }) = &e.state else {
            return self.granted(id, e).map(Claimed::Granted);
        };
        let (place, reason) = self.place_of(e)?;
        Some(Claimed::Waiting(Place {
            lease: id,
            claim: e.name.clone(),
            holder: e.holder.clone(),
            items: e.items.clone(),
            place,
            reason,
            generation: if rank.generation == OWN {
                self.settings.generation
            } else {
                rank.generation
            },
            arrival: rank.arrival,
            contested: rank.class == Class::Contested,
            secret_hash: e.secret_hash,
            claims: e.claims,
        }))
    }

    pub(super) fn granted(&self, id: LeaseId, e: &Entry) -> Option<Granted> {
        let State::Held {
            drawn, overdraft, ..
        } = &e.state
        else {
            return None;
        };
        Some(Granted {
            lease: id,
            claim: e.name.clone(),
            holder: e.holder.clone(),
            items: e.items.clone(),
            counter: e.counter,
            received: e.last,
            draws: self.capacity.draws_to_show(drawn),
            overdraft: *overdraft,
            secret_hash: e.secret_hash,
            claims: e.claims,
        })
    }

    /// The place in the queue of an entry, one more than those before it that share a pool, and why
    /// it waits.
    fn place_of(&self, e: &Entry) -> Option<(u32, WaitReason)> {
        let State::Queued(Queued { rank, group, .. }) = e.state else {
            return None;
        };
        let before = match group {
            GroupAt::Of(i) => self.queue.before(rank, self.queue.pools(i)),
            GroupAt::Aside => {
                let pools = self.capacity.pools_of(&e.items);
                self.queue.before(rank, &pools) + self.queue.before_aside(rank)
            }
        };
        let reason = if self.settling.is_on() {
            WaitReason::Settling
        } else {
            WaitReason::Full
        };
        Some((u32::try_from(before + 1).unwrap_or(u32::MAX), reason))
    }

    pub fn views(&self, now: BootTime) -> Vec<LeaseView> {
        let all = self.entries.iter();
        all.map(|(id, e)| self.view(*id, e, now)).collect()
    }

    pub(super) fn view(&self, id: LeaseId, e: &Entry, now: BootTime) -> LeaseView {
        let mut v = bare(id, e, now.since(e.since));
        match &e.state {
            State::Queued(place) => {
                v.state = if place.runs_until.is_some() {
                    ViewState::Contested
                } else {
                    ViewState::Waiting
                };
                let at = self.place_of(e);
                v.place = at.map(|(p, _)| p);
                v.reason = at.map(|(_, r)| r);
            }
            State::Held { silent: true, .. } => {
                v.state = ViewState::Silent;
                let left = now.until(self.due_at(id));
                v.free_in_ms = Some(whole_millis(left));
            }
            State::Held { .. } => v.state = ViewState::Held,
            State::Refused(p) => {
                v.state = ViewState::Refused;
                v.problem = Some(Refusal::clone(p).into());
            }
        }
        v
    }

    pub(super) fn ended_view(id: LeaseId, e: &Entry, how: EndReason) -> LeaseView {
        LeaseView {
            ended: Some(how),
            ..bare(id, e, Duration::ZERO)
        }
    }

    /// What a granted lease has of each pool, by the pool's place in [`pools`](Self::pools).
    pub fn draws(&self, lease: LeaseId) -> Vec<(usize, u32)> {
        match self.state_of(lease) {
            Some(State::Held { drawn, .. }) => self.capacity.drawn_by(lease, drawn),
            _ => Vec::new(),
        }
    }

    pub fn products(&self) -> Vec<ProductView> {
        let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let rules = self.capacity.products.iter();
        rules
            .map(|p| ProductView {
                name: p.name.clone(),
                seats: self.capacity.most(&p.name),
                used: small(self.tally.product(&p.name).used),
                waiting: small(self.tally.product(&p.name).waiting),
                expires: p.expires.clone(),
                versions: p.versions.clone(),
            })
            .collect()
    }

    pub fn pools(&self) -> Vec<PoolView> {
        let pools = self.capacity.pools.iter();
        pools
            .map(|p| PoolView {
                name: p.name.clone(),
                seats: p.seats,
                overdraft: p.overdraft,
                used: p.used,
            })
            .collect()
    }

    pub fn gauges(&self) -> Gauges {
        self.tally.gauges()
    }
}

fn bare(id: LeaseId, e: &Entry, since: Duration) -> LeaseView {
    LeaseView {
        lease: id,
        claim: e.name.clone(),
        holder: e.holder.clone(),
        items: e.items.clone(),
        state: ViewState::Ended,
        since,
        place: None,
        reason: None,
        free_in_ms: None,
        problem: None,
        ended: None,
    }
}
