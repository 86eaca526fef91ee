//! What a seat policy leaves to whom of the pools: limits, and no ranks.
//!
//! What groups own limits everybody else: there is left what no other group owns, and what they
//! lend while they want none of it. So an owner passes who would borrow without standing before
//! anybody, and as long as no more is owned than there is, no owner waits for another's seats. (A
//! limit for each owner by itself would not do: where two own two seats each of four, a third could
//! have two.)
//!
//! A claim that the policy holds back keeps nothing of the license's from others: at its group's
//! limit it stands in the way of its own group alone; where owners leave it too little, of those
//! who would have more than they own, too. Who is in the books by an earlier run's word, or moves
//! to another pool, is not asked.
//!
//! Seats that several claims count as one are paid once in the license's pool, and by each group
//! that has such a claim, as many as its own claims need.

use super::count_by;
use super::groups::Groups;
use super::pool::{Draws, PoolUse};
use super::tenant::{Tenant, Weighed};
use super::who::Asker;
use crate::annotation::PROJECTS;
use crate::mutant::{self, Mutant};
use crate::names::PoolName;
use crate::policy::{PoolRights, SeatPolicy};
use crate::wire::GroupUse;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// A limit that claims may gather for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// The most that a tenant may have of a pool.
    Of(Tenant, usize),
    /// What owners leave of a pool to who would have more of it than it owns.
    Left(usize),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Rights {
    policy: Option<Arc<SeatPolicy>>,
    groups: Arc<Groups>,
    /// The pools that the policy speaks of.
    pools: Vec<Ruled>,
    /// By a pool's place in the license: which of those it is part of.
    places: Vec<Option<usize>>,
    /// By a pool's place in the license: for how long a claim that does not fit is passed there.
    patience: Vec<Option<Duration>>,
}

/// The license's pools of one name.
#[derive(Clone, Debug)]
pub(super) struct Ruled {
    name: PoolName,
    /// By tenant.
    rights: Vec<PoolRights>,
    used: Vec<u32>,
    /// Who waits for seats of it that it owns: they are lent to nobody.
    wanted: Vec<bool>,
}

impl Rights {
    /// Those of a policy, with nothing in use; none: everybody may have everything.
    pub(super) fn of(policy: Option<Arc<SeatPolicy>>) -> Self {
        let Some(policy) = policy else {
            return Self::default();
        };
        let mut names: Vec<&PoolName> = policy.groups.iter().flat_map(|g| g.pools.keys()).collect();
        names.sort();
        names.dedup();
        let pools = names.into_iter().map(|n| Ruled::of(n, &policy)).collect();
        Self {
            pools,
            places: Vec::new(),
            patience: Vec::new(),
            groups: Arc::new(Groups::of(&policy)),
            policy: Some(policy),
        }
    }

    pub(super) fn policy(&self) -> Option<&Arc<SeatPolicy>> {
        self.policy.as_ref()
    }

    /// Whether there is anything to ask.
    pub(super) fn is_empty(&self) -> bool {
        self.policy.is_none()
    }

    /// Which of the license's pools the policy speaks of, and what is there to be owned: no more
    /// than there is, by the groups' order. To be told whenever those change, and then what is in
    /// use.
    pub(super) fn settle(&mut self, pools: &[PoolUse]) {
        let Some(policy) = self.policy.clone() else {
            return;
        };
        if self.has_weights() {
            for p in pools {
                if self.pools.iter().all(|r| r.name != p.name) {
                    self.pools.push(Ruled::of(&p.name, &policy));
                }
            }
        }
        let ruled = &self.pools;
        let of = |p: &PoolUse| ruled.iter().position(|r| r.name == p.name);
        self.places = pools.iter().map(of).collect();
        let of = |p: &PoolUse| policy.backfill.get(&p.name).map(|b| b.patience);
        self.patience = pools.iter().map(of).collect();
        for i in 0..self.pools.len() {
            let there = self.there(i, pools).total;
            if let Some(ruled) = self.pools.get_mut(i) {
                ruled.cut(&policy, there);
            }
        }
    }

    pub(super) fn tenant(&self, asker: Asker<'_>) -> Tenant {
        self.groups.tenant(asker)
    }

    /// The priority of a tenant's claims.
    pub(super) fn priority(&self, Tenant(t): Tenant) -> i32 {
        let groups = self.policy.as_ref().map(|p| &p.groups);
        groups.and_then(|g| g.get(t)).map_or(0, |g| g.priority)
    }

    pub(super) fn has_weights(&self) -> bool {
        let groups = self.policy.iter().flat_map(|p| &p.groups);
        groups.into_iter().any(|g| g.weight.is_some())
    }

    /// What a tenant has of these pools for its weight: of the one that it has most of.
    pub(super) fn share(&self, tenant: Tenant, pools: &[usize]) -> Weighed {
        if !self.has_weights() || mutant::on(Mutant::WeightsIgnored) {
            return Weighed::NONE;
        }
        let group = self.policy.as_ref().and_then(|p| p.groups.get(tenant.0));
        let has = |(_, ruled): (usize, &Ruled)| ruled.used.get(tenant.0).copied();
        let of_each = pools.iter().filter_map(|p| self.ruled(*p).and_then(has));
        Weighed {
            seats: of_each.max().unwrap_or(0),
            weight: group.and_then(|g| g.weight).unwrap_or(NonZeroU32::MIN),
        }
    }

    /// A tenant's name, for people.
    pub(super) fn name(&self, Tenant(t): Tenant) -> Option<&str> {
        Some(&self.policy.as_ref()?.groups.get(t)?.name)
    }

    pub(super) fn ruled(&self, pool: usize) -> Option<(usize, &Ruled)> {
        let i = (*self.places.get(pool)?)?;
        Some((i, self.pools.get(i)?))
    }

    /// What the license has of a pool that the policy speaks of.
    fn there(&self, ruled: usize, pools: &[PoolUse]) -> There {
        let of_name = pools.iter().zip(&self.places);
        let of_name = of_name.filter(|(_, place)| **place == Some(ruled));
        of_name.fold(There::default(), |sum, (p, _)| There {
            total: sum.total.saturating_add(p.total()),
            sold: sum.sold.saturating_add(p.sold()),
            used: sum.used.saturating_add(p.used),
        })
    }

    /// How much a tenant may take of a pool, were it free.
    pub(super) fn room(&self, tenant: Tenant, pool: usize, pools: &[PoolUse]) -> u32 {
        let Some((i, ruled)) = self.ruled(pool) else {
            return u32::MAX;
        };
        let left = ruled.left_by_owners(tenant, self.there(i, pools));
        left.min(ruled.within_limit(tenant))
    }

    /// The same, where an owner has less than it keeps; else what the tenant's own limit says.
    pub(super) fn kept_room(&self, tenant: Tenant, pool: usize, pools: &[PoolUse]) -> u32 {
        let Some((i, ruled)) = self.ruled(pool) else {
            return u32::MAX;
        };
        let left = ruled.kept_by_owners(tenant, self.there(i, pools));
        left.min(ruled.within_limit(tenant))
    }

    /// The most that a tenant could ever have of a pool.
    pub(super) fn most(&self, tenant: Tenant, pool: usize, pools: &[PoolUse]) -> u32 {
        let Some((i, ruled)) = self.ruled(pool) else {
            return u32::MAX;
        };
        ruled.most(tenant, self.there(i, pools).sold)
    }

    /// Whether a tenant may take this out of the license's pools, of which so much is left to it,
    /// and pay this itself.
    pub(super) fn allows(
        &self,
        tenant: Tenant,
        (takes, pays): (&Draws, &Draws),
        left: impl Fn(&Ruled, There) -> u32,
        pools: &[PoolUse],
    ) -> bool {
        let sum = |draws: &Draws, i: usize| {
            let is_of_it = |(p, _): &&(usize, u32)| self.places.get(*p) == Some(&Some(i));
            let of_it = draws.iter().filter(is_of_it);
            of_it.fold(0u32, |sum, (_, n)| sum.saturating_add(*n))
        };
        self.pools.iter().enumerate().all(|(i, ruled)| {
            let (takes, pays) = (sum(takes, i), sum(pays, i));
            (takes == 0 || takes <= left(ruled, self.there(i, pools)))
                && (pays == 0 || pays <= ruled.within_limit(tenant))
        })
    }

    /// The pools that the policy speaks of.
    pub(super) fn names(&self) -> impl Iterator<Item = &PoolName> {
        self.pools.iter().map(|r| &r.name)
    }

    /// What each tenant has of each of those.
    pub(super) fn uses(&self) -> Vec<GroupUse> {
        let of_pool = |ruled: &Ruled| {
            let each = ruled.rights.iter().zip(&ruled.used).enumerate();
            let each = each.map(|(t, (rights, used))| GroupUse {
                group: self.name(Tenant(t)).map(ToOwned::to_owned),
                pool: ruled.name.clone(),
                owned: rights.owned,
                max: rights.max,
                used: *used,
            });
            each.collect::<Vec<_>>()
        };
        self.pools.iter().flat_map(of_pool).collect()
    }

    /// For how long a claim that does not fit is passed in a pool; `None`: never.
    pub(super) fn patience(&self, pool: usize) -> Option<Duration> {
        *self.patience.get(pool)?
    }

    /// The same of the pools that a limit is about: none is passed where one is not.
    pub(super) fn patience_at(&self, limit: Limit) -> Option<Duration> {
        let (Limit::Of(_, i) | Limit::Left(i)) = limit;
        let of_it = self.places.iter().zip(&self.patience);
        let of_it = of_it.filter(|(place, _)| **place == Some(i));
        of_it.map(|(_, patience)| *patience).min().flatten()
    }

    /// How the policy limits a tenant's claim on these pools, for people.
    pub(super) fn explain(&self, tenant: Tenant, pools: &[usize]) -> Option<String> {
        let policy = &self.policy.as_ref()?.name;
        let mut all = Vec::new();
        for (_, ruled) in pools.iter().filter_map(|p| self.ruled(*p)) {
            let has = |Tenant(t): Tenant| ruled.used.get(t).copied().unwrap_or(0);
            let max = ruled.rights.get(tenant.0).and_then(|r| r.max);
            let name = &ruled.name;
            if let (Some(max), Some(group)) = (max, self.name(tenant)) {
                let has = has(tenant);
                all.push(format!(
                    "group {group} has {has} of the {max} seats of {name} that it may have"
                ));
            }
            all.extend(ruled.owners(tenant).map(|(owner, rights)| {
                let (group, owned) = (self.name(owner).unwrap_or_default(), rights.owned);
                let has = has(owner);
                format!("group {group} owns {owned} seats of {name}, and has {has}")
            }));
        }
        (!all.is_empty()).then(|| format!("policy {policy}: {}", all.join("; ")))
    }

    /// What is said beside that of a claim whose project the policy does not go by.
    pub(super) fn explain_project(&self, asker: Asker<'_>) -> Option<String> {
        let project = asker
            .project
            .filter(|_| self.groups.ignores_project(asker))?;
        Some(format!(
            "; no group takes project {project} from it: a group must name it, and its namespace's annotation {PROJECTS} allow it"
        ))
    }

    /// The limits that a tenant's claim on these pools comes under; `owns`: it is within what the
    /// tenant owns.
    pub(super) fn limits(&self, tenant: Tenant, pools: &[usize], owns: bool) -> Vec<Limit> {
        let mut limits = Vec::new();
        for (i, ruled) in pools.iter().filter_map(|p| self.ruled(*p)) {
            let max = ruled.rights.get(tenant.0).and_then(|r| r.max);
            limits.extend(max.map(|_| Limit::Of(tenant, i)));
            if !owns && ruled.rights.iter().any(|r| r.owned > 0) {
                limits.push(Limit::Left(i));
            }
        }
        limits
    }

    /// How many seats of these pools a tenant owns by the policy's words, however many there are;
    /// if it owns any.
    pub(super) fn owned_by_word(&self, Tenant(t): Tenant, pools: &[usize]) -> Option<u64> {
        let group = self.policy.as_ref()?.groups.get(t)?;
        let ruled = pools.iter().filter_map(|p| self.ruled(*p));
        let owned = ruled.filter_map(|(_, r)| group.pools.get(&r.name));
        let owned: u64 = owned.map(|r| u64::from(r.owned)).sum();
        (owned > 0).then_some(owned)
    }

    /// All who own seats.
    pub(super) fn owners(&self) -> Vec<Tenant> {
        let groups = self.policy.as_ref().map_or(0, |p| p.groups.len());
        let all = (0..groups).filter(|t| {
            let owns = |r: &Ruled| r.rights.get(*t).is_some_and(|r| r.owned > 0);
            self.pools.iter().any(owns)
        });
        all.map(Tenant).collect()
    }

    /// What is left of what a tenant owns of a pool, where the policy speaks of that.
    pub(super) fn own_room(&self, Tenant(t): Tenant, pool: usize) -> Option<u32> {
        let (_, ruled) = self.ruled(pool)?;
        let owned = ruled.rights.get(t).map_or(0, |r| r.owned);
        Some(owned.saturating_sub(ruled.used.get(t).copied().unwrap_or(0)))
    }

    /// No owner waits for seats of its own; tells which did.
    pub(super) fn nobody_wants(&mut self) -> Vec<Vec<bool>> {
        let nobody = |ruled: &mut Ruled| {
            let nobody = vec![false; ruled.wanted.len()];
            std::mem::replace(&mut ruled.wanted, nobody)
        };
        self.pools.iter_mut().map(nobody).collect()
    }

    /// Whether the same owners wait for the same.
    pub(super) fn is_wanted_as(&self, before: &[Vec<bool>]) -> bool {
        self.pools.iter().map(|r| &r.wanted).eq(before)
    }

    /// A tenant waits for these, which it owns.
    pub(super) fn wants(&mut self, Tenant(t): Tenant, draws: &Draws) {
        for (p, _) in draws {
            let Some(Some(i)) = self.places.get(*p) else {
                continue;
            };
            let ruled = self.pools.get_mut(*i);
            if let Some(wanted) = ruled.and_then(|r| r.wanted.get_mut(t)) {
                *wanted = true;
            }
        }
    }

    /// Whether a tenant has more than it owns in one of these pools, by these draws.
    pub(super) fn has_more_than_own(
        &self,
        Tenant(t): Tenant,
        draws: &Draws,
        pools: &[usize],
    ) -> bool {
        let drawn = draws.iter().filter(|(p, _)| pools.contains(p));
        drawn.into_iter().any(|(p, _)| {
            self.ruled(*p).is_some_and(|(_, ruled)| {
                let owned = ruled.rights.get(t).map_or(0, |r| r.owned);
                ruled.used.get(t).is_some_and(|used| *used > owned)
                    || mutant::on(Mutant::OwnedCalledBack)
            })
        })
    }

    /// All that others have of these pools who have more of them than they own.
    pub(super) fn of_borrowers(&self, Tenant(owner): Tenant, pools: &[usize]) -> u32 {
        let mut ruled: Vec<usize> = pools
            .iter()
            .filter_map(|p| self.ruled(*p))
            .map(|(i, _)| i)
            .collect();
        ruled.sort_unstable();
        ruled.dedup();
        let of_it = ruled
            .into_iter()
            .filter_map(|i| self.pools.get(i))
            .flat_map(|ruled| {
                let each = ruled.used.iter().zip(&ruled.rights).enumerate();
                each.filter(move |(t, (used, rights))| *t != owner && **used > rights.owned)
                    .map(|(_, (used, _))| *used)
            });
        of_it.fold(0, u32::saturating_add)
    }

    /// A tenant has these, too.
    pub(super) fn draw(&mut self, tenant: Tenant, draws: &Draws) {
        self.count(tenant, draws, u32::saturating_add);
    }

    /// It has them no more.
    pub(super) fn undraw(&mut self, tenant: Tenant, draws: &Draws) {
        self.count(tenant, draws, u32::saturating_sub);
    }

    fn count(&mut self, Tenant(t): Tenant, draws: &Draws, by: impl Fn(u32, u32) -> u32) {
        for (p, n) in draws {
            let Some(Some(i)) = self.places.get(*p) else {
                continue;
            };
            let ruled = self.pools.get_mut(*i);
            if let Some(used) = ruled.and_then(|r| r.used.get_mut(t)) {
                *used = by(*used, *n);
            }
        }
    }

    /// Whether a tenant has more of a pool than it may have.
    pub(super) fn is_beyond_limit(&self, Tenant(t): Tenant) -> bool {
        self.pools.iter().any(|r| {
            let max = r.rights.get(t).and_then(|r| r.max);
            max.is_some_and(|max| r.used.get(t).is_some_and(|used| *used > max))
        })
    }

    /// Nothing is in use: all are counted anew.
    pub(super) fn clear(&mut self) {
        for ruled in &mut self.pools {
            ruled.used.fill(0);
        }
    }
}

/// What the license's pools of one name have together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct There {
    total: u32,
    sold: u32,
    used: u32,
}

impl Ruled {
    fn of(name: &PoolName, policy: &SeatPolicy) -> Self {
        let of_group = policy.groups.iter().map(|g| g.pools.get(name).copied());
        let mut rights: Vec<PoolRights> = of_group.map(Option::unwrap_or_default).collect();
        // Those who are in no group.
        rights.push(PoolRights::default());
        Self {
            name: name.clone(),
            used: vec![0; rights.len()],
            wanted: vec![false; rights.len()],
            rights,
        }
    }

    /// Who owns how much of what is there.
    fn cut(&mut self, policy: &SeatPolicy, there: u32) {
        let mut left = there;
        for (rights, group) in self.rights.iter_mut().zip(&policy.groups) {
            let owned = group.pools.get(&self.name).map_or(0, |r| r.owned);
            rights.owned = owned.min(left);
            left -= rights.owned;
        }
    }

    /// What is left of the most that a tenant may have.
    pub(super) fn within_limit(&self, Tenant(t): Tenant) -> u32 {
        let max = self.rights.get(t).and_then(|r| r.max);
        let has = self.used.get(t).copied().unwrap_or(0);
        max.map_or(u32::MAX, |max| max.saturating_sub(has))
    }

    /// What others that own seats leave to a tenant that has what it has, whatever is free: what it
    /// owns itself, and what is left when each of the others has what it has or keeps.
    pub(super) fn left_by_owners(&self, tenant: Tenant, there: There) -> u32 {
        if self.owners(tenant).next().is_none() {
            return u32::MAX;
        }
        let has = |t: usize| self.used.get(t).copied().unwrap_or(0);
        let owned = self.rights.get(tenant.0).map_or(0, |r| r.owned);
        let (mut out, mut taken, mut most) = (0u32, owned.max(has(tenant.0)), 0);
        for (t, rights) in self.rights.iter().enumerate() {
            out = out.saturating_add(has(t));
            if t != tenant.0 {
                let rest = self.keeps(Tenant(t), *rights).saturating_sub(has(t));
                taken = taken.saturating_add(has(t)).saturating_add(rest);
                most = rest.max(most);
            }
        }
        if mutant::on(Mutant::OwnersBySeparateLimits) {
            taken = owned.max(has(tenant.0)) + out - has(tenant.0) + most;
        }
        // Seats that claims of several tenants count as one are paid by each, and are there once.
        let once = out.saturating_sub(there.used);
        let left = there.total.saturating_add(once).saturating_sub(taken);
        left.saturating_add(owned.saturating_sub(has(tenant.0)))
    }

    /// The same, where one of them has less than it keeps.
    pub(super) fn kept_by_owners(&self, tenant: Tenant, there: There) -> u32 {
        if self.is_kept_from(tenant) {
            self.left_by_owners(tenant, there)
        } else {
            u32::MAX
        }
    }

    /// Whether another owner has less than it keeps.
    fn is_kept_from(&self, tenant: Tenant) -> bool {
        let has = |Tenant(t): Tenant| self.used.get(t).copied().unwrap_or(0);
        self.owners(tenant)
            .any(|(t, rights)| has(t) < self.keeps(t, rights))
    }

    /// What an owner keeps from others.
    fn keeps(&self, Tenant(t): Tenant, rights: PoolRights) -> u32 {
        match self.wanted.get(t) {
            Some(true) if !mutant::on(Mutant::LentThoughWanted) => rights.owned,
            _ => rights.owned - rights.lent(),
        }
    }

    /// The most that a tenant could ever have.
    pub(super) fn most(&self, tenant: Tenant, sold: u32) -> u32 {
        let max = self.rights.get(tenant.0).and_then(|r| r.max);
        let never = self.owners(tenant).map(|(_, r)| r.owned - r.lent());
        let left = sold.saturating_sub(never.fold(0u32, u32::saturating_add));
        max.map_or(left, |max| left.min(max))
    }

    /// The others that own seats of it.
    fn owners(&self, but: Tenant) -> impl Iterator<Item = (Tenant, PoolRights)> {
        let all = self.rights.iter().enumerate().map(|(t, r)| (Tenant(t), *r));
        all.filter(move |(t, r)| *t != but && r.owned > 0)
    }
}

/// What a tenant pays for seats that it counts as one with others.
pub(super) fn part_of(share: &count_by::Share, tenant: Tenant) -> Draws {
    let mut need = share.need_of(tenant);
    let mut part = Draws::new();
    for (n, alt) in share.taken() {
        let some = need.min(*n);
        part.extend(super::alternative::draws(some, alt));
        need -= some;
        if need == 0 {
            break;
        }
    }
    part
}
