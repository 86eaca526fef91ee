//! The custom resources as far as they are shown. Every field may be absent: an object may be new, or written by
//! another version of the operator.

use super::api::Found;
use clap::ValueEnum;
use mooring_core::time::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What every object has.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its identity.
    pub uid: String,
    /// When it was made.
    pub creation_timestamp: Option<Timestamp>,
    /// Grows with each change of the spec.
    pub generation: Option<i64>,
    /// Being deleted since.
    pub deletion_timestamp: Option<Timestamp>,
}

/// A LicenseServer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LicenseServer {
    /// Its name and age.
    pub metadata: Metadata,
    /// How it is.
    pub status: ServerStatus,
}

/// How a license server is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServerStatus {
    /// `Ready`, `AnchorPresent`, `LicenseValid`, `Settling`.
    pub conditions: Vec<Condition>,
    /// Its pod's node.
    pub node: Option<String>,
    /// The anchor in a word.
    pub anchor: Option<String>,
    /// Where sidecars reach it.
    pub endpoint: Option<String>,
    /// The generation that this speaks of.
    pub observed_generation: Option<i64>,
    /// The license in force.
    pub license: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Seats taken.
    pub used: Option<u32>,
    /// Seats there are.
    pub seats: Option<u32>,
    /// Claims in line.
    pub waiting: Option<u32>,
    /// Each product.
    pub products: Vec<Product>,
}

/// One product's numbers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Product {
    /// The product.
    pub name: String,
    /// The most seats there are for it.
    pub seats: u32,
    /// Seats granted.
    pub used: u32,
    /// Claims in line.
    pub waiting: u32,
    /// When the license ends.
    pub expires: Option<Timestamp>,
}

/// A condition.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False`, `Unknown`.
    pub status: String,
    /// A word.
    pub reason: String,
    /// What happened, and what to do.
    pub message: String,
    /// Since when.
    pub last_transition_time: Option<Timestamp>,
}

impl LicenseServer {
    /// The condition of this type.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.status.conditions.iter().find(|c| c.kind == kind)
    }

    /// Whether it serves.
    pub fn is_ready(&self) -> bool {
        self.condition("Ready").is_some_and(|c| c.status == "True")
    }
}

/// A LicenseLease.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LicenseLease {
    /// Its name and age.
    pub metadata: Metadata,
    /// Whose, and of which server.
    pub spec: LeaseSpec,
    /// How it stands.
    pub status: LeaseStatus,
}

/// Whose, and of which server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LeaseSpec {
    /// The license server.
    pub server: ServerRef,
    /// Who.
    pub holder: HolderRef,
}

/// A license server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ServerRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A holder.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct HolderRef {
    /// `Pod` or `External`.
    pub kind: String,
    /// The pod, or the subject.
    pub name: String,
}

/// How a holder stands.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LeaseStatus {
    /// Products and seats.
    pub products: String,
    /// The state.
    pub state: State,
    /// Since when.
    pub since: Option<Timestamp>,
    /// The pod's node.
    pub node: Option<String>,
    /// The place in line.
    pub place: Option<u32>,
    /// When a silent holder's seats are free.
    pub until: Option<String>,
    /// What happened, and what to do.
    pub message: Option<String>,
    /// Each claim.
    pub claims: Vec<Claim>,
}

/// One claim.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Claim {
    /// Its name.
    pub name: String,
    /// What is held or asked for.
    pub products: String,
    /// How it stands.
    pub state: State,
    /// Since when.
    pub since: Option<Timestamp>,
    /// The place in line.
    pub place: Option<u32>,
    /// When its seats are free.
    pub until: Option<String>,
    /// What happened, and what to do.
    pub message: Option<String>,
}

/// What the license server knows of a holder; in the order in which the table shows them.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum,
)]
#[value(rename_all = "PascalCase")]
pub enum State {
    /// Granted.
    Held,
    /// Renewals were missed.
    Silent,
    /// In line, and runs on.
    Contested,
    /// Kept for a pod that is not scheduled yet.
    Reserved,
    /// In line.
    Waiting,
    /// Refused.
    Refused,
    /// The license server does not know the pod, or this program not the state.
    #[default]
    #[serde(other)]
    Unknown,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl LicenseLease {
    /// Its state.
    pub fn state(&self) -> State {
        self.status.state
    }

    /// Whether it is of the license server `NAME` or `NAMESPACE/NAME`.
    pub fn is_of(&self, server: &str) -> bool {
        match server.split_once('/') {
            Some((ns, name)) => self.spec.server.namespace == ns && self.spec.server.name == name,
            None => self.spec.server.name == server,
        }
    }
}

/// Reads what was found.
pub fn read<T: DeserializeOwned>(found: &Found) -> anyhow::Result<Vec<T>> {
    let read = |o| Ok(serde_json::from_value(serde_json::to_value(o)?)?);
    found.items.iter().map(read).collect()
}
