//! What a pod says of itself as a holder: which license server its sidecar uses, whether the
//! sidecar runs. Pure.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};
use kube::ResourceExt as _;
use mooring_api::names::{self, ServerRef};
use mooring_core::identity::{Holder, HolderKey};
use mooring_core::policy::{OptimisticStart, Start};
use mooring_core::time::Timestamp;
use std::time::Duration;

/// What is known of a holder's pod.
#[derive(Clone, Debug)]
pub enum PodFact {
    /// The holder is no pod.
    External,
    /// Not among the pods that the operator watches, and not asked for.
    Unseen,
    /// The API server says that it is not there, or has another UID.
    Absent,
    Gone,
    /// There, but being deleted, or its sidecar does not run.
    Idle,
    /// There, and its sidecar runs.
    Running {
        of: Holding,
        /// For how long its server, as it stands, has not known it.
        unknown_for: Duration,
    },
}

/// A pod whose server does not know it.
#[derive(Clone, Debug)]
pub struct Holding {
    pub holder: Holder,
    /// What its annotation asks for.
    pub products: String,
    /// Since when its sidecar runs.
    pub since: Option<Timestamp>,
    /// Its application runs, and may do so without a lease.
    pub optimistic: bool,
}

/// The key of a pod as a holder.
pub fn key_of(pod: &Pod) -> Option<HolderKey> {
    pod.metadata.uid.clone().map(HolderKey)
}

/// Which license server a pod's sidecar uses, as the webhook wrote it.
pub fn server_of(pod: &Pod) -> Option<ServerRef> {
    ServerRef::from_url(&sidecar_env(pod, names::SERVER_ENV)?)
}

/// A variable of the pod's sidecar.
pub fn sidecar_env(pod: &Pod, name: &str) -> Option<String> {
    let containers = pod.spec.as_ref()?.init_containers.as_deref()?;
    let sidecar = containers.iter().find(|c| c.name == names::SIDECAR)?;
    let mut variables = sidecar.env.iter().flatten();
    variables.find(|e| e.name == name)?.value.clone()
}

/// Why a kubelet does not start a container: with one of these as its last word, and no earlier
/// run, it never ran. `PodInitializing` is not among them: the kubelet's word is older than the
/// container by a second or two.
const NEVER_STARTED: &[&str] = &[
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
];

fn sidecar_status(pod: &Pod) -> Option<&ContainerStatus> {
    let statuses = pod.status.as_ref()?.init_container_statuses.as_deref()?;
    statuses.iter().find(|s| s.name == names::SIDECAR)
}

/// Whether the sidecar has, or may have, run.
pub fn sidecar_may_have_run(pod: &Pod) -> bool {
    if node_name(pod).is_none() {
        return false;
    }
    let Some(sidecar) = sidecar_status(pod) else {
        return true;
    };
    let waiting = sidecar.state.as_ref().and_then(|s| s.waiting.as_ref());
    let reason = waiting.and_then(|w| w.reason.as_deref());
    let last = sidecar.last_state.as_ref();
    let ran_before = sidecar.restart_count > 0 || last.is_some_and(|s| s.terminated.is_some());
    ran_before || !reason.is_some_and(|r| NEVER_STARTED.contains(&r))
}

/// Whether the sidecar runs now, by its kubelet's last word.
pub fn sidecar_runs(pod: &Pod) -> bool {
    let state = sidecar_status(pod).and_then(|s| s.state.as_ref());
    state.is_some_and(|s| s.running.is_some())
}

/// What a pod that is there says. A deletion that its kubelet cannot hear of (`unreachable`) ends
/// nothing: it runs on.
pub fn fact_of(pod: &Pod, unreachable: bool) -> PodFact {
    let ends = pod.metadata.deletion_timestamp.is_some() && !unreachable;
    if ends || !sidecar_runs(pod) {
        return PodFact::Idle;
    }
    let account = pod
        .spec
        .as_ref()
        .and_then(|s| s.service_account_name.clone());
    let holder = Holder::Pod {
        namespace: pod.namespace().unwrap_or_default(),
        pod: pod.name_any(),
        uid: pod.uid().unwrap_or_default(),
        service_account: account.unwrap_or_default(),
        node: node_name(pod).map(str::to_owned),
    };
    let state = sidecar_status(pod).and_then(|s| s.state.as_ref());
    let running = state.and_then(|s| s.running.as_ref());
    let of = Holding {
        holder,
        products: sidecar_env(pod, "MOORING_LICENSES").unwrap_or_default(),
        since: running.and_then(|r| r.started_at.as_ref().map(|t| t.0)),
        optimistic: application_started(pod) && may_start_without_a_lease(pod),
    };
    PodFact::Running {
        of,
        unknown_for: Duration::ZERO,
    }
}

/// Whether a container of the application runs or has run.
fn application_started(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    let mut containers = status
        .and_then(|s| s.container_statuses.as_deref())
        .unwrap_or_default()
        .iter();
    containers.any(|c| {
        let ran = |s: &ContainerState| s.running.is_some() || s.terminated.is_some();
        c.state.as_ref().is_some_and(ran) || c.last_state.as_ref().is_some_and(ran)
    })
}

/// Not so where annotation, license or LicenseServer say otherwise: such a pod's application runs
/// because it does not wait for the sidecar (`wait: none`).
fn may_start_without_a_lease(pod: &Pod) -> bool {
    let says = |name, word: &str| sidecar_env(pod, name).as_deref() == Some(word);
    !says("MOORING_START", Start::Licensed.as_str())
        && !says("MOORING_OPTIMISTIC_START", OptimisticStart::Deny.as_str())
}

/// The node that a pod is bound to.
pub fn node_name(pod: &Pod) -> Option<&str> {
    let name = pod.spec.as_ref()?.node_name.as_deref();
    name.filter(|n| !n.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    #[test]
    fn the_server_is_read_from_the_sidecar() {
        let env = json!([{ "name": "MOORING_SERVER", "value": "https://main.licensing.svc:8443" }]);
        let pod: Pod = serde_json::from_value(json!({
            "metadata": { "name": "p", "namespace": "a", "uid": "u" },
            "spec": { "containers": [], "initContainers": [{ "name": "mooring", "env": env }] },
        }))
        .unwrap();
        assert_eq!(server_of(&pod), Some(ServerRef::new("licensing", "main")));
        assert_eq!(server_of(&Pod::default()), None);
    }
}
