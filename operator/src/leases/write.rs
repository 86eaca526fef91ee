//! Writes mirrors and Events: server-side apply, paced, one writer.

use super::notes::{Note, Severity};
use crate::cache::ClusterCache;
use crate::metrics::Metrics;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Api, Client, ResourceExt as _};
use mooring_api::LicenseLease;
use mooring_api::names::{FIELD_MANAGER, ServerRef};
use mooring_core::identity::HolderKey;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Spreads writes evenly once a burst is used up.
#[derive(Debug)]
pub struct Pace {
    every: Duration,
    burst: u32,
    next: Mutex<Instant>,
}

impl Pace {
    /// `per_second` writes on average, `burst` of them at once.
    pub fn new(per_second: u32, burst: u32) -> Self {
        let every = Duration::from_secs(1) / per_second.max(1);
        Self {
            every,
            burst,
            next: Mutex::new(Instant::now()),
        }
    }

    /// Waits for one's turn.
    pub async fn turn(&self) {
        let at = {
            let mut next = self.next.lock().await;
            let now = Instant::now();
            let earliest = now.checked_sub(self.every * self.burst).unwrap_or(now);
            let at = (*next).max(earliest);
            *next = at + self.every;
            at
        };
        tokio::time::sleep_until(at).await;
    }
}

/// The one writer of mirrors and of the Events that go with them.
#[derive(Clone)]
pub struct Writer {
    pub client: Client,
    /// Publishes Events.
    pub recorder: Recorder,
    /// Shared by all that this process writes of leases.
    pub pace: Arc<Pace>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// What is in sight.
    pub cache: Arc<ClusterCache>,
}

impl Writer {
    /// Writes a mirror, and says what changed.
    pub async fn apply(
        &self,
        server: &ServerRef,
        lease: &LicenseLease,
        note: Option<&Note>,
    ) -> Result<(), kube::Error> {
        self.pace.turn().await;
        let namespace = lease.namespace().unwrap_or_default();
        let api: Api<LicenseLease> = Api::namespaced(self.client.clone(), &namespace);
        let params = PatchParams::apply(FIELD_MANAGER).force();
        match api
            .patch(&lease.name_any(), &params, &Patch::Apply(lease))
            .await
        {
            Ok(mut written) => {
                written.metadata.managed_fields = None;
                self.cache
                    .mirror_written(server, written, mooring_net::clock::boot());
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

    /// Removes a mirror, and only the object that is meant.
    pub async fn delete(
        &self,
        server: &ServerRef,
        key: &HolderKey,
        lease: &LicenseLease,
    ) -> Result<(), kube::Error> {
        self.pace.turn().await;
        let namespace = lease.namespace().unwrap_or_default();
        let api: Api<LicenseLease> = Api::namespaced(self.client.clone(), &namespace);
        let only = Preconditions {
            uid: lease.uid(),
            resource_version: None,
        };
        let params = DeleteParams {
            preconditions: Some(only),
            ..DeleteParams::default()
        };
        match api.delete(&lease.name_any(), &params).await {
            Ok(_) => {
                self.metrics.mirror_write("delete");
                tracing::info!(server = %server, pod = %lease.spec.holder.name, namespace = %namespace, lease = %lease.name_any(), "mirror removed: the lease ended");
            }
            Err(kube::Error::Api(s)) if s.code == 404 || s.code == 409 => {}
            Err(e) => {
                self.metrics.mirror_write("error");
                return Err(e);
            }
        }
        self.cache.mirror_removed(server, key);
        Ok(())
    }

    /// An Event on the holder's pod; for an external holder on its mirror. A failed one is only
    /// logged.
    async fn say(&self, lease: &LicenseLease, note: &Note) {
        let holder = &lease.spec.holder;
        let regarding = match &holder.uid {
            Some(uid) => ObjectReference {
                api_version: Some("v1".into()),
                kind: Some("Pod".into()),
                name: Some(holder.name.clone()),
                namespace: lease.namespace(),
                uid: Some(uid.clone()),
                ..ObjectReference::default()
            },
            None => kube::Resource::object_ref(lease, &()),
        };
        publish(&self.recorder, note, &regarding).await;
    }
}

/// Publishes an Event; one that cannot be published is logged, nothing more.
pub async fn publish(recorder: &Recorder, note: &Note, regarding: &ObjectReference) {
    let type_ = match note.severity {
        Severity::Normal => EventType::Normal,
        Severity::Warning => EventType::Warning,
    };
    let event = Event {
        type_,
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

/// The namespace is being deleted: it takes no new objects, and its pods end anyway.
pub fn is_terminating(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(s) if s.code == 403 && s.message.contains("being terminated"))
}
