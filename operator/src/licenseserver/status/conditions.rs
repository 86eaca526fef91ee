//! The conditions: the first thing that stands in the way is the one that is said.

use crate::connection::Snapshot;
use crate::licenseserver::facts::Missing;
use crate::licenseserver::ownership::Taken;
use crate::licenseserver::placement::{Placed, Whereabouts};
use crate::licenseserver::seat_policy::named::NamedPolicy;
use crate::licenseserver::seat_policy::status::what_stays;
use crate::licenseserver::standby::Evidence;
use crate::licenseserver::status::sides;
use crate::licenseserver::trust::Group;
use crate::licenseserver::validate::Invalid;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use mooring_api::names::ServerRef;
use mooring_api::status::{
    ANCHOR_PRESENT, CLOCK_SKEW, LICENSE_VALID, NAME_TAKEN, NO_CONTACT, NOT_STARTED, PLACED,
    PODS_TRUST_EARLIER_CA, POLICY_DRY_RUN, POLICY_IN_FORCE, POLICY_NOT_FOUND, POLICY_READY,
    PRIMARY_SERVES, READY, SECOND_SERVER_SEEN, SERVING, SETTLING,
};
use mooring_api::{Serving, Side, StuckPod};
use mooring_core::identity::Holder;
use mooring_core::license::clocks_apart;
use mooring_core::time::Timestamp;

/// All that the conditions look at.
#[derive(Debug)]
pub struct Judged<'a> {
    /// The spec's.
    pub generation: Option<i64>,
    pub invalid: Option<&'a Invalid>,
    pub missing: &'a [Missing],
    pub taken: &'a [Taken],
    pub placed: &'a Placed,
    pub whereabouts: &'a Whereabouts,
    pub pod: Option<&'a Pod>,
    /// The nodes that carry the placement's labels and take no new pods.
    pub cordoned: &'a [String],
    /// It is outside of the cluster: no pod, node or device of this one is its own.
    pub outside: bool,
    /// The node its pod is on.
    pub node: Option<String>,
    /// The same, where that is not ready: why, in words.
    pub node_down: Option<String>,
    /// Its pod, if that does not end: until when it is awaited, in words.
    pub stuck: Option<(StuckPod, String)>,
    pub endpoint: String,
    /// Of its Service, if that is there.
    pub cluster_ips: Vec<String>,
    /// What it says of itself.
    pub snapshot: &'a Snapshot,
    /// Pods that do not trust its CA.
    pub trust: &'a [Group],
    /// What its `spec.policy` comes to.
    pub named: &'a NamedPolicy,
    /// With a standby elsewhere: which side serves, and what is known of its pod.
    pub serving: Option<(&'a Serving, Evidence)>,
    /// Another LicenseServer of this cluster that signs with the same anchor.
    pub twin: Option<(ServerRef, String)>,
    pub now: Timestamp,
}

/// The reason of a pod that the scheduler finds no node for.
const UNSCHEDULABLE: &str = "PodUnschedulable";
/// The reason of a pod whose node is not ready.
const NODE_NOT_READY: &str = "NodeNotReady";

struct Word {
    status: &'static str,
    reason: String,
    message: String,
}

/// A condition that is, or is not.
fn either(is: bool, reason: impl Into<String>, message: impl Into<String>) -> Word {
    word(if is { "True" } else { "False" }, reason, message)
}

fn word(status: &'static str, reason: impl Into<String>, message: impl Into<String>) -> Word {
    Word {
        status,
        reason: reason.into(),
        message: message.into(),
    }
}

/// The link has neither stood nor failed yet, and nothing else is to be said.
pub(super) fn untried(j: &Judged<'_>) -> bool {
    let s = j.snapshot;
    let asked = s.connected || s.problem.is_some() || s.state.is_some();
    let wanting = j.invalid.is_some() || !j.missing.is_empty() || !j.taken.is_empty();
    !asked && !wanting && (j.pod.is_some() || j.outside)
}

/// The conditions, with the times of transition of those that stayed.
pub fn conditions(j: &Judged<'_>, before: &[Condition]) -> Vec<Condition> {
    // An operator that has just started knows nothing yet: what the one before it wrote stands
    // until then.
    if untried(j) && !before.is_empty() {
        return before.to_vec();
    }
    let all = [
        (READY, ready(j)),
        (ANCHOR_PRESENT, anchor(j)),
        (LICENSE_VALID, license(j)),
        (SETTLING, settling(j)),
    ];
    let placed = (!j.outside).then(|| (PLACED, placed(j)));
    all.into_iter()
        .chain(placed)
        .chain(policy(j.named).map(|w| (POLICY_READY, w)))
        .chain(primary_serves(j).map(|w| (PRIMARY_SERVES, w)))
        .chain(second_server(j, before).map(|w| (SECOND_SERVER_SEEN, w)))
        .chain(clock_skew(j, before).map(|w| (CLOCK_SKEW, w)))
        .chain(name_taken(j, before).map(|w| (NAME_TAKEN, w)))
        .chain(earlier_ca(j, before).map(|w| (PODS_TRUST_EARLIER_CA, w)))
        .map(|(kind, w)| condition(kind, &w, j, before))
        .collect()
}

/// There only with a policy.
fn policy(named: &NamedPolicy) -> Option<Word> {
    Some(match named {
        NamedPolicy::Nothing => return None,
        NamedPolicy::InForce { name, .. } => {
            let text = format!("policy {name} is in force, and holds while the operator is away");
            word("True", POLICY_IN_FORCE, text)
        }
        NamedPolicy::DryRun { name } => {
            let text = format!(
                "policy {name} is a dry run: nothing is enforced; its status says what would change"
            );
            word("True", POLICY_DRY_RUN, text)
        }
        NamedPolicy::Missing { name, stays } => {
            let text = format!(
                "spec.policy: LicensePolicy {name} is not in this namespace: create it, or take spec.policy away; {}",
                what_stays(stays.as_deref())
            );
            word("False", POLICY_NOT_FOUND, text)
        }
        NamedPolicy::Unusable { name, why, stays } => {
            let text = format!(
                "LicensePolicy {name}: {why}; {}",
                what_stays(stays.as_deref())
            );
            word("False", "PolicyInvalid", text)
        }
    })
}

/// There only with a standby elsewhere.
fn primary_serves(j: &Judged<'_>) -> Option<Word> {
    let (serving, evidence) = j.serving.as_ref()?;
    let (reason, text) = sides::said(j.snapshot, serving, evidence);
    Some(either(serving.side == Side::Primary, reason, text))
}

/// There only if it is, or was, true.
fn name_taken(j: &Judged<'_>, before: &[Condition]) -> Option<Word> {
    if let Some(all) = all_taken(j) {
        return Some(word("True", "NotOurs", all));
    }
    let old = before.iter().find(|c| c.type_ == NAME_TAKEN);
    old.map(|_| either(false, "Free", "all names that it needs are its own"))
}

fn all_taken(j: &Judged<'_>) -> Option<String> {
    let all: Vec<String> = j.taken.iter().map(Taken::message).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// There only if it is, or was, true.
fn earlier_ca(j: &Judged<'_>, before: &[Condition]) -> Option<Word> {
    let Some(worst) = j.trust.iter().map(|g| g.served).max() else {
        let was = before.iter().any(|c| c.type_ == PODS_TRUST_EARLIER_CA);
        let text = "all running pods trust the operator's present CA";
        return was.then(|| either(false, "PresentCaTrusted", text));
    };
    let all: Vec<String> = j.trust.iter().rev().map(Group::words).collect();
    Some(either(true, worst.reason(), all.join("; ")))
}

/// There only if it is, or was, true.
fn second_server(j: &Judged<'_>, before: &[Condition]) -> Option<Word> {
    let todo = "each of them counts its seats alone, so the license may be used twice: find it, and stop one of them";
    if let Some((twin, license)) = &j.twin {
        let text = format!(
            "LicenseServer {twin} signs with the same anchor, and serves license {license} or what it replaces or is replaced by, too; {todo}"
        );
        return Some(word("True", "SameAnchor", text));
    }
    let old = before.iter().find(|c| c.type_ == SECOND_SERVER_SEEN);
    let Some(state) = j.snapshot.says() else {
        return old.map(|_| no_contact(j));
    };
    match &state.second_server {
        Some(s) => {
            let text = format!(
                "a holder has shown a token of {} from another server on this license, run {}; {todo}. (Or the clock of an \
                 earlier run was ahead: then this ends within an hour)",
                s.issued_at, s.instance
            );
            Some(word("True", "ForeignToken", text))
        }
        None => old.map(|_| either(false, "Alone", "no second server was seen in the last hour")),
    }
}

/// There only if it is, or was, true.
fn clock_skew(j: &Judged<'_>, before: &[Condition]) -> Option<Word> {
    let old = before.iter().find(|c| c.type_ == CLOCK_SKEW);
    let Some(state) = j.snapshot.says() else {
        return old.map(|_| no_contact(j));
    };
    let Some(skew) = &state.clock_skew else {
        let text = "no holder's clock differs from the server's by an hour";
        return old.map(|_| either(false, "ClocksAgree", text));
    };
    let apart = clocks_apart(skew.ahead_secs);
    let node = match &skew.holder {
        Holder::Pod { node: Some(n), .. } => format!(" on node {n}"),
        _ => String::new(),
    };
    let text = format!(
        "the clock of {}{node} is {apart} the server's; from a day on its applications take no proof: set whichever is wrong",
        skew.holder
    );
    Some(either(true, "HolderClock", text))
}

fn condition(kind: &str, w: &Word, j: &Judged<'_>, before: &[Condition]) -> Condition {
    let mut before = before.iter();
    let old = before.find(|c| c.type_ == kind && c.status == w.status);
    let now = Time(Timestamp::from_second(j.now.as_second()).unwrap_or(j.now));
    Condition {
        type_: kind.to_owned(),
        status: w.status.to_owned(),
        reason: camel(&w.reason),
        message: w.message.chars().take(2000).collect(),
        last_transition_time: old.map_or(now, |c| c.last_transition_time.clone()),
        observed_generation: j.generation,
    }
}

/// A reason must not be empty; what the server says is taken as it is otherwise.
fn camel(reason: &str) -> String {
    let allowed = reason.chars().filter(char::is_ascii_alphanumeric);
    let kept: String = allowed.take(128).collect();
    if kept.is_empty() {
        "Unspecified".to_owned()
    } else {
        kept
    }
}

fn ready(j: &Judged<'_>) -> Word {
    if let Some(e) = j.invalid {
        return word("False", e.reason, e.to_string());
    }
    if let Some(all) = all_taken(j) {
        return word("False", NAME_TAKEN, all);
    }
    if let Some(state) = j.snapshot.says() {
        // It answers: what its kubelet says matters no more.
        return if !state.anchor.present {
            word("False", state.anchor.reason, state.anchor.message.clone())
        } else if !state.license_valid {
            word("False", state.license_reason, state.license_message.clone())
        } else if state.settling {
            word("False", "Settling", settling(j).message)
        } else {
            let text = match j.placed {
                Placed::Stays { node } => format!(
                    "grants leases from {node}, which no longer carries the placement's labels; no other node that is ready does"
                ),
                Placed::Keeps { node } => format!(
                    "grants leases from {node}, where its device signs, though another node reports it too: it is not moved"
                ),
                _ => "grants leases".to_owned(),
            };
            word("True", SERVING, text)
        };
    }
    if let Some(m) = j.missing.first() {
        let all: Vec<&str> = j.missing.iter().map(|m| m.message.as_str()).collect();
        return word("False", m.reason, all.join("; "));
    }
    if j.outside {
        return not_connected(j);
    }
    if let Some(text) = &j.node_down {
        let text = match &j.stuck {
            Some((_, until)) => format!("{text}. {until}"),
            None => text.clone(),
        };
        return word("False", NODE_NOT_READY, text);
    }
    if *j.placed == Placed::Nowhere {
        return word("False", j.whereabouts.reason, j.whereabouts.message.clone());
    }
    let Some(pod) = j.pod else {
        let text = "the server's pod is not there yet; `kubectl describe statefulset` of the same name says why, should it stay so";
        return word("False", "PodMissing", text);
    };
    if let Some((reason, message)) = pod_trouble(pod) {
        return match j.cordoned {
            [node, ..] if reason == UNSCHEDULABLE => {
                let text = format!(
                    "node {node} holds the anchor and is cordoned, so that the server's pod cannot be put there: kubectl uncordon {node}. {message}"
                );
                word("False", "NodeCordoned", text)
            }
            _ => word("False", reason, message),
        };
    }
    not_connected(j)
}

fn not_connected(j: &Judged<'_>) -> Word {
    let problem = j.snapshot.problem.as_deref();
    let problem = problem.unwrap_or("the operator has not reached it yet");
    let text = format!("the server does not answer the operator: {problem}");
    word("False", "NotConnected", text)
}

fn placed(j: &Judged<'_>) -> Word {
    let w = j.whereabouts;
    either(w.found, w.reason, w.message.clone())
}

/// Why the pod does not run, as scheduler and kubelet say it.
fn pod_trouble(pod: &Pod) -> Option<(&'static str, String)> {
    let status = pod.status.as_ref()?;
    let mut conditions = status.conditions.iter().flatten();
    if let Some(c) = conditions.find(|c| c.type_ == "PodScheduled" && c.status == "False") {
        let message = c.message.as_deref().unwrap_or_default();
        let text = format!("the server's pod cannot be scheduled: {message}");
        return Some((UNSCHEDULABLE, text));
    }
    let containers = status.container_statuses.iter().flatten();
    // What comes before the server's container (pcscd) keeps it from starting.
    let init = status.init_container_statuses.iter().flatten();
    let mut all = init.clone().chain(containers.clone());
    if let Some(trouble) = all.find_map(|c| container_trouble(c, init.clone().any(|i| i == c))) {
        return Some(("PodNotRunning", trouble));
    }
    let waits = containers.clone().next()?.state.as_ref()?.waiting.as_ref();
    waits.map(|_| {
        let pod = pod.metadata.name.as_deref().unwrap_or_default();
        let text = format!(
            "the server's container is being started; should it stay so, `kubectl describe pod {pod}` says why (a host path \
             that is not on that node, an image that takes long)"
        );
        ("PodStarting", text)
    })
}

/// Why a container does not run, if its kubelet says more than that it is being started.
fn container_trouble(c: &ContainerStatus, before: bool) -> Option<String> {
    let waiting = c.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref()?;
    if matches!(reason, "ContainerCreating" | "PodInitializing") {
        return None;
    }
    let what = if before {
        format!("container {} waits, which the server needs", c.name)
    } else {
        "the server's container waits".to_owned()
    };
    let message = waiting.message.as_deref().unwrap_or_default();
    let last = c.last_state.as_ref().and_then(|s| s.terminated.as_ref());
    let last = last.map(|t| {
        let (code, name) = (t.exit_code, &c.name);
        format!("; its last run ended with exit code {code}: kubectl logs --previous -c {name}")
    });
    let last = last.unwrap_or_default();
    Some(format!("{what}: {reason} {message}{last}"))
}

fn no_contact(j: &Judged<'_>) -> Word {
    let (reason, text) = if j.pod.is_none() && j.snapshot.state.is_none() && !j.outside {
        (NOT_STARTED, "the server has not been started yet")
    } else {
        let text = "the server does not answer the operator; its holders run on under their leases and grace";
        (NO_CONTACT, text)
    };
    word("Unknown", reason, text)
}

fn anchor(j: &Judged<'_>) -> Word {
    let Some(s) = j.snapshot.says() else {
        return no_contact(j);
    };
    either(s.anchor.present, s.anchor.reason, s.anchor.message.clone())
}

fn license(j: &Judged<'_>) -> Word {
    let mut missing = j.missing.iter();
    let missing = missing.find(|m| m.reason == "LicenseSecretMissing");
    match (j.snapshot.says(), missing) {
        (Some(s), Some(m)) if s.license_valid => {
            let in_force = "the license in force stays so until the server restarts";
            word("True", m.reason, format!("{in_force}; {}", m.message))
        }
        (_, Some(m)) => word("False", m.reason, m.message.clone()),
        (Some(s), None) => either(s.license_valid, s.license_reason, s.license_message.clone()),
        (None, None) => no_contact(j),
    }
}

fn settling(j: &Judged<'_>) -> Word {
    let (reason, text) = match j.snapshot.says() {
        Some(s) if s.settling => (
            "TakingLeasesIn",
            "the server has just started: it takes earlier leases in and grants nothing new until then",
        ),
        Some(_) => ("Settled", "all earlier leases are in or over"),
        None => return no_contact(j),
    };
    either(reason != "Settled", reason, text)
}
