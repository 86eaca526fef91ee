//! Who may reach a license server's pod, for clusters whose network keeps to NetworkPolicies.

use super::inputs::{Inputs, MetricsFrom, meta, selector};
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use mooring_api::ServiceType;
use mooring_api::names::{API_PORT, METRICS_PORT};
use mooring_core::wire::AllowedNamespaces;
use std::collections::BTreeMap;

/// The label that each namespace has with its name.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
/// The labels of the operator's pods (the chart).
const OPERATOR: [(&str, &str); 2] = [
    ("app.kubernetes.io/name", "mooring"),
    ("app.kubernetes.io/component", "operator"),
];

/// NetworkPolicy `‹name›`: the API for pods of the namespaces that may use it, and for the
/// operator; for everybody where every namespace may, or people outside of the cluster are invited.
pub fn network_policy(i: &Inputs<'_>, metrics: &MetricsFrom) -> NetworkPolicy {
    let invited = i.server.spec.service.type_ != ServiceType::ClusterIp;
    let namespaces = match &i.policies.allowed_namespaces {
        AllowedNamespaces::These(list) if !invited => Some(list),
        _ => None,
    };
    let from = namespaces.map(|list| {
        let operator = NetworkPolicyPeer {
            namespace_selector: Some(named(&[i.operator_namespace.to_owned()])),
            pod_selector: Some(LabelSelector {
                match_labels: Some(BTreeMap::from(
                    OPERATOR.map(|(k, v)| (k.to_owned(), v.to_owned())),
                )),
                ..LabelSelector::default()
            }),
            ..NetworkPolicyPeer::default()
        };
        let tenants = (!list.is_empty()).then(|| NetworkPolicyPeer {
            namespace_selector: Some(named(list)),
            ..NetworkPolicyPeer::default()
        });
        [operator].into_iter().chain(tenants).collect()
    });
    let mut ingress = vec![rule(API_PORT, from)];
    if !metrics.peers().is_empty() {
        ingress.push(rule(METRICS_PORT, Some(metrics.peers().to_vec())));
    }
    NetworkPolicy {
        metadata: meta(i, i.reference.name.clone()),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector {
                match_labels: Some(selector(i.reference)),
                ..LabelSelector::default()
            }),
            policy_types: Some(vec!["Ingress".into()]),
            ingress: Some(ingress),
            ..NetworkPolicySpec::default()
        }),
    }
}

fn named(namespaces: &[String]) -> LabelSelector {
    LabelSelector {
        match_expressions: Some(vec![LabelSelectorRequirement {
            key: NAMESPACE_NAME.into(),
            operator: "In".into(),
            values: Some(namespaces.to_vec()),
        }]),
        ..LabelSelector::default()
    }
}

fn rule(port: u16, from: Option<Vec<NetworkPolicyPeer>>) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule {
        from,
        ports: Some(vec![NetworkPolicyPort {
            port: Some(IntOrString::Int(i32::from(port))),
            protocol: Some("TCP".into()),
            ..NetworkPolicyPort::default()
        }]),
    }
}
