//! Reads what a LicenseServer names and what is there of it already. No rule here; the facts go to
//! `build` and `status`.

use super::build::STATE;
use super::context::{ControllerContext, Error};
use super::facts::{Children, Missing, ServerFacts};
use super::ownership::{self, Taken};
use super::policies;
use super::seat_policy::named::{self, NamedPolicy};
use super::seat_policy::resolve::resolved;
use crate::connection::Snapshot;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::core::{PartialObjectMeta, Selector};
use kube::{Api, Resource, ResourceExt};
use mooring_api::names::ServerRef;
use mooring_api::{LicensePolicy, LicenseRef, LicenseServer, NamespacesFrom};
use mooring_core::policy::SeatPolicy;
use mooring_core::time::Timestamp;
use mooring_core::wire::{AllowedNamespaces, Policies, ReplacedElsewhere};
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
    (me, others, known): (&Snapshot, &[(ServerRef, Snapshot)], &Policies),
) -> Result<ServerFacts, Error> {
    let ns = Reader {
        ctx,
        namespace: &reference.namespace,
    };
    let name = &reference.name;
    let mut names = Names::new(server, reference);
    let children = Children {
        set: names.own(ns.get::<StatefulSet>(name).await?),
        service: names.own(ns.get::<Service>(name).await?),
        config: names.own(ns.get::<ConfigMap>(&reference.child("config")).await?),
        policy: match ctx.defaults.network_policies {
            Some(_) => names.own(ns.get::<NetworkPolicy>(name).await?),
            None => None,
        },
        account: names.own(ns.get::<ServiceAccount>(&reference.account()).await?),
        binding: names.own_binding(binding(reference, ctx).await?),
        role: names.own(ns.get::<Role>(&reference.account()).await?),
        role_binding: names.own(ns.get::<RoleBinding>(&reference.account()).await?),
    };
    let tls = names.own(ns.get::<Secret>(&reference.child("tls")).await?);
    let identity = names.own(ns.get::<Secret>(&reference.child("identity")).await?);
    let state = names.own(ns.get::<Secret>(&reference.child(STATE)).await?);
    let namesake = ns.get::<Pod>(&reference.child("0")).await?;
    let pod = names.own_pod(namesake.clone(), children.set.as_ref());
    let (missing, sources) = named(server, &ns).await?;
    let allowed = allowed_namespaces(server, reference, ctx).await?;
    let written = children.config.as_ref();
    // Also where somebody has deleted the ConfigMap.
    let before = written.and_then(policies::last);
    let before = before.unwrap_or_else(|| known.clone());
    let others = with_unheard(others, &before.replaced, ctx).await?;
    let replaced = policies::replaced_elsewhere(me, &others, &before.replaced);
    let (seats, named) = seats(server, &ns, before.seats).await?;
    let says = Policies {
        generation: 0,
        allowed_namespaces: allowed,
        replaced,
        seats,
    };
    Ok(ServerFacts {
        missing,
        sources,
        policies: policies::numbered(&says, written, Timestamp::now()),
        named,
        tls,
        has_identity: identity.is_some(),
        has_state: state.is_some(),
        taken: names.taken,
        children,
        pod,
        namesake,
        nodes: ctx.cache().nodes(),
    })
}

/// The other license servers, with those of `replaced` that were not heard of yet and are there: an
/// operator that has just started has heard nobody.
async fn with_unheard(
    others: &[(ServerRef, Snapshot)],
    replaced: &[ReplacedElsewhere],
    ctx: &ControllerContext,
) -> Result<Vec<(ServerRef, Snapshot)>, Error> {
    let mut all = others.to_vec();
    for r in replaced {
        let Some((namespace, name)) = r.server.split_once('/') else {
            continue;
        };
        if all.iter().any(|(s, _)| s.to_string() == r.server) {
            continue;
        }
        let api: Api<LicenseServer> = Api::namespaced(ctx.client().clone(), namespace);
        let found = api.get_metadata_opt(name).await;
        let found = found.map_err(|e| failed(e, format!("LicenseServer {}", r.server)))?;
        if found.is_some() {
            all.push((ServerRef::new(namespace, name), Snapshot::default()));
        }
    }
    Ok(all)
}

async fn binding(
    reference: &ServerRef,
    ctx: &ControllerContext,
) -> Result<Option<ClusterRoleBinding>, Error> {
    let (api, name) = (Api::all(ctx.client().clone()), reference.binding());
    let found = api.get_opt(&name).await;
    found.map_err(|e| failed(e, format!("ClusterRoleBinding {name}")))
}

/// Tells what is the LicenseServer's own from what others have under the names that it needs.
struct Names<'a> {
    reference: &'a ServerRef,
    uid: String,
    taken: Vec<Taken>,
}

impl<'a> Names<'a> {
    fn new(server: &LicenseServer, reference: &'a ServerRef) -> Self {
        Self {
            reference,
            uid: server.uid().unwrap_or_default(),
            taken: Vec::new(),
        }
    }

    fn unless<K>(&mut self, object: Option<K>, taken: impl Fn(&K) -> Option<Taken>) -> Option<K> {
        let object = object?;
        match taken(&object) {
            None => Some(object),
            Some(t) => {
                self.taken.push(t);
                None
            }
        }
    }

    fn own<K: Resource<DynamicType = ()>>(&mut self, object: Option<K>) -> Option<K> {
        let (reference, uid) = (self.reference, self.uid.clone());
        self.unless(object, |o| ownership::taken(o, reference, &uid))
    }

    fn own_binding(&mut self, object: Option<ClusterRoleBinding>) -> Option<ClusterRoleBinding> {
        let reference = self.reference;
        self.unless(object, |b| ownership::binding_taken(b, reference))
    }

    fn own_pod(&mut self, pod: Option<Pod>, set: Option<&StatefulSet>) -> Option<Pod> {
        let reference = self.reference;
        let free = self.unless(pod, |p| ownership::pod_taken(&p.metadata, reference))?;
        let set = set?.metadata.uid.as_deref()?;
        ownership::is_owned(&free.metadata, set).then_some(free)
    }
}

/// Reads objects of one namespace.
pub(super) struct Reader<'a> {
    pub(super) ctx: &'a ControllerContext,
    pub(super) namespace: &'a str,
}

impl Reader<'_> {
    pub(super) async fn get<K>(&self, name: &str) -> Result<Option<K>, Error>
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
async fn named<'a>(
    server: &'a LicenseServer,
    ns: &Reader<'_>,
) -> Result<(Vec<Missing>, String), Error> {
    let spec = &server.spec;
    let license = |(i, l): (usize, &'a LicenseRef)| {
        let (name, key) = (l.secret_name.as_str(), l.key.as_str());
        (format!("spec.licenses[{i}]"), name, Some(key))
    };
    let mut secrets: Vec<_> = spec.licenses.iter().enumerate().map(license).collect();
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
    let clients = spec.clients.as_ref();
    let client_keys = clients.map(|c| c.keys_key.as_str());
    if let Some(name) = clients.and_then(|c| c.secret_name.as_deref()) {
        secrets.push(("spec.clients.secretName".to_owned(), name, client_keys));
    }
    let of_keys = keys.and_then(|k| k.config_map_name.as_deref());
    let of_clients = clients.and_then(|c| c.config_map_name.as_deref());
    let maps = [
        ("spec.vendorKeys.configMapName", of_keys, None),
        ("spec.clients.configMapName", of_clients, client_keys),
    ];
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
    for (field, name, key) in maps {
        let Some(name) = name else { continue };
        let there = ns.get::<ConfigMap>(name).await?;
        let there = there.map(|m| {
            (
                m.metadata,
                m.data.into_iter().flatten().map(|e| e.0).collect(),
            )
        });
        let what = format!("ConfigMap {}/{name}", ns.namespace);
        found(field, what, key, there);
    }
    Ok((missing, versions.join(".")))
}

/// What is wrong with an object that a field names; `there`: its keys.
pub(super) fn need(
    field: &str,
    what: &str,
    key: Option<&str>,
    there: Option<Vec<String>>,
) -> Option<Missing> {
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
    let reason = if field.starts_with("spec.licenses") {
        "LicenseSecretMissing"
    } else {
        "ReferenceMissing"
    };
    Some(Missing { reason, message })
}

fn list(keys: &[String]) -> String {
    match keys {
        [] => "none".to_owned(),
        _ => keys.join(", "),
    }
}

/// Whose the seats are, by the policy that is named. `before`: as it was handed over last.
async fn seats(
    server: &LicenseServer,
    ns: &Reader<'_>,
    before: Option<SeatPolicy>,
) -> Result<(Option<SeatPolicy>, NamedPolicy), Error> {
    let Some(policy) = &server.spec.policy else {
        return Ok((None, NamedPolicy::Nothing));
    };
    let found = ns.get::<LicensePolicy>(&policy.name).await?;
    let found = match &found {
        Some(p) => {
            let says = resolved(p, ns.ctx.client()).await;
            let says = says.map_err(|e| failed(e, "namespaces"))?;
            Some((p, says))
        }
        None => None,
    };
    Ok(named::seats(&policy.name, found, before))
}

/// `allowedNamespaces`, resolved by the API server: a list that could not be read is an error, and
/// never an empty one.
pub(super) async fn allowed_namespaces(
    server: &LicenseServer,
    reference: &ServerRef,
    ctx: &ControllerContext,
) -> Result<AllowedNamespaces, Error> {
    let allowed = &server.spec.allowed_namespaces;
    Ok(match allowed.from {
        NamespacesFrom::All => AllowedNamespaces::ALL,
        NamespacesFrom::Same => AllowedNamespaces::These(vec![reference.namespace.clone()]),
        NamespacesFrom::Selector => {
            let selector = allowed.selector.clone().unwrap_or_default();
            let selector = Selector::try_from(selector);
            let selector = selector.map_err(|e| Error::Selector(e.to_string()))?;
            let namespaces: Api<PartialObjectMeta<Namespace>> = Api::all(ctx.client().clone());
            let labelled = ListParams::default().labels_from(&selector);
            let list = namespaces.list_metadata(&labelled).await;
            let list = list.map_err(|e| failed(e, "namespaces"))?;
            let mut names: Vec<String> = list.iter().map(ResourceExt::name_any).collect();
            names.sort();
            AllowedNamespaces::These(names)
        }
    })
}
