//! Reads what a LicenseServer names and what is there of it already. No rule here; the facts go to
//! `build` and `status`.

use super::context::{ControllerContext, Error};
use super::facts::{Children, Missing, ServerFacts};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::ListParams;
use kube::core::{PartialObjectMeta, Selector};
use kube::{Api, Resource};
use mooring_api::names::ServerRef;
use mooring_api::{LicenseServer, NamespacesFrom};
use mooring_core::wire::Policies;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

fn failed(error: kube::Error, what: impl Into<String>) -> Error {
    Error::Api {
        what: what.into(),
        source: Box::new(error),
    }
}

/// Reads all of them.
pub async fn dereference(
    server: &LicenseServer,
    reference: &ServerRef,
    ctx: &ControllerContext,
) -> Result<ServerFacts, Error> {
    let ns = Reader {
        ctx,
        namespace: &reference.namespace,
    };
    let name = &reference.name;
    let (missing, sources) = named(server, &ns).await?;
    let identity = ns.get::<Secret>(&reference.child("identity")).await?;
    Ok(ServerFacts {
        missing,
        sources,
        policies: policies(server, reference, ctx).await?,
        tls: ns.get(&reference.child("tls")).await?,
        has_identity: identity.is_some(),
        children: Children {
            set: ns.get::<StatefulSet>(name).await?,
            service: ns.get::<Service>(name).await?,
            config: ns.get::<ConfigMap>(&reference.child("config")).await?,
        },
        pod: ns.get::<Pod>(&format!("{name}-0")).await?,
        nodes: ctx.cache().nodes(),
    })
}

/// Reads objects of one namespace.
struct Reader<'a> {
    ctx: &'a ControllerContext,
    namespace: &'a str,
}

impl Reader<'_> {
    async fn get<K>(&self, name: &str) -> Result<Option<K>, Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + DeserializeOwned
            + Clone
            + Debug,
    {
        let api: Api<K> = Api::namespaced(self.ctx.client().clone(), self.namespace);
        let what = || format!("{} {}/{name}", K::kind(&()), self.namespace);
        api.get_opt(name).await.map_err(|e| failed(e, what()))
    }
}

/// What the spec names: what of it is missing, and a digest of the versions of what is there.
async fn named(server: &LicenseServer, ns: &Reader<'_>) -> Result<(Vec<Missing>, String), Error> {
    let spec = &server.spec;
    let license = &spec.license;
    let mut secrets = vec![(
        "spec.license".to_owned(),
        license.secret_name.as_str(),
        Some(license.key.as_str()),
    )];
    for (anchor, field) in spec.anchors().zip(["spec.anchor", "spec.standby"]) {
        if let Some(kind) = anchor.kind() {
            let (of, name, key) = kind.secret();
            secrets.push((format!("{field}.{of}"), name, Some(key)));
        }
    }
    let keys = spec.vendor_keys.as_ref();
    if let Some(name) = keys.and_then(|k| k.secret_name.as_deref()) {
        secrets.push(("spec.vendorKeys.secretName".to_owned(), name, None));
    }
    let (mut missing, mut versions) = (Vec::new(), Vec::new());
    for (field, name, key) in secrets {
        let there = ns.get::<Secret>(name).await?;
        versions.push(
            there
                .as_ref()
                .and_then(|s| s.metadata.resource_version.clone()),
        );
        let keys = there.map(|s| s.data.unwrap_or_default().into_keys().collect());
        let what = format!("Secret {}/{name}", ns.namespace);
        missing.extend(need(&field, &what, key, keys));
    }
    if let Some(name) = keys.and_then(|k| k.config_map_name.as_deref()) {
        let there = ns.get::<ConfigMap>(name).await?;
        versions.push(
            there
                .as_ref()
                .and_then(|m| m.metadata.resource_version.clone()),
        );
        let keys = there.map(|m| m.data.unwrap_or_default().into_keys().collect());
        let what = format!("ConfigMap {}/{name}", ns.namespace);
        missing.extend(need("spec.vendorKeys.configMapName", &what, None, keys));
    }
    let versions = versions
        .into_iter()
        .map(|v| v.unwrap_or_else(|| "-".into()));
    Ok((missing, versions.collect::<Vec<_>>().join(".")))
}

/// What is wrong with an object that a field names; `there`: its keys.
fn need(field: &str, what: &str, key: Option<&str>, there: Option<Vec<String>>) -> Option<Missing> {
    let message = match (there, key) {
        (None, key) => {
            let with = key.map(|k| format!(" with key {k}")).unwrap_or_default();
            format!("{field}: {what} is not there: create it{with}")
        }
        (Some(keys), Some(key)) if !keys.iter().any(|k| k == key) => format!(
            "{field}: {what} has no key {key} (it has {}): add it, or name another key",
            list(&keys)
        ),
        _ => return None,
    };
    Some(Missing {
        reason: if field == "spec.license" {
            "LicenseSecretMissing"
        } else {
            "ReferenceMissing"
        },
        message,
    })
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
    ctx: &ControllerContext,
) -> Result<Policies, Error> {
    let allowed = &server.spec.allowed_namespaces;
    let allowed_namespaces = match allowed.from {
        NamespacesFrom::All => None,
        NamespacesFrom::Same => Some(vec![reference.namespace.clone()]),
        NamespacesFrom::Selector => {
            let selector = selector(allowed.selector.clone().unwrap_or_default())?;
            let namespaces: Api<PartialObjectMeta<Namespace>> = Api::all(ctx.client().clone());
            let list = namespaces
                .list_metadata(&ListParams::default().labels_from(&selector))
                .await;
            let mut names: Vec<String> = list
                .map_err(|e| failed(e, "namespaces"))?
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
