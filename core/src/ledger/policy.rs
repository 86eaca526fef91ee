//! Taking a seat policy in, how it stands, and what another one would change: tried out on a copy
//! of the books, by the rules that would apply it.

use super::capacity::Capacity;
use super::entry::{Entry, State};
use super::rights::{Rights, part_of};
use super::state::Ledger;
use super::tenant::Tenant;
use crate::mutant::{self, Mutant};
use crate::names::{LeaseId, PoolName};
use crate::policy::SeatPolicy;
use crate::time::BootTime;
use crate::wire::{
    EndReason, PolicyChange, PolicyTest, PolicyView, Problem, UnderPolicy, WaitReason,
};
use std::sync::Arc;

/// So many changes are told one by one.
const TOLD: usize = 100;

impl Ledger {
    /// Who owns which seats from now on, and who may have how many; none: everybody may have
    /// everything. Nobody is thrown out, and nothing is granted in this step.
    pub fn set_policy(&mut self, policy: Option<Arc<SeatPolicy>>, now: BootTime) {
        self.tick(now);
        self.capacity.rights = Rights::of(policy);
        self.capacity.rights.settle(&self.capacity.pools);
        self.count_tenants();
        self.recalls.clear();
        if mutant::on(Mutant::LimitThrowsOut) {
            self.throw_out(now);
        }
        self.regroup(now);
    }

    /// What no policy does: a planted mistake.
    fn throw_out(&mut self, now: BootTime) {
        let held = |e: &&Entry| matches!(e.state, State::Held { .. });
        let held: Vec<LeaseId> = self.entries.iter().filter(held).map(|e| e.id).collect();
        for id in held {
            let tenant = self.entries.get(&id);
            let tenant = tenant.map(|e| self.capacity.rights.tenant(e.asks()));
            if tenant.is_some_and(|t| self.capacity.rights.is_beyond_limit(t)) {
                self.end(id, EndReason::Expired, now);
            }
        }
    }

    /// What each tenant has, counted anew.
    pub(super) fn count_tenants(&mut self) {
        let Capacity { rights, shares, .. } = &mut self.capacity;
        if rights.is_empty() {
            return;
        }
        rights.clear();
        let entries = &self.entries;
        for e in entries.iter() {
            if let State::Held { drawn, .. } = &e.state
                && e.handover().is_none()
            {
                rights.draw(rights.tenant(e.asks()), &drawn.own);
            }
        }
        let none = Tenant::default();
        for share in shares.values_mut() {
            let of = |id| entries.get(&id).map_or(none, |e| rights.tenant(e.asks()));
            share.set_tenants(of);
            for tenant in share.tenants() {
                rights.draw(tenant, &part_of(share, tenant));
            }
        }
    }

    /// The policy in force, and what its groups have.
    pub fn policy(&self) -> Option<PolicyView> {
        let rights = &self.capacity.rights;
        Some(PolicyView {
            name: rights.policy()?.name.clone(),
            groups: rights.uses(),
            unknown_pools: self.unknown_pools(),
        })
    }

    /// What would be otherwise, were this policy in force from now on; none: no policy at all.
    pub fn try_policy(&self, policy: Option<Arc<SeatPolicy>>, now: BootTime) -> PolicyTest {
        let mut then = self.clone();
        then.set_policy(policy, now);
        then.grants(now);
        let mut changes = Vec::new();
        for e in self.entries.iter() {
            let Some(tried) = then.entries.get(&e.id) else {
                continue;
            };
            let (before, (after, message)) = (self.under_policy(e).0, then.under_policy(tried));
            if before != after {
                changes.push(PolicyChange {
                    lease: e.id,
                    claim: e.wish.name.clone(),
                    holder: e.who.holder(),
                    items: e.items().to_vec(),
                    project: e.wish.project.clone(),
                    now: before,
                    then: after,
                    message,
                });
            }
        }
        changes.sort_by_key(|c| (c.then, c.lease));
        let more = changes.len().saturating_sub(TOLD);
        changes.truncate(TOLD);
        PolicyTest {
            changes,
            more: u32::try_from(more).unwrap_or(u32::MAX),
            groups: then.capacity.rights.uses(),
            unknown_pools: then.unknown_pools(),
        }
    }

    /// Pools that the policy names and no license sells.
    fn unknown_pools(&self) -> Vec<PoolName> {
        let named = self.capacity.rights.names();
        let sold = |name: &PoolName| self.capacity.pools.iter().any(|p| p.name == *name);
        named.filter(|n| !sold(n)).cloned().collect()
    }

    fn under_policy(&self, e: &Entry) -> (UnderPolicy, Option<String>) {
        match &e.state {
            State::Held { .. } => match self.wanted_back(e.id) {
                Some(c) => (UnderPolicy::CalledBack, Some(c.why.detail)),
                None => (UnderPolicy::Holds, None),
            },
            State::Queued(_) => match self.wait_of(e) {
                Some(w) if w.reason == WaitReason::Policy => {
                    (UnderPolicy::HeldBack, Some(w.message))
                }
                w => (UnderPolicy::Waits, w.map(|w| w.message)),
            },
            State::Refused(why) => {
                let why = Problem::from((**why).clone());
                (UnderPolicy::Refused, Some(why.detail))
            }
        }
    }
}
