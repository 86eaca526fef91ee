//! Who holds or asks for a lease.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Who holds or asks: authenticated by the server, handed back to the holder, shown to it again
/// later.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Holder {
    /// A pod, known by the UID in its service-account token.
    Pod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        pod: String,
        /// Its UID.
        uid: String,
        /// Its service account's name.
        service_account: String,
        /// The node, from the token's claims, never from the client.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<String>,
    },
    /// What has pods run: a Job, a Deployment, a pod that waits to be scheduled. The operator
    /// claims for it, and its pods take their shares of that over.
    Owner {
        /// Its namespace.
        namespace: String,
        /// Its kind and name, as `Job/train`.
        owner: String,
        /// Its UID.
        uid: String,
        /// The service account of its pods.
        service_account: String,
    },
    /// A client outside Kubernetes, known by the subject of its credential.
    External {
        /// The credential's subject.
        subject: String,
    },
}

impl Holder {
    /// What identifies it: the pod's or owner's UID, or `external:` and the subject.
    pub fn key(&self) -> HolderKey {
        match self {
            Self::Pod { uid, .. } | Self::Owner { uid, .. } => HolderKey(uid.clone()),
            Self::External { subject } => HolderKey(HolderKey::EXTERNAL.to_owned() + subject),
        }
    }

    /// The namespace that counts for entitlement and bounds; `None` outside Kubernetes.
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::Pod { namespace, .. } | Self::Owner { namespace, .. } => Some(namespace),
            Self::External { .. } => None,
        }
    }

    /// The bytes that a token's HMAC of the holder is made over.
    pub fn canonical(&self) -> String {
        match self {
            Self::Pod {
                namespace,
                pod,
                uid,
                service_account,
                node,
            } => {
                let node = node.as_deref().unwrap_or("");
                format!("pod\n{uid}\n{namespace}\n{pod}\n{service_account}\n{node}")
            }
            Self::Owner {
                namespace,
                owner,
                uid,
                service_account,
            } => format!("owner\n{uid}\n{namespace}\n{owner}\n{service_account}"),
            Self::External { subject } => format!("external\n{subject}"),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod { namespace, pod, .. } => write!(f, "{namespace}/{pod}"),
            Self::Owner {
                namespace, owner, ..
            } => write!(f, "{namespace}/{owner}"),
            Self::External { subject } => f.write_str(subject),
        }
    }
}

/// A holder's identity, for comparing: the pod's UID, or `external:‹subject›`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct HolderKey(pub String);

impl HolderKey {
    /// Before the subject of a client outside Kubernetes.
    pub(crate) const EXTERNAL: &str = "external:";

    /// Of a client outside Kubernetes; the others are pods.
    pub fn is_external(&self) -> bool {
        self.subject().is_some()
    }

    /// The subject of a client outside Kubernetes.
    pub fn subject(&self) -> Option<&str> {
        self.0.strip_prefix(Self::EXTERNAL)
    }
}

// Pods are looked up by their UIDs.
impl std::borrow::Borrow<str> for HolderKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HolderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
