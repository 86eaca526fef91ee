//! Where a pod's license servers are: LicenseServers from a watch, the rest asked for when a pod
//! comes.
//!
//! A LicenseServer that was created a moment ago may not have reached the watch: before a pod is
//! refused, the API server is asked.

use crate::inject::{ChoiceContext, NoServer, Part, Requested, SidecarTarget, choose};
use crate::watch::watch;
use futures::StreamExt as _;
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::api::ListParams;
use kube::runtime::reflector::Store;
use kube::runtime::reflector::store::Writer;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use mooring_api::names::ServerRef;
use mooring_api::{LicenseServer, NamespacesFrom};
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
        let each = parts.iter();
        let each = each.flat_map(|p| p.servers.iter().map(|s| self.target(&p.items, s)));
        let targets = try_join_all(each).await?;
        Ok((parts, targets))
    }

    async fn target(
        &self,
        items: &[Item],
        server: &LicenseServer,
    ) -> Result<SidecarTarget, kube::Error> {
        let name = server.reference();
        let services: Api<Service> = Api::namespaced(self.client.clone(), &name.namespace);
        let service = services.get_opt(&name.name).await?;
        Ok(SidecarTarget::new(items, server, service.as_ref()))
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
