//! Places in line that outlive the pods that they were of. No I/O here.
//!
//! A pod that waits stands in line itself, and beside it a place of its own rests there: it gathers
//! nothing and is in nobody's way. When the pod goes, the next pod of the same place's name, or of
//! the same owner, takes the best place that is left, which then stands in line for it. Two living
//! pods never have one place.

use super::kept::{ASKS, Kept, Sight};
use super::plan::KnownOwner;
use super::root::Root;
use super::wish::OwnerWish;
use crate::cache::OwnPod;
use crate::cache::own::PodStage;
use mooring_core::identity::{Holder, HolderKey};
use mooring_core::names::ProjectName;
use mooring_core::request::Item;
use mooring_core::time::BootTime;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

/// For how long a place is kept of which no pod lives.
const KEEP_PLACE: Duration = Duration::from_secs(180);
/// Before the key of a place.
const PLACE_KEY: &str = "place:";

#[derive(Debug)]
struct Place {
    owner: Holder,
    /// What one pod asks for.
    items: Vec<Item>,
    project: Option<ProjectName>,
    pod: Option<HolderKey>,
    /// Its pod was before it, and stands in line itself.
    rests: bool,
    /// Since when no pod of it lives.
    alone: Option<BootTime>,
    /// Since when its seats are there, and its pod has not taken them.
    served: Option<BootTime>,
}

#[derive(Debug, Default)]
pub(super) struct Places {
    /// By what they are of, and their number: the smaller, the earlier it came.
    all: BTreeMap<(String, u64), Place>,
    number: u64,
    begun: bool,
}

/// Whether this is the key of a place.
pub(super) fn is_place(key: &HolderKey) -> bool {
    key.0.starts_with(PLACE_KEY)
}

fn key_of(of: &str, number: u64) -> String {
    format!("{PLACE_KEY}{of}/{number}")
}

/// What a place is of: what its author named, or the pod's owner by its UID.
fn of(pod: &OwnPod, root: Option<&Root>) -> Option<(String, String)> {
    let namespace = &pod.namespace;
    if let Some(name) = &pod.place {
        return Some((format!("{namespace}/{name}"), format!("Place/{name}")));
    }
    let root = root?;
    let name = format!("{}/{}", root.kind.as_str(), root.name);
    Some((format!("{namespace}/{}", root.uid), name))
}

impl Places {
    /// What is claimed. `roots`: what has a pod run.
    pub(super) fn look<'a>(
        &mut self,
        seen: &Sight<'_>,
        listed: impl Iterator<Item = &'a KnownOwner>,
        roots: &dyn Fn(&OwnPod) -> Option<Root>,
        kept: &mut Kept,
    ) {
        self.take_over(listed, seen.now);
        let pods: HashMap<&HolderKey, &OwnPod> = seen.pods.iter().map(|p| (&p.key, p)).collect();
        let stands = |key: &HolderKey| (seen.known)(key).is_some_and(|(_, reserved)| reserved);
        self.all
            .retain(|_, place| place.look(&pods, &stands, seen.now));
        let has: HashSet<HolderKey> = self.all.values().filter_map(|p| p.pod.clone()).collect();
        let mut new: Vec<&OwnPod> = seen.pods.iter().collect();
        new.retain(|p| {
            let lives = p.stage == PodStage::Lives && !p.leased && !p.elsewhere;
            let alone = !p.gated && !(seen.taken)(&p.key) && !kept.named.contains(&p.key);
            lives && alone && !has.contains(&p.key)
        });
        new.sort_by_key(|p| (p.created, &p.name));
        for pod in new {
            let Some((of, name)) = of(pod, roots(pod).as_ref()) else {
                continue;
            };
            let of_it = (of.clone(), 0)..=(of.clone(), u64::MAX);
            let mut left = self.all.range_mut(of_it).map(|(_, p)| p);
            if let Some(place) = left.find(|p| p.fits(pod)) {
                (place.pod, place.rests, place.alone) = (Some(pod.key.clone()), false, None);
            } else if seen.waiting.contains(&pod.key) {
                self.number += 1;
                let owner = pod.owner(name, key_of(&of, self.number));
                let place = Place::new(owner, pod);
                self.all.insert((of, self.number), place);
            }
        }
        kept.claims.extend(self.all.values().map(Place::wish));
    }

    /// What another operator kept: no pod is known to have it.
    fn take_over<'a>(&mut self, listed: impl Iterator<Item = &'a KnownOwner>, now: BootTime) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        for known in listed {
            let key = known.owner.key();
            let told = key
                .0
                .strip_prefix(PLACE_KEY)
                .and_then(|k| k.rsplit_once('/'));
            let Some((of, number)) = told.and_then(|(of, n)| Some((of, n.parse().ok()?))) else {
                continue;
            };
            self.number = self.number.max(number);
            let place = Place {
                owner: known.owner.clone(),
                items: known.items.clone(),
                project: known.project.clone(),
                pod: None,
                rests: true,
                alone: Some(now),
                served: None,
            };
            self.all.insert((of.to_owned(), number), place);
        }
    }
}

impl Place {
    fn new(owner: Holder, pod: &OwnPod) -> Self {
        Self {
            owner,
            items: pod.items.clone(),
            project: pod.project.clone(),
            pod: Some(pod.key.clone()),
            rests: true,
            alone: None,
            served: None,
        }
    }

    /// Whether it is still to be.
    fn look(
        &mut self,
        pods: &HashMap<&HolderKey, &OwnPod>,
        stands: &impl Fn(&HolderKey) -> bool,
        now: BootTime,
    ) -> bool {
        let pod = self.pod.as_ref().and_then(|key| pods.get(key));
        match pod.map(|p| p.stage) {
            Some(PodStage::Lives) if pod.is_some_and(|p| p.leased || p.elsewhere) => return false,
            Some(PodStage::Succeeded) => return false,
            Some(PodStage::Lives) => {}
            _ => {
                (self.pod, self.rests) = (None, true);
                self.alone.get_or_insert(now);
            }
        }
        if stands(&self.owner.key()) {
            let since = *self.served.get_or_insert(now);
            // Its pod has had its time to ask.
            if now.since(since) >= ASKS {
                return false;
            }
        }
        self.alone.is_none_or(|t| now.since(t) < KEEP_PLACE)
    }

    /// Whether it is left, and this pod may have it.
    fn fits(&self, pod: &OwnPod) -> bool {
        let Holder::Owner {
            service_account, ..
        } = &self.owner
        else {
            return false;
        };
        let asks = (&self.items, &self.project, service_account);
        self.pod.is_none() && asks == (&pod.items, &pod.project, &pod.service_account)
    }

    fn wish(&self) -> OwnerWish {
        let pods = self.pod.iter().filter(|_| !self.rests);
        OwnerWish {
            owner: self.owner.clone(),
            items: self.items.clone(),
            project: self.project.clone(),
            pods: pods.cloned().collect(),
            rests: self.rests,
            short: false,
            replaces: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
