//! Which owners' claims there are to be, whose gates go, and who is told what: a pure function of
//! the pods of one license server and of how their owners' claims stand.

use super::kept::{Kept, is_replacing};
use super::wish::{OwnerWish, times};
use crate::cache::own::{Gate, MOST_PODS, OwnPod, PodGroup, PodStage, Size};
use crate::pods::is_workload;
use mooring_core::identity::{Holder, HolderKey};
use mooring_core::names::ProjectName;
use mooring_core::request::Item;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long a pod that has a node may take to ask, before what is reserved for it goes.
const BOUND: Duration = Duration::from_secs(600);
/// How long one may take to get a node.
const UNBOUND: Duration = Duration::from_secs(3600);
/// How long a group keeps the seat of a pod that failed or was deleted, for the one that replaces
/// it.
const KEEP: Duration = Duration::from_secs(60);

/// A Job, by namespace and name.
pub type JobName = (String, String);

/// How many pods a Job has at once, and in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobSize {
    pub parallelism: u32,
    pub completions: u32,
}

/// How an owner's claim stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stand {
    /// Not answered yet.
    Asked,
    /// In line: where, and why.
    Waiting {
        place: u32,
        why: String,
    },
    Reserved,
    /// Why.
    Refused(String),
}

/// An owner's claim that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KnownOwner {
    pub(super) owner: Holder,
    pub(super) items: Vec<Item>,
    pub(super) project: Option<ProjectName>,
    pub(super) stand: Stand,
    /// For how long it has had fewer pods than seats.
    pub(super) short_for: Duration,
}

/// All that bears on the owners' claims of one license server.
#[derive(Debug)]
pub struct OwnersFacts<'a> {
    pub pods: &'a [OwnPod],
    pub(super) known: &'a BTreeMap<HolderKey, KnownOwner>,
    /// The Jobs that were asked for.
    pub(super) jobs: &'a BTreeMap<JobName, JobSize>,
    /// Claims for what pods leave, and for places in line.
    pub(super) kept: &'a Kept,
}

/// Why a pod of a group waits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum GroupWaits {
    /// Not all pods of its group are there.
    Incomplete(String),
    /// They do not ask for the same.
    Unequal(String),
    InLine(String),
    Refused(String),
}

/// What is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnersPlan {
    pub(super) claims: Vec<OwnerWish>,
    /// Claims that there are, and are not to be any more.
    pub(super) ends: Vec<Holder>,
    /// Pods whose gate goes, each with its group's name if it is of one.
    pub(super) open: Vec<(HolderKey, Option<String>)>,
    pub(super) told: Vec<(HolderKey, GroupWaits)>,
    /// Jobs whose size is to be asked for.
    pub(super) jobs: BTreeSet<JobName>,
}

pub fn owners_plan(f: &OwnersFacts<'_>) -> OwnersPlan {
    let mut plan = OwnersPlan::default();
    let mut groups: BTreeMap<HolderKey, Vec<(&OwnPod, &PodGroup)>> = BTreeMap::new();
    let mut alone: Vec<&OwnPod> = Vec::new();
    let kept = f.kept;
    plan.claims.extend(kept.claims.iter().cloned());
    plan.open
        .extend(kept.open.iter().map(|key| (key.clone(), None)));
    // Those that replace others have the others' seats.
    let others = |p: &&OwnPod| p.gated && !kept.named.contains(&p.key);
    for pod in f.pods.iter().filter(others) {
        match &pod.group {
            Some(g) => groups.entry(pod.of(g).key()).or_default().push((pod, g)),
            None => alone.push(pod),
        }
    }
    for (key, pods) in &groups {
        let members = Members::new(key, pods);
        alone.extend(members.iter().flat_map(|m| plan_group(f, m, &mut plan)));
    }
    for pod in alone {
        plan_alone(f, pod, &mut plan);
    }
    let wanted: BTreeSet<HolderKey> = plan.claims.iter().map(|c| c.owner.key()).collect();
    let maybe = |key: &HolderKey| {
        kept.pending && is_replacing(key) || kept.workloads_pending && is_workload(key)
    };
    let ended = f.known.iter();
    let ended = ended.filter(|(key, _)| !wanted.contains(*key) && !maybe(key));
    plan.ends = ended.map(|(_, k)| k.owner.clone()).collect();
    plan
}

/// What a pod is to do without any others.
fn plan_alone(f: &OwnersFacts<'_>, pod: &OwnPod, plan: &mut OwnersPlan) {
    let known = f.known.get(&pod.key);
    let keeps = match pod.gate {
        Gate::Others => false,
        Gate::Ours => true,
        // What was not claimed before it was scheduled it claims itself.
        Gate::Open => known.is_some() && !pod.leased && !lapses(pod),
    };
    if pod.stage != PodStage::Lives || !keeps {
        return;
    }
    if pod.gate == Gate::Ours && known.is_some_and(|k| k.stand == Stand::Reserved) {
        plan.open.push((pod.key.clone(), None));
    }
    plan.claims.push(OwnerWish {
        owner: pod.alone(),
        items: pod.items.clone(),
        project: pod.project.clone(),
        pods: vec![pod.key.clone()],
        rests: false,
        short: false,
        replaces: Vec::new(),
    });
}

/// Whether a pod whose gate is open has had its time to ask.
fn lapses(pod: &OwnPod) -> bool {
    if pod.bound {
        pod.bound_for >= BOUND
    } else {
        pod.open_for >= UNBOUND
    }
}

/// The pods of a group that are there.
struct Members<'a> {
    key: &'a HolderKey,
    group: &'a PodGroup,
    /// Those that live, the oldest first.
    living: Vec<&'a OwnPod>,
    /// Those that are being deleted.
    ending: Vec<&'a OwnPod>,
    succeeded: u32,
    /// All of them ask alike.
    equal: bool,
    jobs: BTreeSet<&'a str>,
}

impl<'a> Members<'a> {
    /// `None` if none is left.
    fn new(key: &'a HolderKey, pods: &[(&'a OwnPod, &'a PodGroup)]) -> Option<Self> {
        let of = |stage| {
            let mut pods: Vec<_> = pods.iter().filter(|(p, _)| p.stage == stage).collect();
            pods.sort_by_key(|(p, _)| (p.created, &p.name));
            pods
        };
        let (living, ending) = (of(PodStage::Lives), of(PodStage::Ends));
        let (first, group) = living.first().or_else(|| ending.first())?;
        let alike = |(p, g): &&(&OwnPod, &PodGroup)| {
            let told = match (&g.size, &group.size) {
                (Size::Told(a), Size::Told(b)) => a == b,
                (Size::Jobs { jobs: a, .. }, Size::Jobs { jobs: b, .. }) => a == b,
                _ => false,
            };
            told && p.items == first.items
                && (&p.service_account, &p.project) == (&first.service_account, &first.project)
        };
        let job = |(_, g): &&(&'a OwnPod, &'a PodGroup)| match &g.size {
            Size::Jobs { job, .. } => Some(job.as_str()),
            Size::Told(_) => None,
        };
        let jobs = pods.iter().filter_map(|p| job(&p)).collect();
        let succeeded = pods.iter().filter(|(p, _)| p.stage == PodStage::Succeeded);
        Some(Self {
            key,
            group,
            equal: living.iter().copied().all(|p| alike(&p)),
            succeeded: u32::try_from(succeeded.count()).unwrap_or(u32::MAX),
            jobs,
            living: living.iter().map(|(p, _)| *p).collect(),
            ending: ending.iter().map(|(p, _)| *p).collect(),
        })
    }

    fn first(&self) -> Option<&'a OwnPod> {
        self.living.first().or_else(|| self.ending.first()).copied()
    }

    /// How many pods it has at once, and in all. `None` while that is not known.
    fn size(&self, f: &OwnersFacts<'_>, plan: &mut OwnersPlan) -> Option<JobSize> {
        let jobs = match &self.group.size {
            Size::Told(n) => {
                return Some(JobSize {
                    parallelism: *n,
                    completions: *n,
                });
            }
            Size::Jobs { jobs, .. } => *jobs,
        };
        let namespace = &self.first()?.namespace;
        let mut sum = JobSize {
            parallelism: 0,
            completions: 0,
        };
        let mut asked = self.jobs.len() == jobs;
        for job in &self.jobs {
            let name = (namespace.clone(), (*job).to_owned());
            let known = f.jobs.get(&name);
            asked &= known.is_some();
            if let Some(n) = known {
                sum.parallelism = sum.parallelism.saturating_add(n.parallelism);
                sum.completions = sum.completions.saturating_add(n.completions);
            }
            plan.jobs.insert(name);
        }
        let possible = (1..=MOST_PODS).contains(&sum.parallelism);
        Some(sum).filter(|_| asked && possible)
    }

    fn tell(&self, plan: &mut OwnersPlan, told: &GroupWaits) {
        let waiting = self.living.iter().filter(|p| p.gate != Gate::Open);
        plan.told
            .extend(waiting.map(|p| (p.key.clone(), told.clone())));
    }
}

/// What is to be of a group; the pods of it that are on their own.
fn plan_group<'a>(f: &OwnersFacts<'_>, m: &Members<'a>, plan: &mut OwnersPlan) -> Vec<&'a OwnPod> {
    let Some(first) = m.first() else {
        return Vec::new();
    };
    let size = m.size(f, plan);
    match f.known.get(m.key) {
        Some(k) => match &k.stand {
            Stand::Reserved => reserved(m, (first, size), k, plan),
            Stand::Waiting { place, why } => {
                m.tell(plan, &GroupWaits::InLine(format!("place {place}, {why}")));
                in_line(m, first, k, plan)
            }
            Stand::Asked => in_line(m, first, k, plan),
            Stand::Refused(why) => {
                m.tell(plan, &GroupWaits::Refused(why.clone()));
                in_line(m, first, k, plan)
            }
        },
        // Its claim is over: who came too late for it asks alone.
        None if m.living.iter().any(|p| p.gate == Gate::Open) => m.closed(),
        None => {
            asks(m, first, size, plan);
            Vec::new()
        }
    }
}

impl<'a> Members<'a> {
    fn closed(&self) -> Vec<&'a OwnPod> {
        let closed = self.living.iter().filter(|p| p.gate != Gate::Open);
        closed.copied().collect()
    }

    fn wish(&self, first: &OwnPod, count: usize, pods: &[&OwnPod]) -> OwnerWish {
        let all = pods.iter().chain(&self.ending);
        OwnerWish {
            owner: first.of(self.group),
            items: times(&first.items, count),
            project: first.project.clone(),
            pods: all.map(|p| p.key.clone()).collect(),
            rests: false,
            short: pods.len() < count,
            replaces: Vec::new(),
        }
    }
}

/// A group that has asked for nothing yet asks once it is complete.
fn asks(m: &Members<'_>, first: &OwnPod, size: Option<JobSize>, plan: &mut OwnersPlan) {
    let name = &m.group.name;
    if !m.equal {
        m.tell(plan, &GroupWaits::Unequal(name.clone()));
        return;
    }
    let ready = m.living.iter().filter(|p| p.gate == Gate::Ours);
    let (size, ready) = (size.map(|s| s.parallelism as usize), ready.count());
    match size {
        Some(size) if ready == m.living.len() && ready >= size => {
            let pods = m.living.get(..size).unwrap_or_default();
            plan.claims.push(m.wish(first, size, pods));
        }
        _ => m.tell(plan, &GroupWaits::Incomplete(name.clone())),
    }
}

/// A group that waits keeps its place, and gathers nothing while a pod of it is missing.
fn in_line<'a>(
    m: &Members<'a>,
    first: &OwnPod,
    k: &KnownOwner,
    plan: &mut OwnersPlan,
) -> Vec<&'a OwnPod> {
    if m.living.is_empty() {
        return Vec::new();
    }
    let count = count(k, first);
    let (pods, rest) = m.living.split_at(count.min(m.living.len()));
    let mut wish = m.wish(first, count, pods);
    wish.rests = wish.short;
    plan.claims.push(wish);
    // More than were told of come after it.
    rest.to_vec()
}

/// A group that has its seats: its gates go; it shrinks as its pods end, and ends with the last.
fn reserved<'a>(
    m: &Members<'a>,
    (first, size): (&OwnPod, Option<JobSize>),
    k: &KnownOwner,
    plan: &mut OwnersPlan,
) -> Vec<&'a OwnPod> {
    let count = count(k, first);
    let (pods, rest) = m.living.split_at(count.min(m.living.len()));
    let idle = |p: &&OwnPod| p.gate == Gate::Open && !p.leased && lapses(p);
    if pods.iter().all(idle) {
        return rest.to_vec();
    }
    // Of a Job with more to do each pod that succeeds is followed by another.
    let all = size.map_or(MOST_PODS, |s| s.completions);
    let left = usize::try_from(all.saturating_sub(m.succeeded)).unwrap_or(usize::MAX);
    let kept = if k.short_for < KEEP { left } else { 0 };
    let now = count.min(kept.max(pods.len()));
    let closed = pods.iter().filter(|p| p.gate == Gate::Ours);
    let name = Some(m.group.name.clone());
    plan.open
        .extend(closed.map(|p| (p.key.clone(), name.clone())));
    plan.claims.push(m.wish(first, now, pods));
    rest.to_vec()
}

/// For how many pods a claim asks.
fn count(k: &KnownOwner, pod: &OwnPod) -> usize {
    let each = pod.items.first().map_or(1, |i| i.seats.get());
    let all = k.items.first().map_or(1, |i| i.seats.get());
    (all / each.max(1)).max(1) as usize
}

#[cfg(test)]
mod tests;
