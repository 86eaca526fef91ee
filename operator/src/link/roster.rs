//! The roster: all holders of a server that are not proven gone.
//!
//! A server that has just started ends its settling once each of them is in or gone. One too many costs time (it waits
//! Q); one too few could let a seat be given away under a running pod. So only what is proven gone is left out.

use k8s_openapi::api::core::v1::Pod;
use mooring_api::names::{self, ServerRef};
use mooring_api::{HolderKind, LicenseLease};
use mooring_core::identity::HolderKey;
use std::collections::BTreeSet;

/// Which license server a pod's sidecar uses, as the webhook wrote it.
pub fn server_of(pod: &Pod) -> Option<ServerRef> {
    ServerRef::from_url(&sidecar_env(pod, names::SERVER_ENV)?)
}

/// A variable of the pod's sidecar.
pub fn sidecar_env(pod: &Pod, name: &str) -> Option<String> {
    let containers = pod.spec.as_ref()?.init_containers.as_deref()?;
    let sidecar = containers.iter().find(|c| c.name == names::SIDECAR)?;
    sidecar
        .env
        .as_deref()?
        .iter()
        .find(|e| e.name == name)?
        .value
        .clone()
}

/// Whose mirror this is.
pub fn holder_of(lease: &LicenseLease) -> Option<HolderKey> {
    let holder = &lease.spec.holder;
    match holder.kind {
        HolderKind::Pod => holder.uid.clone().map(HolderKey),
        HolderKind::External => Some(HolderKey(format!("external:{}", holder.name))),
    }
}

/// The roster from the pods that point at this server and from its mirrors. `is_gone`: whether a holder is proven gone.
///
/// A pod whose sidecar never started cannot hold anything; it is left out, so that an image that cannot be pulled does
/// not prolong a settling.
pub fn roster<'a>(
    pods: impl IntoIterator<Item = (&'a HolderKey, &'a Pod)>,
    mirrors: impl IntoIterator<Item = &'a HolderKey>,
    is_gone: impl Fn(&HolderKey) -> bool,
) -> BTreeSet<HolderKey> {
    let pods = pods
        .into_iter()
        .filter(|(_, p)| sidecar_may_have_run(p))
        .map(|(k, _)| k);
    pods.chain(mirrors)
        .filter(|k| !is_gone(k))
        .cloned()
        .collect()
}

/// Why a kubelet does not start a container: with one of these as its last word, and no earlier run, it never ran.
/// `PodInitializing` is not among them: the kubelet's word is older than the container by a second or two.
const NEVER_STARTED: &[&str] = &[
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
];

/// Whether the sidecar has, or may have, run.
pub fn sidecar_may_have_run(pod: &Pod) -> bool {
    if pod
        .spec
        .as_ref()
        .and_then(|s| s.node_name.as_deref())
        .unwrap_or("")
        .is_empty()
    {
        return false;
    }
    let statuses = pod
        .status
        .as_ref()
        .and_then(|s| s.init_container_statuses.as_deref())
        .unwrap_or_default();
    let Some(sidecar) = statuses.iter().find(|s| s.name == names::SIDECAR) else {
        return true;
    };
    let waiting = sidecar.state.as_ref().and_then(|s| s.waiting.as_ref());
    let blocked = waiting
        .and_then(|w| w.reason.as_deref())
        .is_some_and(|r| NEVER_STARTED.contains(&r));
    let ran_before = sidecar.restart_count > 0
        || sidecar
            .last_state
            .as_ref()
            .is_some_and(|s| s.terminated.is_some());
    !blocked || ran_before
}

/// Whether the sidecar runs now, by its kubelet's last word.
pub fn sidecar_runs(pod: &Pod) -> bool {
    let statuses = pod
        .status
        .as_ref()
        .and_then(|s| s.init_container_statuses.as_deref())
        .unwrap_or_default();
    let sidecar = statuses.iter().find(|s| s.name == names::SIDECAR);
    sidecar
        .and_then(|s| s.state.as_ref())
        .is_some_and(|s| s.running.is_some())
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::needless_pass_by_value
    )]
    use super::*;
    use serde_json::{Value, json};

    fn pod(node: Value, sidecar: Value) -> Pod {
        let env = json!([{ "name": "MOORING_SERVER", "value": "https://main.licensing.svc:8443" }]);
        serde_json::from_value(json!({
            "metadata": { "name": "p", "namespace": "a", "uid": "u" },
            "spec": { "nodeName": node, "containers": [], "initContainers": [{ "name": "mooring", "env": env }] },
            "status": { "initContainerStatuses": sidecar }
        }))
        .unwrap()
    }

    fn sidecar(state: Value, restarts: i32) -> Value {
        json!([{ "name": "mooring", "image": "i", "imageID": "i", "ready": false, "restartCount": restarts, "state": state }])
    }

    fn key(s: &str) -> HolderKey {
        HolderKey(s.to_owned())
    }

    #[test]
    fn the_server_is_read_from_the_sidecar() {
        assert_eq!(
            server_of(&pod(Value::Null, json!([]))),
            Some(ServerRef::new("licensing", "main"))
        );
        assert_eq!(server_of(&Pod::default()), None);
    }

    #[test]
    fn whoever_may_run_is_on_it() {
        let running = pod(json!("n"), sidecar(json!({ "running": {} }), 0));
        let crashed = pod(json!("n"), sidecar(json!({ "waiting": {} }), 2));
        let silent_kubelet = pod(json!("n"), json!([]));
        let pulling = pod(
            json!("n"),
            sidecar(json!({ "waiting": { "reason": "ImagePullBackOff" } }), 0),
        );
        let starting = pod(
            json!("n"),
            sidecar(json!({ "waiting": { "reason": "PodInitializing" } }), 0),
        );
        let unbound = pod(Value::Null, json!([]));
        let keys = [
            "running", "crashed", "silent", "pulling", "starting", "unbound",
        ]
        .map(key);
        let pods = [running, crashed, silent_kubelet, pulling, starting, unbound];
        let on = roster(keys.iter().zip(&pods), [&key("mirrored")], |_| false);
        let on: Vec<_> = on.into_iter().map(|k| k.0).collect();
        assert_eq!(on, ["crashed", "mirrored", "running", "silent", "starting"]);
    }

    #[test]
    fn only_proof_takes_a_holder_off() {
        let running = pod(json!("n"), sidecar(json!({ "running": {} }), 0));
        let (a, b) = (key("a"), key("b"));
        let on = roster([(&a, &running)], [&a, &b], |k| *k == a);
        assert_eq!(on.into_iter().collect::<Vec<_>>(), [b]);
    }
}
