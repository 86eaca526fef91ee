//! What the operator reports of a LicensePolicy.

use crate::schema;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use mooring_core::wire::GroupUse;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many lines `wouldChange` has at most.
pub const MOST_LINES: usize = 20;
/// How many entries `groups` of one server has at most: an object has a bound, and a server may say
/// anything.
pub const MOST_USES: usize = 1000;

/// A condition: what it says can be done.
pub const ACCEPTED: &str = "Accepted";
/// A condition: each group has somebody whom no group before it takes.
pub const GROUPS_MATCH: &str = "GroupsMatch";
/// A condition: each pool that it names is one of the license's.
pub const POOLS_KNOWN: &str = "PoolsKnown";
/// A condition: there are as many seats as groups own.
pub const SEATS_SUFFICE: &str = "SeatsSuffice";

/// How a policy is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LicensePolicyStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Accepted`, `GroupsMatch`, `PoolsKnown`, `SeatsSuffice`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// The names of `servers`, for a column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_names: Option<String>,
    /// How many groups it has, for a column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_count: Option<u32>,
    /// The LicenseServers that name it, and those of `spec.dryRunOn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub servers: Vec<PolicyOnServer>,
}

impl LicensePolicyStatus {
    /// The condition of this type.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|c| c.type_ == kind)
    }
}

/// How it stands on one license server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyOnServer {
    /// The LicenseServer, in the policy's namespace.
    pub name: String,
    /// Whether the license server goes by it.
    #[serde(default)]
    pub in_force: bool,
    /// Why not, or what else is to be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What each group has of each pool; in a dry run what it would have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupStatus>,
    /// Pools that it names and no license of this server has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown_pools: Vec<String>,
    /// In a dry run: whether the license server has said what would change.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tried: bool,
    /// In a dry run: the first 20 claims that would stand otherwise, and how.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub would_change: Vec<String>,
    /// In a dry run: how many others would, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would_change_more: Option<u32>,
}

/// What a group has of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupStatus {
    /// Its name; without it those who are in no group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The license's pool.
    pub pool: String,
    /// How many seats it owns of those that there are.
    pub owned: u32,
    /// The most that it may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// How many it has.
    pub used: u32,
}

impl From<&GroupUse> for GroupStatus {
    fn from(u: &GroupUse) -> Self {
        Self {
            group: u.group.clone(),
            pool: u.pool.to_string(),
            owned: u.owned,
            max: u.max,
            used: u.used,
        }
    }
}
