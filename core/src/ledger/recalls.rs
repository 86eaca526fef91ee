//! Which leases are called back for whom: plain data.

use crate::mutant::{self, Mutant};
use crate::names::LeaseId;
use std::collections::BTreeMap;

/// Which leases are called back for whose claim.
#[derive(Clone, Debug, Default)]
pub(super) struct Recalls {
    by_owner: BTreeMap<LeaseId, Vec<LeaseId>>,
    pub(super) for_whom: BTreeMap<LeaseId, LeaseId>,
}

impl Recalls {
    pub(super) fn note(&mut self, owner: LeaseId, lease: LeaseId) {
        self.by_owner.entry(owner).or_default().push(lease);
        self.for_whom.insert(lease, owner);
    }

    /// An owner's claim waits no more: what was called back for it goes on.
    pub(super) fn lift(&mut self, owner: LeaseId) {
        if mutant::on(Mutant::LoanNotLifted) {
            return;
        }
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

    pub(super) fn called_for(&self, owner: LeaseId) -> impl Iterator<Item = LeaseId> {
        self.by_owner.get(&owner).into_iter().flatten().copied()
    }
}
