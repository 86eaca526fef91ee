//! The controller of LicenseServers: dereference, validate, build, apply, report.
//!
//! Children belong to their LicenseServer by owner reference and to the operator in nothing: while it is away they run on.
//! No finalizer: what cannot be owned (a ClusterRoleBinding, mirrors) is swept when its LicenseServer is gone.

mod apply;
pub mod build;
mod certificate;
pub mod dereference;
pub mod placement;
pub mod status;
mod sweep;
pub mod validate;

use crate::certs::{Ca, CertError};
use crate::crd::{LicenseServer, LicenseServerStatus};
use crate::link::{self, Links, Target, sidecar_may_have_run};
use crate::metrics::Metrics;
use crate::mirror::{Writer, publish};
use crate::names::{APP_NAME, FIELD_MANAGER, MANAGED_BY, SERVER_APP, SERVER_LABEL, ServerRef};
use crate::world::World;
use dereference::Facts;
use futures::StreamExt as _;
use futures::stream::poll_fn;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use kube::api::{Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::runtime::controller::Action;
use kube::runtime::events::Recorder;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{Controller, watcher};
use kube::{Api, Client, Resource as _, ResourceExt as _};
use placement::Placed;
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How often a LicenseServer is looked at without a change: Secrets are not watched (that would take the right to list them).
const LOOK: Duration = Duration::from_secs(15);
/// The same while something that it needs is not there.
const LOOK_SOON: Duration = Duration::from_secs(5);
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
    /// `allowedNamespaces.selector` cannot be used.
    #[error("spec.allowedNamespaces.selector: {0}")]
    Selector(String),
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
    pub world: Arc<World>,
    /// The links to the servers.
    pub links: Arc<Links>,
    /// What every link needs.
    pub link: link::Context,
    /// Publishes Events.
    pub recorder: Recorder,
    /// Counts.
    pub metrics: Arc<Metrics>,
    memory: Mutex<HashMap<ServerRef, Memory>>,
}

/// What is remembered of a server between reconciliations.
#[derive(Clone, Default)]
struct Memory {
    /// A child or the spec changed since the last look.
    dirty: bool,
    generation: Option<i64>,
    looked: Option<Instant>,
    applied: Option<(String, Instant)>,
    facts: Facts,
    /// Our last write of the status, newer than what the watch may show yet.
    written: Option<(u64, LicenseServerStatus)>,
}

/// What [`run`] is given.
pub struct Setup {
    /// The API server.
    pub client: Client,
    /// The CA.
    pub ca: Arc<Ca>,
    /// What the installation decides.
    pub defaults: build::Defaults,
    /// What is in sight; filled by [`crate::world::feed`].
    pub world: Arc<World>,
    /// Writes mirrors and Events.
    pub writer: Writer,
    /// Counts.
    pub metrics: Arc<Metrics>,
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
        world: setup.world.clone(),
        links: Arc::new(Links::new(changed)),
        recorder: setup.writer.recorder.clone(),
        link: link::Context { ca: setup.ca, writer: setup.writer },
        metrics: setup.metrics,
        memory: Mutex::default(),
    });
    let ours = watcher::Config::default().labels(&format!("{MANAGED_BY}={FIELD_MANAGER},{APP_NAME}={SERVER_APP}"));
    let touched = |ctx: &Arc<Context>| {
        let ctx = ctx.clone();
        move |labels: &std::collections::BTreeMap<String, String>, namespace: Option<String>| {
            let server = ServerRef::new(namespace.unwrap_or_default(), labels.get(SERVER_LABEL)?.clone());
            ctx.memory().entry(server.clone()).or_default().dirty = true;
            Some(object_ref(&server))
        }
    };
    let (sets, services, maps, pods) = (touched(&ctx), touched(&ctx), touched(&ctx), touched(&ctx));
    let all_dirty = ctx.clone();
    let controller = Controller::new(Api::<LicenseServer>::all(client.clone()), watcher::Config::default());
    let store = controller.store();
    let controller = controller
        .watches(Api::<StatefulSet>::all(client.clone()), ours.clone(), move |o| sets(o.labels(), o.namespace()))
        .watches(Api::<Service>::all(client.clone()), ours.clone(), move |o| services(o.labels(), o.namespace()))
        .watches(Api::<PartialObjectMeta<ConfigMap>>::all(client.clone()), ours.clone(), move |o| {
            maps(o.labels(), o.namespace())
        })
        .watches(Api::<Pod>::all(client.clone()), ours, move |o| pods(o.labels(), o.namespace()))
        .reconcile_on(poll_fn(move |cx| hears.poll_recv(cx)).map(|s| object_ref(&s)))
        .reconcile_all_on(poll_fn(move |cx| nodes_changed.poll_recv(cx)).map(move |()| {
            all_dirty.memory().values_mut().for_each(|m| m.dirty = true);
        }))
        .run(reconcile, retry, ctx.clone())
        .for_each(|result| {
            if let Err(e) = result {
                tracing::debug!(error = %e, "controller");
            }
            futures::future::ready(())
        });
    let world = setup.world;
    let feed = crate::world::feed::run(client, world, move || {
        let _ = nodes.send(());
    });
    tokio::join!(controller, feed, sweep::run(ctx.clone(), store));
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

fn retry(server: Arc<LicenseServer>, error: &Error, ctx: Arc<Context>) -> Action {
    ctx.metrics.reconciled("error");
    tracing::warn!(server = %name(&server), error = %error, "reconciling a LicenseServer; tried again");
    ctx.remember(&name(&server), |m| m.dirty = true);
    Action::requeue(LOOK_SOON)
}

fn name(server: &LicenseServer) -> ServerRef {
    ServerRef::new(server.namespace().unwrap_or_default(), server.name_any())
}

async fn reconcile(server: Arc<LicenseServer>, ctx: Arc<Context>) -> Result<Action, Error> {
    let reference = name(&server);
    if server.metadata.deletion_timestamp.is_some() {
        ctx.links.end(&reference, &ctx.link);
        return Ok(Action::await_change());
    }
    ctx.world.complete().await;
    let memory = ctx.recall(&reference);
    let before = newest_status(&server, &memory);
    let snapshot = ctx.links.snapshot(&reference);
    let stale = memory.looked.is_none_or(|t| t.elapsed() >= LOOK);
    // A change of numbers alone needs no look at the objects.
    let look = memory.dirty || stale || memory.generation != server.metadata.generation;
    let mut facts = memory.facts.clone();
    if look {
        ctx.remember(&reference, |m| m.dirty = false);
        facts = dereference::dereference(&server, &reference, &ctx).await?;
    }
    let invalid = validate::validate(&server).err();
    let labels = &server.spec.placement.node_selector;
    let placed = placement::placed(facts.pod.as_ref(), &facts.nodes, labels);

    let wanted = server.spec.lease.lease();
    let earlier = before.as_ref().and_then(|s| s.lease_duration_in_force).map(|s| s.0);
    let boot = mooring_net::clock::boot();
    let mut in_force = earlier.unwrap_or(wanted);
    // A first start waits for what it needs; a server that exists keeps its objects whatever is missing now.
    let ready_to_apply = invalid.is_none() && (facts.set.is_some() || facts.missing.is_empty());
    if ready_to_apply {
        in_force = status::in_force(earlier, wanted, untouched(&reference, &ctx), &snapshot, boot);
        if earlier.is_none_or(|e| e < in_force) {
            // Before the longer lease goes into the configuration, and so before any server grants it.
            let raised = LicenseServerStatus {
                lease_duration_in_force: Some(crate::crd::Span(in_force)),
                ..before.clone().unwrap_or_default()
            };
            write_status(&server, &reference, &raised, &ctx).await?;
            tracing::info!(server = %reference, lease = ?in_force, "leaseDurationInForce raised");
        }
        if look {
            let policies = facts.policies.clone();
            let inputs = build::Inputs {
                server: &server,
                reference: &reference,
                defaults: &ctx.defaults,
                in_force,
                policies: &policies,
            };
            converge(&inputs, &mut facts, &memory, &placed, &ctx).await?;
        }
        if let Some(target) = target(&server, &facts) {
            ctx.links.ensure(&reference, target, &ctx.link);
        }
    }
    if look {
        ctx.remember(&reference, |m| {
            m.looked = Some(Instant::now());
            m.generation = server.metadata.generation;
            m.facts = facts.clone();
        });
    }
    let judged = status::Judged {
        generation: server.metadata.generation,
        invalid: invalid.as_ref(),
        missing: &facts.missing,
        placed: &placed,
        labels,
        pod: facts.pod.as_ref(),
        node: facts.pod.as_ref().and_then(|p| p.spec.as_ref()?.node_name.clone()),
        endpoint: format!("https://{}:{}", reference.dns_name(), server.spec.service.port),
        snapshot: &snapshot,
        now: mooring_net::clock::now().wall,
    };
    let before = newest_status(&server, &ctx.recall(&reference));
    let now = status::status(&judged, before.as_ref(), in_force);
    if before.as_ref() != Some(&now) {
        write_status(&server, &reference, &now, &ctx).await?;
        for note in status::events(before.as_ref(), &now) {
            tracing::info!(server = %reference, reason = note.reason, message = note.message, "event");
            publish(&ctx.recorder, &note, &server.object_ref(&())).await;
        }
    }
    ctx.metrics.reconciled("ok");
    Ok(Action::requeue(if facts.missing.is_empty() && snapshot.connected { LOOK } else { LOOK_SOON }))
}

/// Writes what differs from what is there.
async fn converge(
    inputs: &build::Inputs<'_>,
    facts: &mut Facts,
    memory: &Memory,
    placed: &Placed,
    ctx: &Context,
) -> Result<(), Error> {
    apply::certificate(inputs, facts, ctx).await?;
    apply::identity(inputs, facts, ctx).await?;
    let print = apply::fingerprint(inputs)?;
    let fresh = memory.applied.as_ref().is_some_and(|(p, t)| *p == print && t.elapsed() < REAPPLY);
    if memory.dirty || !fresh || facts.set.is_none() || facts.service.is_none() {
        facts.service = Some(apply::apply(inputs, ctx).await?);
        ctx.remember(inputs.reference, |m| m.applied = Some((print, Instant::now())));
    }
    apply::nudge(inputs, facts, ctx).await?;
    if let (Placed::Moves { from, to }, Some(pod)) = (placed, &facts.pod)
        && pod.metadata.deletion_timestamp.is_none()
    {
        tracing::info!(server = %inputs.reference, pod = %pod.name_any(), from = %from, to = ?to, "the placement's labels moved: the server's pod is deleted");
        apply::delete_pod(inputs.reference, pod, ctx).await?;
    }
    Ok(())
}

/// No pod that may have a lease, and no mirror, points at this server.
fn untouched(reference: &ServerRef, ctx: &Context) -> bool {
    let pods = ctx.world.pods_of(reference);
    ctx.world.mirrored(reference).is_empty() && !pods.iter().any(|(_, p)| sidecar_may_have_run(p))
}

fn target(server: &LicenseServer, facts: &Facts) -> Option<Target> {
    let spec = facts.service.as_ref()?.spec.as_ref()?;
    let port = server.spec.service.port;
    let ips = spec.cluster_ips.clone().or_else(|| spec.cluster_ip.clone().map(|ip| vec![ip]))?;
    let address = |ip: &String| if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") };
    let addresses: Vec<String> = ips.iter().filter(|ip| *ip != "None" && !ip.is_empty()).map(address).collect();
    (!addresses.is_empty()).then(|| Target { addresses, port, policies: facts.policies.clone() })
}

fn version(server: &LicenseServer) -> u64 {
    server.resource_version().and_then(|v| v.parse().ok()).unwrap_or(0)
}

/// The status as the watch shows it, or as we wrote it if that is newer.
fn newest_status(server: &LicenseServer, memory: &Memory) -> Option<LicenseServerStatus> {
    match &memory.written {
        Some((v, status)) if *v > version(server) => Some(status.clone()),
        _ => server.status.clone(),
    }
}

async fn write_status(
    server: &LicenseServer,
    reference: &ServerRef,
    status: &LicenseServerStatus,
    ctx: &Context,
) -> Result<(), Error> {
    let api: Api<LicenseServer> = Api::namespaced(ctx.client.clone(), &reference.namespace);
    let body = json!({
        "apiVersion": LicenseServer::api_version(&()), "kind": LicenseServer::kind(&()),
        "metadata": { "name": reference.name, "uid": server.uid() }, "status": status
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let written = api.patch_status(&reference.name, &params, &Patch::Apply(&body)).await;
    let written = written.map_err(|e| Error::Api { what: format!("status of LicenseServer {reference}"), source: Box::new(e) })?;
    ctx.remember(reference, |m| m.written = Some((version(&written), status.clone())));
    Ok(())
}
