//! The seat policy that a run has taken in, and who had more than it owned when. No promise is
//! judged here.

use crate::history::{HolderNo, Index, Ms, Policy, Rights};

/// The place of a holder's group; the one after the last for those who are in none.
pub(super) type Tenant = usize;

/// A policy that a run has taken in.
#[derive(Debug)]
pub(super) struct InForce {
    pub(super) policy: Policy,
    /// When each group, by pool, had more than it owned last.
    over: Vec<Vec<Option<Ms>>>,
}

impl InForce {
    pub(super) fn of(policy: Policy) -> Self {
        let over = vec![Vec::new(); policy.groups.len() + 1];
        Self { policy, over }
    }

    pub(super) fn tenant(&self, holder: HolderNo) -> Tenant {
        let group = self.policy.group_of(holder);
        group.unwrap_or(self.policy.groups.len())
    }

    /// Whether a holder is in its group by the project that it names, and by nothing else.
    pub(super) fn is_by_project(&self, holder: HolderNo) -> bool {
        let (namespace, account) = (holder.group(), holder.account());
        let group = self.policy.groups.get(self.tenant(holder));
        group.is_some_and(|g| {
            !g.namespaces.contains(&namespace) && !g.accounts.contains(&(namespace, account))
        })
    }

    /// Whether a group before its own would take a holder, did its namespace allow the project that
    /// it names.
    pub(super) fn is_not_allowed(&self, holder: HolderNo) -> bool {
        let mut before = self.policy.groups.iter().take(self.tenant(holder));
        let named = holder.project().map(|project| (holder.group(), project));
        named.is_some_and(|n| before.any(|g| g.projects.contains(&n)))
    }

    /// What a group has of a pool, by the policy's words.
    pub(super) fn says(&self, tenant: Tenant, pool: Index) -> Option<Rights> {
        let pools = self.policy.groups.get(tenant).map(|g| &g.pools);
        let found = pools?.iter().find(|(p, _)| *p == pool);
        found.map(|(_, rights)| *rights)
    }

    /// For how long a claim that does not fit is passed in a pool.
    pub(super) fn patience(&self, pool: Index) -> Option<Ms> {
        self.policy.patience(pool)
    }

    /// Notes who has more than it owns of these pools now.
    pub(super) fn note_over(
        &mut self,
        pools: usize,
        now: Ms,
        is_over: impl Fn(Tenant, Index) -> bool,
    ) {
        for (t, over) in self.over.iter_mut().enumerate() {
            over.resize(pools, None);
            for (p, at) in over.iter_mut().enumerate() {
                if is_over(t, p) {
                    *at = Some(now);
                }
            }
        }
    }

    /// Whether a group had more of a pool than it owns at `since` or later.
    pub(super) fn was_over(&self, tenant: Tenant, pool: Index, since: Ms) -> bool {
        let at = self.over.get(tenant).and_then(|o| o.get(pool)).copied();
        at.flatten().is_some_and(|at| at >= since)
    }
}
