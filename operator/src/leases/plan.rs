//! What is to be done about one holder's mirror: a pure function of what is known of it.

use super::cut_off::{not_heard, silent};
use super::known::Known;
use super::lost;
use super::notes::{Note, note};
use super::object::{
    in_a_line, is_lifted, lifted, mirror, passes, pod_missing, restated, revoked, without_contact,
};
use super::outage::{Service, Stage, Trouble};
use super::revoked::Listed;
use crate::cache::Elsewhere;
use crate::pods::{PodFact, Standing};
use kube::ResourceExt as _;
use mooring_api::names::ServerRef;
use mooring_api::{LeaseState, LicenseLease, LicenseLeaseStatus};
use mooring_core::time::Timestamp;
use std::time::Duration;

/// How long a running sidecar may be unknown to its server before that is shown.
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
    /// How it serves.
    pub service: &'a Service,
    pub now: Timestamp,
    /// What the server knows of it; empty: nothing.
    pub claims: &'a [Known],
    /// The server is connected, its list is complete, and it does not settle.
    pub settled: bool,
    /// It gave its last claim back by itself.
    pub released: bool,
    pub pod: PodFact,
    /// What it is to this server: whose word about whom counts.
    pub standing: Standing,
    /// How it stands at its other license servers.
    pub elsewhere: Elsewhere,
    /// The node its pod is bound to, if that is known.
    pub node: Option<String>,
    /// Whether its server's list says that it is revoked.
    pub listed: Listed<'a>,
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
    if !f.service.connected && matches!(f.pod, PodFact::Gone) {
        // Proven, and told to the server once it can be: what it said last stands no more.
        return when(f.existing.is_some(), Step::Delete);
    }
    let there = f.existing.is_some();
    let desired = mirror(f.server, f.claims, f.existing, f.node.clone(), f.now);
    match desired.map(|d| silent(d, &f.pod)) {
        Some(desired) => match f.standing {
            Standing::Counts | Standing::External => told(f, desired),
            // A mirror tells the truth to its end; where there is none, none is made, and who is
            // not there is not told.
            Standing::NotAllowed if there => told(f, desired),
            Standing::OutOfSight if there => without_note(told(f, desired)),
            Standing::NotAllowed | Standing::OutOfSight => Step::Nothing,
            Standing::Foreign => when(there, Step::Delete),
        },
        None => not_known(f),
    }
}

fn told(f: &LeaseFacts<'_>, desired: LicenseLease) -> Step {
    match f.service.stage(f.now, waits(&desired)) {
        Stage::Old(trouble) if waits(&desired) && stands_elsewhere(f, trouble) => {
            when(f.existing.is_some(), Step::Delete)
        }
        Stage::Old(trouble) => during_outage(f, trouble, &desired),
        Stage::None | Stage::Young(_) => known(f, desired),
    }
}

/// Whether it has its license from another server. Who is revoked here is shown so all the same.
fn is_at_another(f: &LeaseFacts<'_>) -> bool {
    f.elsewhere == Elsewhere::Licensed && !matches!(f.listed, Listed::Yes(_))
}

/// Whether what this server, which does not serve, last said of one in line is over: another has
/// it, or this one is gone, and it is in line at another.
fn stands_elsewhere(f: &LeaseFacts<'_>, trouble: &Trouble) -> bool {
    match f.elsewhere {
        Elsewhere::Licensed => true,
        Elsewhere::InLine | Elsewhere::Contested => trouble.is_deleted(),
        Elsewhere::Nowhere => false,
    }
}

/// When a holder is to be looked at again by itself: an outage that has just begun shows on its
/// mirror later, and again when leases have run out.
pub fn again(service: &Service, now: Timestamp) -> Option<Duration> {
    let begins = |in_line| match service.stage(now, in_line) {
        Stage::Young(after) => Some(after),
        Stage::None | Stage::Old(_) => None,
    };
    let begins = begins(true).or_else(|| begins(false));
    begins.or_else(|| service.run_out_in(now))
}

/// Whether it is known as one who waits.
fn waits(lease: &LicenseLease) -> bool {
    let state = lease.status.as_ref().map(|s| s.state);
    matches!(state, Some(LeaseState::Waiting | LeaseState::Contested))
}

fn without_note(step: Step) -> Step {
    match step {
        Step::Apply(lease, _) => Step::Apply(lease, None),
        other => other,
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
    let same_head = same_head(existing, &desired);
    if same_head && old == new {
        return Step::Nothing;
    }
    if same_head && differs_in_place_only(old, new) {
        // Its Events and its mirror are few: there may be thousands that wait to be scheduled.
        if f.claims.iter().any(Known::is_owners) {
            return Step::Nothing;
        }
        if new.place.is_none_or(|p| p > PLACES) && said_alike(old, new) {
            return Step::Nothing;
        }
        let age = f.written.unwrap_or(PLACE_EVERY);
        if age < PLACE_EVERY {
            return Step::Later(PLACE_EVERY.saturating_sub(age));
        }
        if has_them_soon(old.place, new.place, age) {
            return Step::Later(PLACE_EVERY);
        }
    }
    let said = note(Some(old), &desired);
    Step::Apply(Box::new(desired), said)
}

/// What stands on a mirror is old: it says so, once for each reason.
fn during_outage(f: &LeaseFacts<'_>, trouble: &Trouble, lease: &LicenseLease) -> Step {
    let desired = match &f.pod {
        PodFact::External | PodFact::Absent if trouble.is_deleted() => {
            return when(f.existing.is_some(), Step::Delete);
        }
        PodFact::Unseen if !f.service.connected => return Step::AskForPod,
        PodFact::Absent if !f.service.connected => pod_missing(lease, f.service, trouble, f.now),
        pod => restated(lease, &f.service.of(pod), trouble, f.now),
    };
    unless_said(f, desired)
}

/// The same state for the same reason is written once: texts and times that move a little are no
/// news. Another reason is told each minute at most: a server that starts, fails and starts again
/// has many.
fn unless_said(f: &LeaseFacts<'_>, desired: LicenseLease) -> Step {
    let before = f.existing.and_then(|e| e.status.as_ref());
    if let (Some(existing), Some(old), Some(new)) = (f.existing, before, &desired.status) {
        let word = |s: &LicenseLeaseStatus| {
            let claims = s.claims.iter().map(|c| (c.name.clone(), c.state));
            let claims: Vec<_> = claims.collect();
            (s.state, s.node.clone(), s.products.clone(), claims)
        };
        if same_head(existing, &desired) && word(old) == word(new) {
            if old.reason == new.reason {
                return Step::Nothing;
            }
            let passing = passes(old.reason.as_deref());
            let age = f.written.filter(|_| !passing).unwrap_or(PLACE_EVERY);
            if age < PLACE_EVERY {
                return Step::Later(PLACE_EVERY.saturating_sub(age));
            }
        }
    }
    let said = note(before, &desired);
    Step::Apply(Box::new(desired), said)
}

fn same_head(a: &LicenseLease, b: &LicenseLease) -> bool {
    // The rest of a spec is people's.
    a.spec.server == b.spec.server && a.spec.holder == b.spec.holder && same_labels(a, b)
}

fn same_labels(a: &LicenseLease, b: &LicenseLease) -> bool {
    b.labels().iter().all(|(k, v)| a.labels().get(k) == Some(v))
}

/// Places move with each release, and a server that starts says "settling" to all in line for a
/// while: no change of state. That nothing is granted at all is one.
fn differs_in_place_only(old: &LicenseLeaseStatus, new: &LicenseLeaseStatus) -> bool {
    let plain = |s: &LicenseLeaseStatus| {
        let mut s = s.clone();
        let waits = |state| matches!(state, LeaseState::Waiting | LeaseState::Contested);
        if waits(s.state) && passes(s.reason.as_deref()) {
            (s.place, s.message, s.reason) = (None, None, None);
        }
        for c in s.claims.iter_mut().filter(|c| waits(c.state)) {
            (c.place, c.message) = (None, None);
            c.until = None;
        }
        if waits(s.state) {
            s.until = None;
        }
        s
    };
    plain(old) == plain(new)
}

/// Whether one reason tells nobody more than the other: who stands before it comes and goes.
fn said_alike(old: &LicenseLeaseStatus, new: &LicenseLeaseStatus) -> bool {
    old.reason == new.reason || [old, new].iter().all(|s| in_a_line(s.reason.as_deref()))
}

/// Whether one in line has its seats before another minute is over, at the speed at which its place
/// has moved: that it holds them is written then, and no place before.
fn has_them_soon(from: Option<u32>, to: Option<u32>, during: Duration) -> bool {
    let (Some(from), Some(to)) = (from, to) else {
        return false;
    };
    let passed = from.saturating_sub(to);
    during.saturating_mul(to) <= PLACE_EVERY.saturating_mul(passed)
}

fn not_known(f: &LeaseFacts<'_>) -> Step {
    let there = f.existing.is_some();
    match (&f.pod, &f.service.trouble) {
        (PodFact::Gone, _) => when(there, Step::Delete),
        (PodFact::Running { .. }, _) if f.released => when(there && f.settled, Step::Delete),
        // It asks for nothing where another has it. While this one settles the mirror is the
        // roster's memory.
        (PodFact::Running { .. }, trouble) if is_at_another(f) => {
            when(there && (f.settled || trouble.is_some()), Step::Delete)
        }
        // Anybody can make a pod that looks so.
        (PodFact::Running { .. }, None) if f.standing != Standing::Counts => {
            when(there && f.settled, Step::Delete)
        }
        (PodFact::Running { .. }, Some(_)) if f.standing != Standing::Counts && !there => {
            Step::Nothing
        }
        (_, Some(trouble)) => unheard(f, trouble),
        // While the server settles its silence says nothing yet, and the mirror is the roster's
        // memory.
        _ if !f.settled => Step::Nothing,
        (PodFact::External | PodFact::Absent | PodFact::Idle, None) => when(there, Step::Delete),
        (PodFact::Unseen, None) => when(there, Step::AskForPod),
        (PodFact::Running { of, unknown_for }, None) => {
            if let Some(left) = too_soon(*unknown_for) {
                return Step::Later(left);
            }
            let before = f.existing.and_then(|e| e.status.as_ref());
            let desired = match f.listed {
                // It asks once a minute: its silence says nothing.
                Listed::Yes(why) => revoked(f.server, of, why, f.now),
                _ if before.is_some_and(|b| is_lifted(b, f.now)) => lifted(f.server, of, f.now),
                Listed::No | Listed::Unheard => {
                    not_heard(f.server, f.service, of, f.existing, f.now)
                }
            };
            unless_said(f, noted_as_before(desired, before, f.now))
        }
    }
}

/// A holder that is unknown to a server which does not serve: nothing is concluded from that. What
/// was known before it is told as old; a pod that was never heard is shown by what it does.
fn unheard(f: &LeaseFacts<'_>, trouble: &Trouble) -> Step {
    let status = f.existing.and_then(|e| e.status.as_ref());
    let was_known = status.is_some_and(|s| !s.claims.is_empty());
    let in_line = f.existing.is_none_or(waits);
    if in_line && stands_elsewhere(f, trouble) {
        return when(f.existing.is_some(), Step::Delete);
    }
    if let PodFact::Running { of, unknown_for } = &f.pod
        && !was_known
    {
        if let Some(left) = too_soon(*unknown_for) {
            return Step::Later(left);
        }
        let desired = without_contact(f.server, of, f.service, trouble, f.now);
        return unless_said(f, noted_as_before(desired, status, f.now));
    }
    let Some(lease) = f.existing else {
        return Step::Nothing;
    };
    let Stage::Old(_) = f.service.stage(f.now, waits(lease)) else {
        return Step::Nothing;
    };
    match &f.pod {
        PodFact::Unseen => Step::AskForPod,
        // Nobody is left who could be told what has become of it.
        PodFact::Absent | PodFact::External if trouble.is_deleted() => Step::Delete,
        PodFact::Absent => unless_said(f, pod_missing(lease, f.service, trouble, f.now)),
        // Not known is no state: its lease is still what the server said last.
        pod if was_known => unless_said(f, restated(lease, &f.service.of(pod), trouble, f.now)),
        _ => Step::Nothing,
    }
}

fn noted_as_before(
    mut lease: LicenseLease,
    before: Option<&LicenseLeaseStatus>,
    now: Timestamp,
) -> LicenseLease {
    lease.status = lease.status.map(|mut status| {
        status.revoked_since = before.and_then(|b| b.revoked_since.clone());
        lost::noted(before, status, now)
    });
    lease
}

/// In how long a holder that is unknown for so long is shown, if not now.
fn too_soon(unknown_for: Duration) -> Option<Duration> {
    let left = UNKNOWN_AFTER.checked_sub(unknown_for)?;
    Some(left).filter(|d| !d.is_zero())
}

fn when(there: bool, step: Step) -> Step {
    if there { step } else { Step::Nothing }
}

#[cfg(test)]
mod tests;
