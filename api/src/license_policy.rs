//! `LicensePolicy`: whose a license server's seats are, named by LicenseServers.
//!
//! Groups are told apart by what a holder's credential says, never by a pod's own labels. A license
//! server knows it as a [`SeatPolicy`]: the same, with selectors resolved ([`crate::seat_policy`]).
#![allow(clippy::duplicated_attributes)] // each printcolumn has a type and a path

use crate::duration::Span;
use crate::policy_status::LicensePolicyStatus;
use crate::schema;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::CustomResource;
use mooring_core::time::MIN_LEASE;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

/// The longest that a policy may have an owner wait for what is lent, or one in line be passed.
const LONGEST_NOTICE: Duration = Duration::from_secs(24 * 3600);

/// Whose the seats are of the license servers that name it.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "mooring.dev",
    version = "v1alpha1",
    kind = "LicensePolicy",
    plural = "licensepolicies",
    namespaced,
    shortname = "lpol",
    category = "mooring",
    status = "LicensePolicyStatus",
    derive = "PartialEq",
    doc = "Whose the seats are of the LicenseServers in its namespace that name it (spec.policy): groups of holders, what each owns, lends and may have at most.",
    printcolumn(name = "Servers", type_ = "string", json_path = ".status.serverNames"),
    printcolumn(name = "Groups", type_ = "integer", json_path = ".status.groupCount"),
    printcolumn(
        name = "Accepted",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Accepted\")].status"
    ),
    printcolumn(name = "Dry-Run", type_ = "boolean", json_path = ".spec.dryRun"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        priority = 1,
        json_path = ".status.conditions[?(@.type==\"Accepted\")].message"
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = policy_rules()))]
pub struct LicensePolicySpec {
    /// How long who has borrowed a seat keeps it from when it is first told that the owner wants it
    /// back. 10s to 24h; shorter than the lease it counts as the lease.
    #[serde(default = "default_notice")]
    pub notice: Span,
    /// Nothing is enforced; `status.servers[].wouldChange` says what would be otherwise. A
    /// LicenseServer that names a dry run has no policy in force.
    #[serde(default)]
    pub dry_run: bool,
    /// With `dryRun`: LicenseServers on which it is tried out though they do not name it. What is
    /// in force there stays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub dry_run_on: Vec<String>,
    /// In order: the first that a holder matches is its own. Who matches none owns nothing, and is
    /// limited by what others own alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub groups: Vec<GroupSpec>,
    /// By the license's pool: where a claim that fits may pass one that does not. Elsewhere free
    /// seats gather for the first in line.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64, "x-kubernetes-validations" = pool_name_rules("backfill")))]
    pub backfill: BTreeMap<String, BackfillSpec>,
}

/// How long a claim that does not fit is passed by others that do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = backfill_rules()))]
pub struct BackfillSpec {
    /// From when it was first passed; then free seats gather for it. 1s to 24h.
    pub patience: Span,
}

/// Holders that share what they own, and what they may have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = group_rules()))]
pub struct GroupSpec {
    /// Its name, which denials and metrics say.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// Pods of these namespaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("minItems" = 1, "maxItems" = 1000, "x-kubernetes-list-type" = "set", "items" = dns_label()))]
    pub namespaces: Vec<String>,
    /// Pods of the namespaces whose labels match; `{}`: of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label_selector")]
    pub namespace_selector: Option<LabelSelector>,
    /// Pods of these service accounts, as `namespace/name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("minItems" = 1, "maxItems" = 1000, "x-kubernetes-list-type" = "set", "items" = service_account()))]
    pub service_accounts: Vec<String>,
    /// With `namespaces` or `namespaceSelector`: of those only pods with one of these
    /// `mooring.dev/project`, where their namespace allows it: its annotation
    /// `mooring.dev/projects` lists it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("minItems" = 1, "maxItems" = 64, "x-kubernetes-list-type" = "set", "items" = dns_label()))]
    pub projects: Vec<String>,
    /// Clients outside the cluster whose client tokens have these subjects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("minItems" = 1, "maxItems" = 1000, "x-kubernetes-list-type" = "set", "items" = { "type": "string", "minLength": 1, "maxLength": 253 }))]
    pub subjects: Vec<String>,
    /// Higher ones stand before others in line. -1000 to 1000.
    #[serde(default)]
    #[schemars(range(min = -1000, max = 1000))]
    pub priority: i32,
    /// Of those of one priority who has fewer seats for its weight stands before, where any group
    /// of the policy has a weight; without it 1. 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub weight: Option<NonZeroU32>,
    /// What it has, by the license's pool: the product's name, unless the license says otherwise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64, "x-kubernetes-validations" = pool_name_rules("pools")))]
    pub pools: BTreeMap<String, PoolSpec>,
}

/// What a group has of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = pool_rules()))]
pub struct PoolSpec {
    /// Seats that nobody else has while it wants them.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub owned: u32,
    /// The most that it has at a time; without it there is no such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub max: Option<u32>,
    /// How many of those that it owns others may have while it does not want them; without it all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub lend: Option<u32>,
}

impl Default for LicensePolicySpec {
    fn default() -> Self {
        Self {
            notice: default_notice(),
            dry_run: false,
            dry_run_on: Vec::new(),
            groups: Vec::new(),
            backfill: BTreeMap::new(),
        }
    }
}

fn default_notice() -> Span {
    Span(Duration::from_secs(15 * 60))
}

fn dns_label() -> serde_json::Value {
    serde_json::json!({ "type": "string", "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" })
}

fn service_account() -> serde_json::Value {
    let pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-.a-z0-9]*[a-z0-9])?$";
    serde_json::json!({ "type": "string", "maxLength": 317, "pattern": pattern })
}

fn policy_rules() -> serde_json::Value {
    let (shortest, longest) = (Span(MIN_LEASE), Span(LONGEST_NOTICE));
    serde_json::json!([
        { "rule": format!("!has(self.notice) || (duration(self.notice) >= duration('{shortest}') && duration(self.notice) <= duration('{longest}'))"),
          "message": format!("notice: expected {shortest} (the shortest lease, within which a holder hears anything) to {longest}") },
        { "rule": "(has(self.groups) && size(self.groups) > 0) || (has(self.backfill) && size(self.backfill) > 0)",
          "message": "groups: expected at least one (or backfill): without either a policy says nothing" },
        { "rule": "!has(self.dryRunOn) || size(self.dryRunOn) == 0 || (has(self.dryRun) && self.dryRun)",
          "message": "dryRunOn: expected with dryRun: true, and only there; a LicenseServer takes a policy by its own spec.policy" }
    ])
}

fn group_rules() -> serde_json::Value {
    serde_json::json!([{
        "rule": "!has(self.projects) || has(self.namespaces) || has(self.namespaceSelector)",
        "message": "projects: expected with namespaces or namespaceSelector, whose owners allow them"
    }, {
        "rule": "has(self.namespaces) || has(self.namespaceSelector) || has(self.serviceAccounts) || has(self.subjects)",
        "message": "groups: expected at least one of namespaces, namespaceSelector, serviceAccounts and subjects (namespaceSelector: {} is every namespace)"
    }])
}

fn pool_name_rules(field: &str) -> serde_json::Value {
    serde_json::json!([{
        "rule": "self.all(name, name.matches('^[A-Za-z0-9._+-]{1,64}$'))",
        "message": format!("{field}: expected the names of the license's pools, each 1 to 64 of A-Z, a-z, 0-9 and . _ + -")
    }])
}

fn backfill_rules() -> serde_json::Value {
    let longest = Span(LONGEST_NOTICE);
    serde_json::json!([{
        "rule": format!("duration(self.patience) >= duration('1s') && duration(self.patience) <= duration('{longest}')"),
        "message": format!("patience: expected 1s to {longest}")
    }])
}

fn pool_rules() -> serde_json::Value {
    serde_json::json!([
        { "rule": "!has(self.max) || !has(self.owned) || self.max >= self.owned",
          "message": "max: expected at least owned" },
        { "rule": "!has(self.lend) || self.lend <= (has(self.owned) ? self.owned : 0)",
          "message": "lend: expected at most owned" }
    ])
}
