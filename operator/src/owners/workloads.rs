//! Workloads of Kueue's: their claims, and which pods those are of. No I/O here.
//!
//! A Workload's seats are claimed before its pods are there. Which pods are its own is known by
//! what has them run, as the API server shows it: the pod itself, its controller, or what controls
//! that by the controller's own object, is what the Workload belongs to. The annotation that Kueue
//! writes on them for us says so to people alone: anybody may copy it.

use super::kept::Kept;
use super::wish::OwnerWish;
use crate::cache::OwnPod;
use crate::cache::own::{Gate, PodStage};
use crate::pods::WORKLOAD_KEY;
use mooring_core::identity::{Holder, HolderKey};
use mooring_core::names::ProjectName;
use mooring_core::request::Item;
use std::collections::HashMap;

/// A Workload as it claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadClaim {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The UID of what it belongs to; its own where that is a group of pods.
    pub uid: String,
    /// It is a group of pods, which have its name on them.
    pub is_group: bool,
    pub service_account: String,
    pub project: Option<ProjectName>,
    /// What all its pods ask for together.
    pub items: Vec<Item>,
    /// It has no quota now: it keeps its place in line, and nothing gathers for it.
    pub rests: bool,
}

impl WorkloadClaim {
    /// What its claim is known by.
    pub fn key(&self) -> HolderKey {
        HolderKey(format!("{WORKLOAD_KEY}{}/{}", self.namespace, self.uid))
    }

    fn owner(&self) -> Holder {
        Holder::Owner {
            namespace: self.namespace.clone(),
            owner: format!("Workload/{}", self.name),
            uid: self.key().0,
            service_account: self.service_account.clone(),
        }
    }

    fn wish(&self, pods: Vec<HolderKey>) -> OwnerWish {
        OwnerWish {
            owner: self.owner(),
            items: self.items.clone(),
            project: self.project.clone(),
            pods,
            rests: self.rests,
            short: false,
            replaces: Vec::new(),
        }
    }
}

/// Which pods are of which Workload: by its number in the list.
pub(super) fn pods_of<'a>(
    workloads: &[WorkloadClaim],
    pods: &'a [OwnPod],
    above: &dyn Fn(&OwnPod) -> Option<String>,
) -> HashMap<usize, Vec<&'a OwnPod>> {
    let mut by_uid: HashMap<(&str, &str), usize> = HashMap::new();
    let mut by_group: HashMap<(&str, &str), usize> = HashMap::new();
    for (n, w) in workloads.iter().enumerate() {
        if w.is_group {
            by_group.insert((&w.namespace, &w.name), n);
        } else {
            by_uid.insert((&w.namespace, &w.uid), n);
        }
    }
    let mut all: HashMap<usize, Vec<&OwnPod>> = HashMap::new();
    if workloads.is_empty() {
        return all;
    }
    for pod in pods {
        let namespace = pod.namespace.as_str();
        let of = |uid: &str| by_uid.get(&(namespace, uid)).copied();
        let controller = pod.controller.as_ref();
        let found = of(&pod.key.0)
            .or_else(|| of(&controller?.uid))
            .or_else(|| of(&above(pod)?))
            .or_else(|| {
                let group = pod.kueue_group.as_deref()?;
                by_group.get(&(namespace, group)).copied()
            });
        // Whose seats they are goes by the service account, too.
        let same = |n: &usize| {
            let workload = workloads.get(*n);
            workload.is_some_and(|w| w.service_account == pod.service_account)
        };
        if let Some(n) = found.filter(same) {
            all.entry(n).or_default().push(pod);
        }
    }
    all
}

/// Adds what is claimed for Workloads. `reserved`: whether a claim's seats are there.
pub(super) fn look(
    workloads: &[WorkloadClaim],
    pods: &HashMap<usize, Vec<&OwnPod>>,
    reserved: &dyn Fn(&HolderKey) -> bool,
    kept: &mut Kept,
) {
    for (n, workload) in workloads.iter().enumerate() {
        let pods = pods.get(&n).map(Vec::as_slice).unwrap_or_default();
        // It may have asked for itself meanwhile.
        kept.named.extend(pods.iter().map(|p| p.key.clone()));
        if reserved(&workload.key()) {
            let gated = pods.iter().filter(|p| p.gate == Gate::Ours);
            kept.open.extend(gated.map(|p| p.key.clone()));
        }
        let there = |p: &&&OwnPod| matches!(p.stage, PodStage::Lives | PodStage::Ends);
        let there = pods.iter().filter(there).map(|p| p.key.clone());
        kept.claims.push(workload.wish(there.collect()));
    }
}

#[cfg(test)]
mod tests;
