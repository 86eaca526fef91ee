//! The memories of owners' claims of all license servers, and the ConfigMap in which they outlive
//! this replica. It is written at a shutdown alone: receipts change each 100 s, and each such
//! change would be a write. After a crash the next replica has what the license servers list.

use crate::kubernetes::apply;
use crate::owners::{OwnersMemory, Stand, WorkloadClaim, restored, saved};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Api, Client};
use mooring_api::names::{FIELD_MANAGER, MANAGED_BY, ServerRef};
use mooring_core::identity::HolderKey;
use mooring_net::clock;
use mooring_net::sync::lock;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// In the operator's own namespace.
const CONFIG_MAP: &str = "mooring-owners";
/// How long that may take at the beginning and at the end.
const PATIENCE: Duration = Duration::from_secs(3);

/// By license server.
#[derive(Debug, Default)]
pub struct OwnersBook {
    memories: Mutex<BTreeMap<ServerRef, OwnersPage>>,
    before: Mutex<BTreeMap<String, String>>,
    /// There are no Workloads of Kueue's for now: what was claimed for any ends.
    no_workloads: AtomicBool,
    /// Hears that a license server has answered.
    pub(crate) answers: Notify,
}

/// What is remembered of one license server's owners.
#[derive(Clone, Debug)]
pub(super) struct OwnersPage {
    pub(super) memory: Arc<Mutex<OwnersMemory>>,
    /// Hears that something about them may have changed.
    pub(super) news: Arc<Notify>,
}

fn key(server: &ServerRef) -> String {
    format!("{}.{}", server.namespace, server.name)
}

impl OwnersBook {
    /// A license server's memory, from now on: what was written down before is in it.
    pub(super) fn open(&self, server: &ServerRef) -> OwnersPage {
        let mut memory = OwnersMemory::default();
        if let Some(text) = lock(&self.before).remove(&key(server)) {
            let now = clock::now();
            memory.restore(restored(&text, now.wall), now.boot);
        }
        if self.no_workloads.load(Ordering::Relaxed) {
            memory.set_workloads(&[]);
        }
        let page = OwnersPage {
            memory: Arc::new(Mutex::new(memory)),
            news: Arc::default(),
        };
        lock(&self.memories).insert(server.clone(), page.clone());
        page
    }

    fn page(&self, server: &ServerRef) -> Option<OwnersPage> {
        lock(&self.memories).get(server).cloned()
    }

    /// Nobody answers for Kueue's Workloads, or there is no Kueue.
    pub(crate) fn has_no_workloads(&self) {
        self.no_workloads.store(true, Ordering::Relaxed);
        let servers: Vec<ServerRef> = lock(&self.memories).keys().cloned().collect();
        for server in servers {
            self.set_workloads(&server, &[]);
        }
    }

    /// The Workloads of Kueue's that claim at a license server: it is told soon.
    pub(crate) fn set_workloads(&self, server: &ServerRef, all: &[WorkloadClaim]) {
        if let Some(page) = self.page(server)
            && lock(&page.memory).set_workloads(all)
        {
            page.news.notify_one();
        }
    }

    /// How such a claim stands, and whether the license server knows that it rests.
    pub(crate) fn stand(&self, server: &ServerRef, key: &HolderKey) -> Option<(Stand, bool)> {
        let page = self.page(server)?;
        let memory = lock(&page.memory);
        memory
            .stand(key, clock::boot())
            .map(|(stand, rested)| (stand.clone(), rested))
    }

    pub(super) fn close(&self, server: &ServerRef) {
        lock(&self.memories).remove(server);
    }

    /// Reads what the replica before wrote, if it had the time to.
    pub async fn load(&self, client: &Client, namespace: &str) {
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
        match timeout(PATIENCE, api.get_opt(CONFIG_MAP)).await {
            Ok(Ok(map)) => *lock(&self.before) = map.and_then(|m| m.data).unwrap_or_default(),
            Ok(Err(e)) => {
                tracing::warn!(error = %e, "ConfigMap {CONFIG_MAP} cannot be read: what owners of pods had is known by the license servers alone");
            }
            Err(_) => tracing::warn!("reading ConfigMap {CONFIG_MAP} took too long"),
        }
    }

    /// Writes down what the next replica is to show.
    pub async fn save(&self, client: &Client, namespace: &str) {
        let now = clock::now();
        let data: BTreeMap<String, String> = {
            let memories = lock(&self.memories);
            let all = memories.iter();
            let all =
                all.filter_map(|(server, m)| Some((key(server), saved(&lock(&m.memory), now)?)));
            all.collect()
        };
        if data.is_empty() {
            return;
        }
        let labels = BTreeMap::from([(MANAGED_BY.to_owned(), FIELD_MANAGER.to_owned())]);
        let map = ConfigMap {
            metadata: ObjectMeta {
                name: Some(CONFIG_MAP.into()),
                namespace: Some(namespace.to_owned()),
                labels: Some(labels),
                ..ObjectMeta::default()
            },
            data: Some(data),
            ..ConfigMap::default()
        };
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
        match timeout(PATIENCE, apply(&api, &map)).await {
            Ok(Ok(_)) => {
                tracing::info!(
                    "what owners of pods have is written down in ConfigMap {CONFIG_MAP}"
                );
            }
            Ok(Err(e)) => tracing::warn!(error = %e, "ConfigMap {CONFIG_MAP} could not be written"),
            Err(_) => tracing::warn!("writing ConfigMap {CONFIG_MAP} took too long"),
        }
    }
}
