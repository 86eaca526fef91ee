//! What the books look like from outside.

use super::Ledger;
use super::entry::{Entry, State};
use crate::names::LeaseId;
use crate::time::BootTime;
use crate::wire::{LeaseView, PoolView, ProductView, ViewState};
use std::time::Duration;

/// One change, for the watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number in this run, from 1.
    pub seq: u64,
    /// The claim as it is now.
    pub view: LeaseView,
}

/// Numbers for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Granted and renewed in time.
    pub held: u64,
    /// Granted, renewals missed.
    pub silent: u64,
    /// In line, not running.
    pub waiting: u64,
    /// In line, running on.
    pub contested: u64,
    /// Refused.
    pub refused: u64,
    /// Seats of contested claims: by how much more runs than was granted, as far as the server knows.
    pub overlap_seats: u64,
}

impl Ledger {
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
            State::Line { runs_until, .. } => {
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
                v.problem = Some((**p).clone());
            }
        }
        v
    }

    pub(super) fn ended_view(id: LeaseId, e: &Entry, how: &str) -> LeaseView {
        LeaseView {
            ended: Some(how.to_owned()),
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
