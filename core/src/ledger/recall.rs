//! Seats that are lent, and that their owner wants: whose leases are called back for it.
//!
//! Where an owner's claim waits that stays within what its group owns, as many leases of others are
//! called back as let it be granted, the youngest first, and none if that would not do. Only leases
//! by which their own group has more than it owns, of what the claim draws on, can be. Each is told
//! at its next request, and has the policy's notice from then on; what it has is booked for it
//! until it is given back or its holder is silent. If the owner goes away, or has its seats
//! otherwise, or others of its group do that passed it, the next answer lifts it. A run that begins
//! knows of none: owners that wait are looked at again.

use super::entry::{Entry, State};
use super::pool::Draws;
use super::state::Ledger;
use super::tenant::Tenant;
use super::types::CallBack;
use crate::mutant::{self, Mutant};
use crate::names::LeaseId;
use crate::wire::{Problem, ProblemType};

/// A lease that may be called back.
struct Lent {
    lease: LeaseId,
    tenant: Tenant,
    draws: Draws,
}

impl Ledger {
    /// An owner's claim waits for seats of its own: calls back what others have of them.
    pub(super) fn recall(&mut self, owner: LeaseId, tenant: Tenant) {
        let Some(e) = self.entries.get(&owner) else {
            return;
        };
        let (items, asker) = (e.items(), e.asks());
        let mut coming: Draws = Vec::new();
        for lease in self.recalls.called_for(owner) {
            coming.extend(self.draws(lease));
        }
        let fits = |coming: &Draws| {
            let comes = |p: usize| coming.iter().filter(|(q, _)| *q == p).map(|(_, n)| n).sum();
            // Where more are out than there are, that comes first.
            let there = |p: usize| {
                let pool = self.capacity.pools.get(p);
                let there = pool.map_or(0, |pool| pool.total().saturating_add(comes(p)));
                there.saturating_sub(pool.map_or(0, |pool| pool.used))
            };
            let capacity = &self.capacity;
            let plan = capacity.plan_of_own_out_of(items, asker, tenant, &there);
            plan.is_some()
        };
        if fits(&coming) {
            return;
        }
        // Of what it has no use for nobody has too much.
        let pools = self.capacity.pools_of(items);
        // Who waits in vain asks at each step, and there may be many leases to look at.
        if !self.has_loans(tenant, &pools) {
            return;
        }
        let mut chosen: Vec<Lent> = Vec::new();
        let mut rights = self.capacity.rights.clone();
        // Those that are called back for others are as good as gone.
        for lease in self.recalls.for_whom.keys() {
            if let Some(e) = self.entries.get(lease) {
                let tenant = self.capacity.rights.tenant(e.asks());
                rights.undraw(tenant, &self.draws(*lease));
            }
        }
        for lent in self.lent_to_others(tenant) {
            if !rights.has_more_than_own(lent.tenant, &lent.draws, &pools) {
                continue;
            }
            rights.undraw(lent.tenant, &lent.draws);
            coming.extend(&lent.draws);
            chosen.push(lent);
            if fits(&coming) {
                break;
            }
        }
        if !fits(&coming) {
            return;
        }
        // Those whose seats are no help after all stay.
        let needed = |lent: &Lent| {
            let mut without = coming.clone();
            for (p, n) in &lent.draws {
                if let Some((_, of)) = without.iter_mut().find(|(q, of)| q == p && of >= n) {
                    *of -= n;
                }
            }
            let needed = !fits(&without);
            if !needed {
                coming = without;
            }
            needed
        };
        chosen.retain(needed);
        for lent in chosen {
            self.recalls.note(owner, lent.lease);
        }
    }

    /// Whether others may have more of these pools than they own that is not called back yet.
    fn has_loans(&self, owner: Tenant, pools: &[usize]) -> bool {
        let beyond = self.capacity.rights.of_borrowers(owner, pools);
        let called = self.recalls.for_whom.keys();
        let called = called.flat_map(|lease| self.draws(*lease));
        let called: u32 = called
            .filter(|(p, _)| pools.contains(p))
            .map(|(_, n)| n)
            .sum();
        beyond > called
    }

    /// The leases of others that are called back for nobody, the youngest first.
    fn lent_to_others(&self, owner: Tenant) -> Vec<Lent> {
        let candidate = |e: &Entry| {
            let State::Held { .. } = &e.state else {
                return None;
            };
            let tenant = self.capacity.rights.tenant(e.asks());
            let is_free = tenant != owner
                && e.handover().is_none()
                && !self.recalls.for_whom.contains_key(&e.id);
            is_free.then(|| {
                let draws = self.draws(e.id);
                let lease = e.id;
                (
                    e.since,
                    Lent {
                        lease,
                        tenant,
                        draws,
                    },
                )
            })
        };
        let mut all: Vec<_> = self.entries.iter().filter_map(candidate).collect();
        all.sort_by_key(|(since, lent)| std::cmp::Reverse((*since, lent.lease)));
        all.into_iter().map(|(_, lent)| lent).collect()
    }

    /// What speaks against a lease that an owner wants back.
    pub(super) fn wanted_back(&self, lease: LeaseId) -> Option<CallBack> {
        if self.is_told_to_go(lease) {
            let why = Problem::new(ProblemType::CalledBack, "it is replaced");
            let notice = self.settings.lease_for;
            let told = true;
            return Some(CallBack { why, notice, told });
        }
        let owner = self.recalls.for_whom.get(&lease)?;
        let policy = self.capacity.rights.policy()?;
        let owner = self.entries.get(owner);
        if owner.is_none() && !mutant::on(Mutant::LoanNotLifted) {
            return None;
        }
        let tenant = owner.map(|o| self.capacity.rights.tenant(o.asks()));
        // Others of its group may have passed it, and have what is theirs.
        let owns = |o: &Entry, t| self.capacity.owns(o.items(), o.asks(), t);
        if owner.zip(tenant).is_some_and(|(o, t)| !owns(o, t)) {
            return None;
        }
        let group = tenant.and_then(|t| self.capacity.rights.name(t));
        let group = group.unwrap_or_default();
        let detail = format!(
            "policy {}: its seats are lent by group {group}, which wants them now",
            policy.name
        );
        Some(CallBack {
            why: Problem::new(ProblemType::CalledBack, detail),
            notice: policy.notice,
            // Nothing is granted while nothing can be signed, and nobody waits then who could be.
            told: self.paused.is_none(),
        })
    }
}
