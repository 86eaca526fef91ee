//! Each replica's watch on the CA's Secret.
//!
//! A successor is taken over while all goes on. A Secret that was deleted is put back: its loss
//! would make every running pod a stranger to its server. A Secret with another CA ends the
//! replica, which would sign what nobody trusts: it starts again with that one.

use super::error::CertError;
use super::stored::News;
use super::{Ca, SECRET};
use crate::kubernetes::{is_terminating, unless};
use crate::watch::watch;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use std::convert::Infallible;
use std::time::Duration;

/// How long to wait before putting it back is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// Follows the Secret until it holds a CA that is not ours.
pub async fn keep(client: &Client, namespace: &str, ca: &Ca) -> Result<Infallible, CertError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let config = watcher::Config::default().fields(&format!("metadata.name={SECRET}"));
    let mut events = watch(api.clone(), config).boxed();
    let mut listed = false;
    loop {
        match events.next().await {
            Some(Ok(Event::Init)) => listed = false,
            Some(Ok(Event::InitApply(secret) | Event::Apply(secret))) => {
                listed = true;
                take(ca, namespace, &secret)?;
            }
            Some(Ok(Event::InitDone)) if listed => {}
            Some(Ok(Event::InitDone | Event::Delete(_))) => restore(&api, namespace, ca).await,
            Some(Err(e)) => tracing::warn!(secret = SECRET, error = %e, "watching the CA's Secret"),
            // A watcher goes on for ever.
            None => std::future::pending().await,
        }
    }
}

fn take(ca: &Ca, namespace: &str, secret: &Secret) -> Result<(), CertError> {
    let ours = ca.get();
    match ours.news(secret) {
        News::Ours(stored) => {
            let (was, is) = (ours.authority.name(), stored.authority.name());
            if was != is {
                tracing::info!(was, is, "a new CA has taken over");
            }
            ca.take(*stored);
        }
        News::Foreign(stored) => {
            return Err(CertError::Replaced {
                namespace: namespace.to_owned(),
                ours: ours.authority.name().to_owned(),
                theirs: stored.authority.name().to_owned(),
            });
        }
        News::Unreadable(e) => {
            tracing::error!(secret = SECRET, error = %e, "the CA's Secret cannot be read any more; this replica goes on with what it had read before");
        }
    }
    Ok(())
}

/// Makes the Secret anew from memory. Of several replicas the first one does; all have the same.
async fn restore(api: &Api<Secret>, namespace: &str, ca: &Ca) {
    loop {
        let made = api
            .create(&PostParams::default(), &ca.get().restored())
            .await;
        match unless(made, &[409]) {
            Ok(Some(_)) => {
                let todo = "to replace a CA: kubectl mooring ca rotate";
                tracing::warn!(
                    namespace,
                    secret = SECRET,
                    todo,
                    "the CA's Secret was deleted, and is put back from memory"
                );
                return;
            }
            Ok(None) => return,
            Err(e) if is_terminating(&e) => {
                tracing::warn!(
                    namespace,
                    secret = SECRET,
                    "the CA's Secret goes with its namespace: without a backup of it the next installation has another CA"
                );
                return;
            }
            Err(e) => {
                tracing::warn!(namespace, secret = SECRET, error = %e, "the CA's Secret was deleted; putting it back is tried again");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}
