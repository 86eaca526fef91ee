//! A pod as it is kept. There may be ten thousand: the typed object takes ten times what stands in
//! it, and the certificates that sidecars trust are mostly the same. So it is kept as text, and
//! beside it what is asked of all pods at once.

use super::own::{OwnPod, own_pod};
use crate::gone::{self, Proof};
use crate::pods::{
    is_injected, node_name, roots_of_ours, servers_of, sidecar_may_have_run, told_of,
};
use k8s_openapi::api::core::v1::{EnvVar, Pod};
use mooring_api::names::{MOST_ROOTS, ROOTS_ENV, ServerRef};
use mooring_core::annotation::LICENSES;
use std::collections::HashSet;
use std::sync::Arc;

/// What the sidecars of pods trust, each text once.
#[derive(Debug, Default)]
pub(super) struct Roots(HashSet<Arc<str>>);

impl Roots {
    fn once(&mut self, text: String) -> Arc<str> {
        if let Some(known) = self.0.get(text.as_str()) {
            return known.clone();
        }
        // Those that no pod has any more go when another comes.
        self.0.retain(|r| Arc::strong_count(r) > 1);
        let new: Arc<str> = text.into();
        self.0.insert(new.clone());
        new
    }
}

/// A pod whose sidecar names license servers.
#[derive(Debug)]
pub(super) struct PackedPod {
    /// All but its roots, as JSON.
    text: Box<[u8]>,
    /// In whose lines it stands, in its own order.
    pub(super) servers: Box<[ServerRef]>,
    /// What it asks of each of them, where that is not the same.
    asks: Option<Box<[Option<String>]>>,
    /// Where it is bound to.
    pub(super) node: Option<Box<str>>,
    /// What its sidecar trusts, if the webhook made that.
    pub(super) roots: Option<Arc<str>>,
    /// Whether its sidecar has, or may have, run.
    pub(super) may_have_run: bool,
    /// As the rules about owners see it, if they say something about it.
    pub(super) own: Option<Box<OwnPod>>,
    /// The proof that it is gone, whatever its node is.
    pub(super) finished: Option<Proof>,
}

impl PackedPod {
    /// `None` if its sidecar names no server, or it cannot be written.
    pub(super) fn new(mut pod: Pod, all: &mut Roots) -> Option<Self> {
        let servers = servers_of(&pod).into_boxed_slice();
        if servers.is_empty() {
            return None;
        }
        let asks = asks_of(&pod, &servers);
        let roots = roots_of_ours(&pod).filter(|r| is_injected(&pod) && r.len() <= MOST_ROOTS);
        for c in pod.spec.iter_mut().flat_map(|s| &mut s.init_containers) {
            let variables = c.iter_mut().flat_map(|c| &mut c.env);
            variables.for_each(|env| env.retain(|v: &EnvVar| v.name != ROOTS_ENV));
        }
        Some(Self {
            text: serde_json::to_vec(&pod).ok()?.into(),
            servers,
            asks,
            node: node_name(&pod).map(Into::into),
            roots: roots.map(|r| all.once(r)),
            may_have_run: sidecar_may_have_run(&pod),
            own: own_pod(&pod, false, false).map(Box::new),
            finished: gone::finished(&pod),
        })
    }

    /// Whether it stands, or may stand, in this server's line.
    pub(super) fn is_of(&self, server: &ServerRef) -> bool {
        self.servers.contains(server)
    }

    /// Whether it asks the same of both, by their numbers: else one has another part of it.
    pub(super) fn are_one_part(&self, one: usize, other: usize) -> bool {
        let asks = self.asks.as_ref();
        asks.is_none_or(|all| all.get(one) == all.get(other))
    }

    /// As it was but for its roots.
    pub(super) fn unpacked(&self) -> Pod {
        // It was written by the same types.
        serde_json::from_slice(&self.text).unwrap_or_default()
    }
}

fn asks_of(pod: &Pod, servers: &[ServerRef]) -> Option<Box<[Option<String>]>> {
    if servers.len() < 2 {
        return None;
    }
    let of = |s: &ServerRef| told_of(pod, LICENSES.variable(), s);
    let all: Box<[Option<String>]> = servers.iter().map(of).collect();
    all.windows(2).any(|w| w.first() != w.last()).then_some(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn pod(roots: &str) -> Pod {
        let env = json!([
            { "name": "MOORING_SERVER", "value": "https://main.licensing.svc:8443" },
            { "name": ROOTS_ENV, "value": roots },
        ]);
        let sidecar =
            json!({ "name": "mooring", "args": ["run"], "restartPolicy": "Always", "env": env });
        serde_json::from_value(json!({
            "metadata": { "name": "p", "namespace": "a", "annotations": { "mooring.dev/licenses": "" } },
            "spec": { "nodeName": "n", "containers": [], "initContainers": [sidecar] },
            "status": { "phase": "Running", "startTime": "2026-03-01T12:00:00Z" },
        }))
        .unwrap()
    }

    #[test]
    fn a_pod_is_unpacked_as_it_was_but_for_its_roots() {
        let (whole, mut roots) = (pod("PEM"), Roots::default());
        let packed = PackedPod::new(whole.clone(), &mut roots).unwrap();
        let mut again = packed.unpacked();
        assert_ne!(again, whole);
        let sidecar = &mut again
            .spec
            .as_mut()
            .unwrap()
            .init_containers
            .as_mut()
            .unwrap()[0];
        sidecar.env.as_mut().unwrap().push(EnvVar {
            name: ROOTS_ENV.to_owned(),
            value: packed.roots.as_deref().map(str::to_owned),
            value_from: None,
        });
        assert_eq!(again, whole);
    }

    #[test]
    fn roots_that_many_trust_are_kept_once_and_those_that_none_trusts_any_more_not_at_all() {
        let mut roots = Roots::default();
        let mut pods: Vec<_> = ["A", "A", "B"]
            .into_iter()
            .map(|r| PackedPod::new(pod(r), &mut roots).unwrap())
            .collect();
        assert_eq!(roots.0.len(), 2);
        pods.pop();
        PackedPod::new(pod("C"), &mut roots).unwrap();
        assert_eq!(roots.0.len(), 2, "A and C");
    }
}
