//! One pod through the API server's whole admission, as a dry run, and what is compared of it.

use super::shapes::{self, Shape};
use crate::lab::Lab;
use anyhow::{Context as _, Result, bail, ensure};
use http::Request;
use serde_json::{Value, json};

/// The namespace of the LicenseServer that all shapes ask. It need not be Ready: nothing starts.
pub(super) const LICENSING: &str = "e2e-corpus-licensing";

/// What our containers, volumes and variables are called.
const CONTAINERS: [&str; 2] = ["mooring", "mooring-gate"];
const VOLUMES: [&str; 3] = ["mooring-state", "mooring-socket", "mooring-token"];
const VARIABLE: &str = "MOORING_SOCKET";
const PREFIX: &str = "mooring.dev/";
/// Annotations by which meshes leave ports alone: a shape may have them, and then they are longer.
const PORTS: [&str; 6] = [
    "traffic.sidecar.istio.io/excludeOutboundPorts",
    "config.linkerd.io/skip-outbound-ports",
    "consul.hashicorp.com/transparent-proxy-exclude-outbound-ports",
    "traffic.kuma.io/exclude-outbound-ports",
    "openservicemesh.io/outbound-port-exclusion-list",
    "config.nsm.nginx.com/ignore-outgoing-ports",
];

/// The pod as it would be made, or why it would not.
pub(super) async fn dry_run(lab: &Lab, ns: &str, pod: &Value) -> Result<Result<Value, String>> {
    let path = format!("/api/v1/namespaces/{ns}/pods?dryRun=All");
    send(lab, "POST", &path, "application/json", pod).await
}

/// A request to the API server; what it refuses is no error.
pub(super) async fn send(
    lab: &Lab,
    method: &str,
    path: &str,
    kind: &str,
    body: &Value,
) -> Result<Result<Value, String>> {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("content-type", kind);
    let request = request.body(serde_json::to_vec(body)?)?;
    match lab.client.request::<Value>(request).await {
        Ok(made) => Ok(Ok(made)),
        Err(kube::Error::Api(s)) if (400..500).contains(&s.code) => Ok(Err(s.message.clone())),
        Err(e) => Err(e).context("asking the API server"),
    }
}

/// What asks for a license.
fn annotations() -> [(&'static str, String); 2] {
    [
        ("mooring.dev/licenses", "render".into()),
        ("mooring.dev/server", format!("{LICENSING}/main")),
    ]
}

/// The pod, asking for a license.
pub(super) fn asking(pod: &Value, more: &[(&str, &str)]) -> Value {
    let mut pod = pod.clone();
    let annotations = annotations();
    let ours = annotations.iter().map(|(k, v)| (*k, v.as_str()));
    for (key, value) in ours.chain(more.iter().copied()) {
        pod["metadata"]["annotations"][key] = json!(value);
    }
    pod
}

/// Each shape in a namespace, with and without Mooring. `refusals`: words with which somebody else
/// refuses what Mooring makes of a shape.
pub(super) async fn compare_all(lab: &Lab, ns: &str, refusals: &[&str]) -> Result<()> {
    let (mut admitted, mut refused) = (0, 0);
    for shape in shapes::all()? {
        let compared = compare(lab, ns, &shape, refusals).await;
        if compared.with_context(|| format!("shape {}", shape.name))? {
            admitted += 1;
        } else {
            refused += 1;
        }
    }
    println!("  {admitted} admitted, {refused} refused, as without Mooring or with words");
    ensure!(admitted > 0, "none was admitted: nothing was tried");
    Ok(())
}

/// Whether it is admitted with Mooring.
async fn compare(lab: &Lab, ns: &str, shape: &Shape, refusals: &[&str]) -> Result<bool> {
    let without = dry_run(lab, ns, &shape.pod).await?;
    let with = dry_run(lab, ns, &asking(&shape.pod, &[])).await?;
    match (without, with, &shape.refused) {
        (Ok(_), Err(said), Some(words)) => {
            ensure!(said.contains(words.as_str()), "not {words:?}, but: {said}");
            Ok(false)
        }
        (Err(_), Err(_), _) => Ok(false),
        (Ok(without), Ok(with), None) => {
            let class = |pod: &Value| pod["status"]["qosClass"] == "Guaranteed";
            ensure!(class(&without) == class(&with), "another class of pod");
            let (theirs, left) = (own(without), own(with));
            ensure!(theirs == left, "{}", difference(&theirs, &left, ""));
            Ok(true)
        }
        (Ok(_), Err(said), None) if refusals.iter().any(|r| said.contains(r)) => Ok(false),
        (without, with, refused) => bail!(
            "without Mooring: {}; with it: {}; to be refused: {refused:?}",
            without.map_or_else(|e| e, |_| "admitted".into()),
            with.map_or_else(|e| e, |_| "admitted".into())
        ),
    }
}

/// What is the pod's own: without what Mooring adds, and what each creation makes anew.
fn own(mut pod: Value) -> Value {
    pod.as_object_mut().map(|p| p.remove("status"));
    if let Some(metadata) = pod["metadata"].as_object_mut() {
        for made in ["uid", "creationTimestamp", "managedFields", "generation"] {
            metadata.remove(made);
        }
        if metadata.contains_key("generateName") {
            metadata.remove("name");
        }
        for map in ["labels", "annotations"] {
            let Some(keys) = metadata.get_mut(map).and_then(Value::as_object_mut) else {
                continue;
            };
            keys.retain(|k, _| !k.starts_with(PREFIX) && !PORTS.contains(&k.as_str()));
            if keys.is_empty() {
                metadata.remove(map);
            }
        }
    }
    let spec = &mut pod["spec"];
    // Raised by what the sidecar needs; by how much, the webhook's own tests know.
    spec.as_object_mut().map(|s| s.remove("resources"));
    for list in ["containers", "initContainers"] {
        for c in spec[list].as_array_mut().into_iter().flatten() {
            drop_from(c, "env", "name", |name| name == VARIABLE);
            drop_from(c, "volumeMounts", "name", |name| VOLUMES.contains(&name));
            for m in c["volumeMounts"].as_array_mut().into_iter().flatten() {
                rename(m);
            }
        }
    }
    drop_from(spec, "initContainers", "name", |n| CONTAINERS.contains(&n));
    drop_from(spec, "volumes", "name", |name| VOLUMES.contains(&name));
    for v in spec["volumes"].as_array_mut().into_iter().flatten() {
        rename(v);
    }
    pod
}

/// The volume with the pod's API token has another name each time.
fn rename(named: &mut Value) {
    let name = named["name"].as_str().unwrap_or_default();
    if name.starts_with("kube-api-access-") {
        named["name"] = "kube-api-access".into();
    }
}

/// Takes elements out of a list, and the list if nothing is left.
fn drop_from(of: &mut Value, list: &str, key: &str, is_ours: impl Fn(&str) -> bool) {
    let Some(all) = of[list].as_array_mut() else {
        of.as_object_mut().map(|o| o.remove(list));
        return;
    };
    all.retain(|e| !e[key].as_str().is_some_and(&is_ours));
    if all.is_empty() {
        of.as_object_mut().map(|o| o.remove(list));
    }
}

/// Where two values differ first.
fn difference(a: &Value, b: &Value, at: &str) -> String {
    if let (Some(x), Some(y)) = (a.as_object(), b.as_object()) {
        for key in x.keys().chain(y.keys()) {
            let (v, w) = (x.get(key), y.get(key));
            if v != w {
                let none = Value::Null;
                let (v, w) = (v.unwrap_or(&none), w.unwrap_or(&none));
                return difference(v, w, &format!("{at}/{key}"));
            }
        }
    }
    if let (Some(x), Some(y)) = (a.as_array(), b.as_array())
        && x.len() == y.len()
    {
        let mut pairs = x.iter().zip(y).enumerate();
        if let Some((i, (v, w))) = pairs.find(|(_, (v, w))| v != w) {
            return difference(v, w, &format!("{at}/{i}"));
        }
    }
    format!("{at} is {a:.300} without Mooring, and {b:.300} with it")
}
