//! Where a pod's license server is: LicenseServers from a watch, the rest asked for when a pod
//! comes.
//!
//! A LicenseServer that was created a moment ago may not have reached the watch: before a pod is
//! refused, the API server is asked.

use crate::inject::{ChoiceContext, NoServer, ServerName, SidecarTarget, choose};
use crate::watch::watch;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Service};
use kube::api::ListParams;
use kube::runtime::reflector::Store;
use kube::runtime::reflector::store::Writer;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use mooring_api::names::ServerRef;
use mooring_api::{External, LicenseServer, NamespacesFrom};
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

    /// The pod's license server, and what its sidecar must know of it.
    pub(super) async fn find(
        &self,
        wish: Option<&ServerName>,
        namespace: &str,
        default: Option<&ServerRef>,
    ) -> Result<(Arc<LicenseServer>, SidecarTarget), LookupError> {
        let known = self.store.state();
        let server = match self.choose(wish, namespace, default, &known).await {
            Err(LookupError::Server(
                NoServer::NotFound { .. } | NoServer::None { .. } | NoServer::NotAllowed { .. },
            )) => {
                let api: Api<LicenseServer> = Api::all(self.client.clone());
                let fresh = api.list(&ListParams::default()).await?;
                let fresh: Vec<_> = fresh.items.into_iter().map(Arc::new).collect();
                self.choose(wish, namespace, default, &fresh).await?
            }
            other => other?,
        };
        if let Some(external) = &server.spec.external {
            let roots = self.roots(&server, external).await?;
            let target = SidecarTarget::outside(&server, external, roots);
            return Ok((server, target));
        }
        let name = server.reference();
        let services: Api<Service> = Api::namespaced(self.client.clone(), &name.namespace);
        let service = services.get_opt(&name.name).await?;
        let target = SidecarTarget::new(&server, service.as_ref());
        Ok((server, target))
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
        let missing = NoServer::NoRoots {
            server: name,
            map: of.config_map_name.clone(),
            key: of.key.clone(),
        };
        Ok(pem.ok_or(missing)?)
    }

    async fn choose(
        &self,
        wish: Option<&ServerName>,
        namespace: &str,
        default_server: Option<&ServerRef>,
        servers: &[Arc<LicenseServer>],
    ) -> Result<Arc<LicenseServer>, LookupError> {
        let by_labels =
            |s: &Arc<LicenseServer>| s.spec.allowed_namespaces.from == NamespacesFrom::Selector;
        let namespace_labels = if servers.iter().any(by_labels) {
            self.namespace_labels(namespace).await?
        } else {
            BTreeMap::new()
        };
        let context = ChoiceContext {
            namespace,
            namespace_labels: &namespace_labels,
            default_server,
            servers,
        };
        Ok(choose(wish, &context)?)
    }

    async fn namespace_labels(&self, name: &str) -> Result<BTreeMap<String, String>, kube::Error> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let namespace = api.get_metadata(name).await?;
        Ok(namespace.metadata.labels.unwrap_or_default())
    }
}
