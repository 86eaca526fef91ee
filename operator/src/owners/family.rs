//! The pods of one owner that ask for the same: who has a seat, whose seat is kept for whom.

use super::kept::{ASK_EVERY, ASK_SURGE_EVERY, ASKS, EXISTS, Sight};
use super::root::{Root, RootKind, Wants};
use crate::cache::OwnPod;
use crate::cache::own::{Gate, PodStage};
use mooring_core::identity::{Holder, HolderKey};
use mooring_core::names::ProjectName;
use mooring_core::request::Item;
use mooring_core::time::BootTime;
use mooring_core::wire::Replacing as Replaces;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// How long it may take until a pod that has given its seat back is seen to go: its sidecar is told
/// to end a moment after that is written.
const UNDECIDED: Duration = Duration::from_secs(3);

/// What bears on one family at a look.
pub(super) struct FamilySight<'a> {
    pub(super) seen: &'a Sight<'a>,
    pub(super) pods: &'a [&'a OwnPod],
    pub(super) wants: Option<(Wants, BootTime)>,
    /// How many pods of the owner live, whatever they ask for.
    pub(super) living: u32,
    /// For how many seats of the first item the server has its claim.
    pub(super) known: Option<u32>,
}

/// A pod that goes, and has, or had, a seat.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Going {
    key: HolderKey,
    name: String,
    seen: BootTime,
    /// Since when its seat is the owner's.
    free: Option<BootTime>,
    /// It gave its seat back, and is not seen to go yet.
    undecided: bool,
    by: Option<HolderKey>,
    /// That has a seat, or a loan.
    served: bool,
}

impl Going {
    /// For how long its seat is kept once it is free.
    fn longest(&self) -> Duration {
        if self.by.is_some() {
            EXISTS + ASKS
        } else {
            EXISTS
        }
    }
}

/// A seat that is kept for a pod to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// Whose it was; empty: another operator knew.
    pub pod: String,
    pub since: BootTime,
    pub until: BootTime,
}

#[derive(Debug)]
pub(super) struct Family {
    pub(super) owner: Holder,
    pub(super) root: Root,
    /// What one pod asks for.
    pub(super) items: Vec<Item>,
    pub(super) project: Option<ProjectName>,
    /// Who has a seat, and what it is called.
    held: BTreeMap<HolderKey, String>,
    /// The first that went first.
    going: Vec<Going>,
    /// Old pods and the new ones that wait for them to go, as long as both live.
    pairs: Vec<(HolderKey, HolderKey)>,
    /// New pods wait, and old ones have the seats.
    rolls: bool,
    begun: bool,
}

/// Whether a pod has done its work, and nobody replaces it. One of a Deployment has succeeded, too,
/// when it was deleted and ended with 0 for that.
fn is_done(kind: RootKind, stage: Option<PodStage>) -> bool {
    let ends = matches!(kind, RootKind::Job | RootKind::CronJob);
    ends && stage == Some(PodStage::Succeeded)
}

/// Whether it has no seat, here or at another license server.
const fn asks(pod: &OwnPod) -> bool {
    !pod.leased && !pod.elsewhere
}

impl Family {
    /// Of a pod's owner, for pods like it.
    pub(super) fn new(root: Root, owner: Holder, pod: &OwnPod) -> Self {
        Self {
            owner,
            root,
            items: pod.items.clone(),
            project: pod.project.clone(),
            held: BTreeMap::new(),
            going: Vec::new(),
            pairs: Vec::new(),
            rolls: false,
            begun: false,
        }
    }

    pub(super) fn look(&mut self, now: &FamilySight<'_>) {
        let by_key: HashMap<&HolderKey, &OwnPod> = now.pods.iter().map(|p| (&p.key, *p)).collect();
        let of = |key: &HolderKey| by_key.get(key).copied();
        self.see_held(now, &of);
        self.see_going(now, &of);
        self.take_over(now);
        self.choose(now);
        self.lift(now);
        self.pair(now, &of);
    }

    /// Who has a seat now; who had one goes.
    fn see_held<'a>(
        &mut self,
        now: &FamilySight<'a>,
        of: &impl Fn(&HolderKey) -> Option<&'a OwnPod>,
    ) {
        let at = now.seen.now;
        let mut held = BTreeMap::new();
        let has = |p: &&&OwnPod| p.leased && !(now.seen.taken)(&p.key);
        for pod in now.pods.iter().filter(has) {
            held.insert(pod.key.clone(), pod.name.clone());
        }
        for (key, name) in std::mem::take(&mut self.held) {
            let there = of(&key);
            // Its object is gone, and nothing proves that it is.
            if there.is_none() && now.seen.held.contains(&key) {
                held.insert(key.clone(), name.clone());
            }
            let stage = there.map(|p| p.stage);
            let keeps = held.contains_key(&key);
            let stays = keeps && stage == Some(PodStage::Lives);
            let known = self.going.iter().any(|g| g.key == key);
            if stays || known || is_done(self.root.kind, stage) {
                continue;
            }
            let pair = self.pairs.iter().find(|(old, _)| *old == key);
            self.going.push(Going {
                by: pair.map(|(_, new)| new.clone()),
                key,
                name,
                seen: at,
                free: (!keeps).then_some(at),
                undecided: stage == Some(PodStage::Lives),
                served: false,
            });
        }
        self.held = held;
    }

    fn see_going<'a>(
        &mut self,
        now: &FamilySight<'a>,
        of: &impl Fn(&HolderKey) -> Option<&'a OwnPod>,
    ) {
        let (at, held, kind) = (now.seen.now, &self.held, self.root.kind);
        self.going.retain_mut(|g| {
            let stage = of(&g.key).map(|p| p.stage);
            let has = held.contains_key(&g.key);
            if g.undecided {
                g.undecided = stage == Some(PodStage::Lives);
                if g.undecided && (has || at.since(g.seen) >= UNDECIDED) {
                    return false;
                }
            }
            if !has {
                g.free.get_or_insert(at);
            }
            let by = g.by.as_ref().and_then(of);
            if by.is_none_or(|p| p.stage != PodStage::Lives || p.elsewhere) {
                g.by = None;
            }
            g.served = g.by.as_ref().is_some_and(|by| held.contains_key(by));
            // Its seat is another's now, or there is nothing to do any more.
            let taken_over = g.served && g.free.is_some();
            !is_done(kind, stage) && !taken_over
        });
    }

    /// What another operator kept: nobody knows any more for whom.
    fn take_over(&mut self, now: &FamilySight<'_>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let each = self.items.first().map_or(1, |i| i.seats.get()).max(1);
        let kept = now.known.map_or(0, |seats| seats / each) as usize;
        for _ in self.held.len()..kept {
            self.going.push(Going {
                key: HolderKey(String::new()),
                name: String::new(),
                seen: now.seen.now,
                free: Some(now.seen.now),
                undecided: false,
                by: None,
                served: false,
            });
        }
    }

    /// Who replaces whom: who came since, under the same name if there is one.
    fn choose(&mut self, now: &FamilySight<'_>) {
        let chosen: BTreeSet<HolderKey> = self.successors().cloned().collect();
        let mut new: Vec<&OwnPod> = now.pods.to_vec();
        new.retain(|p| {
            let waits = p.stage == PodStage::Lives && p.gate != Gate::Others && asks(p);
            waits && !chosen.contains(&p.key)
        });
        new.sort_by_key(|p| (p.created, &p.name));
        let open = |g: &&mut Going| g.by.is_none() && !g.undecided;
        for same in [true, false] {
            // The one that went last first: fewer came since, and all of those fit the others, too.
            for g in self.going.iter_mut().rev().filter(open) {
                let fits = |p: &&OwnPod| {
                    let since = (now.seen.first)(&p.key) >= g.seen;
                    since && p.key != g.key && (!same || p.name == g.name)
                };
                if let Some(i) = new.iter().position(fits) {
                    g.by = Some(new.remove(i).key.clone());
                }
            }
        }
    }

    /// What is not kept any longer: for time, or because the owner wants fewer.
    fn lift(&mut self, now: &FamilySight<'_>) {
        let at = now.seen.now;
        self.going.retain(|g| {
            let Some(free) = g.free else { return true };
            at.since(free) < g.longest()
        });
        let Some((wants, asked)) = now.wants else {
            return;
        };
        let mut left = wants.pods.saturating_sub(now.living);
        self.going.retain(|g| {
            if g.by.is_some() || g.undecided || asked < g.seen {
                return true;
            }
            let wanted = left > 0;
            left = left.saturating_sub(1);
            wanted || g.free.is_none()
        });
    }

    /// New pods that wait for old ones: as many as the owner may have above what it wants.
    fn pair<'a>(&mut self, now: &FamilySight<'a>, of: &impl Fn(&HolderKey) -> Option<&'a OwnPod>) {
        let lives = |p: &OwnPod| p.stage == PodStage::Lives;
        let going: BTreeSet<&HolderKey> = self.going.iter().map(|g| &g.key).collect();
        let old = |key: &HolderKey| {
            let held = self.held.contains_key(key) && !going.contains(key);
            of(key).filter(|p| held && lives(p) && p.revision.is_some())
        };
        let mut pairs = std::mem::take(&mut self.pairs);
        pairs.retain(|(a, b)| old(a).is_some() && of(b).is_some_and(lives));
        let chosen: BTreeSet<HolderKey> = {
            let replaced = self.going.iter().filter_map(|g| g.by.clone());
            replaced
                .chain(pairs.iter().map(|(_, b)| b.clone()))
                .collect()
        };
        let mut olds: Vec<&OwnPod> = self.held.keys().filter_map(old).collect();
        olds.retain(|p| !pairs.iter().any(|(a, _)| *a == p.key));
        olds.sort_by_key(|p| (p.created, &p.name));
        let mut new: Vec<&OwnPod> = now.pods.to_vec();
        new.retain(|p| lives(p) && asks(p) && !chosen.contains(&p.key));
        new.sort_by_key(|p| (p.created, &p.name));
        self.rolls = !pairs.is_empty();
        let most = now.wants.map_or(0, |(w, _)| w.surge) as usize;
        for p in new {
            let before = |o: &&OwnPod| {
                p.revision.is_some() && o.revision != p.revision && o.created < p.created
            };
            let Some(i) = olds.iter().position(before) else {
                continue;
            };
            self.rolls = true;
            if pairs.len() < most {
                pairs.push((olds.remove(i).key.clone(), p.key.clone()));
            }
        }
        pairs.truncate(most);
        self.pairs = pairs;
    }

    /// How often its owner is to be asked what it wants; `None`: not at all.
    pub(super) fn wonders(&self, wants: Option<(Wants, BootTime)>) -> Option<Duration> {
        let kept = self.going.iter().filter(|g| !g.undecided && g.by.is_none());
        let news = |g: &Going| wants.is_none_or(|(_, asked)| asked < g.seen);
        let mut kept = kept.peekable();
        if kept.peek().is_some() {
            return Some(if kept.any(news) {
                Duration::from_secs(1)
            } else {
                ASK_EVERY
            });
        }
        self.rolls.then_some(ASK_SURGE_EVERY)
    }

    /// For how many pods it asks: those that have seats of their own, and those to come.
    pub(super) fn count(&self) -> usize {
        let free = self.going.iter().filter(|g| g.free.is_some() && !g.served);
        let lent = self.going.iter().filter(|g| g.free.is_none() && g.served);
        let loans = self
            .pairs
            .iter()
            .filter(|(_, new)| self.held.contains_key(new));
        let all = self.held.len() + free.count();
        all.saturating_sub(lent.count() + loans.count())
    }

    /// Pods that may take what others leave.
    pub(super) fn successors(&self) -> impl Iterator<Item = &HolderKey> {
        let replaced = self.going.iter().filter_map(|g| g.by.as_ref());
        replaced.chain(self.pairs.iter().map(|(_, new)| new))
    }

    /// Those of them whose seat is free.
    pub(super) fn served(&self) -> impl Iterator<Item = &HolderKey> {
        let free = self.going.iter().filter(|g| g.free.is_some());
        free.filter_map(|g| g.by.as_ref())
    }

    pub(super) fn pods(&self) -> Vec<HolderKey> {
        let all: BTreeSet<&HolderKey> = self.held.keys().chain(self.successors()).collect();
        all.into_iter().cloned().collect()
    }

    pub(super) fn replaces(&self) -> Vec<Replaces> {
        let pairs = self.pairs.iter().map(|(old, new)| Replaces {
            pod: old.clone(),
            by: new.clone(),
        });
        pairs.collect()
    }

    pub(super) fn parked(&self) -> Vec<Parked> {
        let kept = self.going.iter().filter(|g| !g.undecided && !g.served);
        let parked = kept.filter_map(|g| {
            let since = g.free?;
            Some(Parked {
                pod: g.name.clone(),
                since,
                until: since + g.longest(),
            })
        });
        parked.collect()
    }

    pub(super) fn is_over(&self) -> bool {
        self.held.is_empty() && self.going.is_empty()
    }
}
