//! The queue: ranks, groups, places.
//!
//! Claims stand in groups, one for each set of pools that claims of a tenant could draw on; there
//! are few. An owner's claims that may be within what it owns are apart by what they ask for: one
//! for more than is left of that may be held back, and must not keep the others from what is.
//! Within a group nobody is granted before the first, so a step looks at the first of each group
//! and no further: what it costs does not grow with the queue. A place is counted, not walked to
//! (`sorted`).

use super::rights::{Rights, Share, Tenant};
use super::sorted::Sorted;
use crate::names::{LeaseId, ProductName};
use crate::time::Timestamp;
use std::cmp::Reverse;
use std::collections::BTreeSet;

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
}

#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    groups: Vec<Group>,
    aside: BTreeSet<Rank>,
    len: usize,
}

/// What an owner's claims ask for: seats by product.
pub(super) type AskedFor = Vec<(ProductName, u32)>;

#[derive(Clone, Debug)]
struct Group {
    pools: Vec<usize>,
    tenant: Tenant,
    asks: Option<AskedFor>,
    /// Its first is held back by its own policy, and keeps nothing of the license's pools from
    /// others.
    held_back: bool,
    /// Its first that free seats gather for: it stands before others that have fewer for their
    /// weight until it has them.
    gathers: Option<LeaseId>,
    ranks: Sorted<Rank>,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The group of a tenant's claims that draw on these pools, and ask for this.
    pub(super) fn group_of(
        &mut self,
        pools: Vec<usize>,
        tenant: Tenant,
        asks: Option<AskedFor>,
    ) -> GroupAt {
        let is_it = |g: &Group| g.pools == pools && g.tenant == tenant && g.asks == asks;
        let at = self.groups.iter().position(is_it);
        GroupAt::Of(at.unwrap_or_else(|| {
            self.groups.push(Group {
                pools,
                tenant,
                asks,
                held_back: false,
                gathers: None,
                ranks: Sorted::default(),
            });
            self.groups.len() - 1
        }))
    }

    pub(super) fn enter(&mut self, rank: Rank, at: GroupAt) {
        let is_new = match at {
            GroupAt::Of(i) => self.groups.get_mut(i).is_some_and(|g| g.ranks.insert(rank)),
            GroupAt::Aside => self.aside.insert(rank),
        };
        self.len += usize::from(is_new);
    }

    pub(super) fn leave(&mut self, rank: Rank, at: GroupAt) {
        let was_there = match at {
            GroupAt::Of(i) => self.groups.get_mut(i).is_some_and(|g| g.ranks.remove(rank)),
            GroupAt::Aside => self.aside.remove(&rank),
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

    pub(super) fn is_held_back(&self, group: usize) -> bool {
        let group = self.groups.get(group);
        group.is_some_and(|g| g.held_back)
    }

    pub(super) fn set_held_back(&mut self, group: usize, held_back: bool) {
        if let Some(g) = self.groups.get_mut(group) {
            g.held_back = held_back;
        }
    }

    /// Who stands first in each group of a tenant.
    pub(super) fn firsts_of(&self, tenant: Tenant) -> impl Iterator<Item = Rank> {
        let groups = self.groups.iter().filter(move |g| g.tenant == tenant);
        groups.filter_map(|g| g.ranks.first())
    }

    /// The first of this group gathers seats, or does not.
    pub(super) fn set_gathers(&mut self, group: usize, first: Option<LeaseId>) {
        if let Some(g) = self.groups.get_mut(group) {
            g.gathers = first;
        }
    }

    /// Who stands first among the groups that are not `done`, and in which; of one class and one
    /// priority, by what each has for its weight.
    pub(super) fn first(&self, done: &[bool], rights: &Rights) -> Option<(Rank, usize)> {
        let groups = self.groups.iter().enumerate();
        let open = groups.filter(|(i, _)| done.get(*i) != Some(&true));
        let firsts = open.filter_map(|(i, g)| {
            let rank = g.ranks.first()?;
            let share = if g.gathers == Some(rank.id) {
                Share::NONE
            } else {
                rights.share(g.tenant, &g.pools)
            };
            Some(((rank.class, rank.priority, share, rank), i))
        });
        let ((.., rank), i) = firsts.min()?;
        Some((rank, i))
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
