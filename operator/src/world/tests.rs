#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::needless_pass_by_value)]
use super::*;
use serde_json::{Value, json};

fn pod(uid: &str, node: Value, status: Value) -> Pod {
    let env = json!([{ "name": "MOORING_SERVER", "value": "https://main.licensing.svc:8443" }]);
    serde_json::from_value(json!({
        "metadata": { "name": format!("p-{uid}"), "namespace": "apps", "uid": uid },
        "spec": { "nodeName": node, "containers": [], "initContainers": [{ "name": "mooring", "env": env }] },
        "status": status
    }))
    .unwrap()
}

fn running() -> Value {
    json!({ "phase": "Running", "initContainerStatuses": [{ "name": "mooring", "image": "", "imageID": "",
        "ready": true, "restartCount": 0, "state": { "running": {} } }] })
}

fn node(ready: &str, taints: Value) -> Node {
    serde_json::from_value(json!({
        "metadata": { "name": "n" },
        "spec": { "taints": taints },
        "status": { "conditions": [{ "type": "Ready", "status": ready }] }
    }))
    .unwrap()
}

fn key(uid: &str) -> HolderKey {
    HolderKey(uid.to_owned())
}

fn heard(ear: &mut Ear) -> Vec<String> {
    let mut all = Vec::new();
    while let Ok(k) = ear.try_recv() {
        all.push(k.0);
    }
    all
}

fn world() -> (World, Ear) {
    let world = World::default();
    let ear = world.listen(&ServerRef::new("licensing", "main"));
    (world, ear)
}

const NOW: BootTime = BootTime::from_millis(1);

#[test]
fn a_servers_ear_hears_of_its_pods_alone() {
    let (world, mut ear) = world();
    let mut other = world.listen(&ServerRef::new("licensing", "other"));
    world.pod_seen(pod("a", json!("n"), running()));
    assert_eq!(
        (heard(&mut ear), heard(&mut other)),
        (vec!["a".to_owned()], vec![])
    );
    world.pod_seen(Pod::default());
    assert!(
        heard(&mut ear).is_empty(),
        "a label without a sidecar is nothing to us"
    );
}

#[test]
fn a_running_pod_that_vanishes_is_not_proven_gone() {
    let (world, mut ear) = world();
    let p = pod("a", json!("n"), running());
    world.pod_seen(p.clone());
    world.pod_absent(&p, true, NOW);
    assert_eq!(world.proof(&key("a")), None);
    assert!(matches!(
        world.fact(&key("a"), Duration::ZERO).0,
        PodFact::Unseen
    ));
    assert_eq!(heard(&mut ear), ["a", "a"]);
}

#[test]
fn an_unbound_pod_is_proven_gone_by_its_deletion_but_not_by_a_new_list() {
    let (world, _ear) = world();
    let p = pod("a", Value::Null, json!({ "phase": "Pending" }));
    world.pod_seen(p.clone());
    world.pod_absent(&p, false, NOW);
    assert_eq!(
        world.proof(&key("a")),
        None,
        "bound while nobody looked, perhaps"
    );
    world.pod_absent(&p, true, NOW);
    assert_eq!(world.proof(&key("a")), Some(Proof::NeverBound));
}

#[test]
fn a_taint_is_heard_by_the_servers_of_the_nodes_pods() {
    let (world, mut ear) = world();
    world.node_seen(node("True", json!([])));
    world.pod_seen(pod("a", json!("n"), running()));
    heard(&mut ear);
    let taint = json!([{ "key": "node.kubernetes.io/out-of-service", "effect": "NoExecute" }]);
    assert!(world.node_seen(node("Unknown", taint.clone())));
    assert_eq!(heard(&mut ear), ["a"]);
    assert_eq!(world.proof(&key("a")), Some(Proof::OutOfService));
    assert!(
        !world.node_seen(node("Unknown", taint)),
        "a heartbeat is no change"
    );
}

#[test]
fn a_deletion_that_no_kubelet_hears_leaves_the_pod_running() {
    let (world, _ear) = world();
    let mut p = pod("a", json!("n"), running());
    p.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
        mooring_core::time::Timestamp::UNIX_EPOCH,
    ));
    world.pod_seen(p);
    world.node_seen(node("True", json!([])));
    assert!(matches!(
        world.fact(&key("a"), Duration::ZERO).0,
        PodFact::Idle
    ));
    world.node_seen(node("Unknown", json!([])));
    assert!(matches!(
        world.fact(&key("a"), Duration::ZERO).0,
        PodFact::Running { .. }
    ));
}

#[test]
fn only_pods_that_a_new_list_lacks_are_missing() {
    let (world, _ear) = world();
    world.pod_seen(pod("a", json!("n"), running()));
    world.pod_seen(pod("b", json!("n"), running()));
    let missing = world.pods_missing(&HashSet::from([key("a")]));
    assert_eq!(
        missing.iter().filter_map(|p| key_of(p)).collect::<Vec<_>>(),
        [key("b")]
    );
}
