#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::needless_pass_by_value)]
use super::*;
use crate::watched::watched;
use serde_json::{Value, json};

fn pod(uid: &str, node: Value, status: Value) -> Pod {
    let env = json!([{ "name": "MOORING_SERVER", "value": "https://main.licensing.svc:8443" }]);
    serde_json::from_value(json!({
        "metadata": { "name": format!("p-{uid}"), "namespace": "apps", "uid": uid, "annotations": { "mooring.dev/licenses": "render" } },
        "spec": { "nodeName": node, "containers": [], "initContainers": [{ "name": "mooring", "args": ["run"], "restartPolicy": "Always", "env": env }] },
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

fn heard(subscription: &mut Subscription) -> Vec<String> {
    let mut all = Vec::new();
    while let Ok(k) = subscription.try_recv() {
        all.push(k.0);
    }
    all
}

fn cache() -> (ClusterCache, Subscription) {
    let cache = ClusterCache::default();
    let subscription = cache.listen(&ServerRef::new("licensing", "main"));
    (cache, subscription)
}

fn main() -> ServerRef {
    ServerRef::new("licensing", "main")
}

const NOW: BootTime = BootTime::from_millis(1);

/// The change of CAs asks this: who trusts only an earlier one must be named, or is cut off unseen.
#[test]
fn what_a_pods_sidecar_trusts_is_known_whole_while_the_pod_is_there() {
    let (cache, _subscription) = cache();
    let two = format!("{}\n{}\n", "a".repeat(700), "b".repeat(700));
    for (uid, roots) in [("a", &two), ("b", &two), ("c", &"x".repeat(100_000))] {
        let mut pod = pod(uid, json!("n"), running());
        let sidecar = &mut pod.spec.as_mut().unwrap().init_containers.as_mut().unwrap()[0];
        let roots = json!({ "name": "MOORING_ROOTS", "value": roots });
        let env = sidecar.env.as_mut().unwrap();
        env.push(serde_json::from_value(roots).unwrap());
        cache.pod_seen(watched(&pod));
    }
    // What anybody can write holds up no change of CAs.
    let mut forged = pod("d", json!("n"), running());
    let spec = forged.spec.as_mut().unwrap();
    let sidecar = &mut spec.init_containers.as_mut().unwrap()[0];
    sidecar.restart_policy = None;
    let roots = json!({ "name": "MOORING_ROOTS", "value": "x" });
    let env = sidecar.env.as_mut().unwrap();
    env.push(serde_json::from_value(roots).unwrap());
    cache.pod_seen(watched(&forged));
    let all = cache.roots(None);
    assert_eq!(all.keys().collect::<Vec<_>>(), [&two], "nothing is cut");
    let mut named = all[&two].clone();
    named.sort();
    assert_eq!(named, ["apps/p-a", "apps/p-b"]);
    let main = ServerRef::new("licensing", "main");
    assert_eq!(cache.roots(Some(&main)), all);
    let other = ServerRef::new("licensing", "other");
    assert!(cache.roots(Some(&other)).is_empty());
}

#[test]
fn a_servers_ear_hears_of_its_pods_alone() {
    let (cache, mut subscription) = cache();
    let mut other = cache.listen(&ServerRef::new("licensing", "other"));
    cache.pod_seen(watched(&pod("a", json!("n"), running())));
    assert_eq!(
        (heard(&mut subscription), heard(&mut other)),
        (vec!["a".to_owned()], vec![])
    );
    cache.pod_seen(watched(&Pod::default()));
    assert!(
        heard(&mut subscription).is_empty(),
        "a label without a sidecar is nothing to us"
    );
}

fn mirror(server: &str, uid: &str, state: &str, version: u32) -> LicenseLease {
    serde_json::from_value(json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "LicenseLease",
        "metadata": { "name": format!("{uid}.{server}"), "namespace": "apps", "uid": format!("{uid}.{server}"), "resourceVersion": version.to_string() },
        "spec": { "server": { "namespace": "licensing", "name": server }, "holder": { "kind": "Pod", "name": "p", "uid": uid } },
        "status": { "products": "render", "state": state, "since": "2026-01-01T00:00:00Z" }
    }))
    .unwrap()
}

/// A pod of `other` and `main`, in that order.
fn of_two(uid: &str) -> Pod {
    let mut pod = pod(uid, json!("n"), running());
    let sidecar = &mut pod.spec.as_mut().unwrap().init_containers.as_mut().unwrap()[0];
    let urls = "https://other.licensing.svc:8443;https://main.licensing.svc:8443";
    sidecar.env.as_mut().unwrap()[0].value = Some(urls.to_owned());
    watched(&pod)
}

#[test]
fn a_pod_of_several_servers_is_on_the_list_of_each_and_each_hears_of_it() {
    let (cache, mut subscription) = cache();
    let (main, other) = (main(), ServerRef::new("licensing", "other"));
    let mut others = cache.listen(&other);
    let p = of_two("a");
    let both = |s: &mut Subscription, o: &mut Subscription| {
        assert_eq!((heard(s), heard(o)), (vec!["a".into()], vec!["a".into()]));
    };
    cache.pod_seen(p.clone());
    both(&mut subscription, &mut others);
    cache.node_seen(node("True", json!([])));
    both(&mut subscription, &mut others);
    for server in [&main, &other] {
        assert_eq!(cache.pods_of(server), [key("a")]);
        assert_eq!(cache.may_have_run(server), [key("a")]);
        assert_eq!(
            (cache.count(server), cache.is_of(&key("a"), server)),
            (1, true)
        );
    }
    cache.pod_absent(&p, true, NOW);
    both(&mut subscription, &mut others);
}

/// Else what one shows would stay as it was until the pod itself changes.
#[test]
fn that_one_server_has_a_pod_is_heard_at_its_others() {
    let (cache, mut subscription) = cache();
    let (main, other) = (main(), ServerRef::new("licensing", "other"));
    cache.pod_seen(of_two("a"));
    heard(&mut subscription);
    let stands = || cache.elsewhere(&main, &key("a"));
    assert_eq!(stands(), Elsewhere::Nowhere);
    cache.mirror_written(&other, mirror("other", "a", "Waiting", 1), NOW);
    assert_eq!(
        (stands(), heard(&mut subscription).len()),
        (Elsewhere::InLine, 1)
    );
    cache.mirror_written(&other, mirror("other", "a", "Held", 2), NOW);
    assert_eq!(
        (stands(), heard(&mut subscription).len()),
        (Elsewhere::Licensed, 1)
    );
    cache.mirror_written(&other, mirror("other", "a", "Held", 3), NOW);
    assert!(
        heard(&mut subscription).is_empty(),
        "no other state is no news"
    );
    cache.mirror_written(&main, mirror("main", "a", "Waiting", 4), NOW);
    assert_eq!(stands(), Elsewhere::Licensed);
    assert_eq!(cache.elsewhere(&other, &key("a")), Elsewhere::InLine);
    cache.mirror_removed(&other, &key("a"));
    assert_eq!(
        (stands(), heard(&mut subscription).len()),
        (Elsewhere::Nowhere, 1)
    );
    cache.mirror_seen(mirror("other", "a", "Grace", 9));
    assert_eq!(
        (stands(), heard(&mut subscription).len()),
        (Elsewhere::Licensed, 1)
    );
    cache.mirror_deleted(&mirror("other", "a", "Grace", 10));
    assert_eq!(
        (stands(), heard(&mut subscription).len()),
        (Elsewhere::Nowhere, 1)
    );
    // Of a pod that is not of this server a mirror says nothing here.
    cache.pod_seen(watched(&pod("b", json!("n"), running())));
    cache.mirror_written(&other, mirror("other", "b", "Held", 11), NOW);
    assert_eq!(cache.elsewhere(&main, &key("b")), Elsewhere::Nowhere);
}

#[test]
fn a_running_pod_that_vanishes_is_not_proven_gone() {
    let (cache, mut subscription) = cache();
    let p = pod("a", json!("n"), running());
    cache.pod_seen(watched(&p));
    cache.pod_absent(&p, true, NOW);
    assert_eq!(cache.proof(&key("a")), None);
    assert!(matches!(cache.fact(&main(), &key("a")).0, PodFact::Unseen));
    assert_eq!(heard(&mut subscription), ["a", "a"]);
}

#[test]
fn an_unbound_pod_is_proven_gone_by_its_deletion_but_not_by_a_new_list() {
    let (cache, _ear) = cache();
    let p = pod("a", Value::Null, json!({ "phase": "Pending" }));
    cache.pod_seen(watched(&p));
    cache.pod_absent(&p, false, NOW);
    assert_eq!(
        cache.proof(&key("a")),
        None,
        "bound while nobody looked, perhaps"
    );
    cache.pod_absent(&p, true, NOW);
    assert_eq!(cache.proof(&key("a")), Some(Proof::NeverBound));
}

#[test]
fn a_taint_is_heard_by_the_servers_of_the_nodes_pods() {
    let (cache, mut subscription) = cache();
    cache.node_seen(node("True", json!([])));
    cache.pod_seen(watched(&pod("a", json!("n"), running())));
    heard(&mut subscription);
    let taint = json!([{ "key": "node.kubernetes.io/out-of-service", "effect": "NoExecute" }]);
    assert!(cache.node_seen(node("Unknown", taint.clone())));
    assert_eq!(heard(&mut subscription), ["a"]);
    assert_eq!(cache.proof(&key("a")), Some(Proof::OutOfService));
    assert!(
        !cache.node_seen(node("Unknown", taint)),
        "a heartbeat is no change"
    );
}

#[test]
fn a_deletion_that_no_kubelet_hears_leaves_the_pod_running() {
    let (cache, _ear) = cache();
    let mut p = pod("a", json!("n"), running());
    p.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
        mooring_core::time::Timestamp::UNIX_EPOCH,
    ));
    cache.pod_seen(watched(&p));
    cache.node_seen(node("True", json!([])));
    assert!(matches!(cache.fact(&main(), &key("a")).0, PodFact::Idle));
    cache.node_seen(node("Unknown", json!([])));
    assert!(matches!(
        cache.fact(&main(), &key("a")).0,
        PodFact::Running { .. }
    ));
}

#[test]
fn only_pods_that_a_new_list_lacks_are_missing() {
    let (cache, _ear) = cache();
    cache.pod_seen(watched(&pod("a", json!("n"), running())));
    cache.pod_seen(watched(&pod("b", json!("n"), running())));
    let missing = cache.pods_missing(&HashSet::from([key("a")]));
    assert_eq!(
        missing.iter().filter_map(key_of).collect::<Vec<_>>(),
        [key("b")]
    );
}
