#![allow(clippy::unwrap_used)]
use super::*;
use mooring_core::frontend::FRESH;
use mooring_core::holder::LEAST_ATTEMPT;
use serde_json::json;

fn verdict(change: impl FnOnce(&mut serde_json::Value)) -> Verdict {
    let mut v = json!({
        "authenticated": true, "audiences": ["mooring.dev/licensing"],
        "user": {"username": "system:serviceaccount:team-a:default", "uid": "u", "groups": [], "extra": {
            "authentication.kubernetes.io/pod-uid": ["6a2f"], "authentication.kubernetes.io/pod-name": ["render-0"],
            "authentication.kubernetes.io/node-name": ["node-a"], "authentication.kubernetes.io/credential-id": ["JTI=1"]}},
    });
    change(&mut v);
    judge(serde_json::from_value(v).unwrap(), "mooring.dev/licensing")
}

#[test]
fn a_bound_token_names_the_pod_and_its_node() {
    let want = Holder::Pod {
        namespace: "team-a".into(),
        pod: "render-0".into(),
        uid: "6a2f".into(),
        service_account: "default".into(),
        node: Some("node-a".into()),
    };
    assert_eq!(verdict(|_| {}), Ok(want));
}

#[test]
fn every_other_token_is_refused_with_the_reason() {
    let refused = |change: fn(&mut serde_json::Value), why: &str| {
        let e = verdict(change).unwrap_err();
        assert!(e.contains(why), "{e}");
    };
    refused(|v| v["authenticated"] = json!(false), "not authenticated");
    refused(
        |v| v["audiences"] = json!(["mooring.dev/other"]),
        "expected \"mooring.dev/licensing\"",
    );
    refused(|v| v["audiences"] = json!([]), "audience");
    refused(
        |v| v["user"]["username"] = json!("admin"),
        "no service account",
    );
    refused(|v| v["user"]["extra"] = json!({}), "not bound to a pod");
    refused(|v| *v = json!({"error": "token expired"}), "token expired");
}

#[test]
fn who_asks_is_answered_before_it_takes_the_wait_for_silence() {
    let on_the_way = Duration::from_secs(1);
    assert!(TIME + FRESH + on_the_way <= LEAST_ATTEMPT);
}
