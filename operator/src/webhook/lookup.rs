//! Where a pod's license servers are: LicenseServers from a watch, the rest asked for when a pod
//! comes.
//!
//! A LicenseServer that was created a moment ago may not have reached the watch: before a pod is
//! refused, the API server is asked.

use crate::inject::{ChoiceContext, NoServer, Part, Requested, SidecarTarget, choose};
use crate::watch::watch;
use futures::StreamExt as _;
use futures::future::join_all;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Service};
use kube::api::ListParams;
use kube::runtime::reflector::Store;
use kube::runtime::reflector::store::Writer;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use mooring_api::names::{ENTRY_END, MOST_ROOTS, ServerRef};
use mooring_api::{External, LicenseServer, NamespacesFrom};
use mooring_core::request::Item;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why nothing was found.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookupError {
    /// There is none for this pod.
    #[error(transparent)]
    Server(#[from] NoServer),
    /// The API server did not say.
    #[error(transparent)]
    Api(#[from] kube::Error),
}

/// Whose license servers are looked for.
struct Wish<'a> {
    requested: &'a Requested,
    namespace: &'a str,
    default: Option<&'a ServerRef>,
    alone: bool,
}

/// Finds license servers.
#[derive(Clone)]
pub(super) struct Lookup {
    client: Client,
    store: Store<LicenseServer>,
}

impl Lookup {
    /// With what fills its list of LicenseServers.
    pub(super) fn new(client: Client) -> (Self, Writer<LicenseServer>) {
        let (store, writer) = kube::runtime::reflector::store();
        (Self { client, store }, writer)
    }

    /// Keeps the list of LicenseServers current, until dropped.
    pub(super) async fn watch(&self, writer: Writer<LicenseServer>) {
        let api: Api<LicenseServer> = Api::all(self.client.clone());
        let events = watch(api, watcher::Config::default()).reflect(writer);
        let log = |event: watcher::Result<_>| {
            if let Err(e) = event {
                tracing::warn!(error = %e, "watching LicenseServers");
            }
            futures::future::ready(())
        };
        events.for_each(log).await;
    }

    /// Waits until the first list is there.
    pub(super) async fn until_known(&self) {
        // An error means that the writer is gone: then the process is ending.
        let _ = self.store.wait_until_ready().await;
    }

    /// The pod's license servers, and what its sidecar must know of them. `alone`: its seats are
    /// claimed for it before it runs.
    pub(super) async fn find(
        &self,
        requested: &Requested,
        namespace: &str,
        default: Option<&ServerRef>,
        alone: bool,
    ) -> Result<(Vec<Part>, Vec<SidecarTarget>), LookupError> {
        let known = self.store.state();
        let wish = Wish {
            requested,
            namespace,
            default,
            alone,
        };
        let parts = match self.choose(&wish, &known).await {
            Err(LookupError::Server(
                NoServer::NotFound { .. }
                | NoServer::None { .. }
                | NoServer::NotAllowed { .. }
                | NoServer::Split { .. },
            )) => {
                let api: Api<LicenseServer> = Api::all(self.client.clone());
                let fresh = api.list(&ListParams::default()).await?;
                let fresh: Vec<_> = fresh.items.into_iter().map(Arc::new).collect();
                self.choose(&wish, &fresh).await?
            }
            other => other?,
        };
        let named = !requested.servers.is_empty();
        let each = parts.into_iter().map(|p| self.targets(p, named));
        let (mut parts, mut targets) = (Vec::new(), Vec::new());
        for found in join_all(each).await {
            let (part, of_part) = found?;
            parts.push(part);
            targets.extend(of_part);
        }
        Ok((parts, targets))
    }

    /// A part with what a sidecar must know of its servers. One that nobody `named`, and of which
    /// that is not to be had, is left out where others have the same.
    async fn targets(
        &self,
        part: Part,
        named: bool,
    ) -> Result<(Part, Vec<SidecarTarget>), LookupError> {
        let Part { items, servers } = part;
        let each = servers.iter().map(|s| self.target(&items, s));
        let mut found: Vec<_> = servers.iter().cloned().zip(join_all(each).await).collect();
        if !named && found.iter().any(|(_, target)| target.is_ok()) {
            found.retain(|(_, target)| !matches!(target, Err(LookupError::Server(_))));
        }
        let found = found.into_iter().map(|(s, target)| Ok((s, target?)));
        let (servers, targets) = found.collect::<Result<_, LookupError>>()?;
        Ok((Part { items, servers }, targets))
    }

    async fn target(
        &self,
        items: &[Item],
        server: &LicenseServer,
    ) -> Result<SidecarTarget, LookupError> {
        if let Some(external) = &server.spec.external {
            let roots = self.roots(server, external).await?;
            return Ok(SidecarTarget::outside(items, server, external, roots));
        }
        let name = server.reference();
        let services: Api<Service> = Api::namespaced(self.client.clone(), &name.namespace);
        let service = services.get_opt(&name.name).await?;
        Ok(SidecarTarget::new(items, server, service.as_ref()))
    }

    /// What a server outside of the cluster is known by.
    async fn roots(
        &self,
        server: &LicenseServer,
        external: &External,
    ) -> Result<String, LookupError> {
        let (name, of) = (server.reference(), &external.roots);
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), &name.namespace);
        let map = maps.get_opt(&of.config_map_name).await?;
        let pem = map.and_then(|m| m.data?.remove(&of.key));
        let (server, map, key) = (name, of.config_map_name.clone(), of.key.clone());
        let Some(pem) = pem else {
            return Err(NoServer::NoRoots { server, map, key }.into());
        };
        if pem.len() > MOST_ROOTS || pem.contains(ENTRY_END) || !pem.contains("-----BEGIN") {
            return Err(NoServer::BadRoots { server, map, key }.into());
        }
        Ok(pem)
    }

    async fn choose(
        &self,
        wish: &Wish<'_>,
        servers: &[Arc<LicenseServer>],
    ) -> Result<Vec<Part>, LookupError> {
        let by_labels =
            |s: &Arc<LicenseServer>| s.spec.allowed_namespaces.from == NamespacesFrom::Selector;
        let namespace_labels = if servers.iter().any(by_labels) {
            self.namespace_labels(wish.namespace).await?
        } else {
            BTreeMap::new()
        };
        let context = ChoiceContext {
            namespace: wish.namespace,
            namespace_labels: &namespace_labels,
            default_server: wish.default,
            servers,
            alone: wish.alone,
        };
        let requested = wish.requested;
        Ok(choose(&requested.servers, &requested.items, &context)?)
    }

    async fn namespace_labels(&self, name: &str) -> Result<BTreeMap<String, String>, kube::Error> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let namespace = api.get_metadata(name).await?;
        Ok(namespace.metadata.labels.unwrap_or_default())
    }
}
