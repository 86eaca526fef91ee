//! Taking a claim: repeated, restored from a ticket, or new.

use super::entry::{Entry, State};
use super::line::{Class, OWN, Rank};
use super::renew::behind;
use super::take_in::HeldLease;
use super::{Claimed, Ledger};
use crate::identity::Holder;
use crate::license::Ticket;
use crate::mutant::{self, Mutant};
use crate::names::{ClaimName, InstanceId, LeaseId, RequestId};
use crate::request::{Item, MAX_ITEMS};
use crate::secret::SecretHash;
use crate::time::BootTime;
use crate::wire::{ClaimRequest, Problem, ProblemType, Standing};
use std::cmp::Reverse;
use std::time::Duration;

/// A claim whose holder the edge has authenticated, and whose ticket and token it has verified:
/// signature, holder, secret.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Who.
    pub holder: Holder,
    /// The holder's name for it.
    pub name: ClaimName,
    /// What.
    pub items: Vec<Item>,
    /// The claim's secret, hashed.
    pub secret_hash: SecretHash,
    /// A fresh random id, used if the claim is new.
    pub new_id: LeaseId,
    /// How the application stands.
    pub standing: Standing,
    /// How much longer it may run without a lease, as the holder says; counted in the overlap for no longer than that.
    /// Unknown: the grace.
    pub runs_for: Option<Duration>,
    /// Grows with each request of the claim, renewals included. A number that is not new is a copy's of the holder, or a
    /// duplicate's that nobody waits for, and changes nothing. `None` from sidecars that do not number them.
    pub counter: Option<u64>,
    /// This request: with the same number it is a retry if equal.
    pub request_id: RequestId,
    /// The holder's other claims: while the server settles, the holder is in once each of them is.
    pub others: Vec<ClaimName>,
    /// The run of the server that the holder has heard from last about this claim.
    pub heard: Option<InstanceId>,
    /// A verified place in line.
    pub ticket: Option<Ticket>,
    /// A verified earlier lease.
    pub held: Option<HeldLease>,
    /// From policy by identity, never from the request.
    pub priority: i32,
}

impl Claim {
    /// What a holder's request asks for. What it shows, once that is verified, and its priority are added by who can tell.
    pub fn of(body: &ClaimRequest, holder: Holder, name: ClaimName, new_id: LeaseId) -> Self {
        Self {
            holder,
            name,
            items: body.items.clone(),
            secret_hash: body.secret_hash,
            new_id,
            standing: body.standing,
            runs_for: body.licensed_for,
            counter: body.counter,
            request_id: body.request_id,
            others: body.others.clone(),
            heard: body.heard,
            ticket: None,
            held: None,
            priority: 0,
        }
    }

    /// The highest number that the holder says it has used.
    fn highest(&self) -> u64 {
        let held = self
            .held
            .as_ref()
            .map_or(0, |h| h.counter.max(h.token.counter));
        self.counter.unwrap_or(0).max(held)
    }
}

/// What a new claim becomes.
struct Entering {
    id: LeaseId,
    rank: Rank,
}

impl Ledger {
    /// Takes a claim; the same one again gets the same lease or the same place (promise 6).
    #[allow(clippy::needless_pass_by_value)] // a claim is used up by being made
    pub fn claim(&mut self, c: Claim, now: BootTime) -> Result<Claimed, Problem> {
        self.tick(now);
        if let Err(why) = self.barred(&c.holder.key()) {
            self.refuse(&c.holder, &c.name, &c.items, c.new_id, why.clone(), now);
            self.shows_itself(&c);
            self.settle_if_done(now);
            self.grant_line(now);
            return Err(why);
        }
        let existing = self.find(&c.holder.key(), &c.name);
        let existing = existing.filter(|_| !mutant::on(Mutant::RepeatTakesSecondSeat));
        let answer = match existing.filter(|id| !self.is_refused(*id)) {
            Some(id) => self.claim_again(id, &c, now),
            None => self.claim_anew(existing, &c, now),
        };
        self.shows_itself(&c);
        self.settle_if_done(now);
        self.grant_line(now);
        self.grant_sharers(now);
        let id = answer?;
        let claimed = self
            .standing(id)
            .ok_or_else(|| Problem::new(ProblemType::UnknownLease, "the claim has ended"))?;
        match (&self.paused, claimed) {
            (Some(why), Claimed::Waiting(_)) => Err(why.clone()),
            (_, c) => Ok(c),
        }
    }

    /// What a claim shows of where its holder stands. A lease taken in is the one it had. One that has heard from this run
    /// goes by what this run said. One that is refused and does not run has nothing. Any other may be a duplicate from
    /// long ago, and its holder be `Held` by an earlier run.
    ///
    /// Several clients outside Kubernetes may be one holder, and none knows the others' claims: only time ends their part.
    fn shows_itself(&mut self, c: &Claim) {
        if let Holder::External { .. } = c.holder {
            return;
        }
        let key = c.holder.key();
        let state = self
            .find(&key, &c.name)
            .and_then(|id| self.entries.get(&id))
            .map(|e| &e.state);
        let shows = match state {
            Some(State::Held { .. }) => true,
            Some(State::Line { .. }) => c.heard == Some(self.settings.instance),
            Some(State::Refused(_)) => c.standing == Standing::Seeking,
            None => false,
        };
        if shows {
            self.settling.names(&key, &c.others);
            self.settling.shown(&key, &c.name);
        }
    }

    fn claim_again(&mut self, id: LeaseId, c: &Claim, now: BootTime) -> Result<LeaseId, Problem> {
        let lapses = self.settings.lease_for.as_secs();
        let changed = |what: &str, field: &str| {
            let detail = format!(
                "claim {} of {} exists with other {what}; give it back first, or wait until it lapses",
                c.name, c.holder
            );
            Err(Problem::new(ProblemType::ClaimChanged, detail)
                .field(field)
                .retry_after(lapses))
        };
        let Some(e) = self.entries.get(&id) else {
            return changed("items", "items");
        };
        // A duplicate from before its lease came first, and took a place for it, with its secret or that of an earlier
        // claim: the lease itself is better.
        if matches!(e.state, State::Line { .. }) && self.shows_lease(c).is_some() {
            self.forget(id);
            if let Some(lease) = self.take_in(c, now) {
                return Ok(lease);
            }
        }
        let Some(e) = self.entries.get(&id) else {
            return Ok(id);
        };
        if e.secret_hash != c.secret_hash {
            return changed("secret", "secretHash");
        }
        if e.items != c.items {
            return changed("items", "items");
        }
        let runs_until = self.runs_until(c, now);
        let Some(e) = self.entries.get_mut(&id) else {
            return Ok(id);
        };
        if let Some(n) = c.counter {
            let retry = n == e.counter && e.request == Some(c.request_id);
            if n <= e.counter && !retry && !mutant::on(Mutant::CounterUnchecked) {
                return Err(behind(e, id));
            }
            e.request = Some(c.request_id);
        }
        e.counter = e.counter.max(c.highest());
        let State::Line {
            rank,
            group,
            runs_until: ran_until,
        } = e.state
        else {
            self.heard(id, now);
            return Ok(id);
        };
        e.last = e.last.max(now);
        let mut new = rank;
        if mutant::on(Mutant::RepeatLosesPlace) {
            self.arrivals += 1;
            new = Rank {
                arrival: self.arrivals,
                generation: OWN,
                ..new
            };
        }
        // Only who runs on after being `Held` stands before all others; once that is lost it waits like any other.
        match runs_until {
            None => new.class = Class::Ordinary,
            Some(_) if c.held.is_some() => new.class = Class::Contested,
            Some(_) => {}
        }
        let moved = ran_until.is_some() != runs_until.is_some() || rank != new;
        if moved || ran_until != runs_until {
            self.stands(
                id,
                State::Line {
                    rank: new,
                    group,
                    runs_until,
                },
                moved,
                now,
            );
            self.refuse_if_impossible(id, now);
        }
        Ok(id)
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
    ) -> Result<LeaseId, Problem> {
        let ended = self.ended.get(&c.secret_hash);
        if let Some(ended) = ended.filter(|_| !mutant::on(Mutant::TakenInTwice)) {
            let no = |kind, detail: &str, field: &str| Err(Problem::new(kind, detail).field(field));
            if ended.released {
                let detail = "this claim was given back; a new one needs a new secret";
                return no(ProblemType::GivenBack, detail, "secretHash");
            }
            // One that lapsed for silence may come back, but not by a duplicate of what it asked before.
            if c.counter.is_some_and(|n| n <= ended.counter) {
                let detail = "a late duplicate of a request that was answered before";
                return no(ProblemType::ClaimChanged, detail, "counter");
            }
        }
        if let Some(id) = refused {
            self.forget(id);
        }
        self.check_bounds(c)?;
        if let Some(id) = self.take_in(c, now) {
            return Ok(id);
        }
        // Nobody who runs is thrown out by a smaller license: it is contested until its limit.
        let runs_on = c.held.is_some() && self.runs_until(c, now).is_some();
        if let Err(p) = self.capacity_check(&c.items)
            && !runs_on
        {
            self.refuse(&c.holder, &c.name, &c.items, c.new_id, p.clone(), now);
            return Err(p);
        }
        let Entering { id, rank } = self.entering(c, now);
        let group = self.group_for(&c.items);
        let runs_until = self.runs_until(c, now);
        self.insert(
            id,
            c,
            State::Line {
                rank,
                group,
                runs_until,
            },
            now,
        );
        Ok(id)
    }

    fn capacity_check(&self, items: &[Item]) -> Result<(), Problem> {
        // Without a license nothing can be judged: the claim waits, and is answered with why.
        if self.paused.is_some() && self.capacity.products.is_empty() {
            Ok(())
        } else {
            self.capacity.check(items)
        }
    }

    fn check_bounds(&self, c: &Claim) -> Result<(), Problem> {
        let bad =
            |detail: String| Err(Problem::new(ProblemType::BadRequest, detail).field("items"));
        if c.items.is_empty() || c.items.len() > MAX_ITEMS {
            return bad(format!(
                "{} products, expected 1 to {MAX_ITEMS}",
                c.items.len()
            ));
        }
        for (i, item) in c.items.iter().enumerate() {
            if c.items.iter().take(i).any(|o| o.product == item.product) {
                return bad(format!("product {} is there twice", item.product));
            }
        }
        let limits = self.settings.limits;
        let full =
            |detail: String| Err(Problem::new(ProblemType::TooManyClaims, detail).retry_after(30));
        if self
            .by_holder
            .get(&c.holder.key())
            .is_some_and(|v| v.len() >= limits.per_holder)
        {
            return full(format!(
                "{} has {} claims, the most one holder may have",
                c.holder, limits.per_holder
            ));
        }
        if let Some(ns) = c.holder.namespace()
            && self
                .per_namespace
                .get(ns)
                .is_some_and(|n| *n >= limits.per_namespace)
        {
            return full(format!(
                "namespace {ns} has {} claims, the most one may have",
                limits.per_namespace
            ));
        }
        if self.line.len() >= limits.line {
            let detail = format!("the line has {} claims, the most it may have", limits.line);
            return Err(Problem::new(ProblemType::Overloaded, detail).retry_after(30));
        }
        Ok(())
    }

    /// Which place a claim enters the line at.
    fn entering(&mut self, c: &Claim, now: BootTime) -> Entering {
        let was_held = c.held.is_some() && self.runs_until(c, now).is_some();
        let restored = c.ticket.as_ref().filter(|t| {
            // A place that died in this run is not brought back by its ticket; one of an earlier run is restored
            // while the time in which that run's places can be alive lasts.
            t.instance != self.settings.instance
                && self.settling.restores_places()
                && t.cnf == c.secret_hash
                && t.claim == c.name
                && t.items == c.items
                && !self.entries.contains_key(&t.lease)
                && !self.ended_ids.contains_key(&t.lease)
        });
        let priority = Reverse(c.priority);
        if let Some(t) = restored {
            self.settings.generation = self.settings.generation.max(t.generation.saturating_add(1));
            let runs = self.runs_until(c, now).is_some();
            let class = if (t.contested && runs) || was_held {
                Class::Contested
            } else {
                Class::Ordinary
            };
            let rank = Rank {
                class,
                priority,
                generation: t.generation.min(OWN - 1),
                arrival: t.arrival,
                id: t.lease,
            };
            return Entering { id: t.lease, rank };
        }
        self.arrivals += 1;
        let class = if was_held {
            Class::Contested
        } else {
            Class::Ordinary
        };
        let rank = Rank {
            class,
            priority,
            generation: OWN,
            arrival: self.arrivals,
            id: c.new_id,
        };
        Entering { id: c.new_id, rank }
    }

    /// Notes a refusal, so that people see it where they look. Does nothing if the claim is granted or in line.
    pub fn refuse(
        &mut self,
        holder: &Holder,
        name: &ClaimName,
        items: &[Item],
        new_id: LeaseId,
        why: Problem,
        now: BootTime,
    ) {
        if let Some(id) = self.find(&holder.key(), name) {
            if !self.is_refused(id) {
                return;
            }
            let same = self
                .entries
                .get(&id)
                .is_some_and(|e| matches!(&e.state, State::Refused(p) if **p == why));
            if same {
                return self.heard(id, now);
            }
            self.forget(id);
        }
        let ns_full = holder
            .namespace()
            .and_then(|n| self.per_namespace.get(n))
            .is_some_and(|n| *n >= self.settings.limits.per_namespace);
        let own_full = self
            .by_holder
            .get(&holder.key())
            .is_some_and(|v| v.len() >= self.settings.limits.per_holder);
        if ns_full || own_full {
            return;
        }
        let c = Claim {
            holder: holder.clone(),
            name: name.clone(),
            items: items.to_vec(),
            secret_hash: SecretHash::none(),
            new_id,
            standing: Standing::Seeking,
            runs_for: None,
            counter: None,
            request_id: RequestId::from_bytes([0; 16]),
            others: Vec::new(),
            heard: None,
            ticket: None,
            held: None,
            priority: 0,
        };
        self.insert(new_id, &c, State::Refused(Box::new(why)), now);
    }

    fn is_refused(&self, id: LeaseId) -> bool {
        self.entries
            .get(&id)
            .is_some_and(|e| matches!(e.state, State::Refused(_)))
    }

    pub(super) fn insert(&mut self, id: LeaseId, c: &Claim, state: State, now: BootTime) {
        let e = Entry {
            holder: c.holder.clone(),
            name: c.name.clone(),
            items: c.items.clone(),
            secret_hash: c.secret_hash,
            // Replaced at once below, which books deadline and event.
            state: State::Refused(Box::new(Problem::new(ProblemType::UnknownLease, ""))),
            since: now,
            last: now,
            due: BootTime::NEVER,
            counter: c.highest(),
            request: c.counter.map(|_| c.request_id),
            not_before: BootTime::default(),
        };
        self.by_holder
            .entry(c.holder.key())
            .or_default()
            .push((c.name.clone(), id));
        if let Some(ns) = c.holder.namespace() {
            *self.per_namespace.entry(ns.to_owned()).or_default() += 1;
        }
        self.entries.insert(id, e);
        self.set_state(id, state, now);
    }
}
