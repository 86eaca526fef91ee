#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use serde_json::{Value, json};

fn judged(change: impl FnOnce(&mut Value)) -> Result<BoundAgent, String> {
    let mut v = json!({
        "authenticated": true, "audiences": ["mooring.dev/discovery"],
        "user": { "username": "system:serviceaccount:mooring-system:mooring-discovery", "extra": {
            "authentication.kubernetes.io/pod-name": ["mooring-discovery-x"], "authentication.kubernetes.io/pod-uid": ["6a2f"],
            "authentication.kubernetes.io/node-name": ["node-a"] } }
    });
    change(&mut v);
    authenticate(&serde_json::from_value(v).unwrap(), "mooring-system")
}

#[test]
fn an_agent_speaks_for_the_node_that_its_token_is_bound_to() {
    let agent = BoundAgent {
        pod: "mooring-discovery-x".into(),
        uid: "6a2f".into(),
        node: Some("node-a".into()),
    };
    assert_eq!(judged(|_| ()), Ok(agent.clone()));
    let older = judged(|v| {
        v["user"]["extra"]
            .as_object_mut()
            .unwrap()
            .remove("authentication.kubernetes.io/node-name");
    });
    assert_eq!(
        older,
        Ok(BoundAgent {
            node: None,
            ..agent
        })
    );
}

#[test]
fn every_other_token_is_refused_with_the_reason() {
    let refused = |change: fn(&mut Value), why: &str| {
        let e = judged(change).unwrap_err();
        assert!(e.contains(why), "{e}");
    };
    refused(|v| v["authenticated"] = json!(false), "not authenticated");
    refused(
        |v| v["audiences"] = json!(["mooring.dev/licensing"]),
        "audience",
    );
    refused(|v| v["audiences"] = json!([]), "audience");
    refused(
        |v| v["user"]["username"] = json!("system:serviceaccount:team-a:mooring-discovery"),
        "expected \"system:serviceaccount:mooring-system:mooring-discovery\"",
    );
    refused(|v| v["user"]["username"] = json!("admin"), "expected");
    refused(|v| v["user"]["extra"] = json!({}), "not bound to a pod");
}
