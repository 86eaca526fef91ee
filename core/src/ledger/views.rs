//! What the books look like from outside: answers, views, numbers.

use super::entry::{Entry, State};
use super::pool::Drawn;
use super::queue::{Class, GroupAt, OWN, Rank};
use super::refusal::Refusal;
use super::state::Ledger;
use super::tally::Gauges;
use super::types::{Claimed, Granted, Place};
use crate::names::LeaseId;
use crate::request::Item;
use crate::time::BootTime;
use crate::wire::{EndReason, LeaseView, PoolView, ProductView, ViewState, WaitReason};
use std::time::Duration;

impl Ledger {
    /// How a claim stands, to answer a request that was held open.
    pub fn status(&self, lease: LeaseId) -> Option<Claimed> {
        self.answer(lease, self.entries.get(&lease)?)
    }

    /// The answer to a claim that is granted or in the queue; `None` for a refused one.
    pub(super) fn answer(&self, id: LeaseId, e: &Entry) -> Option<Claimed> {
        Some(match &e.state {
            State::Queued { rank, .. } => {
                let (place, reason) = self.place_of(e).unwrap_or((1, WaitReason::Full));
                Claimed::Waiting(Place {
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
                })
            }
            State::Held {
                drawn, overdraft, ..
            } => Claimed::Granted(self.granted(id, e, drawn, *overdraft)),
            State::Refused(_) => return None,
        })
    }

    /// A granted entry, to answer with.
    pub(super) fn granted(&self, id: LeaseId, e: &Entry, drawn: &Drawn, overdraft: u32) -> Granted {
        Granted {
            lease: id,
            claim: e.name.clone(),
            holder: e.holder.clone(),
            items: e.items.clone(),
            counter: e.counter,
            received: e.last,
            draws: self.capacity.draws_to_show(drawn),
            overdraft,
            secret_hash: e.secret_hash,
        }
    }

    /// The place in the queue of an entry, and why it waits.
    pub(super) fn place_of(&self, e: &Entry) -> Option<(u32, WaitReason)> {
        let State::Queued { rank, group, .. } = e.state else {
            return None;
        };
        let reason = if self.settling.is_on() {
            WaitReason::Settling
        } else {
            WaitReason::Full
        };
        Some((self.place(rank, group, &e.items), reason))
    }

    /// The place of a rank: one more than those before it that share a pool.
    fn place(&self, rank: Rank, group: GroupAt, items: &[Item]) -> u32 {
        let before = match group {
            GroupAt::Of(i) => self.queue.before(rank, self.queue.pools(i)),
            GroupAt::Aside => {
                let pools = self.capacity.pools_of(items);
                self.queue.before(rank, &pools) + self.queue.before_aside(rank)
            }
        };
        u32::try_from(before + 1).unwrap_or(u32::MAX)
    }

    /// All claims.
    pub fn views(&self, now: BootTime) -> Vec<LeaseView> {
        self.entries
            .iter()
            .map(|(id, e)| self.view(*id, e, now))
            .collect()
    }

    pub(super) fn view(&self, id: LeaseId, e: &Entry, now: BootTime) -> LeaseView {
        let mut v = bare(id, e, now.since(e.since));
        match &e.state {
            State::Queued { runs_until, .. } => {
                v.state = if runs_until.is_some() {
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
                let left = now.until(self.frees_at(id));
                v.free_in_ms = u64::try_from(left.as_millis()).ok();
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
        match self.entries.get(&lease).map(|e| &e.state) {
            Some(State::Held { drawn, .. }) => self.capacity.drawn_by(lease, drawn),
            _ => Vec::new(),
        }
    }

    /// Each product's numbers.
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
            })
            .collect()
    }

    /// Each pool's numbers.
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

    /// Numbers for metrics.
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
