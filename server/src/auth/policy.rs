//! Which namespaces may use this server: from a file that is read anew when it changes, or as the
//! operator last put it.

use mooring_core::frontend::entitled;
use mooring_core::identity::Holder;
use mooring_core::wire::{Policies, Problem};
use mooring_net::shutdown::Shutdown;
use mooring_net::sync::Current;
use mooring_net::watched::Watched;
use std::path::PathBuf;

pub(crate) struct PolicyStore {
    own_namespace: Option<String>,
    current: Current<Option<Policies>>,
}

impl PolicyStore {
    /// Without policies only the server's own namespace may use it (`Same`).
    pub(crate) fn new(own_namespace: Option<String>) -> Self {
        Self {
            own_namespace,
            current: Current::new(None),
        }
    }

    pub(crate) fn set(&self, p: Policies) {
        tracing::info!(allowed_namespaces = ?p.allowed_namespaces, "policies in force");
        self.current.set(Some(p));
    }

    /// Whether a holder may use this server. Clients outside Kubernetes may: their certificate was
    /// made for it.
    pub(crate) fn entitled(&self, holder: &Holder) -> Result<(), Problem> {
        let current = self.current.get();
        let own = self.own_namespace.as_deref();
        entitled(holder, current.as_ref().as_ref(), own)
    }

    /// Reads the file now and whenever it changes. A bad one is refused loudly; the policies in
    /// force stay.
    pub(crate) async fn follow(&self, path: PathBuf, shutdown: Shutdown) {
        let read = || {
            let text = std::fs::read_to_string(&path).map_err(|e| e.to_string())?;
            serde_yaml::from_str::<Policies>(&text).map_err(|e| e.to_string())
        };
        let files = Watched::unread("policies", [path.clone()]);
        files.follow(shutdown, read, |p| self.set(p)).await;
    }
}
