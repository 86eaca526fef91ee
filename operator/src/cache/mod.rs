//! What the API server shows, kept in memory: pods with a sidecar, nodes, mirrors. No I/O here;
//! [`watches`] fills it.
//!
//! Whoever serves a license server listens here for holders about which something changed.

mod elsewhere;
mod mirrors;
pub(crate) mod own;
mod packed;
pub mod watches;

pub use elsewhere::Elsewhere;
pub use mirrors::{Mirrors, Stored, key_in};
pub use own::{OwnPod, own_pod};

use crate::gone::{self, KEEP_PROOF, Proof};
use crate::pods::{PodFact, fact_of, is_pod, key_of, node_name, servers_of};
use elsewhere::{Other, elsewhere};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::ResourceExt;
use mooring_api::names::ServerRef;
use mooring_api::{LicenseLease, LicenseLeaseStatus};
use mooring_core::identity::HolderKey;
use mooring_core::time::BootTime;
use mooring_net::sync::lock;
use packed::{PackedPod, Roots};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::{mpsc, watch};

/// What one server's link hears: a holder about which something changed.
pub type Subscription = mpsc::UnboundedReceiver<HolderKey>;

#[derive(Debug, Default)]
pub struct ClusterCache {
    inner: Mutex<Inner>,
    ready: watch::Sender<Ready>,
}

/// Which first lists are complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    pub pods: bool,
    pub nodes: bool,
    pub mirrors: bool,
}

#[derive(Debug, Default)]
struct Inner {
    pods: HashMap<HolderKey, PackedPod>,
    roots: Roots,
    /// Pods whose object is gone, and which were proven gone by their last state.
    proven: HashMap<HolderKey, (Proof, BootTime)>,
    nodes: HashMap<String, Arc<Node>>,
    mirrors: HashMap<ServerRef, Mirrors>,
    subscriptions: HashMap<ServerRef, mpsc::UnboundedSender<HolderKey>>,
}

impl Inner {
    fn tell(&self, server: &ServerRef, key: &HolderKey) {
        if let Some(subscription) = self.subscriptions.get(server) {
            let _ = subscription.send(key.clone());
        }
    }

    fn tell_all(&self, servers: &[ServerRef], key: &HolderKey) {
        for server in servers {
            self.tell(server, key);
        }
    }

    /// Tells a pod's other servers that it stands otherwise at this one: what they show of it goes
    /// by that.
    fn tell_others(&self, server: &ServerRef, key: &HolderKey) {
        let pod = self.pods.get(key).filter(|pod| pod.is_of(server));
        let servers = pod.iter().flat_map(|pod| &pod.servers);
        for other in servers.filter(|s| *s != server) {
            self.tell(other, key);
        }
    }

    fn status(&self, server: &ServerRef, key: &HolderKey) -> Option<&LicenseLeaseStatus> {
        self.mirrors.get(server)?.get(key)?.lease.status.as_ref()
    }

    /// How a pod stands at its other servers.
    fn elsewhere(&self, server: &ServerRef, key: &HolderKey, pod: &PackedPod) -> Elsewhere {
        let Some(at) = pod.servers.iter().position(|s| s == server) else {
            return Elsewhere::Nowhere;
        };
        // What another vendor's server has of it is another part.
        let others = pod.servers.iter().enumerate();
        let others = others.filter(|(i, _)| *i != at && pod.are_one_part(*i, at));
        let others = others.filter_map(|(i, other)| {
            let status = self.status(other, key)?;
            let earlier = i < at;
            Some(Other { status, earlier })
        });
        elsewhere(self.status(server, key), others)
    }

    fn node_of(&self, pod: &PackedPod) -> Option<&Node> {
        self.nodes.get(pod.node.as_deref()?).map(AsRef::as_ref)
    }

    fn proof(&self, key: &HolderKey) -> Option<Proof> {
        match self.pods.get(key) {
            Some(pod) => {
                let by_node = || gone::of_all_on(self.node_of(pod)?);
                pod.finished.or_else(by_node)
            }
            None => self.proven.get(key).map(|(p, _)| *p),
        }
    }
}

impl ClusterCache {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// Waits until the first lists are complete.
    pub async fn complete(&self) {
        let mut rx = self.ready.subscribe();
        let _ = rx.wait_for(|r| r.pods && r.nodes && r.mirrors).await;
    }

    /// Notes that a first list is complete.
    pub fn listed(&self, what: impl FnOnce(&mut Ready)) {
        self.ready.send_modify(what);
    }

    /// Listens for a server's holders. An earlier subscription of the same server hears nothing
    /// more.
    pub fn listen(&self, server: &ServerRef) -> Subscription {
        let (tx, rx) = mpsc::unbounded_channel();
        self.lock().subscriptions.insert(server.clone(), tx);
        rx
    }

    /// Hears of this server's holders no more: it is gone.
    pub fn deaf(&self, server: &ServerRef) {
        self.lock().subscriptions.remove(server);
    }

    /// A pod as the API server shows it ([`crate::watched::WatchedPod`]: all of it is kept).
    pub fn pod_seen(&self, pod: Pod) {
        let Some(key) = key_of(&pod) else { return };
        let mut w = self.lock();
        let Some(pod) = PackedPod::new(pod, &mut w.roots) else {
            return;
        };
        w.tell_all(&pod.servers, &key);
        w.proven.remove(&key);
        w.pods.insert(key, pod);
    }

    /// A pod of which the API server says that it is not there any more. `deleted`: the watch
    /// showed its deletion, so that `last` is its last state; without that only its absence is
    /// known.
    pub fn pod_absent(&self, last: &Pod, deleted: bool, now: BootTime) {
        let Some(key) = key_of(last) else { return };
        let mut w = self.lock();
        let known = w.pods.remove(&key).map(|s| s.servers);
        let servers = known.unwrap_or_else(|| servers_of(last).into());
        let node = node_name(last).and_then(|n| w.nodes.get(n)).cloned();
        let proof = if deleted {
            gone::proof_after_deletion(last, node.as_deref())
        } else {
            gone::proof(last, node.as_deref())
        };
        w.proven.retain(|_, (_, at)| now.since(*at) < KEEP_PROOF);
        if let Some(p) = proof {
            tracing::info!(pod = %name_of(last), uid = %key, reason = %p, "a pod is proven gone");
            w.proven.insert(key.clone(), (p, now));
        }
        w.tell_all(&servers, &key);
    }

    /// After a new list: the pods that were in sight and are not on it.
    pub fn pods_missing(&self, listed: &HashSet<HolderKey>) -> Vec<Pod> {
        self.lock()
            .pods
            .iter()
            .filter(|(k, _)| !listed.contains(*k))
            .map(|(_, pod)| pod.unpacked())
            .collect()
    }

    /// A node as the API server shows it; whether something changed that placements or proofs look
    /// at.
    pub fn node_seen(&self, node: Node) -> bool {
        let Some(name) = node.metadata.name.clone() else {
            return false;
        };
        let mut w = self.lock();
        let word = |n: &Node| {
            let (meta, spec) = (n.metadata.clone(), n.spec.as_ref());
            let taints = spec.and_then(|s| s.taints.clone()).unwrap_or_default();
            let keys: BTreeSet<String> = taints.into_iter().map(|t| t.key).collect();
            let cordoned = spec.and_then(|s| s.unschedulable);
            (meta.labels, keys, gone::is_ready(n), cordoned, meta.uid)
        };
        let old = w.nodes.get(&name);
        let changed = old.is_none_or(|old| word(old) != word(&node));
        w.nodes.insert(name.clone(), Arc::new(node));
        if changed {
            for (key, seen) in &w.pods {
                if seen.node.as_deref() == Some(&name) {
                    w.tell_all(&seen.servers, key);
                }
            }
        }
        changed
    }

    /// A node is not there any more.
    pub fn node_deleted(&self, name: &str) {
        self.lock().nodes.remove(name);
    }

    /// After a new list of nodes: forgets the others.
    pub fn nodes_listed(&self, listed: &HashSet<String>) {
        self.lock().nodes.retain(|name, _| listed.contains(name));
    }

    pub fn nodes(&self) -> Vec<Arc<Node>> {
        self.lock().nodes.values().cloned().collect()
    }

    pub fn mirror_seen(&self, lease: LicenseLease) {
        let (server, key) = (lease.spec.server.clone(), key_in(&lease));
        let mut w = self.lock();
        let news = w.mirrors.entry(server.clone()).or_default().seen(lease);
        if let Some(key) = key.filter(|_| news) {
            w.tell(&server, &key);
            w.tell_others(&server, &key);
        }
    }

    pub fn mirror_deleted(&self, lease: &LicenseLease) {
        let server = &lease.spec.server;
        let mut w = self.lock();
        let mirrors = w.mirrors.get_mut(server);
        let news = mirrors.is_some_and(|s| s.seen_deleted(lease));
        w.mirrors.retain(|_, m| !m.is_empty());
        if let Some(key) = key_in(lease).filter(|_| news) {
            tracing::debug!(lease = %name_of(lease), server = %server, "a mirror is gone; written anew if its lease lives");
            w.tell(server, &key);
            w.tell_others(server, &key);
        }
    }

    /// After a new list of mirrors: forgets the others (by UID).
    pub fn mirrors_listed(&self, listed: &HashSet<String>) {
        let mut w = self.lock();
        let there = |l: &LicenseLease| l.metadata.uid.as_ref().is_some_and(|u| listed.contains(u));
        let mut lost = Vec::new();
        for (server, mirrors) in &mut w.mirrors {
            let keys = mirrors.retain(there).into_iter();
            lost.extend(keys.map(|k| (server.clone(), k)));
        }
        w.mirrors.retain(|_, m| !m.is_empty());
        for (server, key) in lost {
            w.tell(&server, &key);
            w.tell_others(&server, &key);
        }
    }

    /// Servers of which there are mirrors.
    pub fn mirrored_servers(&self) -> Vec<ServerRef> {
        let w = self.lock();
        let mirrored = w.mirrors.iter().filter(|(_, m)| !m.is_empty());
        mirrored.map(|(r, _)| r.clone()).collect()
    }

    pub fn mirror(&self, server: &ServerRef, key: &HolderKey) -> Option<Stored> {
        self.lock().mirrors.get(server)?.get(key).cloned()
    }

    pub fn mirrored(&self, server: &ServerRef) -> Vec<HolderKey> {
        let w = self.lock();
        let mirrors = w.mirrors.get(server).into_iter();
        mirrors.flat_map(|s| s.holders().cloned()).collect()
    }

    pub fn mirror_written(&self, server: &ServerRef, lease: LicenseLease, at: BootTime) {
        let mut w = self.lock();
        let key = key_in(&lease);
        let state = |w: &Inner| Some(w.status(server, key.as_ref()?)?.state);
        let before = state(&w);
        w.mirrors
            .entry(server.clone())
            .or_default()
            .wrote(lease, at);
        if let (Some(key), true) = (&key, state(&w) != before) {
            w.tell_others(server, key);
        }
    }

    pub fn mirror_removed(&self, server: &ServerRef, key: &HolderKey) {
        let mut w = self.lock();
        if let Some(mirrors) = w.mirrors.get_mut(server) {
            mirrors.removed(key);
            w.tell_others(server, key);
        }
    }

    /// The holders whose pods point at this server.
    pub fn pods_of(&self, server: &ServerRef) -> Vec<HolderKey> {
        self.holders(|pod| pod.is_of(server))
    }

    /// Those of them whose sidecar has, or may have, run.
    pub fn may_have_run(&self, server: &ServerRef) -> Vec<HolderKey> {
        self.holders(|pod| pod.may_have_run && pod.is_of(server))
    }

    /// Those of them whose pods are like this: each is unpacked for it.
    pub fn pods_like(&self, server: &ServerRef, like: impl Fn(&Pod) -> bool) -> Vec<HolderKey> {
        self.holders(|pod| pod.is_of(server) && like(&pod.unpacked()))
    }

    /// Those of them about which the rules of owners say something.
    pub fn owned(&self, server: &ServerRef) -> Vec<OwnPod> {
        let w = self.lock();
        let pods = w.pods.iter().filter(|(_, pod)| pod.is_of(server));
        let pods = pods.filter_map(|(key, pod)| {
            let mut own = OwnPod::clone(pod.own.as_deref()?);
            own.elsewhere = w.elsewhere(server, key, pod) == Elsewhere::Licensed;
            Some(own.with_proof(w.proof(key).is_some()))
        });
        pods.collect()
    }

    fn holders(&self, are: impl Fn(&PackedPod) -> bool) -> Vec<HolderKey> {
        let w = self.lock();
        let pods = w.pods.iter().filter(|(_, pod)| are(pod));
        pods.map(|(key, _)| key.clone()).collect()
    }

    /// The pod with this UID that is in sight, whichever servers it points at. What its sidecar
    /// trusts is not in it.
    pub fn pod(&self, key: &HolderKey) -> Option<Pod> {
        self.lock().pods.get(key).map(PackedPod::unpacked)
    }

    /// Whether the pod with this UID is in sight, and points at this server.
    pub fn is_of(&self, key: &HolderKey, server: &ServerRef) -> bool {
        let w = self.lock();
        w.pods.get(key).is_some_and(|pod| pod.is_of(server))
    }

    /// How the pod with this UID stands at its servers but this one.
    pub fn elsewhere(&self, server: &ServerRef, key: &HolderKey) -> Elsewhere {
        let w = self.lock();
        let pod = w.pods.get(key);
        pod.map_or_else(Elsewhere::default, |pod| w.elsewhere(server, key, pod))
    }

    /// How many holders of a server there are, at least: pods that point at it, and mirrors.
    pub fn count(&self, server: &ServerRef) -> usize {
        let w = self.lock();
        let pods = w.pods.values().filter(|s| s.is_of(server)).count();
        pods + w.mirrors.get(server).map_or(0, Mirrors::len)
    }

    /// What the sidecars of a server's pods trust, or of all pods, and whose: `namespace/name`.
    /// Pods that are proven gone do not count, nor does what only looks like a sidecar: a CA's
    /// rotation waits for these.
    pub fn roots(&self, server: Option<&ServerRef>) -> BTreeMap<String, Vec<String>> {
        let w = self.lock();
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, seen) in &w.pods {
            let others = server.is_some_and(|s| !seen.is_of(s));
            if others || w.proof(key).is_some() {
                continue;
            }
            if let Some(roots) = &seen.roots {
                let of = all.entry(roots.to_string()).or_default();
                of.push(name_of(&seen.unpacked()));
            }
        }
        all
    }

    pub fn proof(&self, key: &HolderKey) -> Option<Proof> {
        self.lock().proof(key)
    }

    /// Which of these holders are proven gone.
    pub fn proofs<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a HolderKey>,
    ) -> HashMap<HolderKey, Proof> {
        let w = self.lock();
        keys.into_iter()
            .filter_map(|k| Some((k.clone(), w.proof(k)?)))
            .collect()
    }

    /// What is known of a server's holder's pod, and its node. `unknown_for` is filled in by who
    /// knows it.
    pub fn fact(&self, server: &ServerRef, key: &HolderKey) -> (PodFact, Option<String>) {
        if !is_pod(key) {
            return (PodFact::External, None);
        }
        let w = self.lock();
        let seen = w.pods.get(key);
        let fact = match (w.proof(key), seen) {
            (Some(_), _) => PodFact::Gone,
            (None, Some(seen)) => {
                let unreachable = w.node_of(seen).is_some_and(|n| !gone::is_ready(n));
                fact_of(&seen.unpacked(), server, unreachable)
            }
            (None, None) => PodFact::Unseen,
        };
        let node = seen.and_then(|s| s.node.as_deref());
        (fact, node.map(str::to_owned))
    }
}

fn name_of<K: ResourceExt>(object: &K) -> String {
    let namespace = object.namespace().unwrap_or_default();
    format!("{namespace}/{}", object.name_any())
}

#[cfg(test)]
mod tests;
