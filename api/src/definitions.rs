//! The custom resource definitions; `crds/*.yaml` is generated from them (`make crds`).

use crate::license_lease::LicenseLease;
use crate::license_server::LicenseServer;
use crate::names::MAX_SERVER_NAME;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
    ValidationRule,
};
use kube::CustomResourceExt;

/// All custom resource definitions, each with its file's name under `crds/`.
pub fn all() -> Vec<(&'static str, CustomResourceDefinition)> {
    let mut all = vec![
        ("licenseservers.yaml", server_crd()),
        ("licenseleases.yaml", lease_crd()),
    ];
    for (_, crd) in &mut all {
        for version in &mut crd.spec.versions {
            if let Some(root) = version
                .schema
                .as_mut()
                .and_then(|s| s.open_api_v3_schema.as_mut())
            {
                signed_formats(root);
            }
        }
    }
    all
}

/// OpenAPI knows `int32` and `int64` alone; the API server warns of the unsigned ones at each
/// apply.
fn signed_formats(schema: &mut JSONSchemaProps) {
    schema.format = match schema.format.take().as_deref() {
        Some("uint8" | "uint16") => Some("int32".to_owned()),
        Some("uint32" | "uint64") => Some("int64".to_owned()),
        other => other.map(str::to_owned),
    };
    schema
        .properties
        .iter_mut()
        .flat_map(|p| p.values_mut())
        .for_each(signed_formats);
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(s)) => signed_formats(s),
        Some(JSONSchemaPropsOrArray::Schemas(all)) => all.iter_mut().for_each(signed_formats),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(s)) = &mut schema.additional_properties {
        signed_formats(s);
    }
}

/// The name of a LicenseServer becomes that of a Service, a pod and labels: checked on the root,
/// where a rule may read it.
fn server_crd() -> CustomResourceDefinition {
    let mut crd = LicenseServer::crd();
    let pattern = "^[a-z]([-a-z0-9]*[a-z0-9])?$";
    let rule = ValidationRule {
        rule: format!(
            "size(self.metadata.name) <= {MAX_SERVER_NAME} && self.metadata.name.matches('{pattern}')"
        ),
        message: Some(format!(
            "metadata.name: expected at most {MAX_SERVER_NAME} of a-z, 0-9 and '-', a letter first, no '-' at the end: the Service and the pod are named after it"
        )),
        ..ValidationRule::default()
    };
    for version in &mut crd.spec.versions {
        if let Some(root) = version
            .schema
            .as_mut()
            .and_then(|s| s.open_api_v3_schema.as_mut())
        {
            root.x_kubernetes_validations
                .get_or_insert_default()
                .push(rule.clone());
        }
    }
    crd
}

/// Without the status subresource a lease's change is one write, not two.
fn lease_crd() -> CustomResourceDefinition {
    let mut crd = LicenseLease::crd();
    for version in &mut crd.spec.versions {
        version.subresources = None;
    }
    crd
}

/// One definition as YAML, with a line that says where it comes from.
pub fn yaml(crd: &CustomResourceDefinition) -> Result<String, serde_yaml::Error> {
    let body = serde_yaml::to_string(crd)?;
    Ok(format!(
        "# Generated from api/src by `make crds`; do not edit.\n{body}"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::anchor::Anchor;
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
            ["NODE", "ANCHOR", "READY", "USED", "SEATS", "WAITING", "AGE"]
        );
        let leases = columns(&lease_crd(), 0);
        assert_eq!(
            leases,
            ["PRODUCTS", "HOLDER", "NODE", "STATE", "SINCE", "AGE"]
        );
        assert_eq!(columns(&lease_crd(), 1), ["SERVER", "PLACE", "UNTIL"]);
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
license: {secretName: license}
anchor: {pkcs11: {module: /usr/lib/softhsm/libsofthsm2.so, tokenLabel: mooring, pinSecret: {name: pin}}}
placement: {nodeSelector: {mooring.dev/anchor: main}}
";
        let spec: LicenseServerSpec = serde_yaml::from_str(yaml).unwrap();
        assert_eq!(spec.license.key, "license.mooring");
        assert_eq!(spec.anchor.pkcs11.unwrap().pin_secret.key, "pin");
        assert_eq!(spec.lease.lease().as_secs(), 30);
        assert_eq!(spec.service.port, 8443);
        assert_eq!(spec.allowed_namespaces.from, NamespacesFrom::Same);
    }
}
