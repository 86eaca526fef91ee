//! Holders by the names that a server outside of the cluster has for them, and by those that they
//! have here. Within the cluster both are the same.

use super::outside::Outside;
use super::server::Connection;
use crate::leases::holder_in;
use crate::pods::holder_of;
use mooring_core::identity::{Holder, HolderKey};
use mooring_core::wire::LeaseView;

impl Connection {
    /// A claim as this cluster knows its holder. What the pod is called there does not say: its
    /// object does, or its mirror.
    pub(super) fn at_home(&self, mut view: LeaseView) -> LeaseView {
        let outside = self.target.borrow().outside.clone();
        let (Some(outside), Holder::External { subject }) = (outside, &view.holder) else {
            return view;
        };
        let cache = &self.context.writer.cache;
        let seen = |key: &HolderKey| {
            let pod = cache.pod(key).map(|p| holder_of(&p));
            let mirror = || Some(holder_in(&cache.mirror(&self.server, key)?.lease));
            pod.or_else(mirror)
        };
        if let Some(holder) = here(&outside, subject, seen) {
            view.holder = holder;
        }
        view
    }

    /// The same of a holder's key.
    pub(super) fn known_here(&self, key: HolderKey) -> HolderKey {
        let outside = self.target.borrow().outside.clone();
        let pod = outside.and_then(|o| {
            let (_, uid) = o.pod(key.subject()?)?;
            Some(HolderKey(uid.to_owned()))
        });
        pod.unwrap_or(key)
    }

    /// A holder as the server calls it; none if it is not known of which namespace it is.
    pub(super) fn abroad(&self, key: HolderKey) -> Option<HolderKey> {
        let outside = self.target.borrow().outside.clone();
        let Some(outside) = outside.filter(|_| !key.is_external()) else {
            return Some(key);
        };
        let cache = &self.context.writer.cache;
        let namespace = || {
            let of_pod = cache.pod(&key).and_then(|p| p.metadata.namespace);
            let mirror = || cache.mirror(&self.server, &key)?.lease.metadata.namespace;
            let of_claim = || {
                let claims = self.lease_cache().claims(&key);
                claims.first()?.view.holder.namespace().map(str::to_owned)
            };
            of_pod.or_else(mirror).or_else(of_claim)
        };
        let subject = outside.subject(&namespace()?, &key.0);
        Some(Holder::External { subject }.key())
    }
}

/// Who a subject of that server is here, if it is one of this cluster's pods; `seen`: who of that
/// UID is in sight.
fn here(
    outside: &Outside,
    subject: &str,
    seen: impl Fn(&HolderKey) -> Option<Holder>,
) -> Option<Holder> {
    let (namespace, uid) = outside.pod(subject)?;
    let known = seen(&HolderKey(uid.to_owned()));
    let known = known.filter(|h| h.namespace() == Some(namespace));
    Some(known.unwrap_or_else(|| Holder::Pod {
        namespace: namespace.to_owned(),
        pod: uid.to_owned(),
        uid: uid.to_owned(),
        service_account: String::new(),
        node: None,
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::outside::tests::outside;
    use super::*;
    use crate::leases::{Known, about};
    use mooring_core::time::Timestamp;
    use serde_json::json;

    fn pod(namespace: &str, name: &str, uid: &str) -> Holder {
        let pod = json!({"metadata": {"namespace": namespace, "name": name, "uid": uid}, "spec": {"containers": [], "serviceAccountName": "team"}});
        holder_of(&serde_json::from_value(pod).unwrap())
    }

    #[test]
    fn a_pods_claim_outside_is_told_of_under_the_name_that_the_pod_has_here() {
        let (o, one) = (outside("pod:a/"), pod("apps", "one", "u-1"));
        let seen = |key: &HolderKey| (key.0 == "u-1").then(|| one.clone());
        let claim = |subject: &str| {
            let mut view: LeaseView = serde_json::from_value(json!({
                "lease": "0".repeat(32), "claim": "pod", "state": "Held", "sinceMs": 2000,
                "holder": {"kind": "external", "subject": subject},
                "items": [{"product": "render", "seats": 1}],
            }))
            .unwrap();
            view.holder = here(&o, subject, seen).unwrap_or(view.holder);
            Known::new(view, Timestamp::UNIX_EPOCH)
        };
        // A mirror is written of the claims that are about the pod.
        let told = about(vec![claim("pod:a/apps/u-1")], &one);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].view.holder, one);
        for other in ["pod:a/apps/u-2", "pod:a/films/u-1", "pod:b/apps/u-1", "one"] {
            assert_eq!(about(vec![claim(other)], &one).len(), 0, "{other}");
        }
    }

    #[test]
    fn who_is_in_sight_in_another_namespace_than_its_subject_says_is_somebody_else() {
        let o = outside("pod:a/");
        let seen = |_: &HolderKey| Some(pod("apps", "one", "u-1"));
        assert_eq!(
            here(&o, "pod:a/apps/u-1", seen),
            seen(&HolderKey("u-1".into()))
        );
        let forged = here(&o, "pod:a/films/u-1", seen).unwrap();
        assert_eq!(forged.namespace(), Some("films"));
        assert_eq!(here(&o, "pod:b/apps/u-1", seen), None);
    }
}
