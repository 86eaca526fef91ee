//! The Events on a pod that go with a change of its lease. Pure.

use kube::runtime::events::EventType::{self, Normal, Warning};
use mooring_api::{LeaseState, LicenseLease, LicenseLeaseStatus};

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

/// What is to be said when a mirror goes over from one status to another.
pub(super) fn note(before: Option<&LicenseLeaseStatus>, lease: &LicenseLease) -> Option<Note> {
    let now = lease.status.as_ref()?;
    if before.is_some_and(|b| b.state == now.state) {
        return None;
    }
    let server = &lease.spec.server;
    let why = now.message.as_deref().unwrap_or("no reason given");
    let products = &now.products;
    let (severity, reason, action, message) = match now.state {
        LeaseState::Held => {
            let text = format!("holds {products} from license server {server}");
            (Normal, "LicenseHeld", "Grant", text)
        }
        LeaseState::Waiting => {
            let place = now.place.map(|p| format!(" at place {p}"));
            let place = place.unwrap_or_default();
            let text =
                format!("waits in line{place} for {products} at license server {server}: {why}");
            (Normal, "LicenseWaiting", "Queue", text)
        }
        LeaseState::Silent => {
            let until = now.until.as_deref().unwrap_or("soon");
            let text = format!(
                "license server {server} has not heard from this pod; its seats are free at {until} unless it renews. The application runs on under its grace. Look at the network between the pod and the server"
            );
            (Warning, "LicenseSilent", "Watch", text)
        }
        LeaseState::Contested => {
            let text = format!(
                "its seat was given away while license server {server} did not hear from it; it waits in line again, and its application runs on for a limited time"
            );
            (Warning, "LicenseContested", "Contest", text)
        }
        LeaseState::Refused => {
            let text = format!("{products} refused by license server {server}: {why}");
            (Warning, "LicenseRefused", "Refuse", text)
        }
        LeaseState::Unknown => (Warning, "LicenseUnknown", "Check", why.to_owned()),
    };
    Some(Note::new(severity, reason, action, &message))
}
