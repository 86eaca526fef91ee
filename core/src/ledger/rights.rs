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
//! who would borrow, too. Who is in the books by an earlier run's word, or moves to another pool,
//! is not asked.
//!
//! Seats that several claims count as one are paid once in the license's pool, and by each group
//! that has such a claim, as many as its own claims need.

use super::capacity::{Capacity, Free};
use super::count_by;
use super::fit::{Want, fit};
use super::pool::{Draws, Plan, PoolUse};
use super::refusal::Refusal;
use super::who::Asker;
use crate::names::{LeaseId, PoolName};
use crate::policy::{PoolRights, SeatPolicy};
use crate::request::Item;
use crate::wire::GroupUse;
use std::cmp::Ordering;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// Whose a claim is for the policy: its group's place, or the one after the last, of those who are
/// in none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Tenant(usize);

/// A limit that claims may gather for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// The most that a tenant may have of a pool.
    Of(Tenant, usize),
    /// What owners leave of a pool to who does not own it.
    Left(usize),
}

/// How many seats a tenant has for its weight: who has fewer stands before. Equal, where weights do
/// not count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    seats: u32,
    weight: NonZeroU32,
}

impl Share {
    pub(super) const NONE: Self = Self {
        seats: 0,
        weight: NonZeroU32::MIN,
    };
}

impl Ord for Share {
    fn cmp(&self, other: &Self) -> Ordering {
        let of = |a: &Self, b: &Self| u64::from(a.seats) * u64::from(b.weight.get());
        of(self, other).cmp(&of(other, self))
    }
}

impl PartialOrd for Share {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Share {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Share {}

#[derive(Clone, Debug, Default)]
pub(super) struct Rights {
    policy: Option<Arc<SeatPolicy>>,
    /// The pools that the policy speaks of.
    pools: Vec<Ruled>,
    /// By a pool's place in the license: which of those it is part of.
    places: Vec<Option<usize>>,
    /// By a pool's place in the license: for how long a claim that does not fit is passed there.
    patience: Vec<Option<Duration>>,
}

/// The license's pools of one name.
#[derive(Clone, Debug)]
struct Ruled {
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
        let Some(policy) = &self.policy else {
            return Tenant::default();
        };
        let group = match (asker.account(), asker.subject()) {
            (Some((namespace, account)), _) => policy.group_of_pod(namespace, account),
            (None, Some(subject)) => policy.group_of_subject(subject),
            (None, None) => None,
        };
        Tenant(group.unwrap_or(policy.groups.len()))
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
    pub(super) fn share(&self, tenant: Tenant, pools: &[usize]) -> Share {
        if !self.has_weights() {
            return Share::NONE;
        }
        let group = self.policy.as_ref().and_then(|p| p.groups.get(tenant.0));
        let has = |(_, ruled): (usize, &Ruled)| ruled.used.get(tenant.0).copied();
        let of_each = pools.iter().filter_map(|p| self.ruled(*p).and_then(has));
        Share {
            seats: of_each.max().unwrap_or(0),
            weight: group.and_then(|g| g.weight).unwrap_or(NonZeroU32::MIN),
        }
    }

    /// A tenant's name, for people.
    pub(super) fn name(&self, Tenant(t): Tenant) -> Option<&str> {
        Some(&self.policy.as_ref()?.groups.get(t)?.name)
    }

    fn ruled(&self, pool: usize) -> Option<(usize, &Ruled)> {
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

    /// The most that a tenant could ever have of a pool.
    fn most(&self, tenant: Tenant, pool: usize, pools: &[PoolUse]) -> u32 {
        let Some((i, ruled)) = self.ruled(pool) else {
            return u32::MAX;
        };
        ruled.most(tenant, self.there(i, pools).sold)
    }

    /// Whether a tenant may take this out of the license's pools, and pay this itself.
    fn allows(&self, tenant: Tenant, pools: &[PoolUse], (takes, pays): (&Draws, &Draws)) -> bool {
        let sum = |draws: &Draws, i: usize| {
            let is_of_it = |(p, _): &&(usize, u32)| self.places.get(*p) == Some(&Some(i));
            let of_it = draws.iter().filter(is_of_it);
            of_it.fold(0u32, |sum, (_, n)| sum.saturating_add(*n))
        };
        self.pools.iter().enumerate().all(|(i, ruled)| {
            let (takes, pays) = (sum(takes, i), sum(pays, i));
            (takes == 0 || takes <= ruled.left_by_owners(tenant, self.there(i, pools)))
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

    /// The limits that a tenant's claim on these pools comes under; `owns`: it is within what the
    /// tenant owns.
    pub(super) fn limits(&self, tenant: Tenant, pools: &[usize], owns: bool) -> Vec<Limit> {
        let mut limits = Vec::new();
        for (i, ruled) in pools.iter().filter_map(|p| self.ruled(*p)) {
            let max = ruled.rights.get(tenant.0).and_then(|r| r.max);
            limits.extend(max.map(|_| Limit::Of(tenant, i)));
            if !owns && ruled.owners(tenant).next().is_some() {
                limits.push(Limit::Left(i));
            }
        }
        limits
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

    /// What is left of what a tenant owns of a pool; all of it, where the policy says nothing.
    pub(super) fn own_room(&self, Tenant(t): Tenant, pool: usize) -> u32 {
        let Some((_, ruled)) = self.ruled(pool) else {
            return u32::MAX;
        };
        let owned = ruled.rights.get(t).map_or(0, |r| r.owned);
        owned.saturating_sub(ruled.used.get(t).copied().unwrap_or(0))
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

    /// Whether a tenant has more than it owns in a pool of these draws.
    pub(super) fn has_more_than_own(&self, Tenant(t): Tenant, draws: &Draws) -> bool {
        draws.iter().any(|(p, _)| {
            self.ruled(*p).is_some_and(|(_, ruled)| {
                let owned = ruled.rights.get(t).map_or(0, |r| r.owned);
                ruled.used.get(t).is_some_and(|used| *used > owned)
            })
        })
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

    /// Nothing is in use: all are counted anew.
    pub(super) fn clear(&mut self) {
        for ruled in &mut self.pools {
            ruled.used.fill(0);
        }
    }
}

/// What the license's pools of one name have together.
#[derive(Clone, Copy, Debug, Default)]
struct There {
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
    fn within_limit(&self, Tenant(t): Tenant) -> u32 {
        let max = self.rights.get(t).and_then(|r| r.max);
        let has = self.used.get(t).copied().unwrap_or(0);
        max.map_or(u32::MAX, |max| max.saturating_sub(has))
    }

    /// What others that own seats leave to a tenant that has what it has, whatever is free: what it
    /// owns itself, and what is left when each of the others has what it has or keeps.
    fn left_by_owners(&self, tenant: Tenant, there: There) -> u32 {
        if self.owners(tenant).next().is_none() {
            return u32::MAX;
        }
        let has = |t: usize| self.used.get(t).copied().unwrap_or(0);
        let owned = self.rights.get(tenant.0).map_or(0, |r| r.owned);
        let (mut out, mut taken) = (0u32, owned.max(has(tenant.0)));
        for (t, rights) in self.rights.iter().enumerate() {
            out = out.saturating_add(has(t));
            if t != tenant.0 {
                let wanted = self.wanted.get(t) == Some(&true);
                let lent = if wanted { 0 } else { rights.lent() };
                taken = taken.saturating_add(has(t).max(rights.owned - lent));
            }
        }
        // Seats that claims of several tenants count as one are paid by each, and are there once.
        let once = out.saturating_sub(there.used);
        let left = there.total.saturating_add(once).saturating_sub(taken);
        left.saturating_add(owned.saturating_sub(has(tenant.0)))
    }

    /// The most that a tenant could ever have.
    fn most(&self, tenant: Tenant, sold: u32) -> u32 {
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

impl Capacity {
    /// Where a tenant's seats would come from, all or nothing, out of what is free and what the
    /// policy leaves to it.
    pub(super) fn plan_for(
        &self,
        items: &[Item],
        asker: Asker<'_>,
        tenant: Tenant,
    ) -> Option<Plan> {
        if self.rights.is_empty() {
            return self.plan(items, asker, &|p| self.free(p));
        }
        let left = |p| self.rights.room(tenant, p, &self.pools);
        let plan = self.plan(items, asker, &|p| self.free(p).min(left(p)))?;
        self.allows(tenant, &plan).then_some(plan)
    }

    /// Whether the policy would let a tenant have these, were enough free.
    pub(super) fn is_left(&self, items: &[Item], asker: Asker<'_>, tenant: Tenant) -> bool {
        if self.rights.is_empty() {
            return true;
        }
        let left = |p| self.rights.room(tenant, p, &self.pools);
        let plan = self.plan(items, asker, &|p| self.total(p).min(left(p)));
        plan.is_some_and(|plan| self.allows(tenant, &plan))
    }

    /// Whether a tenant's own limit would let it have these, whoever owns what.
    pub(super) fn is_within_limit(&self, items: &[Item], asker: Asker<'_>, tenant: Tenant) -> bool {
        let limit = |p| {
            let ruled = self.rights.ruled(p);
            ruled.map_or(u32::MAX, |(_, ruled)| ruled.within_limit(tenant))
        };
        let plan = self.plan(items, asker, &|p| self.total(p).min(limit(p)));
        plan.is_some()
    }

    /// Where a tenant's seats would come from out of what it owns, were it all free.
    pub(super) fn plan_of_own(
        &self,
        items: &[Item],
        asker: Asker<'_>,
        tenant: Tenant,
    ) -> Option<Plan> {
        let own = |p| self.rights.own_room(tenant, p);
        self.plan(items, asker, &|p| self.total(p).min(own(p)))
    }

    /// Whether a tenant's seats would come out of what it owns, and is there.
    pub(super) fn plan_of_own_out_of(
        &self,
        items: &[Item],
        asker: Asker<'_>,
        tenant: Tenant,
        there: Free<'_>,
    ) -> bool {
        let own = |p| self.rights.own_room(tenant, p).min(there(p));
        self.plan(items, asker, &own).is_some()
    }

    /// Whether these are within what a tenant owns.
    pub(super) fn owns(&self, items: &[Item], asker: Asker<'_>, tenant: Tenant) -> bool {
        !self.rights.is_empty() && self.plan_of_own(items, asker, tenant).is_some()
    }

    fn total(&self, pool: usize) -> u32 {
        self.pools.get(pool).map_or(0, PoolUse::total)
    }

    /// Whether the policy lets a tenant have what is planned.
    pub(super) fn allows(&self, tenant: Tenant, plan: &Plan) -> bool {
        if self.rights.is_empty() {
            return true;
        }
        let mut pays = plan.own.clone();
        for joins in &plan.shared {
            let share = self.shares.get(&joins.key).cloned();
            let mut share = share.unwrap_or_else(|| count_by::Share::of(&joins.key));
            let before = part_of(&share, tenant);
            share.join((LeaseId::from_bytes([0; 16]), tenant), joins.clone());
            let after = part_of(&share, tenant);
            // What it pays already comes first.
            let mut before: u32 = before.iter().map(|(_, n)| n).sum();
            for (p, n) in after {
                let paid = before.min(n);
                before -= paid;
                pays.push((p, n - paid));
            }
        }
        self.rights
            .allows(tenant, &self.pools, (&plan.all(), &pays))
    }

    /// Whether the policy could ever let a tenant have these.
    pub(super) fn permits(&self, items: &[Item], tenant: Tenant) -> Result<(), Refusal> {
        let Some(policy) = self.rights.policy() else {
            return Ok(());
        };
        let wants: Option<Vec<Want<'_>>> = items.iter().map(|i| self.want(i)).collect();
        let most = |(p, pool): (usize, &PoolUse)| {
            pool.sold().min(self.rights.most(tenant, p, &self.pools))
        };
        let there: Vec<u32> = self.pools.iter().enumerate().map(most).collect();
        if wants.is_none_or(|w| fit(&w, &there).is_some()) {
            return Ok(());
        }
        Err(Refusal::ExceedsPolicy {
            policy: policy.name.clone(),
            group: self.rights.name(tenant).map(ToOwned::to_owned),
        })
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
