//! What is remembered of one license server's owners' claims: how they stand, what the server gave
//! for them, when they are to be said again, and which pods were told what. No I/O here.
//!
//! It lives as long as this replica leads. Another one learns from the server's list which claims
//! there are, and has new receipts with the first renewal.

use super::family::Parked;
use super::kept::{Kept, OwnerQuestion, Sight, is_replacing};
use super::places::{Places, is_place};
use super::plan::{
    GroupWaits, JobName, JobSize, KnownOwner, OwnersFacts, OwnersPlan, Stand, owners_plan,
};
use super::replacing::Replacements;
use super::root::{Root, Wants};
use super::wish::OwnerWish;
use super::workloads::{self, WorkloadClaim};
use crate::cache::own::{Gate, OwnPod};
use crate::kubernetes::whole_seconds;
use crate::leases::{Note, WAITING};
use kube::runtime::events::EventType::{Normal, Warning};
use mooring_api::names::ServerRef;
use mooring_core::identity::{Holder, HolderKey};
use mooring_core::names::{ClaimName, InstanceId, ProjectName};
use mooring_core::receipt::Sealed;
use mooring_core::request::Item;
use mooring_core::time::{BootTime, Now};
use mooring_core::wire::{
    LeaseView, OwnerClaim, OwnerStands, OwnersAnswer, ProblemType, Replacing as Replaces, ViewState,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::mem::discriminant;
use std::time::Duration;

/// How often a claim is said again: the server keeps it for five minutes.
pub const RENEW: Duration = Duration::from_secs(100);
/// The same for one that was refused, and for what could not be said.
const REFUSED: Duration = Duration::from_secs(60);
const FAILED: Duration = Duration::from_secs(10);
/// When something that was to be done to a pod is to be done once more, if it did not come about.
const AGAIN: Duration = Duration::from_secs(10);
/// How often it is asked whether what counts its seats by something else may keep them by now.
const NOT_COUNTED: Duration = Duration::from_secs(600);
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

#[derive(Debug)]
struct Remembered {
    owner: Holder,
    items: Vec<Item>,
    project: Option<ProjectName>,
    pods: Vec<HolderKey>,
    rests: bool,
    /// So the server was told, and answered.
    rested: bool,
    replaces: Vec<Replaces>,
    ends: bool,
    stand: Stand,
    heard: Option<InstanceId>,
    /// With the time at which the request was sent that it answered.
    receipt: Option<(Sealed, BootTime)>,
    ticket: Option<Sealed>,
    /// When it is to be said next.
    next: BootTime,
    short_since: Option<BootTime>,
}

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

    /// The Workloads of Kueue's that claim here; whether that is news.
    pub fn set_workloads(&mut self, all: &[WorkloadClaim]) -> bool {
        let news = self.workloads.as_deref() != Some(all);
        if news {
            self.workloads = Some(all.to_vec());
        }
        news
    }

    /// How such a claim stands, and whether the server knows that it rests. `None`: it was not
    /// made yet.
    pub fn stand(&self, key: &HolderKey) -> Option<(&Stand, bool)> {
        let claim = self.claims.get(key).filter(|c| !c.ends)?;
        Some((&claim.stand, claim.rested))
    }

    /// Whose claim it is, as it was made here.
    pub fn owner(&self, key: &HolderKey) -> Option<&Holder> {
        self.claims.get(key).map(|c| &c.owner)
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
        let mut taken: HashSet<&HolderKey> = others.flat_map(|(_, c)| &c.pods).collect();
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
            let ours = KnownOwner {
                owner: c.owner.clone(),
                items: c.items.clone(),
                project: c.project.clone(),
                stand: c.stand.clone(),
                short_for: c.short_since.map_or(Duration::ZERO, |t| now.since(t)),
            };
            known.insert(key.clone(), ours);
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
            acts.push(Act::Open(key.clone(), note.map(|g| reserved(server, g))));
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
                acts.push(Act::Say(key.clone(), waits(server, told)));
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
            let sent = now - c.sent_ago.unwrap_or_default();
            let wish = OwnerWish {
                owner: c.owner,
                items: c.items,
                project: c.project,
                pods: c.pods,
                rests: c.rests,
                short: false,
                replaces: c.replaces,
            };
            let key = wish.owner.key();
            let mut known = Remembered::new(wish, Stand::Asked, now);
            (known.heard, known.ticket) = (c.heard, c.ticket);
            known.receipt = c.receipt.map(|r| (r, sent));
            self.claims.insert(key, known);
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
                c.heard = Some(answer.instance);
                c.hear(said, stands, sent);
            }
        }
    }
}

/// Whether its pods claim for themselves, and this is for those that come after them.
pub fn is_for_successors(key: &HolderKey) -> bool {
    is_replacing(key) || is_place(key)
}

impl Remembered {
    fn new(wish: OwnerWish, stand: Stand, now: BootTime) -> Self {
        Self {
            owner: wish.owner,
            items: wish.items,
            project: wish.project,
            pods: wish.pods,
            rests: wish.rests,
            rested: false,
            replaces: wish.replaces,
            ends: false,
            stand,
            heard: None,
            receipt: None,
            ticket: None,
            next: now,
            short_since: wish.short.then_some(now),
        }
    }

    fn change(&mut self, wish: OwnerWish, now: BootTime) {
        let news = self.items != wish.items
            || self.pods != wish.pods
            || self.rests != wish.rests
            || self.replaces != wish.replaces;
        // What does not count by pods keeps nothing for them: it is asked for now and then.
        let idle = matches!(self.stand, Stand::Refused(_)) && is_for_successors(&self.owner.key());
        if news && !idle {
            self.next = now;
        }
        self.short_since = self.short_since.or(Some(now)).filter(|_| wish.short);
        (self.items, self.pods, self.rests) = (wish.items, wish.pods, wish.rests);
        self.replaces = wish.replaces;
    }

    fn says(&self, now: BootTime) -> OwnerClaim {
        let receipt = self.receipt.as_ref();
        OwnerClaim {
            owner: self.owner.clone(),
            claim: ClaimName::owner(),
            items: self.items.clone(),
            project: self.project.clone(),
            pods: self.pods.clone(),
            rests: self.rests,
            replaces: self.replaces.clone(),
            ends: self.ends,
            heard: self.heard,
            receipt: receipt.map(|(r, _)| r.clone()),
            sent_ago: receipt.map(|(_, sent)| now.since(*sent)),
            ticket: self.ticket.clone(),
        }
    }

    fn hear(&mut self, said: &OwnerClaim, stands: OwnerStands, sent: BootTime) {
        // What changed meanwhile is still to be said.
        let same = said.items == self.items
            && said.pods == self.pods
            && said.rests == self.rests
            && said.replaces == self.replaces;
        let mut next = RENEW;
        match stands {
            OwnerStands::Reserved { receipt, .. } => {
                (self.receipt, self.ticket) = (Some((receipt, sent)), None);
                self.stand = Stand::Reserved;
            }
            OwnerStands::Waiting {
                ticket,
                place,
                message,
                ..
            } => {
                (self.receipt, self.ticket) = (None, Some(ticket));
                self.rested = said.rests;
                let why = message;
                self.stand = Stand::Waiting { place, why };
            }
            OwnerStands::Refused { problem } => {
                next = REFUSED;
                match problem.kind {
                    // Nothing is known of it for a while.
                    ProblemType::AnchorLost
                    | ProblemType::LicenseInvalid
                    | ProblemType::Overloaded => next = FAILED,
                    // One of its pods has gone in the same moment; what it has stays its own.
                    ProblemType::ClaimChanged if is_replacing(&said.owner.key()) => {
                        next = FAILED;
                    }
                    kind => {
                        if is_for_successors(&said.owner.key()) {
                            next = NOT_COUNTED;
                        }
                        // Whoever is let in again has what it had.
                        if kind != ProblemType::NotEntitled {
                            (self.receipt, self.ticket) = (None, None);
                        }
                        self.stand = Stand::Refused(problem.detail);
                    }
                }
            }
            OwnerStands::Ended => {}
        }
        self.next = if same { sent + next } else { sent };
    }
}

/// For whom seats are kept, and until when.
pub fn kept_for(parked: &[Parked], now: Now) -> String {
    let Some(last) = parked.iter().max_by_key(|p| p.until) else {
        return String::new();
    };
    let left = last.until.since(now.boot);
    let until = now.wall.checked_add(left).unwrap_or(now.wall);
    let names: Vec<&str> = parked.iter().map(|p| p.pod.as_str()).collect();
    let names: Vec<&str> = names.into_iter().filter(|n| !n.is_empty()).collect();
    let pods = match names.as_slice() {
        [] => format!("of {} of its pods", parked.len()),
        [one] if parked.len() == 1 => format!("of {one}"),
        [one, ..] => format!("of {one} and {} more of its pods", parked.len() - 1),
    };
    let until = whole_seconds(until);
    format!("kept for the replacement {pods} until {until}")
}

fn reserved(server: &ServerRef, group: &str) -> Note {
    let text = format!(
        "the seats of all pods of its group {group} are reserved at license server {server}: it is scheduled now"
    );
    Note::new(Normal, "LicenseReserved", "Reserve", &text)
}

fn waits(server: &ServerRef, told: &GroupWaits) -> Note {
    match told {
        GroupWaits::Incomplete(group) => {
            let text = format!(
                "waits for the other pods of its group {group}: nothing is asked of license server {server} before as many are there as the group has, and none of them waits for another scheduling gate"
            );
            Note::new(Normal, WAITING, "Queue", &text)
        }
        GroupWaits::Unequal(group) => {
            let text = format!(
                "the pods of its group {group} ask for different licenses or sizes, or have different service accounts or projects, so nothing is asked of license server {server}: give all of them the same"
            );
            Note::new(Warning, WAITING, "Queue", &text)
        }
        GroupWaits::InLine(why) => {
            let text = format!("its group waits in line at license server {server}: {why}");
            Note::new(Normal, WAITING, "Queue", &text)
        }
        GroupWaits::Refused(why) => {
            let text = format!("its group is refused by license server {server}: {why}");
            Note::new(Warning, "LicenseRefused", "Refuse", &text)
        }
    }
}

#[cfg(test)]
mod tests;
