//! What an outage of a license server means for its holders: states, times and words. Pure.
//!
//! While a server does not serve, what it said last grows old. Who held a lease runs on under its
//! grace, who waits is granted nothing, and all that is known is as of the last contact. Nothing is
//! concluded before a lease duration has passed: till then a lease that nobody renews is in force.

use crate::kubernetes::whole_seconds;
use crate::pods::PodFact;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use mooring_api::names::ServerRef;
use mooring_api::{ClaimStatus, LeaseState, LicenseLeaseStatus};
use mooring_core::time::Timestamp;
use std::time::Duration;

/// The reason of a LicenseServer that is not there any more.
const DELETED: &str = "Deleted";

/// As long as a restart may take: who waits is told of an outage then.
const A_RESTART: Duration = Duration::from_secs(20);

/// Why a license server does not serve: its condition `Ready`, in its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// CamelCase.
    pub reason: String,
    pub message: String,
    pub since: Timestamp,
}

impl Trouble {
    /// By the condition `Ready`.
    pub fn of(ready: &Condition) -> Option<Self> {
        (ready.status != "True").then(|| Self {
            reason: ready.reason.clone(),
            message: ready.message.clone(),
            since: ready.last_transition_time.0,
        })
    }

    /// The LicenseServer was deleted, which was noticed then.
    pub fn deleted(since: Timestamp) -> Self {
        Self {
            reason: DELETED.to_owned(),
            message: "its holders are not renewed any more".to_owned(),
            since,
        }
    }

    pub fn is_deleted(&self) -> bool {
        self.reason == DELETED
    }

    fn told(&self, server: &ServerRef) -> String {
        let since = whole_seconds(self.since);
        if self.is_deleted() {
            return format!("LicenseServer {server} was deleted (noticed {since})");
        }
        let (reason, message) = (&self.reason, &self.message);
        format!("license server {server} is not Ready since {since} ({reason}: {message})")
    }
}

/// How a license server serves: all of it that bears on the mirrors of its holders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub trouble: Option<Trouble>,
    /// Since when no lease is renewed, if so.
    pub stopped: Option<Timestamp>,
    /// While it does not answer the operator: when it was heard last, if it ever was.
    pub heard: Option<Timestamp>,
    /// Whether it answers the operator.
    pub connected: bool,
    /// D.
    pub lease_for: Duration,
    /// The grace, where it is known.
    pub run_for: Option<Duration>,
}

/// What an outage has come to for the mirrors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage<'a> {
    /// It serves; or nothing is known of why it should not.
    None,
    /// It has only just begun: leases are in force still. Look again after this.
    Young(Duration),
    /// A lease duration has passed.
    Old(&'a Trouble),
}

impl Service {
    /// The same for one holder, whose sidecar goes on no longer than it was told.
    pub(super) fn of(&self, pod: &PodFact) -> Self {
        let mut service = self.clone();
        if let PodFact::Running { of, .. } = pod {
            service.run_for = self.within(of.max_grace);
        }
        service
    }

    /// The grace of a holder that was told this bound of it.
    pub(super) fn within(&self, max_grace: Duration) -> Option<Duration> {
        let grace = self.run_for?;
        Some(grace.min(max_grace).max(self.lease_for))
    }

    /// `in_line`: for who waits, and has no lease that would be in force.
    pub(super) fn stage(&self, now: Timestamp, in_line: bool) -> Stage<'_> {
        let Some(trouble) = &self.trouble else {
            return Stage::None;
        };
        let age = elapsed(trouble.since, now);
        let line = if in_line { A_RESTART } else { self.lease_for };
        match self.lease_for.min(line).checked_sub(age) {
            Some(left) if !left.is_zero() => Stage::Young(left),
            _ => Stage::Old(trouble),
        }
    }

    /// Whether leases have run out by now, since none is renewed.
    fn ran_out(&self, now: Timestamp) -> bool {
        self.stopped.is_some() && self.run_out_in(now).is_none()
    }

    /// In how long they will have. Renewals may stop later than the trouble began.
    pub(super) fn run_out_in(&self, now: Timestamp) -> Option<Duration> {
        let left = self.lease_for.checked_sub(elapsed(self.stopped?, now))?;
        Some(left).filter(|left| !left.is_zero())
    }

    /// Until when an application may go on whose last renewal may have been half a lease before
    /// renewals stopped. They are due each third of one: the truth is a little later.
    fn grace_until(&self) -> Option<Timestamp> {
        let last = self.stopped?.checked_sub(self.lease_for / 2).ok()?;
        last.checked_add(self.run_for?).ok()
    }

    /// As of when something is known, if that is not now.
    pub(super) fn as_of(&self) -> Option<String> {
        let trouble = self.trouble.as_ref().map(|t| t.since);
        let heard = self.heard.or(trouble).filter(|_| !self.connected)?;
        Some(whole_seconds(heard).to_string())
    }

    /// A status as it is to be read during an outage.
    pub(super) fn restate(
        &self,
        server: &ServerRef,
        trouble: &Trouble,
        status: &mut LicenseLeaseStatus,
        now: Timestamp,
    ) {
        for claim in &mut status.claims {
            self.restate_claim(server, trouble, claim, now);
        }
        status.as_of = self.as_of();
        status.reason = Some(trouble.reason.clone());
        let head = status.claims.iter().max_by_key(|c| c.state);
        if let Some(head) = head.cloned() {
            (status.state, status.since) = (head.state, head.since);
            (status.place, status.until) = (head.place, head.until);
            status.message = head.message;
        } else {
            let (until, message) = (status.until.as_deref(), &mut status.message);
            *message = Some(self.words(server, trouble, status.state, until));
        }
    }

    fn restate_claim(
        &self,
        server: &ServerRef,
        trouble: &Trouble,
        claim: &mut ClaimStatus,
        now: Timestamp,
    ) {
        use LeaseState as S;
        match claim.state {
            S::Held | S::Silent if self.ran_out(now) => {
                claim.state = S::Grace;
                claim.until = self.grace_until().map(|t| whole_seconds(t).to_string());
                claim.since.0 = self
                    .stopped
                    .and_then(|t| t.checked_add(self.lease_for).ok())
                    .map_or(now, whole_seconds);
            }
            S::Waiting | S::Contested if !self.connected => claim.place = None,
            S::Refused | S::Revoked => return,
            _ => {}
        }
        let until = claim.until.as_deref();
        claim.message = Some(self.words(server, trouble, claim.state, until));
    }

    /// Why a holder stands so, and what follows.
    pub(super) fn words(
        &self,
        server: &ServerRef,
        trouble: &Trouble,
        state: LeaseState,
        until: Option<&str>,
    ) -> String {
        let until = until_about(until);
        let follows = match state {
            LeaseState::Held => "leases are in force still".to_owned(),
            LeaseState::Grace => {
                format!("the application runs on under its grace, {until}")
            }
            LeaseState::Optimistic => {
                format!("the application was started without a lease, and may run {until}")
            }
            LeaseState::Contested => format!("the application may go on {until}"),
            LeaseState::Reserved => {
                "what is reserved stays so for five minutes at least".to_owned()
            }
            LeaseState::Waiting => "nothing is granted before it is".to_owned(),
            LeaseState::Silent
            | LeaseState::Refused
            | LeaseState::Revoked
            | LeaseState::Unknown => String::new(),
        };
        let mut text = trouble.told(server);
        if trouble.is_deleted() && state == LeaseState::Waiting {
            text += "; nothing is granted any more";
        } else if !follows.is_empty() {
            text = format!("{text}; {follows}");
        }
        match self.as_of() {
            Some(heard) => format!("{text}. As of {heard}: it has not been heard since"),
            None => text,
        }
    }
}

pub(super) fn until_about(until: Option<&str>) -> String {
    until.map_or_else(
        || "until its grace ends".to_owned(),
        |u| format!("until about {u}"),
    )
}

fn elapsed(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}
