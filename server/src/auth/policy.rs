//! Which namespaces may use this server: from a file that is read anew when it changes, or as the operator last put it.

use mooring_core::identity::Holder;
use mooring_core::wire::{Policies, Problem, ProblemType};
use mooring_net::shutdown::Shutdown;
use mooring_net::watched::Watched;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

/// The policies in force.
pub(crate) struct PolicyStore {
    own_namespace: Option<String>,
    current: RwLock<Option<Arc<Policies>>>,
}

impl PolicyStore {
    /// Without policies only the server's own namespace may use it (`Same`).
    pub(crate) fn new(own_namespace: Option<String>) -> Self {
        Self {
            own_namespace,
            current: RwLock::new(None),
        }
    }

    /// From now on.
    pub(crate) fn set(&self, p: Policies) {
        tracing::info!(allowed_namespaces = ?p.allowed_namespaces, "policies in force");
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(p));
    }

    /// Whether a holder may use this server. Clients outside Kubernetes may: their certificate was made for it.
    pub(crate) fn entitled(&self, holder: &Holder) -> Result<(), Problem> {
        let current = self
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        may_use(holder, current.as_deref(), self.own_namespace.as_deref())
    }

    /// Reads the file now and whenever it changes. A bad one is refused loudly; the policies in force stay.
    pub(crate) async fn follow(&self, path: PathBuf, shutdown: Shutdown) {
        let read = || {
            let text = std::fs::read_to_string(&path).map_err(|e| e.to_string())?;
            serde_yaml::from_str::<Policies>(&text).map_err(|e| e.to_string())
        };
        let files = Watched::unread("policies", [path.clone()]);
        files.follow(shutdown, read, |p| self.set(p)).await;
    }
}

fn may_use(holder: &Holder, policies: Option<&Policies>, own: Option<&str>) -> Result<(), Problem> {
    let Some(ns) = holder.namespace() else {
        return Ok(());
    };
    let allowed = match policies {
        None => own == Some(ns),
        Some(p) => p
            .allowed_namespaces
            .as_ref()
            .is_none_or(|list| list.iter().any(|n| n == ns)),
    };
    if allowed {
        return Ok(());
    }
    let detail = format!(
        "pods of namespace {ns:?} may not use this license server; its spec.allowedNamespaces must allow it (Same, All or a selector)"
    );
    Err(Problem::new(ProblemType::NotEntitled, detail).field("spec.allowedNamespaces"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(ns: &str) -> Holder {
        let s = || "x".to_owned();
        Holder::Pod {
            namespace: ns.into(),
            pod: s(),
            uid: s(),
            service_account: s(),
            node: None,
        }
    }

    fn list(l: Option<&[&str]>) -> Policies {
        Policies {
            allowed_namespaces: l.map(|l| l.iter().map(|s| (*s).to_owned()).collect()),
        }
    }

    #[test]
    fn the_namespace_decides() {
        let ok = |ns: &str, p: Option<&Policies>, own| may_use(&pod(ns), p, own).is_ok();
        assert!(
            ok("own", None, Some("own")) && !ok("a", None, Some("own")) && !ok("a", None, None)
        );
        assert!(ok("a", Some(&list(None)), Some("own")));
        let some = list(Some(&["a", "b"]));
        assert!(ok("b", Some(&some), Some("own")) && !ok("own", Some(&some), Some("own")));
        let external = Holder::External {
            subject: "x".into(),
        };
        assert!(may_use(&external, Some(&list(Some(&[]))), None).is_ok());
        let e = may_use(&pod("a"), None, Some("own"));
        assert!(e.is_err_and(|p| p.kind == ProblemType::NotEntitled
            && p.detail.contains("\"a\"")
            && p.field.is_some()));
    }
}
