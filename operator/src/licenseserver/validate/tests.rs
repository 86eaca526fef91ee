#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use serde_json::{Value, json};

fn check(change: impl FnOnce(&mut Value)) -> Result<(), String> {
    let mut v = json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "LicenseServer", "metadata": { "name": "main" },
        "spec": {
            "licenses": [{ "secretName": "l" }], "placement": { "nodeSelector": { "a": "b" } },
            "anchor": { "pkcs11": { "module": "/m", "tokenLabel": "t", "pinSecret": { "name": "p" } } }
        }
    });
    change(&mut v);
    validate(&serde_json::from_value(v).unwrap()).map_err(|e| e.to_string())
}

/// A standby with this placement.
fn elsewhere(placement: &Value) -> Value {
    json!({ "usb": { "keySecret": { "name": "k" } }, "placement": placement })
}

#[test]
fn a_good_one_passes() {
    let standby = elsewhere(&json!({ "nodeSelector": { "a": "c" } }));
    assert_eq!(check(|v| v["spec"]["standby"] = standby), Ok(()));
    assert_eq!(check(|_| ()), Ok(()));
    for kind in ["usb", "hwid"] {
        let anchor = json!({ kind: { "keySecret": { "name": "k" } } });
        assert_eq!(check(|v| v["spec"]["anchor"] = anchor), Ok(()));
    }
    let device = json!({ "device": { "vendorId": "1050", "productId": "0407" } });
    assert_eq!(check(|v| v["spec"]["placement"] = device), Ok(()));
}

#[test]
fn each_refusal_names_the_field_and_what_was_expected() {
    let cases: [(&str, Result<(), String>); 19] = [
        (
            "spec.service.connections",
            check(|v| {
                v["spec"]["service"] = json!({ "connections": { "most": 20, "perAddress": 21 } });
            }),
        ),
        ("spec.clients", check(|v| v["spec"]["clients"] = json!({}))),
        (
            "spec.admins",
            check(|v| v["spec"]["admins"] = json!(["mooring-operator"])),
        ),
        (
            "metadata.name",
            check(|v| v["metadata"]["name"] = json!("x".repeat(53))),
        ),
        ("spec.anchor", check(|v| v["spec"]["anchor"] = json!({}))),
        (
            "spec.anchor",
            check(|v| v["spec"]["anchor"]["usb"] = json!({ "keySecret": { "name": "k" } })),
        ),
        ("spec.standby", check(|v| v["spec"]["standby"] = json!({}))),
        (
            "spec.standby.placement",
            check(|v| v["spec"]["standby"] = elsewhere(&json!({}))),
        ),
        (
            "spec.standby.placement: the same as spec.placement",
            check(|v| v["spec"]["standby"] = elsewhere(&json!({ "nodeSelector": { "a": "b" } }))),
        ),
        (
            "spec.placement",
            check(|v| v["spec"]["placement"]["nodeSelector"] = json!({})),
        ),
        (
            "spec.placement",
            check(|v| v["spec"]["placement"] = json!({})),
        ),
        (
            "spec.placement",
            check(|v| {
                v["spec"]["placement"]["device"] =
                    json!({ "vendorId": "1050", "productId": "0407" });
            }),
        ),
        (
            "spec.lease.duration",
            check(|v| v["spec"]["lease"] = json!({ "duration": "5s" })),
        ),
        (
            "spec.lease.claimsPerHolder",
            check(|v| v["spec"]["lease"] = json!({ "claimsPerHolder": 0 })),
        ),
        (
            "spec.audit.maxFileSize",
            check(|v| v["spec"]["audit"] = json!({ "maxFileSize": 1 })),
        ),
        (
            "spec.audit.files",
            check(|v| v["spec"]["audit"] = json!({ "files": 1001 })),
        ),
        (
            "spec.lease.grace",
            check(|v| v["spec"]["lease"] = json!({ "duration": "60s", "grace": "30s" })),
        ),
        (
            "spec.vendorKeys",
            check(|v| v["spec"]["vendorKeys"] = json!({})),
        ),
        (
            "spec.allowedNamespaces",
            check(|v| v["spec"]["allowedNamespaces"] = json!({ "from": "Selector" })),
        ),
    ];
    for (field, result) in cases {
        let e = result.unwrap_err();
        assert!(
            e.starts_with(field) && e.contains("expected"),
            "{field}: {e}"
        );
    }
}

fn outside(change: impl FnOnce(&mut Value)) -> Result<(), String> {
    let mut v = json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "LicenseServer", "metadata": { "name": "main" },
        "spec": { "external": {
            "address": "https://license.example.com:8443", "roots": { "configMapName": "roots" },
            "issuer": { "secretName": "issuer", "subjects": "pod:cluster-a/" }
        } }
    });
    change(&mut v["spec"]);
    validate(&serde_json::from_value(v).unwrap()).map_err(|e| e.to_string())
}

#[test]
fn one_outside_of_the_cluster_needs_no_anchor_and_no_place() {
    assert_eq!(outside(|_| ()), Ok(()));
    let addresses = json!(["172.30.0.9:8443", "[fd00::9]:8443"]);
    assert_eq!(outside(|s| s["external"]["addresses"] = addresses), Ok(()));
    let address = "https://172.30.0.9:8443";
    assert_eq!(
        outside(|s| s["external"]["address"] = json!(address)),
        Ok(())
    );
    for (bad, field) in [
        (json!("http://license.example.com:8443"), "address"),
        (json!("https://license.example.com"), "address"),
        (json!("https://license.example.com:0"), "address"),
        (json!("https://main.licensing.svc:8443"), "address"),
        (
            json!("https://main.licensing.svc.cluster.local:8443"),
            "address",
        ),
        (json!(["license.example.com:8443"]), "addresses"),
        (json!(["172.30.0.9"]), "addresses"),
    ] {
        let e = outside(|s| s["external"][field] = bad.clone()).unwrap_err();
        assert!(e.starts_with(&format!("spec.external.{field}: ")), "{e}");
    }
    let e = outside(|s| s["external"]["issuer"]["subjects"] = json!("pod:a")).unwrap_err();
    assert!(
        e.starts_with("spec.external.issuer.subjects: \"pod:a\""),
        "{e}"
    );
    let e = outside(|s| s["allowedNamespaces"] = json!({ "from": "Selector" })).unwrap_err();
    assert!(e.starts_with("spec.allowedNamespaces"), "{e}");
}
