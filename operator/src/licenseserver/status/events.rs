//! The Events on a LicenseServer that go with a change of its status.

use crate::leases::Note;
use crate::licenseserver::trust::Served;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::EventType::{self, Normal, Warning};
use mooring_api::status::{
    ANCHOR_PRESENT, CLOCK_SKEW, DEVICE_FOUND, LICENSE_VALID, PLACED, PODS_TRUST_EARLIER_CA,
    POLICY_NOT_FOUND, POLICY_READY, READY, SECOND_SERVER_SEEN, SERVING, SETTLING,
};
use mooring_api::{LicenseServerStatus, StuckPod};
use mooring_core::reason::{AnchorReason, LicenseReason};

/// Reasons of `Ready=False` that speak for themselves; a pod that is still starting is no Event,
/// and a missing license is said by the license's own condition.
const SPOKEN: &[&str] = &[
    "InvalidSpec",
    "NotAllowed",
    "NameTaken",
    "ReferenceMissing",
    "NoMatchingNode",
    "DeviceNotFound",
    "DiscoveryDisabled",
    "NodeCordoned",
    "NodeNotReady",
    "PodUnschedulable",
    "PodNotRunning",
];

/// The server's reason where nothing is wrong with its license file.
const VALID: &str = LicenseReason::Valid.name();

/// The server's reason where its license file is good, and what it says of others is not kept.
const NOT_KEPT: &str = LicenseReason::StateNotKept.name();

/// The server's reason while its standby anchor serves.
const STANDBY: &str = AnchorReason::StandbyInUse.name();

/// The server's reason while its PIN's file has another content than at the login.
const PIN_CHANGED: &str = AnchorReason::PinChanged.name();

/// A device that comes, goes and moves is said; labels that people set are their own news.
fn placed(was: Option<&Condition>, is: Option<&Condition>) -> Option<Note> {
    let is = is?;
    if was.is_some_and(|w| w.reason == is.reason && w.message == is.message) {
        return None;
    }
    let was_found = was.is_some_and(|w| w.status == "True");
    let (severity, reason) = match is.reason.as_str() {
        // Of another reason: Events of one reason are counted as one for some minutes, under the
        // words of the first.
        DEVICE_FOUND if was.is_some_and(|w| w.reason == DEVICE_FOUND) => (Normal, "DeviceMoved"),
        DEVICE_FOUND => (Normal, DEVICE_FOUND),
        "DeviceNotFound" if was_found => (Warning, "DeviceNotFound"),
        "AgentSilent" => (Warning, "AgentSilent"),
        "DeviceDisputed" => (Warning, "DeviceDisputed"),
        _ => return None,
    };
    Some(Note::new(severity, reason, "Watch", &is.message))
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

    fn is_for(&self, reason: &str) -> bool {
        self.is.reason == reason
    }

    fn says(&self, severity: EventType, reason: &'static str) -> Note {
        Note::new(severity, reason, "Watch", &self.is.message)
    }

    /// The same, with the condition's reason in front.
    fn explains(&self, reason: &'static str) -> Note {
        let text = format!("{}: {}", self.is.reason, self.is.message);
        Note::new(Warning, reason, "Watch", &text)
    }
}

fn anchor(t: &Turned<'_>) -> Option<Note> {
    let back = || Some(t.says(Normal, ANCHOR_PRESENT));
    match (t.was(), t.is.status.as_str()) {
        (_, "False") => Some(t.explains("AnchorLost")),
        // Its days run, whatever was before.
        (_, "True") if t.is.reason == STANDBY => Some(t.says(Warning, "AnchorStandby")),
        // Found out now rather than when the dongle's node reboots at night.
        (_, "True") if t.is.reason == PIN_CHANGED => Some(t.says(Warning, PIN_CHANGED)),
        (_, "True") if t.was_for(STANDBY) => back(),
        // After a restart the anchor is unknown for a moment: that is no news.
        (None | Some("False"), "True") => back(),
        _ => None,
    }
}

/// A change of CAs that serves everybody is no reason for a warning.
fn earlier_ca(t: &Turned<'_>) -> Option<Note> {
    let severity = if t.is_for(Served::Bridged.reason()) {
        Normal
    } else {
        Warning
    };
    (t.is.status == "True").then(|| t.says(severity, PODS_TRUST_EARLIER_CA))
}

fn license(t: &Turned<'_>) -> Option<Note> {
    match (t.is.status.as_str(), t.is.reason.as_str()) {
        ("False", _) => Some(t.explains("LicenseInvalid")),
        ("True", NOT_KEPT) => Some(t.says(Warning, NOT_KEPT)),
        // In force, and yet something is wrong with the file that lies there now.
        ("True", reason) if reason != VALID => Some(t.explains("LicenseFileRefused")),
        // After a restart the license is unknown for a moment: that is no news.
        ("True", _) if t.was() != Some("Unknown") && !t.was_for(VALID) => {
            Some(t.says(Normal, LICENSE_VALID))
        }
        _ => None,
    }
}

fn policy(t: &Turned<'_>) -> Option<Note> {
    if t.is.status == "True" {
        return None;
    }
    let reason = if t.is_for(POLICY_NOT_FOUND) {
        POLICY_NOT_FOUND
    } else {
        "PolicyInvalid"
    };
    Some(t.says(Warning, reason))
}

fn ready(t: &Turned<'_>) -> Option<Note> {
    if t.is.status == "True" {
        return Some(t.says(Normal, SERVING));
    }
    if t.was() == Some("True") && t.is.reason == "NotConnected" {
        return Some(t.says(Warning, "ServerUnreachable"));
    }
    let reason = SPOKEN.iter().find(|r| **r == t.is.reason)?;
    Some(Note::new(Warning, reason, "Reconcile", &t.is.message))
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
        Note::new(Normal, "ServerRestarted", "Watch", text)
    });
    let is_known = |s: &StuckPod| old.stuck.as_ref().is_some_and(|o| o.uid == s.uid);
    let stuck = now.stuck.as_ref().filter(|s| !is_known(s)).and_then(|_| {
        let why = &now.condition(READY)?.message;
        Some(Note::new(Warning, "ServerStuck", "Replace", why))
    });
    let all = [
        restarted,
        stuck,
        turned(ANCHOR_PRESENT).and_then(|t| anchor(&t)),
        turned(LICENSE_VALID).and_then(|t| license(&t)),
        begun(SECOND_SERVER_SEEN).map(|t| t.says(Warning, "SecondServer")),
        begun(CLOCK_SKEW).map(|t| t.says(Warning, CLOCK_SKEW)),
        turned(PODS_TRUST_EARLIER_CA).and_then(|t| earlier_ca(&t)),
        turned(POLICY_READY).and_then(|t| policy(&t)),
        begun(SETTLING).map(|t| t.says(Normal, SETTLING)),
        placed(old.condition(PLACED), now.condition(PLACED)),
        turned(READY).and_then(|t| ready(&t)),
    ];
    all.into_iter().flatten().collect()
}
