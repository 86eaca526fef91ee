#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::needless_pass_by_value)]
use super::*;
use crate::pods::{
    is_injected, max_grace, node_name, runs_since, servers_of, sidecar_env, sidecar_may_have_run,
    sidecar_runs,
};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::ResourceExt as _;
use mooring_api::names::ServerRef;
use serde_json::{Value, json};

/// A pod as the webhook makes it, with what is changed of it.
fn pod(change: impl FnOnce(&mut Value)) -> Value {
    let env = json!([
        { "name": "MOORING_LICENSES", "value": "render:2" },
        { "name": "MOORING_SERVER", "value": "https://main.licensing.svc:8443" }
    ]);
    let sidecar = json!({ "name": "mooring", "image": "mirror.example/any", "args": ["run"], "restartPolicy": "Always", "env": env });
    let mut v = json!({
        "metadata": { "name": "p", "namespace": "apps", "uid": "u", "resourceVersion": "7", "annotations": { "mooring.dev/licenses": "render:2" } },
        "spec": { "containers": [{ "name": "app" }], "initContainers": [sidecar], "nodeName": "n", "serviceAccountName": "default" },
    });
    change(&mut v);
    v
}

fn main() -> ServerRef {
    ServerRef::new("licensing", "main")
}

fn read(pod: Value) -> Pod {
    let text = serde_json::to_string(&pod).unwrap();
    serde_json::from_str::<WatchedPod>(&text).unwrap().0
}

fn size(kept: &Pod) -> usize {
    serde_json::to_string(kept).unwrap().len()
}

#[test]
fn what_is_kept_of_a_pod_has_a_bound_whatever_its_maker_wrote() {
    let huge = "x".repeat(100_000);
    let large = read(pod(|v| {
        v["metadata"]["annotations"]["a"] = json!(huge);
        v["metadata"]["labels"] = json!({ "l": huge });
        let sidecar = &mut v["spec"]["initContainers"][0];
        sidecar["args"] = json!(vec![huge.clone(); 100]);
        sidecar["env"][0]["value"] = json!(huge);
        for n in 0..100 {
            let variable = json!({ "name": format!("V{n}"), "value": huge });
            sidecar["env"].as_array_mut().unwrap().push(variable);
        }
        let state = json!({ "terminated": { "exitCode": 0, "message": huge } });
        let status = json!({ "name": "mooring", "image": huge, "imageID": huge, "ready": true, "restartCount": 0, "state": state });
        v["status"] =
            json!({ "phase": "Running", "message": huge, "initContainerStatuses": [status] });
    }));
    assert!(size(&large) < 4096, "{} bytes are kept", size(&large));
    assert_eq!(servers_of(&large), [main()]);
}

/// One too few would be on no roster.
#[test]
fn all_servers_of_a_pod_are_kept_also_where_their_names_are_long_and_what_is_longer_is_cut() {
    let url = |n: usize| format!("https://{n}{}.{}.svc:8443", "s".repeat(51), "n".repeat(63));
    let urls: Vec<String> = (0..8).map(url).collect();
    let told = |urls: String| {
        read(pod(move |v| {
            v["spec"]["initContainers"][0]["env"][1]["value"] = json!(urls);
        }))
    };
    assert_eq!(servers_of(&told(urls.join(";"))).len(), 8);
    let large = told(format!("{};{}", url(0), "x".repeat(100_000)));
    assert_eq!(servers_of(&large).len(), 1);
    assert!(size(&large) < 4096, "{} bytes are kept", size(&large));
}

/// The typed object takes 2 KB for a container of 20 bytes, and 640 bytes for each level of a field
/// manager's fields.
#[test]
fn what_is_small_and_many_is_skipped_while_it_is_read() {
    let mut nested = "{}".to_owned();
    for _ in 0..50 {
        nested = format!(r#"{{"f:a":{nested}}}"#);
    }
    let nested: Value = serde_json::from_str(&nested).unwrap();
    let waits = |n: usize| json!({ "name": format!("c{n}"), "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": { "waiting": { "reason": "ImagePullBackOff" } } });
    let many = read(pod(|v| {
        v["metadata"]["managedFields"] = json!([{ "manager": "m", "fieldsV1": nested }]);
        v["metadata"]["ownerReferences"] = json!(vec![
            json!({ "apiVersion": "v1", "kind": "Pod", "name": "o", "uid": "u" });
            1000
        ]);
        let tiny = vec![json!({ "name": "a", "image": "x" }); 7000];
        v["spec"]["containers"] = json!(tiny);
        v["spec"]["initContainers"]
            .as_array_mut()
            .unwrap()
            .extend(tiny);
        let all: Vec<Value> = (0..7000).map(waits).collect();
        v["status"] = json!({ "phase": "Pending", "containerStatuses": all });
    }));
    assert!(size(&many) < 2048, "{} bytes are kept", size(&many));
    let spec = many.spec.as_ref().unwrap();
    assert_eq!(spec.init_containers.as_ref().unwrap().len(), 1);
    assert!(spec.containers.is_empty());
    assert_eq!(many.metadata.managed_fields, None);
    assert_eq!(many.metadata.owner_references, None);
    assert_eq!(
        many.resource_version().as_deref(),
        Some("7"),
        "the watch goes on from it"
    );
}

#[test]
fn of_many_containers_each_way_to_be_is_kept() {
    let state = |n: usize| match n {
        3000 => json!({ "running": { "startedAt": "2026-03-01T12:00:00Z" } }),
        _ => json!({ "terminated": { "exitCode": 0 } }),
    };
    let status = |n: usize| json!({ "name": format!("c{n}"), "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state(n) });
    let one_runs: Vec<Value> = (0..7000).map(status).collect();
    let pod = read(pod(|v| {
        v["status"] = json!({ "phase": "Succeeded", "containerStatuses": one_runs });
    }));
    assert_eq!(crate::gone::proof(&pod, None), None, "one of 7,000 runs");
    let kept = pod.status.unwrap().container_statuses.unwrap();
    assert_eq!(kept.len(), 2);
}

#[test]
fn what_is_read_is_all_that_is_asked_of_a_pod() {
    let state = json!({ "waiting": { "reason": "ImagePullBackOff", "message": "m" } });
    let status = json!({ "name": "mooring", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state });
    let whole = pod(
        |v| v["status"] = json!({ "phase": "Pending", "startTime": "2026-03-01T12:00:00Z", "initContainerStatuses": [status] }),
    );
    let part = read(whole.clone());
    assert_eq!(watched(&part), part, "again, nothing more");
    let asked = |p: &Pod| {
        let env = sidecar_env(p, "MOORING_LICENSES");
        (
            servers_of(p),
            env,
            sidecar_may_have_run(p),
            sidecar_runs(p),
            node_name(p).map(str::to_owned),
            is_injected(p),
            max_grace(p, &main()),
            runs_since(p),
        )
    };
    let whole: Pod = serde_json::from_value(whole).unwrap();
    assert_eq!(asked(&part), asked(&whole));
}

#[test]
fn of_an_objects_owners_the_one_that_makes_it_anew_is_kept() {
    let owner = |uid: &str, controller: Value| json!({ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "d-1", "uid": uid, "controller": controller });
    let long = "x".repeat(2000);
    let all = [
        owner("a", json!(false)),
        owner(&long, json!(true)),
        owner("b", json!(true)),
        owner("c", json!(true)),
    ];
    let kept = read(pod(|v| v["metadata"]["ownerReferences"] = json!(all)));
    let owners = kept.metadata.owner_references.unwrap();
    let uids: Vec<&str> = owners.iter().map(|o| o.uid.as_str()).collect();
    assert_eq!(uids, ["b"]);
    let none = read(pod(|v| {
        v["metadata"]["ownerReferences"] = json!([owner("a", json!(null))]);
    }));
    assert_eq!(none.metadata.owner_references, None);
}

#[test]
fn lists_that_are_null_are_empty() {
    let pod = read(json!({
        "metadata": { "name": "p", "uid": "u", "labels": null, "annotations": null },
        "spec": { "containers": null, "initContainers": null },
        "status": { "conditions": null, "containerStatuses": null },
    }));
    assert_eq!(pod.metadata.name.as_deref(), Some("p"));
    assert_eq!(servers_of(&pod), []);
}

#[test]
fn of_an_object_that_is_only_looked_up_its_name_and_server_are_read() {
    let object = json!({ "metadata": { "name": "x", "namespace": "a", "resourceVersion": "3",
        "labels": { "mooring.dev/server": "main", "other": "y" },
        "managedFields": [{ "manager": "m", "fieldsV1": { "f:a": {} } }] } });
    let head: Head<ConfigMap> = serde_json::from_value(object).unwrap();
    assert_eq!(head.name_any(), "x");
    assert_eq!(head.labels().len(), 1);
    assert_eq!(head.labels()["mooring.dev/server"], "main");
    assert!(head.managed_fields().is_empty());
}
