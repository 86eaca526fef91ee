//! Handovers: leases beyond the seats, of pods that replace others of their owner which have not
//! gone yet. Plain data; the rules are in `rollout`.

use crate::identity::HolderKey;
use crate::names::LeaseId;
use crate::time::{BootTime, LONGEST_HANDOVER, margin};
use crate::wire::Replacing;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// For how many times `maxHandover` a seat is not handed over again.
pub(super) const AGAIN: u32 = 10;

/// How a lease stands that has no seats of its own yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Handover {
    /// The pod whose seats they will be.
    pub(super) from: HolderKey,
    pub(super) since: BootTime,
    /// When it ends, if that pod has not gone before.
    pub(super) until: BootTime,
    /// That pod's seats went to an owner that had called for them: none come to it.
    pub(super) in_vain: bool,
}

impl Handover {
    /// When no holder goes by it any more.
    pub(super) fn is_over_at(&self) -> BootTime {
        self.until + margin(self.until.since(self.since))
    }
}

/// Which pods replace which.
#[derive(Clone, Debug, Default)]
pub(super) struct Handovers {
    /// By the operator's word, of each owner's pods.
    named: HashMap<Box<str>, Vec<Replacing>>,
    /// The leases that there are, by the pods whose seats they will be.
    running: BTreeMap<HolderKey, LeaseId>,
    /// When the seats of pods were handed over last whose leases have ended.
    handed: HashMap<HolderKey, BootTime>,
}

/// For how long the longest handover bars another of the same seat.
const LONGEST: Duration = LONGEST_HANDOVER.saturating_mul(AGAIN);

impl Handovers {
    /// These of a family replace others of it, and no more.
    pub(super) fn set(&mut self, family: &str, replaces: &[Replacing]) {
        if !replaces.is_empty() {
            self.named.insert(family.into(), replaces.to_vec());
        } else if !self.named.is_empty() {
            self.named.remove(family);
        }
    }

    /// Whether nobody replaces anybody.
    pub(super) fn is_unnamed(&self) -> bool {
        self.named.is_empty()
    }

    /// Which pod of its family a pod replaces.
    pub(super) fn replaced_by(&self, family: &str, by: &HolderKey) -> Option<&HolderKey> {
        let mut named = self.named.get(family)?.iter();
        named.find(|r| r.by == *by).map(|r| &r.pod)
    }

    /// The lease that waits for a pod's seats.
    pub(super) fn of(&self, from: &HolderKey) -> Option<LeaseId> {
        self.running.get(from).copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// All that there are.
    pub(super) fn all(&self) -> Vec<(HolderKey, LeaseId)> {
        let all = self.running.iter();
        all.map(|(from, id)| (from.clone(), *id)).collect()
    }

    pub(super) fn begins(&mut self, from: HolderKey, id: LeaseId) {
        self.running.insert(from, id);
    }

    pub(super) fn ends(&mut self, from: &HolderKey) {
        self.running.remove(from);
    }

    /// A pod's lease ends whose seats were handed over then: should it ask anew, no chain begins.
    pub(super) fn remember(&mut self, pod: HolderKey, handed: BootTime, now: BootTime) {
        self.handed.retain(|_, t| now < *t + LONGEST);
        self.handed.insert(pod, handed);
    }

    /// When the seats of a pod that comes again were handed over last.
    pub(super) fn recall(&mut self, uid: &str) -> Option<BootTime> {
        if self.handed.is_empty() {
            return None;
        }
        self.handed.remove(uid)
    }
}
