//! The sidecar's side of one claim: when to ask, renew, run on, stop.
//!
//! A state machine without I/O (docs/protocol.md, "States at the holder"). [`drive::Drive`] owns it
//! and says what to do in which order. Limits are counted from the SENDING of a request, on the
//! boot clock; they outlive a crash of the sidecar and are never restarted by one.
//!
//! | file | idea |
//! |---|---|
//! | `ask` | what to send next, and when |
//! | `hear` | what an answer changes |
//! | `silence` | when an application starts with no server in reach |
//! | `drive` | save, then send; give back; begin again |
//! | `states` | what time alone changes; the status |
//! | `lines` | one claim in the lines of several servers that have the same |
//! | `parts` | one claim for what several servers have together |

mod ask;
pub mod drive;
mod hear;
pub mod lines;
pub mod parts;
mod silence;
mod states;

#[cfg(test)]
mod tests;

use crate::identity;
use crate::license::{Bundle, MAX_DELEGATION};
use crate::mutant::{self, Mutant};
use crate::names::{ClaimName, InstanceId, LeaseId, ProjectName, RequestId, ServerId, TermsId};
use crate::policy::{OptimisticStart, Start};
use crate::receipt::Sealed;
use crate::request::Item;
use crate::secret::{Secret, SecretHash};
use crate::time::{BootTime, DEFAULT_GRACE, DEFAULT_LEASE, DEFAULT_MAX_CONTESTED, Millis};
use crate::wire::{
    ClaimRequest, Grant, HoldState, Problem, Renewal, Renewed, Stance, WaitReason, Waiting,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// How long the server must be silent before an application may start without it, and how long one
/// request may go unanswered.
pub const CONTACT: Duration = Duration::from_secs(15);

/// The least time that the answer to an attempt has: a server that is there must answer within it,
/// whatever it waits for itself.
pub const LEAST_ATTEMPT: Duration = Duration::from_secs(CONTACT.as_secs() / 3);

/// From which age on a lease token is asked for anew: where it answers no question of the
/// application's, it is never much older.
pub const TOKEN_AGE: Duration = Duration::from_secs(MAX_DELEGATION.as_secs() / 5);

#[derive(Clone, Debug)]
pub struct Spec {
    pub name: ClaimName,
    pub items: Vec<Item>,
    /// Whose seat it is, where an application took it for itself.
    pub bind: Option<SecretHash>,
    /// What its seats are used for.
    pub project: Option<ProjectName>,
    /// Whether the application may start with no server in reach.
    pub start: Start,
    /// The longest grace here, whatever the server allows.
    pub max_grace: Duration,
    /// [`CONTACT`], unless configured.
    pub contact: Duration,
    /// It is one of several lines of a claim ([`lines`]): whether the application starts without a
    /// server is decided for all of them.
    pub is_a_line: bool,
    /// It is one of several parts of a claim ([`parts`]): nothing is licensed by it before all are
    /// there.
    pub is_a_part: bool,
}

impl Spec {
    /// A claim as an annotation asks for it, with the default limits.
    pub fn new(name: ClaimName, items: Vec<Item>, start: Start) -> Self {
        Self {
            name,
            items,
            bind: None,
            project: None,
            start,
            max_grace: DEFAULT_GRACE,
            contact: CONTACT,
            is_a_line: false,
            is_a_part: false,
        }
    }
}

/// Chance, from the edge.
pub trait Random {
    fn request_id(&mut self) -> RequestId;
    /// A number in `0.0..1.0`.
    fn fraction(&mut self) -> f64;
    /// A fresh secret, for a claim that must begin anew.
    fn secret(&mut self) -> Secret;
}

/// Names one request, so that a late answer to an earlier one changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag(u64);

impl Tag {
    /// Of no request: its answer changes nothing.
    pub const fn none() -> Self {
        Self(0)
    }
}

/// What the caller does next.
#[derive(Clone, Debug)]
pub enum Do {
    /// Save [`Drive::saved`](drive::Drive::saved), in one step, before anything is sent and the
    /// application told. If that fails, say so ([`Drive::was_saved`](drive::Drive::was_saved)) and
    /// go on: it is tried again, and the lease matters more than a crash that may never come.
    Save,
    /// Send this, in place of any request that is still under way, and hand in what comes of it
    /// with [`Drive::landed`](drive::Drive::landed): [`Answer::NoContact`] after `timeout`. Who
    /// knows the holder's other claims fills in their names ([`drive::others`]).
    Send {
        tag: Tag,
        request: Request,
        timeout: Duration,
    },
    /// Nothing before then, unless something happens. The status may change by then.
    Sleep { until: BootTime },
    /// It was given back: forget what was saved.
    Done,
    /// It was given back, and a next life of the sidecar must know of this one: what was saved
    /// stays.
    Kept,
}

#[derive(Clone, Debug)]
pub enum Request {
    /// `PUT /v1/claims/{name}`.
    Claim {
        /// The body. Who has other claims of this holder fills in their names.
        body: Box<ClaimRequest>,
        /// `Prefer: wait=…`.
        wait: Option<Duration>,
        /// The service-account token (or what stands for it) must go along.
        bearer: bool,
    },
    /// `POST /v1/leases/renew` with this one.
    Renew(Renewal),
    /// `DELETE /v1/claims/{name}`.
    Release {
        /// The lease, or the place in line.
        lease: LeaseId,
        secret: Secret,
        /// Higher than in any request of the claim before.
        counter: u64,
    },
}

#[derive(Clone, Debug)]
pub enum Answer {
    /// 200 to a claim.
    Granted(Box<Grant>),
    /// 202 to a claim.
    Waiting(Box<Waiting>),
    Renewed(Box<Renewed>),
    Released,
    Problem(Problem),
    /// The server's, beyond doubt, and nothing that this version understands: in words. It changes
    /// no state, and is an answer all the same.
    Unreadable(String),
    /// Not connected, no TLS, nothing within the time, or a stranger's word: nobody that counts has
    /// said anything. In words.
    NoContact(String),
    /// A fault on this side kept the request from being sent: neither answer nor silence.
    Unsent(Problem),
}

/// What outlives a crash of the sidecar: kept in its own state volume, readable by it alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Saved {
    name: ClaimName,
    items: Vec<Item>,
    secret: Secret,
    state: HoldState,
    begun: BootTime,
    lease: Option<LeaseId>,
    // Shared, since all of this is copied at each save, and these are large and seldom change.
    holder: Option<Arc<identity::Holder>>,
    papers: Option<Papers>,
    ticket: Option<Sealed>,
    counter: u64,
    /// A renewal that was sent and not answered: retried with the same numbers.
    pending: Option<RequestId>,
    held_until: BootTime,
    limit: BootTime,
    #[serde(with = "Millis")]
    lease_for: Duration,
    #[serde(with = "Millis")]
    max_contested: Duration,
    optimistic_start: OptimisticStart,
    /// The run of the server that answered last.
    #[serde(default)]
    heard: Option<InstanceId>,
    /// It was `Held` since it last was not licensed.
    was_held: bool,
    /// The server has answered this claim, whatever it said: to start without it is out of the
    /// question from then on, also after a crash (promise 15). Never unset.
    #[serde(default)]
    answered: bool,
    barred: Option<Bar>,
    /// Why the lease is called back, if it is.
    #[serde(default)]
    called_back: Option<Box<Problem>>,
    /// When it ends by the word of a run of the server that was before the present one.
    #[serde(default)]
    ends_at_last: Option<BootTime>,
    /// Of the lines of several servers in which the claim stands it is the one that the application
    /// was told of.
    #[serde(default)]
    chosen: bool,
    /// It is given back since another is chosen.
    #[serde(default)]
    out: bool,
    /// Since when it is chosen.
    #[serde(default)]
    chosen_at: BootTime,
    /// Its server, once that has given it a place in line.
    #[serde(default)]
    server: Option<ServerId>,
    /// Of a claim whose seats come from several servers all parts are there.
    #[serde(default)]
    whole: bool,
}

/// What a lease was answered with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Papers {
    /// For the application.
    bundle: Arc<Bundle>,
    /// When the request was sent that its token answered.
    token_sent: BootTime,
    /// For the server's next run.
    receipt: Sealed,
    /// When the request was sent that the receipt answered.
    sent: BootTime,
    /// What the server need not say again; none if something of it is lacking here.
    terms: Option<TermsId>,
    /// The grace, as it was told.
    #[serde(with = "Millis")]
    run_for: Duration,
}

/// Taken away for good, or until lifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Bar {
    Cloned,
    Revoked,
}

#[derive(Clone, Copy, Debug)]
struct Outstanding {
    tag: Tag,
    sent: BootTime,
    wait: Option<Duration>,
    timeout: Duration,
}

#[derive(Debug)]
pub struct Claimant {
    spec: Spec,
    s: Saved,
    /// Of the secret in `s`.
    secret_hash: SecretHash,
    outstanding: Option<Outstanding>,
    tags: u64,
    next_at: BootTime,
    /// Unanswered or refused attempts in a row.
    attempts: u32,
    /// Of a claim that never was answered.
    silence: Option<Silence>,
    /// Silence has lasted long enough for a start without the server.
    silent: bool,
    /// The last attempt ended with nothing heard.
    unheard: bool,
    /// The server does not know the lease: the claim is repeated with its token.
    repeat: bool,
    /// The server did not take ticket or token as a credential: the service-account token goes
    /// along.
    bearer: bool,
    releasing: Releasing,
    /// How it is to stand in line, and how the server was told that it does.
    stance: Stance,
    told_stance: Stance,
    /// Whether the last claim said that it is a part of which others are not there, and whether the
    /// server has answered one that said so.
    said_part: bool,
    knows_part: bool,
    place: Option<u32>,
    reason: Option<WaitReason>,
    retry_in: Duration,
    message: Option<String>,
    /// Since when the server has given neither lease nor place.
    unserved_since: Option<BootTime>,
    dirty: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Releasing {
    No,
    Asked,
    Sent,
    Done,
}

/// For how long the server is silent, as far as it was asked.
#[derive(Clone, Copy, Debug)]
struct Silence {
    /// The first sending that counts, later by the time in which nobody was asked.
    since: BootTime,
    /// Until when that is known.
    until: BootTime,
    /// Since then nobody was asked.
    idle: bool,
}

impl Saved {
    pub fn is_given_back(&self) -> bool {
        self.state == HoldState::Released
    }

    /// Whether of the lines of several servers it is the claim's.
    pub fn is_chosen(&self) -> bool {
        self.chosen
    }

    /// Given back, and not only since another line is the claim's.
    pub fn is_leaving(&self) -> bool {
        self.is_given_back() && !self.out
    }
}

impl Claimant {
    /// A claim that begins at `now` with a fresh secret.
    fn new(spec: Spec, secret: Secret, now: BootTime) -> Self {
        let s = Saved {
            name: spec.name.clone(),
            items: spec.items.clone(),
            secret,
            state: HoldState::Seeking,
            begun: now,
            lease: None,
            holder: None,
            papers: None,
            ticket: None,
            counter: 0,
            pending: None,
            held_until: now,
            limit: now,
            lease_for: DEFAULT_LEASE,
            max_contested: DEFAULT_MAX_CONTESTED,
            optimistic_start: OptimisticStart::Allow,
            heard: None,
            was_held: false,
            answered: false,
            barred: None,
            called_back: None,
            ends_at_last: None,
            chosen: false,
            out: false,
            chosen_at: now,
            server: None,
            whole: false,
        };
        Self::with(spec, s, now)
    }

    /// Goes on after a crash on the same boot. A claim that was being given back, or that was saved
    /// for other items, is given back first, and is over once its release is done.
    fn restore(spec: Spec, saved: Saved, now: BootTime) -> Self {
        let other = saved.items != spec.items || saved.name != spec.name;
        let mut s = saved;
        // Refused starts again, as the table says; what runs or waits goes on as it was.
        if s.state == HoldState::Refused {
            s.state = HoldState::Seeking;
        }
        if mutant::on(Mutant::AnswerForgottenInCrash) {
            s.answered = false;
        }
        if mutant::on(Mutant::CrashRestartsGrace) && s.state.is_licensed() {
            s.limit = now + spec.max_grace;
        }
        let released = s.state == HoldState::Released;
        let mut h = Self::with(spec, s, now);
        if other || released {
            h.release(now);
        } else {
            h.advance(now);
        }
        h
    }

    fn with(spec: Spec, s: Saved, now: BootTime) -> Self {
        let spec_is_part = spec.is_a_part;
        Self {
            spec,
            secret_hash: s.secret.hash(),
            s,
            outstanding: None,
            tags: 0,
            next_at: now,
            attempts: 0,
            silence: None,
            silent: false,
            unheard: false,
            repeat: false,
            bearer: false,
            releasing: Releasing::No,
            stance: Stance::default(),
            told_stance: Stance::default(),
            said_part: spec_is_part,
            knows_part: spec_is_part,
            place: None,
            reason: None,
            retry_in: Duration::ZERO,
            message: None,
            unserved_since: None,
            dirty: true,
        }
    }

    /// The last lease token with its chain, for the application. `None` when not licensed by a
    /// lease.
    pub fn bundle(&self) -> Option<&Bundle> {
        let papers = self.s.papers.as_ref();
        let licensed = papers.filter(|_| self.s.state.is_licensed());
        licensed.map(|p| &*p.bundle)
    }

    /// The last receipt of the lease.
    pub fn receipt(&self) -> Option<&Sealed> {
        self.s.papers.as_ref().map(|p| &p.receipt)
    }

    /// The lease and its secret, while there is one: for asking a token with a nonce.
    pub fn lease(&self) -> Option<(LeaseId, &Secret)> {
        let held = matches!(self.s.state, HoldState::Held | HoldState::Grace);
        self.s.lease.filter(|_| held).map(|l| (l, &self.s.secret))
    }

    /// Gives the claim back: [`poll`](Self::poll) sends it, at once if the lease is known. Being
    /// licensed ends here.
    fn release(&mut self, now: BootTime) {
        if self.releasing != Releasing::No {
            return;
        }
        self.releasing = Releasing::Asked;
        self.s.state = HoldState::Released;
        self.dirty = true;
        self.next_at = now;
        if self.is_copy() || self.s.lease.is_some() {
            // A request that is held open at the server is given up; its late answer is ignored.
            self.outstanding = None;
        }
        // What there is to give back is the other copy's, if there is one.
        if self.is_copy() || (self.s.lease.is_none() && self.outstanding.is_none()) {
            self.releasing = Releasing::Done;
        }
    }

    /// The hash of the claim's secret: of a new one after the claim had to begin anew.
    pub fn secret_hash(&self) -> SecretHash {
        self.secret_hash
    }

    /// Whether the server has told that another copy of this holder lives. It then asks no more.
    pub fn is_copy(&self) -> bool {
        self.s.barred == Some(Bar::Cloned)
    }
}
