//! What a license server said it knows, kept by holder.

use crate::leases::Known;
use mooring_core::identity::HolderKey;
use mooring_core::names::{InstanceId, LeaseId};
use mooring_core::time::Timestamp;
use mooring_core::wire::{EndReason, LeaseView, Leases, ViewState};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One server's claims.
#[derive(Debug, Default)]
pub struct LeaseCache {
    instance: Option<InstanceId>,
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
        let mut touched: BTreeSet<HolderKey> =
            std::mem::take(&mut self.holders).into_keys().collect();
        self.instance = Some(list.position.instance);
        for view in list
            .leases
            .into_iter()
            .filter(|v| v.state != ViewState::Ended)
        {
            let key = view.holder.key();
            self.released.remove(&key);
            self.holders
                .entry(key.clone())
                .or_default()
                .insert(view.lease);
            touched.insert(key);
            self.leases.insert(view.lease, Known::new(view, now));
        }
        let leases = &self.leases;
        touched.retain(|k| {
            let ids = self.holders.get(k);
            let same = ids.is_some_and(|ids| {
                ids.iter()
                    .all(|id| same_word(before.get(id), leases.get(id)))
            });
            let gone = before
                .values()
                .any(|b| b.view.holder.key() == *k && !leases.contains_key(&b.view.lease));
            !same || gone
        });
        touched
    }

    /// Takes one event; whose it was.
    pub fn event(&mut self, view: LeaseView, now: Timestamp) -> HolderKey {
        let key = view.holder.key();
        if view.state == ViewState::Ended {
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
        } else {
            self.released.remove(&key);
            self.holders
                .entry(key.clone())
                .or_default()
                .insert(view.lease);
            self.leases.insert(view.lease, Known::new(view, now));
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

    /// Whether the server knows this holder.
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

    /// The server's run that this is from.
    pub const fn instance(&self) -> Option<InstanceId> {
        self.instance
    }
}

fn same_word(a: Option<&Known>, b: Option<&Known>) -> bool {
    let word = |k: &Known| {
        (
            k.view.state,
            k.view.place,
            k.view.reason,
            k.view.items.clone(),
            k.view.problem.clone(),
        )
    };
    a.is_some() && a.map(word) == b.map(word)
}

#[cfg(test)]
mod tests;
