//! Holders by the names that a server outside of the cluster has for them, and by those that they
//! have here. Within the cluster both are the same.

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
        let Some((namespace, uid)) = outside.pod(subject) else {
            return view;
        };
        let (cache, key) = (&self.context.writer.cache, HolderKey(uid.to_owned()));
        let pod = cache.pod(&key).map(|p| holder_of(&p));
        let mirror = || cache.mirror(&self.server, &key);
        let known = pod.or_else(|| mirror().map(|s| holder_in(&s.lease)));
        let known = known.filter(|h| h.namespace() == Some(namespace));
        view.holder = known.unwrap_or_else(|| Holder::Pod {
            namespace: namespace.to_owned(),
            pod: uid.to_owned(),
            uid: uid.to_owned(),
            service_account: String::new(),
            node: None,
        });
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
