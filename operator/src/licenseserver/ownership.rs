//! Never adopt: an object that is there and does not belong to this LicenseServer is not touched,
//! and then nothing of the others is either. Pure.
//!
//! It belongs to it by the UID in its owner reference, which only who may write the object can set;
//! names, labels and the field manager are no proof.

use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;
use mooring_api::names::{
    FIELD_MANAGER, GROUP, MANAGED_BY, SERVER_LABEL, SERVER_NAMESPACE_LABEL, ServerRef,
};

/// An object of somebody else under a name that a LicenseServer needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// `Service shop/payments`.
    pub what: String,
    /// Whose it is, as far as it says.
    whose: String,
    /// It goes by itself.
    leaves: bool,
}

impl Taken {
    /// What it is, and what to do.
    pub fn message(&self) -> String {
        let Self { what, whose, .. } = self;
        let todo = if self.leaves {
            "it is being removed, and this ends by itself; if it does not, delete it"
        } else {
            "nothing was written. Give the LicenseServer another name, or delete that object if nobody needs it"
        };
        format!("{what} is there already and {whose}: {todo}")
    }
}

/// The owner that is a controller.
pub fn controller(meta: &ObjectMeta) -> Option<&OwnerReference> {
    let mut owners = meta.owner_references.iter().flatten();
    owners.find(|o| o.controller == Some(true))
}

/// Whether an object belongs to the owner with this UID.
pub fn is_owned(meta: &ObjectMeta, uid: &str) -> bool {
    !uid.is_empty() && controller(meta).is_some_and(|o| o.uid == uid)
}

/// What stands in the way, if this object is not of the LicenseServer with this UID.
pub fn taken<K>(object: &K, server: &ServerRef, uid: &str) -> Option<Taken>
where
    K: Resource<DynamicType = ()>,
{
    let meta = object.meta();
    if is_owned(meta, uid) {
        return None;
    }
    let what = format!(
        "{} {}/{}",
        K::kind(&()),
        meta.namespace.as_deref().unwrap_or(&server.namespace),
        meta.name.as_deref().unwrap_or("")
    );
    let earlier = |o: &&OwnerReference| {
        let ours = o.api_version.split('/').next() == Some(GROUP) && o.kind == "LicenseServer";
        ours && o.name == server.name
    };
    let owner = controller(meta);
    let (whose, leaves) = match (owner.filter(earlier), owner) {
        (Some(_), _) => (
            "belongs to an earlier LicenseServer of this name".into(),
            true,
        ),
        (None, Some(o)) => (format!("belongs to {} {}", o.kind, o.name), false),
        (None, None) => ("does not belong to this LicenseServer".to_owned(), false),
    };
    Some(Taken {
        what,
        whose,
        leaves,
    })
}

/// The same for its ClusterRoleBinding, which a namespaced object cannot own: its labels decide, as
/// only who may write bindings can set them.
pub fn binding_taken(binding: &ClusterRoleBinding, server: &ServerRef) -> Option<Taken> {
    let labels = binding.metadata.labels.as_ref();
    let label = |key: &str| labels.and_then(|l| l.get(key)).map(String::as_str);
    let ours = label(MANAGED_BY) == Some(FIELD_MANAGER)
        && label(SERVER_LABEL) == Some(&server.name)
        && label(SERVER_NAMESPACE_LABEL) == Some(&server.namespace);
    (!ours).then(|| Taken {
        what: format!("ClusterRoleBinding {}", server.binding()),
        whose: "does not carry this LicenseServer's labels".to_owned(),
        leaves: false,
    })
}

/// The same for its pod, which belongs to a StatefulSet of its name: that of a StatefulSet which is
/// gone goes too, and one without any owner is taken in by the next.
pub fn pod_taken(pod: &ObjectMeta, server: &ServerRef) -> Option<Taken> {
    let labels = pod.labels.as_ref();
    let labelled = labels.is_some_and(|l| l.get(SERVER_LABEL) == Some(&server.name));
    let whose = match controller(pod) {
        _ if pod.deletion_timestamp.is_some() => return None,
        Some(o) if o.kind == "StatefulSet" && o.name == server.name => return None,
        Some(o) => format!("belongs to {} {}", o.kind, o.name),
        None if labelled => return None,
        None => "does not belong to this LicenseServer's StatefulSet".to_owned(),
    };
    let what = format!("Pod {}/{}", server.namespace, server.child("0"));
    Some(Taken {
        what,
        whose,
        leaves: false,
    })
}

#[cfg(test)]
mod tests;
