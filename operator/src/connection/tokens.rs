//! The client token of each pod that has a license server outside of the cluster: in a Secret of
//! the pod's own, which belongs to it and goes with it. Each such server has its key there.
//!
//! The webhook has named it, and the kubelet starts the pod once it is there. It is written anew
//! when half of its life is over; the kubelet hands that to the sidecar, which reads it at each
//! use.

use super::outside::{LIFE, Outside};
use super::server::Connection;
use crate::leases::{Note, publish};
use crate::pods::{PodFact, Standing, token_secret};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ObjectReference, Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::events::EventType;
use kube::{Api, ResourceExt as _};
use mooring_api::names::{FIELD_MANAGER, MANAGED_BY, TOKEN_TYPE};
use mooring_core::client_token::ClientTokenError;
use mooring_core::identity::HolderKey;
use mooring_core::time::Timestamp;
use mooring_net::clock;
use mooring_net::sync::lock;
use serde_json::json;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

/// How long after a failed write it is tried again: at first, and where that will not help soon.
const AGAIN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

/// The tokens that pods have.
#[derive(Debug, Default)]
pub(super) struct GivenTokens(HashMap<HolderKey, Given>);

#[derive(Debug, Default)]
struct Given {
    /// When it ends, if there is one.
    ends: Option<Timestamp>,
    /// Whether people were told that it could not be written.
    said: bool,
}

/// In how long a token is due that ends then: when half of its life is over.
fn due_in(ends: Timestamp, now: Timestamp) -> Duration {
    let left = Duration::try_from(ends.duration_since(now)).unwrap_or_default();
    left.saturating_sub(LIFE / 2)
}

/// Why a pod has no token.
#[derive(Debug, thiserror::Error)]
enum NotGiven {
    #[error(transparent)]
    Api(#[from] kube::Error),
    #[error(transparent)]
    Token(#[from] ClientTokenError),
    /// It is there, and is no other object of ours.
    #[error(
        "it is there already, and does not belong to this pod: is the pod a copy of another one? Make it without its volume mooring-token"
    )]
    Taken,
}

impl NotGiven {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Api(kube::Error::Api(e)) if e.code == 409)
    }
}

/// Gives a holder's pod its token if that is due; when to look again, if by itself.
pub(super) async fn give(
    connection: &Connection,
    given: &Mutex<GivenTokens>,
    key: &HolderKey,
) -> Option<Duration> {
    let outside = connection.target.borrow().outside.clone()?;
    let cache = &connection.context.writer.cache;
    let pod = cache.pod(key);
    let over = pod.is_none() || matches!(cache.fact(&connection.server, key).0, PodFact::Gone);
    let Some(pod) = pod.filter(|_| !over) else {
        lock(given).0.remove(key);
        return None;
    };
    if connection.standing(key, Some(&pod)) != Standing::Counts {
        return None;
    }
    let now = clock::now().wall;
    let before = lock(given).0.get(key).and_then(|g| g.ends);
    if let Some(left) = before
        .map(|ends| due_in(ends, now))
        .filter(|d| !d.is_zero())
    {
        return Some(left);
    }
    let name = token_secret(&pod)?;
    let (server, uid) = (&connection.server, key);
    let write = || written(connection, &outside, &pod, name, now);
    let mut written = write().await;
    if written.as_ref().is_err_and(NotGiven::is_conflict) {
        // Another of its license servers' tokens came into the same Secret meanwhile.
        written = write().await;
    }
    match written {
        Ok(ends) => {
            tracing::info!(server = %server, pod = %pod.name_any(), uid = %uid, secret = name, ends = %ends, "the pod has its client token");
            let ends = Some(ends);
            lock(given)
                .0
                .insert(key.clone(), Given { ends, said: false });
            ends.map(|e| due_in(e, now))
        }
        Err(e) => {
            tracing::warn!(server = %server, pod = %pod.name_any(), uid = %uid, secret = name, error = %e, "the pod's client token could not be written; tried again");
            let said = {
                let mut given = lock(given);
                let g = given.0.entry(key.clone()).or_default();
                std::mem::replace(&mut g.said, true)
            };
            if !said {
                say(connection, &pod, name, &e).await;
            }
            let (soon, later) = AGAIN;
            let lasts = matches!(&e, NotGiven::Taken | NotGiven::Token(_));
            Some(if lasts || said { later } else { soon })
        }
    }
}

/// Writes the token; when it ends. One that an earlier leader made may do for long.
async fn written(
    connection: &Connection,
    outside: &Outside,
    pod: &Pod,
    name: &str,
    now: Timestamp,
) -> Result<Timestamp, NotGiven> {
    let writer = &connection.context.writer;
    let (namespace, uid) = (
        pod.namespace().unwrap_or_default(),
        pod.uid().unwrap_or_default(),
    );
    let of = (namespace.as_str(), uid.as_str());
    let api: Api<Secret> = Api::namespaced(writer.client.clone(), &namespace);
    let (there, entry) = (api.get_opt(name).await?, connection.server.token_key());
    if let Some(there) = &there {
        if !belongs_to(there, &uid) {
            return Err(NotGiven::Taken);
        }
        let token = there.data.as_ref().and_then(|d| d.get(&entry));
        let token = token.and_then(|t| std::str::from_utf8(&t.0).ok());
        let ends = token.and_then(|t| outside.ends(t, of));
        if let Some(ends) = ends.filter(|e| !due_in(*e, now).is_zero()) {
            return Ok(ends);
        }
    }
    let (token, ends) = outside.token_for(of, now)?;
    writer.turn().await;
    match &there {
        None => {
            let params = PostParams {
                field_manager: Some(FIELD_MANAGER.to_owned()),
                ..PostParams::default()
            };
            api.create(&params, &secret(pod, name, (&entry, &token)))
                .await?;
        }
        Some(there) => {
            let meta = json!({ "uid": there.uid(), "resourceVersion": there.resource_version() });
            let data = json!({ entry: ByteString(token.into_bytes()) });
            let patch = Patch::Merge(json!({ "metadata": meta, "data": data }));
            let params = PatchParams::apply(FIELD_MANAGER);
            api.patch(name, &params, &patch).await?;
        }
    }
    Ok(ends)
}

fn belongs_to(secret: &Secret, uid: &str) -> bool {
    let ours = secret.type_.as_deref() == Some(TOKEN_TYPE);
    ours && secret.owner_references().iter().any(|o| o.uid == uid)
}

/// A new one. It belongs to the pod: the API server deletes it when that is gone.
fn secret(pod: &Pod, name: &str, (entry, token): (&str, &str)) -> Secret {
    let owner = OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        name: pod.name_any(),
        uid: pod.uid().unwrap_or_default(),
        ..OwnerReference::default()
    };
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: pod.namespace(),
            labels: Some([(MANAGED_BY.to_owned(), FIELD_MANAGER.to_owned())].into()),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        type_: Some(TOKEN_TYPE.to_owned()),
        data: Some([(entry.to_owned(), ByteString(token.as_bytes().to_vec()))].into()),
        ..Secret::default()
    }
}

/// Says on the pod why it does not start.
async fn say(connection: &Connection, pod: &Pod, name: &str, why: &NotGiven) {
    let text = format!(
        "its client token for LicenseServer {} cannot be written into Secret {name}: {why}",
        connection.server
    );
    let note = Note::new(EventType::Warning, "LicenseTokenMissing", "Issue", &text);
    let regarding: ObjectReference = kube::Resource::object_ref(pod, &());
    publish(&connection.context.writer.recorder, &note, &regarding).await;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pod(uid: &str) -> Pod {
        let metadata = json!({ "name": "p", "namespace": "team", "uid": uid });
        serde_json::from_value(json!({ "metadata": metadata })).unwrap()
    }

    #[test]
    fn a_tokens_secret_belongs_to_its_pod_and_to_no_other_of_the_name() {
        let s = secret(&pod("u-1"), "mooring-token-1", ("licensing.out", "mct_x"));
        assert!(belongs_to(&s, "u-1") && !belongs_to(&s, "u-2"));
        let of_somebody = Secret {
            type_: Some("Opaque".into()),
            ..s.clone()
        };
        assert!(!belongs_to(&of_somebody, "u-1"));
        let written = serde_json::to_value(&s).unwrap();
        assert_eq!(
            written["metadata"]["ownerReferences"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
        assert_eq!(written["data"]["licensing.out"], "bWN0X3g=");
        assert_eq!(written["type"], "mooring.dev/client-token");
    }

    #[test]
    fn a_token_is_due_when_half_of_its_life_is_over() {
        let at =
            |s: u64| Timestamp::from_second(1_800_000_000 + i64::try_from(s).unwrap()).unwrap();
        let ends = at(LIFE.as_secs());
        assert_eq!(due_in(ends, at(0)), LIFE / 2);
        assert_eq!(
            due_in(ends, at(LIFE.as_secs() / 2 - 1)),
            Duration::from_secs(1)
        );
        for late in [LIFE.as_secs() / 2, LIFE.as_secs(), 2 * LIFE.as_secs()] {
            assert_eq!(due_in(ends, at(late)), Duration::ZERO);
        }
    }
}
