//! Writes mirrors and Events: server-side apply, paced, one writer.

use super::notes::Note;
use crate::allowance::Allowance;
use crate::cache::ClusterCache;
use crate::kubernetes::{self, is_terminating};
use crate::metrics::Metrics;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{Patch, PatchParams};
use kube::runtime::events::{Event, Recorder};
use kube::{Api, Client, ResourceExt as _};
use mooring_api::names::{FIELD_MANAGER, ServerRef};
use mooring_api::{HolderKind, LicenseLease, Revoked};
use mooring_core::identity::HolderKey;
use mooring_net::sync::lock;
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// The one writer of mirrors and of the Events that go with them.
#[derive(Clone)]
pub struct Writer {
    pub client: Client,
    /// For evictions, whose refusal is an answer: its requests are sent once.
    pub once: Client,
    pub recorder: Recorder,
    /// Shared by all that this process writes of leases.
    pub pace: Arc<Mutex<Allowance>>,
    /// One license server's part of it, so that it cannot take up all.
    pub share: Option<Arc<Mutex<Allowance>>>,
    pub metrics: Arc<Metrics>,
    pub cache: Arc<ClusterCache>,
}

/// One server's writes of mirrors: so many at once, and one more each while. Half of all.
const SHARE: (u32, Duration) = (50, Duration::from_millis(40));

impl Writer {
    /// The writer of one license server's mirrors.
    #[must_use]
    pub fn of_one_server(&self) -> Self {
        let share = Allowance::new(SHARE.0, SHARE.1, Instant::now());
        Self {
            share: Some(Arc::new(Mutex::new(share))),
            ..self.clone()
        }
    }

    /// Waits for one's turn to write something about a holder.
    pub async fn turn(&self) {
        // One's own first: who waits for that takes no turn of the others.
        for pace in self.share.iter().chain([&self.pace]) {
            tokio::time::sleep_until(next(pace)).await;
        }
    }

    /// The same for a mirror; where to, and its namespace.
    async fn turn_for(&self, lease: &LicenseLease) -> (Api<LicenseLease>, String) {
        self.turn().await;
        let namespace = lease.namespace().unwrap_or_default();
        (Api::namespaced(self.client.clone(), &namespace), namespace)
    }

    /// Writes a mirror, and says what changed.
    pub async fn apply(
        &self,
        server: &ServerRef,
        lease: &LicenseLease,
        note: Option<&Note>,
    ) -> Result<(), kube::Error> {
        let (api, namespace) = self.turn_for(lease).await;
        match kubernetes::apply(&api, lease).await {
            Ok(mut written) => {
                written.metadata.managed_fields = None;
                let now = mooring_net::clock::boot();
                self.cache.mirror_written(server, written, now);
            }
            Err(e) if is_terminating(&e) => return Ok(()),
            Err(e) => {
                self.metrics.mirror_write("error");
                return Err(e);
            }
        }
        self.metrics.mirror_write("apply");
        if let Some(status) = &lease.status {
            let (state, reason) = (status.state, status.message.as_deref().unwrap_or(""));
            tracing::info!(server = %server, pod = %lease.spec.holder.name, namespace = %namespace, lease = %lease.name_any(), state = %state, reason, "mirror written");
        }
        if let Some(note) = note {
            self.say(lease, note).await;
        }
        Ok(())
    }

    /// Has a mirror say again that its holder is revoked. Not by an apply: it is people's to take
    /// away, and no later apply of ours brings it back or takes it away.
    pub async fn restore(
        &self,
        server: &ServerRef,
        lease: &LicenseLease,
        revoked: &Revoked,
    ) -> Result<(), kube::Error> {
        let (api, namespace) = self.turn_for(lease).await;
        let meta = json!({ "uid": lease.uid(), "resourceVersion": lease.resource_version() });
        let patch = Patch::Merge(json!({ "metadata": meta, "spec": { "revoked": revoked } }));
        let params = PatchParams::apply(FIELD_MANAGER);
        let mut written = api.patch(&lease.name_any(), &params, &patch).await?;
        written.metadata.managed_fields = None;
        let now = mooring_net::clock::boot();
        self.cache.mirror_written(server, written, now);
        self.metrics.mirror_write("restore");
        tracing::info!(server = %server, pod = %lease.spec.holder.name, namespace = %namespace, "the mirror says again that its holder is revoked");
        Ok(())
    }

    /// Removes a mirror, and only the object that is meant.
    pub async fn delete(
        &self,
        server: &ServerRef,
        key: &HolderKey,
        lease: &LicenseLease,
    ) -> Result<(), kube::Error> {
        let (api, namespace) = self.turn_for(lease).await;
        match kubernetes::delete(&api, lease).await {
            Ok(true) => {
                self.metrics.mirror_write("delete");
                tracing::info!(server = %server, pod = %lease.spec.holder.name, namespace = %namespace, lease = %lease.name_any(), "mirror removed: the lease ended");
            }
            Ok(false) => {}
            Err(e) => {
                self.metrics.mirror_write("error");
                return Err(e);
            }
        }
        self.cache.mirror_removed(server, key);
        Ok(())
    }

    /// An Event on the holder's pod; for any other holder on its mirror. A failed one is only
    /// logged.
    async fn say(&self, lease: &LicenseLease, note: &Note) {
        let holder = &lease.spec.holder;
        let regarding = match &holder.uid {
            Some(uid) if holder.kind == HolderKind::Pod => ObjectReference {
                api_version: Some("v1".into()),
                kind: Some("Pod".into()),
                name: Some(holder.name.clone()),
                namespace: lease.namespace(),
                uid: Some(uid.clone()),
                ..ObjectReference::default()
            },
            _ => kube::Resource::object_ref(lease, &()),
        };
        publish(&self.recorder, note, &regarding).await;
    }
}

fn next(pace: &Mutex<Allowance>) -> Instant {
    let mut pace = lock(pace);
    let at = pace.next(Instant::now());
    pace.take(at);
    at
}

/// Publishes an Event; one that cannot be published is logged, nothing more.
pub async fn publish(recorder: &Recorder, note: &Note, regarding: &ObjectReference) {
    let event = Event {
        type_: note.severity,
        reason: note.reason.into(),
        note: Some(note.message.clone()),
        action: note.action.into(),
        secondary: None,
    };
    match recorder.publish(&event, regarding).await {
        Ok(()) => {}
        // A namespace that is being deleted takes no Events either.
        Err(e) if is_terminating(&e) => {}
        Err(e) => {
            tracing::warn!(reason = note.reason, error = %e, "an Event could not be published");
        }
    }
}
