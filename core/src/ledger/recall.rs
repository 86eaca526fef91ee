//! Seats that are lent, and that their owner wants: whose leases are called back for it.
//!
//! Where an owner's claim waits that stays within what its group owns, as many leases of others
//! are called back as let it be granted, the youngest first, and none if that would not do. Only
//! leases by which their own group has more than it owns can be. Each is told at its next request,
//! and has the policy's notice from then on; what it has is booked for it until it is given back or
//! its holder is silent. If the owner goes away, or has its seats otherwise, the next answer lifts
//! it. A run that begins knows of none: owners that wait are looked at again.

use super::entry::{Entry, State};
use super::pool::Draws;
use super::rights::Tenant;
use super::state::Ledger;
use super::types::CallBack;
use crate::names::LeaseId;
use crate::wire::{Problem, ProblemType};
use std::collections::BTreeMap;

/// Which leases are called back for whose claim.
#[derive(Clone, Debug, Default)]
pub(super) struct Recalls {
    by_owner: BTreeMap<LeaseId, Vec<LeaseId>>,
    for_whom: BTreeMap<LeaseId, LeaseId>,
}

impl Recalls {
    fn note(&mut self, owner: LeaseId, lease: LeaseId) {
        self.by_owner.entry(owner).or_default().push(lease);
        self.for_whom.insert(lease, owner);
    }

    /// An owner's claim waits no more: what was called back for it goes on.
    pub(super) fn lift(&mut self, owner: LeaseId) {
        for lease in self.by_owner.remove(&owner).unwrap_or_default() {
            self.for_whom.remove(&lease);
        }
    }

    /// A lease has ended.
    pub(super) fn ended(&mut self, lease: LeaseId) {
        let Some(owner) = self.for_whom.remove(&lease) else {
            return;
        };
        if let Some(all) = self.by_owner.get_mut(&owner) {
            all.retain(|l| *l != lease);
            if all.is_empty() {
                self.by_owner.remove(&owner);
            }
        }
    }

    /// Nobody wants anything back.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn called_for(&self, owner: LeaseId) -> impl Iterator<Item = LeaseId> {
        self.by_owner.get(&owner).into_iter().flatten().copied()
    }
}

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
            let there = |p: usize| self.capacity.free(p).saturating_add(comes(p));
            self.capacity
                .plan_of_own_out_of(items, asker, tenant, &there)
        };
        if fits(&coming) {
            return;
        }
        let mut chosen: Vec<Lent> = Vec::new();
        let mut rights = self.capacity.rights.clone();
        for lent in self.lent_to_others(tenant) {
            if !rights.has_more_than_own(lent.tenant, &lent.draws) {
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

    /// The leases of others that are called back for nobody, the youngest first.
    fn lent_to_others(&self, owner: Tenant) -> Vec<Lent> {
        let candidate = |e: &Entry| {
            let State::Held { .. } = &e.state else {
                return None;
            };
            let tenant = self.capacity.rights.tenant(e.asks());
            let is_free = tenant != owner && !self.recalls.for_whom.contains_key(&e.id);
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
        let owner = self.recalls.for_whom.get(&lease)?;
        let policy = self.capacity.rights.policy()?;
        let owner = self.entries.get(owner)?;
        let tenant = self.capacity.rights.tenant(owner.asks());
        let group = self.capacity.rights.name(tenant).unwrap_or_default();
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
