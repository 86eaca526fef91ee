//! Reads what a LicenseServer names and what is there of it already. No rule here; the facts go to
//! `build` and `status`.

use super::context::{ControllerContext, Error};
use super::facts::{Children, Missing, ServerFacts};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
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
    let (name, key) = (license.secret_name.as_str(), license.key.as_str());
    let mut secrets = vec![("spec.license".to_owned(), name, Some(key))];
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
    let mut found = |field: &str, what: String, key, there: Option<(ObjectMeta, Vec<String>)>| {
        let (meta, keys) = there.unzip();
        let version = meta.and_then(|m| m.resource_version);
        versions.push(version.unwrap_or_else(|| "-".into()));
        missing.extend(need(field, &what, key, keys));
    };
    for (field, name, key) in secrets {
        let there = ns.get::<Secret>(name).await?;
        let there = there.map(|s| {
            (
                s.metadata,
                s.data.into_iter().flatten().map(|e| e.0).collect(),
            )
        });
        found(
            &field,
            format!("Secret {}/{name}", ns.namespace),
            key,
            there,
        );
    }
    if let Some(name) = keys.and_then(|k| k.config_map_name.as_deref()) {
        let there = ns.get::<ConfigMap>(name).await?;
        let there = there.map(|m| {
            (
                m.metadata,
                m.data.into_iter().flatten().map(|e| e.0).collect(),
            )
        });
        let what = format!("ConfigMap {}/{name}", ns.namespace);
        found("spec.vendorKeys.configMapName", what, None, there);
    }
    Ok((missing, versions.join(".")))
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
    let reason = match field {
        "spec.license" => "LicenseSecretMissing",
        _ => "ReferenceMissing",
    };
    Some(Missing { reason, message })
}

fn list(keys: &[String]) -> String {
    match keys {
        [] => "none".to_owned(),
        _ => keys.join(", "),
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
            let selector = allowed.selector.clone().unwrap_or_default();
            let selector = Selector::try_from(selector);
            let selector = selector.map_err(|e| Error::Selector(e.to_string()))?;
            let namespaces: Api<PartialObjectMeta<Namespace>> = Api::all(ctx.client().clone());
            let labelled = ListParams::default().labels_from(&selector);
            let list = namespaces.list_metadata(&labelled).await;
            let list = list.map_err(|e| failed(e, "namespaces"))?;
            let mut names: Vec<String> = list.iter().map(kube::ResourceExt::name_any).collect();
            names.sort();
            Some(names)
        }
    };
    Ok(Policies { allowed_namespaces })
}
