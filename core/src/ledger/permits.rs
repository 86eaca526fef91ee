//! What the policy lets a tenant have: where its seats would come from, and whether it could ever
//! have them.

use super::capacity::{Capacity, Free};
use super::count_by::Share;
use super::fit::{Want, fit};
use super::pool::{Draws, Plan, PoolUse};
use super::refusal::Refusal;
use super::rights::{Ruled, part_of};
use super::tenant::Tenant;
use super::who::Asker;
use crate::names::LeaseId;
use crate::request::Item;

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
        // Where owners have what they keep it waits for seats, as without a policy.
        let kept = |p| self.rights.kept_room(tenant, p, &self.pools);
        let plan = self.plan(items, asker, &|p| self.total(p).min(kept(p)));
        let is_left = plan.is_some_and(|plan| {
            let draws = (&plan.all(), &self.pays(tenant, &plan));
            let left = |r: &Ruled, there| r.kept_by_owners(tenant, there);
            self.rights.allows(tenant, draws, left, &self.pools)
        });
        // Nor does the policy keep it from seats that are to begin.
        is_left || self.plan(items, asker, &|p| self.total(p)).is_none()
    }

    /// Whether a tenant's own limit would let it have these, whoever owns what.
    pub(super) fn is_within_limit(&self, items: &[Item], asker: Asker<'_>, tenant: Tenant) -> bool {
        if self.rights.is_empty() {
            return true;
        }
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
        self.plan_of_own_out_of(items, asker, tenant, &|p| self.total(p))
    }

    /// The same, out of what is there: from its own pools alone, if that can be, else also from
    /// pools that the policy does not speak of.
    pub(super) fn plan_of_own_out_of(
        &self,
        items: &[Item],
        asker: Asker<'_>,
        tenant: Tenant,
        there: Free<'_>,
    ) -> Option<Plan> {
        let ruled = |p| self.rights.own_room(tenant, p).unwrap_or(0).min(there(p));
        let all = |p| {
            self.rights
                .own_room(tenant, p)
                .unwrap_or(u32::MAX)
                .min(there(p))
        };
        let own = self.plan(items, asker, &ruled);
        own.or_else(|| {
            let plan = self.plan(items, asker, &all)?;
            let mut draws = plan.all().into_iter();
            let owns = draws.any(|(p, n)| n > 0 && self.rights.own_room(tenant, p).is_some());
            owns.then_some(plan)
        })
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
        let draws = (&plan.all(), &self.pays(tenant, plan));
        let left = |r: &Ruled, there| r.left_by_owners(tenant, there);
        self.rights.allows(tenant, draws, left, &self.pools)
    }

    /// What a tenant would pay for what is planned.
    fn pays(&self, tenant: Tenant, plan: &Plan) -> Draws {
        let mut pays = plan.own.clone();
        for joins in &plan.shared {
            let share = self.shares.get(&joins.key).cloned();
            let mut share = share.unwrap_or_else(|| Share::of(&joins.key));
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
        pays
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
