//! Who is granted next.

use super::count_by::{Share, ShareKey};
use super::entry::State;
use super::pool::Plan;
use super::queue::{GroupAt, Rank};
use super::rights::{Limit, Tenant};
use super::state::Ledger;
use super::types::Claim;
use super::who::Asker;
use crate::mutant::{self, Mutant};
use crate::names::LeaseId;
use crate::request::Item;
use crate::time::BootTime;

impl Ledger {
    /// Grants to the queue what can be granted: in order, all or nothing. A claim that cannot be
    /// granted keeps all it could draw on for itself, so that free seats gather for it and nobody
    /// overtakes.
    pub(super) fn grant_queue(&mut self, now: BootTime) {
        if !self.may_grant() {
            return;
        }
        self.move_stranded(now);
        if self.queue.len() == 0 {
            return;
        }
        self.look_at_owners();
        let (mut blocked, mut gathering, mut done) = (Vec::new(), Vec::<Limit>::new(), Vec::new());
        let mut own = Vec::<(Tenant, usize)>::new();
        while let Some((rank, i)) = self.queue.first(&done, &self.capacity.rights) {
            let Some(e) = self.entries.get(&rank.id) else {
                break;
            };
            let (pools, tenant) = (self.queue.pools(i), self.queue.tenant(i));
            let (items, asker) = (e.items(), e.who.asks());
            let owns = self.capacity.owns(items, asker, tenant);
            let mut limits = self.capacity.rights.limits(tenant, pools, owns);
            let held_back = limits.iter().any(|l| gathering.contains(l))
                || !self.capacity.is_left(items, asker, tenant);
            let behind = pools.iter().any(|p| blocked.get(*p) == Some(&true));
            let behind = behind && !mutant::on(Mutant::SmallOvertakesHead);
            let plan = if behind || held_back {
                None
            } else {
                self.capacity.plan_for(items, asker, tenant)
            };
            if let Some(plan) = plan {
                if self.seat(rank.id, plan, now) {
                    self.grant_sharers(now);
                }
                // What an owner wanted until now is lent again.
                if self.look_at_owners() {
                    (blocked, gathering, done) = Default::default();
                    own.clear();
                }
            } else {
                // Who is at its own limit waits for its own alone.
                let limited = !self.capacity.is_within_limit(items, asker, tenant);
                if limited && !mutant::on(Mutant::LimitStopsBorrowers) {
                    limits.retain(|l| matches!(l, Limit::Of(..)));
                }
                if held_back {
                    gathering.extend(limits);
                }
                if !held_back || mutant::on(Mutant::LimitBlocksPool) {
                    for p in pools {
                        mark(&mut blocked, *p);
                    }
                }
                mark(&mut done, i);
                self.queue.set_held_back(i, held_back);
                let gathers = !held_back && !behind;
                self.queue.set_gathers(i, gathers.then_some(rank.id));
                // Another of its own claims comes first: nothing is called back for two at once.
                let is_own = |p: &usize| own.contains(&(tenant, *p));
                let first = owns && !held_back && !self.queue.pools(i).iter().any(is_own);
                if owns {
                    own.extend(self.queue.pools(i).iter().map(|p| (tenant, *p)));
                }
                if first {
                    self.recall(rank.id, tenant);
                }
            }
        }
    }

    /// Which owners wait for seats of their own: those are lent to nobody then. Tells whether they
    /// are others than before.
    fn look_at_owners(&mut self) -> bool {
        if self.capacity.rights.is_empty() {
            return false;
        }
        let before = self.capacity.rights.nobody_wants();
        for tenant in self.capacity.rights.owners() {
            let firsts: Vec<Rank> = self.queue.firsts_of(tenant).collect();
            for Rank { id, .. } in firsts {
                let Some(e) = self.entries.get(&id) else {
                    continue;
                };
                let own = self.capacity.plan_of_own(e.items(), e.who.asks(), tenant);
                if let Some(own) = own {
                    self.capacity.rights.wants(tenant, &own.all());
                }
            }
        }
        !self.capacity.rights.is_wanted_as(&before)
    }

    fn may_grant(&self) -> bool {
        let settling = self.settling.is_on() && !mutant::on(Mutant::GrantedWhileSettling);
        !settling && self.paused.is_none()
    }

    /// Where a new claim's seats come from, if it has them in the step in which it comes and nobody
    /// waits: the queue would make it the first, and do the same.
    pub(super) fn plan_at_once(&mut self, c: &Claim, now: BootTime) -> Option<Plan> {
        if !self.may_grant() || self.queue.len() > 0 {
            return None;
        }
        self.move_stranded(now);
        // Nobody waits, so no owner does.
        self.capacity.rights.nobody_wants();
        let asker = Asker::New(&c.holder);
        let tenant = self.capacity.rights.tenant(asker);
        self.capacity.plan_for(&c.items, asker, tenant)
    }

    /// Gives a claim of the queue its seats; tells whether it counts some of them as one with
    /// others.
    fn seat(&mut self, id: LeaseId, plan: Plan, now: BootTime) -> bool {
        // What came in this step has waited for a moment: others are told so, and not how.
        if self.entries.get(&id).is_some_and(|e| e.told.is_none()) {
            self.tell_wait(id, None, now);
        }
        let shares = !plan.shared.is_empty();
        let Some(asker) = self.entries.get(&id).map(|e| e.who.asks()) else {
            return false;
        };
        let tenant = self.capacity.rights.tenant(asker);
        let state = self.booked(id, tenant, plan);
        self.set_state(id, state, now);
        shares
    }

    /// Books a plan of a tenant's: how its lease stands then.
    pub(super) fn booked(&mut self, id: LeaseId, tenant: Tenant, plan: Plan) -> State {
        let (drawn, overdraft) = self.capacity.book((id, tenant), plan);
        State::Held {
            drawn: drawn.one(&mut self.drawn),
            overdraft,
            silent: false,
        }
    }

    /// Grants claims whose seats others have for them already (`countBy`): they take nothing from
    /// anybody in the queue.
    pub(super) fn grant_sharers(&mut self, now: BootTime) {
        if !self.capacity.shares_seats {
            return;
        }
        if self.settling.is_on() || self.paused.is_some() {
            return self.sharers.put_off(&mut self.capacity.changes);
        }
        let mut changes = std::mem::take(&mut self.capacity.changes);
        let shares = &self.capacity.shares;
        let seats = |k: &ShareKey| shares.get(k).map_or(0, Share::seats);
        let ranks = self.sharers.looked_at(&mut changes, seats);
        for Rank { id, .. } in ranks {
            let Some(e) = self.entries.get(&id) else {
                continue;
            };
            let (items, asker) = (e.items(), e.who.asks());
            let tenant = self.capacity.rights.tenant(asker);
            let plan = self.capacity.plan(items, asker, &|_| 0);
            let plan = plan.filter(Plan::needs_nothing);
            if let Some(plan) = plan.filter(|p| self.capacity.allows(tenant, p)) {
                self.seat(id, plan, now);
            }
        }
    }

    /// Which group a tenant's claim for these items waits in.
    pub(super) fn group_for(&mut self, items: &[Item], tenant: Tenant) -> GroupAt {
        // With no license in force nothing can be judged.
        let judged = !self.capacity.products.is_empty();
        if judged && self.capacity.check(items, tenant).is_err() {
            return GroupAt::Aside;
        }
        let pools = self.capacity.pools_of(items);
        let asks = self.capacity.rights.owned_by_word(tenant, &pools);
        let asks = asks.and_then(|owned| {
            let seats = items.iter().map(|i| u64::from(i.seats.get()));
            let may_be_own = seats.sum::<u64>() <= owned;
            let may_be_own = may_be_own && !mutant::on(Mutant::OwnersWaitBehindTheirOwn);
            may_be_own.then(|| {
                items
                    .iter()
                    .map(|i| (i.product.clone(), i.seats.get()))
                    .collect()
            })
        });
        self.queue.group_of(pools, tenant, asks)
    }
}

/// Nothing is marked before, mostly: then there is nothing to make room for.
fn mark(marks: &mut Vec<bool>, at: usize) {
    if marks.len() <= at {
        marks.resize(at + 1, false);
    }
    if let Some(m) = marks.get_mut(at) {
        *m = true;
    }
}
