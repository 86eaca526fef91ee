//! Evicts pods that ask for it once their license is lost (`mooring.dev/on-loss: stop`): by the
//! Eviction API, so that PodDisruptionBudgets count, and again with growing pauses where it says
//! no.

use super::server::Connection;
use crate::kubernetes::unless;
use crate::leases::{Eviction, evicted, eviction, publish, refused};
use crate::pods::{PodFact, Standing};
use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use k8s_openapi::api::policy::v1::Eviction as EvictionRequest;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    DeleteOptions, ObjectMeta, Preconditions, Status,
};
use kube::api::PostParams;
use kube::{Api, ResourceExt as _};
use mooring_api::LicenseLeaseStatus;
use mooring_core::identity::HolderKey;
use mooring_core::time::BootTime;
use mooring_net::clock;
use mooring_net::sync::lock;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

/// The pauses before the second try, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(300));

/// The pods that are to be evicted, by key.
#[derive(Debug, Default)]
pub(super) struct Evictions(HashMap<HolderKey, Tried>);

#[derive(Clone, Copy, Debug)]
struct Tried {
    count: u32,
    last: BootTime,
}

impl Tried {
    fn again_at(self) -> BootTime {
        let (second, most) = PAUSES;
        let doublings = self.count.saturating_sub(1).min(16);
        self.last + second.saturating_mul(1 << doublings).min(most)
    }
}

impl Evictions {
    /// In how long a pod may be tried, if not now.
    fn pause(&self, key: &HolderKey, now: BootTime) -> Option<Duration> {
        let at = self.0.get(key)?.again_at();
        (now < at).then(|| now.until(at))
    }

    /// Notes one more try; whether it is the first.
    fn note(&mut self, key: &HolderKey, now: BootTime) -> bool {
        let tried = self.0.entry(key.clone());
        let tried = tried.or_insert(Tried {
            count: 0,
            last: now,
        });
        (tried.count, tried.last) = (tried.count.saturating_add(1), now);
        tried.count == 1
    }

    fn forget(&mut self, key: &HolderKey) {
        self.0.remove(key);
    }
}

/// Evicts a holder's pod if that is due; when to look again, if by itself.
pub(super) async fn evict(
    connection: &Connection,
    evictions: &Mutex<Evictions>,
    key: &HolderKey,
) -> Option<Duration> {
    let (pod, status) = match due(connection, key) {
        Ok(due) => due,
        Err(Eviction::In(after)) => return Some(after),
        Err(_) => {
            if !is_lost(connection, key) {
                lock(evictions).forget(key);
            }
            return None;
        }
    };
    if let Some(pause) = lock(evictions).pause(key, clock::boot()) {
        return Some(pause);
    }
    let writer = &connection.context.writer;
    let namespace = pod.namespace().unwrap_or_default();
    let api: Api<Pod> = Api::namespaced(writer.once.clone(), &namespace);
    let done = unless(post(&api, &pod).await, &[404, 409]);
    let (server, name) = (&connection.server, pod.name_any());
    let first = lock(evictions).note(key, clock::boot());
    let note = match &done {
        Ok(Some(_)) => {
            tracing::info!(server = %server, pod = %name, namespace = %namespace, uid = %key, "its license is lost: evicted");
            Some(evicted(&status))
        }
        Ok(None) => None,
        Err(e) => {
            tracing::warn!(server = %server, pod = %name, namespace = %namespace, uid = %key, error = %e, "its license is lost, and it could not be evicted; tried again");
            first.then(|| refused(&status, &in_words(e)))
        }
    };
    if let Some(note) = note {
        let regarding: ObjectReference = kube::Resource::object_ref(&pod, &());
        publish(&writer.recorder, &note, &regarding).await;
    }
    Some(PAUSES.0)
}

/// Asks for the eviction of this pod, and of no other of its name: `Api::evict` of kube 5.0 spells
/// the options so that the API server does not read them.
async fn post(api: &Api<Pod>, pod: &Pod) -> Result<Status, kube::Error> {
    let name = pod.name_any();
    let options = DeleteOptions {
        preconditions: Some(Preconditions {
            uid: pod.uid(),
            resource_version: None,
        }),
        ..DeleteOptions::default()
    };
    let request = EvictionRequest {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            ..ObjectMeta::default()
        },
        delete_options: Some(options),
    };
    let params = PostParams::default();
    api.create_subresource("eviction", &name, &params, &request)
        .await
}

/// What the API server said.
fn in_words(e: &kube::Error) -> String {
    match e {
        kube::Error::Api(s) => s.message.clone(),
        other => other.to_string(),
    }
}

/// Whether its mirror says that its license is lost.
fn is_lost(connection: &Connection, key: &HolderKey) -> bool {
    let cache = &connection.context.writer.cache;
    let stored = cache.mirror(&connection.server, key);
    let status = stored.and_then(|s| s.lease.status);
    status.is_some_and(|s| s.lost_since.is_some())
}

/// The pod that is to be evicted now, with why; or when to look again.
fn due(connection: &Connection, key: &HolderKey) -> Result<(Pod, LicenseLeaseStatus), Eviction> {
    let cache = &connection.context.writer.cache;
    let stored = cache.mirror(&connection.server, key);
    let status = stored.and_then(|s| s.lease.status);
    let status = status.filter(|s| s.lost_since.is_some());
    // A server that does not serve, or is not heard, has said nothing of a loss.
    let (Some(status), true) = (status, connection.settled()) else {
        return Err(Eviction::Nothing);
    };
    let pod = cache.pod(key).ok_or(Eviction::Nothing)?;
    let standing = connection.standing(key, Some(&pod));
    let ours = matches!(standing, Standing::Counts | Standing::NotAllowed);
    let (PodFact::Running { of, .. }, true) = (cache.fact(&connection.server, key).0, ours) else {
        return Err(Eviction::Nothing);
    };
    let lease_for = connection.service().lease_for;
    let elsewhere = cache.elsewhere(&connection.server, key);
    match eviction(&status, &of, elsewhere, lease_for, clock::now().wall) {
        Eviction::Due => Ok((pod, status)),
        other => Err(other),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::kubernetes::sends_once;
    use http::{Request, Response, StatusCode};
    use mooring_net::http::{Body, json};
    use mooring_net::serve::{Inbound, Limits, serve};
    use mooring_net::shutdown::Shutdown;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// An API server by which a disruption budget forbids each eviction.
    fn forbids(asked: &AtomicU32, _: Request<Inbound>) -> Response<Body> {
        asked.fetch_add(1, Ordering::Relaxed);
        let said = "Cannot evict pod as it would violate the pod's disruption budget.";
        let status = serde_json::json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 429,
            "reason": "TooManyRequests", "message": said,
        });
        json(StatusCode::TOO_MANY_REQUESTS, &status)
    }

    #[tokio::test]
    async fn that_a_disruption_budget_forbids_it_is_heard_at_once() {
        let asked = Arc::new(AtomicU32::new(0));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (_end, shutdown) = Shutdown::channel();
        let of = asked.clone();
        let answer = move |r| std::future::ready(forbids(&of, r));
        let limits = Limits::of(10, 10);
        tokio::spawn(serve(listener, None, limits, shutdown, answer));
        let client = sends_once(kube::Config::new(url.parse().unwrap())).unwrap();
        let pod = serde_json::json!({ "metadata": { "name": "p", "namespace": "a", "uid": "u" } });
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let api = Api::namespaced(client, "a");
        let answered = tokio::time::timeout(Duration::from_secs(5), post(&api, &pod)).await;
        let said = in_words(&answered.unwrap().unwrap_err());
        assert!(said.contains("disruption budget"), "{said}");
        assert_eq!(asked.load(Ordering::Relaxed), 1, "and not asked again");
    }

    #[test]
    fn an_eviction_that_is_refused_is_tried_again_with_growing_pauses_and_said_once() {
        let key = HolderKey("u".into());
        let mut evictions = Evictions::default();
        let mut now = BootTime::from_millis(1000);
        assert_eq!(evictions.pause(&key, now), None, "at once");
        let mut pauses = Vec::new();
        for n in 0..8 {
            assert_eq!(evictions.note(&key, now), n == 0, "said once");
            let pause = evictions.pause(&key, now).unwrap_or_default();
            pauses.push(pause.as_secs());
            now = now + pause;
            assert_eq!(evictions.pause(&key, now), None);
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 300, 300, 300]);
        evictions.forget(&key);
        assert!(evictions.note(&key, now), "another loss");
    }
}
