//! The Events on a LicenseServer that go with a change of its status.

use crate::crd::LicenseServerStatus;
use crate::mirror::{Note, Severity};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// Reasons of `Ready=False` that speak for themselves; a pod that is still starting is no Event.
const SPOKEN: &[&str] = &[
    "InvalidSpec",
    "LicenseSecretMissing",
    "ReferenceMissing",
    "NoMatchingNode",
    "PodUnschedulable",
    "PodNotRunning",
];

fn find<'a>(status: &'a LicenseServerStatus, kind: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|c| c.type_ == kind)
}

fn note(severity: Severity, reason: &'static str, action: &'static str, message: &str) -> Note {
    Note {
        severity,
        reason,
        action,
        message: message.chars().take(1000).collect(),
    }
}

/// What is to be said.
pub fn events(before: Option<&LicenseServerStatus>, now: &LicenseServerStatus) -> Vec<Note> {
    let none = LicenseServerStatus::default();
    let old = before.unwrap_or(&none);
    let mut said = Vec::new();
    let turned = |kind: &str| {
        let (was, is) = (find(old, kind), find(now, kind)?);
        let same = was.is_some_and(|w| w.status == is.status && w.reason == is.reason);
        (!same).then_some((was.map(|w| w.status.as_str()), is))
    };
    if let (Some(was), Some(is)) = (&old.instance, &now.instance)
        && was != is
    {
        said.push(note(
            Severity::Normal,
            "ServerRestarted",
            "Watch",
            "the license server has restarted; it takes the leases of its holders in again",
        ));
    }
    if let Some((was, is)) = turned("AnchorPresent") {
        match (was, is.status.as_str()) {
            (_, "False") => said.push(note(
                Severity::Warning,
                "AnchorLost",
                "Watch",
                &format!("{}: {}", is.reason, is.message),
            )),
            // After a restart the anchor is unknown for a moment: that is no news.
            (None | Some("False"), "True") => said.push(note(
                Severity::Normal,
                "AnchorPresent",
                "Watch",
                &is.message,
            )),
            _ => {}
        }
    }
    if let Some((was, is)) = turned("LicenseValid") {
        match (was, is.status.as_str()) {
            (_, "False") => said.push(note(
                Severity::Warning,
                "LicenseInvalid",
                "Watch",
                &format!("{}: {}", is.reason, is.message),
            )),
            (_, "True") if is.reason == "LicenseSecretMissing" => {
                said.push(note(
                    Severity::Warning,
                    "LicenseSecretMissing",
                    "Dereference",
                    &is.message,
                ));
            }
            (None | Some("False"), "True") => {
                said.push(note(Severity::Normal, "LicenseValid", "Watch", &is.message));
            }
            _ => {}
        }
    }
    if let Some((_, is)) = turned("Settling")
        && is.status == "True"
    {
        said.push(note(Severity::Normal, "Settling", "Watch", &is.message));
    }
    if let Some((was, is)) = turned("Ready") {
        match is.status.as_str() {
            "True" => said.push(note(Severity::Normal, "Serving", "Watch", &is.message)),
            _ if was == Some("True") && is.reason == "NotConnected" => {
                said.push(note(
                    Severity::Warning,
                    "ServerUnreachable",
                    "Watch",
                    &is.message,
                ));
            }
            _ => {
                if let Some(reason) = SPOKEN.iter().find(|r| **r == is.reason) {
                    // The licence's own condition has said so already.
                    if *reason != "LicenseSecretMissing" {
                        said.push(note(Severity::Warning, reason, "Reconcile", &is.message));
                    }
                }
            }
        }
    }
    said
}
