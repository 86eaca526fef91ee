//! The custom resource definitions; `crds/*.yaml` is generated from them (`make crds`).

use crate::license_lease::LicenseLease;
use crate::license_policy::LicensePolicy;
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
        ("licensepolicies.yaml", LicensePolicy::crd()),
    ];
    for (_, crd) in &mut all {
        schemas(crd).for_each(signed_formats);
    }
    all
}

fn schemas(crd: &mut CustomResourceDefinition) -> impl Iterator<Item = &mut JSONSchemaProps> {
    let versions = crd.spec.versions.iter_mut();
    versions.filter_map(|v| v.schema.as_mut()?.open_api_v3_schema.as_mut())
}

/// OpenAPI knows `int32` and `int64` alone; the API server warns of the unsigned ones at each
/// apply.
fn signed_formats(schema: &mut JSONSchemaProps) {
    schema.format = match schema.format.take().as_deref() {
        Some("uint8" | "uint16") => Some("int32".to_owned()),
        Some("uint32" | "uint64") => Some("int64".to_owned()),
        other => other.map(str::to_owned),
    };
    let fields = schema.properties.iter_mut().flat_map(|p| p.values_mut());
    fields.for_each(signed_formats);
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
    for root in schemas(&mut crd) {
        let rules = root.x_kubernetes_validations.get_or_insert_default();
        rules.push(rule.clone());
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
mod tests;
