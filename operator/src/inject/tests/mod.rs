//! Real-life pods through the webhook's rules, and each refusal's text.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value
)]

mod any;
mod outside;
mod pods;
mod pools;
mod refusals;
mod second_pass;
mod servers;

use super::quantity::Quantity;
use super::*;
use k8s_openapi::api::core::v1::Service;
use mooring_api::LicenseServer;
use serde_json::{Value, json};

pub(super) fn settings() -> Settings {
    Settings {
        images: Images {
            image: "mooring.local/sidecar:test".into(),
            also: vec![],
        },
        pull_policy: "IfNotPresent".into(),
        pull_secrets: vec![],
        run_as_user: Some(65532),
        budget: Budget::parse(("10m", "100m"), ("32Mi", "32Mi")).unwrap(),
        log: "info".into(),
        version: "0.1.0".into(),
    }
}

pub(super) fn server(namespace: &str, name: &str, allowed: Value) -> LicenseServer {
    serde_json::from_value(json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "LicenseServer",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "licenses": [{"secretName": "license"}],
            "anchor": {"pkcs11": {"module": "/m.so", "tokenLabel": "t", "pinSecret": {"name": "pin"}}},
            "placement": {"nodeSelector": {"a": "b"}},
            "allowedNamespaces": allowed,
        },
    }))
    .unwrap()
}

pub(super) fn target() -> SidecarTarget {
    let service: Service = serde_json::from_value(json!({
        "spec": {"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7", "fd00::7"]},
    }))
    .unwrap();
    SidecarTarget::new(
        &mooring_core::request::parse("render").unwrap(),
        &server("licensing", "main", json!({"from": "All"})),
        Some(&service),
    )
}

/// The pod after the webhook, and how many operations it took.
pub(super) fn inject_with(pod: &Value, settings: &Settings) -> Result<(Value, usize), Refusal> {
    inject_for(pod, settings, &[target()])
}

/// The same of a pod of these license servers.
pub(super) fn inject_for(
    pod: &Value,
    settings: &Settings,
    targets: &[SidecarTarget],
) -> Result<(Value, usize), Refusal> {
    let typed: Pod = serde_json::from_value(pod.clone()).unwrap();
    let requested = requested(&typed)?.expect("it did not opt in");
    let ctx = InjectContext {
        targets,
        roots: "PEM",
        settings,
        review: "a-review",
    };
    let patch = mutate(pod.clone(), &typed, &requested, &ctx)?;
    // What the API server does with it.
    let mut after = pod.clone();
    let patch: Patch = serde_json::from_slice(&serde_json::to_vec(&patch).unwrap()).unwrap();
    json_patch::patch(&mut after, &patch).unwrap();
    Ok((after, patch.len()))
}

pub(super) fn inject(pod: &Value) -> Value {
    inject_with(pod, &settings()).unwrap().0
}

pub(super) fn refusal(pod: &Value) -> String {
    inject_with(pod, &settings()).unwrap_err().to_string()
}

/// A pod with these annotations (keys without `mooring.dev/`) and this spec.
pub(super) fn pod(annotations: Value, spec: Value) -> Value {
    let mut keys = serde_json::Map::new();
    for (k, v) in annotations.as_object().unwrap() {
        keys.insert(
            if k.contains('/') {
                k.clone()
            } else {
                format!("mooring.dev/{k}")
            },
            v.clone(),
        );
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "app-", "annotations": keys}, "spec": spec})
}

pub(super) fn simple(annotations: Value) -> Value {
    pod(
        annotations,
        json!({"containers": [{"name": "app", "image": "app:1"}]}),
    )
}

pub(super) fn names(list: &Value) -> Vec<&str> {
    list.as_array()
        .map(|l| l.iter().map(|c| c["name"].as_str().unwrap()).collect())
        .unwrap_or_default()
}

pub(super) fn sidecar_of(pod: &Value) -> &Value {
    pod["spec"]["initContainers"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["name"] == "mooring")
        .unwrap()
}

pub(super) fn has_socket(container: &Value) -> bool {
    let env = container["env"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|e| e["name"] == "MOORING_SOCKET");
    let mounts = container["volumeMounts"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|m| m["name"] == "mooring-socket");
    let mounts: Vec<_> = mounts.collect();
    assert_eq!(env, !mounts.is_empty(), "{container}");
    assert!(
        mounts
            .iter()
            .all(|m| m["readOnly"] == true && m["mountPath"] == "/run/mooring"),
        "{container}"
    );
    env
}
