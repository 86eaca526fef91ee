//! What agents must trust, in ConfigMap `mooring-roots`: the roots are public, and the Secret with
//! the CA's key is no agent's to read.

use crate::certs::Ca;
use crate::kubernetes::apply;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ObjectMeta;
use kube::{Api, Client};
use mooring_api::names::{APP_NAME, FIELD_MANAGER, MANAGED_BY};
use std::collections::BTreeMap;
use std::time::Duration;

/// The ConfigMap, in the operator's namespace.
pub const CONFIG_MAP: &str = "mooring-roots";
/// The key in it: PEM.
pub const KEY: &str = "ca.crt";
/// After a failure.
const RETRY: Duration = Duration::from_secs(5);
/// It is written again so often, whatever became of it.
const AGAIN: Duration = Duration::from_secs(600);

/// Keeps it as it should be, until dropped. Every replica does: all write the same.
pub async fn keep(client: &Client, namespace: &str, ca: &Ca) {
    let labels = [(MANAGED_BY, FIELD_MANAGER), (APP_NAME, "mooring")];
    let labels = labels.map(|(k, v)| (k.to_owned(), v.to_owned()));
    let labels = BTreeMap::from(labels);
    let map = || ConfigMap {
        metadata: ObjectMeta {
            name: Some(CONFIG_MAP.to_owned()),
            labels: Some(labels.clone()),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(KEY.to_owned(), ca.roots_pem())])),
        ..ConfigMap::default()
    };
    let mut changes = ca.follow();
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    loop {
        let pause = match apply(&api, &map()).await {
            Ok(_) => AGAIN,
            Err(e) => {
                tracing::warn!(config_map = CONFIG_MAP, error = %e, "what the discovery agents must trust could not be written; tried again");
                RETRY
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = changes.changed() => {}
        }
    }
}
