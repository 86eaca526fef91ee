//! What the operator reports of a LicenseServer.

use crate::duration::Span;
use crate::schema;
use crate::serving::Serving;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use mooring_core::license::VersionRange;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a license server is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LicenseServerStatus {
    /// `Ready`, `AnchorPresent`, `LicenseValid`, `Settling`, `Placed`; `PolicyReady` with
    /// `spec.policy`; `PrimaryServes` with a standby elsewhere; `SecondServerSeen`, `ClockSkew`,
    /// `NameTaken` and `PodsTrustEarlierCa` once they were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// The node its pod is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The anchor in a word: `Present`, or why it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<String>,
    /// Where sidecars reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The addresses of its Service: one that is made anew gets them again, where they are free,
    /// since pods without the cluster's DNS know the server by them.
    #[serde(default, rename = "clusterIPs", skip_serializing_if = "Vec::is_empty")]
    pub cluster_ips: Vec<String>,
    /// How often its pod was made anew for a dongle that was plugged in again, since the anchor was
    /// last there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacements: Option<Replacements>,
    /// Its pod was deleted and does not end, since its node died, and the dongle is elsewhere. It
    /// is deleted by force once nothing that the dongle signed there counts any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck: Option<StuckPod>,
    /// With a standby on another node: which of the two serves. Written before its pod is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<Serving>,
    /// The longest lease duration that any instance of this server may have granted. Raised before
    /// a longer lease is rolled out; a new instance settles that long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_duration_in_force: Option<Span>,
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The server's present run; another one after each restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The server's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The ids of the licenses in force, in the order in which they are drawn on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub licenses: Vec<String>,
    /// What they say of starts with no server in reach: `allow`, `voucher` or `deny`. New
    /// sidecars are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimistic_start: Option<String>,
    /// How long an application may go on after the last contact, as the server said last: the
    /// smaller of `spec.lease.grace` and what the license allows. New sidecars are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<Span>,
    /// While the server does not answer the operator: when it was heard last. The numbers are as of
    /// then (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// Seats taken, over all pools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<u32>,
    /// Seats there are, over all pools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seats: Option<u32>,
    /// Claims in line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u32>,
    /// Each product; of a license with more, the first 1000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub products: Vec<ProductStatus>,
    /// How many products the license has, where `products` lists fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub products_in_all: Option<u32>,
}

/// How many products `status.products` lists at most: an object has a bound, and each change of a
/// number writes it anew.
pub const MAX_STATUS_PRODUCTS: usize = 1000;

/// A condition: it serves.
pub const READY: &str = "Ready";
/// A condition: the anchor is there and signs.
pub const ANCHOR_PRESENT: &str = "AnchorPresent";
/// A condition: a license is in force.
pub const LICENSE_VALID: &str = "LicenseValid";
/// A condition: it has just started, and takes earlier leases in before it grants anything new.
pub const SETTLING: &str = "Settling";
/// A condition: there is a node for it.
pub const PLACED: &str = "Placed";
/// A condition: an object of somebody else has a name that it needs; it is left alone.
pub const NAME_TAKEN: &str = "NameTaken";
/// A condition: running pods trust only a CA from before the operator's present one.
pub const PODS_TRUST_EARLIER_CA: &str = "PodsTrustEarlierCa";
/// A condition: the policy that it names is there, and handed to it.
pub const POLICY_READY: &str = "PolicyReady";
/// A condition, with a standby on another node: the anchor serves, and not the standby.
pub const PRIMARY_SERVES: &str = "PrimaryServes";
/// A condition: another process with the same anchor was seen.
pub const SECOND_SERVER_SEEN: &str = "SecondServerSeen";

/// A condition: the clock of a holder's machine differs from the server's by an hour or more.
pub const CLOCK_SKEW: &str = "ClockSkew";

/// Why it is `Ready`: it grants leases.
pub const SERVING: &str = "Serving";
/// Why the primary serves: nothing is wrong with it.
pub const AS_PLANNED: &str = "AsPlanned";
/// Why it is `Placed`: a node carries the labels.
pub const NODE_FOUND: &str = "NodeFound";
/// Why it is `Placed`: a node has the device.
pub const DEVICE_FOUND: &str = "DeviceFound";
/// Why its policy is ready: it goes by it.
pub const POLICY_IN_FORCE: &str = "PolicyInForce";
/// Why its policy is ready: it is only tried out.
pub const POLICY_DRY_RUN: &str = "PolicyDryRun";
/// Why its policy is not ready: there is none of that name.
pub const POLICY_NOT_FOUND: &str = "PolicyNotFound";
/// Why a condition is unknown: the server cannot be asked. `Ready` says why.
pub const NO_CONTACT: &str = "NoContact";
/// The same before its first start.
pub const NOT_STARTED: &str = "NotStarted";

impl LicenseServerStatus {
    /// The condition of this type.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|c| c.type_ == kind)
    }
}

/// How often a pod was made anew, and when last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replacements {
    /// How often.
    pub count: u32,
    /// When last.
    #[schemars(schema_with = "schema::time")]
    pub last: Time,
}

/// A pod that does not end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StuckPod {
    /// Its UID.
    pub uid: String,
    /// Since when its dongle is elsewhere.
    #[schemars(schema_with = "schema::time")]
    pub since: Time,
}

/// One product's numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProductStatus {
    /// The product.
    pub name: String,
    /// The most seats one could have with the pools empty.
    pub seats: u32,
    /// Seats granted.
    pub used: u32,
    /// Claims in line that ask for it.
    pub waiting: u32,
    /// When the last of its seats ends (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Which versions of it are covered, by each license that sells it, both bounds included; all
    /// without it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<VersionRange>,
}
