//! Taking a claim: repeated, restored from a ticket, or new.

use super::entry::{Entry, State};
use super::queue::{Class, OWN, Queued, Rank};
use super::refusal::{Changed, Refusal};
use super::renew::behind;
use super::state::Ledger;
use super::tenant::Tenant;
use super::types::{Claim, Claimed};
use super::who::HolderRef;
use crate::mutant::{self, Mutant};
use crate::names::LeaseId;
use crate::request::Item;
use crate::time::BootTime;
use crate::wire::{EndReason, Stance, Standing};
use std::cmp::Reverse;

impl Ledger {
    /// Takes a claim; the same one again gets the same lease or the same place (promise 6).
    #[allow(clippy::needless_pass_by_value)] // a claim is used up by being made
    pub fn claim(&mut self, mut c: Claim, now: BootTime) -> Result<Claimed, Refusal> {
        self.tick(now);
        c.family = self.family_of(&c);
        if let Err(why) = self.admits(&c) {
            self.refuse(&c, why.clone(), now);
            self.shows_itself(&c);
            self.settling.end_if_done(now);
            self.grant_queue(now);
            return Err(why);
        }
        let existing = self.claim_by(&c).map(|e| e.id);
        let existing = existing.filter(|_| !mutant::on(Mutant::RepeatTakesSecondSeat));
        let arrivals = self.arrivals;
        if let Some(id) = existing.filter(|id| self.has_heard(*id, &c, now)) {
            self.end(id, EndReason::Released, now);
            if mutant::on(Mutant::CalledBackRanksFirst) {
                self.arrivals = 0;
            }
        }
        let existing = existing.filter(|id| self.entries.contains_key(id));
        let answer = match existing.filter(|id| !self.is_refused(*id)) {
            Some(id) => self.claim_again(id, &c, now),
            None => self.claim_anew(existing, &c, now),
        };
        self.arrivals = self.arrivals.max(arrivals);
        self.shows_itself(&c);
        self.settling.end_if_done(now);
        self.grant_queue(now);
        self.grant_sharers(now);
        let id = answer?;
        self.is_part(id, c.part, now);
        self.hand_over(id, now);
        if let Some(State::Held { .. }) = self.state_of(id) {
            // It may have been stranded until settling ended in this step.
            self.judge(id, c.call_back.as_ref(), now)?;
        }
        self.arrived(id, now);
        let e = self.entries.get(&id).ok_or(Refusal::Ended)?;
        let holder = if existing == Some(id) {
            e.who.holder()
        } else {
            c.holder
        };
        let claimed = self.answer(e, holder).ok_or(Refusal::Ended)?;
        match (&self.paused, claimed) {
            (Some(why), Claimed::Waiting(_)) => Err(why.clone()),
            (_, c) => Ok(c),
        }
    }

    /// What is in the books of it.
    pub(super) fn claim_by(&self, c: &Claim) -> Option<&Entry> {
        self.entries.of_name(HolderRef::of(&c.holder), &c.name)
    }

    /// Whether it is looked at at all: its holder is not barred, and where something speaks against
    /// it there is a lease, which is called back rather than lost.
    fn admits(&self, c: &Claim) -> Result<(), Refusal> {
        self.barred(HolderRef::of(&c.holder))?;
        let Some(against) = &c.call_back else {
            return Ok(());
        };
        let held = self.claim_by(c).is_some_and(|e| {
            matches!(e.state, State::Held { .. }) && e.secret_hash == c.secret_hash
        });
        if held || self.shows_lease(c).is_some() {
            return Ok(());
        }
        Err(Refusal::ByEdge(Box::new(against.why.clone())))
    }

    fn claim_again(&mut self, id: LeaseId, c: &Claim, now: BootTime) -> Result<LeaseId, Refusal> {
        let lapses = self.settings.lease_for;
        let changed = |part| {
            Err(Refusal::Changed {
                claim: c.name.clone(),
                holder: Box::new(c.holder.clone()),
                part,
                lapses,
            })
        };
        // A duplicate from before its lease came first, and took a place for it, with its secret or
        // that of an earlier claim: the lease itself is better.
        let waits = matches!(self.state_of(id), Some(State::Queued(_)));
        if waits && self.shows_lease(c).is_some() {
            self.forget(id, now);
            if let Some(lease) = self.reinstate(c, now) {
                self.judge(lease, c.call_back.as_ref(), now)?;
                return Ok(lease);
            }
        }
        let Some(e) = self.entries.get_mut(&id) else {
            return Ok(id);
        };
        if e.taken_back && e.secret_hash == c.secret_hash {
            return Err(Refusal::TakenBack);
        }
        if e.secret_hash != c.secret_hash {
            return changed(Changed::Secret);
        }
        let resizes = *e.items() != *c.items;
        if resizes && !e.is_owner() {
            return changed(Changed::Items);
        }
        // Who took the seat has it, also towards others that know the claim's secret.
        if e.bind() != c.bind {
            return changed(Changed::Bind);
        }
        // What a policy may have gone by stays.
        if e.wish.project != c.project {
            return changed(Changed::Project);
        }
        if let Some(n) = c.counter {
            let retry = n == e.counter && e.request == Some(c.request_id);
            if n <= e.counter && !retry && !mutant::on(Mutant::CounterUnchecked) {
                return Err(behind(e, id));
            }
            e.request = Some(c.request_id);
        }
        e.counter = e.counter.max(c.highest());
        if resizes {
            self.resize(id, c, now)?;
        }
        if c.stance == Stance::Rests {
            self.back_in_line(id, now);
        }
        if let Some(State::Queued(_)) = self.state_of(id) {
            if let Some(e) = self.entries.get_mut(&id) {
                e.last = e.last.max(now);
            }
            self.stands(id, c.stance, now);
            self.keep_place(id, c, now);
        } else {
            self.judge(id, c.call_back.as_ref(), now)?;
            self.heard(id, now);
        }
        Ok(id)
    }

    /// A repeated claim of the queue keeps its place; its class follows whether its application
    /// still runs.
    fn keep_place(&mut self, id: LeaseId, c: &Claim, now: BootTime) {
        let runs_until = self.runs_until(c, now);
        let Some(State::Queued(old)) = self.state_of(id) else {
            return;
        };
        let old = **old;
        let mut new = Queued { runs_until, ..old };
        if mutant::on(Mutant::RepeatLosesPlace) {
            self.arrivals += 1;
            (new.rank.arrival, new.rank.generation) = (self.arrivals, OWN);
        }
        // Only who runs on after being `Held` stands before all others; once that is lost it waits
        // like any other.
        match runs_until {
            None => new.rank.class = Class::Ordinary,
            Some(_) if c.was_held() => new.rank.class = Class::Contested,
            Some(_) => {}
        }
        if new != old {
            let news = old.runs_until.is_some() != runs_until.is_some() || new.rank != old.rank;
            self.change_state(id, State::Queued(Box::new(new)), news, now);
            self.refuse_if_impossible(id, now);
        }
    }

    /// Until when a claim's application runs without a lease; `None` if it does not.
    fn runs_until(&self, c: &Claim, now: BootTime) -> Option<BootTime> {
        let grace = self.settings.grace;
        let runs_for = c.runs_for.map_or(grace, |d| d.min(grace));
        (c.standing != Standing::Seeking && !runs_for.is_zero()).then(|| now + runs_for)
    }

    fn claim_anew(
        &mut self,
        refused: Option<LeaseId>,
        c: &Claim,
        now: BootTime,
    ) -> Result<LeaseId, Refusal> {
        let ended = self.past.of_secret(&c.secret_hash);
        let ended = ended.filter(|_| !Self::asker(c).is_owner());
        if let Some(ended) = ended.filter(|_| !mutant::on(Mutant::ReinstatedTwice)) {
            if ended.released {
                return Err(Refusal::GivenBack);
            }
            // One that lapsed for silence may come back, but not by a duplicate of what it asked
            // before.
            if c.counter.is_some_and(|n| n <= ended.counter) {
                return Err(Refusal::LateDuplicate);
            }
        }
        if let Some(id) = refused {
            self.forget(id, now);
        }
        self.check_bounds(c)?;
        if let Some(id) = self.reinstate(c, now) {
            self.judge(id, c.call_back.as_ref(), now)?;
            return Ok(id);
        }
        // Nobody who runs is thrown out by a smaller license: it is contested until its limit.
        let runs_on = c.was_held() && self.runs_until(c, now).is_some();
        // Whose seats have ended goes on under the grace that it has, as where a license has.
        let tenant = self.tenant_of(c);
        let judged = self.capacity_check(&c.items, tenant);
        let judged = judged.and_then(|()| self.capacity.may_reserve(c));
        if let Err(p) = judged
            && (!runs_on || matches!(p, Refusal::SeatsEnded { .. }))
        {
            self.refuse(c, p.clone(), now);
            return Err(p);
        }
        let ((rank, passed), runs_until) = (self.entering(c, now), self.runs_until(c, now));
        if let Some(plan) = self.plan_at_once(c, now) {
            // Others are told of each claim that it waited, if only for a moment.
            self.tell_arrival(rank.id, c, runs_until, now);
            let state = self.booked(rank.id, tenant, plan);
            self.insert(rank.id, c, state, now);
            return Ok(rank.id);
        }
        let place = Queued {
            rank,
            group: self.group_by(Self::asker(c).is_owner(), &c.items, tenant, c.stance),
            runs_until,
            passed,
        };
        self.insert(rank.id, c, State::Queued(Box::new(place)), now);
        Ok(rank.id)
    }

    /// Whose a claim is for the policy.
    pub(super) fn tenant_of(&self, c: &Claim) -> Tenant {
        self.capacity.rights.tenant(Self::asker(c))
    }

    fn capacity_check(&self, items: &[Item], tenant: Tenant) -> Result<(), Refusal> {
        // Without a license nothing can be judged: the claim waits, and is answered with why.
        if self.paused.is_some() && self.capacity.products.is_empty() {
            Ok(())
        } else {
            self.capacity.check(items, tenant)
        }
    }

    /// Which place a claim enters the queue at, and when it was first passed there.
    fn entering(&mut self, c: &Claim, now: BootTime) -> (Rank, Option<BootTime>) {
        let restored = c.ticket.as_ref().filter(|t| {
            // A place that died in this run is not brought back by its ticket; one of an earlier
            // run is restored while the time in which that run's places can be alive lasts.
            t.instance != self.settings.instance
                && self.settling.restores_places()
                && !self.entries.contains_key(&t.lease)
                && self.past.of_id(&t.lease).is_none()
        });
        let was_held = c.was_held() || restored.is_some_and(|t| t.contested);
        let class = if was_held && self.runs_until(c, now).is_some() {
            Class::Contested
        } else {
            Class::Ordinary
        };
        let priority = self.capacity.rights.priority(self.tenant_of(c));
        let (generation, arrival, id) = if let Some(t) = restored {
            self.settings.generation = self.settings.generation.max(t.generation.saturating_add(1));
            (t.generation.min(OWN - 1), t.arrival, t.lease)
        } else {
            self.arrivals += 1;
            (OWN, self.arrivals, c.new_id)
        };
        let rank = Rank {
            class,
            priority: Reverse(priority),
            generation,
            arrival,
            id,
        };
        (rank, restored.and_then(|t| t.passed_for).map(|d| now - d))
    }
}
