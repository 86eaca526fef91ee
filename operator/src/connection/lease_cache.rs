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
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    fn view(lease: u8, uid: &str, state: &str) -> LeaseView {
        let holder = json!({ "kind": "pod", "namespace": "a", "pod": format!("p-{uid}"), "uid": uid, "serviceAccount": "default" });
        let items = json!([{ "product": "render", "seats": 1 }]);
        let v = json!({ "lease": hex::encode([lease; 16]), "claim": "pod", "holder": holder, "items": items, "state": state, "sinceMs": 2000 });
        serde_json::from_value(v).unwrap()
    }

    fn list(leases: Vec<LeaseView>) -> Leases {
        Leases {
            position: format!("{}.1", "0".repeat(32)).parse().unwrap(),
            leases,
        }
    }

    fn key(uid: &str) -> HolderKey {
        HolderKey(uid.to_owned())
    }

    #[test]
    fn ages_become_points_in_time() {
        let now: Timestamp = "2026-03-01T12:00:10Z".parse().unwrap();
        let mut lease_cache = LeaseCache::default();
        lease_cache.list(list(vec![view(1, "u1", "Held")]), now);
        assert_eq!(
            lease_cache.claims(&key("u1"))[0].since.to_string(),
            "2026-03-01T12:00:08Z"
        );
    }

    #[test]
    fn a_list_names_only_the_holders_that_changed() {
        let now = Timestamp::UNIX_EPOCH;
        let mut lease_cache = LeaseCache::default();
        let all = lease_cache.list(
            list(vec![
                view(1, "u1", "Held"),
                view(2, "u2", "Waiting"),
                view(3, "u3", "Held"),
            ]),
            now,
        );
        assert_eq!(all.len(), 3);
        let changed = lease_cache.list(
            list(vec![
                view(1, "u1", "Held"),
                view(2, "u2", "Held"),
                view(4, "u4", "Held"),
            ]),
            now,
        );
        assert_eq!(
            changed.into_iter().collect::<Vec<_>>(),
            [key("u2"), key("u3"), key("u4")]
        );
    }

    #[test]
    fn a_holder_that_gave_back_is_remembered_until_it_asks_again() {
        let now = Timestamp::UNIX_EPOCH;
        let mut lease_cache = LeaseCache::default();
        lease_cache.event(view(1, "u1", "Held"), now);
        let mut end = view(1, "u1", "Ended");
        end.ended = Some(EndReason::Released);
        lease_cache.event(end, now);
        assert!(!lease_cache.knows(&key("u1")) && lease_cache.has_released(&key("u1")));
        lease_cache.event(view(2, "u1", "Waiting"), now);
        assert!(lease_cache.knows(&key("u1")) && !lease_cache.has_released(&key("u1")));
        assert_eq!(lease_cache.waiting(), 1);
    }
}
