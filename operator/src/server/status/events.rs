//! The Events on a LicenseServer that go with a change of its status.

use super::conditions::SECOND_SERVER;
use crate::leases::{Note, Severity};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use mooring_api::LicenseServerStatus;
use mooring_core::reason::{AnchorReason, LicenseReason};

/// Reasons of `Ready=False` that speak for themselves; a pod that is still starting is no Event.
const SPOKEN: &[&str] = &[
    "InvalidSpec",
    "LicenseSecretMissing",
    "ReferenceMissing",
    "NoMatchingNode",
    "DeviceNotFound",
    "DiscoveryDisabled",
    "PodUnschedulable",
    "PodNotRunning",
];

/// The server's reason where nothing is wrong with its license file.
const VALID: &str = LicenseReason::Valid.name();

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

/// The server's reason while its standby anchor serves.
const STANDBY: &str = AnchorReason::StandbyInUse.name();

/// A device that comes, goes and moves is said; labels that people set are their own news.
fn placed(was: Option<&Condition>, is: Option<&Condition>) -> Option<Note> {
    let is = is?;
    if was.is_some_and(|w| w.reason == is.reason && w.message == is.message) {
        return None;
    }
    let was_found = was.is_some_and(|w| w.status == "True");
    match is.reason.as_str() {
        // Of another reason: Events of one reason are counted as one for some minutes, under the words of the first.
        "DeviceFound" if was.is_some_and(|w| w.reason == "DeviceFound") => {
            Some(note(Severity::Normal, "DeviceMoved", "Watch", &is.message))
        }
        "DeviceFound" => Some(note(Severity::Normal, "DeviceFound", "Watch", &is.message)),
        "DeviceNotFound" if was_found => Some(note(
            Severity::Warning,
            "DeviceNotFound",
            "Watch",
            &is.message,
        )),
        "AgentSilent" => Some(note(Severity::Warning, "AgentSilent", "Watch", &is.message)),
        _ => None,
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
            // Its days run, whatever was before.
            (_, "True") if is.reason == STANDBY => said.push(note(
                Severity::Warning,
                "AnchorStandby",
                "Watch",
                &is.message,
            )),
            (_, "True") if find(old, "AnchorPresent").is_some_and(|c| c.reason == STANDBY) => {
                said.push(note(
                    Severity::Normal,
                    "AnchorPresent",
                    "Watch",
                    &is.message,
                ));
            }
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
        let text = format!("{}: {}", is.reason, is.message);
        let was_whole = find(old, "LicenseValid").is_some_and(|c| c.reason == VALID);
        match (is.status.as_str(), is.reason.as_str()) {
            ("False", _) => said.push(note(Severity::Warning, "LicenseInvalid", "Watch", &text)),
            // In force, and yet something is wrong with the file that lies there now.
            ("True", reason) if reason != VALID => {
                said.push(note(
                    Severity::Warning,
                    "LicenseFileRefused",
                    "Watch",
                    &text,
                ));
            }
            // After a restart the license is unknown for a moment: that is no news.
            ("True", _) if was != Some("Unknown") && !was_whole => {
                said.push(note(Severity::Normal, "LicenseValid", "Watch", &is.message));
            }
            _ => {}
        }
    }
    if let Some((_, is)) = turned(SECOND_SERVER)
        && is.status == "True"
    {
        let text = &is.message;
        said.push(note(Severity::Warning, "SecondServer", "Watch", text));
    }
    if let Some((_, is)) = turned("Settling")
        && is.status == "True"
    {
        said.push(note(Severity::Normal, "Settling", "Watch", &is.message));
    }
    said.extend(placed(find(old, "Placed"), find(now, "Placed")));
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
                    // The license's own condition has said so already.
                    if *reason != "LicenseSecretMissing" {
                        said.push(note(Severity::Warning, reason, "Reconcile", &is.message));
                    }
                }
            }
        }
    }
    said
}
