//! The Events on a pod that go with a change of its lease. Pure.

use super::object;
use crate::kubernetes::whole_seconds;
use kube::runtime::events::EventType::{self, Normal, Warning};
use mooring_api::names::ServerRef;
use mooring_api::{LeaseState, LicenseLease, LicenseLeaseStatus};
use mooring_core::annotation::ON_LOSS;

/// The reason of the Event on a pod that waits in line.
pub const WAITING: &str = "LicenseWaiting";

/// An Event to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub severity: EventType,
    /// CamelCase, stable.
    pub reason: &'static str,
    /// What the operator saw or did, CamelCase.
    pub action: &'static str,
    /// What happened, and what to do.
    pub message: String,
}

impl Note {
    /// An Event holds 1024 bytes; what is longer is cut.
    pub fn new(
        severity: EventType,
        reason: &'static str,
        action: &'static str,
        message: &str,
    ) -> Self {
        Self {
            severity,
            reason,
            action,
            message: message.chars().take(1000).collect(),
        }
    }
}

/// What an Event adds for a pod that waits for pods which it is to replace.
pub fn waits_for_itself(note: &Note, deployment: &str, holders: usize) -> Note {
    let message = format!(
        "{}. {holders} of the pods that it replaces in Deployment {deployment} hold seats of it, and wait for it: if nobody else gives a seat back, set maxSurge: 0 (and maxUnavailable: 1) in spec.strategy.rollingUpdate, or have the vendor allow policy.maxHandover",
        note.message
    );
    Note::new(note.severity, note.reason, note.action, &message)
}

/// What is said on a pod that is evicted.
pub fn evicted(status: &LicenseLeaseStatus) -> Note {
    let text = format!(
        "{}: evicted, as annotation {ON_LOSS} asks for",
        lost(status)
    );
    Note::new(Warning, "LicenseLost", "Evict", &text)
}

/// What is said on a pod that stays, since its eviction is refused.
pub fn refused(status: &LicenseLeaseStatus, why: &str) -> Note {
    let text = format!(
        "{}. Annotation {ON_LOSS} asks for its eviction, which is refused for now: {why}. It is tried again",
        lost(status)
    );
    Note::new(Warning, "EvictionRefused", "Evict", &text)
}

fn lost(status: &LicenseLeaseStatus) -> String {
    let since = status.lost_since.as_ref().map(|t| whole_seconds(t.0));
    let since = since.map_or_else(String::new, |t| format!(" since {t}"));
    let why = status.message.as_deref().unwrap_or("it waits in line");
    format!(
        "the license of its application is lost{since} ({}, {}: {why})",
        status.products, status.state
    )
}

/// Whether a wait ends as the line moves on.
fn passes(status: &LicenseLeaseStatus) -> bool {
    object::passes(status.reason.as_deref())
}

/// What is to be said when a mirror goes over from one status to another.
pub(super) fn note(before: Option<&LicenseLeaseStatus>, lease: &LicenseLease) -> Option<Note> {
    let now = lease.status.as_ref()?;
    let why = now.message.as_deref().unwrap_or("no reason given");
    let is = |s: &LicenseLeaseStatus, reason: &str| s.reason.as_deref() == Some(reason);
    let ends = [
        (object::TAKEN_BACK, "LicenseTakenBack", "Take"),
        (object::CALLED_BACK, "LicenseCalledBack", "Call"),
    ];
    if let Some((word, reason, action)) = ends.into_iter().find(|(word, ..)| is(now, word)) {
        let said = before.is_some_and(|b| is(b, word));
        return (!said).then(|| Note::new(Warning, reason, action, why));
    }
    if let Some(before) = before.filter(|b| b.state == now.state) {
        if is(before, object::CALLED_BACK) && now.reason.is_none() {
            let text = format!("holds {}: it is not called back any more", now.products);
            return Some(Note::new(Normal, "LicenseKept", "Call", &text));
        }
        // Under another name than the first: Events of one reason are counted as one for some
        // minutes, with the words of the first.
        let stopped = now.state == LeaseState::Waiting && passes(before) && !passes(now);
        return stopped.then(|| Note::new(Warning, "LicenseServerNotReady", "Queue", why));
    }
    let (severity, reason, action, message) = of_state(&lease.spec.server, now, why);
    Some(Note::new(severity, reason, action, &message))
}

/// What is said when a mirror comes into its state.
fn of_state(
    server: &ServerRef,
    now: &LicenseLeaseStatus,
    why: &str,
) -> (EventType, &'static str, &'static str, String) {
    let products = &now.products;
    match now.state {
        LeaseState::Revoked => {
            let text = format!("license server {server} refuses it from now on: {why}");
            (Warning, "LicenseRevoked", "Revoke", text)
        }
        LeaseState::Held => {
            let text = format!("holds {products} from license server {server}");
            (Normal, "LicenseHeld", "Grant", text)
        }
        LeaseState::Reserved => {
            let text = format!("{products} is reserved for it at license server {server}");
            (Normal, "LicenseReserved", "Reserve", text)
        }
        LeaseState::Waiting => {
            let text = match now.place {
                Some(place) => format!(
                    "waits in line at place {place} for {products} at license server {server}: {why}"
                ),
                None => format!("waits for {products} at license server {server}: {why}"),
            };
            let severity = if passes(now) { Normal } else { Warning };
            (severity, WAITING, "Queue", text)
        }
        LeaseState::Silent => {
            let until = now.until.as_deref().unwrap_or("soon");
            let look = "the application runs on under its grace. Look at the network between the pod and the server";
            let look = now.message.as_deref().unwrap_or(look);
            let text = format!(
                "license server {server} has not heard from this pod; its seats are free at {until} unless it renews: {look}"
            );
            (Warning, "LicenseSilent", "Watch", text)
        }
        LeaseState::Contested => {
            let until = now.until.as_deref();
            let until = until.map_or_else(|| "a limited time".into(), |u| format!("until {u}"));
            let text = format!(
                "it runs on without a seat of license server {server}, {until}, and waits in line: its seat was given away while it was not heard, or it was started without one. {why}"
            );
            (Warning, "LicenseContested", "Contest", text)
        }
        LeaseState::Grace => {
            let text = format!("held {products}: {why}");
            (Warning, "LicenseGrace", "Watch", text)
        }
        LeaseState::Optimistic => {
            let text = format!("runs without a lease for {products}: {why}");
            (Warning, "LicenseOptimistic", "Watch", text)
        }
        LeaseState::Refused => {
            let text = format!("{products} refused by license server {server}: {why}");
            (Warning, "LicenseRefused", "Refuse", text)
        }
        LeaseState::Unknown => (Warning, "LicenseUnknown", "Check", why.to_owned()),
    }
}
