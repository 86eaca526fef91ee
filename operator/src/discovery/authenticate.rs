//! Whose report it is: the node that the agent's token is bound to, in the API server's words and
//! never in the agent's. Pure.

use super::{ACCOUNT, AUDIENCE};
use k8s_openapi::api::authentication::v1::TokenReviewStatus;

/// An agent, by what its token is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundAgent {
    pub pod: String,
    pub uid: String,
    /// The pod's node, where the API server says it (KEP-4193).
    pub node: Option<String>,
}

/// Whom the API server says it is.
pub fn authenticate(status: &TokenReviewStatus, namespace: &str) -> Result<BoundAgent, String> {
    if status.authenticated != Some(true) {
        let why = status.error.clone().filter(|e| !e.is_empty());
        return Err(why.unwrap_or_else(|| "not authenticated; it may have expired".into()));
    }
    // An API server that does not know audiences leaves the field empty: then the token was for the
    // API server itself.
    let audiences = status.audiences.clone().unwrap_or_default();
    if !audiences.iter().any(|a| a == AUDIENCE) {
        return Err(format!(
            "it is for audience {audiences:?}, expected {AUDIENCE:?}"
        ));
    }
    let user = status.user.clone().unwrap_or_default();
    let name = user.username.unwrap_or_default();
    let expected = format!("system:serviceaccount:{namespace}:{ACCOUNT}");
    if name != expected {
        let name: String = name.chars().take(200).collect();
        return Err(format!("it is of {name:?}, expected {expected:?}"));
    }
    let extra = user.extra.unwrap_or_default();
    let first = |key: &str| {
        let values = extra.get(&format!("authentication.kubernetes.io/{key}"))?;
        values.first().filter(|v| !v.is_empty()).cloned()
    };
    match (first("pod-name"), first("pod-uid")) {
        (Some(pod), Some(uid)) => Ok(BoundAgent {
            pod,
            uid,
            node: first("node-name"),
        }),
        _ => Err("it is not bound to a pod; use the projected token of the DaemonSet".into()),
    }
}

#[cfg(test)]
mod tests;
