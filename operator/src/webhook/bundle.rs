//! Keeps `caBundle` of the MutatingWebhookConfiguration: nothing else of it is ours, so GitOps
//! tools see no drift.
//!
//! A watch on that one object; whoever overwrites the field (a `helm upgrade --force`) is corrected
//! at once.

use crate::kubernetes::apply_params;
use futures::StreamExt as _;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::api::Patch;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use serde_json::json;
use std::time::Duration;

/// How long to wait before a patch that failed is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// What is to be kept.
pub(super) struct Bundle<'a> {
    pub(super) configuration: &'a str,
    pub(super) webhook: &'a str,
    pub(super) roots: &'a str,
}

/// How the configuration stands.
#[derive(Debug, PartialEq, Eq)]
enum State {
    /// It carries our roots.
    Current,
    /// It carries others, or none.
    Stale,
    /// It has no such webhook.
    Foreign,
}

impl Bundle<'_> {
    /// Keeps the field until dropped; says when it is right, and when it was found wrong.
    pub(super) async fn keep(&self, client: &Client, on_current: impl Fn(), on_stale: impl Fn()) {
        let api: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
        let config =
            watcher::Config::default().fields(&format!("metadata.name={}", self.configuration));
        let mut events = watcher(api.clone(), config).default_backoff().boxed();
        let mut seen = false;
        while let Some(event) = events.next().await {
            let object = match event {
                Ok(watcher::Event::Apply(o) | watcher::Event::InitApply(o)) => o,
                Ok(watcher::Event::InitDone) if !seen => {
                    tracing::warn!(
                        configuration = self.configuration,
                        "there is no such MutatingWebhookConfiguration yet; the chart installs it"
                    );
                    continue;
                }
                Ok(watcher::Event::Delete(_)) => {
                    on_stale();
                    tracing::warn!(
                        configuration = self.configuration,
                        "the MutatingWebhookConfiguration was deleted: pods that opt in are not injected"
                    );
                    continue;
                }
                Ok(_) => continue,
                Err(e) => {
                    tracing::warn!(error = %e, configuration = self.configuration, "watching the MutatingWebhookConfiguration");
                    continue;
                }
            };
            seen = true;
            match self.state(&object) {
                State::Current => on_current(),
                State::Foreign => {
                    on_stale();
                    tracing::error!(
                        configuration = self.configuration,
                        webhook = self.webhook,
                        "the MutatingWebhookConfiguration has no such webhook"
                    );
                }
                State::Stale => {
                    on_stale();
                    self.patch(&api).await;
                }
            }
        }
    }

    /// Writes the field; its echo on the watch says that it is right.
    async fn patch(&self, api: &Api<MutatingWebhookConfiguration>) {
        let body = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "webhooks": [{ "name": self.webhook, "clientConfig": { "caBundle": ByteString(self.roots.as_bytes().to_vec()) } }],
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
        let mut webhooks = object.webhooks.iter().flatten();
        let ours = webhooks.find(|w| w.name == self.webhook);
        match ours.map(|w| w.client_config.ca_bundle.as_ref()) {
            None => State::Foreign,
            Some(Some(b)) if b.0 == self.roots.as_bytes() => State::Current,
            Some(_) => State::Stale,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn only_its_own_webhook_is_looked_at() {
        let bundle = Bundle {
            configuration: "c",
            webhook: "w",
            roots: "PEM",
        };
        let with = |name: &str, ca: Option<&str>| {
            let ca = ca.map(|c| ByteString(c.as_bytes().to_vec()));
            let webhooks = json!([
                {"name": "other", "clientConfig": {}, "sideEffects": "None", "admissionReviewVersions": ["v1"]},
                {"name": name, "clientConfig": {"caBundle": ca}, "sideEffects": "None", "admissionReviewVersions": ["v1"]},
            ]);
            bundle.state(
                &serde_json::from_value(json!({"metadata": {}, "webhooks": webhooks})).unwrap(),
            )
        };
        assert_eq!(with("w", Some("PEM")), State::Current);
        assert_eq!(with("w", Some("OLD")), State::Stale);
        assert_eq!(with("w", None), State::Stale);
        assert_eq!(with("x", Some("PEM")), State::Foreign);
    }
}
