//! One server's mirrors as they are in the API, as far as we know: what the watch showed and what
//! we wrote, the newer of both.

use mooring_api::{HolderKind, LicenseLease};
use mooring_core::identity::HolderKey;
use mooring_core::time::BootTime;
use std::collections::HashMap;

/// Whose mirror this is.
pub fn key_in(lease: &LicenseLease) -> Option<HolderKey> {
    let holder = &lease.spec.holder;
    match holder.kind {
        HolderKind::Pod | HolderKind::Owner => holder.uid.clone().map(HolderKey),
        HolderKind::External => Some(HolderKey(format!("external:{}", holder.name))),
    }
}

#[derive(Clone, Debug)]
pub struct Stored {
    pub lease: LicenseLease,
    /// When we last wrote it in this process.
    pub written: Option<BootTime>,
}

/// One server's mirrors, by holder.
#[derive(Debug, Default)]
pub struct Mirrors(HashMap<HolderKey, Stored>);

/// Resource versions grow with each write of an object (KEP-5504 makes comparing them a promise;
/// etcd always kept it).
fn version(lease: &LicenseLease) -> u64 {
    let version = lease.metadata.resource_version.as_deref();
    version.and_then(|v| v.parse().ok()).unwrap_or(u64::MAX)
}

impl Mirrors {
    /// The watch showed it. Whether that is news: somebody else wrote it.
    pub fn seen(&mut self, lease: LicenseLease) -> bool {
        let Some(key) = key_in(&lease) else {
            return false;
        };
        let written = match self.0.get(&key) {
            Some(s) if version(&lease) <= version(&s.lease) => return false,
            stored => stored.and_then(|s| s.written),
        };
        self.0.insert(key, Stored { lease, written });
        true
    }

    /// The watch showed that it was deleted. Whether that is news: not our own deletion, nor one
    /// before our last write.
    pub fn seen_deleted(&mut self, lease: &LicenseLease) -> bool {
        let Some(key) = key_in(lease) else {
            return false;
        };
        let ours = self.0.get(&key);
        let older = ours.is_some_and(|s| {
            s.lease.metadata.uid != lease.metadata.uid && version(lease) < version(&s.lease)
        });
        !older && self.0.remove(&key).is_some()
    }

    pub fn wrote(&mut self, lease: LicenseLease, at: BootTime) {
        if let Some(key) = key_in(&lease) {
            let stored = self.0.get(&key);
            if stored.is_none_or(|s| version(&s.lease) <= version(&lease)) {
                let written = Some(at);
                self.0.insert(key, Stored { lease, written });
            }
        }
    }

    pub fn removed(&mut self, key: &HolderKey) {
        self.0.remove(key);
    }

    pub fn get(&self, key: &HolderKey) -> Option<&Stored> {
        self.0.get(key)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All holders with a mirror.
    pub fn holders(&self) -> impl Iterator<Item = &HolderKey> {
        self.0.keys()
    }

    /// Keeps those for which `keep` holds; the others' holders.
    pub fn retain(&mut self, mut keep: impl FnMut(&LicenseLease) -> bool) -> Vec<HolderKey> {
        let lost = self.0.extract_if(|_, s| !keep(&s.lease));
        lost.map(|(key, _)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    fn lease(rv: u32, uid: &str, state: &str) -> LicenseLease {
        serde_json::from_value(json!({
            "apiVersion": "mooring.dev/v1alpha1", "kind": "LicenseLease",
            "metadata": { "name": "p-1", "namespace": "a", "uid": uid, "resourceVersion": rv.to_string() },
            "spec": { "server": { "namespace": "l", "name": "main" }, "holder": { "kind": "Pod", "name": "p", "uid": "pod" } },
            "status": { "products": "render", "state": state, "since": "2026-01-01T00:00:00Z" }
        }))
        .unwrap()
    }

    #[test]
    fn our_own_write_coming_back_is_no_news_and_an_edit_is() {
        let mut s = Mirrors::default();
        s.wrote(lease(10, "x", "Waiting"), BootTime::default());
        s.wrote(lease(12, "x", "Held"), BootTime::default());
        assert!(!s.seen(lease(10, "x", "Waiting")) && !s.seen(lease(12, "x", "Held")));
        assert!(s.seen(lease(15, "x", "Waiting")));
    }

    #[test]
    fn a_deletion_by_somebody_else_is_news_our_own_is_not() {
        let mut s = Mirrors::default();
        s.wrote(lease(10, "x", "Held"), BootTime::default());
        assert!(s.seen_deleted(&lease(11, "x", "Held")));
        s.wrote(lease(20, "y", "Held"), BootTime::default());
        assert!(
            !s.seen_deleted(&lease(11, "x", "Held")),
            "the object before ours"
        );
        s.removed(&HolderKey("pod".into()));
        assert!(!s.seen_deleted(&lease(21, "y", "Held")));
    }
}
