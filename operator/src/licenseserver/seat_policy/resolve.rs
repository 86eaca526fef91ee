//! A policy with its selectors resolved into the namespaces that they match now. What is resolved
//! is what license servers are told: they know no labels.

use crate::cache::watches::PAGE;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::core::{PartialObjectMeta, Selector, SelectorExt as _};
use kube::{Api, Client, ResourceExt as _};
use mooring_api::{BadPolicy, LicensePolicy, LicensePolicySpec};
use mooring_core::policy::SeatPolicy;
use std::collections::BTreeMap;

/// The selectors of a policy that do not match everything, by group.
fn selectors(spec: &LicensePolicySpec) -> Result<Vec<(String, Selector)>, BadPolicy> {
    let narrow = spec.groups.iter().filter(|g| !g.has_every_namespace());
    let each = narrow.filter_map(|g| Some((&g.name, g.namespace_selector.clone()?)));
    let read = each.map(|(group, s)| {
        let selector = Selector::try_from(s).map_err(|e| BadPolicy::Selector {
            group: group.clone(),
            why: e.to_string(),
        })?;
        Ok((group.clone(), selector))
    });
    read.collect()
}

/// Whether what it says depends on the labels of namespaces.
pub fn selects(spec: &LicensePolicySpec) -> bool {
    let mut groups = spec.groups.iter();
    groups.any(|g| g.namespace_selector.is_some() && !g.has_every_namespace())
}

/// A policy as a license server is told it. Namespaces that could not be listed are an error, and
/// never none.
pub(in crate::licenseserver) async fn resolved(
    policy: &LicensePolicy,
    client: &Client,
) -> Result<Result<SeatPolicy, BadPolicy>, kube::Error> {
    let selectors = match selectors(&policy.spec) {
        Ok(selectors) => selectors,
        Err(e) => return Ok(Err(e)),
    };
    let mut selected = BTreeMap::new();
    if !selectors.is_empty() {
        let namespaces: Api<PartialObjectMeta<Namespace>> = Api::all(client.clone());
        let mut params = ListParams::default().limit(PAGE);
        loop {
            let page = namespaces.list_metadata(&params).await?;
            for n in &page.items {
                note(&selectors, n, &mut selected);
            }
            match page.metadata.continue_.filter(|c| !c.is_empty()) {
                Some(next) => params = params.continue_token(&next),
                None => break,
            }
        }
    }
    Ok(policy.spec.seats(&policy.name_any(), &selected))
}

fn note(
    selectors: &[(String, Selector)],
    namespace: &impl kube::Resource,
    selected: &mut BTreeMap<String, Vec<String>>,
) {
    for (group, selector) in selectors {
        if selector.matches(namespace.labels()) {
            let of = selected.entry(group.clone()).or_default();
            of.push(namespace.name_any());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    fn spec(yaml: &str) -> LicensePolicySpec {
        serde_yaml::from_str(yaml).unwrap()
    }

    #[test]
    fn namespaces_go_to_the_groups_whose_selectors_match_them() {
        let spec = spec(
            "
groups:
- {name: sim, namespaceSelector: {matchLabels: {team: sim}, matchExpressions: [{key: tier, operator: NotIn, values: [test]}]}}
- {name: any, namespaceSelector: {matchExpressions: [{key: team, operator: Exists}]}}
- {name: all, namespaceSelector: {}}
",
        );
        let selectors = selectors(&spec).unwrap();
        assert_eq!(selectors.len(), 2, "{{}} is not looked up");
        assert!(selects(&spec));
        let mut selected = BTreeMap::new();
        for (name, labels) in [
            ("a", json!({ "team": "sim" })),
            ("b", json!({ "team": "sim", "tier": "test" })),
            ("c", json!({})),
        ] {
            let namespace = json!({ "metadata": { "name": name, "labels": labels } });
            let namespace: Namespace = serde_json::from_value(namespace).unwrap();
            note(&selectors, &namespace, &mut selected);
        }
        assert_eq!(selected["sim"], ["a"]);
        assert_eq!(selected["any"], ["a", "b"]);
        let seats = spec.seats("p", &selected).unwrap();
        assert_eq!(seats.groups[1].namespaces, ["b"]);
    }

    #[test]
    fn a_selector_without_values_names_its_group() {
        let spec = spec(
            "groups: [{name: sim, namespaceSelector: {matchExpressions: [{key: team, operator: In}]}}]",
        );
        let said = selectors(&spec).unwrap_err().to_string();
        assert!(
            said.starts_with("spec.groups[sim].namespaceSelector: "),
            "{said}"
        );
    }
}
