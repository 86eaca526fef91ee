//! A standby on another node: which of the two sides the server's pod is made for. Pure.
//!
//! A server that is cut off renews its own delegation for as long as its dongle is plugged in: no
//! time that passes ends it. So the other side begins on proof that the pod has ended, or on an
//! administrator's word, and on nothing else. There is one pod, of one name: its object stays, by a
//! finalizer, until its end was seen, and while it is there no other of that name can be made. An
//! operator that ends between two steps leaves them to the next one, by what stands in the status.

use super::placement::that_fit;
use crate::gone::{Proof, is_ready, proof};
use crate::kubernetes::whole_seconds;
use crate::leases::Note;
use crate::pods::node_name;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use kube::runtime::events::EventType::{Normal, Warning};
use mooring_api::serving::{MAX_FAILOVER, SIDE};
use mooring_api::{FailoverRequest, LicenseServerSpec, Serving, Side};
use mooring_core::time::Timestamp;

/// What bears on which side serves.
#[derive(Clone, Copy, Debug)]
pub(super) struct StandbyFacts<'a, N> {
    pub(super) spec: &'a LicenseServerSpec,
    /// As it was noted last; nothing before the first look.
    pub(super) before: Option<&'a Serving>,
    /// The annotation's text.
    pub(super) request: Option<&'a str>,
    /// The pod of the server's name, whoever made it.
    pub(super) pod: Option<&'a Pod>,
    /// All of the cluster.
    pub(super) nodes: &'a [N],
    pub(super) now: Timestamp,
}

/// What is known of the pod of the side that serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// It has ended, and so has any before it.
    Ended(SeenEnd),
    /// It may run, on a node whose kubelet would say so if it ended.
    Heard(String),
    /// It may run, on a node that nobody hears.
    Unheard(String),
}

/// By what it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeenEnd {
    /// Its object is gone, and goes only once its end was seen; or it is of the other side, whose
    /// end was proven before this one began; or it has no node yet.
    NoPod,
    Proven(Proof),
}

/// The side that a pod was made for.
pub(super) fn side_of(pod: &Pod) -> Side {
    let label = pod.labels().get(SIDE);
    let side = label.and_then(|l| l.parse().ok());
    side.unwrap_or_default()
}

/// What is known of the pod that serves for `side`.
pub(super) fn evidence(side: Side, pod: Option<&Pod>, nodes: &[impl AsRef<Node>]) -> Evidence {
    let pod = pod.filter(|p| side_of(p) == side);
    let Some((pod, at)) = pod.and_then(|p| Some((p, node_name(p)?))) else {
        return Evidence::Ended(SeenEnd::NoPod);
    };
    let mut nodes = nodes.iter().map(AsRef::as_ref);
    let node = nodes.find(|n| n.name_any() == at);
    match proof(pod, node) {
        Some(p) => Evidence::Ended(SeenEnd::Proven(p)),
        None if node.is_some_and(is_ready) => Evidence::Heard(at.to_owned()),
        None => Evidence::Unheard(at.to_owned()),
    }
}

/// Which side serves from now on. What differs from `before` is written down before anything is
/// made of it.
pub(super) fn decide(f: &StandbyFacts<'_, impl AsRef<Node>>) -> Serving {
    let mut now = f.before.cloned().unwrap_or_default();
    if let Some(text) = f.request.filter(|t| now.asked.as_deref() != Some(*t)) {
        now.asked = Some(text.chars().take(MAX_FAILOVER).collect());
        now.refused = None;
        match text.parse::<FailoverRequest>() {
            Ok(request) => take_up(f, &mut now, request),
            Err(e) => now.refused = Some(e.to_string()),
        }
    }
    let Evidence::Ended(ended) = evidence(now.side, f.pod, f.nodes) else {
        return now;
    };
    if now.hands_over.is_some() {
        let why = format!(
            "an administrator asked for it, and the pod of the {} has ended: {}",
            now.side,
            ended.words()
        );
        switch(f, &mut now, why);
    } else if is_down(f, now.side) && is_up(f, now.side.other()) {
        let why = format!(
            "the node of the {} is not ready, and its pod has ended: {}",
            now.side,
            ended.words()
        );
        switch(f, &mut now, why);
    }
    now
}

/// Begins what an administrator asks for, or says why not.
fn take_up(f: &StandbyFacts<'_, impl AsRef<Node>>, now: &mut Serving, request: FailoverRequest) {
    let side = now.side;
    if request.to == side {
        let turns_back = now.hands_over.take().is_some();
        let other = f
            .pod
            .filter(|p| side_of(p) != side)
            .and_then(ResourceExt::uid);
        if let Some(uid) = other.filter(|_| request.without_proof) {
            now.over = Some(uid);
        } else if !turns_back {
            now.refused = Some(format!("the {side} serves already"));
        }
        return;
    }
    match evidence(side, f.pod, f.nodes) {
        _ if request.without_proof => {
            let why = format!(
                "an administrator's word, without proof that the pod of the {side} has ended"
            );
            switch(f, now, why);
        }
        Evidence::Unheard(node) => {
            now.refused = Some(format!(
                "the pod of the {side} may still serve: node {node} is not ready, and nobody sees it end. {}",
                what_ends_it(&node)
            ));
        }
        _ => now.hands_over = now.hands_over.take().or(Some(Time(whole_seconds(f.now)))),
    }
}

/// What people can do about a node that nobody hears.
pub fn what_ends_it(node: &str) -> String {
    format!(
        "Bring the node back; or shut the machine down and say so by its taint (kubectl taint node {node} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute); or, if you are sure by other means, kubectl mooring failover … --without-proof"
    )
}

fn switch(f: &StandbyFacts<'_, impl AsRef<Node>>, now: &mut Serving, why: String) {
    now.side = now.side.other();
    now.since = Some(Time(whole_seconds(f.now)));
    now.why = Some(why);
    now.over = f
        .pod
        .filter(|p| node_name(p).is_some())
        .and_then(ResourceExt::uid);
    now.hands_over = None;
}

/// The nodes of this side, whether they are ready.
fn nodes_of(f: &StandbyFacts<'_, impl AsRef<Node>>, side: Side) -> Vec<bool> {
    let labels = f.spec.of_side(side).placement.labels();
    that_fit(f.nodes, &labels).map(is_ready).collect()
}

/// Its node is known, and not ready. One that is nowhere may come at any moment.
fn is_down(f: &StandbyFacts<'_, impl AsRef<Node>>, side: Side) -> bool {
    let nodes = nodes_of(f, side);
    !nodes.is_empty() && nodes.iter().all(|ready| !ready)
}

fn is_up(f: &StandbyFacts<'_, impl AsRef<Node>>, side: Side) -> bool {
    nodes_of(f, side).contains(&true)
}

impl SeenEnd {
    fn words(self) -> String {
        match self {
            Self::NoPod => "there is none on any node".to_owned(),
            Self::Proven(p) => p.to_string(),
        }
    }
}

/// What may be done to the pod's object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PodHold {
    /// It stays until its end was seen.
    Holds,
    /// Its finalizer is taken away: its end was seen, or is awaited by nobody.
    Released,
    /// The same, and it is deleted by force: its node does not end it, and the other side serves.
    LeftBehind,
}

/// What may be done to it. Without a standby elsewhere its end is awaited by nobody.
pub(super) fn hold(serving: Option<&Serving>, pod: &Pod, nodes: &[impl AsRef<Node>]) -> PodHold {
    let Some(serving) = serving else {
        return PodHold::Released;
    };
    let side = side_of(pod);
    let replaced = serving.side != side;
    let covered = replaced && serving.over.is_some() && serving.over == pod.uid();
    match evidence(side, Some(pod), nodes) {
        Evidence::Ended(SeenEnd::Proven(_)) if replaced => PodHold::LeftBehind,
        // What has no node yet may have one in a moment, so it is not deleted by force.
        Evidence::Ended(_) => PodHold::Released,
        Evidence::Unheard(_) if covered => PodHold::LeftBehind,
        Evidence::Heard(_) | Evidence::Unheard(_) => PodHold::Holds,
    }
}

/// The Event that goes with a change.
pub(super) fn news(before: Option<&Serving>, now: &Serving) -> Option<Note> {
    let none = Serving::default();
    let old = before.unwrap_or(&none);
    let why = now.why.as_deref().unwrap_or_default();
    if old.side != now.side {
        let text = format!("the {} serves from now on: {why}", now.side);
        return Some(match now.side {
            Side::Standby => Note::new(Warning, "StandbyServes", "Failover", &text),
            Side::Primary => Note::new(Normal, "PrimaryServes", "Failover", &text),
        });
    }
    if let Some(refused) = now.refused.as_ref().filter(|_| old.asked != now.asked) {
        return Some(Note::new(Warning, "FailoverRefused", "Failover", refused));
    }
    let begins = old.hands_over.is_none() && now.hands_over.is_some();
    let text = format!(
        "the pod of the {} is ended, so that the {} can begin",
        now.side,
        now.side.other()
    );
    begins.then(|| Note::new(Normal, "HandsOver", "Failover", &text))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod worlds;
