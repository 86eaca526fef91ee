//! What is to be done about one holder's mirror: a pure function of what is known of it.

use super::known::Known;
use super::notes::{Note, note};
use super::object::{mirror, unknown};
use crate::pods::PodFact;
use kube::ResourceExt as _;
use mooring_api::names::ServerRef;
use mooring_api::{LeaseState, LicenseLease, LicenseLeaseStatus};
use mooring_core::time::Timestamp;
use std::time::Duration;

/// How long a running sidecar may be unknown to its settled server before that is shown.
pub(super) const UNKNOWN_AFTER: Duration = Duration::from_secs(15);
/// How often a place in line is written at most.
const PLACE_EVERY: Duration = Duration::from_secs(60);
/// How long a change of state is worth an Event where no mirror tells what was before.
const NEWS: Duration = Duration::from_secs(60);
/// How many in line have their place written after their entry.
const PLACES: u32 = 10;

/// All that bears on one holder's mirror.
#[derive(Clone, Debug)]
pub struct LeaseFacts<'a> {
    pub server: &'a ServerRef,
    pub now: Timestamp,
    /// What the server knows of it; empty: nothing.
    pub claims: &'a [Known],
    /// The server is connected, its list is complete, and it does not settle.
    pub settled: bool,
    /// It gave its last claim back by itself.
    pub released: bool,
    pub pod: PodFact,
    /// The node its pod is bound to, if that is known.
    pub node: Option<String>,
    /// The mirror as it is in the API.
    pub existing: Option<&'a LicenseLease>,
    /// How long ago we last wrote it; `None`: not in this operator's life.
    pub written: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Nothing,
    /// Look again after this long.
    Later(Duration),
    /// Ask the API server for the pod, then decide again.
    AskForPod,
    /// Write this, and say that.
    Apply(Box<LicenseLease>, Option<Note>),
    Delete,
}

pub fn plan(f: &LeaseFacts<'_>) -> Step {
    match mirror(f.server, f.claims, f.existing, f.node.clone()) {
        Some(desired) => known(f, desired),
        None => not_known(f),
    }
}

fn known(f: &LeaseFacts<'_>, desired: LicenseLease) -> Step {
    let before = f.existing.and_then(|e| e.status.as_ref());
    let (Some(existing), Some(old), Some(new)) = (f.existing, before, desired.status.as_ref())
    else {
        // A mirror written anew for what was so long before is no news on the pod.
        let since = desired.status.as_ref().map_or(f.now, |s| s.since.0);
        let old_news = f.now.duration_since(since).unsigned_abs() > NEWS;
        let said = note(before, &desired).filter(|_| !old_news);
        return Step::Apply(Box::new(desired), said);
    };
    let same_head = existing.spec == desired.spec && same_labels(existing, &desired);
    if same_head && old == new {
        return Step::Nothing;
    }
    if same_head && differs_in_place_only(old, new) {
        if new.place.is_none_or(|p| p > PLACES) && old.message == new.message {
            return Step::Nothing;
        }
        let age = f.written.unwrap_or(PLACE_EVERY);
        if age < PLACE_EVERY {
            return Step::Later(PLACE_EVERY.saturating_sub(age));
        }
    }
    let said = note(Some(old), &desired);
    Step::Apply(Box::new(desired), said)
}

fn same_labels(a: &LicenseLease, b: &LicenseLease) -> bool {
    b.labels().iter().all(|(k, v)| a.labels().get(k) == Some(v))
}

/// Places move with each release, and a server that starts says "settling" to all in line for a
/// while: no change of state.
fn differs_in_place_only(old: &LicenseLeaseStatus, new: &LicenseLeaseStatus) -> bool {
    let plain = |s: &LicenseLeaseStatus| {
        let mut s = s.clone();
        let waits = |state| matches!(state, LeaseState::Waiting | LeaseState::Contested);
        if waits(s.state) {
            (s.place, s.message) = (None, None);
        }
        for c in s.claims.iter_mut().filter(|c| waits(c.state)) {
            (c.place, c.message) = (None, None);
        }
        s
    };
    plain(old) == plain(new)
}

fn not_known(f: &LeaseFacts<'_>) -> Step {
    let there = f.existing.is_some();
    match &f.pod {
        PodFact::Gone => when(there, Step::Delete),
        // While the server settles its silence says nothing yet, and the mirror is the roster's
        // memory.
        _ if !f.settled => Step::Nothing,
        PodFact::External | PodFact::Absent | PodFact::Idle => when(there, Step::Delete),
        PodFact::Unseen => when(there, Step::AskForPod),
        PodFact::Running { .. } if f.released => when(there, Step::Delete),
        PodFact::Running { unknown_for, .. } if *unknown_for < UNKNOWN_AFTER => {
            Step::Later(UNKNOWN_AFTER.saturating_sub(*unknown_for))
        }
        PodFact::Running { of, .. } => {
            let before = f.existing.and_then(|e| e.status.as_ref());
            let desired = unknown(f.server, of, f.now);
            if before.is_some_and(|b| b.state == LeaseState::Unknown) {
                return Step::Nothing;
            }
            let said = note(before, &desired);
            Step::Apply(Box::new(desired), said)
        }
    }
}

fn when(there: bool, step: Step) -> Step {
    if there { step } else { Step::Nothing }
}

#[cfg(test)]
mod tests;
