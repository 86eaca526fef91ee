//! Fills the [`ClusterCache`] from watches. A pod that leaves its watch is asked for by name before
//! anything is concluded.

use super::ClusterCache;
use crate::pods::key_of;
use crate::watch::watch;
use crate::watched::WatchedPod;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt as _};
use mooring_api::LicenseLease;
use mooring_api::names;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// How often a pod that lost its label is asked for.
const UNLABELLED_EVERY: Duration = Duration::from_secs(30);
/// How many objects a page of a list has at most: a page is in memory as a whole, and whoever may
/// make a pod may make one of a megabyte and more.
pub(crate) const PAGE: u32 = 20;
/// The same for what only the platform writes.
const LARGE_PAGE: u32 = 200;

/// Runs until dropped. `nodes_changed` is called when a node's labels, taints or readiness changed.
pub async fn run(client: Client, cache: Arc<ClusterCache>, nodes_changed: impl Fn() + Send) {
    tokio::join!(
        pods(client.clone(), &cache),
        nodes(client.clone(), &cache, nodes_changed),
        mirrors(client, &cache)
    );
}

async fn pods(client: Client, cache: &ClusterCache) {
    let api: Api<WatchedPod> = Api::all(client.clone());
    let config = watcher::Config::default()
        .labels(names::INJECTED)
        .page_size(PAGE);
    let mut events = watch(api, config).boxed();
    let mut listed = HashSet::new();
    let mut unlabelled: Vec<Pod> = Vec::new();
    let mut tick = tokio::time::interval(UNLABELLED_EVERY);
    loop {
        let event = tokio::select! {
            e = events.try_next() => e,
            _ = tick.tick() => {
                let ask = std::mem::take(&mut unlabelled);
                for pod in ask {
                    left(&client, cache, pod, false, &mut unlabelled).await;
                }
                continue;
            }
        };
        match event {
            Ok(Some(Event::Init)) => listed.clear(),
            Ok(Some(Event::InitApply(WatchedPod(pod)))) => {
                listed.extend(key_of(&pod));
                cache.pod_seen(pod);
            }
            Ok(Some(Event::InitDone)) => {
                for pod in cache.pods_missing(&listed) {
                    left(&client, cache, pod, false, &mut unlabelled).await;
                }
                cache.listed(|r| r.pods = true);
            }
            Ok(Some(Event::Apply(WatchedPod(pod)))) => cache.pod_seen(pod),
            Ok(Some(Event::Delete(WatchedPod(pod)))) => {
                left(&client, cache, pod, true, &mut unlabelled).await;
            }
            Ok(None) => return,
            Err(e) => tracing::warn!(error = %e, "watching pods"),
        }
    }
}

/// A pod left the watch: gone, or only its label. While the API server does not answer nothing is
/// concluded.
async fn left(
    client: &Client,
    cache: &ClusterCache,
    last: Pod,
    deleted: bool,
    unlabelled: &mut Vec<Pod>,
) {
    let namespace = last.metadata.namespace.as_deref().unwrap_or("default");
    let api: Api<WatchedPod> = Api::namespaced(client.clone(), namespace);
    match api.get_opt(&last.name_any()).await {
        Ok(Some(WatchedPod(now))) if now.metadata.uid == last.metadata.uid => {
            cache.pod_seen(now.clone());
            unlabelled.push(now);
        }
        Ok(_) => cache.pod_absent(&last, deleted, mooring_net::clock::boot()),
        Err(e) => {
            tracing::warn!(pod = %last.name_any(), error = %e, "asking for a pod that left the watch");
            unlabelled.push(last);
        }
    }
}

async fn nodes(client: Client, cache: &ClusterCache, changed: impl Fn()) {
    let config = watcher::Config::default().page_size(LARGE_PAGE);
    let mut events = watch(Api::<Node>::all(client), config).boxed();
    let mut listed = HashSet::new();
    loop {
        match events.try_next().await {
            Ok(Some(Event::Init)) => listed.clear(),
            Ok(Some(Event::InitApply(n))) => {
                listed.insert(n.name_any());
                cache.node_seen(trim_node(n));
            }
            Ok(Some(Event::InitDone)) => {
                cache.nodes_listed(&listed);
                cache.listed(|r| r.nodes = true);
                changed();
            }
            Ok(Some(Event::Apply(n))) => {
                if cache.node_seen(trim_node(n)) {
                    changed();
                }
            }
            Ok(Some(Event::Delete(n))) => {
                cache.node_deleted(&n.name_any());
                changed();
            }
            Ok(None) => return,
            Err(e) => tracing::warn!(error = %e, "watching nodes"),
        }
    }
}

fn trim_node(mut node: Node) -> Node {
    node.metadata.managed_fields = None;
    node.metadata.annotations = None;
    if let Some(status) = &mut node.status {
        status.images = None;
        status.volumes_attached = None;
        status.volumes_in_use = None;
    }
    node
}

async fn mirrors(client: Client, cache: &ClusterCache) {
    let api: Api<LicenseLease> = Api::all(client);
    // What a license server says stands in them.
    let config = watcher::Config::default().page_size(PAGE);
    let mut events = watch(api, config).boxed();
    let mut listed = HashSet::new();
    loop {
        match events.try_next().await {
            Ok(Some(Event::Init)) => listed.clear(),
            Ok(Some(Event::InitApply(l))) => {
                listed.extend(l.metadata.uid.clone());
                cache.mirror_seen(trim_lease(l));
            }
            Ok(Some(Event::InitDone)) => {
                cache.mirrors_listed(&listed);
                cache.listed(|r| r.mirrors = true);
            }
            Ok(Some(Event::Apply(l))) => cache.mirror_seen(trim_lease(l)),
            Ok(Some(Event::Delete(l))) => cache.mirror_deleted(&l),
            Ok(None) => return,
            Err(e) => tracing::warn!(error = %e, "watching LicenseLeases"),
        }
    }
}

fn trim_lease(mut lease: LicenseLease) -> LicenseLease {
    lease.metadata.managed_fields = None;
    lease
}
