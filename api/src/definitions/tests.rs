#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::anchor::Anchor;
use crate::license_policy::LicensePolicySpec;
use crate::license_server::{LicenseServerSpec, NamespacesFrom};

#[test]
fn the_files_under_crds_are_what_the_types_say() {
    for (file, crd) in all() {
        let path = format!("{}/../crds/{file}", env!("CARGO_MANIFEST_DIR"));
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            there == yaml(&crd).unwrap(),
            "{file} differs from api/src: run `make crds` and commit it"
        );
    }
}

fn columns(crd: &CustomResourceDefinition, priority: i32) -> Vec<String> {
    let columns = crd.spec.versions[0]
        .additional_printer_columns
        .clone()
        .unwrap();
    columns
        .iter()
        .filter(|c| c.priority.unwrap_or(0) == priority)
        .map(|c| c.name.to_uppercase())
        .collect()
}

#[test]
fn the_columns_are_the_designs() {
    let servers = columns(&server_crd(), 0);
    assert_eq!(
        servers,
        [
            "NODE", "SERVES", "ANCHOR", "READY", "USED", "SEATS", "WAITING", "AGE"
        ]
    );
    let leases = columns(&lease_crd(), 0);
    assert_eq!(
        leases,
        [
            "PRODUCTS", "HOLDER", "NODE", "STATE", "SINCE", "UNTIL", "AGE"
        ]
    );
    assert_eq!(
        columns(&lease_crd(), 1),
        ["SERVER", "PLACE", "PROJECT", "AS-OF", "MESSAGE"]
    );
}

#[test]
fn a_lease_is_one_write_and_a_server_has_a_status() {
    assert!(lease_crd().spec.versions[0].subresources.is_none());
    let server = server_crd();
    assert!(
        server.spec.versions[0]
            .subresources
            .as_ref()
            .unwrap()
            .status
            .is_some()
    );
}

#[test]
fn each_kind_of_anchor_has_a_short_form() {
    for (yaml, kind) in [
        ("usb: {keySecret: {name: k}}", "usb"),
        ("hwid: {keySecret: {name: k}}", "hwid"),
    ] {
        let anchor: Anchor = serde_yaml::from_str(yaml).unwrap();
        assert_eq!(anchor.kind().unwrap().secret().2, "anchor.key", "{kind}");
    }
    let two = "{usb: {keySecret: {name: k}}, hwid: {keySecret: {name: k}}}";
    let two: Anchor = serde_yaml::from_str(two).unwrap();
    assert!(two.kind().is_none());
}

#[test]
fn a_short_manifest_is_enough() {
    let yaml = "
licenses: [{secretName: license}]
anchor: {pkcs11: {module: /usr/lib/softhsm/libsofthsm2.so, tokenLabel: mooring, pinSecret: {name: pin}}}
placement: {nodeSelector: {mooring.node-restriction.kubernetes.io/anchor: main}}
";
    let spec: LicenseServerSpec = serde_yaml::from_str(yaml).unwrap();
    assert_eq!(spec.licenses[0].key, "license.mooring");
    assert_eq!(spec.anchor.pkcs11.unwrap().pin_secret.key, "pin");
    assert_eq!(spec.lease.duration.0.as_secs(), 30);
    assert_eq!(spec.service.port, 8443);
    assert_eq!(spec.allowed_namespaces.from, NamespacesFrom::Same);
}

#[test]
fn a_policy_has_the_columns_of_the_page() {
    let (_, crd) = all().pop().unwrap();
    assert_eq!(crd.spec.names.plural, "licensepolicies");
    assert_eq!(
        columns(&crd, 0),
        ["SERVERS", "GROUPS", "ACCEPTED", "DRY-RUN", "AGE"]
    );
}

#[test]
fn a_short_policy_is_enough() {
    let yaml = "groups: [{name: a, namespaces: [team-a], pools: {render: {owned: 2}}}]";
    let spec: LicensePolicySpec = serde_yaml::from_str(yaml).unwrap();
    assert_eq!(spec.notice.0.as_secs(), 900);
    assert!(!spec.dry_run && spec.dry_run_on.is_empty());
    assert_eq!(spec.groups[0].pools["render"].owned, 2);
}
