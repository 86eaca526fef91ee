//! What the Secret with a pod's client token is called, for a license server outside of the
//! cluster.
//!
//! At its admission a pod may have no name yet and has no UID, and its spec cannot be changed
//! later: so the name is made of the review that it is admitted by. It also covers what the pod is
//! called, by which a copy of a pod that carries another one's name along is told from a second
//! pass.

use k8s_openapi::api::core::v1::Pod;
use mooring_api::names::{TOKEN_SECRET, TOKEN_VOLUME, short_hash};

/// How many digits say which review it was, and for whom.
const DIGITS: (usize, usize) = (16, 8);

/// The name: the one that an earlier pass gave this pod, or a new one.
pub(super) fn secret(pod: &Pod, review: &str) -> String {
    let called = called(pod);
    let before = given(pod).filter(|name| {
        let parts = name.strip_prefix(TOKEN_SECRET);
        let (nonce, _) = parts.and_then(|p| p.split_once('-')).unwrap_or_default();
        *name == named(nonce, called)
    });
    before.map_or_else(
        || named(&short_hash(review, DIGITS.0), called),
        str::to_owned,
    )
}

fn named(nonce: &str, called: &str) -> String {
    let whose = short_hash(&format!("{nonce}\n{called}"), DIGITS.1);
    format!("{TOKEN_SECRET}{nonce}-{whose}")
}

/// What it is called, or what its name will begin with.
fn called(pod: &Pod) -> &str {
    let metadata = &pod.metadata;
    let name = metadata.name.as_deref().filter(|n| !n.is_empty());
    name.or(metadata.generate_name.as_deref())
        .unwrap_or_default()
}

/// The Secret that its token's volume names.
fn given(pod: &Pod) -> Option<&str> {
    let mut volumes = pod.spec.as_ref()?.volumes.iter().flatten();
    let token = volumes.find(|v| v.name == TOKEN_VOLUME)?.projected.as_ref();
    let mut sources = token?.sources.iter().flatten();
    let secret = sources.find_map(|s| s.secret.as_ref())?;
    Some(secret.name.as_str())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn pod(name: &str, generated: &str, secret: Option<&str>) -> Pod {
        let token = json!({ "name": TOKEN_VOLUME, "projected": { "sources": [{ "secret": { "name": secret } }] } });
        let volumes = secret.map(|_| vec![token]);
        let metadata = json!({ "name": name, "generateName": generated });
        let spec = json!({ "containers": [], "volumes": volumes });
        serde_json::from_value(json!({ "metadata": metadata, "spec": spec })).unwrap()
    }

    #[test]
    fn each_pod_has_a_secret_of_its_own_and_a_second_pass_gives_the_same() {
        let first = secret(&pod("", "render-", None), "review-1");
        assert!(
            first.starts_with(TOKEN_SECRET) && first.len() == 39,
            "{first}"
        );
        assert_ne!(secret(&pod("", "render-", None), "review-2"), first);
        assert_eq!(
            secret(&pod("", "render-", Some(&first)), "review-2"),
            first,
            "a second pass"
        );
        // A copy, of another name or of the name that the original has by now.
        for copy in [
            pod("copy", "", Some(&first)),
            pod("render-x7k2p", "render-", Some(&first)),
        ] {
            assert_ne!(secret(&copy, "review-3"), first);
        }
        for forged in [
            "db-password",
            "mooring-token-",
            "mooring-token-x-y",
            "mooring-token-0123456789abcdef-01234567",
        ] {
            assert_ne!(secret(&pod("p", "", Some(forged)), "review-4"), forged);
        }
    }
}
