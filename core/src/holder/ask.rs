//! What to send next, and when.

use super::{Bar, Claimant, Do, Outstanding, Random, Releasing, Request, TOKEN_AGE, Tag};
use crate::time::BootTime;
use crate::wire::{ClaimRequest, Have, HeldProof, HoldState, Renewal, Standing};
use std::time::Duration;

const REFUSED_AGAIN: Duration = Duration::from_secs(60);
/// The first pause after an unanswered request; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// However short a lease is told to be.
const SOONEST_RENEWAL: Duration = Duration::from_millis(200);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl Claimant {
    /// What to do at `now`. At most one request is under way; a late answer to an earlier one
    /// changes nothing.
    pub(super) fn poll(&mut self, now: BootTime, random: &mut dyn Random) -> Do {
        self.advance(now);
        if self.releasing != Releasing::No {
            return self.poll_release(now);
        }
        if self.stands_otherwise() {
            // A grant that is under way is given again.
            self.outstanding = None;
            self.next_at = now;
        }
        if self.outstanding.is_some() || self.s.barred == Some(Bar::Cloned) {
            let until = self.changes_at(now);
            return Do::Sleep { until };
        }
        if now < self.next_at {
            let until = self.next_at.min(self.changes_at(now));
            return Do::Sleep { until };
        }
        let renews = matches!(self.s.state, HoldState::Held | HoldState::Grace) && !self.repeat;
        let renews = renews && self.knows_part == self.is_a_part();
        let Some(lease) = self.s.lease.filter(|_| renews) else {
            return self.send_claim(now, random);
        };
        if self.s.pending.is_none() {
            self.s.counter = self.s.counter.saturating_add(1);
        }
        let request_id = *self.s.pending.get_or_insert_with(|| random.request_id());
        self.dirty = true;
        let renewal = Renewal {
            lease,
            secret: self.s.secret.clone(),
            counter: self.s.counter,
            request_id,
            have: self.have(now),
        };
        self.send(now, Request::Renew(renewal), None)
    }

    /// The server does not know how it is to stand in line, or that all parts are there.
    fn stands_otherwise(&self) -> bool {
        if self.s.barred.is_some() {
            return false;
        }
        let in_line = self.s.ticket.is_some() && self.told_stance != self.stance;
        let held = self.s.state == HoldState::Held && self.said_part != self.is_a_part();
        in_line || held
    }

    /// Others of its claim's parts are not there: nothing runs by what it has.
    pub(super) fn is_a_part(&self) -> bool {
        self.spec.is_a_part && !self.s.whole
    }

    /// What the answer to a renewal need not say again.
    fn have(&self, now: BootTime) -> Option<Have> {
        let papers = self.s.papers.as_ref()?;
        let old = now.since(papers.token_sent) >= TOKEN_AGE;
        Some(Have {
            terms: papers.terms?,
            documents: old.then(|| papers.bundle.documents()),
        })
    }

    pub(super) fn poll_release(&mut self, now: BootTime) -> Do {
        let until = BootTime::NEVER;
        if self.releasing != Releasing::Asked || self.outstanding.is_some() {
            return Do::Sleep { until };
        }
        let Some(lease) = self.s.lease else {
            self.releasing = Releasing::Done;
            return Do::Sleep { until };
        };
        self.releasing = Releasing::Sent;
        self.s.counter = self.s.counter.saturating_add(1);
        self.dirty = true;
        let request = Request::Release {
            lease,
            secret: self.s.secret.clone(),
            counter: self.s.counter,
        };
        self.send(now, request, None)
    }

    fn send_claim(&mut self, now: BootTime, random: &mut dyn Random) -> Do {
        let licensed = self.s.state.is_licensed() && !self.is_a_part();
        let standing = match self.s.state {
            _ if !licensed => Standing::Seeking,
            _ if self.s.was_held => Standing::Held,
            _ => Standing::Optimistic,
        };
        let counter = self.s.counter;
        let papers = self.s.papers.as_ref();
        let reserved = self.is_a_part() && self.s.state == HoldState::Held;
        let held = papers.filter(|_| standing == Standing::Held || reserved);
        let held = held.map(|p| HeldProof {
            receipt: p.receipt.clone(),
            sent_ago: Some(now.since(p.sent)),
            delegation: p.bundle.delegation.clone(),
            lease: p.bundle.lease.clone(),
            counter,
        });
        let ticket = self.s.ticket.clone();
        let vouched = (held.is_some() || ticket.is_some()) && self.s.holder.is_some();
        // Only who is known to wait has the server hold the answer: a first answer must come at
        // once.
        let waits = ticket.is_some() && !self.retry_in.is_zero();
        let wait = waits.then_some(self.retry_in);
        self.s.counter = self.s.counter.saturating_add(1);
        self.s.pending = None;
        (self.told_stance, self.said_part) = (self.stance, self.is_a_part());
        let body = ClaimRequest {
            licensed_for: licensed.then(|| now.until(self.s.limit)),
            counter: Some(self.s.counter),
            others: Vec::new(),
            heard: self.s.heard,
            stance: self.stance,
            part: self.said_part,
            clock_ahead_secs: None,
            items: self.s.items.clone(),
            secret_hash: self.secret_hash,
            bind: self.spec.bind,
            project: self.spec.project.clone(),
            request_id: random.request_id(),
            standing,
            secret: vouched.then(|| self.s.secret.clone()),
            holder: self.s.holder.as_deref().filter(|_| vouched).cloned(),
            ticket,
            held,
        };
        self.dirty = true;
        let request = Request::Claim {
            body: Box::new(body),
            wait,
            bearer: self.bearer || !vouched,
        };
        self.send(now, request, wait)
    }

    fn send(&mut self, now: BootTime, request: Request, wait: Option<Duration>) -> Do {
        self.tags += 1;
        let (tag, sent) = (Tag(self.tags), now);
        let time = self.time_for_answer(now);
        let timeout = time.saturating_add(wait.unwrap_or_default());
        self.outstanding = Some(Outstanding {
            tag,
            sent,
            wait,
            timeout,
        });
        Do::Send {
            tag,
            request,
            timeout,
        }
    }

    /// When to ask again after an attempt that brought nothing.
    pub(super) fn back_off(&mut self, now: BootTime, at_least: Option<Duration>, fraction: f64) {
        let pause = FIRST_PAUSE * 2u32.saturating_pow(self.attempts.min(10));
        // While the lease runs, a retry must come well before its end.
        let longest = LONGEST_PAUSE.min(self.s.lease_for / 6);
        let pause = pause.min(longest).mul_f64(0.5 + fraction / 2.0);
        let pause = pause.max(FIRST_PAUSE / 4);
        self.attempts = self.attempts.saturating_add(1);
        let pause = pause.max(at_least.unwrap_or_default().min(Duration::from_secs(60)));
        self.next_at = (now + pause).min(self.last_try_at().max(now + FIRST_PAUSE / 2));
    }

    /// When to renew: D/3 after the last renewal was sent, a little earlier or later than others.
    pub(super) fn renew_later(&mut self, sent: BootTime, fraction: f64) {
        self.attempts = 0;
        let third = (self.s.lease_for / 3).mul_f64(0.9 + fraction / 10.0);
        self.next_at = sent + third.max(SOONEST_RENEWAL);
    }

    pub(super) fn refused_later(&mut self, now: BootTime, fraction: f64) {
        self.next_at = now + REFUSED_AGAIN.mul_f64(0.9 + fraction / 10.0);
    }
}
