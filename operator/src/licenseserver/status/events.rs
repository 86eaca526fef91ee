//! The Events on a LicenseServer that go with a change of its status.

use crate::leases::{Note, Severity};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use mooring_api::LicenseServerStatus;
use mooring_api::status::{
    ANCHOR_PRESENT, LICENSE_VALID, PLACED, READY, SECOND_SERVER_SEEN, SETTLING,
};
use mooring_core::reason::{AnchorReason, LicenseReason};

/// Reasons of `Ready=False` that speak for themselves; a pod that is still starting is no Event,
/// and a missing license is said by the license's own condition.
const SPOKEN: &[&str] = &[
    "InvalidSpec",
    "ReferenceMissing",
    "NoMatchingNode",
    "DeviceNotFound",
    "DiscoveryDisabled",
    "PodUnschedulable",
    "PodNotRunning",
];

/// The server's reason where nothing is wrong with its license file.
const VALID: &str = LicenseReason::Valid.name();

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
        // Of another reason: Events of one reason are counted as one for some minutes, under the
        // words of the first.
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

/// A condition, as it was and as it is.
struct Turned<'a> {
    was: Option<&'a Condition>,
    is: &'a Condition,
}

impl<'a> Turned<'a> {
    /// If its status or its reason changed.
    fn of(old: &'a LicenseServerStatus, now: &'a LicenseServerStatus, kind: &str) -> Option<Self> {
        let (was, is) = (old.condition(kind), now.condition(kind)?);
        let same = was.is_some_and(|w| w.status == is.status && w.reason == is.reason);
        (!same).then_some(Self { was, is })
    }

    fn was(&self) -> Option<&str> {
        self.was.map(|w| w.status.as_str())
    }

    fn was_for(&self, reason: &str) -> bool {
        self.was.is_some_and(|w| w.reason == reason)
    }

    fn says(&self, severity: Severity, reason: &'static str) -> Note {
        note(severity, reason, "Watch", &self.is.message)
    }

    /// The same, with the condition's reason in front.
    fn explains(&self, reason: &'static str) -> Note {
        let text = format!("{}: {}", self.is.reason, self.is.message);
        note(Severity::Warning, reason, "Watch", &text)
    }
}

fn anchor(t: &Turned<'_>) -> Option<Note> {
    let back = || Some(t.says(Severity::Normal, ANCHOR_PRESENT));
    match (t.was(), t.is.status.as_str()) {
        (_, "False") => Some(t.explains("AnchorLost")),
        // Its days run, whatever was before.
        (_, "True") if t.is.reason == STANDBY => Some(t.says(Severity::Warning, "AnchorStandby")),
        (_, "True") if t.was_for(STANDBY) => back(),
        // After a restart the anchor is unknown for a moment: that is no news.
        (None | Some("False"), "True") => back(),
        _ => None,
    }
}

fn license(t: &Turned<'_>) -> Option<Note> {
    match (t.is.status.as_str(), t.is.reason.as_str()) {
        ("False", _) => Some(t.explains("LicenseInvalid")),
        // In force, and yet something is wrong with the file that lies there now.
        ("True", reason) if reason != VALID => Some(t.explains("LicenseFileRefused")),
        // After a restart the license is unknown for a moment: that is no news.
        ("True", _) if t.was() != Some("Unknown") && !t.was_for(VALID) => {
            Some(t.says(Severity::Normal, LICENSE_VALID))
        }
        _ => None,
    }
}

fn ready(t: &Turned<'_>) -> Option<Note> {
    if t.is.status == "True" {
        return Some(t.says(Severity::Normal, "Serving"));
    }
    if t.was() == Some("True") && t.is.reason == "NotConnected" {
        return Some(t.says(Severity::Warning, "ServerUnreachable"));
    }
    let reason = SPOKEN.iter().find(|r| **r == t.is.reason)?;
    Some(note(Severity::Warning, reason, "Reconcile", &t.is.message))
}

/// What is to be said.
pub fn events(before: Option<&LicenseServerStatus>, now: &LicenseServerStatus) -> Vec<Note> {
    let none = LicenseServerStatus::default();
    let old = before.unwrap_or(&none);
    let turned = |kind| Turned::of(old, now, kind);
    let begun = |kind| turned(kind).filter(|t| t.is.status == "True");
    let restarted = matches!((&old.instance, &now.instance), (Some(was), Some(is)) if was != is);
    let restarted = restarted.then(|| {
        let text = "the license server has restarted; it takes the leases of its holders in again";
        note(Severity::Normal, "ServerRestarted", "Watch", text)
    });
    let all = [
        restarted,
        turned(ANCHOR_PRESENT).and_then(|t| anchor(&t)),
        turned(LICENSE_VALID).and_then(|t| license(&t)),
        begun(SECOND_SERVER_SEEN).map(|t| t.says(Severity::Warning, "SecondServer")),
        begun(SETTLING).map(|t| t.says(Severity::Normal, SETTLING)),
        placed(old.condition(PLACED), now.condition(PLACED)),
        turned(READY).and_then(|t| ready(&t)),
    ];
    all.into_iter().flatten().collect()
}
