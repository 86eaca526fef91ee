//! The facts of one reconciliation: what a LicenseServer names, and what is there of it already.

use super::ownership::Taken;
use super::seat_policy::named::NamedPolicy;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use mooring_core::wire::Policies;
use std::sync::Arc;

/// The facts of one reconciliation.
#[derive(Clone, Debug, Default)]
pub struct ServerFacts {
    /// What the LicenseServer names and is not there, in words that say what to do.
    pub missing: Vec<Missing>,
    /// A digest of the versions of license, PIN and keys: with it, the kubelet is nudged to take a
    /// change in at once.
    pub sources: String,
    /// Who may use it, and whose its seats are, resolved.
    pub policies: Policies,
    /// What its `spec.policy` comes to.
    pub named: NamedPolicy,
    /// The serving certificate, if there is one.
    pub tls: Option<Secret>,
    pub has_identity: bool,
    /// Whether its state has a place. What is in it is the server's alone.
    pub has_state: bool,
    /// What is there of somebody else's under the names that it needs.
    pub taken: Vec<Taken>,
    /// What is there of the objects that the operator writes.
    pub children: Children,
    pub pod: Option<Pod>,
    /// The pod of its pod's name, whoever has it run.
    pub namesake: Option<Pod>,
    /// All of the cluster.
    pub nodes: Vec<Arc<Node>>,
}

impl ServerFacts {
    /// Its pod, if it is not being deleted.
    pub fn standing_pod(&self) -> Option<&Pod> {
        let standing = |p: &&Pod| p.metadata.deletion_timestamp.is_none();
        self.pod.as_ref().filter(standing)
    }
}

/// The children that are there. A change of one by somebody else is put right at once, but for the
/// account and its cluster-wide binding.
#[derive(Clone, Debug, Default)]
pub struct Children {
    pub set: Option<StatefulSet>,
    pub service: Option<Service>,
    pub config: Option<ConfigMap>,
    pub policy: Option<NetworkPolicy>,
    pub account: Option<ServiceAccount>,
    pub binding: Option<ClusterRoleBinding>,
    /// The right to the server's state, and who has it.
    pub role: Option<Role>,
    pub role_binding: Option<RoleBinding>,
}

impl Children {
    /// Differs when one of them is gone, was made anew, or was written. A StatefulSet's status does
    /// not count.
    pub fn mark(&self) -> String {
        let word = |m: Option<&ObjectMeta>, version: &dyn Fn(&ObjectMeta) -> Option<String>| {
            let uid = m.and_then(|m| m.uid.clone()).unwrap_or_default();
            format!("{uid}.{}", m.and_then(version).unwrap_or_default())
        };
        let written = |m: &ObjectMeta| m.resource_version.clone();
        let spec = |m: &ObjectMeta| m.generation.map(|g| g.to_string());
        let set = word(self.set.as_ref().map(|o| &o.metadata), &spec);
        let service = word(self.service.as_ref().map(|o| &o.metadata), &written);
        let config = word(self.config.as_ref().map(|o| &o.metadata), &written);
        let policy = word(self.policy.as_ref().map(|o| &o.metadata), &written);
        let role = word(self.role.as_ref().map(|o| &o.metadata), &written);
        let has_it = word(self.role_binding.as_ref().map(|o| &o.metadata), &written);
        format!("{set} {service} {config} {policy} {role} {has_it}")
    }
}

/// Something that the LicenseServer names and that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The condition's reason, CamelCase.
    pub reason: &'static str,
    /// What, where, and what to do.
    pub message: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    fn children(generation: i64, set_version: &str, map_version: &str) -> Children {
        let set = json!({ "metadata": { "uid": "s", "generation": generation, "resourceVersion": set_version } });
        let map = json!({ "metadata": { "uid": "m", "resourceVersion": map_version } });
        Children {
            set: Some(serde_json::from_value(set).unwrap()),
            config: Some(serde_json::from_value(map).unwrap()),
            ..Children::default()
        }
    }

    #[test]
    fn a_change_by_somebody_else_is_noticed_and_a_status_is_none() {
        let mark = children(1, "10", "5").mark();
        assert_eq!(children(1, "11", "5").mark(), mark, "the pod became ready");
        assert_ne!(children(2, "11", "5").mark(), mark, "the spec was edited");
        assert_ne!(
            children(1, "10", "6").mark(),
            mark,
            "the ConfigMap was edited"
        );
        let gone = Children {
            set: None,
            ..children(1, "10", "5")
        };
        assert_ne!(gone.mark(), mark);
        let role = json!({ "metadata": { "uid": "r", "resourceVersion": "7" } });
        let granted = Children {
            role: Some(serde_json::from_value(role).unwrap()),
            ..children(1, "10", "5")
        };
        assert_ne!(granted.mark(), mark, "the right to its state");
    }
}
