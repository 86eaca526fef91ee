//! What a license server said it knows, kept by holder, within bounds: what it says is its own
//! word, and it may be anybody's program.

use crate::leases::Known;
use crate::owners::is_for_successors;
use mooring_core::identity::{Holder, HolderKey};
use mooring_core::names::{ClaimName, LeaseId};
use mooring_core::request::MAX_ITEMS;
use mooring_core::time::Timestamp;
use mooring_core::wire::{EndReason, LeaseView, Leases, ViewState};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

/// How many claims of one server are kept.
const MOST: usize = 20_000;
/// How many of them may be of holders that nobody sees. A pod is seen before its sidecar asks, so
/// there are few.
const MOST_UNSEEN: usize = 1024;
/// How much of a text is kept: what a mirror and an Event show.
const TEXT: usize = 1000;
/// The longest name of a holder that Kubernetes or a certificate can have.
const NAME: usize = 1024;

/// One server's claims.
#[derive(Debug, Default)]
pub struct LeaseCache {
    leases: HashMap<LeaseId, Known>,
    /// Those of holders that were not in sight when they were told of, the oldest first.
    unseen: VecDeque<LeaseId>,
    holders: BTreeMap<HolderKey, BTreeSet<LeaseId>>,
    /// Holders whose last claim was given back by themselves: a pod that runs on without one is not
    /// unknown.
    released: BTreeSet<HolderKey>,
}

impl LeaseCache {
    /// Starts anew from a list; the holders that changed, appeared or disappeared.
    /// `is_seen`: whether a holder is in sight.
    pub fn list(
        &mut self,
        list: Leases,
        now: Timestamp,
        is_seen: impl Fn(&HolderKey) -> bool,
    ) -> BTreeSet<HolderKey> {
        let before = std::mem::take(&mut self.leases);
        self.unseen.clear();
        let holders = std::mem::take(&mut self.holders);
        let mut touched: BTreeSet<HolderKey> = holders.into_keys().collect();
        for view in list.leases {
            if view.state != ViewState::Ended {
                touched.extend(self.put(view, now, &is_seen));
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

    /// Keeps a claim; its holder, if it is kept.
    fn put(
        &mut self,
        mut view: LeaseView,
        now: Timestamp,
        is_seen: impl Fn(&HolderKey) -> bool,
    ) -> Option<HolderKey> {
        let (key, id) = (view.holder.key(), view.lease);
        self.released.remove(&key);
        // An id has one holder for its life.
        let earlier = self.leases.get(&id).map(|k| k.view.holder.key());
        let usurps = earlier.as_ref().is_some_and(|k| *k != key);
        let is_new = earlier.is_none();
        if usurps || key.0.len() > NAME || (is_new && self.leases.len() >= MOST) {
            return None;
        }
        if is_new && !is_seen(&key) {
            self.unseen.push_back(id);
        }
        trim(&mut view);
        self.holders.entry(key.clone()).or_default().insert(id);
        self.leases.insert(id, Known::new(view, now));
        while self.unseen.len() > MOST_UNSEEN {
            if let Some(oldest) = self.unseen.pop_front() {
                self.drop_lease(&oldest);
            }
        }
        Some(key)
    }

    /// Forgets a claim; its holder, and whether that has others.
    fn drop_lease(&mut self, id: &LeaseId) -> Option<(HolderKey, bool)> {
        let key = self.leases.remove(id)?.view.holder.key();
        let ids = self.holders.get_mut(&key)?;
        ids.remove(id);
        let others = !ids.is_empty();
        if !others {
            self.holders.remove(&key);
        }
        Some((key, others))
    }

    /// Takes one event; whose it was, if it is about a claim that is or was kept.
    pub fn event(
        &mut self,
        view: LeaseView,
        now: Timestamp,
        is_seen: impl Fn(&HolderKey) -> bool,
    ) -> Option<HolderKey> {
        if view.state != ViewState::Ended {
            return self.put(view, now, is_seen);
        }
        let dropped = self.drop_lease(&view.lease);
        self.unseen.retain(|id| *id != view.lease);
        // Of a claim that it never told of nothing is remembered.
        let (key, others) = dropped?;
        if !others && view.ended == Some(EndReason::Released) {
            self.released.insert(key.clone());
        }
        Some(key)
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

    /// What it has for owners of pods.
    pub fn owners(&self) -> impl Iterator<Item = &LeaseView> {
        let views = self.leases.values().map(|k| &k.view);
        views.filter(|v| matches!(v.holder, Holder::Owner { .. }))
    }

    /// Pods that have been given a lease of their own, and pods whose own claim stands in line.
    pub fn pods(&self) -> (HashSet<HolderKey>, HashSet<HolderKey>) {
        let (mut held, mut waiting) = (HashSet::new(), HashSet::new());
        let views = self.leases.values().map(|k| &k.view);
        let own =
            |v: &&LeaseView| matches!(v.holder, Holder::Pod { .. }) && v.claim == ClaimName::pod();
        for view in views.filter(own) {
            match view.state {
                ViewState::Held | ViewState::Silent => held.insert(view.holder.key()),
                ViewState::Waiting => waiting.insert(view.holder.key()),
                _ => false,
            };
        }
        (held, waiting)
    }

    /// All holders that the server knows.
    pub fn holders(&self) -> impl Iterator<Item = &HolderKey> {
        self.holders.keys()
    }

    /// How many claims are in line.
    pub fn waiting(&self) -> u32 {
        let in_line = |k: &&Known| {
            let waits = matches!(k.view.state, ViewState::Waiting | ViewState::Contested);
            // Whose place it is stands in line itself, or does not live.
            waits && !is_for_successors(&k.view.holder.key())
        };
        u32::try_from(self.leases.values().filter(in_line).count()).unwrap_or(u32::MAX)
    }
}

/// Cuts what has no bound of its own.
fn trim(view: &mut LeaseView) {
    let cut = |text: &mut String| {
        if text.len() > TEXT {
            *text = text.chars().take(TEXT).collect();
        }
    };
    if let Some(problem) = &mut view.problem {
        cut(&mut problem.detail);
        cut(&mut problem.title);
        problem.field.iter_mut().for_each(cut);
    }
    view.message.iter_mut().for_each(cut);
    match &mut view.holder {
        Holder::Pod {
            namespace,
            pod,
            service_account,
            node,
            ..
        } => {
            [namespace, pod, service_account].into_iter().for_each(cut);
            node.iter_mut().for_each(cut);
        }
        Holder::Owner {
            namespace,
            owner,
            service_account,
            ..
        } => [namespace, owner, service_account]
            .into_iter()
            .for_each(cut),
        Holder::External { .. } => {}
    }
    view.items.truncate(MAX_ITEMS);
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
