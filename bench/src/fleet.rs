//! What there is in the operator's cluster: nodes, a LicenseServer, and pods.

use crate::plane::{Api, Plane};
use crate::wire::{connect, tls};
use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mooring_core::annotation::{LICENSES, SERVER};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// The operator's own namespace.
pub(crate) const NAMESPACE: &str = "mooring-system";
/// The LicenseServer, and its namespace.
pub(crate) const SERVER_NAME: &str = "main";
pub(crate) const SERVER_NAMESPACE: &str = "licensing";
/// Where the operator's webhook listens.
pub(crate) const WEBHOOK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9443);
/// Namespaces and nodes that pods are spread over.
const TEAMS: usize = 20;
const NODES: usize = 100;

fn team(i: usize) -> String {
    format!("team-{:03}-simulation", i % TEAMS)
}

fn node(i: usize) -> String {
    format!("ip-10-12-0-{}.eu-central-1.compute.internal", i % NODES)
}

/// Definitions, namespaces, accounts, nodes, and a LicenseServer with what it needs.
pub(crate) async fn prepare(plane: &Plane, crds: &Path) -> Result<()> {
    let api = plane.api()?;
    for file in std::fs::read_dir(crds)? {
        let crd: Value = serde_yaml::from_slice(&std::fs::read(file?.path())?)?;
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        api.create(path, &crd).await?;
    }
    let own = [NAMESPACE.to_owned(), SERVER_NAMESPACE.to_owned()];
    for name in own.into_iter().chain((0..TEAMS).map(team)) {
        api.create("/api/v1/namespaces", &json!({"metadata": {"name": name}}))
            .await?;
        let accounts = format!("/api/v1/namespaces/{name}/serviceaccounts");
        api.create(&accounts, &json!({"metadata": {"name": "solver"}}))
            .await?;
    }
    for i in 0..NODES {
        let ready = json!({"type": "Ready", "status": "True", "reason": "KubeletReady"});
        let node = json!({"metadata": {"name": node(i)}, "status": {"conditions": [ready]}});
        api.create("/api/v1/nodes", &node).await?;
    }
    let secrets = "/api/v1/namespaces/licensing/secrets";
    for (name, key) in [("license", "license.mooring"), ("key", "key")] {
        let secret =
            json!({"metadata": {"name": name}, "stringData": {key: "the server has its own"}});
        api.create(secrets, &secret).await?;
    }
    let main = json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "LicenseServer",
        "metadata": {"name": SERVER_NAME, "namespace": SERVER_NAMESPACE},
        "spec": {
            "licenses": [{"secretName": "license", "key": "license.mooring"}],
            "anchor": {"usb": {"keySecret": {"name": "key", "key": "key"}}},
            "placement": {"nodeSelector": {"anchor": "here"}}, "allowedNamespaces": {"from": "All"},
            "lease": {"duration": "5m"},
        },
    });
    let path = "/apis/mooring.dev/v1alpha1/namespaces/licensing/licenseservers";
    // Until the definitions are served.
    let end = Instant::now() + Duration::from_secs(30);
    while let Err(e) = api.create(path, &main).await {
        if Instant::now() > end {
            return Err(e);
        }
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// A pod with these annotations, as a controller makes it.
fn pod(i: usize, annotations: &Value) -> Value {
    let variable = |name: &str| json!({"name": name, "value": format!("{name} of case {i}")});
    let variables = ["OMP_NUM_THREADS", "CASE", "SCRATCH", "LOG_LEVEL"].map(variable);
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("crash-solver-7d9c5b6f4d-{i:05}"), "namespace": team(i), "annotations": annotations,
            "labels": {"app.kubernetes.io/name": "solver", "app.kubernetes.io/instance": "crash", "pod-template-hash": "7d9c5b6f4d"},
        },
        "spec": {
            "serviceAccountName": "solver",
            "containers": [{
                "name": "solver", "image": "registry.example.com/simulation/crash-solver:2026.1.3",
                "args": ["--case", "side-impact"], "ports": [{"name": "metrics", "containerPort": 9090}],
                "env": variables,
                "resources": {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "2Gi"}},
                "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
            }],
            "volumes": [{"name": "scratch", "emptyDir": {}}],
        },
    })
}

/// Makes a pod that does not opt in.
pub(crate) async fn make_foreign_pod(api: &Api, i: usize) -> Result<()> {
    let path = format!("/api/v1/namespaces/{}/pods", team(i));
    api.create(&path, &pod(i, &json!({}))).await.map(drop)
}

/// A pod that opts in, as the webhook wants it.
pub(crate) async fn injected_pod() -> Result<Value> {
    let server = format!("{SERVER_NAMESPACE}/{SERVER_NAME}");
    let mut pod = pod(0, &json!({(LICENSES.key): "render", (SERVER.key): server}));
    let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "1", "kind": kind, "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": team(0), "operation": "CREATE", "userInfo": {}, "object": pod, "dryRun": false,
        },
    });
    let body = serde_json::to_string(&review)?;
    let head = format!(
        "POST /mutate HTTP/1.1\r\nhost: webhook\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut conn = connect(&tls()?, WEBHOOK, 0).await?;
    let answer = conn.ask((head + &body).as_bytes()).await?;
    let said: Value = serde_json::from_slice(answer.body)?;
    let patch = said.pointer("/response/patch").and_then(Value::as_str);
    let patch = BASE64.decode(patch.with_context(|| said.to_string())?)?;
    let patch: json_patch::Patch = serde_json::from_slice(&patch)?;
    json_patch::patch(&mut pod, &patch)?;
    Ok(pod)
}

/// Makes a pod of this kind, on a node, whose containers run; its token for the license server.
pub(crate) async fn run_pod(api: &Api, i: usize, template: &Value) -> Result<String> {
    let mut pod = template.clone();
    let name = format!("render-{i:05}");
    for (at, value) in [
        ("/metadata/name", json!(name)),
        ("/metadata/namespace", json!(team(i))),
        ("/spec/nodeName", json!(node(i))),
    ] {
        let (parent, field) = at.rsplit_once('/').context("a path")?;
        let parent = pod.pointer_mut(parent).and_then(Value::as_object_mut);
        parent.context("an object")?.insert(field.to_owned(), value);
    }
    let pods = format!("/api/v1/namespaces/{}/pods", team(i));
    let mut pod = api.create(&pods, &pod).await?;
    let uid = pod.pointer("/metadata/uid").cloned();
    let runs = |name: &str, done: bool| {
        let state = if done {
            json!({"terminated": {"exitCode": 0, "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:00Z"}})
        } else {
            json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}})
        };
        json!({"name": name, "image": "i", "imageID": "i", "ready": true, "started": !done, "restartCount": 0, "state": state})
    };
    let status = json!({
        "phase": "Running", "startTime": "2026-01-01T00:00:00Z",
        "initContainerStatuses": [runs("mooring", false), runs("mooring-gate", true)],
        "containerStatuses": [runs("solver", false)],
    });
    pod.as_object_mut()
        .context("a pod")?
        .insert("status".to_owned(), status);
    api.replace(&format!("{pods}/{name}/status"), &pod).await?;
    let bound = json!({"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid});
    let audience = format!("mooring.dev/{SERVER_NAMESPACE}");
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"audiences": [audience], "expirationSeconds": 7200, "boundObjectRef": bound},
    });
    let accounts = format!(
        "/api/v1/namespaces/{}/serviceaccounts/solver/token",
        team(i)
    );
    let made = api.create(&accounts, &request).await?;
    let token = made.pointer("/status/token").and_then(Value::as_str);
    Ok(token.context("a token")?.to_owned())
}
