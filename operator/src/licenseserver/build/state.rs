//! Secret `‹name›-state`, in which a license server keeps what must outlive its pod, and its right
//! to that one Secret.
//!
//! The operator makes it, empty, and never writes it again: what is in it is the server's.

use super::inputs::{Inputs, meta};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};

/// The ending of its name.
pub const STATE: &str = "state";
/// Its type.
const STATE_TYPE: &str = "mooring.dev/state";

/// The Secret, empty.
pub fn secret(i: &Inputs<'_>) -> Secret {
    Secret {
        metadata: meta(i, i.reference.child(STATE)),
        type_: Some(STATE_TYPE.into()),
        ..Secret::default()
    }
}

/// Role `‹name›-mooring-server`: to get and update that Secret, by its name.
pub fn role(i: &Inputs<'_>) -> Role {
    let words = |words: &[&str]| Some(words.iter().map(|w| (*w).to_owned()).collect());
    Role {
        metadata: meta(i, i.reference.account()),
        rules: Some(vec![PolicyRule {
            api_groups: words(&[""]),
            resources: words(&["secrets"]),
            resource_names: Some(vec![i.reference.child(STATE)]),
            verbs: vec!["get".into(), "update".into()],
            ..PolicyRule::default()
        }]),
    }
}

/// RoleBinding `‹name›-mooring-server`: the role for the server's own service account.
pub fn role_binding(i: &Inputs<'_>) -> RoleBinding {
    let account = i.reference.account();
    RoleBinding {
        metadata: meta(i, account.clone()),
        role_ref: RoleRef {
            api_group: "rbac.authorization.k8s.io".into(),
            kind: "Role".into(),
            name: account.clone(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".into(),
            name: account,
            namespace: Some(i.reference.namespace.clone()),
            ..Subject::default()
        }]),
    }
}
