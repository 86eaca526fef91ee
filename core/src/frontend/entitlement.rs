//! Which namespaces' pods may use this server.

use crate::identity::Holder;
use crate::wire::{Policies, Problem, ProblemType};

/// Whether a holder may use this server: by the policies, and without any only pods of the server's
/// `own` namespace. Clients outside Kubernetes may: their credential was made for it.
pub fn entitled(
    holder: &Holder,
    policies: Option<&Policies>,
    own: Option<&str>,
) -> Result<(), Problem> {
    let Some(ns) = holder.namespace() else {
        return Ok(());
    };
    let allowed = match policies {
        None => own == Some(ns),
        Some(p) => p.allowed_namespaces.contains(ns),
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
    #![allow(clippy::unwrap_used)]
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

    fn policies(text: &str) -> Policies {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_namespace_decides() {
        let ok = |ns: &str, p: Option<&Policies>, own| entitled(&pod(ns), p, own).is_ok();
        assert!(
            ok("own", None, Some("own")) && !ok("a", None, Some("own")) && !ok("a", None, None)
        );
        let all = policies(r#"{"allowedNamespaces": "All"}"#);
        assert!(ok("a", Some(&all), Some("own")));
        let none = policies("{}");
        assert!(!ok("a", Some(&none), Some("own")), "absent: nobody");
        let some = policies(r#"{"allowedNamespaces": ["a", "b"], "generation": 7}"#);
        assert!(ok("b", Some(&some), Some("own")) && !ok("own", Some(&some), Some("own")));
        let external = Holder::External {
            subject: "x".into(),
        };
        assert!(entitled(&external, Some(&none), None).is_ok());
        let e = entitled(&pod("a"), None, Some("own"));
        assert!(e.is_err_and(|p| p.kind == ProblemType::NotEntitled
            && p.detail.contains("\"a\"")
            && p.field.is_some()));
    }
}
