//! What a seat policy leaves to whom, as far as the facts tell: an own reading of the page. No
//! promise is judged here.
//!
//! Whose seats a claim would come from is known where each of its products has one alternative.
//! Where it is not, or where it is not sure that a claim is alive, each question has two answers:
//! what is so for sure, and what may be so.
//!
//! A claim stays within what its group owns by the pools that the policy speaks of. It is held back
//! if the policy would not let its group have what it asks for of what is there, were enough of
//! that free, because of its `max`, or since an owner has less than it keeps. Who stands behind
//! such a claim for the same limit may be held back, too.

use super::demand;
use super::in_force::{InForce, Tenant};
use super::lease::{Lease, Stand};
use super::model::Model;
use super::queue::Key;
use crate::history::{HolderNo, Index, Items, LeaseNo, Rights};

/// For sure, or maybe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Surely,
    Maybe,
}

/// A limit that a claim waits for, and that claims behind it may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// A group's `max`.
    Max(Tenant, Index),
    /// What owners keep from who would borrow.
    Kept(Index),
}

impl Limit {
    pub(super) fn pool(self) -> Index {
        let (Self::Max(_, pool) | Self::Kept(pool)) = self;
        pool
    }
}

/// A claim in line that is not dead for sure.
#[derive(Debug)]
pub(super) struct Waits {
    pub(super) key: Key,
    pub(super) no: LeaseNo,
    pub(super) tenant: Tenant,
    pub(super) items: Items,
    pub(super) pools: Vec<Index>,
    /// What it draws, if there is but one way.
    pub(super) needs: Option<Vec<(Index, u32)>>,
    /// It is asked for, and could be granted if nobody else were there.
    pub(super) alive: bool,
    /// Its place is not known for sure.
    pub(super) fuzzy: bool,
    /// It is the first of its group's that share a pool.
    pub(super) first: bool,
    /// It stays within what its group owns.
    own: (bool, bool),
    /// The policy keeps it from its seats.
    held: (bool, bool),
    /// Which limits it lacks something of for sure.
    pub(super) lacks: Vec<Limit>,
}

impl Waits {
    pub(super) fn owns(&self, how: How) -> bool {
        either(self.own, how)
    }

    pub(super) fn held_back(&self, how: How) -> bool {
        either(self.held, how)
    }

    pub(super) fn shares(&self, pools: impl IntoIterator<Item = Index>) -> bool {
        pools.into_iter().any(|p| self.pools.contains(&p))
    }
}

fn either((surely, maybe): (bool, bool), how: How) -> bool {
    match how {
        How::Surely => surely,
        How::Maybe => maybe,
    }
}

/// How things stand under the policy in force.
#[derive(Debug)]
pub(super) struct Shares {
    rights: Vec<Vec<Rights>>,
    /// Pools that the policy speaks of.
    ruled: Vec<bool>,
    /// By pool: who does not fit there is passed by others.
    passed: Vec<bool>,
    has: Vec<Vec<u64>>,
    cap: Vec<u64>,
    /// Who waits for seats of its own: surely, maybe.
    wants: Vec<Vec<(bool, bool)>>,
    pub(super) weights: Option<Vec<u64>>,
    pub(super) line: Vec<Waits>,
}

/// Whether a claim could be granted if nobody else were there, by the license and by the policy.
pub(super) fn is_possible(m: &Model, holder: HolderNo, items: &Items) -> bool {
    let permits = |shares: Shares| {
        let policy = m.run.policy.as_ref();
        policy.is_none_or(|p| shares.permits(m, p.tenant(holder), items))
    };
    m.could_fit(items) && Shares::of(m).is_none_or(permits)
}

impl Shares {
    /// How things stand; nothing where no policy is in force.
    pub(super) fn of(m: &Model) -> Option<Self> {
        let policy = m.run.policy.as_ref()?;
        let (groups, pools) = (&policy.policy.groups, m.license.pools.len());
        let cap: Vec<u64> = (0..pools).map(|p| m.cap(p)).collect();
        let mut left = cap.clone();
        let mut rights = Vec::with_capacity(groups.len() + 1);
        for t in 0..=groups.len() {
            // No more is owned than is there, in the groups' order.
            let of_pool = |(p, left): (usize, &mut u64)| {
                let mut says = policy.says(t, p).unwrap_or_default();
                let owned = u64::from(says.owned).min(*left);
                *left -= owned;
                says.owned = u32::try_from(owned).unwrap_or(u32::MAX);
                says
            };
            rights.push(left.iter_mut().enumerate().map(of_pool).collect());
        }
        let ruled = |p| (0..groups.len()).any(|t| policy.says(t, p).is_some());
        let weights = groups.iter().any(|g| g.weight.is_some()).then(|| {
            let of_groups = groups.iter().map(|g| g.weight.map_or(1, u64::from));
            of_groups.chain([1]).collect()
        });
        let mut shares = Self {
            ruled: (0..pools).map(ruled).collect(),
            passed: (0..pools).map(|p| policy.patience(p).is_some()).collect(),
            has: vec![vec![0; pools]; rights.len()],
            wants: vec![vec![(false, false); pools]; rights.len()],
            rights,
            cap,
            weights,
            line: Vec::new(),
        };
        shares.count(m, policy);
        shares.look_at_line(m, policy);
        Some(shares)
    }

    fn count(&mut self, m: &Model, policy: &InForce) {
        for (holder, its) in &m.live {
            let tenant = policy.tenant(*holder);
            let leases = its.iter().filter_map(|(_, no)| m.leases.get(no));
            for lease in leases.filter(|l| l.stand(m.run.no) == Stand::Seat) {
                for (pool, n) in &lease.draws {
                    let has = self.has.get_mut(tenant).and_then(|h| h.get_mut(*pool));
                    if let Some(has) = has {
                        *has += u64::from(*n);
                    }
                }
            }
        }
    }

    fn look_at_line(&mut self, m: &Model, policy: &InForce) {
        for key in m.queues.all() {
            let Some(lease) = m.leases.get(&key.lease) else {
                continue;
            };
            if !m.surely_dead(lease) && !m.run.revoked.contains(&lease.holder()) {
                let tenant = policy.tenant(lease.holder());
                self.line.push(self.waits(m, *key, lease, tenant));
            }
        }
        for i in 0..self.line.len() {
            let (Some(w), before) = (self.line.get(i), self.line.get(..i)) else {
                break;
            };
            let mut before = before.into_iter().flatten();
            let first = !before.any(|b| b.tenant == w.tenant && b.shares(w.pools.iter().copied()));
            let (tenant, pools, own) = (w.tenant, w.pools.clone(), w.own);
            let surely = own.0 && w.alive;
            for p in pools {
                if let Some(wants) = self.wants.get_mut(tenant).and_then(|w| w.get_mut(p)) {
                    *wants = (wants.0 || surely, wants.1 || own.1);
                }
            }
            if let Some(w) = self.line.get_mut(i) {
                w.first = first;
            }
        }
        self.look_who_is_held_back(m);
    }

    fn waits(&self, m: &Model, key: Key, lease: &Lease, tenant: Tenant) -> Waits {
        let needs = demand::only_way(&m.license, &lease.items);
        let own = |p| {
            if self.ruled.get(p) == Some(&true) {
                self.owned(tenant, p).saturating_sub(self.has(tenant, p))
            } else {
                u64::MAX
            }
        };
        let owns_any = lease.pools.iter().any(|p| self.owned(tenant, *p) > 0);
        let maybe = owns_any && self.fits(m, &lease.items, own);
        let ruled = lease
            .pools
            .iter()
            .all(|p| self.ruled.get(*p) == Some(&true));
        Waits {
            key,
            no: key.lease,
            tenant,
            items: lease.items.clone(),
            pools: lease.pools.clone(),
            alive: m.surely_alive(lease)
                && m.could_fit(&lease.items)
                && self.permits(m, tenant, &lease.items),
            fuzzy: lease.fuzzy,
            first: false,
            own: (maybe && ruled && needs.is_some(), maybe),
            needs,
            held: (false, false),
            lacks: Vec::new(),
        }
    }

    /// Whether these items fit into so much of each pool.
    fn fits(&self, m: &Model, items: &Items, left: impl Fn(Index) -> u64) -> bool {
        let mut left: Vec<u64> = (0..self.cap.len()).map(left).collect();
        demand::fits(&m.license, items, &mut left)
    }

    fn right(&self, tenant: Tenant, pool: Index) -> Rights {
        let rights = self.rights.get(tenant).and_then(|r| r.get(pool));
        rights.copied().unwrap_or_default()
    }

    pub(super) fn has(&self, tenant: Tenant, pool: Index) -> u64 {
        let has = self.has.get(tenant).and_then(|h| h.get(pool));
        has.copied().unwrap_or_default()
    }

    pub(super) fn owned(&self, tenant: Tenant, pool: Index) -> u64 {
        self.right(tenant, pool).owned.into()
    }

    pub(super) fn max(&self, tenant: Tenant, pool: Index) -> u64 {
        self.right(tenant, pool).max.map_or(u64::MAX, u64::from)
    }

    fn cap(&self, pool: Index) -> u64 {
        self.cap.get(pool).copied().unwrap_or_default()
    }

    /// What a group never lends.
    fn never_lent(&self, tenant: Tenant, pool: Index) -> u64 {
        let rights = self.right(tenant, pool);
        let lent = rights.lend.unwrap_or(rights.owned).min(rights.owned);
        u64::from(rights.owned - lent)
    }

    /// What a group keeps of a pool, if it wants its own as is sure, or as may be.
    pub(super) fn keeps(&self, tenant: Tenant, pool: Index, how: How) -> u64 {
        let wants = self.wants.get(tenant).and_then(|w| w.get(pool));
        if wants.is_some_and(|w| either(*w, how)) {
            self.owned(tenant, pool)
        } else {
            self.never_lent(tenant, pool)
        }
    }

    fn others(&self, tenant: Tenant) -> impl Iterator<Item = Tenant> {
        (0..self.rights.len()).filter(move |t| *t != tenant)
    }

    /// What a group may take of a pool more, were it free, where owners want what they want.
    pub(super) fn left(&self, tenant: Tenant, pool: Index, how: How) -> u64 {
        let has = self.has(tenant, pool);
        let taken = self
            .others(tenant)
            .map(|t| self.has(t, pool).max(self.keeps(t, pool, how)));
        let left = self.cap(pool).saturating_sub(has + taken.sum::<u64>());
        left.max(self.owned(tenant, pool).saturating_sub(has))
    }

    /// Whether an owner has less than it keeps.
    fn is_kept(&self, tenant: Tenant, pool: Index, how: How) -> bool {
        let mut others = self.others(tenant);
        others.any(|t| self.has(t, pool) < self.keeps(t, pool, how))
    }

    pub(super) fn within_max(&self, tenant: Tenant, pool: Index) -> u64 {
        let max = self.max(tenant, pool);
        max.saturating_sub(self.has(tenant, pool))
    }

    /// Whether the policy could ever let a group have these.
    pub(super) fn permits(&self, m: &Model, tenant: Tenant, items: &Items) -> bool {
        let most = |p| {
            let never = self.others(tenant).map(|t| self.never_lent(t, p));
            let left = self.cap(p).saturating_sub(never.sum());
            left.min(self.max(tenant, p))
        };
        self.fits(m, items, most)
    }

    /// Whether a claim may be granted now, for sure: seats are free, and the policy leaves them.
    pub(super) fn can_be_granted(&self, m: &Model, w: &Waits) -> bool {
        let free = |p| {
            let used = m.run.used.get(p).copied().unwrap_or_default();
            let free = self.cap(p).saturating_sub(used);
            let left = self.left(w.tenant, p, How::Maybe);
            free.min(left).min(self.within_max(w.tenant, p))
        };
        self.fits(m, &w.items, free)
    }

    /// Whether a claim is within what its group owns of all pools that it could draw on, and owns
    /// some of each.
    pub(super) fn owns_each(&self, w: &Waits) -> bool {
        let owns = |p: &Index| self.owned(w.tenant, *p) > 0;
        w.owns(How::Surely) && w.pools.iter().all(owns)
    }

    /// Whether the policy, by itself, keeps a claim from its seats.
    fn is_denied(&self, m: &Model, w: &Waits, how: How) -> bool {
        let room = |p| {
            let kept = self.is_kept(w.tenant, p, how);
            let left = if kept {
                self.left(w.tenant, p, how)
            } else {
                u64::MAX
            };
            left.min(self.within_max(w.tenant, p)).min(self.cap(p))
        };
        // Else it waits for seats to begin.
        self.fits(m, &w.items, |p| self.cap(p)) && !self.fits(m, &w.items, room)
    }

    fn lacks(&self, w: &Waits) -> Vec<Limit> {
        let Some(needs) = &w.needs else {
            return Vec::new();
        };
        let beyond = |(p, n): &&(Index, u32)| u64::from(*n) > self.within_max(w.tenant, *p);
        let mut max = needs.iter().filter(beyond).peekable();
        if max.peek().is_some() {
            return max.map(|(p, _)| Limit::Max(w.tenant, *p)).collect();
        }
        let kept = needs.iter().filter(|(p, n)| {
            self.is_kept(w.tenant, *p, How::Surely)
                && u64::from(*n) > self.left(w.tenant, *p, How::Surely)
        });
        kept.map(|(p, _)| Limit::Kept(*p)).collect()
    }

    /// The limits that a claim may wait for, and those behind it with it: who is at its group's
    /// `max` waits for nothing else.
    fn waits_for(&self, w: &Waits) -> Vec<Limit> {
        let mut limits = self.limits(w);
        if w.lacks.iter().any(|l| matches!(l, Limit::Max(..))) {
            limits.retain(|l| matches!(l, Limit::Max(..)));
        }
        limits
    }

    /// The limits that a claim may come under.
    fn limits(&self, w: &Waits) -> Vec<Limit> {
        let mut limits = Vec::new();
        for p in w.pools.iter().copied() {
            if self.max(w.tenant, p) < u64::MAX {
                limits.push(Limit::Max(w.tenant, p));
            }
            let mut all = 0..self.rights.len();
            if !w.owns(How::Surely) && all.any(|t| self.owned(t, p) > 0) {
                limits.push(Limit::Kept(p));
            }
        }
        limits
    }

    fn look_who_is_held_back(&mut self, m: &Model) {
        let mut line = std::mem::take(&mut self.line);
        for w in &mut line {
            let (surely, maybe) = (How::Surely, How::Maybe);
            w.held = (self.is_denied(m, w, surely), self.is_denied(m, w, maybe));
            w.lacks = self.lacks(w);
        }
        // Behind one that lacks something of a limit for sure.
        let mut lacked: Vec<Limit> = Vec::new();
        for w in &mut line {
            let lacks = |l: &Limit| match *l {
                Limit::Max(t, p) => t == w.tenant && w.pools.contains(&p),
                Limit::Kept(p) => !w.own.1 && w.pools.contains(&p),
            };
            w.held.0 |= w.needs.is_some() && !w.fuzzy && lacked.iter().any(lacks);
            if !w.fuzzy && w.alive && self.weights.is_none() {
                // Where it is passed it stands in nobody's way for some time.
                let stays = |l: &&Limit| self.passed.get(l.pool()) != Some(&true);
                lacked.extend(w.lacks.iter().filter(stays));
            }
        }
        // Behind one that may wait for a limit; where weights count, in any order.
        loop {
            let (mut limits, mut changed) = (Vec::new(), false);
            let any_order = self.weights.is_some() || line.iter().any(|w| w.fuzzy);
            if any_order {
                let held = line.iter().filter(|w| w.held.1);
                limits.extend(held.flat_map(|w| self.waits_for(w)));
            }
            for w in &mut line {
                let its = self.limits(w);
                if !w.held.1 && its.iter().any(|l| limits.contains(l)) {
                    (w.held.1, changed) = (true, true);
                }
                if w.held.1 && !any_order {
                    limits.extend(self.waits_for(w));
                }
            }
            if !changed || !any_order {
                break;
            }
        }
        self.line = line;
    }

    /// How many seats a group has for its weight, of the pool of these that it has most of; as a
    /// fraction.
    fn share(&self, w: &Waits) -> (u64, u64) {
        let has = w.pools.iter().map(|p| self.has(w.tenant, *p));
        let weights = self.weights.as_ref().and_then(|all| all.get(w.tenant));
        (has.max().unwrap_or(0), weights.copied().unwrap_or(1))
    }

    /// Whether somebody of the same rank may stand before a claim, whoever came first.
    pub(super) fn is_unsure(&self, w: &Waits) -> bool {
        let same_rank = |o: &&Waits| (o.key.class, o.key.rank) == (w.key.class, w.key.rank);
        let mut others = self.line.iter().filter(same_rank);
        others.any(|o| {
            let apart = (o.tenant, &o.pools) != (w.tenant, &w.pools);
            let unsure = o.fuzzy || w.fuzzy || apart && self.weights.is_some();
            o.no != w.no && unsure && w.shares(o.pools.iter().copied())
        })
    }

    /// Whether the first stands before the second for sure; `turn`: free seats may gather for the
    /// second.
    pub(super) fn is_before(&self, m: &Model, a: &Waits, b: &Waits, turn: bool) -> bool {
        let known = (a.key.class, a.key.rank) != (b.key.class, b.key.rank);
        if self.weights.is_none() || known {
            return m.is_better(&a.key, &b.key);
        }
        let ((has, weight), (other, others)) = (self.share(a), self.share(b));
        let (a_has, b_has) = (has * others, other * weight);
        !turn && (a_has < b_has || a_has == b_has && m.is_better(&a.key, &b.key))
    }
}
