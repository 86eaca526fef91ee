//! Proof that a pod is gone (docs/protocol.md, "Proof that a pod is gone").
//!
//! A pod proven gone gives its seats back at once; for every other pod the lease's end decides. So
//! a wrong "gone" would let two applications run on one seat, while a missed one only costs D + M:
//! whatever is not listed here is no proof. All are pure functions of the objects as the API server
//! showed them.

use crate::pods::node_name;
use k8s_openapi::api::core::v1::{ContainerStatus, Node, Pod};
use std::fmt;
use std::time::Duration;

/// How long a proof outlives its pod's object: by then its server has long been told.
pub const KEEP_PROOF: Duration = Duration::from_secs(3600);
/// Set by an administrator who has made sure that the node is shut down (KEP-2268).
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
/// The condition that says why a pod was disrupted (KEP-3329).
pub(crate) const DISRUPTION: &str = "DisruptionTarget";
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
    finished(pod).or_else(|| {
        let bound_to = node_name(pod)?;
        let node = node.filter(|n| n.metadata.name.as_deref() == Some(bound_to))?;
        of_all_on(node)
    })
}

/// What proves of each pod that is bound to this node that it is gone.
pub fn of_all_on(node: &Node) -> Option<Proof> {
    (out_of_service(node) && !is_ready(node)).then_some(Proof::OutOfService)
}

/// What a pod that is no longer there proves by its last state. Only for pods of which a GET said
/// 404, or showed another UID: one that merely left the watch (its label was removed) may have been
/// bound since.
pub fn proof_after_deletion(last: &Pod, node: Option<&Node>) -> Option<Proof> {
    if last.spec.is_some() && node_name(last).is_none() {
        Some(Proof::NeverBound)
    } else {
        proof(last, node)
    }
}

/// Proof by what its containers did, whatever its node is.
pub fn finished(pod: &Pod) -> Option<Proof> {
    let status = pod.status.as_ref()?;
    let terminal = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
    let by_pod_gc = status.conditions.iter().flatten().any(|c| {
        c.type_ == DISRUPTION && c.status == "True" && c.reason.as_deref() == Some(BY_POD_GC)
    });
    let lists = [
        &status.container_statuses,
        &status.init_container_statuses,
        &status.ephemeral_container_statuses,
    ];
    let mut statuses = lists.into_iter().flatten().flatten();
    let finished = terminal && !by_pod_gc && statuses.all(ended_or_never_started);
    finished.then_some(Proof::Finished)
}

/// Terminated, or waiting without a sign that it ever ran.
fn ended_or_never_started(c: &ContainerStatus) -> bool {
    let (state, last) = (c.state.as_ref(), c.last_state.as_ref());
    let ended = state.is_some_and(|s| s.terminated.is_some());
    let running = state.is_some_and(|s| s.running.is_some());
    let ran_before = last.is_some_and(|s| s.terminated.is_some() || s.running.is_some());
    ended || (!running && !ran_before && c.started != Some(true) && c.restart_count == 0)
}

fn out_of_service(node: &Node) -> bool {
    let spec = node.spec.iter();
    let mut taints = spec.flat_map(|s| s.taints.iter().flatten());
    taints.any(|t| t.key == OUT_OF_SERVICE)
}

/// Whether a node's kubelet reports it ready.
pub fn is_ready(node: &Node) -> bool {
    let status = node.status.iter();
    let mut conditions = status.flat_map(|s| s.conditions.iter().flatten());
    conditions.any(|c| c.type_ == "Ready" && c.status == "True")
}

#[cfg(test)]
mod tests;
