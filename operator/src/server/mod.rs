//! The controller of LicenseServers: dereference, validate, build, apply, report.
//!
//! Children belong to their LicenseServer by owner reference and to the operator in nothing: while it is away they run on.
//! No finalizer: what cannot be owned (a ClusterRoleBinding, mirrors) is swept when its LicenseServer is gone.

mod apply;
pub mod build;
mod certificate;
pub mod dereference;
pub mod placement;
mod reconcile;
pub mod replug;
pub mod status;
mod sweep;
pub mod validate;

use crate::cache::ClusterCache;
use crate::certs::{Ca, CertError};
use crate::connection::{ConnectionContext, Connections};
use crate::discovery::{self, sightings::Sightings};
use crate::leases::{Writer, is_terminating};
use crate::metrics::Metrics;
use dereference::Facts;
use futures::StreamExt as _;
use futures::stream::poll_fn;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use kube::core::PartialObjectMeta;
use kube::runtime::events::Recorder;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{Controller, watcher};
use kube::{Api, Client, ResourceExt as _};
use mooring_api::names::{
    APP_NAME, FIELD_MANAGER, MANAGED_BY, SERVER_APP, SERVER_LABEL, ServerRef,
};
use mooring_api::{LicenseServer, LicenseServerStatus};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How often a LicenseServer is looked at without a change: Secrets are not watched (that would take the right to list them).
const LOOK: Duration = Duration::from_secs(15);
/// The same while something that it needs is not there.
const LOOK_SOON: Duration = Duration::from_secs(5);
/// How long one reconciliation may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the objects are written although nothing changed.
const REAPPLY: Duration = Duration::from_secs(600);

/// Why a reconciliation did not come to its end. It is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server said no.
    #[error("{what}: {source}")]
    Api {
        /// Which object.
        what: String,
        /// What it answered.
        #[source]
        source: Box<kube::Error>,
    },
    /// The CA did not sign.
    #[error(transparent)]
    Cert(#[from] CertError),
    /// A file could not be written as YAML.
    #[error(transparent)]
    Yaml(#[from] serde_yaml::Error),
    /// The API server did not answer.
    #[error("not done within {0:?}: the API server does not answer")]
    Slow(Duration),
    /// `allowedNamespaces.selector` cannot be used.
    #[error("spec.allowedNamespaces.selector: {0}")]
    Selector(String),
}

impl Error {
    /// The LicenseServer or its namespace is being deleted: nothing is left to do.
    fn is_farewell(&self) -> bool {
        let Self::Api { source, .. } = self else {
            return false;
        };
        let absent = matches!(source.as_ref(), kube::Error::Api(s) if s.code == 404);
        absent || is_terminating(source)
    }
}

/// What every reconciliation needs.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// Signs the servers' certificates.
    pub ca: Arc<Ca>,
    /// What the installation decides.
    pub defaults: build::Defaults,
    /// What is in sight.
    pub cache: Arc<ClusterCache>,
    /// The links to the servers.
    pub connections: Arc<Connections>,
    /// What every link needs.
    pub connection: ConnectionContext,
    /// Publishes Events.
    pub recorder: Recorder,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// What the discovery agents see; `None`: there are none.
    pub sightings: Option<Arc<Sightings>>,
    memory: Mutex<HashMap<ServerRef, Memory>>,
}

/// What is remembered of a server between reconciliations.
#[derive(Clone, Default)]
struct Memory {
    /// A child or the spec changed since the last look.
    dirty: bool,
    generation: Option<i64>,
    looked: Option<Instant>,
    applied: Option<Applied>,
    facts: Facts,
    /// Our last write of the status, newer than what the watch may show yet.
    written: Option<(u64, LicenseServerStatus)>,
    /// What was seen of its anchor.
    anchor: replug::Watched,
}

/// The last time the objects were written.
#[derive(Clone, Debug)]
struct Applied {
    /// What was written.
    print: String,
    /// What the API server made of it: another mark means that somebody else wrote.
    mark: String,
    at: Instant,
}

/// What [`run`] is given.
pub struct Setup {
    /// The API server.
    pub client: Client,
    /// The CA.
    pub ca: Arc<Ca>,
    /// What the installation decides.
    pub defaults: build::Defaults,
    /// What is in sight; filled by [`crate::cache::watches`].
    pub cache: Arc<ClusterCache>,
    /// Writes mirrors and Events.
    pub writer: Writer,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// What the discovery agents see; `None`: there are none.
    pub sightings: Option<Arc<Sightings>>,
}

/// Runs the controller until dropped.
pub async fn run(setup: Setup) {
    let (changed, mut hears) = mpsc::unbounded_channel::<ServerRef>();
    let (nodes, mut nodes_changed) = mpsc::unbounded_channel::<()>();
    let client = setup.client;
    let ctx = Arc::new(Context {
        client: client.clone(),
        ca: setup.ca.clone(),
        defaults: setup.defaults,
        cache: setup.cache.clone(),
        connections: Arc::new(Connections::new(changed)),
        recorder: setup.writer.recorder.clone(),
        connection: ConnectionContext {
            ca: setup.ca,
            writer: setup.writer,
        },
        metrics: setup.metrics,
        sightings: setup.sightings.clone(),
        memory: Mutex::default(),
    });
    let ours = watcher::Config::default().labels(&format!(
        "{MANAGED_BY}={FIELD_MANAGER},{APP_NAME}={SERVER_APP}"
    ));
    let touched = |ctx: &Arc<Context>| {
        let ctx = ctx.clone();
        move |labels: &std::collections::BTreeMap<String, String>, namespace: Option<String>| {
            let server = ServerRef::new(
                namespace.unwrap_or_default(),
                labels.get(SERVER_LABEL)?.clone(),
            );
            ctx.memory().entry(server.clone()).or_default().dirty = true;
            Some(object_ref(&server))
        }
    };
    let (sets, services, maps, pods) = (touched(&ctx), touched(&ctx), touched(&ctx), touched(&ctx));
    let all_dirty = ctx.clone();
    let controller = Controller::new(
        Api::<LicenseServer>::all(client.clone()),
        watcher::Config::default(),
    );
    let store = controller.store();
    let controller = controller
        .watches(
            Api::<StatefulSet>::all(client.clone()),
            ours.clone(),
            move |o| sets(o.labels(), o.namespace()),
        )
        .watches(
            Api::<Service>::all(client.clone()),
            ours.clone(),
            move |o| services(o.labels(), o.namespace()),
        )
        .watches(
            Api::<PartialObjectMeta<ConfigMap>>::all(client.clone()),
            ours.clone(),
            move |o| maps(o.labels(), o.namespace()),
        )
        .watches(Api::<Pod>::all(client.clone()), ours, move |o| {
            pods(o.labels(), o.namespace())
        })
        .reconcile_on(poll_fn(move |cx| hears.poll_recv(cx)).map(|s| object_ref(&s)))
        .reconcile_all_on(
            poll_fn(move |cx| nodes_changed.poll_recv(cx)).map(move |()| {
                all_dirty.memory().values_mut().for_each(|m| m.dirty = true);
            }),
        )
        .run(reconcile::reconcile, reconcile::retry, ctx.clone())
        .for_each(|result| {
            if let Err(e) = result {
                tracing::debug!(error = %e, "controller");
            }
            futures::future::ready(())
        });
    let cache = setup.cache;
    let labels = async {
        if let Some(sightings) = &setup.sightings {
            discovery::label::run(&client, &cache, sightings, &store).await;
        }
    };
    let feed = crate::cache::watches::run(client.clone(), cache.clone(), move || {
        let _ = nodes.send(());
    });
    tokio::join!(
        controller,
        feed,
        labels,
        sweep::run(ctx.clone(), store.clone())
    );
}

fn object_ref(server: &ServerRef) -> ObjectRef<LicenseServer> {
    ObjectRef::new(&server.name).within(&server.namespace)
}

impl Context {
    fn memory(&self) -> MutexGuard<'_, HashMap<ServerRef, Memory>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recall(&self, server: &ServerRef) -> Memory {
        self.memory().get(server).cloned().unwrap_or_default()
    }

    fn remember(&self, server: &ServerRef, change: impl FnOnce(&mut Memory)) {
        change(self.memory().entry(server.clone()).or_default());
    }

    fn forget(&self, server: &ServerRef) {
        self.memory().remove(server);
    }
}

fn name(server: &LicenseServer) -> ServerRef {
    ServerRef::new(server.namespace().unwrap_or_default(), server.name_any())
}
