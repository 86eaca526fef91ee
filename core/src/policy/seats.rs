//! Whose seats are whose: what an administrator says of a license server's seats (LicensePolicy).
//!
//! Groups are told apart by what a holder's credential says, never by what it says of itself. What
//! a group owns, and the most that it may have, are limits on others and on itself; nobody stands
//! before anybody by them.

use crate::identity::Holder;
use crate::names::{PoolName, ProjectName};
use crate::time::Secs;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
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
    /// It goes by projects, even while no namespace allows any: whom it holds back is told that the
    /// project that it names counts for nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_project: bool,
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
    /// Pods that name these projects, as `namespace/project`: only such as the namespace's owner
    /// lets its pods name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub projects: Vec<String>,
    /// Clients outside Kubernetes with these subjects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<String>,
    /// Higher ones stand before others in line.
    #[serde(default, deserialize_with = "crate::whole::read_small")]
    #[cfg_attr(feature = "schema", schemars(range(min = i32::MIN, max = i32::MAX)))]
    pub priority: i32,
    /// Where any group has one: of those of one priority who has fewer seats for its weight stands
    /// before; absent: 1. Where none has, who came first does.
    #[serde(
        default,
        deserialize_with = "weight",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = u32::MAX)))]
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
    #[serde(default, deserialize_with = "crate::whole::read_small")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = u32::MAX)))]
    pub owned: u32,
    /// The most that it has at a time; absent: no such limit.
    #[serde(
        default,
        deserialize_with = "crate::whole::read_small_option",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = u32::MAX)))]
    pub max: Option<u32>,
    /// How many of those that it owns others may have while it does not want them; absent: all.
    #[serde(
        default,
        deserialize_with = "crate::whole::read_small_option",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = u32::MAX)))]
    pub lend: Option<u32>,
}

/// A weight, where there is one: 1 or more.
fn weight<'de, D: Deserializer<'de>>(d: D) -> Result<Option<NonZeroU32>, D::Error> {
    let weight: Option<u32> = crate::whole::read_small_option(d)?;
    let none = || D::Error::custom("weight: 0; expected 1 or more");
    weight
        .map(|n| NonZeroU32::new(n).ok_or_else(none))
        .transpose()
}

impl PoolRights {
    /// How many of its own others may have while it does not want them.
    pub fn lent(self) -> u32 {
        self.lend.map_or(self.owned, |n| n.min(self.owned))
    }
}

impl SeatPolicy {
    /// The place of a holder's group: the first that it matches; `None` if it is in none.
    /// `project`: what its claim says that it is for.
    pub fn group_of(&self, holder: &Holder, project: Option<&ProjectName>) -> Option<usize> {
        let matches = |g: &PolicyGroup| match holder {
            Holder::Pod {
                namespace,
                service_account,
                ..
            }
            | Holder::Owner {
                namespace,
                service_account,
                ..
            } => {
                let of = |n: &String| n == namespace || n == EVERY_NAMESPACE;
                let account = (namespace.as_str(), service_account.as_str());
                let project = project.map(|p| (namespace.as_str(), p.as_str()));
                let named = |all: &[String], name: (&str, &str)| {
                    all.iter().any(|a| a.split_once('/') == Some(name))
                };
                g.namespaces.iter().any(of)
                    || named(&g.service_accounts, account)
                    || project.is_some_and(|p| named(&g.projects, p))
            }
            Holder::External { subject } => g.subjects.contains(subject),
        };
        self.groups.iter().position(matches)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn whole_numbers_may_be_written_as_json_writes_them_and_others_are_named() {
        let policy = |weight: &str, owned: &str| {
            let text = format!(
                r#"{{"name": "p", "noticeSecs": 60.0, "groups": [
                    {{"name": "a", "priority": -2.0, "weight": {weight}, "pools": {{"r": {{"owned": {owned}, "max": 3.0}}}}}}
                ], "backfill": {{"r": {{"patienceSecs": 5.0}}}}}}"#
            );
            serde_json::from_str::<SeatPolicy>(&text).map_err(|e| e.to_string())
        };
        let read = policy("4.0", "2.0").unwrap();
        let group = &read.groups[0];
        assert_eq!((read.notice.as_secs(), group.priority), (60, -2));
        assert_eq!(group.weight, NonZeroU32::new(4));
        let rights = group.pools.values().next().unwrap();
        assert_eq!((rights.owned, rights.max), (2, Some(3)));
        for (weight, owned, why) in [
            ("0", "2", "weight: 0; expected 1 or more"),
            (
                "1",
                "-1",
                "integer `-1`, expected a whole number within its bounds",
            ),
            (
                "1",
                "4294967296",
                "expected a whole number within its bounds",
            ),
            ("1", "2.5", "floating point `2.5`"),
        ] {
            let bad = policy(weight, owned).unwrap_err();
            assert!(bad.contains(why), "{bad}");
        }
    }
}
