#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use serde_json::{Value, json};
use std::sync::Arc;

/// A pod that was deleted at 12:00 on node a, which died; its dongle is on node b.
struct Case {
    anchor: Value,
    deleted: Value,
    ready: &'static str,
    taints: Value,
    placed: Placed,
    answers: bool,
    /// Since when it is noted, and of which pod.
    noted: Option<(&'static str, &'static str)>,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            anchor: json!({ "pkcs11": { "module": "/m", "tokenLabel": "t", "pinSecret": { "name": "p" } } }),
            deleted: json!("2026-03-01T12:00:00Z"),
            ready: "Unknown",
            taints: json!([]),
            placed: Placed::Moves {
                from: "a".into(),
                to: vec!["b".into()],
            },
            answers: false,
            noted: Some(("2026-03-01T12:00:00Z", "u")),
        }
    }
}

impl Case {
    fn judged(self, at: &str) -> Burial {
        let spec = json!({ "licenses": [{ "secretName": "l" }], "placement": { "nodeSelector": { "a": "b" } }, "anchor": self.anchor });
        let spec: LicenseServerSpec = serde_json::from_value(spec).unwrap();
        let pod = json!({ "metadata": { "uid": "u", "deletionTimestamp": self.deleted }, "spec": { "nodeName": "a", "containers": [] } });
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let conditions = json!([{ "type": "Ready", "status": self.ready }]);
        let node = json!({ "metadata": { "name": "a" }, "spec": { "taints": self.taints }, "status": { "conditions": conditions } });
        let node: Arc<Node> = Arc::new(serde_json::from_value(node).unwrap());
        let before = self.noted.map(|(since, uid)| StuckPod {
            uid: uid.into(),
            since: Time(since.parse().unwrap()),
        });
        judge(&DeadNodeFacts {
            spec: &spec,
            pod: Some(&pod),
            nodes: &[node],
            placed: &self.placed,
            answers: self.answers,
            before: before.as_ref(),
            now: at.parse().unwrap(),
        })
    }
}

fn until(verdict: &Burial) -> String {
    match verdict {
        Burial::Wait { until, .. } => whole_seconds(*until).to_string(),
        other => panic!("{other:?}"),
    }
}

fn ran_out(verdict: &Burial) -> bool {
    matches!(
        verdict,
        Burial::Force {
            why: Ended::RanOut(_)
        }
    )
}

const AT_ONCE: &str = "2026-03-01T12:00:01Z";
const LATER: &str = "2026-03-01T12:17:00Z";

#[test]
fn it_is_deleted_by_force_once_what_the_dongle_signed_there_has_run_out() {
    let waits = Case::default().judged("2026-03-01T12:15:00Z");
    assert_eq!(until(&waits), "2026-03-01T12:15:01Z", "a margin more");
    assert!(
        waits
            .words()
            .unwrap()
            .contains("until 2026-03-01T12:15:01Z")
    );
    assert_eq!(waits.stuck().unwrap().uid, "u");
    assert!(ran_out(&Case::default().judged(LATER)));
}

#[test]
fn the_time_counts_from_when_the_dongle_was_seen_elsewhere() {
    // Deleted by hand at 12:00, and the dongle was carried away at 12:16.
    let first = Case {
        noted: None,
        ..Case::default()
    };
    let first = first.judged("2026-03-01T12:16:00Z");
    assert_eq!(until(&first), "2026-03-01T12:31:01Z");
    let noted = |at: &str| {
        let case = Case {
            noted: Some(("2026-03-01T12:16:00Z", "u")),
            ..Case::default()
        };
        case.judged(at)
    };
    assert_eq!(until(&noted(LATER)), "2026-03-01T12:31:01Z", "it stays");
    assert!(ran_out(&noted("2026-03-01T12:31:02Z")));
    let others = Case {
        noted: Some(("2026-03-01T11:00:00Z", "an earlier pod")),
        ..Case::default()
    };
    assert_eq!(until(&others.judged(AT_ONCE)), "2026-03-01T12:15:02Z");
}

#[test]
fn a_node_that_is_out_of_service_is_not_waited_for() {
    let taints = json!([{ "key": "node.kubernetes.io/out-of-service", "effect": "NoExecute" }]);
    let tainted = |change: fn(&mut Case)| {
        let mut case = Case {
            taints: taints.clone(),
            noted: None,
            ..Case::default()
        };
        change(&mut case);
        case.judged(AT_ONCE)
    };
    let at_once = Burial::Force {
        why: Ended::OutOfService,
    };
    assert_eq!(tainted(|_| ()), at_once);
    // Wherever the dongle is: the node is off.
    assert_eq!(
        tainted(|c| c.placed = Placed::Stays { node: "a".into() }),
        at_once
    );
    assert_eq!(tainted(|c| c.ready = "True"), Burial::Leave, "it runs");
    assert_eq!(tainted(|c| c.answers = true), Burial::Leave, "it serves");
    assert_eq!(tainted(|c| c.deleted = Value::Null), Burial::Leave);
    let hwid = |c: &mut Case| c.anchor = json!({ "hwid": { "keySecret": { "name": "k" } } });
    assert_eq!(tainted(hwid), Burial::Leave);
}

#[test]
fn a_pod_that_may_still_serve_is_left_alone() {
    let left = |why: &str, change: fn(&mut Case)| {
        let mut case = Case::default();
        change(&mut case);
        assert_eq!(case.judged(LATER), Burial::Leave, "{why}");
    };
    left("nobody says that the dongle is elsewhere", |c| {
        c.placed = Placed::Stays { node: "a".into() };
    });
    left("only its kubelet is away", |c| c.answers = true);
    left("its kubelet ends it", |c| c.ready = "True");
    left("nobody has deleted it yet", |c| c.deleted = Value::Null);
    left("a machine's own identity is never elsewhere", |c| {
        c.anchor = json!({ "hwid": { "keySecret": { "name": "k" } } });
    });
}
