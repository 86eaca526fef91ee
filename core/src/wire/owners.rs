//! `POST /v1/owners`: what the operator claims for what has pods run, and for pods that wait to be
//! scheduled.

use super::{Problem, Stance, WaitReason};
use crate::identity::{Holder, HolderKey};
use crate::names::{ClaimName, InstanceId, LeaseId, ProjectName};
use crate::receipt::Sealed;
use crate::request::Item;
#[cfg(feature = "schema")]
use crate::request::MAX_ITEMS;
use crate::time::millis_option;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::time::Duration;

/// How many owners one request may speak of.
pub const MAX_OWNERS: usize = 500;

/// Claims for owners, each for itself; also how they are renewed, by saying the same again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Owners {
    /// At most 500.
    #[cfg_attr(feature = "schema", schemars(length(max = MAX_OWNERS)))]
    pub owners: Vec<OwnerClaim>,
}

/// A claim for an owner. The operator's certificate is all that it takes: there is no secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OwnerClaim {
    /// Whose.
    pub owner: Holder,
    /// Its name for it.
    pub claim: ClaimName,
    /// What all its pods ask for together. Fewer seats than before at any time; more only where its
    /// pods have them, or while it waits.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = MAX_ITEMS)))]
    pub items: Vec<Item>,
    /// What its seats are used for, as all its pods say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectName>,
    /// The pods that may take shares of it: these, and no others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<HolderKey>,
    /// No pod of it lives: it keeps its place in line, and nothing gathers for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rests: bool,
    /// Pods that replace others of it before those have gone: each may run on loan, where the
    /// license allows it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<Replacing>,
    /// It is given back: what no pod has taken is free.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ends: bool,
    /// The run of the server whose lease or place this claim was given last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<InstanceId>,
    /// The last receipt of the lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Sealed>,
    /// How long ago the request was sent that the receipt answered, in milliseconds.
    #[serde(
        default,
        rename = "sentAgoMs",
        with = "millis_option",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "schema", schemars(with = "Option<u64>"))]
    pub sent_ago: Option<Duration>,
    /// The place in line that an earlier answer gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Sealed>,
}

/// A pod that comes before the one goes that it replaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Replacing {
    /// The one that goes.
    pub pod: HolderKey,
    /// The one that comes.
    pub by: HolderKey,
}

impl OwnerClaim {
    /// How it stands in line.
    pub const fn stance(&self) -> Stance {
        if self.rests {
            Stance::Rests
        } else {
            Stance::Gathers
        }
    }

    /// What is wrong with the pairs of pods, if something is: the field, and what was expected.
    pub fn bad_pair(&self) -> Option<(String, String)> {
        let named: HashSet<&HolderKey> = self.pods.iter().collect();
        let (mut going, mut coming) = (HashSet::new(), HashSet::new());
        for (i, Replacing { pod, by }) in self.replaces.iter().enumerate() {
            for (field, key, seen) in [("pod", pod, &mut going), ("by", by, &mut coming)] {
                let expected = if !named.contains(key) {
                    "one of the claim's pods"
                } else if !seen.insert(key) {
                    "each pod once"
                } else {
                    continue;
                };
                let field = format!("replaces[{i}].{field}");
                return Some((field, format!("{key}, expected {expected}")));
            }
            if coming.contains(pod) || going.contains(by) {
                let expected = "a pod that goes, and one that comes";
                return Some((
                    format!("replaces[{i}]"),
                    format!("{pod} and {by}, expected {expected}"),
                ));
            }
        }
        None
    }
}

/// How the claims of owners stand, in the order of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OwnersAnswer {
    /// The server's run.
    pub instance: InstanceId,
    /// Each claim.
    pub owners: Vec<OwnerStands>,
}

/// How an owner's claim stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    tag = "state",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum OwnerStands {
    /// Its seats are there, for its pods to take.
    Reserved {
        /// The lease.
        lease: LeaseId,
        /// For the server's next run.
        receipt: Sealed,
        /// It is called back: why, and in how many milliseconds it ends.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        called_back: Option<Problem>,
    },
    /// In line.
    Waiting {
        /// The lease that it will become.
        lease: LeaseId,
        /// From 1.
        place: u32,
        /// Why it waits.
        reason: WaitReason,
        /// The same in words.
        message: String,
        /// Its place, for the server's next run.
        ticket: Sealed,
    },
    /// Given back.
    Ended,
    /// No.
    Refused {
        /// Why.
        problem: Problem,
    },
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn pods_that_replace_others_are_the_owners_and_each_is_named_once() {
        let claim = |pairs: &[(&str, &str)]| -> OwnerClaim {
            let pair = |(pod, by): &(&str, &str)| serde_json::json!({"pod": pod, "by": by});
            let owner = serde_json::json!({
                "owner": {"kind": "owner", "namespace": "ns", "owner": "Deployment/d", "uid": "u", "serviceAccount": "s"},
                "claim": "owner",
                "items": [],
                "pods": ["a", "b", "c"],
                "replaces": pairs.iter().map(pair).collect::<Vec<_>>(),
            });
            serde_json::from_value(owner).unwrap()
        };
        assert_eq!(claim(&[]).bad_pair(), None);
        assert_eq!(claim(&[("a", "b")]).bad_pair(), None);
        for (pairs, field, what) in [
            (&[("a", "x")][..], "replaces[0].by", "x, expected one of"),
            (&[("x", "a")], "replaces[0].pod", "x, expected one of"),
            (
                &[("a", "b"), ("a", "c")],
                "replaces[1].pod",
                "a, expected each",
            ),
            (
                &[("a", "c"), ("b", "c")],
                "replaces[1].by",
                "c, expected each",
            ),
            (&[("a", "a")], "replaces[0]", "a and a, expected"),
            (
                &[("a", "b"), ("b", "c")],
                "replaces[1]",
                "b and c, expected",
            ),
        ] {
            let (of, problem) = claim(pairs).bad_pair().unwrap();
            assert_eq!(of, field);
            assert!(problem.starts_with(what), "{problem}");
        }
    }
}
