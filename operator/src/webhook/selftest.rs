//! `helm test`: asks the API server for a pod by dry run, with a request that Mooring must refuse.
//!
//! The refusal comes back through the webhook's configuration, its Service, its certificate and
//! caBundle: if one of them is wrong, another answer comes, and that answer says which.

use super::{CONFIGURATION, WEBHOOK};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};
use mooring_api::LicenseServer;
use mooring_core::annotation::LICENSES;
use serde_json::json;

/// A request that breaks the grammar: no seats.
const WRONG: &str = "selftest:0";
/// What the API server says of a webhook that does not answer.
const UNREACHED: &[&str] = &[
    "context deadline exceeded",
    "i/o timeout",
    "no route to host",
];

/// What is wrong with the installation.
#[derive(Debug, thiserror::Error)]
pub enum SelftestError {
    /// The CRDs are not served.
    #[error(
        "LicenseServers cannot be listed in namespace {namespace} ({reason}): are Mooring's CRDs installed (chart value crds.install)?"
    )]
    Crds { namespace: String, reason: String },
    /// The pod was let through as it was.
    #[error(
        "a pod with annotation {LICENSES}: {WRONG:?} was accepted: the webhook {WEBHOOK} was not called. Is MutatingWebhookConfiguration \
         {CONFIGURATION} there, and is this namespace exempt from webhooks?"
    )]
    Accepted,
    /// The API server waited for an answer in vain.
    #[error(
        "the API server does not reach the webhook: {reason}. If the operator's pods are Ready, something between API server and pods drops what is sent to their webhook port: \
         open it in the firewall, or see the chart's values webhook.port and webhook.hostNetwork"
    )]
    Unreached { reason: String },
    /// Something else refused it.
    #[error(
        "a pod with annotation {LICENSES}: {WRONG:?} was refused, but not by Mooring's rules: {reason}"
    )]
    Otherwise { reason: String },
}

/// Tries the installation from this namespace.
pub async fn selftest(client: &Client, namespace: &str) -> Result<(), SelftestError> {
    let servers: Api<LicenseServer> = Api::namespaced(client.clone(), namespace);
    let listed = servers.list(&ListParams::default().limit(1)).await;
    listed.map_err(|e| SelftestError::Crds {
        namespace: namespace.to_owned(),
        reason: e.to_string(),
    })?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    match pods.create(&params, &pod()).await {
        Ok(_) => Err(SelftestError::Accepted),
        Err(e) => judge(&e),
    }
}

fn pod() -> Pod {
    let mut pod = Pod::default();
    pod.metadata.generate_name = Some("mooring-selftest-".to_owned());
    pod.metadata.annotations = Some([(LICENSES.to_string(), WRONG.to_owned())].into());
    // The smallest spec there is; it never runs.
    pod.spec =
        serde_json::from_value(json!({ "containers": [{ "name": "app", "image": "none" }] })).ok();
    pod
}

fn judge(error: &kube::Error) -> Result<(), SelftestError> {
    let expected = format!("annotation {LICENSES}: character ");
    match error {
        kube::Error::Api(s) if [WEBHOOK, &expected].iter().all(|t| s.message.contains(t)) => Ok(()),
        kube::Error::Api(s) if UNREACHED.iter().any(|t| s.message.contains(t)) => {
            Err(SelftestError::Unreached {
                reason: s.message.clone(),
            })
        }
        other => Err(SelftestError::Otherwise {
            reason: other.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use kube::core::Status;

    fn refused(message: &str) -> Result<(), SelftestError> {
        judge(&kube::Error::Api(Box::new(
            Status::failure(message, "BadRequest").with_code(400),
        )))
    }

    #[test]
    fn only_the_webhooks_own_refusal_counts() {
        let real = format!(
            "admission webhook {WEBHOOK:?} denied the request: annotation {LICENSES}: character 10: '0', expected"
        );
        refused(&real).unwrap();
        let dropped = format!("failed calling webhook {WEBHOOK:?}: context deadline exceeded");
        let e = refused(&dropped).unwrap_err().to_string();
        assert!(
            e.contains("firewall") && e.contains("webhook.hostNetwork"),
            "{e}"
        );
        let down = format!("failed calling webhook {WEBHOOK:?}: connection refused");
        let e = refused(&down).unwrap_err().to_string();
        assert!(
            e.contains("not by Mooring's rules") && e.contains("connection refused"),
            "{e}"
        );
    }

    #[test]
    fn the_request_is_one_that_the_rules_refuse() {
        let e = crate::inject::requested(&pod()).unwrap_err().to_string();
        assert!(
            e.starts_with("annotation mooring.dev/licenses: character 10"),
            "{e}"
        );
        assert!(pod().spec.is_some());
    }
}
