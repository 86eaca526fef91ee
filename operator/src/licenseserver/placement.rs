//! Where the server's pod may be, and when it must move: the pod follows the label. Pure.

use crate::discovery::{plan, sightings::Views};
use crate::gone::is_ready;
use k8s_openapi::api::core::v1::{Node, Pod};
use mooring_api::Placement;
use std::collections::BTreeMap;

/// Whether a node carries all these labels.
pub fn matches(node: &Node, labels: &BTreeMap<String, String>) -> bool {
    let there = node.metadata.labels.as_ref();
    labels
        .iter()
        .all(|(k, v)| there.and_then(|l| l.get(k)) == Some(v))
}

/// Where a server stands against its placement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placed {
    /// Its pod is where it should be, or can be put there.
    Well,
    /// No node carries the labels.
    Nowhere,
    /// Its pod is on a node that lost the labels, and no other has them: it stays where it is.
    Stays {
        /// That node.
        node: String,
    },
    /// Its pod must be deleted: another node that is ready carries the labels now.
    Moves {
        /// From there.
        from: String,
        /// To one of these.
        to: Vec<String>,
    },
}

/// Judges.
pub fn placed(
    pod: Option<&Pod>,
    nodes: &[impl AsRef<Node>],
    labels: &BTreeMap<String, String>,
) -> Placed {
    let name = |n: &Node| n.metadata.name.clone().unwrap_or_default();
    let fitting: Vec<&Node> = nodes
        .iter()
        .map(AsRef::as_ref)
        .filter(|n| matches(n, labels))
        .collect();
    let at = pod
        .and_then(|p| p.spec.as_ref()?.node_name.clone())
        .filter(|n| !n.is_empty());
    let Some(at) = at else {
        return if fitting.is_empty() {
            Placed::Nowhere
        } else {
            Placed::Well
        };
    };
    if fitting.iter().any(|n| name(n) == at) {
        return Placed::Well;
    }
    // A label may go for a moment (Node Feature Discovery restarts): a server that works is not
    // given up for nothing.
    let usable =
        |n: &&&Node| is_ready(n) && n.spec.as_ref().and_then(|s| s.unschedulable) != Some(true);
    let to: Vec<String> = fitting.iter().filter(usable).map(|n| name(n)).collect();
    if to.is_empty() {
        Placed::Stays { node: at }
    } else {
        Placed::Moves { from: at, to }
    }
}

/// The nodes that carry these labels, by name.
pub fn fitting(nodes: &[impl AsRef<Node>], labels: &BTreeMap<String, String>) -> Vec<String> {
    let fits = nodes
        .iter()
        .map(AsRef::as_ref)
        .filter(|n| matches(n, labels));
    fits.filter_map(|n| n.metadata.name.clone()).collect()
}

/// Where the anchor's node is, in words: the condition `Placed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    /// A node is known.
    pub found: bool,
    /// CamelCase.
    pub reason: &'static str,
    /// Which, or what to do.
    pub message: String,
}

fn said(found: bool, reason: &'static str, message: String) -> Whereabouts {
    Whereabouts {
        found,
        reason,
        message,
    }
}

/// Says it. `fitting`: the nodes that carry the placement's labels; `views`: what the discovery
/// agents see, if there are any.
pub fn whereabouts(
    placement: &Placement,
    fitting: &[String],
    views: Option<&Views>,
) -> Whereabouts {
    let on = |nodes: &[String]| match nodes {
        [one] => format!("on node {one}"),
        many => format!("on nodes {}", many.join(", ")),
    };
    let Some(device) = &placement.device else {
        let labels: Vec<String> = placement
            .node_selector
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        let labels = labels.join(" ");
        return if fitting.is_empty() {
            let text = format!(
                "spec.placement.nodeSelector: no node carries {labels}: label the node that holds the anchor (kubectl label node NODE {labels})"
            );
            said(false, "NoMatchingNode", text)
        } else {
            said(true, "NodeFound", format!("{labels}: {}", on(fitting)))
        };
    };
    let Some(views) = views else {
        let text = format!(
            "spec.placement.device: device {device} is looked for by nobody: set discovery.enabled=true in the chart's values, or name the node by placement.nodeSelector"
        );
        return said(!fitting.is_empty(), "DiscoveryDisabled", text);
    };
    let now: Vec<String> = plan::holders(device, views).map(str::to_owned).collect();
    if !now.is_empty() {
        let more = if now.len() > 1 && device.serial.is_none() {
            ": the pod runs on any of them; give the serial to tell them apart"
        } else {
            ""
        };
        return said(
            true,
            "DeviceFound",
            format!("device {device}: {}{more}", on(&now)),
        );
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
    said(
        false,
        "DeviceNotFound",
        format!("spec.placement.device: device {device}: on no node; {seen}"),
    )
}

#[cfg(test)]
mod tests;
