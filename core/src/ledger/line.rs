//! The line: ranks, places, who is granted next.
//!
//! Claims stand in groups, one for each set of pools that claims of the line could draw on; there are few. Within a group
//! nobody is granted before the first, so a step looks at the first of each group and no further: what it costs does not
//! grow with the line. A place is counted, not walked to (`sorted`).

use super::capacity::{Drawn, Plan};
use super::entry::{Entry, State};
use super::sorted::Sorted;
use super::{Claimed, Granted, Ledger, Place};
use crate::mutant::{self, Mutant};
use crate::names::LeaseId;
use crate::request::Item;
use crate::time::BootTime;
use crate::wire::WaitReason;
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// The order in line (promise 5): contested holders that were `Held`, then priority, then arrival.
/// Earlier runs' places, restored from tickets, stand before this run's newcomers.
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

/// This run's own arrivals.
pub(super) const OWN: u64 = u64::MAX;

/// Who stands before whom, whatever the arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// Was `Held`, runs on, and its seat was given away meanwhile.
    Contested,
    /// All others.
    Ordinary,
}

/// A group of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GroupAt {
    /// Claims that draw on the same pools.
    Of(usize),
    /// Claims that the license in force could never grant. Their applications run on, and they stand in nobody's way.
    Aside,
}

/// All claims that wait.
#[derive(Debug, Default)]
pub(super) struct Line {
    groups: Vec<Group>,
    aside: BTreeSet<Rank>,
    len: usize,
}

#[derive(Debug)]
struct Group {
    pools: Vec<usize>,
    ranks: Sorted<Rank>,
}

impl Line {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The group of claims that draw on these pools.
    pub(super) fn group_of(&mut self, pools: Vec<usize>) -> GroupAt {
        let at = self.groups.iter().position(|g| g.pools == pools);
        GroupAt::Of(at.unwrap_or_else(|| {
            self.groups.push(Group {
                pools,
                ranks: Sorted::default(),
            });
            self.groups.len() - 1
        }))
    }

    /// Somebody joins.
    pub(super) fn enter(&mut self, rank: Rank, at: GroupAt) {
        let is_new = match at {
            GroupAt::Of(i) => self.groups.get_mut(i).is_some_and(|g| g.ranks.insert(rank)),
            GroupAt::Aside => self.aside.insert(rank),
        };
        self.len += usize::from(is_new);
    }

    /// Somebody leaves.
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

    /// How many of those who draw on one of these pools stand before a rank.
    fn before(&self, rank: Rank, pools: &[usize]) -> usize {
        let sharing = self
            .groups
            .iter()
            .filter(|g| g.pools.iter().any(|p| pools.contains(p)));
        sharing.map(|g| g.ranks.before(rank)).sum()
    }
}

impl Ledger {
    /// Grants to the line what can be granted: in order, all or nothing. A claim that cannot be granted keeps
    /// all it could draw on for itself, so that free seats gather for it and nobody overtakes.
    pub(super) fn grant_line(&mut self, now: BootTime) {
        let settling = self.settling.is_on() && !mutant::on(Mutant::GrantedWhileSettling);
        if settling || self.paused.is_some() || self.line.len() == 0 {
            return;
        }
        let mut blocked = vec![false; self.capacity.pools.len()];
        let mut done = vec![false; self.line.groups.len()];
        loop {
            let groups = self.line.groups.iter().enumerate();
            let open = groups.filter(|(i, _)| done.get(*i) == Some(&false));
            let firsts = open.filter_map(|(i, g)| Some((g.ranks.first()?, i)));
            let Some((rank, i)) = firsts.min() else { break };
            let Some(e) = self.entries.get(&rank.id) else {
                break;
            };
            let pools = self.line.groups.get(i).map_or(&[][..], |g| &g.pools);
            let behind = pools.iter().any(|p| blocked.get(*p) == Some(&true));
            let plan = if behind && !mutant::on(Mutant::SmallOvertakesHead) {
                None
            } else {
                self.capacity
                    .plan(&e.items, &e.holder, &self.capacity.free())
            };
            if let Some(plan) = plan {
                self.grant(rank.id, plan, now);
            } else {
                for p in pools {
                    if let Some(b) = blocked.get_mut(*p) {
                        *b = true;
                    }
                }
                if let Some(d) = done.get_mut(i) {
                    *d = true;
                }
            }
        }
    }

    /// Grants a claim of the line.
    fn grant(&mut self, id: LeaseId, plan: Plan, now: BootTime) {
        if self.seat(id, plan, now) {
            self.grant_sharers(now);
        }
    }

    /// Gives a claim of the line its seats; tells whether it counts some of them as one with others.
    fn seat(&mut self, id: LeaseId, plan: Plan, now: BootTime) -> bool {
        let (drawn, overdraft) = self.capacity.book(id, plan);
        let shares = !drawn.shared.is_empty();
        let silent = false;
        self.set_state(
            id,
            State::Held {
                drawn,
                overdraft,
                silent,
            },
            now,
        );
        shares
    }

    /// Grants claims whose seats others have for them already (`countBy`): they take nothing from anybody in line.
    pub(super) fn grant_sharers(&mut self, now: BootTime) {
        if self.settling.is_on() || self.paused.is_some() || !self.capacity.shares_seats() {
            return;
        }
        // Through the whole line, but only where a product is counted by something else than claims.
        let nothing = vec![0; self.capacity.pools.len()];
        for Rank { id, .. } in self.line.all() {
            let Some(e) = self.entries.get(&id) else {
                continue;
            };
            let plan = self.capacity.plan(&e.items, &e.holder, &nothing);
            if let Some(plan) = plan.filter(Plan::needs_nothing) {
                self.seat(id, plan, now);
            }
        }
    }

    /// Which group a claim for these items waits in.
    pub(super) fn group_for(&mut self, items: &[Item]) -> GroupAt {
        // With no license in force nothing can be judged.
        let judged = !self.capacity.products.is_empty();
        if judged && self.capacity.check(items).is_err() {
            return GroupAt::Aside;
        }
        let pools = self.capacity.pools_of(items);
        self.line.group_of(pools)
    }

    /// Sorts the line anew after the license has changed. Claims that it could never grant are refused, unless their
    /// applications run: those are thrown out by nobody but their own limit.
    pub(super) fn regroup(&mut self, now: BootTime) {
        let waiting = std::mem::take(&mut self.line).all();
        for rank in &waiting {
            let Some(mut e) = self.entries.remove(&rank.id) else {
                continue;
            };
            let at = self.group_for(&e.items);
            self.line.enter(*rank, at);
            if let State::Line { group, .. } = &mut e.state {
                *group = at;
            }
            self.entries.insert(rank.id, e);
        }
        for rank in waiting {
            self.refuse_if_impossible(rank.id, now);
        }
    }

    /// Refuses a claim that stands aside and whose application does not run.
    pub(super) fn refuse_if_impossible(&mut self, id: LeaseId, now: BootTime) {
        let Some(e) = self.entries.get(&id) else {
            return;
        };
        if let State::Line {
            group: GroupAt::Aside,
            runs_until: None,
            ..
        } = e.state
            && let Err(p) = self.capacity.check(&e.items)
        {
            self.set_state(id, State::Refused(Box::new(p)), now);
        }
    }

    /// The place of a rank: one more than those before it that share a pool.
    fn place(&self, rank: Rank, group: GroupAt, items: &[Item]) -> u32 {
        let before = match group {
            GroupAt::Of(i) => {
                let pools = self.line.groups.get(i).map_or(&[][..], |g| &g.pools);
                self.line.before(rank, pools)
            }
            GroupAt::Aside => {
                let pools = self.capacity.pools_of(items);
                self.line.before(rank, &pools) + self.line.aside.range(..rank).count()
            }
        };
        u32::try_from(before + 1).unwrap_or(u32::MAX)
    }

    /// The place in line of an entry, and why it waits.
    pub(super) fn place_of(&self, e: &Entry) -> Option<(u32, WaitReason)> {
        let State::Line { rank, group, .. } = e.state else {
            return None;
        };
        let reason = if self.settling.is_on() {
            WaitReason::Settling
        } else {
            WaitReason::Full
        };
        Some((self.place(rank, group, &e.items), reason))
    }

    /// The answer to a claim that is granted or in line; `None` for a refused one.
    pub(super) fn answer(&self, id: LeaseId, e: &Entry) -> Option<Claimed> {
        Some(match &e.state {
            State::Line { rank, .. } => {
                let (place, reason) = self.place_of(e).unwrap_or((1, WaitReason::Full));
                Claimed::Waiting(Place {
                    lease: id,
                    claim: e.name.clone(),
                    holder: e.holder.clone(),
                    items: e.items.clone(),
                    place,
                    reason,
                    generation: if rank.generation == OWN {
                        self.settings.generation
                    } else {
                        rank.generation
                    },
                    arrival: rank.arrival,
                    contested: rank.class == Class::Contested,
                    secret_hash: e.secret_hash,
                })
            }
            State::Held {
                drawn, overdraft, ..
            } => Claimed::Granted(self.granted(id, e, drawn, *overdraft)),
            State::Refused(_) => return None,
        })
    }

    /// A granted entry, to answer with.
    pub(super) fn granted(&self, id: LeaseId, e: &Entry, drawn: &Drawn, overdraft: u32) -> Granted {
        Granted {
            lease: id,
            claim: e.name.clone(),
            holder: e.holder.clone(),
            items: e.items.clone(),
            counter: e.counter,
            received: e.last,
            draws: self.capacity.draws_to_show(drawn),
            overdraft,
            secret_hash: e.secret_hash,
        }
    }
}
