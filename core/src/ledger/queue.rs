//! The queue: ranks, groups, places.
//!
//! Claims stand in groups, one for each set of pools that claims of a tenant could draw on; there
//! are few. Where a claim may be passed that does not fit, and where an owner's may be within what
//! it owns, only those are in one group that ask for the same: one for more may be held back, and
//! must not keep the others from what is theirs. Within a group nobody is granted before the first,
//! so a step looks at the first of each group and no further: what it costs does not grow with the
//! queue. A place is counted, not walked to (`sorted`).

use super::rights::Rights;
use super::sorted::Sorted;
use super::tenant::{Tenant, Weighed};
use crate::mutant::{self, Mutant};
use crate::names::LeaseId;
use crate::request::Item;
use crate::time::{BootTime, Timestamp};
use crate::wire::Stance;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// The order in the queue (promise 5): contested holders that were `Held`, then priority, then
/// arrival. Earlier runs' places, restored from tickets, stand before this run's newcomers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) class: Class,
    pub(super) priority: Reverse<i32>,
    /// `u64::MAX` for this run's arrivals, whatever number this run has in the end.
    pub(super) generation: u64,
    pub(super) arrival: u64,
    /// The claim's. Two tickets of different runs can carry the same numbers.
    pub(super) id: LeaseId,
}

pub(super) const OWN: u64 = u64::MAX;

/// Claims that ask for the same have a group of their own while there are not more groups.
const MOST_ALIKE: usize = 256;

/// The generation of a run that begins now: later than the run's before it on this machine, if that
/// is known, so that its tickets stand behind theirs although the wall clock was set back. Between
/// machines there is nothing but the clock.
pub fn generation(before: Option<u64>, wall: Timestamp) -> u64 {
    let by_clock = u64::try_from(wall.as_millisecond()).unwrap_or(0);
    let known = before.map_or(0, |g| g.saturating_add(1));
    by_clock.max(known).min(OWN - 1)
}

/// Who stands before whom, whatever the arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// Was `Held`, runs on, and its seat was given away meanwhile.
    Contested,
    /// All others.
    Ordinary,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GroupAt {
    Of(usize),
    /// Claims that the license in force could never grant. Their applications run on, and they
    /// stand in nobody's way.
    Aside,
    /// A place that is kept, and in nobody's way: an owner's of which no pod lives, or of who
    /// waits for other seats first.
    Resting,
}

/// A claim in line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Queued {
    pub(super) rank: Rank,
    /// Among which claims of the queue it is.
    pub(super) group: GroupAt,
    /// While its application runs on: until when it may.
    pub(super) runs_until: Option<BootTime>,
    /// When a later claim was first granted past it.
    pub(super) passed: Option<BootTime>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    groups: Vec<Group>,
    aside: BTreeSet<Rank>,
    len: usize,
}

#[derive(Clone, Debug)]
struct Group {
    pools: Vec<usize>,
    tenant: Tenant,
    /// What each of its claims asks for, where such claims have a group of their own.
    alike: Option<Box<[Item]>>,
    /// Its claims keep nothing from others: seats gather for them at other servers.
    yields: bool,
    /// Its first is held back by its own policy, and keeps nothing of the license's pools from
    /// others.
    held_back: bool,
    /// Its first that free seats gather for: it stands before others that have fewer for their
    /// weight until it has them.
    gathers: Option<LeaseId>,
    /// All before this rank have been passed by a later claim.
    passed_to: Option<Rank>,
    /// Since when those are passed that have been. Not in their order: one may come to stand before
    /// others that has not been passed for as long.
    passed: BTreeSet<(BootTime, LeaseId)>,
    ranks: Sorted<Rank>,
}

/// The first of a group, and when it has its turn: among those of one class and one priority, by
/// what each has for its weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Next {
    class: Class,
    priority: Reverse<i32>,
    share: Weighed,
    pub(super) rank: Rank,
    pub(super) group: usize,
}

impl Group {
    fn enter(&mut self, place: &Queued) -> bool {
        let rank = place.rank;
        // It has not been passed itself.
        if self.passed_to.is_some_and(|to| rank < to) {
            self.passed_to = None;
        }
        self.passed.extend(place.passed.map(|t| (t, rank.id)));
        self.ranks.insert(rank)
    }

    fn leave(&mut self, place: &Queued) -> bool {
        if let Some(t) = place.passed {
            self.passed.remove(&(t, place.rank.id));
        }
        self.ranks.remove(place.rank)
    }
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The group of a tenant's claims that draw on these pools; for these items alone, while there
    /// are not too many such groups.
    pub(super) fn group_of(
        &mut self,
        pools: Vec<usize>,
        tenant: Tenant,
        alike: Option<&[Item]>,
        yields: bool,
    ) -> GroupAt {
        let alike = alike.filter(|_| self.groups.len() < MOST_ALIKE);
        let is_it = |g: &Group| {
            (g.tenant, g.yields) == (tenant, yields)
                && g.pools == pools
                && g.alike.as_deref() == alike
        };
        if let Some(at) = self.groups.iter().position(is_it) {
            return GroupAt::Of(at);
        }
        let new = Group {
            pools,
            tenant,
            alike: alike.map(Into::into),
            yields,
            held_back: false,
            gathers: None,
            passed_to: None,
            passed: BTreeSet::new(),
            ranks: Sorted::default(),
        };
        let empty = |g: &Group| g.ranks.first().is_none();
        let at = self.groups.iter().position(empty);
        let at = at.unwrap_or(self.groups.len());
        match self.groups.get_mut(at) {
            Some(g) => *g = new,
            None => self.groups.push(new),
        }
        GroupAt::Of(at)
    }

    pub(super) fn enter(&mut self, place: &Queued) {
        let is_new = match place.group {
            GroupAt::Of(i) => self.groups.get_mut(i).is_some_and(|g| g.enter(place)),
            GroupAt::Aside => self.aside.insert(place.rank),
            GroupAt::Resting => false,
        };
        self.len += usize::from(is_new);
    }

    pub(super) fn leave(&mut self, place: &Queued) {
        let was_there = match place.group {
            GroupAt::Of(i) => self.groups.get_mut(i).is_some_and(|g| g.leave(place)),
            GroupAt::Aside => self.aside.remove(&place.rank),
            GroupAt::Resting => false,
        };
        self.len -= usize::from(was_there);
    }

    /// All who wait, group by group.
    pub(super) fn all(&self) -> Vec<Rank> {
        let grouped = self.groups.iter().flat_map(|g| g.ranks.iter());
        grouped.chain(&self.aside).copied().collect()
    }

    pub(super) fn pools(&self, group: usize) -> &[usize] {
        self.groups.get(group).map_or(&[], |g| &g.pools)
    }

    pub(super) fn tenant(&self, group: usize) -> Tenant {
        self.groups.get(group).map(|g| g.tenant).unwrap_or_default()
    }

    /// How a claim of the queue stands that is there; unknown of one that stands aside.
    pub(super) fn stance(&self, at: GroupAt) -> Option<Stance> {
        match at {
            GroupAt::Of(group) if self.yields(group) => Some(Stance::Yields),
            GroupAt::Of(_) => Some(Stance::Gathers),
            GroupAt::Resting => Some(Stance::Rests),
            GroupAt::Aside => None,
        }
    }

    /// Whether a group's claims keep nothing from others.
    pub(super) fn yields(&self, group: usize) -> bool {
        self.groups.get(group).is_some_and(|g| g.yields)
    }

    pub(super) fn is_held_back(&self, group: usize) -> bool {
        let group = self.groups.get(group);
        group.is_some_and(|g| g.held_back)
    }

    pub(super) fn set_held_back(&mut self, group: usize, held_back: bool) {
        if let Some(g) = self.groups.get_mut(group) {
            g.held_back = held_back;
        }
    }

    /// Who stands first in a group.
    pub(super) fn first_of(&self, group: usize) -> Option<Rank> {
        self.groups.get(group)?.ranks.first()
    }

    /// A claim that has this turn is granted past this group: who is passed that may not have been
    /// before.
    pub(super) fn newly_passed(
        &mut self,
        group: usize,
        by: &Next,
        rights: &Rights,
    ) -> Vec<LeaseId> {
        let Some(g) = self.groups.get_mut(group) else {
            return Vec::new();
        };
        let Some(first) = g.ranks.first() else {
            return Vec::new();
        };
        // Who has fewer seats for its weight is passed by those that came before it, too.
        let to = if rights.share(g.tenant, &g.pools) < by.share {
            Rank {
                generation: OWN,
                arrival: u64::MAX,
                id: LeaseId::from_bytes([0xff; 16]),
                ..by.rank
            }
        } else {
            by.rank
        };
        let known = g.passed_to.filter(|_| !mutant::on(Mutant::PassedAnew));
        let from = known.unwrap_or(first);
        g.passed_to = Some(from.max(to));
        // It had its turn before, since seats gathered for it.
        let ahead = (first >= to).then_some(first.id);
        let passed = g.ranks.between(from, to).map(|r| r.id);
        passed.chain(ahead).collect()
    }

    /// One of a group is passed since then.
    pub(super) fn is_passed(&mut self, place: &Queued, since: BootTime) {
        if let GroupAt::Of(i) = place.group
            && let Some(g) = self.groups.get_mut(i)
        {
            if let Some(before) = place.passed {
                g.passed.remove(&(before, place.rank.id));
            }
            g.passed.insert((since, place.rank.id));
        }
    }

    /// Who of a group is passed, and since when: for longest first.
    pub(super) fn passed(&self, group: usize) -> impl Iterator<Item = (BootTime, LeaseId)> {
        let group = self.groups.get(group);
        group.into_iter().flat_map(|g| &g.passed).copied()
    }

    /// Who stands first in each group of a tenant for which seats may gather.
    pub(super) fn gather_of(&self, tenant: Tenant) -> impl Iterator<Item = Rank> {
        let groups = self.groups.iter();
        let groups = groups.filter(move |g| g.tenant == tenant && !g.yields);
        groups.filter_map(|g| g.ranks.first())
    }

    /// The first of this group gathers seats, or does not.
    pub(super) fn set_gathers(&mut self, group: usize, first: Option<LeaseId>) {
        if let Some(g) = self.groups.get_mut(group) {
            g.gathers = first;
        }
    }

    /// The first of each group that is not `done`, who stands first on top.
    pub(super) fn turns(&self, done: &[bool], rights: &Rights) -> BinaryHeap<Reverse<Next>> {
        let open = (0..self.groups.len()).filter(|i| done.get(*i) != Some(&true));
        let nexts = open.filter_map(|i| self.next_of(i, rights));
        nexts.map(Reverse).collect()
    }

    /// When the first of a group has its turn.
    pub(super) fn next_of(&self, group: usize, rights: &Rights) -> Option<Next> {
        let first = self.groups.get(group)?.ranks.first()?;
        self.turn_of(group, first, rights)
    }

    /// When a claim of a group would have its turn, were it the first there.
    pub(super) fn turn_of(&self, group: usize, rank: Rank, rights: &Rights) -> Option<Next> {
        let g = self.groups.get(group)?;
        let share = if g.gathers == Some(rank.id) {
            Weighed::NONE
        } else {
            rights.share(g.tenant, &g.pools)
        };
        Some(Next {
            class: rank.class,
            priority: rank.priority,
            share,
            rank,
            group,
        })
    }

    /// How many of those who could never be granted stand before a rank.
    pub(super) fn before_aside(&self, rank: Rank) -> usize {
        self.aside.range(..rank).count()
    }

    /// Those who may stand in the way of a tenant's claim for these pools.
    fn sharing(&self, pools: &[usize], tenant: Tenant) -> impl Iterator<Item = &Group> {
        let groups = self.groups.iter();
        let groups = groups.filter(move |g| !g.held_back || g.tenant == tenant);
        groups.filter(|g| g.pools.iter().any(|p| pools.contains(p)))
    }

    /// How many of those who draw on one of these pools stand before a tenant's rank.
    pub(super) fn before(&self, rank: Rank, pools: &[usize], tenant: Tenant) -> usize {
        let sharing = self.sharing(pools, tenant);
        sharing.map(|g| g.ranks.before(rank)).sum()
    }

    /// Who stands first of them, if before that rank.
    pub(super) fn front(&self, rank: Rank, pools: &[usize], tenant: Tenant) -> Option<Rank> {
        let firsts = self.sharing(pools, tenant).filter_map(|g| g.ranks.first());
        firsts.filter(|first| *first < rank).min()
    }
}
