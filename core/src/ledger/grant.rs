//! Who is granted next.

use super::count_by::{Share, ShareKey};
use super::entry::State;
use super::pool::Plan;
use super::queue::{GroupAt, Rank};
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
        let (mut blocked, mut done) = (Vec::new(), Vec::new());
        while let Some((rank, i)) = self.queue.first(&done) {
            let Some(e) = self.entries.get(&rank.id) else {
                break;
            };
            let pools = self.queue.pools(i);
            let behind = pools.iter().any(|p| blocked.get(*p) == Some(&true));
            let plan = if behind && !mutant::on(Mutant::SmallOvertakesHead) {
                None
            } else {
                self.capacity
                    .plan(e.items(), e.who.asks(), &|p| self.capacity.free(p))
            };
            if let Some(plan) = plan {
                if self.seat(rank.id, plan, now) {
                    self.grant_sharers(now);
                }
            } else {
                for p in pools {
                    mark(&mut blocked, *p);
                }
                mark(&mut done, i);
            }
        }
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
        let (asker, free) = (Asker::New(&c.holder), |p| self.capacity.free(p));
        self.capacity.plan(&c.items, asker, &free)
    }

    /// Gives a claim of the queue its seats; tells whether it counts some of them as one with
    /// others.
    fn seat(&mut self, id: LeaseId, plan: Plan, now: BootTime) -> bool {
        // What came in this step has waited for a moment: others are told so, and not how.
        if self.entries.get(&id).is_some_and(|e| e.told.is_none()) {
            self.tell_wait(id, None, now);
        }
        let shares = !plan.shared.is_empty();
        let state = self.booked(id, plan);
        self.set_state(id, state, now);
        shares
    }

    /// Books a plan: how its lease stands then.
    pub(super) fn booked(&mut self, id: LeaseId, plan: Plan) -> State {
        let (drawn, overdraft) = self.capacity.book(id, plan);
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
            let plan = self.capacity.plan(e.items(), e.who.asks(), &|_| 0);
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
        self.queue.group_of(pools)
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
