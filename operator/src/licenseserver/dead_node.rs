//! A pod whose node died is deleted, and stays: only its kubelet can say that it ended. When the
//! server's pod may be deleted by force, so that the dongle serves from where it is now. Pure.
//!
//! Two servers never sign at once: either an administrator says that the node is shut down, or the
//! dongle is elsewhere, and what it signed for the old server before it was seen there has run out.
//! A machine's identity cannot be carried elsewhere, so `hwid` is never judged by this.

use super::placement::Placed;
use crate::gone::{Proof, is_ready, of_all_on};
use crate::kubernetes::whole_seconds;
use crate::pods::node_name;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use mooring_api::{AnchorKind, LicenseServerSpec, StuckPod};
use mooring_core::license::MAX_DELEGATION;
use mooring_core::time::{Timestamp, margin};
use std::fmt;
use std::time::Duration;

/// What bears on a server's pod that does not end.
#[derive(Clone, Copy, Debug)]
pub(super) struct DeadNodeFacts<'a, N> {
    pub(super) spec: &'a LicenseServerSpec,
    pub(super) pod: Option<&'a Pod>,
    /// All of the cluster.
    pub(super) nodes: &'a [N],
    /// The dongle, or who carried it, says where it is.
    pub(super) placed: &'a Placed,
    /// The server answers the operator, whatever its node does.
    pub(super) answers: bool,
    /// What was noted of it before.
    pub(super) before: Option<&'a StuckPod>,
    pub(super) now: Timestamp,
}

/// What is to become of the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PodFate {
    /// It is no such pod, or nobody says that its dongle is elsewhere.
    Leave,
    /// What the dongle signed there may still count: until then.
    Wait { stuck: StuckPod, until: Timestamp },
    /// It is deleted by force.
    Force { why: Ended },
}

/// Why nothing that the pod's server signs counts any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// An administrator says that its node is shut down.
    OutOfService,
    /// Its dongle has been elsewhere for so long.
    RanOut(Duration),
    /// The standby elsewhere serves, or the primary again: by proof, or on an administrator's word.
    Replaced,
}

/// Judges it.
pub(super) fn judge(f: &DeadNodeFacts<'_, impl AsRef<Node>>) -> PodFate {
    let is_hwid = f
        .spec
        .anchors()
        .any(|a| matches!(a.kind(), None | Some(AnchorKind::Hwid(_))));
    let Some((pod, deleted)) = f.pod.and_then(deleted) else {
        return PodFate::Leave;
    };
    let at = node_name(pod);
    let mut nodes = f.nodes.iter().map(AsRef::as_ref);
    let node = nodes.find(|n| Some(n.name_any().as_str()) == at);
    if is_hwid || f.answers || at.is_none() || node.is_some_and(is_ready) {
        return PodFate::Leave;
    }
    if node.and_then(of_all_on) == Some(Proof::OutOfService) {
        let why = Ended::OutOfService;
        return PodFate::Force { why };
    }
    if !matches!(f.placed, Placed::Moves { .. }) {
        return PodFate::Leave;
    }
    let uid = pod.uid().unwrap_or_default();
    let noted = f.before.filter(|b| b.uid == uid).map(|b| b.since.0);
    // A pod that was deleted before its dongle was carried away says nothing of when that was.
    let since = noted.unwrap_or(f.now).max(deleted);
    let life = MAX_DELEGATION + margin(MAX_DELEGATION);
    let elapsed = Duration::try_from(f.now.duration_since(since)).unwrap_or_default();
    if elapsed >= life {
        let why = Ended::RanOut(elapsed);
        return PodFate::Force { why };
    }
    let since = Time(whole_seconds(since));
    let until = since.0.checked_add(life).unwrap_or(Timestamp::MAX);
    let stuck = StuckPod { uid, since };
    PodFate::Wait { stuck, until }
}

/// A pod that is being deleted, and since when it should have ended.
fn deleted(pod: &Pod) -> Option<(&Pod, Timestamp)> {
    let at = pod.metadata.deletion_timestamp.as_ref()?;
    Some((pod, at.0))
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfService => f.write_str(
                "its node is not ready, and the node's taint says that it is out of service",
            ),
            Self::Replaced => f.write_str(
                "another node serves now, by proof that this pod has ended or on an administrator's word",
            ),
            Self::RanOut(d) => write!(
                f,
                "its node is down, the dongle has been elsewhere for {} min, and nothing that it signed there counts any more",
                d.as_secs() / 60
            ),
        }
    }
}

impl PodFate {
    /// What is to be remembered of it.
    pub(super) fn stuck(&self) -> Option<&StuckPod> {
        match self {
            Self::Wait { stuck, .. } => Some(stuck),
            Self::Leave | Self::Force { .. } => None,
        }
    }

    /// What it waits for, and until when, in words.
    pub(super) fn words(&self) -> Option<String> {
        let Self::Wait { until, .. } = self else {
            return None;
        };
        let until = whole_seconds(*until);
        Some(format!(
            "the dongle is elsewhere, and what it signed there may count until {until}: the pod is deleted by force then. Sooner if you are sure that the node is off, by its taint node.kubernetes.io/out-of-service"
        ))
    }
}

#[cfg(test)]
mod tests;
