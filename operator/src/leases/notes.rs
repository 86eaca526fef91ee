//! The Events on a pod that go with a change of its lease. Pure.

use mooring_api::{LeaseState, LicenseLease, LicenseLeaseStatus};

/// How an Event is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// As it should be.
    Normal,
    /// Worth a look.
    Warning,
}

/// An Event to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub severity: Severity,
    /// CamelCase, stable.
    pub reason: &'static str,
    /// What the operator saw or did, CamelCase.
    pub action: &'static str,
    /// What happened, and what to do.
    pub message: String,
}

/// What is to be said when a mirror goes over from one status to another.
pub fn note(before: Option<&LicenseLeaseStatus>, lease: &LicenseLease) -> Option<Note> {
    let now = lease.status.as_ref()?;
    if before.is_some_and(|b| b.state == now.state) {
        return None;
    }
    let server = format!("{}/{}", lease.spec.server.namespace, lease.spec.server.name);
    let why = now.message.as_deref().unwrap_or("no reason given");
    let products = &now.products;
    let (severity, reason, message) = match now.state {
        LeaseState::Held => (
            Severity::Normal,
            "LicenseHeld",
            format!("holds {products} from license server {server}"),
        ),
        LeaseState::Waiting => {
            let place = now
                .place
                .map_or_else(String::new, |p| format!(" at place {p}"));
            (
                Severity::Normal,
                "LicenseWaiting",
                format!("waits in line{place} for {products} at license server {server}: {why}"),
            )
        }
        LeaseState::Silent => {
            let until = now.until.as_deref().unwrap_or("soon");
            let text = format!(
                "license server {server} has not heard from this pod; its seats are free at {until} unless it renews. The application runs on under its grace. Look at the network between the pod and the server"
            );
            (Severity::Warning, "LicenseSilent", text)
        }
        LeaseState::Contested => {
            let text = format!(
                "its seat was given away while license server {server} did not hear from it; it waits in line again, and its application runs on for a limited time"
            );
            (Severity::Warning, "LicenseContested", text)
        }
        LeaseState::Refused => (
            Severity::Warning,
            "LicenseRefused",
            format!("{products} refused by license server {server}: {why}"),
        ),
        LeaseState::Unknown => (Severity::Warning, "LicenseUnknown", why.to_owned()),
    };
    let action = match now.state {
        LeaseState::Held => "Grant",
        LeaseState::Waiting => "Queue",
        LeaseState::Silent => "Watch",
        LeaseState::Contested => "Contest",
        LeaseState::Refused => "Refuse",
        LeaseState::Unknown => "Check",
    };
    Some(Note {
        severity,
        reason,
        action,
        message: message.chars().take(1000).collect(),
    })
}
