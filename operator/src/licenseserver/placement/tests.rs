#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::discovery::sightings::View;
use serde_json::{Value, json};
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

fn by_device(serial: Option<&str>) -> Placement {
    let device = json!({ "vendorId": "1050", "productId": "0407", "serial": serial });
    serde_json::from_value(json!({ "device": device })).unwrap()
}

fn views(all: &Value) -> Views {
    let all = all.as_object().unwrap().clone();
    let view = |v: Value| View {
        devices: serde_json::from_value(v["devices"].clone()).unwrap(),
        fresh: v["fresh"] != json!(false),
    };
    all.into_iter().map(|(n, v)| (n, view(v))).collect()
}

#[test]
fn where_a_device_is_is_said_and_where_it_is_not_too() {
    let device =
        |serial: &str| json!({ "vendorId": "1050", "productId": "0407", "serial": serial });
    let wanted = by_device(Some("7"));
    let say = |fitting: &[&str], seen: Value| {
        let fitting: Vec<String> = fitting.iter().map(|s| (*s).to_owned()).collect();
        let w = whereabouts(&wanted, &fitting, Some(&views(&seen)));
        (w.found, w.reason, w.message)
    };
    let (found, reason, text) = say(
        &[],
        json!({ "n1": { "devices": [] }, "n2": { "devices": [device("7")] } }),
    );
    assert_eq!((found, reason), (true, "DeviceFound"));
    assert_eq!(text, "device 1050:0407 serial 7: on node n2");

    let (found, reason, text) = say(&[], json!({ "n1": { "devices": [device("8")] } }));
    assert_eq!((found, reason), (false, "DeviceNotFound"));
    assert!(
        text.contains("on no node; ") && text.contains("1050:0407 serial 8 on n1"),
        "{text}"
    );

    let (found, reason, text) = say(
        &["n1"],
        json!({ "n1": { "devices": [device("7")], "fresh": false } }),
    );
    assert_eq!((found, reason), (true, "AgentSilent"));
    assert!(text.contains("last seen on node n1"), "{text}");

    let (_, reason, text) = say(&[], json!({}));
    assert_eq!(reason, "DeviceNotFound");
    assert!(text.contains("no discovery agent has reported"), "{text}");

    let off = whereabouts(&wanted, &[], None);
    assert_eq!((off.found, off.reason), (false, "DiscoveryDisabled"));
    assert!(
        off.message.contains("discovery.enabled=true"),
        "{}",
        off.message
    );
}

#[test]
fn two_that_are_alike_are_told_apart_by_a_serial_only() {
    let device = json!([{ "vendorId": "1050", "productId": "0407" }]);
    let seen = views(&json!({ "a": { "devices": device }, "b": { "devices": device } }));
    let w = whereabouts(&by_device(None), &[], Some(&seen));
    assert!(
        w.message.contains("on nodes a, b") && w.message.contains("serial"),
        "{}",
        w.message
    );
}

#[test]
fn labels_that_no_node_carries_are_said_with_the_command() {
    let p: Placement =
        serde_json::from_value(json!({ "nodeSelector": { "anchor": "main" } })).unwrap();
    let none = whereabouts(&p, &[], None);
    assert_eq!((none.found, none.reason), (false, "NoMatchingNode"));
    assert!(
        none.message.contains("kubectl label node NODE anchor=main"),
        "{}",
        none.message
    );
    let nodes = [node("a", true, true), node("b", false, true)];
    let some = whereabouts(&p, &fitting(&nodes, &p.labels()), None);
    assert!(some.found, "{}", some.message);
    assert!(
        some.message.starts_with("anchor=main: on node a"),
        "{}",
        some.message
    );
}

#[test]
fn a_device_that_signs_is_not_left_for_another_nodes_word() {
    let moves = || Placed::Moves {
        from: "a".into(),
        to: vec!["liar".into()],
    };
    let snapshot = |present: bool| {
        let anchor =
            json!({ "kind": "pkcs11", "present": present, "reason": "Present", "message": "" });
        let state = json!({
            "instance": "0a".repeat(16), "version": "0", "anchor": anchor, "licenseValid": true,
            "licenseReason": "Valid", "licenseMessage": "", "settling": false, "renews": true, "leaseForSecs": 30
        });
        Snapshot {
            connected: true,
            state: Some(serde_json::from_value(state).unwrap()),
            ..Snapshot::default()
        }
    };
    let by = |v: Value| -> Placement { serde_json::from_value(v).unwrap() };
    let device =
        by(json!({ "device": { "vendorId": "1050", "productId": "0407", "serial": "1" } }));
    assert_eq!(
        keeps(moves(), &device, &snapshot(true)),
        Placed::Keeps { node: "a".into() }
    );
    assert_eq!(
        keeps(moves(), &device, &snapshot(false)),
        moves(),
        "it was pulled out"
    );
    let label = by(json!({ "nodeSelector": { "a": "b" } }));
    assert_eq!(
        keeps(moves(), &label, &snapshot(true)),
        moves(),
        "a label is its admin's word"
    );
}

#[test]
fn two_nodes_that_report_one_serial_are_named() {
    let placement: Placement = serde_json::from_value(
        json!({ "device": { "vendorId": "1050", "productId": "0407", "serial": "A1" } }),
    )
    .unwrap();
    let device = placement.device.clone().unwrap();
    let view = View {
        devices: [device].into(),
        fresh: true,
    };
    let views = Views::from([("a".into(), view.clone()), ("liar".into(), view)]);
    let w = whereabouts(&placement, &["a".to_owned()], Some(&views));
    assert_eq!((w.found, w.reason), (true, "DeviceDisputed"));
    assert!(w.message.contains("a, liar"), "{}", w.message);
}

#[test]
fn labels_that_a_kubelet_may_set_itself_are_told() {
    let said = |label: &str| {
        let placement =
            serde_json::from_value(json!({ "nodeSelector": { label: "main" } })).unwrap();
        whereabouts(&placement, &["a".to_owned()], None).message
    };
    for open in [
        "anchor",
        "mooring.dev/anchor",
        "evilnode-restriction.kubernetes.io/a",
    ] {
        assert!(said(open).contains("is safe from that"), "{open}");
    }
    for safe in [
        "mooring.node-restriction.kubernetes.io/anchor",
        "node-restriction.kubernetes.io/a",
    ] {
        assert!(!said(safe).contains("is safe from that"), "{safe}");
    }
}
