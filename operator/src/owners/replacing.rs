//! The seats of pods whose owner replaces them: which owners' claims there are to be for that, for
//! how many pods, and of which pods. No I/O here.
//!
//! An owner's claim counts what its pods have, so a pod that goes leaves its seat to it, and nobody
//! else has it. Its replacement is a pod of the owner that came after the other began to go: pods
//! that waited in line before keep their own places there. The seat waits for
//! [`EXISTS`](super::kept::EXISTS) for the replacement, and for [`ASKS`](super::kept::ASKS) more
//! for that to take it, both from when it was free; not at all once the owner wants fewer pods than
//! it has.

use super::family::{Family, FamilySight, Parked};
use super::kept::{Kept, OwnerQuestion, REPLACING, Sight};
use super::root::{KnownRoots, Root, Wants};
use super::wish::{OwnerWish, times};
use crate::cache::OwnPod;
use crate::cache::own::{Gate, PodStage};
use mooring_api::names::short_hash;
use mooring_core::identity::{Holder, HolderKey};
use mooring_core::request::{Item, print};
use mooring_core::time::BootTime;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

/// How long a controller that could not be asked for is left alone.
const AGAIN: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct Replacements {
    roots: KnownRoots,
    asked: HashMap<String, BootTime>,
    wants: HashMap<String, (Wants, BootTime)>,
    families: BTreeMap<HolderKey, Family>,
}

/// Whose claim it is: pods of an owner that ask for the same, for the same project, with the same
/// service account.
fn owner_of(root: &Root, pod: &OwnPod) -> Holder {
    let mut asks = format!("{}\n{}", pod.service_account, print(&pod.items));
    if let Some(project) = &pod.project {
        asks.extend(["\n", project.as_str()]);
    }
    let uid = format!("{}{REPLACING}{}", root.uid, short_hash(&asks, 8));
    pod.owner(format!("{}/{}", root.kind.as_str(), root.name), uid)
}

impl Replacements {
    pub(super) fn set_root(&mut self, controller: &str, root: Option<Root>) {
        self.roots.set(controller, root);
    }

    pub(super) fn set_wants(&mut self, root: &Root, wants: Wants, now: BootTime) {
        self.wants.insert(root.uid.clone(), (wants, now));
    }

    /// What has a pod run, where that is known.
    pub(super) fn root_of(&self, pod: &OwnPod) -> Option<&Root> {
        self.roots.of(pod.controller.as_ref()?)
    }

    /// The seats that an owner's claim keeps for pods to come.
    pub(super) fn parked(&self, key: &HolderKey) -> Vec<Parked> {
        let family = self.families.get(key);
        family.map(Family::parked).unwrap_or_default()
    }

    pub(super) fn items(&self, key: &HolderKey) -> Option<&[Item]> {
        self.families.get(key).map(|f| f.items.as_slice())
    }

    pub(super) fn look(&mut self, seen: &Sight<'_>) -> Kept {
        let mut kept = Kept::default();
        self.find_roots(seen, &mut kept);
        let mut groups: BTreeMap<HolderKey, Vec<&OwnPod>> = BTreeMap::new();
        let mut living: HashMap<String, u32> = HashMap::new();
        for pod in seen.pods {
            let controller = pod.controller.as_ref();
            let Some(root) = controller.and_then(|c| self.roots.of(c)) else {
                continue;
            };
            if pod.stage == PodStage::Lives {
                *living.entry(root.uid.clone()).or_default() += 1;
            }
            if pod.group.is_some() {
                continue;
            }
            let owner = owner_of(root, pod);
            let key = owner.key();
            let new = || Family::new(root.clone(), owner, pod);
            self.families.entry(key.clone()).or_insert_with(new);
            groups.entry(key).or_default().push(pod);
        }
        for (key, family) in &mut self.families {
            let pods = groups.get(key).map(Vec::as_slice).unwrap_or_default();
            let wants = self.wants.get(&family.root.uid).copied();
            let living = living.get(&family.root.uid).copied().unwrap_or(0);
            let known = (seen.known)(key);
            let now = FamilySight {
                seen,
                pods,
                wants,
                living,
                known: known.map(|(seats, _)| seats),
            };
            family.look(&now);
            let last = wants.map(|(_, at)| at);
            if let Some(every) = family.wonders(wants) {
                let asked = self.asked.get(&family.root.uid).copied();
                let last = last.max(asked);
                if last.is_none_or(|t| seen.now.since(t) >= every) {
                    self.asked.insert(family.root.uid.clone(), seen.now);
                    kept.questions
                        .push(OwnerQuestion::Wants(family.root.clone()));
                }
            }
            kept.says(family, known.is_some_and(|(_, reserved)| reserved), pods);
        }
        self.families
            .retain(|key, f| groups.contains_key(key) || !f.is_over());
        self.forget(seen);
        kept
    }

    fn find_roots(&mut self, seen: &Sight<'_>, kept: &mut Kept) {
        let unknown = seen.pods.iter().filter_map(|p| {
            let controller = p.controller.as_ref()?;
            let known = self.roots.knows(controller);
            (!known).then(|| (controller, Root::named(&p.namespace, controller)))
        });
        let unknown: BTreeMap<_, _> = unknown.collect();
        for (controller, root) in unknown {
            let Some(root) = root else {
                self.roots.set(&controller.uid, None);
                continue;
            };
            kept.pending = true;
            let asked = self.asked.get(&controller.uid);
            if asked.is_none_or(|t| seen.now.since(*t) >= AGAIN) {
                self.asked.insert(controller.uid.clone(), seen.now);
                kept.questions.push(OwnerQuestion::Root(root));
            }
        }
    }

    /// Of what no pod is left nothing is remembered.
    fn forget(&mut self, seen: &Sight<'_>) {
        let controllers = seen.pods.iter().filter_map(|p| p.controller.as_ref());
        let mut used: HashSet<&str> = controllers.map(|c| c.uid.as_str()).collect();
        let owners = self.families.values().map(|f| f.root.uid.as_str());
        let owners: HashSet<&str> = owners.collect();
        self.roots.retain(|uid, root| {
            used.contains(uid) || root.is_some_and(|r| owners.contains(r.uid.as_str()))
        });
        used.extend(owners);
        self.asked.retain(|uid, _| used.contains(uid.as_str()));
        self.wants.retain(|uid, _| used.contains(uid.as_str()));
    }
}

impl Kept {
    /// What is claimed for a family.
    fn says(&mut self, family: &Family, reserved: bool, pods: &[&OwnPod]) {
        let by: BTreeSet<&HolderKey> = family.successors().collect();
        if reserved {
            let free: BTreeSet<&HolderKey> = family.served().collect();
            let gated = |p: &&&OwnPod| p.gate == Gate::Ours && free.contains(&p.key);
            let open = pods.iter().filter(gated);
            self.open.extend(open.map(|p| p.key.clone()));
        }
        self.named.extend(by.into_iter().cloned());
        let count = family.count();
        if count > 0 {
            self.claims.push(OwnerWish {
                owner: family.owner.clone(),
                items: times(&family.items, count),
                project: family.project.clone(),
                pods: family.pods(),
                // It waits for no seat but those that its pods have.
                rests: !reserved,
                short: false,
                replaces: family.replaces(),
            });
        }
    }
}

#[cfg(test)]
mod tests;
