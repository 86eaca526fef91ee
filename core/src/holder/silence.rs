//! When an application starts with no server in reach: after silence, and never on an answer
//! (promise 15).
//!
//! Silence is attempts of this process that ended with nothing heard, over as long as
//! [`Spec::contact`](super::Spec::contact). A clock that ran on while nobody was asked is none: a
//! machine that slept, a process that was stopped, a request that a fault on this side kept from
//! being sent. The first answer of the server ends all this for the claim's life.

use super::{Claimant, Outstanding, Silence};
use crate::mutant::{self, Mutant};
use crate::policy::{OptimisticStart, Start};
use crate::time::BootTime;
use crate::wire::{HoldState, ProblemType};
use std::time::Duration;

impl Silence {
    /// The time until `now` does not count.
    fn stands(&mut self, now: BootTime) {
        self.since = self.since + now.since(self.until);
        self.until = now;
    }
}

impl Claimant {
    fn may_start_without_server(&self) -> bool {
        self.s.state == HoldState::Seeking
            && self.spec.start == Start::Optimistic
            && !self.s.answered
            && self.s.optimistic_start == OptimisticStart::Allow
    }

    /// Until when an application may run that starts without the server: counted from the claim's
    /// begin, which a crash does not move.
    fn optimistic_limit(&self) -> BootTime {
        self.s.begun + self.spec.max_grace
    }

    /// How much later than meant something may come before the process must have stood still.
    fn late(&self) -> Duration {
        self.spec.contact / 3
    }

    /// A request leaves: how long its answer may take, if the server does not hold it open. The
    /// last attempt ends with the silence that starts the application, but not before a server that
    /// is there had time.
    pub(super) fn time_for_answer(&mut self, now: BootTime) -> Duration {
        let contact = self.spec.contact;
        if !self.may_start_without_server() {
            return contact;
        }
        if now > self.next_at + self.late() {
            self.silence = None;
        }
        let silence = self.silence.get_or_insert(Silence {
            since: now,
            until: now,
            idle: false,
        });
        if silence.idle {
            silence.stands(now);
        }
        let left = now.until(silence.since + contact);
        left.clamp(contact / 3, contact)
    }

    /// When to try at the latest, so that the silence is over no later than it must be.
    pub(super) fn last_try_at(&self) -> BootTime {
        match self.silence.filter(|_| self.may_start_without_server()) {
            Some(s) => s.since + self.spec.contact,
            None => BootTime::NEVER,
        }
    }

    /// The server has answered, whatever it said: what that means comes after this.
    pub(super) fn heard_something(&mut self, problem: Option<ProblemType>) {
        use ProblemType as T;
        let excused = matches!(
            problem,
            Some(T::AnchorLost | T::LicenseInvalid | T::Overloaded | T::TooManyClaims)
        );
        if !(excused && mutant::on(Mutant::ProblemHeardAsSilence)) {
            self.s.answered = true;
        }
        (self.silent, self.unheard) = (false, false);
    }

    /// An attempt has ended with nothing heard: this, and no timer, is what starts an application.
    pub(super) fn heard_nothing(&mut self, out: Outstanding, now: BootTime) {
        self.unheard = true;
        if !self.may_start_without_server() {
            return;
        }
        if now > out.sent + out.timeout + self.late() {
            // The answer may have come while this process stood still.
            self.silence = None;
            return;
        }
        let (contact, limit) = (self.spec.contact, self.optimistic_limit());
        let Some(silence) = &mut self.silence else {
            return;
        };
        (silence.until, silence.idle) = (now, false);
        if now >= silence.since + contact && now < limit {
            if self.spec.is_a_line {
                self.silent = true;
            } else {
                self.starts_without_server(limit);
            }
        }
    }

    /// Whether its server is silent for long enough that an application may start without it.
    pub(super) fn is_silent(&self) -> bool {
        let started = self.s.state == HoldState::Optimistic;
        started || (self.silent && self.may_start_without_server())
    }

    /// All servers of the claim are silent. Whether that is news.
    pub(super) fn starts_as_all_are_silent(&mut self, now: BootTime) -> bool {
        let limit = self.optimistic_limit();
        let starts = self.s.state != HoldState::Optimistic && now < limit;
        if starts {
            self.starts_without_server(limit);
            self.dirty = true;
        }
        starts
    }

    /// Another server has answered this claim: it starts without this one no more. If the
    /// application does not run without a server (`runs`), nothing is left of such a start. Whether
    /// that is news.
    pub(super) fn is_answered_elsewhere(&mut self, runs: bool, now: BootTime) -> bool {
        let known = std::mem::replace(&mut self.s.answered, true);
        self.silent = false;
        let ends = !runs && !self.s.was_held && self.s.state.is_licensed();
        if ends {
            self.lose(now);
        }
        self.dirty |= !known;
        !known || ends
    }

    /// Nobody was asked: time stands.
    pub(super) fn asked_nobody(&mut self, now: BootTime) {
        if let Some(s) = &mut self.silence {
            s.stands(now);
            s.idle = true;
        }
    }

    fn starts_without_server(&mut self, limit: BootTime) {
        self.s.state = HoldState::Optimistic;
        self.s.limit = limit;
        self.s.was_held = false;
    }

    /// A mistake that the simulator must find: by time alone.
    pub(super) fn starts_by_a_timer(&mut self, now: BootTime) {
        let (from, limit) = (self.s.begun + self.spec.contact, self.optimistic_limit());
        if mutant::on(Mutant::OptimisticByTimer)
            && self.may_start_without_server()
            && (from..limit).contains(&now)
        {
            self.starts_without_server(limit);
        }
    }
}
