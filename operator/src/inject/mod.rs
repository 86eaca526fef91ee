//! What the webhook does to a pod that opted in (docs/pods.md).
//!
//! Pure functions of data: [`Requested::read`] reads the annotations, [`choose`] finds the
//! LicenseServers, [`mutate`] says what changes. They promise: the same pod always gives the same
//! patch; a pod that is injected already gives an empty one; a field that is not ours is never
//! touched; each refusal says what to do.

mod hint;
mod image;
mod keep;
mod ours;
mod patch;
mod paths;
mod place;
mod quantity;
mod refusal;
mod requested;
mod resources;
mod rollout;
mod sells;
mod server;
mod sidecar;
mod socket;
mod target;
#[cfg(test)]
mod tests;
mod token;
mod user;

pub use image::Images;
use refusal::MAX_ANNOTATIONS;
pub use refusal::{MAX_CONTAINERS, Refusal};
pub use requested::{Requested, unknown_keys};
pub use resources::Budget;
pub use rollout::rollout_warning;
pub use sells::{Part, license_warnings};
pub use server::{ChoiceContext, NoServer, ServerName, choose};
pub use sidecar::{InjectContext, Settings};
pub use target::{SidecarTarget, TokenOf, addresses, cluster_ips};

use json_patch::Patch;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use mooring_api::names::INJECTED;
use mooring_api::names::{
    GATE, KUEUE_MANAGED, KUEUE_QUEUE, SCHEDULING_GATE, SIDECAR, TOKEN_VOLUME,
};
use mooring_core::annotation::{Annotation, CONTAINERS, GATE_AFTER, RESERVATION, SERVER, WAIT};
use mooring_core::cut::cut;
use ours::{Role, others};
use patch::Document;
use requested::{Named, Wait};
use serde_json::{Value, json, to_value};
use sidecar::STATE_VOLUME;
use std::collections::BTreeMap;

/// The annotation of a mirror pod: the API server's image of a kubelet's static pod, which nobody
/// can change.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// The label of a node that says what runs on it.
const NODE_OS: &str = "kubernetes.io/os";

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
    let count = count(pod);
    if count > MAX_CONTAINERS {
        return Err(Refusal::TooManyContainers { count });
    }
    let spec = ours::read(pod).ok_or_else(|| Refusal::Internal("it has no spec".to_owned()))?;
    check(&spec, requested)?;
    let mut doc = Document::new(raw);
    apply(&mut doc, pod, &spec, requested, ctx)?;
    Ok(doc.finish().0)
}

/// How many containers a pod has besides ours. By name, before the pod is read for anything else;
/// each name of ours is left out once, since anybody can give it to many.
fn count(pod: &Pod) -> usize {
    let spec = pod.spec.iter();
    let init = spec
        .clone()
        .flat_map(|s| s.init_containers.iter().flatten());
    let own = spec.map(|s| s.containers.len()).sum::<usize>();
    let is_there = |name: &&str| init.clone().any(|c| c.name == **name);
    let ours = [SIDECAR, GATE]
        .iter()
        .copied()
        .filter(|n| is_there(n))
        .count();
    own + init.clone().count() - ours
}

/// What a pod that opted in cannot be.
fn check(spec: &PodSpec, requested: &Requested) -> Result<(), Refusal> {
    let by_os = spec.os.as_ref().map(|os| &os.name);
    let by_selector = spec.node_selector.as_ref().and_then(|s| s.get(NODE_OS));
    for (field, os) in [
        ("spec.os.name", by_os),
        ("spec.nodeSelector[kubernetes.io/os]", by_selector),
    ] {
        if os.is_some_and(|os| os == "windows") {
            return Err(Refusal::Windows { field });
        }
    }
    ours::check_names(spec)?;
    for c in others(spec) {
        let private = |volume: &str| volume == STATE_VOLUME || volume == TOKEN_VOLUME;
        if let Some(m) = c.volume_mounts.iter().flatten().find(|m| private(&m.name)) {
            return Err(Refusal::PrivateVolume {
                container: cut(&c.name),
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
    let beside = |name: &str| ours::alongside(spec, at).any(|c| c.name == name);
    if let Some(n) = named.iter().find(|n| !beside(&n.name)) {
        return Err(Refusal::EndsBefore {
            at: n.at,
            name: n.name.clone(),
        });
    }
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
                cut(there.join(", "))
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
    let requirements = budget.requirements(before, guaranteed);
    for raise in resources::raises(spec.resources.as_ref(), before, &requirements) {
        let path = ["spec", "resources", raise.kind, raise.name];
        doc.set(&path, json!(raise.to))?;
    }

    let outside = ctx.targets.iter().find_map(|t| t.token.operator());
    if let Some(server) = outside.filter(|_| requested.wait == Wait::Scheduling) {
        return Err(Refusal::NotReservedOutside(server.clone()));
    }
    for volume in sidecar::volumes(ctx.targets, || token::secret(pod, ctx.review)) {
        doc.upsert(&["spec", "volumes"], "name", to_value(&volume)?)?;
    }
    let user = user::of_ours(doc, spec, ctx.settings.run_as_user);
    let container = sidecar::container(requested, ctx, user, requirements);
    let mut wanted = vec![(Role::Sidecar, to_value(&container)?)];
    if requested.wait != Wait::None {
        let behind: Vec<_> = ours::behind(spec, at).collect();
        let budget = budget.of_the_gate(spec, &behind, guaranteed);
        let requirements = budget.requirements(there(Role::Gate), guaranteed);
        let gate = sidecar::gate(ctx.settings, user, requirements);
        wanted.push((Role::Gate, to_value(&gate)?));
    }
    ours::put(doc, spec, at, wanted, &ctx.settings.images)?;
    socket::give(doc, &recipients)?;
    if requested.wait == Wait::Scheduling && !has_node(spec) {
        let gate = json!({ "name": SCHEDULING_GATE });
        doc.upsert(&["spec", "schedulingGates"], "name", gate)?;
    }

    for name in &ctx.settings.pull_secrets {
        let secret = json!({ "name": name });
        doc.upsert(&["spec", "imagePullSecrets"], "name", secret)?;
    }
    mark(doc, pod, ctx)
}

/// Whether it is bound to a node already, past the scheduler: the API server takes no scheduling
/// gate then.
fn has_node(spec: &PodSpec) -> bool {
    spec.node_name.as_ref().is_some_and(|n| !n.is_empty())
}

/// What the author of a pod is told that cannot wait where it says.
pub fn wait_warning(pod: &Pod, requested: &Requested) -> Option<String> {
    let bound = requested.wait == Wait::Scheduling && pod.spec.as_ref().is_some_and(has_node);
    bound.then(|| {
        format!(
            "annotation {WAIT}: \"scheduling\" has no effect where spec.nodeName is set: the pod is on that node already, and waits at startup, alone"
        )
    })
}

/// Whether a pod's seats are claimed for it before it runs, by the operator or for Kueue: such a
/// claim stands in one line, and the pod in no other.
pub fn is_alone(pod: &Pod, requested: &Requested) -> bool {
    let has = |map: &Option<BTreeMap<String, String>>, key: &str| {
        map.as_ref().is_some_and(|m| m.contains_key(key))
    };
    let meta = &pod.metadata;
    let of_kueue = [KUEUE_MANAGED, KUEUE_QUEUE]
        .iter()
        .any(|l| has(&meta.labels, l));
    requested.wait == Wait::Scheduling || of_kueue || has(&meta.annotations, RESERVATION.key)
}

/// What the author of a pod is told that names more servers than it can have.
pub fn alone_warning(pod: &Pod, requested: &Requested) -> Option<String> {
    let several = requested.servers.len() > 1 && is_alone(pod, requested);
    several.then(|| {
        format!(
            "annotation {SERVER}: only the first LicenseServer has an effect here: seats that are claimed before a pod runs ({WAIT}: \"scheduling\", or Kueue) are claimed at one"
        )
    })
}

/// Labels and annotations: what the operator watches pods by, and the ports that meshes leave
/// alone.
fn mark(doc: &mut Document, pod: &Pod, ctx: &InjectContext<'_>) -> Result<(), Refusal> {
    let version = label_value(&ctx.settings.version);
    let annotation = mooring_core::annotation::INJECTED.key;
    doc.set(&["metadata", "labels", INJECTED], json!(version))?;
    doc.set(&["metadata", "annotations", annotation], json!(version))?;
    let annotations = pod.metadata.annotations.as_ref();
    for key in place::EXCLUDED_PORTS {
        let there = annotations.and_then(|a| a.get(key)).map(String::as_str);
        let ports = ctx.targets.iter().map(|t| t.port);
        if let Some(list) = place::with_ports(there, ports) {
            doc.set(&["metadata", "annotations", key], json!(list))?;
        }
    }
    let all = doc.get(&["metadata", "annotations"]);
    let all = all.and_then(Value::as_object).into_iter().flatten();
    let size = all.map(|(key, value)| key.len() + value.as_str().map_or(0, str::len));
    match size.sum() {
        size if size > MAX_ANNOTATIONS => Err(Refusal::Annotations { size }),
        _ => Ok(()),
    }
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
