//! What a license server said it knows, kept by holder.

use crate::leases::Known;
use mooring_core::identity::HolderKey;
use mooring_core::names::LeaseId;
use mooring_core::time::Timestamp;
use mooring_core::wire::{EndReason, LeaseView, Leases, ViewState};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One server's claims.
#[derive(Debug, Default)]
pub struct LeaseCache {
    leases: HashMap<LeaseId, Known>,
    holders: BTreeMap<HolderKey, BTreeSet<LeaseId>>,
    /// Holders whose last claim was given back by themselves: a pod that runs on without one is not
    /// unknown.
    released: BTreeSet<HolderKey>,
}

impl LeaseCache {
    /// Starts anew from a list; the holders that changed, appeared or disappeared.
    pub fn list(&mut self, list: Leases, now: Timestamp) -> BTreeSet<HolderKey> {
        let before = std::mem::take(&mut self.leases);
        let holders = std::mem::take(&mut self.holders);
        let mut touched: BTreeSet<HolderKey> = holders.into_keys().collect();
        for view in list.leases {
            if view.state != ViewState::Ended {
                touched.insert(self.put(view, now));
            }
        }
        touched.retain(|k| {
            let same = |id| same_word(before.get(id), self.leases.get(id));
            let ids = self.holders.get(k);
            let gone =
                |b: &Known| b.view.holder.key() == *k && !self.leases.contains_key(&b.view.lease);
            !ids.is_some_and(|ids| ids.iter().all(same)) || before.values().any(gone)
        });
        touched
    }

    fn put(&mut self, view: LeaseView, now: Timestamp) -> HolderKey {
        let (key, id) = (view.holder.key(), view.lease);
        self.released.remove(&key);
        self.holders.entry(key.clone()).or_default().insert(id);
        self.leases.insert(id, Known::new(view, now));
        key
    }

    /// Takes one event; whose it was.
    pub fn event(&mut self, view: LeaseView, now: Timestamp) -> HolderKey {
        if view.state != ViewState::Ended {
            return self.put(view, now);
        }
        let key = view.holder.key();
        self.leases.remove(&view.lease);
        let left = self.holders.get_mut(&key).is_some_and(|ids| {
            ids.remove(&view.lease);
            !ids.is_empty()
        });
        if !left {
            self.holders.remove(&key);
            if view.ended == Some(EndReason::Released) {
                self.released.insert(key.clone());
            }
        }
        key
    }

    /// A holder's claims, by name.
    pub fn claims(&self, holder: &HolderKey) -> Vec<Known> {
        let ids = self.holders.get(holder).into_iter().flatten();
        let mut claims: Vec<Known> = ids.filter_map(|id| self.leases.get(id)).cloned().collect();
        claims.sort_by(|a, b| a.view.claim.cmp(&b.view.claim));
        claims
    }

    pub fn knows(&self, holder: &HolderKey) -> bool {
        self.holders.contains_key(holder)
    }

    /// Whether its last claim was given back by itself.
    pub fn has_released(&self, holder: &HolderKey) -> bool {
        self.released.contains(holder)
    }

    /// Forgets that a holder gave back; for holders that are gone.
    pub fn forget(&mut self, holder: &HolderKey) {
        self.released.remove(holder);
    }

    /// All holders that the server knows.
    pub fn holders(&self) -> impl Iterator<Item = &HolderKey> {
        self.holders.keys()
    }

    /// How many claims are in line.
    pub fn waiting(&self) -> u32 {
        let in_line =
            |k: &&Known| matches!(k.view.state, ViewState::Waiting | ViewState::Contested);
        u32::try_from(self.leases.values().filter(in_line).count()).unwrap_or(u32::MAX)
    }
}

fn same_word(a: Option<&Known>, b: Option<&Known>) -> bool {
    let (Some(Known { view: a, .. }), Some(Known { view: b, .. })) = (a, b) else {
        return false;
    };
    let word = (a.state, a.place, a.reason, &a.items, &a.problem);
    word == (b.state, b.place, b.reason, &b.items, &b.problem)
}

#[cfg(test)]
mod tests;
