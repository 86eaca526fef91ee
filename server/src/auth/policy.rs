//! Which namespaces may use this server, and whose its seats are: from a file that is read anew
//! when it changes, or as the operator last put it.

use mooring_core::frontend::entitled;
use mooring_core::identity::Holder;
use mooring_core::policy::SeatPolicy;
use mooring_core::wire::{Policies, Problem, ReplacedElsewhere};
use mooring_net::shutdown::Shutdown;
use mooring_net::sync::Current;
use mooring_net::watched::Watched;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) struct PolicyStore {
    own_namespace: Option<String>,
    current: Current<Option<Policies>>,
    /// Who reads which licenses are served elsewhere.
    replaced: Arc<Current<Vec<ReplacedElsewhere>>>,
}

impl PolicyStore {
    /// Without policies only the server's own namespace may use it (`Same`).
    pub(crate) fn new(
        own_namespace: Option<String>,
        replaced: Arc<Current<Vec<ReplacedElsewhere>>>,
    ) -> Self {
        Self {
            own_namespace,
            current: Current::new(None),
            replaced,
        }
    }

    /// Takes policies, unless they are older than those in force: a file that the kubelet projects
    /// late, or the word of an operator that was replaced. `seats` takes whose the seats are, where
    /// that has changed.
    pub(crate) fn set(&self, p: Policies, seats: impl FnOnce(Option<Arc<SeatPolicy>>)) {
        let current = self.current.get();
        if let Some(older) = is_older(&p, current.as_ref().as_ref()) {
            tracing::warn!(
                generation = p.generation,
                in_force = older,
                "older policies are not taken"
            );
            return;
        }
        let name = p.seats.as_ref().map(|s| &s.name);
        tracing::info!(generation = p.generation, allowed_namespaces = ?p.allowed_namespaces, seats = ?name, "policies in force");
        self.replaced.set(p.replaced.clone());
        let before = current.as_ref().as_ref().and_then(|p| p.seats.as_ref());
        if before != p.seats.as_ref() {
            seats(p.seats.clone().map(Arc::new));
        }
        self.current.set(Some(p));
    }

    /// Whether a holder may use this server. Clients outside Kubernetes may: their certificate was
    /// made for it.
    pub(crate) fn entitled(&self, holder: &Holder) -> Result<(), Problem> {
        let current = self.current.get();
        let own = self.own_namespace.as_deref();
        entitled(holder, current.as_ref().as_ref(), own)
    }

    /// Reads the file now: nothing is granted before that is known.
    pub(crate) fn read(&self, path: &Path, seats: impl FnOnce(Option<Arc<SeatPolicy>>)) -> Watched {
        let mut files = Watched::unread("policies", [path.to_owned()]);
        if let Some(p) = files.look(|| read(path)) {
            self.set(p, seats);
        }
        files
    }

    /// Reads the file whenever it changes. A bad one is refused loudly; the policies in force stay.
    pub(crate) async fn follow(
        &self,
        (files, path): (Watched, PathBuf),
        seats: impl Fn(Option<Arc<SeatPolicy>>),
        shutdown: Shutdown,
    ) {
        let take = |p| self.set(p, &seats);
        files.follow(shutdown, || read(&path), take).await;
    }
}

fn read(path: &Path) -> Result<Policies, String> {
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    serde_yaml::from_str(&text).map_err(|e| e.to_string())
}

/// The generation in force, where that of `p` is lower.
fn is_older(p: &Policies, in_force: Option<&Policies>) -> Option<u64> {
    let in_force = in_force.map(|p| p.generation);
    in_force.filter(|g| p.generation < *g)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mooring_core::wire::AllowedNamespaces;

    fn policies(generation: u64, list: &[&str]) -> Policies {
        let list = list.iter().map(|n| (*n).to_owned()).collect();
        Policies {
            generation,
            allowed_namespaces: AllowedNamespaces::These(list),
            replaced: Vec::new(),
            seats: None,
        }
    }

    fn nobody() -> Arc<Current<Vec<ReplacedElsewhere>>> {
        Arc::new(Current::new(Vec::new()))
    }

    fn pod(namespace: &str) -> Holder {
        Holder::Pod {
            namespace: namespace.into(),
            pod: "p".into(),
            uid: "u".into(),
            service_account: "default".into(),
            node: None,
        }
    }

    #[test]
    fn a_lower_generation_is_not_taken_whichever_way_it_comes() {
        let store = PolicyStore::new(Some("own".into()), nobody());
        assert!(store.entitled(&pod("own")).is_ok());
        store.set(policies(7, &["a", "b"]), |_| ());
        store.set(policies(6, &[]), |_| ());
        assert!(
            store.entitled(&pod("b")).is_ok(),
            "the older one is not taken"
        );
        store.set(policies(8, &["a"]), |_| ());
        assert!(store.entitled(&pod("b")).is_err());
        store.set(policies(7, &["a", "b"]), |_| ());
        assert!(store.entitled(&pod("b")).is_err());
        // A file that nobody numbers is taken at each change.
        let store = PolicyStore::new(None, nobody());
        store.set(policies(0, &["a"]), |_| ());
        store.set(policies(0, &["b"]), |_| ());
        assert!(store.entitled(&pod("b")).is_ok() && store.entitled(&pod("a")).is_err());
    }
}
