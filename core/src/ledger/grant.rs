//! Who is granted next.

use super::backfill::Yields;
use super::count_by::{Share, ShareKey};
use super::entry::State;
use super::pool::{Draws, Plan};
use super::queue::{Next, Rank};
use super::rights::Limit;
use super::state::Ledger;
use super::tenant::Tenant;
use super::types::Claim;
use crate::mutant::{self, Mutant};
use crate::names::LeaseId;
use crate::time::BootTime;
use crate::wire::Stance;
use std::cmp::Reverse;

/// One pass over the queue: what those before keep for themselves.
#[derive(Default)]
struct Pass {
    /// Pools in which free seats gather.
    blocked: Vec<bool>,
    /// Limits under which they do.
    gathering: Vec<Limit>,
    /// Where they do for one that stands behind the first of its group, and whose turn that is.
    later: Vec<(Keeps, Next)>,
    /// Groups whose first does not fit, and where it may be passed.
    open: Vec<Open>,
    /// Groups whose first does not fit.
    done: Vec<bool>,
    /// Owners that wait for seats of their own in a pool.
    own: Vec<(Tenant, usize)>,
}

/// What free seats gather in, or under.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keeps {
    Pool(usize),
    Under(Limit),
}

/// Where the first of a group may be passed.
struct Open {
    group: usize,
    pools: Vec<usize>,
    limits: Vec<Limit>,
}

/// How the first of a group stands when its turn comes.
struct Turn {
    tenant: Tenant,
    /// It is within what its tenant owns.
    owns: bool,
    limits: Vec<Limit>,
    /// The policy leaves it too little, or others gather under its limits.
    held_back: bool,
    /// Free seats gather for others in one of its pools.
    behind: bool,
    plan: Option<Plan>,
}

impl Ledger {
    /// Grants to the queue what can be granted: in order, all or nothing. A claim that cannot be
    /// granted keeps all it could draw on for itself, so that free seats gather for it and nobody
    /// overtakes; where the policy has it passed (`backfill`), once its patience is over.
    pub(super) fn grant_queue(&mut self, now: BootTime) {
        if !self.may_grant() {
            return;
        }
        self.move_stranded(now);
        self.take_over_from_gone(now);
        if self.queue.len() == 0 {
            return;
        }
        // Whose owner has a seat for it takes it in the step in which it is there, wherever it
        // stands: from nobody in line.
        if !self.families.is_empty() {
            self.grant_sharers(now);
        }
        self.look_at_owners();
        let mut pass = Pass::default();
        let mut turns = self.queue.turns(&[], &self.capacity.rights);
        while let Some(Reverse(next)) = turns.pop() {
            let Next { rank, group, .. } = next;
            let Some(mut turn) = self.turn(&next, &pass) else {
                continue;
            };
            let Some(plan) = turn.plan.take() else {
                self.keeps(&next, turn, &mut pass, now);
                continue;
            };
            if !pass.open.is_empty() {
                let draws = plan.all();
                let passed = pass.passed_by(&draws, &turn.limits);
                if !passed.is_empty() {
                    self.passes((&next, draws), &passed, now);
                }
            }
            let shared = self.seat(rank.id, plan, now);
            // They may stand anywhere in line.
            if shared {
                self.grant_sharers(now);
            }
            // Who has something now has its next turn later.
            let reorders = self.capacity.rights.has_weights() || shared;
            // What an owner wanted until now is lent again.
            if self.look_at_owners() {
                pass = Pass::default();
                turns = self.queue.turns(&[], &self.capacity.rights);
            } else if reorders {
                turns = self.queue.turns(&pass.done, &self.capacity.rights);
            } else if let Some(next) = self.queue.next_of(group, &self.capacity.rights) {
                turns.push(Reverse(next));
            }
        }
    }

    fn turn(&self, next: &Next, pass: &Pass) -> Option<Turn> {
        let (e, group) = (self.entries.get(&next.rank.id)?, next.group);
        let (pools, tenant) = (self.queue.pools(group), self.queue.tenant(group));
        let (items, asker) = (e.items(), e.asks());
        let owns = self.capacity.owns(items, asker, tenant);
        let mut limits = self.capacity.rights.limits(tenant, pools, owns);
        let under = |l: &Limit| pass.gathering.contains(l) || pass.is_later(Keeps::Under(*l), next);
        let held_back = limits.iter().any(under) || !self.capacity.is_left(items, asker, tenant);
        let blocked = |p: usize| pass.blocked.get(p) == Some(&true);
        let mut each = pools.iter();
        let behind = each.any(|p| blocked(*p) || pass.is_later(Keeps::Pool(*p), next));
        let behind = behind && !mutant::on(Mutant::SmallOvertakesHead);
        let plan = if behind || held_back {
            None
        } else {
            self.capacity.plan_for(items, asker, tenant)
        };
        // Who is at its own limit waits for its own alone.
        let limited = plan.is_none() && !self.capacity.is_within_limit(items, asker, tenant);
        if limited && !mutant::on(Mutant::LimitStopsBorrowers) {
            limits.retain(|l| matches!(l, Limit::Of(..)));
        }
        Some(Turn {
            tenant,
            owns,
            limits,
            held_back,
            behind,
            plan,
        })
    }

    /// The first of a group cannot be granted: what it keeps from others.
    fn keeps(&mut self, next: &Next, turn: Turn, pass: &mut Pass, now: BootTime) {
        let (id, group) = (next.rank.id, next.group);
        mark(&mut pass.done, group);
        self.queue.set_held_back(group, turn.held_back);
        if self.queue.yields(group) && !mutant::on(Mutant::GathersEverywhere) {
            return;
        }
        let rights = &self.capacity.rights;
        // Who waits for seats that there are not is in nobody's way under a limit.
        let limits = turn.limits.into_iter().filter(|_| turn.held_back);
        let (mut pools, mut under, mut gathers) = (Vec::new(), Vec::new(), false);
        for l in limits {
            match self.yields(next, rights.patience_at(l), now) {
                Yields::Never => pass.gathering.push(l),
                Yields::ToAll => under.push(l),
                Yields::Before(turn) => {
                    under.push(l);
                    pass.later.push((Keeps::Under(l), turn));
                }
            }
        }
        if !turn.held_back || mutant::on(Mutant::LimitBlocksPool) {
            for p in self.queue.pools(group) {
                match self.yields(next, rights.patience(*p), now) {
                    Yields::Never => {
                        mark(&mut pass.blocked, *p);
                        gathers = !turn.behind;
                    }
                    Yields::ToAll => pools.push(*p),
                    Yields::Before(turn) => {
                        pools.push(*p);
                        pass.later.push((Keeps::Pool(*p), turn));
                    }
                }
            }
        }
        let limits = under;
        if !pools.is_empty() || !limits.is_empty() {
            let open = Open {
                group,
                pools,
                limits,
            };
            pass.open.push(open);
        }
        self.look_at_passers(id, now);
        self.queue.set_gathers(group, gathers.then_some(id));
        if turn.owns {
            let own = |p: &usize| (turn.tenant, *p);
            let pools: Vec<(Tenant, usize)> = self.queue.pools(group).iter().map(own).collect();
            // Another of its own claims comes first: nothing is called back for two at once.
            let first = !pools.iter().any(|p| pass.own.contains(p));
            pass.own.extend(pools);
            if first && !turn.held_back {
                self.recall(id, turn.tenant);
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
            let firsts: Vec<Rank> = self.queue.gather_of(tenant).collect();
            for Rank { id, .. } in firsts {
                let Some(e) = self.entries.get(&id) else {
                    continue;
                };
                let own = self.capacity.plan_of_own(e.items(), e.asks(), tenant);
                if let Some(own) = own {
                    self.capacity.rights.wants(tenant, &own.all());
                }
            }
        }
        !self.capacity.rights.is_wanted_as(&before)
    }

    pub(super) fn may_grant(&self) -> bool {
        let settling = self.settling.is_on() && !mutant::on(Mutant::GrantedWhileSettling);
        !settling && self.paused.is_none()
    }

    /// Where a new claim's seats come from, if it has them in the step in which it comes and nobody
    /// waits: the queue would make it the first, and do the same.
    pub(super) fn plan_at_once(&mut self, c: &Claim, now: BootTime) -> Option<Plan> {
        if !self.may_grant() || self.queue.len() > 0 || c.stance == Stance::Rests {
            return None;
        }
        self.move_stranded(now);
        self.take_over_from_gone(now);
        // Nobody waits, so no owner does.
        self.capacity.rights.nobody_wants();
        let asker = Self::asker(c);
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
        let Some(asker) = self.entries.get(&id).map(|e| e.asks()) else {
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
        if !self.capacity.shares_seats && self.families.is_empty() {
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
            let (items, asker) = (e.items(), e.asks());
            let tenant = self.capacity.rights.tenant(asker);
            let plan = self.capacity.plan(items, asker, &|_| 0);
            let plan = plan.filter(Plan::needs_nothing);
            if let Some(plan) = plan.filter(|p| self.capacity.allows(tenant, p)) {
                self.seat(id, plan, now);
            }
        }
    }
}

impl Pass {
    /// Whether seats gather there for one that stands before this turn.
    fn is_later(&self, keeps: Keeps, next: &Next) -> bool {
        let mut later = self.later.iter();
        later.any(|(k, from)| *k == keeps && from < next)
    }

    /// The groups whose first is passed by who is granted these, under these limits.
    fn passed_by(&self, draws: &Draws, limits: &[Limit]) -> Vec<usize> {
        let takes = |o: &&Open| {
            let pool = draws.iter().any(|(p, n)| *n > 0 && o.pools.contains(p));
            pool || o.limits.iter().any(|l| limits.contains(l))
        };
        self.open.iter().filter(takes).map(|o| o.group).collect()
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
