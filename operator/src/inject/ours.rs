//! Our own containers among a pod's: which they are when it comes a second time, and where they go.

use super::image::Images;
use super::keep::keep;
use super::patch::Document;
use super::place;
use super::refusal::Refusal;
use super::requested::Requested;
use super::sidecar::GATE_ARGS;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use kube::ResourceExt as _;
use mooring_api::names::{GATE, INJECTED, SIDECAR};
use serde_json::Value;
use std::borrow::Cow;

const LIST: [&str; 2] = ["spec", "initContainers"];

/// What a container of ours is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Sidecar,
    Gate,
}

/// The spec as it is to be read: of a pod that the webhook has marked, whatever bears one of our
/// names is ours, also where somebody has changed what we would know it by.
pub(super) fn read(pod: &Pod) -> Option<Cow<'_, PodSpec>> {
    let spec = pod.spec.as_ref()?;
    if !pod.labels().contains_key(INJECTED) {
        return Some(Cow::Borrowed(spec));
    }
    let mut spec = spec.clone();
    for c in spec.init_containers.iter_mut().flatten() {
        match c.name.as_str() {
            SIDECAR => c.restart_policy = Some("Always".to_owned()),
            GATE => (c.restart_policy, c.args) = (None, Some(vec![GATE_ARGS.to_owned()])),
            _ => {}
        }
    }
    Some(Cow::Owned(spec))
}

/// `None`: it is the pod's own.
fn role(c: &Container) -> Option<Role> {
    match c.name.as_str() {
        SIDECAR if stays(c) => Some(Role::Sidecar),
        GATE if c.restart_policy.is_none() && c.args.as_deref() == Some(&[GATE_ARGS.into()]) => {
            Some(Role::Gate)
        }
        _ => None,
    }
}

/// Whether it is a native sidecar.
fn stays(c: &Container) -> bool {
    c.restart_policy.as_deref() == Some("Always")
}

/// The pod's containers and init containers without our own.
pub(super) fn others(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    spec.containers.iter().chain(other_init(spec))
}

/// The pod's init containers without our own.
pub(super) fn other_init(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    let init = spec.init_containers.iter().flatten();
    init.filter(|c| role(c).is_none())
}

/// One of ours, where the pod comes a second time, and its place among the init containers.
pub(super) fn find(spec: &PodSpec, wanted: Role) -> Option<(usize, &Container)> {
    let mut init = spec.init_containers.iter().flatten().enumerate();
    init.find(|(_, c)| role(c) == Some(wanted))
}

/// Our names are ours.
pub(super) fn check_names(spec: &PodSpec) -> Result<(), Refusal> {
    let taken = |field, index, c: &Container| Refusal::NameTaken {
        field,
        index,
        name: c.name.clone(),
    };
    let ours = |c: &Container| c.name == SIDECAR || c.name == GATE;
    if let Some((i, c)) = spec.containers.iter().enumerate().find(|(_, c)| ours(c)) {
        return Err(taken("spec.containers", i, c));
    }
    let mut init = spec.init_containers.iter().flatten().enumerate();
    match init.find(|(_, c)| ours(c) && role(c).is_none()) {
        Some((i, c)) => Err(taken("spec.initContainers", i, c)),
        None => Ok(()),
    }
}

/// Where ours go among the pod's own init containers.
pub(super) fn position(spec: &PodSpec, requested: &Requested) -> usize {
    let named = |name: &str| requested.gate_after.iter().any(|n| n.name == name);
    let others = other_init(spec).map(|c| (c.name.as_str(), stays(c)));
    place::position(others, named)
}

/// Of the pod's containers those that run beside our sidecar or after it: not the init containers
/// that have ended before it begins.
pub(super) fn alongside(spec: &PodSpec, at: usize) -> impl Iterator<Item = &Container> {
    let init = other_init(spec).enumerate();
    let init = init.filter(move |(i, c)| *i >= at || stays(c));
    spec.containers.iter().chain(init.map(|(_, c)| c))
}

/// The containers that run once the gate has opened, for as long as the pod does.
pub(super) fn behind(spec: &PodSpec, at: usize) -> impl Iterator<Item = &Container> {
    let init = other_init(spec).skip(at).filter(|c| stays(c));
    spec.containers.iter().chain(init)
}

/// Puts our containers side by side among the init containers, at `at` of the pod's own; of those
/// that are there already what others may change stays.
pub(super) fn put(
    doc: &mut Document,
    spec: &PodSpec,
    at: usize,
    mut wanted: Vec<(Role, Value)>,
    images: &Images,
) -> Result<(), Refusal> {
    let there = [Role::Sidecar, Role::Gate].map(|r| Some((r, find(spec, r)?.0)));
    let mut there: Vec<(Role, usize)> = there.into_iter().flatten().collect();
    there.sort_by_key(|(_, i)| *i);
    for (role, container) in &mut wanted {
        let before = there.iter().find(|(r, _)| r == role);
        if let Some(now) = before.and_then(|(_, i)| doc.array(&LIST).get(*i)) {
            *container = keep(container, now, images);
        }
    }
    let right = wanted
        .iter()
        .enumerate()
        .map(|(n, (role, _))| (*role, at + n));
    if there.iter().copied().eq(right) {
        for (n, (_, container)) in wanted.into_iter().enumerate() {
            doc.replace(&LIST, at + n, container)?;
        }
        return Ok(());
    }
    for (_, i) in there.iter().rev() {
        doc.remove(&LIST, *i)?;
    }
    for (n, (_, container)) in wanted.into_iter().enumerate() {
        doc.insert(&LIST, at + n, container)?;
    }
    Ok(())
}
