//! Keeps `caBundle` of the MutatingWebhookConfiguration: nothing else of it is ours, so GitOps
//! tools see no drift.
//!
//! A watch on that one object; whoever overwrites the field (a `helm upgrade --force`) is corrected
//! at once. Who overwrites it again and again, a replica with another CA for one, is corrected
//! after pauses that grow: two that fight must not fill the API server. Roots besides ours are
//! taken out late, since another replica may know of a new CA before this one does.

use crate::certs::{Ca, stored::certificates};
use crate::kubernetes::apply_params;
use crate::pauses::Pauses;
use crate::watch::watch;
use futures::StreamExt as _;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhook, MutatingWebhookConfiguration};
use kube::api::Patch;
use kube::runtime::watcher;
use kube::{Api, Client};
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How long to wait before a patch that failed is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// How long roots that are not ours may stand beside ours.
const SURPLUS: Duration = Duration::from_secs(60);

/// What is to be kept.
pub(super) struct Bundle<'a> {
    pub(super) configuration: &'a str,
    /// The webhooks in it that are ours. The first must be there; an older chart lacks others.
    pub(super) webhooks: &'a [&'a str],
    pub(super) ca: &'a Ca,
}

/// How the configuration stands; of several webhooks the last of these counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// It carries our roots.
    Current,
    /// It carries ours, and others.
    Surplus,
    /// It lacks one of ours.
    Stale,
    /// It has no webhook of the first's name.
    Foreign,
}

impl Bundle<'_> {
    /// Keeps the field until dropped; says when it is right, and when it was found wrong.
    pub(super) async fn keep(&self, client: &Client, on_current: impl Fn(), on_stale: impl Fn()) {
        let api: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
        let config =
            watcher::Config::default().fields(&format!("metadata.name={}", self.configuration));
        let mut events = watch(api.clone(), config).boxed();
        let mut changes = self.ca.follow();
        let mut pauses = pauses();
        let mut seen: Option<MutatingWebhookConfiguration> = None;
        let mut due: Option<Instant> = None;
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(event) => self.take(event, &mut seen),
                    None => return,
                },
                _ = changes.changed() => {}
                () = at(due) => {
                    due = None;
                    if let Some(object) = &seen {
                        self.patch(&api, object).await;
                    }
                    // Its echo on the watch says that it is right.
                    continue;
                }
            }
            let Some(object) = &seen else {
                on_stale();
                due = None;
                continue;
            };
            let state = self.state(object);
            match state {
                State::Current | State::Surplus => on_current(),
                State::Stale | State::Foreign => on_stale(),
            }
            let now = Instant::now();
            due = match state {
                State::Current | State::Foreign => None,
                State::Stale => due.or_else(|| {
                    let pause = pauses.next(now, mooring_net::random::fraction());
                    if !pause.is_zero() {
                        tracing::warn!(
                            configuration = self.configuration,
                            ?pause,
                            "somebody else keeps writing caBundle; it is corrected after a pause"
                        );
                    }
                    Some(now + pause)
                }),
                State::Surplus => due
                    .or_else(|| Some(now + SURPLUS.mul_f64(1.0 + mooring_net::random::fraction()))),
            };
        }
    }

    /// Takes in what the watch says.
    fn take(
        &self,
        event: Result<watcher::Event<MutatingWebhookConfiguration>, watcher::Error>,
        seen: &mut Option<MutatingWebhookConfiguration>,
    ) {
        let (configuration, webhook) = (self.configuration, self.webhooks.first());
        match event {
            Ok(watcher::Event::Apply(o) | watcher::Event::InitApply(o)) => {
                if self.state(&o) == State::Foreign {
                    tracing::error!(
                        configuration,
                        webhook,
                        "the MutatingWebhookConfiguration has no such webhook"
                    );
                }
                *seen = Some(o);
            }
            Ok(watcher::Event::InitDone) if seen.is_none() => {
                tracing::warn!(
                    configuration,
                    "there is no such MutatingWebhookConfiguration yet; the chart installs it"
                );
            }
            Ok(watcher::Event::Delete(_)) => {
                *seen = None;
                tracing::warn!(
                    configuration,
                    "the MutatingWebhookConfiguration was deleted: pods that opt in are not injected"
                );
            }
            Ok(_) => {}
            Err(e) => {
                tracing::warn!(error = %e, configuration, "watching the MutatingWebhookConfiguration");
            }
        }
    }

    /// Our webhooks that an object has.
    fn there<'o>(
        &self,
        object: &'o MutatingWebhookConfiguration,
    ) -> impl Iterator<Item = &'o MutatingWebhook> {
        let all = object.webhooks.iter().flatten();
        all.filter(|w| self.webhooks.contains(&w.name.as_str()))
    }

    /// Writes the field into each of them.
    async fn patch(
        &self,
        api: &Api<MutatingWebhookConfiguration>,
        object: &MutatingWebhookConfiguration,
    ) {
        let roots = ByteString(self.ca.roots_pem().into_bytes());
        let with =
            |w: &MutatingWebhook| json!({ "name": w.name, "clientConfig": { "caBundle": roots } });
        let body = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "webhooks": self.there(object).map(with).collect::<Vec<_>>(),
        });
        let (params, body) = (apply_params(), Patch::Apply(&body));
        loop {
            match api.patch(self.configuration, &params, &body).await {
                Ok(_) => {
                    tracing::info!(configuration = self.configuration, "caBundle written");
                    return;
                }
                // Deleted meanwhile: the watch tells when it is back. (Applied to nothing, the API
                // server would find it incomplete.)
                Err(kube::Error::Api(s)) if s.code == 404 || s.code == 422 => {
                    tracing::warn!(error = %s, configuration = self.configuration, "caBundle not written");
                    return;
                }
                Err(e) => {
                    tracing::warn!(error = %e, configuration = self.configuration, "caBundle not written; trying again");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    fn state(&self, object: &MutatingWebhookConfiguration) -> State {
        let first = |w: &MutatingWebhook| self.webhooks.first() == Some(&w.name.as_str());
        if !self.there(object).any(first) {
            return State::Foreign;
        }
        let ours = certificates(&self.ca.roots_pem());
        let state = |w: &MutatingWebhook| {
            let there = w.client_config.ca_bundle.as_ref();
            let there = there.map(|b| certificates(&String::from_utf8_lossy(&b.0)));
            let there = there.unwrap_or_default();
            if there == ours {
                State::Current
            } else if there.is_superset(&ours) {
                State::Surplus
            } else {
                State::Stale
            }
        };
        self.there(object)
            .map(state)
            .max()
            .unwrap_or(State::Foreign)
    }
}

/// Before the field is written: who writes it again and again is corrected later and later.
fn pauses() -> Pauses {
    Pauses::new(Duration::from_secs(1), Duration::from_secs(300))
}

async fn at(when: Option<Instant>) {
    match when {
        Some(t) => sleep_until(t).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::Value;
    use std::time::SystemTime;

    #[test]
    fn only_its_own_webhook_is_looked_at_and_roots_are_compared_as_certificates() {
        let ca = Ca::ephemeral(SystemTime::now()).unwrap();
        let (ours, other) = (
            ca.roots_pem(),
            Ca::ephemeral(SystemTime::now()).unwrap().roots_pem(),
        );
        let bundle = Bundle {
            configuration: "c",
            webhooks: &["w", "too"],
            ca: &ca,
        };
        let object = |name: &str, ca: Option<&str>| {
            let ca = ca.map(|c| ByteString(c.as_bytes().to_vec()));
            let webhooks = json!([
                {"name": "other", "clientConfig": {}, "sideEffects": "None", "admissionReviewVersions": ["v1"]},
                {"name": name, "clientConfig": {"caBundle": ca}, "sideEffects": "None", "admissionReviewVersions": ["v1"]},
            ]);
            json!({"metadata": {}, "webhooks": webhooks})
        };
        let of = |object| bundle.state(&serde_json::from_value(object).unwrap());
        let with = |name: &str, ca: Option<&str>| of(object(name, ca));
        assert_eq!(with("w", Some(&ours)), State::Current);
        assert_eq!(
            with("w", Some(&ours.replace('\n', "\r\n"))),
            State::Current,
            "another version may print it otherwise"
        );
        assert_eq!(with("w", Some(&other)), State::Stale);
        assert_eq!(with("w", None), State::Stale);
        assert_eq!(with("w", Some(&(other + &ours))), State::Surplus);
        assert_eq!(with("x", Some(&ours)), State::Foreign);
        // One of ours that is behind is enough.
        let mut two = object("w", Some(&ours));
        let mut too = two["webhooks"][1].clone();
        too["name"] = json!("too");
        two["webhooks"].as_array_mut().unwrap().push(too);
        assert_eq!(of(two.clone()), State::Current);
        two["webhooks"][2]["clientConfig"]["caBundle"] = Value::Null;
        assert_eq!(of(two), State::Stale);
    }

    /// Two replicas, each of which finds the other's roots the moment they are written.
    #[test]
    fn two_replicas_that_fight_write_less_and_less() {
        let start = Instant::now();
        let mut replicas = [pauses(), pauses()];
        let (mut now, mut writes) = (start, 0);
        while now < start + Duration::from_secs(3600) {
            let replica = &mut replicas[writes % 2];
            now += replica.next(now, 0.5);
            writes += 1;
        }
        assert!(writes < 40, "{writes} writes in an hour");
        // The first correction does not wait, nor one after a long peace.
        assert_eq!(pauses().next(now, 1.0), Duration::ZERO);
        let [mut a, _] = replicas;
        let later = now + Duration::from_secs(3600);
        assert_eq!(a.next(later, 1.0), Duration::ZERO);
    }
}
