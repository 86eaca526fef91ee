//! What makes a LicenseServer be looked at.

use super::build::Defaults;
use super::context::{self, ControllerContext};
use super::seat_policy::{named::PolicyName, watch as policies};
use super::{reconcile, sweep};
use crate::cache::watches::PAGE;
use crate::connection::ConnectionContext;
use crate::discovery::{self, sightings::Sightings};
use crate::kueue;
use crate::watch::{NoPause, watch};
use crate::watched::Head;
use futures::stream::poll_fn;
use futures::{Stream, StreamExt as _};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{Controller, WatchStreamExt as _, watcher};
use kube::{Api, Resource, ResourceExt as _};
use mooring_api::LicenseServer;
use mooring_api::names::{SERVER_LABEL, ServerRef};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Runs the controller until dropped.
pub async fn run(
    connection: ConnectionContext,
    defaults: Defaults,
    namespace: String,
    (sightings, with_kueue): (Option<Arc<Sightings>>, bool),
) {
    let (changed, mut hears) = mpsc::unbounded_channel::<ServerRef>();
    let (policy_news, policies_hear) = mpsc::unbounded_channel::<PolicyName>();
    let (nodes, mut nodes_changed) = mpsc::unbounded_channel::<()>();
    let client = connection.writer.client.clone();
    let cache = connection.writer.cache.clone();
    let ctx = Arc::new(ControllerContext::new(
        connection,
        defaults,
        namespace,
        sightings,
        (changed.clone(), policy_news),
    ));
    let all_dirty = ctx.clone();
    let servers = Api::<LicenseServer>::all(client.clone());
    let (store, writer) = reflector::store();
    let servers = watch(servers, watcher::Config::default().page_size(PAGE));
    let servers = servers.reflect(writer).applied_objects();
    let controller = Controller::for_stream(servers, store.clone());
    // Metadata alone: whoever may make such an object may make it large, and label it so.
    let sets = Api::<Head<StatefulSet>>::all(client.clone());
    let services = Api::<Head<Service>>::all(client.clone());
    let maps = Api::<Head<ConfigMap>>::all(client.clone());
    let pods = Api::<Head<Pod>>::all(client.clone());
    let controller = controller
        .watches_stream(touches(sets), touched(&ctx, &store))
        .watches_stream(touches(services), touched(&ctx, &store))
        .watches_stream(touches(maps), touched(&ctx, &store))
        .watches_stream(touches(pods), touched(&ctx, &store))
        .trigger_backoff(NoPause)
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
    let policies = policies::run(ctx.clone(), store.clone(), changed, policies_hear);
    let checks = async {
        let book = &ctx.connection.owners;
        if with_kueue {
            kueue::run(client.clone(), book, store.clone()).await;
        } else {
            book.has_no_workloads();
        }
    };
    tokio::join!(controller, watches, labels, sweep, policies, checks);
}

/// Each object of ours that changes or goes.
fn touches<K>(api: Api<K>) -> impl Stream<Item = watcher::Result<K>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let ours = watcher::Config::default().labels(&context::ours());
    watch(api, ours.page_size(PAGE)).touched_objects()
}

/// The LicenseServer of a child that changed: its objects are looked at again.
fn touched<K: Resource>(
    ctx: &Arc<ControllerContext>,
    store: &Store<LicenseServer>,
) -> impl Fn(K) -> Option<ObjectRef<LicenseServer>> + use<K> {
    let (ctx, store) = (ctx.clone(), store.clone());
    move |o| {
        let server = named(&o, |s| store.get(&object_ref(s)).is_some())?;
        ctx.remember(&server, |m| m.dirty = true);
        Some(object_ref(&server))
    }
}

/// The LicenseServer that an object's labels name, if there is one: anybody can write labels, and
/// of what is not there nothing is remembered.
fn named(object: &impl Resource, exists: impl Fn(&ServerRef) -> bool) -> Option<ServerRef> {
    let name = object.labels().get(SERVER_LABEL)?.clone();
    let server = ServerRef::new(object.namespace().unwrap_or_default(), name);
    exists(&server).then_some(server)
}

fn object_ref(server: &ServerRef) -> ObjectRef<LicenseServer> {
    ObjectRef::new(&server.name).within(&server.namespace)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_label_that_names_no_license_server_is_nobodys_business() {
        let labelled = |server: &str| -> ConfigMap {
            let metadata = json!({ "name": "x", "namespace": "team-b", "labels": { "mooring.dev/server": server } });
            serde_json::from_value(json!({ "metadata": metadata })).unwrap()
        };
        let main = ServerRef::new("team-b", "main");
        let exists = |s: &ServerRef| *s == main;
        assert_eq!(named(&labelled("main"), exists), Some(main.clone()));
        let forged = (0..1000).map(|n| named(&labelled(&format!("r{n}")), exists));
        assert_eq!(forged.flatten().count(), 0);
        assert_eq!(named(&ConfigMap::default(), exists), None);
    }
}
