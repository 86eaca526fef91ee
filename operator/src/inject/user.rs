//! Which user our containers run as.
//!
//! The kubelet gives a token or a certificate that it projects into a volume to the one user of all
//! the pod's containers, init containers too, or else to root. So where the pod projects some of
//! its own, and its containers have one user, ours take that one: with another they would take the
//! application's token away. (The volume with the pod's token for the API server is readable by
//! all.)

use super::ours::others;
use super::patch::Document;
use super::sidecar::OWN_VOLUMES;
use k8s_openapi::api::core::v1::PodSpec;
use serde_json::Value;

/// Sources of projected volumes whose files have an owner.
const OWNED: [&str; 3] = [
    "serviceAccountToken",
    "clusterTrustBundle",
    "podCertificate",
];
/// What the API server calls the volume with its own token.
const OF_THE_API_SERVER: &str = "kube-api-access-";

/// The user of our containers, which is `own` if the pod asks for no other; `None`: the platform's
/// choice.
pub(super) fn of_ours(doc: &Document, spec: &PodSpec, own: Option<i64>) -> Option<i64> {
    let own = own?;
    Some(common(spec).filter(|_| projects(doc)).unwrap_or(own))
}

fn projects(doc: &Document) -> bool {
    doc.array(&["spec", "volumes"]).iter().any(|v| {
        let name = v.get("name").and_then(Value::as_str).unwrap_or_default();
        let sources = v.pointer("/projected/sources").and_then(Value::as_array);
        let mut sources = sources.into_iter().flatten();
        !OWN_VOLUMES.contains(&name)
            && !name.starts_with(OF_THE_API_SERVER)
            && sources.any(|s| OWNED.iter().any(|kind| s.get(kind).is_some()))
    })
}

/// The one user of all its containers, if that is not root.
fn common(spec: &PodSpec) -> Option<i64> {
    let of_pod = spec.security_context.as_ref().and_then(|s| s.run_as_user);
    let mut users = others(spec).map(|c| {
        let of_container = c.security_context.as_ref().and_then(|s| s.run_as_user);
        of_container.or(of_pod)
    });
    let first = users.next()??;
    (first > 0 && users.all(|u| u == Some(first))).then_some(first)
}
