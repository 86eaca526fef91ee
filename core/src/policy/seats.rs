//! Whose seats are whose: what an administrator says of a license server's seats (LicensePolicy).
//!
//! Groups are told apart by what a holder's credential says, never by what it says of itself. What
//! a group owns, and the most that it may have, are limits on others and on itself; nobody stands
//! before anybody by them.

use crate::identity::Holder;
use crate::names::PoolName;
use crate::time::Secs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

/// In a group's namespaces: all of them. No namespace has that name.
pub const EVERY_NAMESPACE: &str = "*";

/// A policy over the seats of one license server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeatPolicy {
    /// Its name, for people.
    pub name: String,
    /// How long who has borrowed a seat may keep it from when it is first told that its owner wants
    /// it, in seconds.
    #[serde(rename = "noticeSecs", with = "Secs")]
    #[cfg_attr(feature = "schema", schemars(with = "u64"))]
    pub notice: Duration,
    /// The first that a holder matches is its own. Who matches none is limited by what others own
    /// alone.
    pub groups: Vec<PolicyGroup>,
    /// By the license's pool: where a claim that fits may pass one that does not. Elsewhere free
    /// seats gather for the first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub backfill: BTreeMap<PoolName, Backfill>,
}

/// How long a claim that does not fit is passed by others that do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backfill {
    /// From when it was first passed, in seconds; then free seats gather for it.
    #[serde(rename = "patienceSecs", with = "Secs")]
    #[cfg_attr(feature = "schema", schemars(with = "u64"))]
    pub patience: Duration,
}

/// Holders that share what they own, and what they may have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyGroup {
    /// Its name, for people.
    pub name: String,
    /// Pods of these namespaces; `*`: of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// Pods of these service accounts, as `namespace/name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub service_accounts: Vec<String>,
    /// Clients outside Kubernetes with these subjects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<String>,
    /// Higher ones stand before others in line.
    #[serde(default)]
    pub priority: i32,
    /// Where any group has one: of those of one priority who has fewer seats for its weight stands
    /// before; absent: 1. Where none has, who came first does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<NonZeroU32>,
    /// By the license's pool; those of one name in several license files are one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pools: BTreeMap<PoolName, PoolRights>,
}

/// What a group has of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PoolRights {
    /// Seats that nobody else has while it wants them.
    #[serde(default)]
    pub owned: u32,
    /// The most that it has at a time; absent: no such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// How many of those that it owns others may have while it does not want them; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lend: Option<u32>,
}

impl PoolRights {
    /// How many of its own others may have while it does not want them.
    pub fn lent(self) -> u32 {
        self.lend.map_or(self.owned, |n| n.min(self.owned))
    }
}

impl SeatPolicy {
    /// The place of a holder's group; `None` if it is in none.
    pub fn group_of(&self, holder: &Holder) -> Option<usize> {
        match holder {
            Holder::Pod {
                namespace,
                service_account,
                ..
            }
            | Holder::Owner {
                namespace,
                service_account,
                ..
            } => self.group_of_pod(namespace, service_account),
            Holder::External { subject } => self.group_of_subject(subject),
        }
    }

    /// The same for a pod, by its service account.
    pub fn group_of_pod(&self, namespace: &str, account: &str) -> Option<usize> {
        let is_it = |s: &String| s.split_once('/') == Some((namespace, account));
        self.groups.iter().position(|g| {
            let of = |n: &String| n == namespace || n == EVERY_NAMESPACE;
            g.namespaces.iter().any(of) || g.service_accounts.iter().any(is_it)
        })
    }

    /// The same for a client outside Kubernetes.
    pub fn group_of_subject(&self, subject: &str) -> Option<usize> {
        let has = |g: &PolicyGroup| g.subjects.iter().any(|s| s == subject);
        self.groups.iter().position(has)
    }
}
