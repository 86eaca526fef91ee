#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value
)]
use super::*;
use crate::pods::sidecar_may_have_run;
use k8s_openapi::api::core::v1::Pod;
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
    let may = keys
        .iter()
        .zip(&pods)
        .filter(|(_, p)| sidecar_may_have_run(p));
    let on = roster(may.map(|(k, _)| k), [&key("mirrored")], |_| false);
    let on: Vec<_> = on.into_iter().map(|k| k.0).collect();
    assert_eq!(on, ["crashed", "mirrored", "running", "silent", "starting"]);
}

#[test]
fn only_proof_takes_a_holder_off() {
    let (a, b) = (key("a"), key("b"));
    let on = roster([&a], [&a, &b], |k| *k == a);
    assert_eq!(on.into_iter().collect::<Vec<_>>(), [b]);
}

#[test]
fn a_forged_pod_is_on_it_and_is_not_waited_for_past_q() {
    let mut forged = pod(json!("n"), sidecar(json!({ "running": {} }), 0));
    forged.metadata.annotations = None;
    assert!(
        sidecar_may_have_run(&forged),
        "one too few would give a seat away"
    );
    assert!(!lasts(false, Elsewhere::Nowhere, None));
    assert!(
        lasts(true, Elsewhere::Nowhere, None),
        "it may have been granted a seat while nobody wrote mirrors"
    );
}

#[test]
fn who_held_by_its_mirror_is_waited_for_whatever_it_may_now() {
    let mirror = |state: &str, claims: Value| -> LicenseLease {
        serde_json::from_value(json!({
            "apiVersion": "mooring.dev/v1alpha1", "kind": "LicenseLease", "metadata": { "name": "m" },
            "spec": { "server": { "namespace": "licensing", "name": "main" }, "holder": { "kind": "Pod", "name": "p" } },
            "status": { "products": "render", "state": state, "since": "2026-01-01T00:00:00Z", "claims": claims }
        }))
        .unwrap()
    };
    let held = json!([{ "name": "pod", "lease": "l", "products": "render", "state": "Held", "since": "2026-01-01T00:00:00Z" }]);
    assert!(lasts(
        false,
        Elsewhere::Nowhere,
        Some(&mirror("Held", json!([])))
    ));
    assert!(lasts(
        false,
        Elsewhere::Nowhere,
        Some(&mirror("Silent", json!([])))
    ));
    assert!(lasts(
        false,
        Elsewhere::Nowhere,
        Some(&mirror("Grace", json!([])))
    ));
    assert!(
        lasts(false, Elsewhere::Nowhere, Some(&mirror("Waiting", held))),
        "one of its claims held"
    );
    assert!(!lasts(
        false,
        Elsewhere::Nowhere,
        Some(&mirror("Waiting", json!([])))
    ));
    // The other server's word is no proof that it holds nothing here.
    let elsewhere = Elsewhere::Licensed;
    assert!(lasts(true, elsewhere, Some(&mirror("Held", json!([])))));
    assert!(!lasts(true, elsewhere, Some(&mirror("Waiting", json!([])))));
    assert!(!lasts(true, elsewhere, None));
    assert!(lasts(true, Elsewhere::InLine, None));
}
