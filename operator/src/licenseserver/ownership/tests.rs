#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::needless_pass_by_value)]
use super::*;
use k8s_openapi::api::core::v1::Service;
use serde_json::{Value, json};

const UID: &str = "11111111-2222-3333-4444-555555555555";

fn payments() -> ServerRef {
    ServerRef::new("shop", "payments")
}

fn owned_by(kind: &str, name: &str, uid: &str) -> Value {
    let group = if kind == "LicenseServer" {
        "mooring.dev/v1alpha1"
    } else {
        "apps/v1"
    };
    json!([{ "apiVersion": group, "kind": kind, "name": name, "uid": uid, "controller": true }])
}

fn service(owners: Value) -> Service {
    // All that a stranger can imitate is right: name, labels, field manager.
    let metadata = json!({
        "name": "payments", "namespace": "shop", "ownerReferences": owners,
        "labels": { "app.kubernetes.io/managed-by": "mooring-operator", "mooring.dev/server": "payments" },
        "managedFields": [{ "manager": "mooring-operator", "operation": "Apply" }]
    });
    serde_json::from_value(json!({ "metadata": metadata })).unwrap()
}

#[test]
fn only_the_owners_uid_makes_an_object_ours() {
    let judge = |owners| taken(&service(owners), &payments(), UID);
    assert_eq!(judge(owned_by("LicenseServer", "payments", UID)), None);
    let strangers = [
        json!([]),
        owned_by("Deployment", "payments", "other"),
        owned_by("LicenseServer", "payments", "other"),
        json!([{ "apiVersion": "mooring.dev/v1alpha1", "kind": "LicenseServer", "name": "payments", "uid": UID }]),
    ];
    for owners in strangers {
        let said = judge(owners.clone()).unwrap().message();
        assert!(
            said.starts_with("Service shop/payments is there already"),
            "{owners}: {said}"
        );
    }
    let none = taken(
        &service(owned_by("LicenseServer", "payments", "")),
        &payments(),
        "",
    );
    assert!(none.is_some(), "an object without a UID owns nothing");
}

#[test]
fn what_is_said_names_the_owner_and_what_to_do() {
    let said = |owners| taken(&service(owners), &payments(), UID).unwrap().message();
    let foreign = said(json!([]));
    assert!(
        foreign.contains("another name") && foreign.contains("nothing was written"),
        "{foreign}"
    );
    assert!(said(owned_by("Deployment", "shop", "u")).contains("belongs to Deployment shop"));
    let earlier = said(owned_by("LicenseServer", "payments", "u"));
    assert!(earlier.contains("ends by itself"), "{earlier}");
}

#[test]
fn a_binding_is_ours_by_the_labels_that_only_who_writes_bindings_can_set() {
    let binding = |labels: Value| -> ClusterRoleBinding {
        let name = "mooring-server:shop:payments";
        let metadata = json!({ "name": name, "labels": labels });
        serde_json::from_value(
            json!({ "metadata": metadata, "roleRef": {"apiGroup": "", "kind": "", "name": ""} }),
        )
        .unwrap()
    };
    let ours = json!({
        "app.kubernetes.io/managed-by": "mooring-operator", "mooring.dev/server": "payments", "mooring.dev/server-namespace": "shop"
    });
    assert_eq!(binding_taken(&binding(ours.clone()), &payments()), None);
    assert!(binding_taken(&binding(json!({})), &payments()).is_some());
    for label in ours.as_object().unwrap().keys() {
        let mut other = ours.clone();
        other[label] = json!("other");
        assert!(
            binding_taken(&binding(other), &payments()).is_some(),
            "{label} counts for nothing"
        );
    }
}

#[test]
fn a_pod_of_somebody_else_is_in_the_way_and_one_that_goes_or_has_lost_its_owner_is_not() {
    let pod = |metadata: Value| pod_taken(&serde_json::from_value(metadata).unwrap(), &payments());
    let owners = |kind, name| json!({ "ownerReferences": owned_by(kind, name, "u") });
    assert!(pod(json!({})).is_some());
    assert!(pod(owners("StatefulSet", "other")).is_some());
    assert!(pod(owners("ReplicaSet", "payments")).is_some());
    assert_eq!(pod(owners("StatefulSet", "payments")), None);
    assert_eq!(
        pod(json!({ "labels": { "mooring.dev/server": "payments" } })),
        None
    );
    assert_eq!(
        pod(json!({ "deletionTimestamp": "2026-01-01T00:00:00Z" })),
        None
    );
}
