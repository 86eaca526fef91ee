//! Rollouts hand over (promise 19): a pod that its owner makes before the one goes that it replaces
//! is `Held` beyond the seats, for as long as the license allows (`maxHandover`).
//!
//! It draws nothing. When the pod that it replaces has given its lease back, or has lost it, what
//! that had is the successor's in the same step; else the *successor* is lost at the end, and the
//! pod that it was to replace is never told anything: a new version that does not come up stops
//! nothing. A seat that was handed over, or was to be, is not for [`AGAIN`] times as long.

use super::capacity::Free;
use super::entry::{Entry, State};
use super::families::family;
use super::handover::{AGAIN, Handover};
use super::pool::Drawn;
use super::refusal::Refusal;
use super::state::Ledger;
use super::types::{CalledBack, Claim};
use crate::identity::{Holder, HolderKey};
use crate::mutant::{self, Mutant};
use crate::names::{ClaimName, LeaseId};
use crate::time::BootTime;
use crate::wire::{Problem, ProblemType, Replacing};
use std::time::Duration;

/// A lease that waits for the seats of one that is about to end.
pub(super) struct Heir {
    lease: LeaseId,
    /// An owner has called for those seats.
    in_vain: bool,
    /// How many were in use of each pool.
    used: Vec<u32>,
}

impl Ledger {
    /// The operator names which of an owner's pods replace which: these, and no others.
    pub fn set_replaces(
        &mut self,
        owner: &HolderKey,
        claim: &ClaimName,
        replaces: &[Replacing],
        now: BootTime,
    ) {
        let family = family(owner.into(), claim);
        self.handovers.set(&family, replaces);
        for r in replaces {
            let by = self.entries.of_name((&r.by).into(), &ClaimName::pod());
            if let Some(id) = by.map(|e| e.id) {
                self.hand_over(id, now);
            }
        }
    }

    /// A claim that waits, and whose pod replaces another: it is granted beyond the seats, if that
    /// may be.
    pub(super) fn hand_over(&mut self, id: LeaseId, now: BootTime) {
        if self.handovers.is_unnamed() || !self.may_grant() {
            return;
        }
        let Some((before, most)) = self.entries.get(&id).and_then(|e| self.hands_over(e, now))
        else {
            return;
        };
        let (lease, from) = (before.id, before.who.key().owned());
        let State::Held { drawn, .. } = &before.state else {
            return;
        };
        let drawn = Drawn {
            licenses: drawn.licenses.clone(),
            own: self.capacity.shown_of(lease, drawn).collect(),
            shared: Vec::new(),
        };
        // What came in this step has waited for a moment: others are told so, and not how.
        if self.entries.get(&id).is_some_and(|e| e.told.is_none()) {
            self.tell_wait(id, None, now);
        }
        if let Some(before) = self.entries.get_mut(&lease) {
            before.rare().handed = Some(now);
        }
        let never = mutant::on(Mutant::HandoverNeverEnds);
        let handover = Handover {
            from: from.clone(),
            since: now,
            until: now + if never { most * 100 } else { most },
            in_vain: false,
        };
        if let Some(e) = self.entries.get_mut(&id) {
            e.rare().handover = Some(handover);
        }
        self.handovers.begins(from, id);
        let state = self.beyond(drawn);
        self.set_state(id, state, now);
    }

    /// How a lease stands that draws nothing, and will have these.
    pub(super) fn beyond(&mut self, drawn: Drawn) -> State {
        State::Held {
            drawn: drawn.one(&mut self.drawn),
            overdraft: 0,
            silent: false,
        }
    }

    /// Whose seats a claim that waits is to have, and for how long it may be granted beyond them.
    fn hands_over(&self, e: &Entry, now: BootTime) -> Option<(&Entry, Duration)> {
        let State::Queued(place) = &e.state else {
            return None;
        };
        let family = e.family().filter(|_| place.runs_until.is_none())?;
        let from = self.handovers.replaced_by(family, &e.who.key().owned())?;
        let before = self.entries.of_name(from.into(), &ClaimName::pod())?;
        let State::Held {
            drawn,
            silent: false,
            ..
        } = &before.state
        else {
            return None;
        };
        let tenant = |e: &Entry| self.capacity.rights.tenant(e.asks());
        let goes_on = before.ends().is_none()
            && before.stranded().is_none()
            && !before.taken_back
            && !self.bars(before.who.key())
            && self.wanted_back(before.id).is_none();
        let most = self.capacity.max_handover(drawn);
        let chain =
            before.handover().is_some() || before.handed().is_some_and(|t| now < t + most * AGAIN);
        let may = goes_on
            && !most.is_zero()
            && (!chain || mutant::on(Mutant::ChainOfHandovers))
            && self.handovers.of(from).is_none()
            && self.families.of_pod(&from.0).as_deref() == Some(family)
            && tenant(before) == tenant(e)
            && self.capacity.draws_alike(e.items(), before.items(), drawn);
        may.then_some((before, most))
    }

    /// Who is to have what a lease has that is about to end.
    pub(super) fn heir_of(&self, id: LeaseId) -> Option<Heir> {
        if self.handovers.is_empty() {
            return None;
        }
        let e = self.entries.get(&id).filter(|e| e.handover().is_none())?;
        let is_held = matches!(e.state, State::Held { .. }) && e.wish.name.is_pod();
        let lease = self
            .handovers
            .of(&e.who.key().owned())
            .filter(|_| is_held)?;
        Some(Heir {
            lease,
            in_vain: self.wanted_back(id).is_some(),
            used: self.capacity.each(&|p| self.capacity.used(p)),
        })
    }

    /// What a lease had that has ended is free, or its heir's.
    pub(super) fn gives_back(&mut self, e: &Entry, heir: Option<Heir>, now: BootTime) {
        if let Some(handed) = e.handed() {
            self.handovers.remember(e.who.key().owned(), handed, now);
        }
        let State::Held { drawn, .. } = &e.state else {
            return;
        };
        if let Some(h) = e.handover() {
            self.handovers.ends(&h.from);
            return;
        }
        let tenant = self.capacity.rights.tenant(e.asks());
        self.capacity.give_back((e.id, tenant), drawn);
        let Some(heir) = heir.filter(|_| !mutant::on(Mutant::HandoverLeaksSeat)) else {
            return;
        };
        if heir.in_vain {
            let h = self.entries.get_mut(&heir.lease);
            if let Some(h) = h.and_then(|e| e.rare().handover.as_mut()) {
                h.in_vain = true;
            }
            return;
        }
        let freed = |p: usize| {
            let before = heir.used.get(p).copied().unwrap_or(0);
            before.saturating_sub(self.capacity.used(p))
        };
        let freed = self.capacity.each(&|p| {
            let is_there = self.capacity.is_open(p);
            freed(p) * u32::from(is_there)
        });
        self.take_over(heir.lease, &|p| freed.get(p).copied().unwrap_or(0), now);
    }

    /// A lease beyond the seats becomes an ordinary one, if its seats are there.
    fn take_over(&mut self, id: LeaseId, free: Free<'_>, now: BootTime) {
        let Some(e) = self.entries.get(&id) else {
            return;
        };
        let tenant = self.capacity.rights.tenant(e.asks());
        let (Some(plan), Some(h), State::Held { silent, .. }) = (
            self.capacity.plan(e.items(), e.asks(), free),
            e.handover().cloned(),
            &e.state,
        ) else {
            return;
        };
        let silent = *silent;
        let (drawn, overdraft) = self.capacity.book((id, tenant), plan);
        let drawn = drawn.one(&mut self.drawn);
        let Some(e) = self.entries.get_mut(&id) else {
            return;
        };
        self.tally.leave(e);
        e.state = State::Held {
            drawn,
            overdraft,
            silent,
        };
        (e.rare().handover, e.rare().handed) = (None, Some(h.since));
        self.tally.enter(e);
        self.handovers.ends(&h.from);
        if let Some(at) = self.entries.find(&id) {
            self.book_deadline(at);
        }
        self.strands(id, now);
        self.tell(id, now);
    }

    /// Leases beyond the seats whose pods have gone, as in a run before, have theirs before anybody
    /// in line.
    pub(super) fn take_over_from_gone(&mut self, now: BootTime) {
        for (from, id) in self.handovers.all() {
            let before = self.entries.of_name((&from).into(), &ClaimName::pod());
            let is_there = before.is_some_and(|e| matches!(e.state, State::Held { .. }));
            let h = self.entries.get(&id).and_then(Entry::handover);
            if is_there || h.is_none_or(|h| h.in_vain) || mutant::on(Mutant::HandoverLeaksSeat) {
                continue;
            }
            let free = self.capacity.each(&|p| self.capacity.free(p));
            self.take_over(id, &|p| free.get(p).copied().unwrap_or(0), now);
        }
    }

    /// A lease beyond the seats comes back, in a run after its own.
    pub(super) fn comes_beyond(&mut self, id: LeaseId, h: &Handover) {
        self.handovers.begins(h.from.clone(), id);
        let before = self.entries.of_name((&h.from).into(), &ClaimName::pod());
        if let Some(e) = before
            .map(|e| e.id)
            .and_then(|id| self.entries.get_mut(&id))
        {
            let rare = e.rare();
            rare.handed = rare.handed.max(Some(h.since));
        }
    }

    /// When the seats of a pod that asks anew were handed over last, as the books remember or its
    /// receipt says, also one that is not taken in.
    pub(super) fn knows_of_handovers(&mut self, e: &mut Entry, c: &Claim, now: BootTime) {
        let Holder::Pod { uid, .. } = &c.holder else {
            return;
        };
        if !c.name.is_pod() {
            return;
        }
        let ago = c.held.as_ref().and_then(|h| h.handed_ago);
        let handed = self.handovers.recall(uid).max(ago.map(|ago| now - ago));
        if handed > e.handed() {
            e.rare().handed = handed;
        }
    }

    /// When a pod's seats were to be handed over last, as the lease knows that waits for them.
    pub(super) fn handed_by(&self, pod: &HolderKey) -> Option<BootTime> {
        let e = self.entries.get(&self.handovers.of(pod)?)?;
        e.handover().map(|h| h.since)
    }

    /// `Err` for a holder whose lease beyond the seats is over.
    pub(super) fn judge_handover(&self, id: LeaseId, now: BootTime) -> Result<(), Refusal> {
        let e = self.entries.get(&id);
        let over = e.and_then(Entry::handover_told).filter(|c| c.until <= now);
        over.map_or(Ok(()), |c| Err(Refusal::ByEdge(Box::new(c.why))))
    }

    /// The mistake that a pod is told to go for its successor.
    pub(super) fn is_told_to_go(&self, id: LeaseId) -> bool {
        let e = self.entries.get(&id);
        let e = e.filter(|_| mutant::on(Mutant::PredecessorTold));
        e.is_some_and(|e| self.handovers.of(&e.who.key().owned()).is_some())
    }
}

impl Entry {
    /// It has no seats of its own yet.
    pub(super) fn handover(&self) -> Option<&Handover> {
        self.rare_of()?.handover.as_ref()
    }

    /// When its seats were handed over last, or were to be.
    pub(super) fn handed(&self) -> Option<BootTime> {
        self.rare_of()?.handed
    }

    /// When nobody goes by it any more, if it is a lease beyond the seats.
    pub(super) fn handover_over(&self) -> BootTime {
        self.handover()
            .map_or(BootTime::NEVER, Handover::is_over_at)
    }

    /// What its holder is told of that.
    fn handover_told(&self) -> Option<CalledBack> {
        let h = self.handover()?;
        let detail = format!(
            "on handover: it ends unless pod {} goes before, whose seats it takes over",
            h.from
        );
        Some(CalledBack {
            why: Problem::new(ProblemType::CalledBack, detail),
            until: h.until,
        })
    }

    /// Why and when it ends although it is renewed.
    pub(super) fn ends(&self) -> Option<CalledBack> {
        let told = [self.called_back().cloned(), self.handover_told()];
        told.into_iter().flatten().min_by_key(|c| c.until)
    }
}
