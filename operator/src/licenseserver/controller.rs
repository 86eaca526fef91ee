//! What makes a LicenseServer be looked at.

use super::build::Defaults;
use super::context::{self, ControllerContext};
use super::{reconcile, sweep};
use crate::connection::ConnectionContext;
use crate::discovery::{self, sightings::Sightings};
use futures::StreamExt as _;
use futures::stream::poll_fn;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{Controller, watcher};
use kube::{Api, Resource, ResourceExt as _};
use mooring_api::LicenseServer;
use mooring_api::names::{SERVER_LABEL, ServerRef};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Runs the controller until dropped.
pub async fn run(
    connection: ConnectionContext,
    defaults: Defaults,
    sightings: Option<Arc<Sightings>>,
) {
    let (changed, mut hears) = mpsc::unbounded_channel::<ServerRef>();
    let (nodes, mut nodes_changed) = mpsc::unbounded_channel::<()>();
    let client = connection.writer.client.clone();
    let cache = connection.writer.cache.clone();
    let ctx = Arc::new(ControllerContext::new(
        connection, defaults, sightings, changed,
    ));
    let ours = watcher::Config::default().labels(&context::ours());
    let all_dirty = ctx.clone();
    let servers = Api::<LicenseServer>::all(client.clone());
    let controller = Controller::new(servers, watcher::Config::default());
    let store = controller.store();
    let sets = Api::<StatefulSet>::all(client.clone());
    let services = Api::<Service>::all(client.clone());
    let maps = Api::<PartialObjectMeta<ConfigMap>>::all(client.clone());
    let pods = Api::<Pod>::all(client.clone());
    let controller = controller
        .watches(sets, ours.clone(), touched(&ctx))
        .watches(services, ours.clone(), touched(&ctx))
        .watches(maps, ours.clone(), touched(&ctx))
        .watches(pods, ours, touched(&ctx))
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
    let labels = async {
        if let Some(sightings) = &ctx.sightings {
            discovery::label::run(&client, &cache, sightings, &store).await;
        }
    };
    let watches = crate::cache::watches::run(client.clone(), cache.clone(), move || {
        let _ = nodes.send(());
    });
    let sweep = sweep::run(ctx.clone(), store.clone());
    tokio::join!(controller, watches, labels, sweep);
}

/// The LicenseServer of a child that changed: its objects are looked at again.
fn touched<K: Resource>(
    ctx: &Arc<ControllerContext>,
) -> impl Fn(K) -> Option<ObjectRef<LicenseServer>> + use<K> {
    let ctx = ctx.clone();
    move |o| {
        let name = o.labels().get(SERVER_LABEL)?.clone();
        let server = ServerRef::new(o.namespace().unwrap_or_default(), name);
        ctx.remember(&server, |m| m.dirty = true);
        Some(object_ref(&server))
    }
}

fn object_ref(server: &ServerRef) -> ObjectRef<LicenseServer> {
    ObjectRef::new(&server.name).within(&server.namespace)
}
