//! Where the server's pod may be, and when it must move: the pod follows the label. Pure.

use crate::connection::Snapshot;
use crate::discovery::{plan, sightings::Views};
use crate::gone::is_ready;
use crate::kubernetes::whole_seconds;
use crate::pods::node_name;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::ResourceExt;
use mooring_api::Placement;
use mooring_api::names::NODE_RESTRICTION;
use mooring_api::status::{DEVICE_FOUND, NODE_FOUND};
use std::collections::BTreeMap;

/// The nodes that carry all these labels.
pub(super) fn that_fit<'a>(
    nodes: &'a [impl AsRef<Node>],
    labels: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = &'a Node> {
    let carries = |n: &&Node| labels.iter().all(|(k, v)| n.labels().get(k) == Some(v));
    nodes.iter().map(AsRef::as_ref).filter(carries)
}

/// Where a server stands against its placement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placed {
    /// Its pod is where it should be, or can be put there.
    Well,
    /// No node carries the labels.
    Nowhere,
    /// Its pod is on a node that lost the labels, and no other has them: it stays where it is.
    Stays { node: String },
    /// The same, though another has them: the device signs where it is.
    Keeps { node: String },
    /// Its pod must be deleted: other nodes that are ready carry the labels now.
    Moves { from: String, to: Vec<String> },
}

pub fn placed(
    pod: Option<&Pod>,
    nodes: &[impl AsRef<Node>],
    labels: &BTreeMap<String, String>,
) -> Placed {
    let fitting: Vec<&Node> = that_fit(nodes, labels).collect();
    let Some(at) = pod.and_then(node_name).map(str::to_owned) else {
        return match fitting[..] {
            [] => Placed::Nowhere,
            _ => Placed::Well,
        };
    };
    if fitting.iter().any(|n| n.name_any() == at) {
        return Placed::Well;
    }
    // A label may go for a moment (Node Feature Discovery restarts): a server that works is not
    // given up for nothing.
    let usable =
        |n: &&&Node| is_ready(n) && n.spec.as_ref().and_then(|s| s.unschedulable) != Some(true);
    let to: Vec<String> = fitting
        .iter()
        .filter(usable)
        .map(|n| n.name_any())
        .collect();
    if to.is_empty() {
        Placed::Stays { node: at }
    } else {
        Placed::Moves { from: at, to }
    }
}

/// A server whose device signs is not moved because another node says that it has it: a report is a
/// node's word, a signature is the device's. Labels that people set are theirs, and are followed.
pub fn keeps(placed: Placed, placement: &Placement, snapshot: &Snapshot) -> Placed {
    let signs = snapshot.says().is_some_and(|s| s.anchor.present);
    match placed {
        Placed::Moves { from, .. } if placement.device.is_some() && signs => {
            Placed::Keeps { node: from }
        }
        other => other,
    }
}

/// Whether no kubelet may set this label on its own node.
fn is_restricted(label: &str) -> bool {
    let domain = label.split_once('/').map_or("", |(domain, _)| domain);
    let below = domain.strip_suffix(NODE_RESTRICTION);
    below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The nodes that carry these labels, by name.
pub fn fitting(nodes: &[impl AsRef<Node>], labels: &BTreeMap<String, String>) -> Vec<String> {
    let names = that_fit(nodes, labels).map(ResourceExt::name_any);
    names.collect()
}

/// Those of them that take no new pods.
pub fn cordoned(nodes: &[impl AsRef<Node>], labels: &BTreeMap<String, String>) -> Vec<String> {
    let closed = |n: &&Node| n.spec.as_ref().and_then(|s| s.unschedulable) == Some(true);
    let names = that_fit(nodes, labels)
        .filter(closed)
        .map(ResourceExt::name_any);
    names.collect()
}

/// Of the server's pod's node, by name, why it is not ready, if it is not.
pub fn down(nodes: &[impl AsRef<Node>], at: Option<&str>) -> Option<String> {
    let at = at?;
    let mut nodes = nodes.iter().map(AsRef::as_ref);
    let node = nodes.find(|n| n.name_any() == at && !is_ready(n))?;
    let mut conditions = node
        .status
        .iter()
        .flat_map(|s| s.conditions.iter().flatten());
    let ready = conditions.find(|c| c.type_ == "Ready");
    let since = ready.and_then(|c| c.last_transition_time.as_ref());
    let since = since.map_or_else(String::new, |t| format!(" since {}", whole_seconds(t.0)));
    let why = ready
        .and_then(|c| c.message.as_deref())
        .filter(|m| !m.is_empty());
    let why = why.map_or_else(String::new, |m| format!(" ({m})"));
    Some(format!(
        "node {at}, where the server's pod is, is not ready{since}{why}: bring it back, or the anchor to another node"
    ))
}

/// Where the anchor's node is, in words: the condition `Placed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    pub found: bool,
    /// CamelCase.
    pub reason: &'static str,
    /// Which, or what to do.
    pub message: String,
}

impl Whereabouts {
    /// Of a server outside of the cluster, of which no condition speaks.
    pub fn elsewhere() -> Self {
        said(true, NODE_FOUND, "outside of the cluster".to_owned())
    }
}

fn said(found: bool, reason: &'static str, message: String) -> Whereabouts {
    Whereabouts {
        found,
        reason,
        message,
    }
}

fn on(nodes: &[String]) -> String {
    match nodes {
        [one] => format!("on node {one}"),
        many => format!("on nodes {}", many.join(", ")),
    }
}

/// Says it. `fitting`: the nodes that carry the placement's labels; `views`: what the discovery
/// agents see, if there are any.
pub fn whereabouts(
    placement: &Placement,
    fitting: &[String],
    views: Option<&Views>,
) -> Whereabouts {
    let Some(device) = &placement.device else {
        let labels = placement.node_selector.iter();
        let labels: Vec<String> = labels.map(|(k, v)| format!("{k}={v}")).collect();
        let labels = labels.join(" ");
        return if fitting.is_empty() {
            let text = format!(
                "spec.placement.nodeSelector: no node carries {labels}: label the node that holds the anchor (kubectl label node NODE {labels})"
            );
            said(false, "NoMatchingNode", text)
        } else {
            let open = !placement.node_selector.keys().any(|k| is_restricted(k));
            let hint = if open {
                "; a node may give itself such labels, and so attract the server with its secrets: one below node-restriction.kubernetes.io is safe from that"
            } else {
                ""
            };
            said(true, NODE_FOUND, format!("{labels}: {}{hint}", on(fitting)))
        };
    };
    let Some(views) = views else {
        let text = format!(
            "spec.placement.device: device {device} is looked for by nobody: set discovery.enabled=true in the chart's values, or name the node by placement.nodeSelector"
        );
        return said(!fitting.is_empty(), "DiscoveryDisabled", text);
    };
    let now: Vec<String> = plan::holders(device, views).map(str::to_owned).collect();
    if plan::is_disputed(device, views) {
        let text = format!(
            "device {device}: reported {} at once, and there is one of this serial: nothing is moved, and the label stays where it was. Look which of these nodes tells the truth",
            on(&now)
        );
        return said(!fitting.is_empty(), "DeviceDisputed", text);
    }
    if !now.is_empty() {
        let more = if now.len() > 1 && device.serial.is_none() {
            ": the pod runs on any of them; give the serial to tell them apart"
        } else {
            ""
        };
        let text = format!("device {device}: {}{more}", on(&now));
        return said(true, DEVICE_FOUND, text);
    }
    if !fitting.is_empty() {
        let text = format!(
            "device {device}: last seen {}, whose discovery agent is silent; the label stays until an agent says otherwise",
            on(fitting)
        );
        return said(true, "AgentSilent", text);
    }
    let fresh = || views.iter().filter(|(_, v)| v.fresh);
    let similar: Vec<String> = fresh()
        .flat_map(|(n, v)| v.devices.iter().map(move |d| (n, d)))
        .filter(|(_, d)| d.vendor_id == device.vendor_id)
        .map(|(n, d)| format!("{d} on {n}"))
        .take(8)
        .collect();
    let seen = match (fresh().count(), similar.as_slice()) {
        (0, _) => "no discovery agent has reported yet (kubectl get daemonset -A -l app.kubernetes.io/component=discovery)".to_owned(),
        (_, []) => "plug it in; of this vendor nothing is seen on any node".to_owned(),
        (_, some) => format!("plug it in, or put right what is asked for; of this vendor are seen: {}", some.join(", ")),
    };
    let text = format!("spec.placement.device: device {device}: on no node; {seen}");
    said(false, "DeviceNotFound", text)
}

#[cfg(test)]
mod tests;
