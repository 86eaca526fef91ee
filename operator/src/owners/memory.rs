//! What is remembered of one license server's owners' claims: how they stand, what the server gave
//! for them, when they are to be said again, and which pods were told what. No I/O here.
//!
//! It lives as long as this replica leads. Another one learns from the server's list which claims
//! there are, and has new receipts with the first renewal.

use super::plan::{
    GroupWaits, JobName, JobSize, KnownOwner, OwnerWish, OwnersFacts, OwnersPlan, Stand,
    owners_plan,
};
use super::pod::{Gate, OwnPod};
use crate::leases::{Note, WAITING};
use kube::runtime::events::EventType::{Normal, Warning};
use mooring_api::names::ServerRef;
use mooring_core::identity::{Holder, HolderKey};
use mooring_core::names::{ClaimName, InstanceId, ProjectName};
use mooring_core::receipt::Sealed;
use mooring_core::request::Item;
use mooring_core::time::BootTime;
use mooring_core::wire::{
    LeaseView, OwnerClaim, OwnerStands, OwnersAnswer, ProblemType, ViewState,
};
use std::collections::{BTreeMap, HashMap};
use std::mem::discriminant;
use std::time::Duration;

/// How often a claim is said again: the server keeps it for five minutes.
pub const RENEW: Duration = Duration::from_secs(100);
/// The same for one that was refused, and for what could not be said.
const REFUSED: Duration = Duration::from_secs(60);
const FAILED: Duration = Duration::from_secs(10);
/// When something that was to be done to a pod is to be done once more, if it did not come about.
const AGAIN: Duration = Duration::from_secs(10);
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
}

impl OwnersMemory {
    pub fn is_empty(&self) -> bool {
        self.claims.is_empty() && self.pods.is_empty()
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

    /// Takes in how pods and the server's list are now; what is to be done to pods. `listed`: the
    /// owners' claims that the server says it has.
    pub fn look(
        &mut self,
        server: &ServerRef,
        mut pods: Vec<OwnPod>,
        listed: &[LeaseView],
        now: BootTime,
    ) -> Vec<Act> {
        self.see(&mut pods, now);
        let known = self.known(listed, now);
        let plan = owners_plan(&OwnersFacts {
            pods: &pods,
            known: &known,
            jobs: &self.jobs,
        });
        let acts = self.acts(server, &plan, now);
        self.take(plan, &known, now);
        acts
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
                ViewState::Reserved => Stand::Reserved,
                ViewState::Waiting => Stand::Waiting(view.message.clone().unwrap_or_default()),
                _ => continue,
            };
            // Its grant is heard here first: with the answer comes its receipt.
            if let Some(c) = self.claims.get_mut(&key)
                && matches!(c.stand, Stand::Waiting(_))
                && stand == Stand::Reserved
            {
                c.next = now;
            }
            let of_list = KnownOwner {
                owner: view.holder.clone(),
                items: view.items.clone(),
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

impl Remembered {
    fn new(wish: OwnerWish, stand: Stand, now: BootTime) -> Self {
        Self {
            owner: wish.owner,
            items: wish.items,
            project: wish.project,
            pods: wish.pods,
            rests: wish.rests,
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
        let news = self.items != wish.items || self.pods != wish.pods || self.rests != wish.rests;
        if news {
            self.next = now;
        }
        self.short_since = self.short_since.or(Some(now)).filter(|_| wish.short);
        (self.items, self.pods, self.rests) = (wish.items, wish.pods, wish.rests);
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
            ends: self.ends,
            heard: self.heard,
            receipt: receipt.map(|(r, _)| r.clone()),
            sent_ago: receipt.map(|(_, sent)| now.since(*sent)),
            ticket: self.ticket.clone(),
        }
    }

    fn hear(&mut self, said: &OwnerClaim, stands: OwnerStands, sent: BootTime) {
        // What changed meanwhile is still to be said.
        let same = said.items == self.items && said.pods == self.pods && said.rests == self.rests;
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
                self.stand = Stand::Waiting(format!("place {place}, {message}"));
            }
            OwnerStands::Refused { problem } => {
                next = REFUSED;
                match problem.kind {
                    // Nothing is known of it for a while.
                    ProblemType::AnchorLost
                    | ProblemType::LicenseInvalid
                    | ProblemType::Overloaded => next = FAILED,
                    kind => {
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
