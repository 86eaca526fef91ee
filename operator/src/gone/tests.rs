#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value
)]
use super::*;
use serde_json::{Value, json};

fn pod(spec: Value, status: Value) -> Pod {
    let v = json!({ "metadata": { "name": "p", "namespace": "a", "uid": "u" }, "spec": spec, "status": status });
    serde_json::from_value(v).unwrap()
}

fn bound(status: Value) -> Pod {
    pod(json!({ "nodeName": "node-a", "containers": [] }), status)
}

fn node(name: &str, ready: &str, taints: Value) -> Node {
    let v = json!({
        "metadata": { "name": name },
        "spec": { "taints": taints },
        "status": { "conditions": [{ "type": "Ready", "status": ready }] }
    });
    serde_json::from_value(v).unwrap()
}

fn container(name: &str, state: Value) -> Value {
    json!({ "name": name, "image": "i", "imageID": "i", "ready": false, "restartCount": 0, "state": state })
}

fn ended(name: &str) -> Value {
    container(name, json!({ "terminated": { "exitCode": 0 } }))
}

fn running(name: &str) -> Value {
    container(
        name,
        json!({ "running": { "startedAt": "2026-01-01T00:00:00Z" } }),
    )
}

fn waiting(name: &str) -> Value {
    container(name, json!({ "waiting": { "reason": "PodInitializing" } }))
}

fn taint() -> Value {
    json!([{ "key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute" }])
}

#[test]
fn a_completed_pod_whose_containers_all_terminated_is_gone() {
    for phase in ["Succeeded", "Failed"] {
        let p = bound(
            json!({ "phase": phase, "containerStatuses": [ended("app")], "initContainerStatuses": [ended("mooring")] }),
        );
        assert_eq!(proof(&p, None), Some(Proof::Finished), "{phase}");
    }
}

#[test]
fn a_container_that_never_started_does_not_keep_a_failed_pod() {
    let p = bound(
        json!({ "phase": "Failed", "containerStatuses": [waiting("app")], "initContainerStatuses": [ended("mooring")] }),
    );
    assert_eq!(proof(&p, None), Some(Proof::Finished));
    let rejected = bound(json!({ "phase": "Failed", "reason": "OutOfcpu" }));
    assert_eq!(proof(&rejected, None), Some(Proof::Finished));
}

#[test]
fn a_terminal_phase_with_a_container_still_running_is_no_proof() {
    let p = bound(
        json!({ "phase": "Succeeded", "containerStatuses": [ended("app")], "initContainerStatuses": [running("mooring")] }),
    );
    assert_eq!(proof(&p, None), None);
    let p = bound(
        json!({ "phase": "Failed", "containerStatuses": [ended("app")], "ephemeralContainerStatuses": [running("debug")] }),
    );
    assert_eq!(proof(&p, None), None);
}

#[test]
fn a_container_that_ran_before_and_waits_now_is_no_proof() {
    let mut c = waiting("app");
    c["lastState"] = json!({ "terminated": { "exitCode": 1 } });
    c["restartCount"] = json!(3);
    let p = bound(json!({ "phase": "Failed", "containerStatuses": [c] }));
    assert_eq!(proof(&p, None), None);
}

#[test]
fn failed_written_by_the_pod_garbage_collector_is_no_proof() {
    let conditions =
        json!([{ "type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC" }]);
    let p = bound(
        json!({ "phase": "Failed", "conditions": conditions, "containerStatuses": [running("app")] }),
    );
    assert_eq!(proof(&p, None), None);
    // Also where the last report of the containers says otherwise: it may be older than the deleted
    // node.
    let p = bound(
        json!({ "phase": "Failed", "conditions": conditions, "containerStatuses": [ended("app")] }),
    );
    assert_eq!(proof(&p, None), None);
}

#[test]
fn an_eviction_that_the_kubelet_finished_is_proof() {
    let conditions =
        json!([{ "type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet" }]);
    let p = bound(
        json!({ "phase": "Failed", "conditions": conditions, "containerStatuses": [ended("app")] }),
    );
    assert_eq!(proof(&p, None), Some(Proof::Finished));
}

#[test]
fn running_pending_unknown_or_no_status_prove_nothing() {
    for phase in ["Running", "Pending", "Unknown"] {
        let p = bound(json!({ "phase": phase, "containerStatuses": [ended("app")] }));
        assert_eq!(proof(&p, None), None, "{phase}");
        assert_eq!(
            proof_after_deletion(&p, None),
            None,
            "vanishing while {phase}"
        );
    }
    assert_eq!(proof(&bound(Value::Null), None), None);
}

#[test]
fn a_deletion_timestamp_or_a_force_deletion_proves_nothing() {
    let mut p = bound(json!({ "phase": "Running", "containerStatuses": [running("app")] }));
    p.metadata.deletion_grace_period_seconds = Some(0);
    assert_eq!(proof(&p, None), None);
    assert_eq!(proof_after_deletion(&p, None), None);
}

#[test]
fn deleted_before_it_had_a_node_is_proof_only_once_it_is_not_there() {
    let p = pod(json!({ "containers": [] }), json!({ "phase": "Pending" }));
    assert_eq!(proof(&p, None), None, "it may be bound the next moment");
    assert_eq!(proof_after_deletion(&p, None), Some(Proof::NeverBound));
}

#[test]
fn the_last_state_of_a_deleted_pod_still_counts() {
    let p = bound(json!({ "phase": "Succeeded", "containerStatuses": [ended("app")] }));
    assert_eq!(proof_after_deletion(&p, None), Some(Proof::Finished));
}

#[test]
fn a_node_that_is_not_ready_proves_nothing_by_itself() {
    let p = bound(json!({ "phase": "Running", "containerStatuses": [running("app")] }));
    for ready in ["False", "Unknown"] {
        assert_eq!(proof(&p, Some(&node("node-a", ready, json!([])))), None);
    }
    let unreachable = json!([{ "key": "node.kubernetes.io/unreachable", "effect": "NoExecute" }]);
    assert_eq!(
        proof(&p, Some(&node("node-a", "Unknown", unreachable))),
        None
    );
}

#[test]
fn out_of_service_on_a_node_that_is_not_ready_is_proof() {
    let p = bound(json!({ "phase": "Running", "containerStatuses": [running("app")] }));
    for ready in ["False", "Unknown"] {
        assert_eq!(
            proof(&p, Some(&node("node-a", ready, taint()))),
            Some(Proof::OutOfService)
        );
    }
    assert_eq!(
        proof(&p, Some(&node("node-a", "True", taint()))),
        None,
        "a ready node runs its pods, whatever the taint says"
    );
    assert_eq!(
        proof(&p, Some(&node("node-b", "False", taint()))),
        None,
        "another node"
    );
    let unbound = pod(json!({ "containers": [] }), json!({ "phase": "Pending" }));
    assert_eq!(
        proof(&unbound, Some(&node("node-a", "False", taint()))),
        None
    );
}
