//! A policy with its selectors resolved into the namespaces that they match now. What is resolved
//! is what license servers are told: they know no labels.

use crate::cache::watches::PAGE;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::core::{PartialObjectMeta, Selector, SelectorExt as _};
use kube::{Api, Client, ResourceExt as _};
use mooring_api::{BadPolicy, LicensePolicy, LicensePolicySpec, Lookup};
use mooring_core::annotation::PROJECTS;
use mooring_core::policy::SeatPolicy;

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

/// Whether what it says depends on the labels of namespaces, or on what they allow.
pub fn selects(spec: &LicensePolicySpec) -> bool {
    let mut groups = spec.groups.iter();
    groups.any(|g| {
        let by_labels = g.namespace_selector.is_some() && !g.has_every_namespace();
        by_labels || !g.projects.is_empty()
    })
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
    let mut lookup = Lookup::default();
    if selects(&policy.spec) {
        let namespaces: Api<PartialObjectMeta<Namespace>> = Api::all(client.clone());
        let mut params = ListParams::default().limit(PAGE);
        loop {
            let page = namespaces.list_metadata(&params).await?;
            for n in &page.items {
                note(&selectors, n, &mut lookup);
            }
            match page.metadata.continue_.filter(|c| !c.is_empty()) {
                Some(next) => params = params.continue_token(&next),
                None => break,
            }
        }
    }
    Ok(policy.spec.seats(&policy.name_any(), &lookup))
}

fn note(selectors: &[(String, Selector)], namespace: &impl kube::Resource, lookup: &mut Lookup) {
    for (group, selector) in selectors {
        if selector.matches(namespace.labels()) {
            let of = lookup.selected.entry(group.clone()).or_default();
            of.push(namespace.name_any());
        }
    }
    if let Some(projects) = namespace.annotations().get(PROJECTS) {
        lookup.allow(&namespace.name_any(), projects);
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
        let mut lookup = Lookup::default();
        for (name, labels) in [
            ("a", json!({ "team": "sim" })),
            ("b", json!({ "team": "sim", "tier": "test" })),
            ("c", json!({})),
        ] {
            let annotations = json!({ "mooring.dev/projects": "falcon" });
            let namespace = json!({ "metadata": { "name": name, "labels": labels, "annotations": annotations } });
            let namespace: Namespace = serde_json::from_value(namespace).unwrap();
            note(&selectors, &namespace, &mut lookup);
        }
        assert_eq!(lookup.selected["sim"], ["a"]);
        assert_eq!(lookup.selected["any"], ["a", "b"]);
        assert_eq!(lookup.projects.len(), 3);
        let seats = spec.seats("p", &lookup).unwrap();
        assert_eq!(seats.groups[1].namespaces, ["b"]);
    }

    #[test]
    fn a_policy_with_projects_looks_at_namespaces() {
        let yaml = "groups: [{name: g, namespaces: [a], projects: [falcon]}]";
        assert!(selects(&spec(yaml)));
        assert!(!selects(&spec("groups: [{name: g, namespaces: [a]}]")));
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
