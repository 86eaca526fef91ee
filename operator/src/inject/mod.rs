//! What the webhook does to a pod that opted in (docs/pods.md).
//!
//! Pure functions of data: [`Requested::read`] reads the annotations, [`choose`] finds the
//! LicenseServer, [`mutate`] says what changes. They promise: the same pod always gives the same
//! patch; a pod that is injected already gives an empty one; a field that is not ours is never
//! touched; each refusal says what to do.

mod hint;
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

pub use quantity::Quantity;
pub use refusal::Refusal;
pub use requested::{Named, Requested, Wait, unknown_keys};
pub use resources::Budget;
pub use server::{
    ChoiceContext, NoServer, ServerName, SidecarTarget, choose, license_warnings, reference,
};
pub use sidecar::{
    SOCKET, SOCKET_DIR, SOCKET_ENV, SOCKET_VOLUME, STATE_VOLUME, Settings, TOKEN_VOLUME,
};

use json_patch::{Patch, PatchError};
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use mooring_api::names::{INJECTED, SIDECAR};
use patch::Document;
use serde::Serialize;
use serde_json::{Value, json};
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
    check(spec)?;
    let recipients = recipients(spec, requested)?;
    let mut doc = Document::new(raw);
    apply(&mut doc, pod, spec, requested, ctx, &recipients)?;
    Ok(doc.finish().0)
}

fn is_ours(c: &Container) -> bool {
    c.name == SIDECAR && c.restart_policy.as_deref() == Some("Always")
}

/// What a pod that opted in cannot be.
fn check(spec: &PodSpec) -> Result<(), Refusal> {
    if spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        return Err(Refusal::Windows);
    }
    let taken = |field, index| Refusal::NameTaken {
        field,
        index,
        name: SIDECAR,
    };
    if let Some(i) = spec.containers.iter().position(|c| c.name == SIDECAR) {
        return Err(taken("spec.containers", i));
    }
    if let Some(i) = spec
        .init_containers
        .iter()
        .flatten()
        .position(|c| c.name == SIDECAR && !is_ours(c))
    {
        return Err(taken("spec.initContainers", i));
    }
    for c in spec
        .containers
        .iter()
        .chain(spec.init_containers.iter().flatten())
        .filter(|c| !is_ours(c))
    {
        let private = |volume: &str| volume == STATE_VOLUME || volume == TOKEN_VOLUME;
        if let Some(m) = c.volume_mounts.iter().flatten().find(|m| private(&m.name)) {
            return Err(Refusal::PrivateVolume {
                container: c.name.clone(),
                volume: m.name.clone(),
            });
        }
    }
    Ok(())
}

/// The containers that get the socket, by name: those the annotation names, or all but a mesh's.
fn recipients(spec: &PodSpec, requested: &Requested) -> Result<Vec<String>, Refusal> {
    let init = spec.init_containers.iter().flatten();
    let own: Vec<&Container> = spec
        .containers
        .iter()
        .chain(init)
        .filter(|c| !is_ours(c))
        .collect();
    let Some(named) = &requested.containers else {
        return Ok(own
            .iter()
            .filter(|c| !place::of_a_mesh(&c.name))
            .map(|c| c.name.clone())
            .collect());
    };
    for n in named {
        if !own.iter().any(|c| c.name == n.name) {
            let known: Vec<_> = own.iter().map(|c| c.name.as_str()).collect();
            return Err(Refusal::NoSuchContainer {
                at: n.at,
                name: n.name.clone(),
                known: known.join(", "),
            });
        }
    }
    Ok(named.iter().map(|n| n.name.clone()).collect())
}

fn apply(
    doc: &mut Document,
    pod: &Pod,
    spec: &PodSpec,
    requested: &Requested,
    ctx: &InjectContext<'_>,
    recipients: &[String],
) -> Result<(), Refusal> {
    let before = spec
        .init_containers
        .iter()
        .flatten()
        .find(|c| is_ours(c))
        .and_then(|c| c.resources.as_ref());

    let budget = ctx
        .settings
        .budget
        .of(requested, resources::guaranteed(spec, is_ours));
    let requirements = budget.requirements(before);
    for raise in resources::raises(spec.resources.as_ref(), before, &requirements) {
        doc.set(
            &["spec", "resources", raise.kind, raise.name],
            json!(raise.to),
        )
        .map_err(unpatched)?;
    }

    for volume in sidecar::volumes(ctx.target) {
        doc.upsert(&["spec", "volumes"], "name", value(&volume)?)
            .map_err(unpatched)?;
    }
    let container =
        sidecar::container(requested, ctx.target, ctx.roots, ctx.settings, requirements);
    put_sidecar(doc, spec, value(&container)?)?;
    give_socket(doc, recipients)?;

    for name in &ctx.settings.pull_secrets {
        doc.upsert(
            &["spec", "imagePullSecrets"],
            "name",
            json!({ "name": name }),
        )
        .map_err(unpatched)?;
    }
    mark(doc, pod, ctx)
}

/// Puts the container where it belongs among the init containers, or replaces an earlier one.
fn put_sidecar(doc: &mut Document, spec: &PodSpec, mut container: Value) -> Result<(), Refusal> {
    let ours = spec.init_containers.iter().flatten().position(is_ours);
    if let Some(i) = ours {
        keep_platforms_mounts(
            &mut container,
            doc.array(&["spec", "initContainers"]).get(i),
        );
    }
    let others = spec
        .init_containers
        .iter()
        .flatten()
        .filter(|c| !is_ours(c));
    let at = place::position(others.map(|c| {
        (
            c.name.as_str(),
            c.restart_policy.as_deref() == Some("Always"),
        )
    }));
    let list = ["spec", "initContainers"];
    let done = match ours {
        Some(i) if i == at => doc.replace(&list, at, container),
        Some(i) => doc
            .remove(&list, i)
            .and_then(|()| doc.insert(&list, at, container)),
        None => doc.insert(&list, at, container),
    };
    done.map_err(unpatched)
}

/// Labels and annotations: what the operator watches pods by, and the port that meshes leave alone.
fn mark(doc: &mut Document, pod: &Pod, ctx: &InjectContext<'_>) -> Result<(), Refusal> {
    let version = label_value(&ctx.settings.version);
    doc.set(&["metadata", "labels", INJECTED], json!(version))
        .map_err(unpatched)?;
    doc.set(
        &[
            "metadata",
            "annotations",
            mooring_core::annotation::INJECTED.key,
        ],
        json!(version),
    )
    .map_err(unpatched)?;
    for key in place::EXCLUDED_PORTS {
        let there = pod
            .metadata
            .annotations
            .as_ref()
            .and_then(|a| a.get(key))
            .map(String::as_str);
        if let Some(list) = place::with_port(there, ctx.target.port) {
            doc.set(&["metadata", "annotations", key], json!(list))
                .map_err(unpatched)?;
        }
    }
    Ok(())
}

/// Mounts the socket read-only in the containers that get it, and tells them where it is.
fn give_socket(doc: &mut Document, recipients: &[String]) -> Result<(), Refusal> {
    let mount = value(&sidecar::mount(SOCKET_VOLUME, SOCKET_DIR, true))?;
    for list in ["containers", "initContainers"] {
        for i in 0..doc.array(&["spec", list]).len() {
            let index = i.to_string();
            let path = |field| ["spec", list, index.as_str(), field];
            let name = doc
                .get(&path("name"))
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned();
            if !recipients.contains(&name) {
                continue;
            }
            let at_our_path = |m: &&Value| {
                m.get("mountPath")
                    .and_then(Value::as_str)
                    .map(|p| p.trim_end_matches('/'))
                    == Some(SOCKET_DIR)
            };
            if let Some(m) = doc.array(&path("volumeMounts")).iter().find(at_our_path) {
                let volume = m.get("name").and_then(Value::as_str).unwrap_or_default();
                if volume != SOCKET_VOLUME {
                    return Err(Refusal::SocketPathTaken {
                        container: name,
                        volume: volume.to_owned(),
                        path: SOCKET_DIR,
                    });
                }
            }
            doc.upsert(&path("volumeMounts"), "mountPath", mount.clone())
                .map_err(unpatched)?;
            // In front: Kubernetes expands $(MOORING_SOCKET) only in variables that come later.
            let var = json!({ "name": SOCKET_ENV, "value": SOCKET });
            if doc
                .array(&path("env"))
                .iter()
                .any(|e| e.get("name") == var.get("name"))
            {
                doc.upsert(&path("env"), "name", var).map_err(unpatched)?;
            } else {
                doc.insert(&path("env"), 0, var).map_err(unpatched)?;
            }
        }
    }
    Ok(())
}

/// On a second pass our container may carry the mount of the pod's service account, which the API
/// server adds to every container: it stays, or the two would undo each other's work.
fn keep_platforms_mounts(container: &mut Value, there: Option<&Value>) {
    const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
    let mounts = there
        .and_then(|c| c.get("volumeMounts"))
        .and_then(Value::as_array);
    let account = mounts
        .into_iter()
        .flatten()
        .find(|m| m.get("mountPath").and_then(Value::as_str) == Some(ACCOUNT));
    if let (Some(m), Some(list)) = (
        account,
        container
            .get_mut("volumeMounts")
            .and_then(Value::as_array_mut),
    ) {
        list.push(m.clone());
    }
}

/// A version as a label's value: at most 63 of letters, digits, '-', '_' and '.' ('+' of a build
/// becomes '_').
fn label_value(version: &str) -> String {
    let allowed = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') {
            c
        } else {
            '_'
        }
    };
    let text: String = version.chars().take(63).map(allowed).collect();
    text.trim_matches(|c: char| !c.is_ascii_alphanumeric())
        .to_owned()
}

fn value<T: Serialize>(of: &T) -> Result<Value, Refusal> {
    serde_json::to_value(of).map_err(|e| Refusal::Internal(e.to_string()))
}

#[allow(clippy::needless_pass_by_value)] // as `map_err` wants it
fn unpatched(e: PatchError) -> Refusal {
    Refusal::Internal(e.to_string())
}
