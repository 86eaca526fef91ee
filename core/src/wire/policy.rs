//! What a seat policy does, and would do.

use crate::identity::Holder;
use crate::names::{ClaimName, LeaseId, PoolName, ProjectName};
use crate::policy::words;
use crate::request::Item;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The policy in force, and how its groups stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PolicyView {
    /// Its name.
    pub name: String,
    /// What each group has of each pool that the policy speaks of.
    pub groups: Vec<GroupUse>,
    /// Pools that it names and no license sells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown_pools: Vec<PoolName>,
}

/// What a group has of a pool, and may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct GroupUse {
    /// Its name; absent: those who are in none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The license's pools of this name.
    pub pool: PoolName,
    /// How many seats it owns of those that are there: fewer than the policy says where groups
    /// before it own them.
    pub owned: u32,
    /// The most that it may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// How many it has.
    pub used: u32,
}

/// How a claim stands under a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum UnderPolicy {
    /// It has its seats.
    Holds,
    /// It has them until its owner, who wants them, gets them back.
    CalledBack,
    /// It waits for seats.
    Waits,
    /// It waits, and the policy holds it back.
    HeldBack,
    /// The policy never permits it.
    Refused,
}

words!(UnderPolicy: Holds = "holds", CalledBack = "calledBack", Waits = "waits", HeldBack = "heldBack", Refused = "refused");

/// A claim that would stand otherwise under a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PolicyChange {
    /// The lease.
    pub lease: LeaseId,
    /// The holder's name for the claim.
    pub claim: ClaimName,
    /// Who.
    pub holder: Holder,
    /// What.
    pub items: Vec<Item>,
    /// What for, as its holder says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectName>,
    /// How it stands.
    pub now: UnderPolicy,
    /// How it would.
    pub then: UnderPolicy,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// In a line, for people: who, what, how it stands and would, and why.
impl fmt::Display for PolicyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.holder)?;
        if self.claim != ClaimName::pod() {
            write!(f, " claim {}", self.claim)?;
        }
        if let Some(project) = &self.project {
            write!(f, " of project {project}")?;
        }
        let of = |i: &Item| format!("{} {}", i.seats, i.product);
        let items: Vec<String> = self.items.iter().map(of).collect();
        write!(f, " ({}): {} -> {}", items.join(", "), self.now, self.then)?;
        match &self.message {
            Some(why) => write!(f, ": {why}"),
            None => Ok(()),
        }
    }
}

/// `POST /v1/policies/test`: what a policy would change if it were in force from now on. Nothing
/// changes by asking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PolicyTest {
    /// Those that would stand otherwise, a hundred at the most.
    pub changes: Vec<PolicyChange>,
    /// How many others would, too.
    pub more: u32,
    /// What each group would have.
    pub groups: Vec<GroupUse>,
    /// Pools that the policy names and no license sells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown_pools: Vec<PoolName>,
}
