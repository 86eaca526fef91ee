//! `LicenseLease`: what a pod (or an external client) holds or waits for, mirrored from its license
//! server.
//!
//! A mirror for people and tools, and the operator's memory of who may still run. The server's
//! memory is the truth: a mirror that was deleted or edited is written anew. `status` is no
//! subresource, so that one write tells all of a change. Two fields are people's to write:
//! `spec.revoked` and `spec.release`.
#![allow(clippy::duplicated_attributes)] // each printcolumn has a type and a path

use crate::names::ServerRef;
use crate::schema;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Whose lease it is, and of which server.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "mooring.dev",
    version = "v1alpha1",
    kind = "LicenseLease",
    namespaced,
    shortname = "ll",
    category = "mooring",
    status = "LicenseLeaseStatus",
    derive = "PartialEq",
    doc = "What a pod (or an external client) holds or waits for: a mirror of the license server's memory, written by the operator. Deleting it changes nothing.",
    printcolumn(name = "Products", type_ = "string", json_path = ".status.products"),
    printcolumn(name = "Holder", type_ = "string", json_path = ".spec.holder.name"),
    printcolumn(name = "Node", type_ = "string", json_path = ".status.node"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Since", type_ = "date", json_path = ".status.since"),
    printcolumn(name = "Until", type_ = "string", json_path = ".status.until"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Server",
        type_ = "string",
        priority = 1,
        json_path = ".spec.server.name"
    ),
    printcolumn(
        name = "Place",
        type_ = "integer",
        priority = 1,
        json_path = ".status.place"
    ),
    printcolumn(
        name = "Project",
        type_ = "string",
        priority = 1,
        json_path = ".status.project"
    ),
    printcolumn(
        name = "As-Of",
        type_ = "date",
        priority = 1,
        json_path = ".status.asOf"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        priority = 1,
        json_path = ".status.message"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct LicenseLeaseSpec {
    /// The license server.
    #[schemars(extend("x-kubernetes-validations" = [{ "rule": "self == oldSelf", "message": "server: cannot be changed" }]))]
    pub server: ServerRef,
    /// Who.
    pub holder: HolderReference,
    /// While it is here the holder gets nothing from this license server, whatever it shows. Yours
    /// to write and to take away (`kubectl mooring revoke`, `--lift`). Deleting the LicenseLease
    /// lifts nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Revoked>,
    /// Leases of `status.claims`, by id, that are taken back: the application loses its license,
    /// and its holder is barred from nothing. Yours to write (`kubectl mooring release`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = 64, "x-kubernetes-list-type" = "set", "items" = { "type": "string", "pattern": "^[0-9a-f]{32}$" }))]
    pub release: Vec<String>,
}

/// Why and until when a holder is revoked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Revoked {
    /// Why, for the holder to read: at most 200 characters in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = r"^[^\x00-\x1f\x7f-\x9f]{0,200}$", "maxLength" = 200))]
    pub reason: Option<String>,
    /// Until when; without it until it is taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub until: Option<Time>,
    /// Who says so. Where the chart's admission policies are in force: only one's own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxLength" = 1024))]
    pub by: Option<String>,
}

/// Who holds or asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{ "rule": "self == oldSelf", "message": "holder: cannot be changed" }]))]
pub struct HolderReference {
    /// `Pod` or `External`.
    pub kind: HolderKind,
    /// The pod's name, or the external client's subject.
    pub name: String,
    /// The pod's UID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The pod's service account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
}

/// What kind of holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HolderKind {
    /// A pod in this namespace.
    Pod,
    /// What has pods run in this namespace, or a pod that waits to be scheduled: seats for pods to
    /// come.
    Owner,
    /// A client outside Kubernetes.
    External,
}

/// How the holder stands, over all its claims, and each of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LicenseLeaseStatus {
    /// Its products and seats, as the annotation writes them.
    pub products: String,
    /// What its seats are used for, as the holder says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The state of the claim that needs most attention.
    pub state: LeaseState,
    /// Since when it is in that state.
    #[schemars(schema_with = "schema::time")]
    pub since: Time,
    /// The node its pod is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Its place in line, from 1: on entry, then for the first ten at most each minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u32>,
    /// Of a silent or revoked holder, and of a lease that is taken back: when the server frees its
    /// seats. Called back: when that ends it. In `Grace`, `Optimistic` and
    /// `Contested`: until when its application may go on, to about a renewal (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// While the license server does not answer the operator: when it was heard last. All that is
    /// said of the holder is as of then (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// Why it waits (`Full`, `Behind`, `Settling`, …); `CalledBack`, `TakenBack`, `Revoked`; or why
    /// its license server does not serve: the reason of the LicenseServer's condition `Ready`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What happened, and what to do, where there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Since when the operator sees to `spec.revoked`. While this is here and that is not, it
    /// lifts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub revoked_since: Option<Time>,
    /// Since when its application is not licensed any more, though it was: no seat is there for
    /// what the pod runs. Gone when it holds a lease again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub lost_since: Option<Time>,
    /// Each claim; of more than 64 those first that need attention.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub claims: Vec<ClaimStatus>,
}

/// One claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimStatus {
    /// The holder's name for it; `pod` is the annotation's.
    pub name: String,
    /// The lease.
    pub lease: String,
    /// What is held or asked for.
    pub products: String,
    /// How it stands.
    pub state: LeaseState,
    /// Since when.
    #[schemars(schema_with = "schema::time")]
    pub since: Time,
    /// Its place in line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u32>,
    /// When the server frees its seats (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// What happened, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A claim's state as its server knows it (docs/protocol.md, "States at the server"); or, while
/// that does not serve, what follows from it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum LeaseState {
    /// Granted, renewed in time.
    Held,
    /// Granted to an owner, for pods of it that come.
    Reserved,
    /// In line.
    Waiting,
    /// Granted, but renewals were missed: its seats are free at `until`.
    Silent,
    /// In line, while its application runs on.
    Contested,
    /// Its lease ran out, since its license server renews nothing: its application runs on under
    /// the grace, until `until`.
    Grace,
    /// Its application was started while no license server answered, and runs under the grace.
    Optimistic,
    /// Refused; the message says why.
    Refused,
    /// Its holder is revoked. With `until`: when its seats are free at the latest.
    Revoked,
    /// The pod runs, and its license server does not know it; or its pod is not there any more,
    /// which is no proof that it ended; or a reader does not know the state.
    #[serde(other)]
    Unknown,
}

impl LeaseState {
    pub const ALL: [Self; 10] = [
        Self::Held,
        Self::Reserved,
        Self::Waiting,
        Self::Silent,
        Self::Contested,
        Self::Grace,
        Self::Optimistic,
        Self::Refused,
        Self::Revoked,
        Self::Unknown,
    ];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "Held",
            Self::Reserved => "Reserved",
            Self::Waiting => "Waiting",
            Self::Silent => "Silent",
            Self::Contested => "Contested",
            Self::Grace => "Grace",
            Self::Optimistic => "Optimistic",
            Self::Refused => "Refused",
            Self::Revoked => "Revoked",
            Self::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for LeaseState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
