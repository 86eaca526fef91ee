//! Holders that an administrator has barred, and leases that one took back (promise 12).
//!
//! A barred holder is told so whenever it asks, which ends its being licensed; that is within D/3.
//! Its seats are *not* free at once: the answer may be lost, and until its lease has run out the
//! holder goes by what it was told before. So from here on nothing that it asks counts as a sign of
//! life, and its seats are free at the last one + D + M.

use super::entry::{Entry, State};
use super::refusal::Refusal;
use super::state::Ledger;
use super::types::Claim;
use super::who::HolderRef;
use crate::identity::HolderKey;
use crate::mutant::{self, Mutant};
use crate::names::LeaseId;
use crate::time::BootTime;
use crate::wire::EndReason;

impl Ledger {
    /// Bars a holder for this reason; `None` lifts it. Places in the queue end at once, leases as
    /// they would by silence.
    ///
    /// It is not kept over a restart: whoever bars holders says so again to each run.
    pub fn revoke(&mut self, holder: &HolderKey, reason: Option<&str>, now: BootTime) {
        self.tick(now);
        if let Some(reason) = reason {
            self.revoked.insert(holder.clone(), reason.to_owned());
        } else {
            self.revoked.remove(holder);
            // Its lease may be one that waits for room elsewhere.
            self.capacity.freed = true;
        }
        for id in self.claims_of(holder) {
            match (self.state_of(id), reason) {
                (Some(State::Queued(_)), Some(reason)) => {
                    let why = Refusal::Revoked(reason.to_owned());
                    self.set_state(id, State::Refused(Box::new(why)), now);
                }
                (Some(State::Held { .. }), _) => self.tell(id, now),
                (Some(State::Refused(why)), None) if matches!(**why, Refusal::Revoked(_)) => {
                    self.set_state(id, State::Refused(Box::new(Refusal::Lifted)), now);
                }
                _ => {}
            }
        }
        self.grant_queue(now);
    }

    /// Takes one lease, or one place in the queue, back from its holder, who is barred from
    /// nothing. `false`: there is no such lease.
    ///
    /// The holder is told at its next request, and begins anew with another secret. Until then it
    /// may go by what it was told before: as with a revoked one its seats are free when it has
    /// heard, or at the last request that counted + D + M.
    pub fn take_back(&mut self, id: LeaseId, now: BootTime) -> bool {
        self.tick(now);
        match self.state_of(id) {
            Some(State::Queued(_)) => self.end(id, EndReason::Released, now),
            Some(State::Held { .. }) if mutant::on(Mutant::FreedByTakingBack) => {
                self.end(id, EndReason::Released, now);
            }
            Some(State::Held { .. }) => {
                if let Some(e) = self.entries.get_mut(&id) {
                    e.taken_back = true;
                }
                self.set_silent(id, true, now);
                if let Some(at) = self.entries.find(&id) {
                    self.book_deadline(at);
                }
                self.tell(id, now);
            }
            _ => return false,
        }
        self.tick(now);
        self.grant_queue(now);
        true
    }

    /// Whether a claim shows that its holder has heard that its lease was taken back, or that the
    /// notice of its loan, or its handover, is over: it has begun anew with a secret that this run
    /// has not seen, and is no duplicate of what it asked before.
    pub(super) fn has_heard(&self, id: LeaseId, c: &Claim, now: BootTime) -> bool {
        let early = mutant::on(Mutant::LoanFreedBeforeNotice);
        let over = |e: &Entry| {
            let loan = e.called_back().filter(|_| e.is_loan());
            loan.is_some_and(|c| c.until <= now || early)
                || e.handover().is_some_and(|h| h.until <= now)
        };
        let Some(e) = self.entries.get(&id).filter(|e| e.taken_back || over(e)) else {
            return false;
        };
        let known = e.secret_hash == c.secret_hash || self.past.of_secret(&c.secret_hash).is_some();
        !known && c.counter.is_some_and(|n| n > e.counter)
    }

    pub fn is_revoked(&self, holder: &HolderKey) -> bool {
        self.revoked.contains_key(holder)
    }

    /// What a barred holder is told.
    pub(super) fn barred(&self, holder: HolderRef<'_>) -> Result<(), Refusal> {
        // Mostly nobody is, and each request comes by here.
        if self.revoked.is_empty() {
            return Ok(());
        }
        let reason = self.revoked.get(&holder.owned());
        reason.map_or(Ok(()), |r| Err(Refusal::Revoked(r.clone())))
    }

    pub(super) fn bars(&self, holder: HolderRef<'_>) -> bool {
        self.barred(holder).is_err()
    }

    /// A pod proven gone, or several: their seats are free in this step. Returns how many claims
    /// ended.
    pub fn gone(&mut self, holders: &[HolderKey], now: BootTime) -> usize {
        self.tick(now);
        let mut ended = 0;
        for h in holders {
            for id in self.claims_of(h) {
                self.end(id, EndReason::Gone, now);
                ended += 1;
            }
            self.settling.seen(h);
        }
        self.settling.end_if_done(now);
        self.grant_queue(now);
        ended
    }
}
