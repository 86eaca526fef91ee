//! Where the server's pod may be, and when it must move: the pod follows the label. Pure.

use crate::gone::is_ready;
use k8s_openapi::api::core::v1::{Node, Pod};
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
    // A label may go for a moment (Node Feature Discovery restarts): a server that works is not given up for nothing.
    let usable =
        |n: &&&Node| is_ready(n) && n.spec.as_ref().and_then(|s| s.unschedulable) != Some(true);
    let to: Vec<String> = fitting.iter().filter(usable).map(|n| name(n)).collect();
    if to.is_empty() {
        Placed::Stays { node: at }
    } else {
        Placed::Moves { from: at, to }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    fn node(name: &str, label: bool, ready: bool) -> Arc<Node> {
        let labels = if label {
            json!({ "anchor": "main" })
        } else {
            json!({})
        };
        let ready = if ready { "True" } else { "Unknown" };
        let v = json!({ "metadata": { "name": name, "labels": labels }, "status": { "conditions": [{ "type": "Ready", "status": ready }] } });
        Arc::new(serde_json::from_value(v).unwrap())
    }

    fn judge(at: Option<&str>, nodes: &[Arc<Node>]) -> Placed {
        let pod = at.map(|n| {
            serde_json::from_value::<Pod>(
                json!({ "metadata": {}, "spec": { "nodeName": n, "containers": [] } }),
            )
            .unwrap()
        });
        placed(
            pod.as_ref(),
            nodes,
            &BTreeMap::from([("anchor".to_owned(), "main".to_owned())]),
        )
    }

    #[test]
    fn the_pod_follows_the_label() {
        let moved = [node("a", false, true), node("b", true, true)];
        assert_eq!(
            judge(Some("a"), &moved),
            Placed::Moves {
                from: "a".into(),
                to: vec!["b".into()]
            }
        );
        assert_eq!(judge(Some("b"), &moved), Placed::Well);
    }

    #[test]
    fn it_is_not_given_up_for_a_label_that_is_nowhere_or_on_a_node_that_is_down() {
        assert_eq!(
            judge(Some("a"), &[node("a", false, true), node("b", false, true)]),
            Placed::Stays { node: "a".into() }
        );
        assert_eq!(
            judge(Some("a"), &[node("a", false, true), node("b", true, false)]),
            Placed::Stays { node: "a".into() }
        );
    }

    #[test]
    fn a_silent_node_that_still_carries_the_label_keeps_it() {
        assert_eq!(judge(Some("a"), &[node("a", true, false)]), Placed::Well);
    }

    #[test]
    fn no_node_at_all_is_said() {
        assert_eq!(judge(None, &[node("a", false, true)]), Placed::Nowhere);
        assert_eq!(judge(None, &[node("a", true, true)]), Placed::Well);
    }
}
