//! What the webhook does to a pod that opted in (docs/pods.md).
//!
//! Pure functions of data: [`Requested::read`] reads the annotations, [`choose`] finds the
//! LicenseServer, [`mutate`] says what changes. They promise: the same pod always gives the same
//! patch; a pod that is injected already gives an empty one; a field that is not ours is never
//! touched; each refusal says what to do.

mod hint;
mod ours;
mod patch;
mod place;
mod quantity;
mod refusal;
mod requested;
mod resources;
mod server;
mod sidecar;
#[cfg(test)]
mod tests;

pub use refusal::Refusal;
pub use requested::{Requested, unknown_keys};
pub use resources::Budget;
pub use server::{
    ChoiceContext, NoServer, ServerName, SidecarTarget, addresses, choose, license_warnings,
};
pub use sidecar::Settings;

use json_patch::Patch;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use mooring_api::names::INJECTED;
use mooring_core::annotation::{Annotation, CONTAINERS, GATE_AFTER};
use ours::{Role, others};
use patch::Document;
use requested::{Named, Wait};
use serde_json::{Value, json, to_value};
use sidecar::{SOCKET, SOCKET_DIR, SOCKET_ENV, SOCKET_VOLUME, STATE_VOLUME, TOKEN_VOLUME};
use std::collections::BTreeMap;

/// The annotation of a mirror pod: the API server's image of a kubelet's static pod, which nobody
/// can change.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// What a pod that opted in is given.
#[derive(Clone, Copy, Debug)]
pub struct InjectContext<'a> {
    pub target: &'a SidecarTarget,
    /// The certificates that its sidecar trusts, PEM.
    pub roots: &'a str,
    /// How sidecars are made.
    pub settings: &'a Settings,
}

/// Reads what a pod asks for; `None` if nothing is to be done: it did not opt in, or it is a mirror
/// pod.
pub fn requested(pod: &Pod) -> Result<Option<Requested>, Refusal> {
    let none = BTreeMap::new();
    let annotations = pod.metadata.annotations.as_ref().unwrap_or(&none);
    if annotations.contains_key(MIRROR) {
        Ok(None)
    } else {
        Requested::read(annotations)
    }
}

/// What changes in a pod. `raw` is the pod as it came, `pod` the same as read.
pub fn mutate(
    raw: Value,
    pod: &Pod,
    requested: &Requested,
    ctx: &InjectContext<'_>,
) -> Result<Patch, Refusal> {
    let spec = pod
        .spec
        .as_ref()
        .ok_or_else(|| Refusal::Internal("it has no spec".to_owned()))?;
    check(spec, requested)?;
    let mut doc = Document::new(raw);
    apply(&mut doc, pod, spec, requested, ctx)?;
    Ok(doc.finish().0)
}

/// What a pod that opted in cannot be.
fn check(spec: &PodSpec, requested: &Requested) -> Result<(), Refusal> {
    if spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        return Err(Refusal::Windows);
    }
    ours::check_names(spec)?;
    for c in others(spec) {
        let private = |volume: &str| volume == STATE_VOLUME || volume == TOKEN_VOLUME;
        if let Some(m) = c.volume_mounts.iter().flatten().find(|m| private(&m.name)) {
            return Err(Refusal::PrivateVolume {
                container: c.name.clone(),
                volume: m.name.clone(),
            });
        }
    }
    let after = &requested.gate_after;
    known(
        &GATE_AFTER,
        "an init container",
        after,
        ours::other_init(spec),
    )
}

/// The containers that get the socket, by name: those the annotation names, or all but a mesh's and
/// those that have ended before there is a socket.
fn recipients(spec: &PodSpec, requested: &Requested, at: usize) -> Result<Vec<String>, Refusal> {
    let Some(named) = &requested.containers else {
        let own = ours::alongside(spec, at).filter(|c| !place::of_a_mesh(&c.name));
        return Ok(own.map(|c| c.name.clone()).collect());
    };
    known(&CONTAINERS, "a container", named, others(spec))?;
    Ok(named.iter().map(|n| n.name.clone()).collect())
}

/// Each name in an annotation is one of these containers'.
fn known<'a>(
    annotation: &Annotation,
    kind: &'static str,
    named: &[Named],
    containers: impl Iterator<Item = &'a Container>,
) -> Result<(), Refusal> {
    let there: Vec<&str> = containers.map(|c| c.name.as_str()).collect();
    match named.iter().find(|n| !there.contains(&n.name.as_str())) {
        None => Ok(()),
        Some(n) => Err(Refusal::NoSuchContainer {
            key: annotation.key,
            kind,
            at: n.at,
            name: n.name.clone(),
            known: if there.is_empty() {
                "it has none".to_owned()
            } else {
                there.join(", ")
            },
        }),
    }
}

fn apply(
    doc: &mut Document,
    pod: &Pod,
    spec: &PodSpec,
    requested: &Requested,
    ctx: &InjectContext<'_>,
) -> Result<(), Refusal> {
    let at = ours::position(spec, requested);
    let recipients = recipients(spec, requested, at)?;
    let there = |role| ours::find(spec, role).and_then(|(_, c)| c.resources.as_ref());
    let before = there(Role::Sidecar);
    let budget = &ctx.settings.budget;
    let guaranteed = resources::guaranteed(spec, others(spec));
    let budget = budget.of(requested, guaranteed);
    let requirements = budget.requirements(before);
    for raise in resources::raises(spec.resources.as_ref(), before, &requirements) {
        let path = ["spec", "resources", raise.kind, raise.name];
        doc.set(&path, json!(raise.to))?;
    }

    for volume in sidecar::volumes(ctx.target) {
        doc.upsert(&["spec", "volumes"], "name", to_value(&volume)?)?;
    }
    let container =
        sidecar::container(requested, ctx.target, ctx.roots, ctx.settings, requirements);
    let mut wanted = vec![(Role::Sidecar, to_value(&container)?)];
    if requested.wait == Wait::Startup {
        let behind: Vec<_> = ours::behind(spec, at).collect();
        let budget = budget.of_the_gate(spec, &behind, guaranteed);
        let gate = sidecar::gate(ctx.settings, budget.requirements(there(Role::Gate)));
        wanted.push((Role::Gate, to_value(&gate)?));
    }
    ours::put(doc, spec, at, wanted)?;
    give_socket(doc, &recipients)?;

    for name in &ctx.settings.pull_secrets {
        let secret = json!({ "name": name });
        doc.upsert(&["spec", "imagePullSecrets"], "name", secret)?;
    }
    mark(doc, pod, ctx)
}

/// Labels and annotations: what the operator watches pods by, and the port that meshes leave alone.
fn mark(doc: &mut Document, pod: &Pod, ctx: &InjectContext<'_>) -> Result<(), Refusal> {
    let version = label_value(&ctx.settings.version);
    let annotation = mooring_core::annotation::INJECTED.key;
    doc.set(&["metadata", "labels", INJECTED], json!(version))?;
    doc.set(&["metadata", "annotations", annotation], json!(version))?;
    let annotations = pod.metadata.annotations.as_ref();
    for key in place::EXCLUDED_PORTS {
        let there = annotations.and_then(|a| a.get(key)).map(String::as_str);
        if let Some(list) = place::with_port(there, ctx.target.port) {
            doc.set(&["metadata", "annotations", key], json!(list))?;
        }
    }
    Ok(())
}

/// Mounts the socket read-only in the containers that get it, and tells them where it is.
fn give_socket(doc: &mut Document, recipients: &[String]) -> Result<(), Refusal> {
    let mount = to_value(sidecar::mount(SOCKET_VOLUME, SOCKET_DIR, true))?;
    for list in ["containers", "initContainers"] {
        for i in 0..doc.array(&["spec", list]).len() {
            let index = i.to_string();
            let path = |field| ["spec", list, index.as_str(), field];
            let name = doc.get(&path("name")).map_or("", |n| text(n));
            if !recipients.iter().any(|r| r == name) {
                continue;
            }
            let mounts = doc.array(&path("volumeMounts"));
            let mut at_our_path = mounts.iter().filter(|m| {
                let path = m.get("mountPath").and_then(Value::as_str);
                path.map(|p| p.trim_end_matches('/')) == Some(SOCKET_DIR)
            });
            let volume = at_our_path
                .next()
                .map(|m| m.get("name").map_or("", |n| text(n)));
            if let Some(volume) = volume.filter(|v| *v != SOCKET_VOLUME) {
                return Err(Refusal::SocketPathTaken {
                    container: name.to_owned(),
                    volume: volume.to_owned(),
                    path: SOCKET_DIR,
                });
            }
            doc.upsert(&path("volumeMounts"), "mountPath", mount.clone())?;
            // In front: Kubernetes expands $(MOORING_SOCKET) only in variables that come later.
            let var = json!({ "name": SOCKET_ENV, "value": SOCKET });
            let mut there = doc.array(&path("env")).iter();
            if there.any(|e| e.get("name") == var.get("name")) {
                doc.upsert(&path("env"), "name", var)?;
            } else {
                doc.insert(&path("env"), 0, var)?;
            }
        }
    }
    Ok(())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A version as a label's value: at most 63 of letters, digits, '-', '_' and '.' ('+' of a build
/// becomes '_').
fn label_value(version: &str) -> String {
    let allowed = |c: char| match c {
        c if c.is_ascii_alphanumeric() => c,
        '-' | '.' => c,
        _ => '_',
    };
    let text: String = version.chars().take(63).map(allowed).collect();
    text.trim_matches(|c: char| !c.is_ascii_alphanumeric())
        .to_owned()
}
