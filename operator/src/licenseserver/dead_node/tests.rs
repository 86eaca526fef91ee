#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use serde_json::{Value, json};
use std::sync::Arc;

struct Case {
    anchor: Value,
    deleted: Value,
    ready: &'static str,
    placed: Placed,
    answers: bool,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            anchor: json!({ "pkcs11": { "module": "/m", "tokenLabel": "t", "pinSecret": { "name": "p" } } }),
            deleted: json!("2026-03-01T12:00:00Z"),
            ready: "Unknown",
            placed: Placed::Moves {
                from: "a".into(),
                to: vec!["b".into()],
            },
            answers: false,
        }
    }
}

impl Case {
    fn due(self, at: &str) -> bool {
        let spec = json!({ "licenses": [{ "secretName": "l" }], "placement": { "nodeSelector": { "a": "b" } }, "anchor": self.anchor });
        let spec: LicenseServerSpec = serde_json::from_value(spec).unwrap();
        let pod = json!({ "metadata": { "deletionTimestamp": self.deleted }, "spec": { "nodeName": "a", "containers": [] } });
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let conditions = json!([{ "type": "Ready", "status": self.ready }]);
        let node = json!({ "metadata": { "name": "a" }, "status": { "conditions": conditions } });
        let node: Arc<Node> = Arc::new(serde_json::from_value(node).unwrap());
        let now = at.parse().unwrap();
        due(&spec, &pod, &[node], &self.placed, self.answers, now).is_some()
    }
}

const LATER: &str = "2026-03-01T12:17:00Z";

#[test]
fn it_is_deleted_by_force_once_what_the_dongle_signed_there_has_run_out() {
    assert!(
        !Case::default().due("2026-03-01T12:15:00Z"),
        "the last delegation may still be in force"
    );
    assert!(Case::default().due(LATER));
}

#[test]
fn a_pod_that_may_still_serve_is_left_alone() {
    let stays = Case {
        placed: Placed::Stays { node: "a".into() },
        ..Case::default()
    };
    assert!(
        !stays.due(LATER),
        "nobody says that the dongle is elsewhere"
    );
    let answers = Case {
        answers: true,
        ..Case::default()
    };
    assert!(!answers.due(LATER), "only its kubelet is away");
    let alive = Case {
        ready: "True",
        ..Case::default()
    };
    assert!(!alive.due(LATER), "its kubelet ends it");
    let stands = Case {
        deleted: Value::Null,
        ..Case::default()
    };
    assert!(!stands.due(LATER), "nobody has deleted it yet");
}

#[test]
fn a_machines_own_identity_is_never_elsewhere() {
    let hwid = Case {
        anchor: json!({ "hwid": { "keySecret": { "name": "k" } } }),
        ..Case::default()
    };
    assert!(!hwid.due(LATER));
}
