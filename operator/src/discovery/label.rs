//! Sets and removes the nodes' labels, in the replica that leads. The rules are in [`super::plan`].

use super::plan::{Change, plan};
use super::sightings::Sightings;
use crate::cache::ClusterCache;
use crate::kubernetes::unless;
use k8s_openapi::api::core::v1::Node;
use kube::api::{Patch, PatchParams};
use kube::runtime::reflector::Store;
use kube::{Api, Client, ResourceExt as _};
use mooring_api::names::FIELD_MANAGER;
use mooring_api::{Device, LicenseServer, PRESENT};
use mooring_net::clock;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How often without news: a label that somebody removed, a LicenseServer that came.
const LOOK: Duration = Duration::from_secs(3);

/// Runs until dropped.
pub async fn run(
    client: &Client,
    cache: &ClusterCache,
    sightings: &Sightings,
    servers: &Store<LicenseServer>,
) {
    cache.complete().await;
    if servers.wait_until_ready().await.is_err() {
        return;
    }
    let mut news = sightings.subscribe();
    loop {
        let servers = servers.state();
        let placements = servers.iter().flat_map(|s| s.spec.placements());
        let devices = placements.filter_map(|p| p.device.clone());
        let wanted: BTreeSet<Device> = devices.collect();
        let nodes: BTreeMap<String, BTreeMap<String, String>> = cache
            .nodes()
            .iter()
            .map(|n| (n.name_any(), n.labels().clone()))
            .collect();
        sightings.retain(|n| nodes.contains_key(n));
        for change in plan(&wanted, &nodes, &sightings.views(clock::boot())) {
            if let Err(e) = write(client, &change).await {
                tracing::warn!(node = change.node, label = change.label, error = %e, "labelling a node; tried again");
            }
        }
        tokio::select! {
            _ = news.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

async fn write(client: &Client, change: &Change) -> Result<(), kube::Error> {
    let api: Api<Node> = Api::all(client.clone());
    let value = change.set.then_some(PRESENT);
    let patch = json!({ "metadata": { "labels": { &change.label: value } } });
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(&patch);
    let written = api.patch_metadata(&change.node, &params, &patch).await;
    if unless(written, &[404])?.is_some() {
        let (node, label, set) = (&change.node, &change.label, change.set);
        tracing::info!(node, label, set, "a node's label follows its devices");
    }
    Ok(())
}
