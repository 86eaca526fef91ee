//! `LicenseServer`: which license, where its anchor is, who may use it.
//!
//! What the API server can check is checked there, by bounds and CEL rules, so that `kubectl apply`
//! answers at once.
#![allow(clippy::duplicated_attributes)] // each printcolumn has a type and a path

use crate::anchor::Anchor;
use crate::duration::Span;
use crate::external::External;
use crate::names::{API_PORT, ServerRef};
use crate::placement::Placement;
use crate::run_as::RunAs;
use crate::schema;
use crate::serving::Side;
use crate::status::LicenseServerStatus;
use k8s_openapi::api::core::v1::{LocalObjectReference, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, ResourceExt as _};
use mooring_config::{CONNECTIONS_PER_ADDRESS, MOST_CONNECTIONS};
use mooring_core::audit::{FILE_COUNTS, FILE_SIZE, FILE_SIZES, FILES};
use mooring_core::ledger::{CLAIMS_PER_HOLDER, MOST_CLAIMS_PER_HOLDER};
use mooring_core::policy::Reclaim;
use mooring_core::time::{DEFAULT_GRACE, DEFAULT_LEASE, MAX_LEASE, MIN_LEASE};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A license server, pinned to the node that holds its anchor.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "mooring.dev",
    version = "v1alpha1",
    kind = "LicenseServer",
    namespaced,
    shortname = "lsrv",
    category = "mooring",
    status = "LicenseServerStatus",
    derive = "PartialEq",
    doc = "A license server, pinned to the node that holds its anchor. It names an image and devices: who may write it may run code on that node.",
    printcolumn(name = "Node", type_ = "string", json_path = ".status.node"),
    printcolumn(name = "Serves", type_ = "string", json_path = ".status.serving.side"),
    printcolumn(name = "Anchor", type_ = "string", json_path = ".status.anchor"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "Used", type_ = "integer", json_path = ".status.used"),
    printcolumn(name = "Seats", type_ = "integer", json_path = ".status.seats"),
    printcolumn(name = "Waiting", type_ = "integer", json_path = ".status.waiting"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        priority = 1,
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(
        name = "Version",
        type_ = "string",
        priority = 1,
        json_path = ".status.version"
    ),
    printcolumn(
        name = "Endpoint",
        type_ = "string",
        priority = 1,
        json_path = ".status.endpoint"
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = inside_or_outside()))]
pub struct LicenseServerSpec {
    /// A license server outside of the cluster, which the operator neither runs nor sets up. With
    /// it only `lease.grace`, `allowedNamespaces` and `voucher` are for this cluster to say;
    /// without that `licenses`, `anchor` and `placement` are needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
    /// The vendors' signed license files, all bound to this anchor, in the order in which they are
    /// drawn on: seats add up, and a claim's seats of a product come from one file. A change of a
    /// Secret is taken in without a restart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = mooring_core::license::MAX_LICENSES), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["secretName", "key"]))]
    pub licenses: Vec<LicenseRef>,
    /// Where the vendor's revocation list is, if it ever sends one; without it in the Secret of the
    /// first license, under the key `revocations`. It need not be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocations: Option<RevocationsRef>,
    /// The vendor's voucher, as text: a permit to start with no license server in reach, where the
    /// license asks for one. It is no secret. Pods that are created from then on carry it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 16384),
        regex(pattern = "^[^;]*-----BEGIN MOORING VOUCHER-----[^;]*$")
    )]
    pub voucher: Option<String>,
    /// The vendors' public keys: what none of them signed is refused, and what is superseded or
    /// revoked is remembered; applications pin their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_keys: Option<VendorKeys>,
    /// The hardware that the license is bound to: exactly one.
    #[serde(default, skip_serializing_if = "Anchor::is_none")]
    pub anchor: Anchor,
    /// A second anchor, which serves while the first cannot, if the license lists it as a standby:
    /// on the same node, or with a placement of its own on another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standby: Option<Standby>,
    /// On which node the anchor is.
    #[serde(default, skip_serializing_if = "Placement::is_none")]
    pub placement: Placement,
    /// How long leases last, within what the license allows.
    #[serde(default)]
    pub lease: LeaseSettings,
    /// Which namespaces' pods may use this server.
    #[serde(default)]
    pub allowed_namespaces: AllowedNamespaces,
    /// Whose its seats are: a LicensePolicy in the same namespace; without it whoever comes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyRef>,
    /// Clients outside the cluster, which show client tokens; without it only pods may ask. With it
    /// the server takes its full time after a start, since nobody knows all its holders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<ClientKeys>,
    /// Subjects of client tokens that see all leases and may revoke.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub admins: Vec<String>,
    /// How much of the server's audit log is kept beside it. Its pod's log has the same lines, and
    /// outlives the pod where logs are collected.
    #[serde(default)]
    pub audit: AuditSettings,
    /// The server's certificate.
    #[serde(default, skip_serializing_if = "TlsSettings::is_empty")]
    pub tls: TlsSettings,
    /// How the server is reached.
    #[serde(default)]
    pub service: ServiceSettings,
    /// What the server's pod looks like.
    #[serde(default)]
    pub template: Template,
}

impl LicenseServer {
    /// By namespace and name.
    pub fn reference(&self) -> ServerRef {
        ServerRef::new(self.namespace().unwrap_or_default(), self.name_any())
    }

    /// Where its Service is reached, or where it is outside of the cluster.
    pub fn endpoint(&self) -> String {
        if let Some(external) = &self.spec.external {
            return external.address.clone();
        }
        let port = self.spec.service.port;
        format!("https://{}:{port}", self.reference().dns_name())
    }

    /// The longest that an application may go on without it, as far as is known.
    pub fn grace(&self) -> Span {
        let told = self.status.as_ref().and_then(|s| s.grace);
        self.spec.lease.grace_within(told)
    }
}

impl LeaseSettings {
    /// The grace with what the server `told` last of its own. One that never served may find a
    /// license that says nothing of it, and so allows the default.
    pub fn grace_within(&self, told: Option<Span>) -> Span {
        self.grace.min(told.unwrap_or(Span(DEFAULT_GRACE)))
    }
}

/// That it is within the cluster or outside of it, for the API server.
fn inside_or_outside() -> serde_json::Value {
    let own = [
        "licenses",
        "anchor",
        "placement",
        "standby",
        "revocations",
        "vendorKeys",
        "policy",
        "clients",
        "admins",
        "tls",
    ];
    let none = own.map(|f| format!("!has(self.{f})")).join(" && ");
    serde_json::json!([
        { "rule": "has(self.external) || (has(self.licenses) && has(self.anchor) && has(self.placement))",
          "message": "expected licenses, anchor and placement, or external: a license server outside of the cluster" },
        { "rule": format!("!has(self.external) || ({none})"),
          "message": format!("external: expected none of {} beside it: they are set at the server itself", own.join(", ")) },
        { "rule": "has(self.external) == has(oldSelf.external)",
          "message": "external: a LicenseServer stays within the cluster or outside of it; make another one" }
    ])
}

impl LicenseServerSpec {
    /// The anchor, and the standby if there is one.
    pub fn anchors(&self) -> impl Iterator<Item = &Anchor> {
        let standby = self.standby.as_ref().map(|s| &s.anchor);
        std::iter::once(&self.anchor).chain(standby)
    }

    /// Where the standby is, if that is elsewhere.
    pub fn elsewhere(&self) -> Option<&Placement> {
        self.standby.as_ref()?.placement.as_ref()
    }

    /// The placements at which it may serve.
    pub fn placements(&self) -> impl Iterator<Item = &Placement> {
        std::iter::once(&self.placement).chain(self.elsewhere())
    }

    /// What its pod is made of while this side serves: of two anchors on different nodes the one
    /// that is there. The same where they are on one node.
    #[must_use]
    pub fn of_side(&self, side: Side) -> Self {
        let mut spec = self.clone();
        let Some(Standby {
            anchor,
            placement: Some(placement),
        }) = spec.standby.take()
        else {
            return self.clone();
        };
        if side == Side::Standby {
            (spec.anchor, spec.placement) = (anchor, placement);
        }
        spec
    }
}

/// A second anchor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "[has(self.pkcs11), has(self.usb), has(self.hwid)].filter(x, x).size() == 1",
    "message": "standby: expected exactly one of pkcs11, usb and hwid, as in anchor, and a placement of its own if it is on another node"
}]))]
pub struct Standby {
    /// The hardware: exactly one kind.
    #[serde(flatten)]
    pub anchor: Anchor,
    /// On which other node it is. The server's pod is made there once it is proven that the one
    /// before has ended, or on an administrator's word, and stays until it is handed back. Without
    /// it the standby is on the anchor's node, in the same pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
}

/// Where the license file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LicenseRef {
    /// A Secret in the same namespace.
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,
    /// The key in it.
    #[serde(default = "license_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

impl LicenseRef {
    /// The usual keys of this Secret.
    pub fn new(secret_name: impl Into<String>) -> Self {
        Self {
            secret_name: secret_name.into(),
            key: license_key(),
        }
    }
}

/// Where a revocation list is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevocationsRef {
    /// A Secret in the same namespace.
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,
    /// The key in it.
    #[serde(default = "revocations_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

impl LicenseServerSpec {
    /// Where the revocation list would be: as named, or with the first license.
    pub fn revocations(&self) -> Option<RevocationsRef> {
        let first = self.licenses.first().map(|l| RevocationsRef {
            secret_name: l.secret_name.clone(),
            key: revocations_key(),
        });
        self.revocations.clone().or(first)
    }
}

fn revocations_key() -> String {
    "revocations".to_owned()
}

fn license_key() -> String {
    "license.mooring".to_owned()
}

/// The vendor's public keys, one `ed25519:‹hex›` a line, `#` begins a comment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.configMapName) != has(self.secretName)",
    "message": "expected exactly one of configMapName and secretName"
}]))]
pub struct VendorKeys {
    /// A ConfigMap in the same namespace; each of its keys is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub config_map_name: Option<String>,
    /// A Secret in the same namespace; each of its keys is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: Option<String>,
}

/// Whose client tokens count: a ConfigMap or a Secret in the same namespace. What is in it is taken
/// in without a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.configMapName) != has(self.secretName)",
    "message": "clients: expected exactly one of configMapName and secretName"
}]))]
pub struct ClientKeys {
    /// A ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub config_map_name: Option<String>,
    /// A Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: Option<String>,
    /// The key in it with the public keys (`mooring client keygen`).
    #[serde(default = "client_keys")]
    #[schemars(length(min = 1, max = 253))]
    pub keys_key: String,
    /// The key with issuers, YAML: who may sign client tokens for subjects that begin with a prefix
    /// of their own, and how many claims these may have in all; it need not be there.
    #[serde(default = "issuers_key")]
    #[schemars(length(min = 1, max = 253))]
    pub issuers_key: String,
    /// The key with revoked tokens and subjects, one a line; it need not be there.
    #[serde(default = "revoked_key")]
    #[schemars(length(min = 1, max = 253))]
    pub revoked_key: String,
}

fn client_keys() -> String {
    "client-keys".to_owned()
}

fn issuers_key() -> String {
    "issuers".to_owned()
}

fn revoked_key() -> String {
    "revoked".to_owned()
}

/// The server's certificate, which the operator's CA signs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TlsSettings {
    /// Names and IP addresses besides the Service's name, by which clients outside the cluster call
    /// it. The chart's `licenseServers.allowedNames` says which there may be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub names: Vec<String>,
}

impl TlsSettings {
    fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// How much of an audit log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AuditSettings {
    /// How large a file becomes, in bytes, before the next one is begun. 16384 to 1073741824.
    #[schemars(range(min = *FILE_SIZES.start(), max = *FILE_SIZES.end()))]
    pub max_file_size: u32,
    /// How many files there are at most; the oldest is deleted. 2 to 1000.
    #[schemars(range(min = *FILE_COUNTS.start(), max = *FILE_COUNTS.end()))]
    pub files: u16,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            max_file_size: FILE_SIZE,
            files: FILES,
        }
    }
}

/// How long leases last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = lease_rules()))]
pub struct LeaseSettings {
    /// D: how long a lease holds without renewal; a silent holder's seat is free a little later.
    /// 10s to 5m.
    pub duration: Span,
    /// How long an application may go on after the last confirmed contact. A license may say less.
    pub grace: Span,
    /// When a silent pod's seat is given away: `Any`: after its lease; `Confirmed`: only on proof
    /// that the pod is gone, or after its grace.
    pub reclaim: Reclaim,
    /// How many claims one pod may have at a time, or one subject outside the cluster. 1 to 1024.
    #[schemars(range(min = 1, max = MOST_CLAIMS_PER_HOLDER))]
    pub claims_per_holder: u16,
}

/// What [`LeaseSettings`] must keep to, for the API server.
fn lease_rules() -> serde_json::Value {
    let (shortest, longest) = (Span(MIN_LEASE), Span(MAX_LEASE));
    let within = format!(
        "duration(self.duration) >= duration('{shortest}') && duration(self.duration) <= duration('{longest}')"
    );
    serde_json::json!([
        { "rule": format!("!has(self.duration) || ({within})"),
          "message": format!("lease.duration: expected {shortest} to {longest}") },
        { "rule": "!has(self.grace) || duration(self.grace) <= duration('720h')",
          "message": "lease.grace: expected at most 720h" },
        { "rule": "!has(self.grace) || !has(self.duration) || duration(self.grace) >= duration(self.duration)",
          "message": "lease.grace: expected at least lease.duration" }
    ])
}

impl Default for LeaseSettings {
    fn default() -> Self {
        Self {
            duration: Span(DEFAULT_LEASE),
            grace: Span(DEFAULT_GRACE),
            reclaim: Reclaim::default(),
            claims_per_holder: CLAIMS_PER_HOLDER,
        }
    }
}

/// Which namespaces' pods may use a server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.selector) == (has(self.from) && self.from == 'Selector')",
    "message": "allowedNamespaces.selector: expected with from: Selector, and only there"
}]))]
pub struct AllowedNamespaces {
    /// `Same`: the server's own namespace; `All`: every one; `Selector`: those whose labels match
    /// `selector`.
    #[serde(default)]
    pub from: NamespacesFrom,
    /// With `from: Selector`: the namespaces' labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label_selector")]
    pub selector: Option<LabelSelector>,
}

/// How namespaces are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NamespacesFrom {
    /// The server's own namespace.
    #[default]
    Same,
    /// Every namespace.
    All,
    /// Those whose labels match.
    Selector,
}

/// Which policy its seats are under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyRef {
    /// A LicensePolicy in the same namespace.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// How the server is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceSettings {
    /// `NodePort` or `LoadBalancer` for clients outside the cluster.
    #[serde(rename = "type")]
    pub type_: ServiceType,
    /// The Service's port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// Annotations of the Service, such as a load balancer's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// How many connections the server takes at once. The pod's limit of memory follows from it.
    pub connections: Connections,
}

/// How many connections a server takes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.perAddress) || !has(self.most) || self.perAddress <= self.most",
    "message": "connections.perAddress: expected at most connections.most"
}]))]
pub struct Connections {
    /// In sum: one for each sidecar. Where all are taken, who has most gives way to who has less.
    #[schemars(range(min = 16, max = 100_000))]
    pub most: u32,
    /// Of one address. More, where many clients come through one (NAT, a load balancer).
    #[schemars(range(min = 1, max = 100_000))]
    pub per_address: u32,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            most: MOST_CONNECTIONS,
            per_address: CONNECTIONS_PER_ADDRESS,
        }
    }
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            type_: ServiceType::default(),
            port: API_PORT,
            annotations: BTreeMap::new(),
            connections: Connections::default(),
        }
    }
}

/// A Service's type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ServiceType {
    /// Inside the cluster.
    #[default]
    #[serde(rename = "ClusterIP")]
    ClusterIp,
    /// On a port of each node, too.
    NodePort,
    /// By a load balancer, too.
    LoadBalancer,
}

impl ServiceType {
    /// As Kubernetes spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClusterIp => "ClusterIP",
            Self::NodePort => "NodePort",
            Self::LoadBalancer => "LoadBalancer",
        }
    }
}

/// What the server's pod looks like.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// The server's image; without it the one the operator was installed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub image: Option<String>,
    /// Secrets to pull the image with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::local_references")]
    pub image_pull_secrets: Vec<LocalObjectReference>,
    /// Requests and limits of the server's container. A dongle that the node offers as a device
    /// resource goes into `anchor.pkcs11.deviceResource`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::resources")]
    pub resources: Option<ResourceRequirements>,
    /// Environment of the server, such as `SOFTHSM2_CONF`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub env: Vec<EnvVar>,
    /// Folders or devices of the node that the anchor needs, such as a token store or pcscd's
    /// socket.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["mountPath"]))]
    pub host_paths: Vec<HostPath>,
    /// Further groups of the server's processes, where a device file or a socket is for one: `tss`
    /// of a TPM, for instance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(range(min = 1, max = 2_147_483_647)))]
    pub supplemental_groups: Vec<i64>,
    /// Further labels of the pod, such as a mesh's or a policy's. Those of Mooring stay as they
    /// are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("x-kubernetes-validations" = no_keys_of_ours("podLabels"), "maxProperties" = 64))]
    pub pod_labels: BTreeMap<String, String>,
    /// Further annotations of the pod.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("x-kubernetes-validations" = no_keys_of_ours("podAnnotations"), "maxProperties" = 64))]
    pub pod_annotations: BTreeMap<String, String>,
    /// The user the server runs as, or `platform` where the platform assigns user and group
    /// (OpenShift). Without it the chart's `server.runAsUser` (65532), or 0 with an `hwid` anchor
    /// (the machine's identity is for root's eyes). 0 otherwise only where the anchor's files are
    /// root's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_user: Option<RunAs>,
}

/// For labels and annotations: those of Mooring are its own.
fn no_keys_of_ours(field: &str) -> serde_json::Value {
    serde_json::json!([{
        "rule": "self.all(k, !k.startsWith('mooring.dev/'))",
        "message": format!("{field}: expected no keys that begin with mooring.dev/: they are Mooring's own"),
    }])
}

/// A variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EnvVar {
    /// Its name.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// Its value.
    #[serde(default)]
    #[schemars(length(max = 32768))]
    pub value: String,
}

/// A path of the node in the server's container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!self.mountPath.startsWith('/etc/mooring') && !self.mountPath.startsWith('/var/lib/mooring') && self.mountPath != '/tmp' && self.mountPath != '/host'",
    "message": "mountPath: /etc/mooring, /var/lib/mooring, /tmp and /host are the server's own"
}]))]
pub struct HostPath {
    /// On the node.
    #[schemars(length(max = 4096), regex(pattern = "^/.*"))]
    pub path: String,
    /// In the container.
    #[schemars(length(max = 4096), regex(pattern = "^/.+"))]
    pub mount_path: String,
    /// Whether the container may only read it.
    #[serde(default)]
    pub read_only: bool,
    /// What it is: without it a folder. It must be there: a path that is misspelt, or meant for
    /// another node, is said by the kubelet, and no empty folder is made in its place.
    #[serde(rename = "type", default)]
    pub type_: HostPathType,
}

/// What a path of the node is, in Kubernetes' words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HostPathType {
    /// A folder.
    #[default]
    Directory,
    /// A file.
    File,
    /// A Unix socket.
    Socket,
    /// A device.
    CharDevice,
    /// A disk.
    BlockDevice,
}

impl HostPathType {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Directory => "Directory",
            Self::File => "File",
            Self::Socket => "Socket",
            Self::CharDevice => "CharDevice",
            Self::BlockDevice => "BlockDevice",
        }
    }
}
