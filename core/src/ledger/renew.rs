//! Renewals, their counter, releases. None works without the claim's secret (promise 11).

use super::entry::{Entry, State};
use super::refusal::Refusal;
use super::state::Ledger;
use super::types::{CallBack, Granted, QUESTIONS_A_MINUTE};
use super::who::KeptHolder;
use crate::identity::Holder;
use crate::mutant::{self, Mutant};
use crate::names::{ClaimName, LeaseId};
use crate::secret::Secret;
use crate::time::BootTime;
use crate::wire::{EndReason, Renewal};
use std::time::Duration;

/// What a copy of a holder is told that has fallen behind another.
pub(super) fn behind(e: &Entry, lease: LeaseId) -> Refusal {
    let holder = Box::new(e.who.holder());
    Refusal::Cloned { lease, holder }
}

impl Ledger {
    /// Renews a lease for another D from now.
    ///
    /// The counter tells a retry from a copy: the same counter with the same request id is a retry
    /// and answered alike; with another request id somebody else has the holder's state (promise
    /// 8). A lower counter is a copy that fell behind, or a message so late that its sender no
    /// longer listens.
    pub fn renew(&mut self, r: &Renewal, now: BootTime) -> Result<Granted, Refusal> {
        self.renew_judged(r, |_| None, now)
    }

    /// The same, where something may speak against the lease's holder.
    pub fn renew_judged(
        &mut self,
        r: &Renewal,
        against: impl Fn(&Holder) -> Option<CallBack>,
        now: BootTime,
    ) -> Result<Granted, Refusal> {
        self.tick(now);
        let unknown = Refusal::UnknownLease(r.lease);
        let e = self.known(r.lease, &r.secret)?;
        let State::Held { .. } = e.state else {
            return Err(unknown);
        };
        if !mutant::on(Mutant::RevokedRenews) {
            self.barred(e.who.key())?;
        }
        let retry = r.counter == e.counter
            && e.request == Some(r.request_id)
            && !mutant::on(Mutant::RetrySeenAsCopy);
        if r.counter <= e.counter && !retry && !mutant::on(Mutant::CounterUnchecked) {
            return Err(behind(e, r.lease));
        }
        let holder = e.who.holder();
        let against = against(&holder).filter(|_| !mutant::on(Mutant::JudgedAtClaimsOnly));
        self.judge(r.lease, against.as_ref(), now)?;
        let Some(e) = self.entries.get_mut(&r.lease) else {
            return Err(unknown);
        };
        e.counter = r.counter;
        e.request = Some(r.request_id);
        self.heard(r.lease, now);
        let e = self.entries.get(&r.lease);
        e.and_then(|e| self.granted(e, holder)).ok_or(unknown)
    }

    /// A granted lease, for a question of its application: each takes a signature.
    ///
    /// A virtual clock that each question moves on by its part of a minute, and that may be a
    /// minute ahead (GCRA, ITU-T I.371).
    pub fn question(
        &mut self,
        lease: LeaseId,
        secret: &Secret,
        now: BootTime,
    ) -> Result<Granted, Refusal> {
        let granted = self.lookup(lease, secret)?;
        let e = self.entries.get_mut(&lease);
        let e = e.ok_or(Refusal::UnknownLease(lease))?;
        let minute = Duration::from_secs(60);
        let next = e.questions.max(now) + minute / QUESTIONS_A_MINUTE;
        if next > now + minute {
            return Err(Refusal::TooManyQuestions(lease));
        }
        e.questions = next;
        Ok(granted)
    }

    /// A granted lease, for who has its secret.
    pub fn lookup(&self, lease: LeaseId, secret: &Secret) -> Result<Granted, Refusal> {
        let e = self.known(lease, secret)?;
        let granted = self.granted(e, e.who.holder());
        granted.ok_or(Refusal::UnknownLease(lease))
    }

    /// A claim in the books, for who has its secret.
    fn known(&self, lease: LeaseId, secret: &Secret) -> Result<&Entry, Refusal> {
        let e = self.entries.get(&lease);
        let e = e.ok_or(Refusal::UnknownLease(lease))?;
        if !e.secret_hash.matches(secret) {
            return Err(Refusal::WrongSecret);
        }
        if e.taken_back && !mutant::on(Mutant::TakenBackRenews) {
            return Err(Refusal::TakenBack);
        }
        Ok(e)
    }

    /// Gives a lease back, or leaves the queue. `false` if this claim does not have that lease:
    /// nothing is touched, and a late duplicate frees no newer lease, since ids are never given
    /// twice.
    pub fn release(
        &mut self,
        claim: &ClaimName,
        lease: LeaseId,
        secret: &Secret,
        counter: Option<u64>,
        now: BootTime,
    ) -> Result<bool, Refusal> {
        self.tick(now);
        if mutant::on(Mutant::LateReleaseFreesNewer) && !self.entries.contains_key(&lease) {
            let of_name = self.entries.iter().filter(|e| e.wish.name == *claim);
            if let Some(id) = of_name.max_by_key(|e| e.since).map(|e| e.id) {
                self.end(id, EndReason::Released, now);
                self.grant_queue(now);
            }
        }
        let Some(e) = self.entries.get(&lease).filter(|e| e.wish.name == *claim) else {
            return Ok(false);
        };
        if !e.secret_hash.matches(secret) {
            return Err(Refusal::WrongSecret);
        }
        if counter.is_some_and(|n| n <= e.counter) {
            return Err(behind(e, lease));
        }
        if let (KeptHolder::Pod { .. }, true) = (&e.who, self.settling.is_on()) {
            self.settling.shown(&e.who.key().owned(), claim);
        }
        self.end(lease, EndReason::Released, now);
        self.settling.end_if_done(now);
        self.grant_queue(now);
        Ok(true)
    }
}
