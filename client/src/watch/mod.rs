//! The rules of a seat, without I/O: what the sidecar said, what has verified, and the time go in;
//! until when the application is licensed, and what to do next, come out.
//!
//! What it promises:
//! - licensed at each instant before the limit, never after it; the limit is the sidecar's, capped
//!   by what the server signed in answer to this application's own question, counted from the
//!   asking;
//! - a connection that breaks ends nothing and extends nothing: the last limit stands;
//! - the sidecar's "no" counts at once, its "yes" only once it is proved (unless the application
//!   accepts a start without proof, for at most the grace, counted once from the seat's begin);
//! - what does not verify ends the license until something does;
//! - an answer whose date does not fit the application's clock is none: the last limit stands. What
//!   its license restricts holds all the same.

mod state;
#[cfg(test)]
mod tests;

pub(crate) use state::Word;
pub use state::{State, Why};

use mooring_core::license::{Restricts, Verified};
use mooring_core::names::{ClaimName, LeaseId};
use mooring_core::time::{BootTime, DEFAULT_GRACE, DEFAULT_MAX_CONTESTED};
use mooring_core::wire::HoldState;
use std::time::Duration;

/// Pauses between tries to reach the socket. It is local: a try costs microseconds, and a restarted
/// sidecar keeps the seat for 10 s only.
const SOCKET: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));
/// Pauses between questions that nobody answers.
const QUESTION: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// When a seat that was refused is asked for again, as sidecars do.
const REFUSED: Duration = Duration::from_secs(60);
/// The longest time between two questions that are answered, if the grace is long.
const ASK_AT_LEAST: Duration = Duration::from_secs(15 * 60);

/// What the application asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) seats: u32,
    /// It accepts to start on the sidecar's word alone.
    pub(crate) unverified: bool,
    /// The seat lives as long as the connection, so a broken one is resumed by name.
    pub(crate) hold: bool,
}

/// What the sidecar said of the claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClaimReport {
    pub(crate) name: ClaimName,
    pub(crate) state: HoldState,
    /// The limit; at zero it is not licensed, whatever the state.
    pub(crate) until: BootTime,
    /// When `Held` ends without a renewal.
    pub(crate) held_until: BootTime,
    pub(crate) lease: Option<LeaseId>,
}

impl ClaimReport {
    fn licensed(&self) -> bool {
        self.state.is_licensed() && self.until > BootTime::default()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// Connect, and follow the claim; with a name, a hold of before.
    Open { resume: Option<ClaimName> },
    /// Ask for a token; fresh with a nonce, else the last that the sidecar has.
    Ask { fresh: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Down { again: BootTime },
    Up,
}

#[derive(Debug)]
pub(crate) struct Watch {
    terms: Terms,
    begun: BootTime,
    link: Link,
    /// Tries to reach the socket since it last spoke.
    tries: u32,
    /// It has not spoken since it was reached.
    silent: bool,
    told: Option<ClaimReport>,
    /// The sidecar names no claim for this product.
    absent: bool,
    /// The lease that a fresh token proved, and the limit that follows from it.
    proof: Option<(LeaseId, BootTime)>,
    /// How long a start without proof may go on, from the begin.
    ceiling: Duration,
    /// How long it may go on once the seat was given away.
    max_contested: Duration,
    /// Why the last token was not believed.
    rejected: Option<Why>,
    /// The last answer to the application's own question did not fit its clock.
    stale: bool,
    /// The limit of a seat that was given back while the sidecar was away; zero if there is none.
    kept: BootTime,
    /// Which lease the open question is about.
    asking: Option<LeaseId>,
    ask_at: BootTime,
    ask_fresh: bool,
    unanswered: u32,
    random: u64,
}

impl Watch {
    /// A seat that is asked for from `now` on. `random` spreads what many copies of an application
    /// do.
    pub(crate) fn new(terms: Terms, random: u64, now: BootTime) -> Self {
        Self {
            terms,
            begun: now,
            link: Link::Down { again: now },
            tries: 0,
            silent: true,
            told: None,
            absent: false,
            proof: None,
            ceiling: DEFAULT_GRACE,
            max_contested: DEFAULT_MAX_CONTESTED,
            rejected: None,
            stale: false,
            kept: BootTime::default(),
            asking: None,
            ask_at: now,
            ask_fresh: true,
            unanswered: 0,
            random: random | 1,
        }
    }

    /// What to do at `now`; each is to be followed by [`opened`](Self::opened) or
    /// [`broken`](Self::broken), or by [`asked`](Self::asked).
    pub(crate) fn want(&self, now: BootTime) -> Option<Want> {
        match self.link {
            Link::Down { again } if now >= again => Some(Want::Open {
                resume: self.resumes(),
            }),
            Link::Up if self.may_ask() && now >= self.ask_at => Some(Want::Ask {
                fresh: self.ask_fresh,
            }),
            _ => None,
        }
    }

    /// When the standing changes by time alone, or something is to be done; [`BootTime::NEVER`] if
    /// nothing is.
    pub(crate) fn wake_at(&self, now: BootTime) -> BootTime {
        let held_until = self.told.as_ref().map(|t| t.held_until);
        let standing = [Some(self.limit()), held_until].into_iter().flatten();
        let next = standing.filter(|t| *t > now).min();
        let act = match self.link {
            Link::Down { again } => again,
            Link::Up if self.may_ask() => self.ask_at,
            Link::Up => BootTime::NEVER,
        };
        next.unwrap_or(BootTime::NEVER).min(act)
    }

    pub(crate) fn word(&self, now: BootTime) -> Word {
        let limit = self.limit();
        if now < limit {
            Word::licensed(limit, self.ending(now))
        } else {
            Word::unlicensed(self.why(now))
        }
    }

    pub(crate) fn name(&self) -> Option<&ClaimName> {
        self.told.as_ref().map(|t| &t.name)
    }

    pub(crate) fn told_state(&self) -> Option<HoldState> {
        self.told.as_ref().map(|t| t.state)
    }

    /// Whether nothing that was not asked yet could prove the seat: worth waiting for before a
    /// start without proof.
    pub(crate) fn is_settled(&self) -> bool {
        let answered = self.asking.is_none() && (self.unanswered > 0 || !self.may_ask());
        self.proof.is_some() || answered
    }

    pub(crate) fn rejected(&self) -> Option<Why> {
        self.rejected
    }

    pub(crate) fn opened(&mut self) {
        self.link = Link::Up;
        self.silent = true;
    }

    pub(crate) fn broken(&mut self, now: BootTime) {
        let pause = if self.told_state() == Some(HoldState::Refused) {
            REFUSED
        } else {
            self.spread(backoff(SOCKET, self.tries))
        };
        self.tries = self.tries.saturating_add(1);
        self.link = Link::Down { again: now + pause };
    }

    /// The sidecar does not know the hold that was to be resumed: it has given the seat back. As a
    /// holder whose seat went to another, the application may go on for a while, once.
    pub(crate) fn resume_unknown(&mut self, now: BootTime) {
        let limit = self.limit();
        self.kept = limit.min(now + self.max_contested);
        self.told = None;
        self.proof = None;
        self.link = Link::Down { again: now };
    }

    pub(crate) fn told(&mut self, told: ClaimReport, now: BootTime) {
        let anew = std::mem::take(&mut self.silent);
        self.tries = 0;
        self.absent = false;
        if told.licensed() {
            let before = self.told.as_ref();
            let held = told.state == HoldState::Held;
            let just_held = held && self.told_state() != Some(HoldState::Held);
            let other = before.is_none_or(|b| b.lease != told.lease);
            if anew || other || (just_held && (self.proof.is_none() || self.unanswered > 0)) {
                self.ask_at = now;
                self.ask_fresh = true;
            }
        } else {
            self.proof = None;
            if !matches!(told.state, HoldState::Seeking | HoldState::Waiting) {
                self.kept = BootTime::default();
            }
        }
        self.told = Some(told);
        self.settle();
    }

    /// The sidecar names no claim for this product.
    pub(crate) fn absent(&mut self) {
        self.silent = false;
        self.tries = 0;
        self.told = None;
        self.proof = None;
        self.kept = BootTime::default();
        self.absent = true;
    }

    pub(crate) fn asked(&mut self) {
        self.asking = self.told.as_ref().and_then(|t| t.lease);
    }

    /// A token came that verifies, in answer to the question sent at `asked`. Its license may let
    /// the application start without an answer to its own question.
    pub(crate) fn proved(&mut self, asked: BootTime, p: &Verified, may_start: bool, now: BootTime) {
        let about = self.asking.take();
        let current = self.told.as_ref().and_then(|t| t.lease);
        if about != current {
            // The claim got another lease, or lost its own, while the question was under way.
            self.ask_at = now;
            self.ask_fresh = true;
            return;
        }
        if current != Some(p.lease) || self.name() != Some(&p.claim) {
            return self.reject(Why::OtherLease, now);
        }
        if p.seats < self.terms.seats {
            return self.reject(Why::FewerSeats, now);
        }
        self.rejected = None;
        self.ceiling = self.ceiling.min(p.run_for);
        self.max_contested = p.max_contested;
        self.terms.unverified &= may_start;
        if p.fresh {
            self.stale = false;
            self.unanswered = 0;
            self.proof = Some((p.lease, asked + p.run_for));
            let next = self.spread(every(p.run_for));
            self.ask_at = asked + next;
            self.settle();
        } else {
            self.ask_later(now);
        }
        self.ask_fresh = true;
    }

    /// A token came that verifies, but for its date: it proves nothing, and its license may
    /// restrict a start without proof.
    pub(crate) fn stale(&mut self, r: &Restricts, may_start: bool, now: BootTime) {
        self.stale = true;
        self.ceiling = self.ceiling.min(r.run_for);
        self.max_contested = self.max_contested.min(r.max_contested);
        self.terms.unverified &= may_start;
        self.unanswered(now);
    }

    pub(crate) fn is_stale(&self) -> bool {
        self.stale
    }

    pub(crate) fn disproved(&mut self, now: BootTime) {
        self.reject(Why::NotVerified, now);
    }

    /// Nobody answered the question, or nobody could.
    pub(crate) fn unanswered(&mut self, now: BootTime) {
        self.asking = None;
        if self.ask_fresh && self.proof.is_none() && self.terms.unverified {
            self.ask_fresh = false;
            self.ask_at = now;
        } else {
            self.ask_fresh = true;
            self.ask_later(now);
        }
    }

    fn reject(&mut self, why: Why, now: BootTime) {
        self.asking = None;
        self.rejected = Some(why);
        self.proof = None;
        self.kept = BootTime::default();
        self.ask_fresh = true;
        self.ask_later(now);
    }

    fn ask_later(&mut self, now: BootTime) {
        let pause = self.spread(backoff(QUESTION, self.unanswered));
        self.unanswered = self.unanswered.saturating_add(1);
        self.ask_at = now + pause;
    }

    fn resumes(&self) -> Option<ClaimName> {
        let over = [HoldState::Refused, HoldState::Released];
        let told = self.told.as_ref().filter(|t| !over.contains(&t.state));
        told.filter(|_| self.terms.hold).map(|t| t.name.clone())
    }

    fn may_ask(&self) -> bool {
        let told = self.told.as_ref().filter(|t| t.licensed());
        self.asking.is_none() && told.is_some_and(|t| t.lease.is_some())
    }

    /// Once the new seat is proved, what was kept of the old one is over.
    fn settle(&mut self) {
        let licensed = self.told.as_ref().is_some_and(ClaimReport::licensed);
        if licensed && self.proof.is_some() {
            self.kept = BootTime::default();
        }
    }

    /// Until when; zero if not licensed.
    fn limit(&self) -> BootTime {
        if self.rejected.is_some() {
            return BootTime::default();
        }
        let told = self.told.as_ref().filter(|t| t.licensed());
        let cap = match self.proof {
            Some((_, cap)) => cap,
            None if self.terms.unverified => self.begun + self.ceiling,
            None => BootTime::default(),
        };
        told.map_or(BootTime::default(), |t| t.until.min(cap))
            .max(self.kept)
    }

    /// Why nothing moves the limit on, if so.
    fn ending(&self, now: BootTime) -> Option<Why> {
        if self.kept > BootTime::default() {
            return Some(Why::GivenBack);
        }
        let told = self.told.as_ref()?;
        match told.state {
            HoldState::Contested => Some(Why::Contested),
            _ if self.stale => Some(Why::ClockOrStale),
            _ if self.proof.is_none() => Some(Why::Unproven),
            HoldState::Held if now < told.held_until => None,
            // Whoever holds renews, and says so: this sidecar is gone or hangs.
            HoldState::Held => Some(Why::NoSidecar),
            _ => Some(Why::NoServer),
        }
    }

    fn why(&self, now: BootTime) -> Why {
        if let Some(why) = self.rejected {
            return why;
        }
        let down = self.link != Link::Up;
        match self.told.as_ref() {
            None if self.absent => Why::NotAsked,
            None if down => Why::NoSidecar,
            None => Why::Seeking,
            Some(t) => match t.state {
                HoldState::Seeking if down => Why::NoSidecar,
                HoldState::Seeking => Why::Seeking,
                HoldState::Waiting => Why::Waiting,
                HoldState::Refused => Why::Refused,
                HoldState::Lost => Why::Lost,
                HoldState::Released => Why::Released,
                _ if self.stale => Why::ClockOrStale,
                _ if now >= t.until => Why::Expired,
                _ if self.proof.is_none() && !self.terms.unverified => Why::Unproven,
                _ => Why::Expired,
            },
        }
    }

    /// Between three quarters of `d` and all of it.
    fn spread(&mut self, d: Duration) -> Duration {
        // xorshift64 (Marsaglia 2003): enough to keep copies of an application apart.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let part = u32::try_from(self.random % 256).unwrap_or_default();
        d * (768 + part) / 1024
    }
}

fn backoff((first, most): (Duration, Duration), tries: u32) -> Duration {
    first.saturating_mul(1 << tries.min(16)).min(most)
}

/// How long after a question that was answered the next is asked. Each moves the limit to the grace
/// from then on, so a tenth of the grace keeps at least nine tenths of it in hand.
fn every(run_for: Duration) -> Duration {
    let short = (run_for / 3).min(Duration::from_secs(5));
    (run_for / 10).clamp(short, ASK_AT_LEAST)
}
