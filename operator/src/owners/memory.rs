//! What is remembered of one license server's owners: their claims, and what was done to pods and
//! said to them. No I/O here.
//!
//! It lives as long as this replica leads. Another one learns from the server's list which claims
//! there are, and has new receipts with the first renewal.

use super::claim::{FAILED, Remembered, is_for_successors};
use super::family::Parked;
use super::kept::{Kept, OwnerQuestion, Sight, is_replacing};
use super::places::Places;
use super::plan::{
    GroupWaits, JobName, JobSize, KnownOwner, OwnersFacts, OwnersPlan, Stand, owners_plan,
};
use super::replacing::Replacements;
use super::root::{Root, Wants};
use super::wish::OwnerWish;
use super::words;
use super::workloads::{self, WorkloadClaim};
use crate::cache::own::{Gate, OwnPod};
use crate::leases::Note;
use crate::pods::is_workload;
use mooring_api::names::ServerRef;
use mooring_core::identity::{Holder, HolderKey};
use mooring_core::names::ClaimName;
use mooring_core::request::Item;
use mooring_core::time::BootTime;
use mooring_core::wire::{LeaseView, OwnerClaim, OwnerStands, OwnersAnswer, ViewState};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::mem::discriminant;
use std::time::Duration;

/// When something that was to be done to a pod is to be done once more, if it did not come about.
const AGAIN: Duration = Duration::from_secs(10);
/// How long a seat has been kept before it is shown.
const SHOWN_AFTER: Duration = Duration::from_secs(5);
/// How often a Job is asked for its size.
const JOB_EVERY: Duration = Duration::from_secs(30);
/// How long the pods of a group may take to be made before one of them is told that others are
/// missing.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is to be done at the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// The pod's gate goes; of one of a group that is said on it.
    Open(HolderKey, Option<Note>),
    Say(HolderKey, Note),
    AskForJob(JobName),
    /// Whose the pods of this controller are.
    AskForRoot(Root),
    /// How many pods it wants.
    AskWhatItWants(Root),
}

/// What is seen of a license server's pods, and of what it has for owners.
#[derive(Debug)]
pub struct OwnersSight<'a> {
    pub server: &'a ServerRef,
    pub pods: Vec<OwnPod>,
    /// Pods that have a lease of their own, in sight or not.
    pub held: &'a HashSet<HolderKey>,
    /// Pods whose own claim stands in line.
    pub waiting: &'a HashSet<HolderKey>,
    /// The owners' claims that the server says it has.
    pub listed: &'a [LeaseView],
}

/// Claims that are to be said now.
pub type Due = Vec<OwnerClaim>;

/// What was seen of a pod, and done to it.
#[derive(Debug)]
struct Seen {
    first: BootTime,
    open: Option<BootTime>,
    bound: Option<BootTime>,
    /// When its gate was last taken away.
    opened: Option<BootTime>,
    told: Option<GroupWaits>,
}

#[derive(Debug, Default)]
pub struct OwnersMemory {
    claims: BTreeMap<HolderKey, Remembered>,
    pods: HashMap<HolderKey, Seen>,
    jobs: BTreeMap<JobName, JobSize>,
    asked: BTreeMap<JobName, BootTime>,
    replacing: Replacements,
    places: Places,
    /// Owners of which it is shown that seats are kept.
    shown: BTreeSet<HolderKey>,
    /// Those of Kueue's that claim here; `None`: they are not known yet.
    workloads: Option<Vec<WorkloadClaim>>,
}

impl OwnersMemory {
    pub fn is_empty(&self) -> bool {
        let workloads = self.workloads.as_ref();
        self.claims.is_empty() && self.pods.is_empty() && workloads.is_none_or(Vec::is_empty)
    }

    /// The Workloads of Kueue's that claim here; whether that is news. What is claimed for others
    /// ends, whenever the server hears of it.
    pub fn set_workloads(&mut self, all: &[WorkloadClaim]) -> bool {
        let news = self.workloads.as_deref() != Some(all);
        if news {
            let keys: HashSet<HolderKey> = all.iter().map(WorkloadClaim::key).collect();
            let others = self.claims.iter_mut();
            let others = others.filter(|(key, _)| is_workload(key) && !keys.contains(*key));
            others.for_each(|(_, c)| c.over());
            self.workloads = Some(all.to_vec());
        }
        news
    }

    /// How such a claim stands, and whether the server knows that it rests. `None`: it was not
    /// made yet as it is, or nothing has been heard of it for long.
    pub fn stand(&self, key: &HolderKey, now: BootTime) -> Option<(&Stand, bool)> {
        let claim = self.claims.get(key).filter(|c| !c.ends)?;
        claim.answered(now).map(|stand| (stand, claim.rested))
    }

    /// Whose claim it is, as it was made here.
    pub fn owner(&self, key: &HolderKey) -> Option<&Holder> {
        self.claims.get(key).map(|c| &c.wish.owner)
    }

    pub fn set_job(&mut self, name: JobName, size: Option<JobSize>) {
        match size {
            Some(size) => self.jobs.insert(name, size),
            None => self.jobs.remove(&name),
        };
    }

    pub fn set_root(&mut self, controller: &str, root: Option<Root>) {
        self.replacing.set_root(controller, root);
    }

    pub fn set_wants(&mut self, root: &Root, wants: Wants, now: BootTime) {
        self.replacing.set_wants(root, wants, now);
    }

    /// The seats that an owner's claim has kept for so long that it is shown. `None`: it is no
    /// claim that keeps any.
    pub fn parked(&self, key: &HolderKey, now: BootTime) -> Option<Vec<Parked>> {
        if !is_replacing(key) {
            return None;
        }
        let mut parked = self.replacing.parked(key);
        parked.retain(|p| now.since(p.since) >= SHOWN_AFTER);
        Some(parked)
    }

    /// What one pod of such an owner asks for.
    pub fn items_of(&self, key: &HolderKey) -> Option<&[Item]> {
        self.replacing.items(key)
    }

    /// Owners of which something else is to be shown now.
    pub fn news(&mut self, now: BootTime) -> Vec<HolderKey> {
        let parks = |k: &&HolderKey| self.parked(k, now).is_some_and(|p| !p.is_empty());
        let shown: BTreeSet<HolderKey> = self.claims.keys().filter(parks).cloned().collect();
        let before = std::mem::replace(&mut self.shown, shown);
        // Of those that are shown for whom, and until when, changes.
        self.shown.union(&before).cloned().collect()
    }

    /// Takes in how pods and the server's list are now; what is to be done to pods.
    pub fn look(&mut self, sight: OwnersSight<'_>, now: BootTime) -> Vec<Act> {
        let OwnersSight {
            server,
            mut pods,
            held,
            waiting,
            listed,
        } = sight;
        self.see(&mut pods, now);
        let known = self.known(listed, now);
        let kept = self.keep(&pods, (held, waiting), &known, now);
        let plan = owners_plan(&OwnersFacts {
            pods: &pods,
            known: &known,
            jobs: &self.jobs,
            kept: &kept,
        });
        let mut acts = self.acts(server, &plan, now);
        acts.extend(kept.questions.into_iter().map(|q| match q {
            OwnerQuestion::Root(root) => Act::AskForRoot(root),
            OwnerQuestion::Wants(root) => Act::AskWhatItWants(root),
        }));
        self.take(plan, &known, now);
        acts
    }

    /// What is claimed for pods to come.
    fn keep(
        &mut self,
        pods: &[OwnPod],
        (held, waiting): (&HashSet<HolderKey>, &HashSet<HolderKey>),
        known: &BTreeMap<HolderKey, KnownOwner>,
        now: BootTime,
    ) -> Kept {
        let workloads = self.workloads.as_deref().unwrap_or_default();
        let above = |pod: &OwnPod| self.replacing.root_of(pod)?.above.clone();
        let of_workloads = workloads::pods_of(workloads, pods, &above);
        // Until the server has heard that such a claim ends it counts there.
        let others = self.claims.iter();
        let others = others.filter(|(key, _)| !is_for_successors(key));
        let mut taken: HashSet<&HolderKey> = others.flat_map(|(_, c)| &c.wish.pods).collect();
        taken.extend(of_workloads.values().flatten().map(|p| &p.key));
        let (seen, first) = (&self.pods, now);
        let first = |key: &HolderKey| seen.get(key).map_or(first, |s| s.first);
        let stands = |key: &HolderKey| {
            let known = known.get(key)?;
            let seats = known.items.first().map_or(0, |i| i.seats.get());
            Some((seats, known.stand == Stand::Reserved))
        };
        let sight = Sight {
            pods,
            held,
            waiting,
            first: &first,
            taken: &|key| taken.contains(key),
            known: &stands,
            now,
        };
        let mut kept = self.replacing.look(&sight);
        let listed = known.values();
        let roots = |pod: &OwnPod| self.replacing.root_of(pod).cloned();
        self.places.look(&sight, listed, &roots, &mut kept);
        let reserved = |key: &HolderKey| stands(key).is_some_and(|(_, reserved)| reserved);
        workloads::look(workloads, &of_workloads, &reserved, &mut kept);
        kept.workloads_pending = self.workloads.is_none();
        kept
    }

    /// Since when pods are as they are.
    fn see(&mut self, pods: &mut [OwnPod], now: BootTime) {
        let mut before = std::mem::take(&mut self.pods);
        for pod in pods {
            let new = || Seen {
                first: now,
                open: None,
                bound: None,
                opened: None,
                told: None,
            };
            let mut seen = before.remove(&pod.key).unwrap_or_else(new);
            if pod.gate == Gate::Open {
                let since = *seen.open.get_or_insert(now);
                pod.open_for = now.since(since);
            }
            if pod.bound {
                let since = *seen.bound.get_or_insert(now);
                pod.bound_for = now.since(since);
            }
            self.pods.insert(pod.key.clone(), seen);
        }
    }

    /// How the claims stand: those that are remembered, and others that the server has.
    fn known(&mut self, listed: &[LeaseView], now: BootTime) -> BTreeMap<HolderKey, KnownOwner> {
        let mut known = BTreeMap::new();
        for view in listed.iter().filter(|v| v.claim == ClaimName::owner()) {
            let key = view.holder.key();
            let stand = match view.state {
                // Silent: the operator that spoke of it does so no more.
                ViewState::Reserved | ViewState::Silent => Stand::Reserved,
                ViewState::Waiting => Stand::Waiting {
                    place: view.place.unwrap_or(1),
                    why: view.message.clone().unwrap_or_default(),
                },
                _ => continue,
            };
            // Its grant is heard here first: with the answer comes its receipt.
            if let Some(c) = self.claims.get_mut(&key)
                && matches!(c.stand, Stand::Waiting { .. })
                && stand == Stand::Reserved
            {
                c.next = now;
            }
            let of_list = KnownOwner {
                owner: view.holder.clone(),
                items: view.items.clone(),
                project: view.project.clone(),
                stand,
                short_for: Duration::ZERO,
            };
            known.insert(key, of_list);
        }
        for (key, c) in &self.claims {
            if c.ends {
                known.remove(key);
                continue;
            }
            known.insert(key.clone(), c.known(now));
        }
        known
    }

    fn take(&mut self, plan: OwnersPlan, known: &BTreeMap<HolderKey, KnownOwner>, now: BootTime) {
        for wish in plan.claims {
            let key = wish.owner.key();
            if let Some(c) = self.claims.get_mut(&key).filter(|c| !c.ends) {
                c.change(wish, now);
                continue;
            }
            let stand = known.get(&key).map(|k| k.stand.clone());
            let new = Remembered::new(wish, stand.unwrap_or(Stand::Asked), now);
            self.claims.insert(key, new);
        }
        for owner in plan.ends {
            let key = owner.key();
            let wish = OwnerWish {
                items: known.get(&key).map(|k| k.items.clone()).unwrap_or_default(),
                owner,
                project: None,
                pods: Vec::new(),
                rests: false,
                short: false,
                replaces: Vec::new(),
            };
            let c = self.claims.entry(key);
            let c = c.or_insert_with(|| Remembered::new(wish, Stand::Asked, now));
            (c.ends, c.next) = (true, now);
        }
        self.asked.retain(|job, _| plan.jobs.contains(job));
        self.jobs.retain(|job, _| plan.jobs.contains(job));
    }

    fn acts(&mut self, server: &ServerRef, plan: &OwnersPlan, now: BootTime) -> Vec<Act> {
        let mut acts = Vec::new();
        for (key, group) in &plan.open {
            let Some(seen) = self.pods.get_mut(key) else {
                continue;
            };
            if seen.opened.is_some_and(|t| now.since(t) < AGAIN) {
                continue;
            }
            let first = seen.opened.is_none();
            seen.opened = Some(now);
            let note = group.as_ref().filter(|_| first);
            acts.push(Act::Open(
                key.clone(),
                note.map(|g| words::reserved(server, g)),
            ));
        }
        for (key, told) in &plan.told {
            let Some(seen) = self.pods.get_mut(key) else {
                continue;
            };
            let early =
                matches!(told, GroupWaits::Incomplete(_)) && now.since(seen.first) < PATIENCE;
            let again = seen.told.as_ref().map(discriminant) == Some(discriminant(told));
            if !early && !again {
                seen.told = Some(told.clone());
                acts.push(Act::Say(key.clone(), words::waits(server, told)));
            }
        }
        for job in &plan.jobs {
            let asked = self.asked.get(job);
            if asked.is_none_or(|t| now.since(*t) >= JOB_EVERY) {
                self.asked.insert(job.clone(), now);
                acts.push(Act::AskForJob(job.clone()));
            }
        }
        acts
    }

    /// What is to be said to the server now.
    pub fn due(&self, now: BootTime) -> Due {
        let due = self.claims.values().filter(|c| c.next <= now);
        due.map(|c| c.says(now)).collect()
    }

    /// All of it: what is shown to a server that may be another run.
    pub fn all(&self, now: BootTime) -> Due {
        self.claims.values().map(|c| c.says(now)).collect()
    }

    /// What is to outlive this operator: what its pods do not say of themselves.
    pub fn to_be_kept(&self, now: BootTime) -> Due {
        let says_more =
            |key: &HolderKey| !is_replacing(key) || !self.replacing.parked(key).is_empty();
        let given = |c: &&Remembered| c.receipt.is_some() || c.ticket.is_some();
        let kept = self
            .claims
            .iter()
            .filter(|(key, c)| !c.ends && says_more(key));
        kept.map(|(_, c)| c)
            .filter(given)
            .map(|c| c.says(now))
            .collect()
    }

    /// What another operator had been given.
    pub fn restore(&mut self, claims: Vec<OwnerClaim>, now: BootTime) {
        for c in claims {
            self.claims
                .insert(c.owner.key(), Remembered::restored(c, now));
        }
    }

    /// What could not be said is said later.
    pub fn failed(&mut self, said: &[OwnerClaim], now: BootTime) {
        for c in said {
            if let Some(c) = self.claims.get_mut(&c.owner.key()) {
                c.next = now + FAILED;
            }
        }
    }

    /// Takes in what the server answered to a request that was sent then.
    pub fn answered(&mut self, said: &[OwnerClaim], sent: BootTime, answer: OwnersAnswer) {
        for (said, stands) in said.iter().zip(answer.owners) {
            let key = said.owner.key();
            let Some(c) = self.claims.get_mut(&key) else {
                continue;
            };
            if said.ends == c.ends && (said.ends || stands == OwnerStands::Ended) {
                self.claims.remove(&key);
            } else if !said.ends && !c.ends {
                c.hear(said, stands, (answer.instance, sent));
            }
        }
    }
}

#[cfg(test)]
mod tests;
