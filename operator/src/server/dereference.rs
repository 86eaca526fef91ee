//! Reads what a LicenseServer names and what is there of it already. No rule here; the facts go to `build` and `status`.

use super::Context;
use super::Error;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Pod, Secret, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kube::api::ListParams;
use kube::core::{PartialObjectMeta, Selector};
use kube::{Api, ResourceExt as _};
use mooring_api::names::ServerRef;
use mooring_api::{AnchorKind, LicenseServer, NamespacesFrom};
use mooring_core::wire::Policies;
use std::sync::Arc;

/// The facts of one reconciliation.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// What the LicenseServer names and is not there, in words that say what to do.
    pub missing: Vec<Missing>,
    /// A digest of the versions of license, PIN and keys: with it, the kubelet is nudged to take a change in at once.
    pub sources: String,
    /// Who may use it, resolved.
    pub policies: Policies,
    /// The serving certificate, if there is one.
    pub tls: Option<Secret>,
    /// Whether the identity is there.
    pub has_identity: bool,
    /// What is there of the objects that the operator writes.
    pub children: Children,
    /// Its pod.
    pub pod: Option<Pod>,
    /// All nodes.
    pub nodes: Vec<Arc<Node>>,
}

/// The children whose change by somebody else is put right at once.
#[derive(Clone, Debug, Default)]
pub struct Children {
    /// The StatefulSet.
    pub set: Option<StatefulSet>,
    /// The Service.
    pub service: Option<Service>,
    /// The ConfigMap.
    pub config: Option<ConfigMap>,
}

impl Children {
    /// Differs when one of them is gone, was made anew, or was written. A StatefulSet's status does not count.
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
        format!("{set} {service} {config}")
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

fn api(error: kube::Error, what: &str) -> Error {
    Error::Api {
        what: what.to_owned(),
        source: Box::new(error),
    }
}

/// Reads all of them.
pub async fn dereference(
    server: &LicenseServer,
    reference: &ServerRef,
    ctx: &Context,
) -> Result<Facts, Error> {
    let ns = reference.namespace.as_str();
    let secrets: Api<Secret> = Api::namespaced(ctx.client.clone(), ns);
    let sets: Api<StatefulSet> = Api::namespaced(ctx.client.clone(), ns);
    let pods: Api<Pod> = Api::namespaced(ctx.client.clone(), ns);
    let services: Api<Service> = Api::namespaced(ctx.client.clone(), ns);
    let mut facts = Facts {
        nodes: ctx.cache.nodes(),
        ..Facts::default()
    };
    let mut versions = Vec::new();
    let spec = &server.spec;
    let need = |field, kind, name: &str, key: Option<&str>, there: Option<Vec<String>>| match (
        there, key,
    ) {
        (None, _) => Some(Missing {
            reason: if field == "spec.license" {
                "LicenseSecretMissing"
            } else {
                "ReferenceMissing"
            },
            message: format!(
                "{field}: {kind} {ns}/{name} is not there: create it{}",
                key.map(|k| format!(" with key {k}")).unwrap_or_default()
            ),
        }),
        (Some(keys), Some(key)) if !keys.iter().any(|k| k == key) => Some(Missing {
            reason: if field == "spec.license" {
                "LicenseSecretMissing"
            } else {
                "ReferenceMissing"
            },
            message: format!(
                "{field}: {kind} {ns}/{name} has no key {key} (it has {}): add it, or name another key",
                list(&keys)
            ),
        }),
        _ => None,
    };
    let mut secret = async |field: &'static str,
                            name: &str,
                            key: Option<&str>|
           -> Result<Option<Missing>, Error> {
        let there = secrets
            .get_opt(name)
            .await
            .map_err(|e| api(e, &format!("Secret {ns}/{name}")))?;
        versions.push(there.as_ref().and_then(ResourceVersion::version));
        let keys = there.map(|s| s.data.unwrap_or_default().into_keys().collect());
        Ok(need(field, "Secret", name, key, keys))
    };
    facts.missing.extend(
        secret(
            "spec.license",
            &spec.license.secret_name,
            Some(&spec.license.key),
        )
        .await?,
    );
    for (anchor, standby) in spec.anchors().zip([false, true]) {
        if let Some(p) = &anchor.pkcs11 {
            let (pin, field) = (&p.pin_secret, "spec.anchor.pkcs11.pinSecret");
            let field = if standby {
                "spec.standby.pkcs11.pinSecret"
            } else {
                field
            };
            facts
                .missing
                .extend(secret(field, &pin.name, Some(&pin.key)).await?);
        }
        if let Some(kind) = anchor.kind()
            && let Some(k) = kind.key_secret()
        {
            let field = match (kind, standby) {
                (AnchorKind::Hwid(_), false) => "spec.anchor.hwid.keySecret",
                (AnchorKind::Hwid(_), true) => "spec.standby.hwid.keySecret",
                (_, false) => "spec.anchor.usb.keySecret",
                (_, true) => "spec.standby.usb.keySecret",
            };
            facts
                .missing
                .extend(secret(field, &k.name, Some(&k.key)).await?);
        }
    }
    if let Some(name) = spec
        .vendor_keys
        .as_ref()
        .and_then(|k| k.secret_name.as_deref())
    {
        facts
            .missing
            .extend(secret("spec.vendorKeys.secretName", name, None).await?);
    }
    if let Some(name) = spec
        .vendor_keys
        .as_ref()
        .and_then(|k| k.config_map_name.as_deref())
    {
        let maps: Api<ConfigMap> = Api::namespaced(ctx.client.clone(), ns);
        let there = maps
            .get_opt(name)
            .await
            .map_err(|e| api(e, &format!("ConfigMap {ns}/{name}")))?;
        versions.push(there.as_ref().and_then(ResourceVersion::version));
        let keys = there.map(|m| m.data.unwrap_or_default().into_keys().collect());
        facts.missing.extend(need(
            "spec.vendorKeys.configMapName",
            "ConfigMap",
            name,
            None,
            keys,
        ));
    }
    facts.sources = versions
        .into_iter()
        .map(|v| v.unwrap_or_else(|| "-".into()))
        .collect::<Vec<_>>()
        .join(".");
    facts.policies = policies(server, reference, ctx).await?;
    let name = &reference.name;
    facts.tls = secrets
        .get_opt(&reference.child("tls"))
        .await
        .map_err(|e| api(e, "the TLS Secret"))?;
    let identity = secrets
        .get_opt(&reference.child("identity"))
        .await
        .map_err(|e| api(e, "the identity Secret"))?;
    facts.has_identity = identity.is_some();
    let maps: Api<ConfigMap> = Api::namespaced(ctx.client.clone(), ns);
    facts.children = Children {
        set: sets
            .get_opt(name)
            .await
            .map_err(|e| api(e, "the StatefulSet"))?,
        service: services
            .get_opt(name)
            .await
            .map_err(|e| api(e, "the Service"))?,
        config: maps
            .get_opt(&reference.child("config"))
            .await
            .map_err(|e| api(e, "the ConfigMap"))?,
    };
    facts.pod = pods
        .get_opt(&format!("{name}-0"))
        .await
        .map_err(|e| api(e, "the server's pod"))?;
    Ok(facts)
}

/// An object's version, where a change of it is to be noticed.
trait ResourceVersion {
    fn version(&self) -> Option<String>;
}

impl<K: kube::Resource> ResourceVersion for K {
    fn version(&self) -> Option<String> {
        self.resource_version()
    }
}

fn list(keys: &[String]) -> String {
    if keys.is_empty() {
        "none".to_owned()
    } else {
        keys.join(", ")
    }
}

/// `allowedNamespaces` as an explicit list; `None` stands for all.
async fn policies(
    server: &LicenseServer,
    reference: &ServerRef,
    ctx: &Context,
) -> Result<Policies, Error> {
    let allowed = &server.spec.allowed_namespaces;
    let allowed_namespaces = match allowed.from {
        NamespacesFrom::All => None,
        NamespacesFrom::Same => Some(vec![reference.namespace.clone()]),
        NamespacesFrom::Selector => {
            let selector = selector(allowed.selector.clone().unwrap_or_default())?;
            let namespaces: Api<PartialObjectMeta<Namespace>> = Api::all(ctx.client.clone());
            let list = namespaces
                .list_metadata(&ListParams::default().labels_from(&selector))
                .await;
            let mut names: Vec<String> = list
                .map_err(|e| api(e, "namespaces"))?
                .iter()
                .map(kube::ResourceExt::name_any)
                .collect();
            names.sort();
            Some(names)
        }
    };
    Ok(Policies { allowed_namespaces })
}

fn selector(selector: LabelSelector) -> Result<Selector, Error> {
    Selector::try_from(selector).map_err(|e| Error::Selector(e.to_string()))
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
            service: None,
            config: Some(serde_json::from_value(map).unwrap()),
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
    }
}
