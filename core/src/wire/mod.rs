//! The messages: JSON of the server's API (version 1) and of the sidecar's socket.
//!
//! Unknown fields are ignored, so that servers and sidecars of neighbouring versions understand each other.
//! Durations are whole numbers whose field name ends in the unit (`leaseForSecs`, `sinceMs`).

#![warn(missing_docs)]

mod claim;
mod operator;
mod problem;
mod renew;
mod socket;
mod view;

pub use claim::{ClaimRequest, Grant, HeldProof, OptimisticStart, Standing, WaitReason, Waiting};
pub use operator::{Expected, Gone, Policies, Revoke};
pub use problem::{BASE as PROBLEM_BASE, Problem, ProblemType};
pub use renew::{
    MAX_RENEWALS, NonceRequest, RenewRequest, RenewResponse, Renewal, Renewed, TokenResponse,
    is_nonce,
};
pub use socket::{ClaimKind, ClaimStatus, HoldState, SocketClaim, Status};
pub use view::{
    AnchorView, LeaseView, Leases, PoolView, ProductView, Products, SecondServer, ServerState,
    ViewState, WatchEvent, WatchPosition,
};

use crate::names::ClaimName;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Header with a claim's secret on `DELETE /v1/claims/{name}`.
pub const SECRET_HEADER: &str = "mooring-secret";
/// Header with the holder's counter on `DELETE /v1/claims/{name}`: a copy that fell behind gives nothing back.
pub const COUNTER_HEADER: &str = "mooring-counter";
/// The API versions a server speaks, as `GET /v1/versions` lists them.
pub const VERSIONS: &[&str] = &["v1"];

/// Who holds or asks: authenticated by the server, handed back to the holder, shown to it again later.
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
    /// A client outside Kubernetes, known by the subject of its credential.
    External {
        /// The credential's subject.
        subject: String,
    },
}

impl Holder {
    /// What identifies it: the pod's UID, or `external:` and the subject.
    pub fn key(&self) -> HolderKey {
        match self {
            Self::Pod { uid, .. } => HolderKey(uid.clone()),
            Self::External { subject } => HolderKey(format!("external:{subject}")),
        }
    }

    /// The namespace that counts for entitlement and bounds; `None` outside Kubernetes.
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::Pod { namespace, .. } => Some(namespace),
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
            Self::External { subject } => format!("external\n{subject}"),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod { namespace, pod, .. } => write!(f, "{namespace}/{pod}"),
            Self::External { subject } => f.write_str(subject),
        }
    }
}

/// A holder's identity, for comparing: the pod's UID, or `external:‹subject›`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct HolderKey(pub String);

impl fmt::Display for HolderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The path of a claim.
pub fn claim_path(name: &ClaimName) -> String {
    format!("/v1/claims/{name}")
}
