//! A pod whose node died is deleted, and stays: only its kubelet can say that it ended. When the
//! server's pod may be deleted by force, so that the dongle serves from where it is now. Pure.
//!
//! Two servers never sign at once: the dongle is elsewhere, and what it signed for the old server
//! has run out. A machine's identity cannot be carried elsewhere, so `hwid` is never judged by
//! this.

use super::placement::Placed;
use crate::gone::is_ready;
use crate::pods::node_name;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::ResourceExt as _;
use mooring_api::{AnchorKind, LicenseServerSpec};
use mooring_core::license::MAX_DELEGATION;
use mooring_core::time::{Timestamp, margin};
use std::time::Duration;

/// For how long the pod has been awaited; `None`: it is not to be deleted by force.
///
/// `placed`: the dongle, or who carried it, says that another node has it. `answers`: the server
/// answers the operator, whatever its node does.
pub(super) fn due(
    spec: &LicenseServerSpec,
    pod: &Pod,
    nodes: &[impl AsRef<Node>],
    placed: &Placed,
    answers: bool,
    now: Timestamp,
) -> Option<Duration> {
    let is_hwid = spec
        .anchors()
        .any(|a| matches!(a.kind(), None | Some(AnchorKind::Hwid(_))));
    let elsewhere = matches!(placed, Placed::Moves { .. });
    let at = node_name(pod)?;
    let mut nodes = nodes.iter().map(AsRef::as_ref);
    let alive = nodes.any(|n| n.name_any() == at && is_ready(n));
    if is_hwid || !elsewhere || answers || alive {
        return None;
    }
    let since = pod.metadata.deletion_timestamp.as_ref()?.0;
    let waited = Duration::try_from(now.duration_since(since)).ok()?;
    (waited >= MAX_DELEGATION + margin(MAX_DELEGATION)).then_some(waited)
}

#[cfg(test)]
mod tests;
