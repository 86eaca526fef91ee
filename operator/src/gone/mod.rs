//! Proof that a pod is gone (docs/protocol.md, "Proof that a pod is gone").
//!
//! A pod proven gone gives its seats back at once; for every other pod the lease's end decides. So
//! a wrong "gone" would let two applications run on one seat, while a missed one only costs D + M:
//! whatever is not listed here is no proof. All are pure functions of the objects as the API server
//! showed them.

use k8s_openapi::api::core::v1::{ContainerStatus, Node, Pod};
use std::fmt;

/// Set by an administrator who has made sure that the node is shut down (KEP-2268).
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
/// The condition that says why a pod was disrupted (KEP-3329).
const DISRUPTION: &str = "DisruptionTarget";
/// Its reason where the pod garbage collector wrote the phase: nobody looked at the containers.
const BY_POD_GC: &str = "DeletionByPodGC";

/// Why a pod is surely gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Proof {
    /// Its kubelet reported a terminal phase, and every container that had started as terminated.
    Finished,
    /// It was deleted without ever having been bound to a node.
    NeverBound,
    /// An administrator says that its node, which is not ready, is shut down.
    OutOfService,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Finished => "all its containers have terminated",
            Self::NeverBound => "it was deleted before it had a node",
            Self::OutOfService => "its node is out of service",
        })
    }
}

/// Whether a pod that the API server shows is gone nevertheless. `node` is the one it is bound to,
/// if it is known.
pub fn proof(pod: &Pod, node: Option<&Node>) -> Option<Proof> {
    if finished(pod) {
        return Some(Proof::Finished);
    }
    let bound_to = pod.spec.as_ref().and_then(|s| s.node_name.as_deref());
    let node = node.filter(|n| n.metadata.name.as_deref() == bound_to && bound_to.is_some())?;
    (out_of_service(node) && !is_ready(node)).then_some(Proof::OutOfService)
}

/// What a pod that is no longer there proves by its last state. Only for pods of which a GET said
/// 404, or showed another UID: one that merely left the watch (its label was removed) may have been
/// bound since.
pub fn proof_after_deletion(last: &Pod, node: Option<&Node>) -> Option<Proof> {
    let unbound = last
        .spec
        .as_ref()
        .is_some_and(|s| s.node_name.as_deref().unwrap_or("").is_empty());
    if unbound {
        Some(Proof::NeverBound)
    } else {
        proof(last, node)
    }
}

fn finished(pod: &Pod) -> bool {
    let Some(status) = &pod.status else {
        return false;
    };
    let terminal = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
    let conditions = status.conditions.as_deref().unwrap_or_default();
    let by_pod_gc = conditions.iter().any(|c| {
        c.type_ == DISRUPTION && c.status == "True" && c.reason.as_deref() == Some(BY_POD_GC)
    });
    let lists = [
        &status.container_statuses,
        &status.init_container_statuses,
        &status.ephemeral_container_statuses,
    ];
    let statuses = lists
        .into_iter()
        .flat_map(|l| l.as_deref().unwrap_or_default());
    terminal && !by_pod_gc && statuses.into_iter().all(ended_or_never_started)
}

/// Terminated, or waiting without a sign that it ever ran.
fn ended_or_never_started(c: &ContainerStatus) -> bool {
    let state = c.state.as_ref();
    if state.is_some_and(|s| s.terminated.is_some()) {
        return true;
    }
    let running = state.is_some_and(|s| s.running.is_some());
    let ran_before = c
        .last_state
        .as_ref()
        .is_some_and(|s| s.terminated.is_some() || s.running.is_some());
    !running && !ran_before && c.started != Some(true) && c.restart_count == 0
}

fn out_of_service(node: &Node) -> bool {
    let taints = node
        .spec
        .as_ref()
        .and_then(|s| s.taints.as_deref())
        .unwrap_or_default();
    taints.iter().any(|t| t.key == OUT_OF_SERVICE)
}

/// Whether a node's kubelet reports it ready.
pub fn is_ready(node: &Node) -> bool {
    let conditions = node
        .status
        .as_ref()
        .and_then(|s| s.conditions.as_deref())
        .unwrap_or_default();
    conditions
        .iter()
        .any(|c| c.type_ == "Ready" && c.status == "True")
}

#[cfg(test)]
mod tests;
