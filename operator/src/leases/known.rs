//! A claim as its license server knows it.

use mooring_core::identity::Holder;
use mooring_core::names::ClaimName;
use mooring_core::request::Item;
use mooring_core::time::Timestamp;
use mooring_core::wire::{LeaseView, ViewState};
use std::time::Duration;

/// One claim, and when it came into its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// As the server told it.
    pub view: LeaseView,
    /// Since when it is in its state.
    pub since: Timestamp,
    /// When silent: when its seats are freed. In line while its application runs on: until when
    /// that may.
    pub until: Option<Timestamp>,
}

impl Known {
    /// Relative times become points in time on receipt.
    pub fn new(view: LeaseView, now: Timestamp) -> Self {
        let since = now.checked_sub(view.since).unwrap_or(now);
        let until = view
            .free_in_ms
            .or(view.runs_for_ms)
            .and_then(|ms| now.checked_add(Duration::from_millis(ms)).ok());
        Self { view, since, until }
    }

    /// Whether it was claimed for pods to come, or for one that is not scheduled yet.
    pub fn is_owners(&self) -> bool {
        self.view.claim == ClaimName::owner()
    }

    /// Whether it has seats of a product that another, which waits, asks for.
    pub fn keeps(&self, waits: &Self) -> bool {
        let has = |item: &Item| self.view.items.iter().any(|i| i.product == item.product);
        self.view.state == ViewState::Held
            && waits.view.state == ViewState::Waiting
            && waits.view.items.iter().any(has)
    }
}

/// Those of a server's claims that are about a holder as we know it, under the name by which we
/// know it: what is said of another name is a word about nobody, and an account and a node are not
/// the server's to say.
/// A pod that waits before it is scheduled is told of by what is claimed for it as an owner, until
/// it has a claim of its own.
pub fn about(mut claims: Vec<Known>, who: &Holder) -> Vec<Known> {
    let own = |c: &Known| matches!(c.view.holder, Holder::Pod { .. });
    if claims.iter().any(own) {
        claims.retain(|c| !for_a_pod(c, who));
    }
    let is_same = |c: &Known| match (&c.view.holder, who) {
        (
            Holder::Pod { namespace, pod, .. },
            Holder::Pod {
                namespace: n,
                pod: p,
                ..
            },
        ) => (namespace, pod) == (n, p),
        (said, known) => said == known || for_a_pod(c, who),
    };
    let mut claims: Vec<Known> = claims.into_iter().filter(is_same).collect();
    for claim in &mut claims {
        claim.view.holder = who.clone();
    }
    claims
}

/// Whether it is an owner's claim that was made for this pod.
fn for_a_pod(c: &Known, who: &Holder) -> bool {
    let (
        Holder::Owner {
            namespace, owner, ..
        },
        Holder::Pod {
            namespace: n, pod, ..
        },
    ) = (&c.view.holder, who)
    else {
        return false;
    };
    c.is_owners() && namespace == n && owner.strip_prefix("Pod/") == Some(pod)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    fn said(holder: &Holder) -> Known {
        let items = json!([{ "product": "render", "seats": 1 }]);
        let view = json!({ "lease": "0".repeat(32), "claim": "pod", "holder": holder, "items": items, "state": "Held", "sinceMs": 0 });
        Known::new(serde_json::from_value(view).unwrap(), Timestamp::UNIX_EPOCH)
    }

    fn called(namespace: &str, pod: &str, account: &str) -> Holder {
        Holder::Pod {
            namespace: namespace.into(),
            pod: pod.into(),
            uid: "u".into(),
            service_account: account.into(),
            node: Some(account.into()),
        }
    }

    #[test]
    fn a_servers_word_about_a_pod_of_another_name_is_about_nobody() {
        let who = called("apps", "p", "default");
        let about = |namespace: &str, pod: &str| {
            about(vec![said(&called(namespace, pod, "default"))], &who).len()
        };
        assert_eq!(about("apps", "p"), 1);
        assert_eq!(about("kube-system", "p"), 0);
        assert_eq!(about("apps", "kube-apiserver"), 0);
        let external = Holder::External {
            subject: "u".into(),
        };
        assert_eq!(super::about(vec![said(&external)], &who).len(), 0);
        assert_eq!(super::about(vec![said(&external)], &external).len(), 1);
    }

    #[test]
    fn account_and_node_of_a_pod_are_its_own_word() {
        let who = called("apps", "p", "default");
        let about = about(vec![said(&called("apps", "p", "cluster-admin"))], &who);
        assert_eq!(about[0].view.holder, who);
    }
}
