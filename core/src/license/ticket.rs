//! Tickets: a place in the queue that survives a restart of the server.

use super::token::{BootStamp, HolderHmac, is_younger};
use crate::names::{ClaimName, InstanceId, LeaseId};
use crate::request::Item;
use crate::secret::SecretHash;
use crate::time::{Now, Secs, Timestamp, margin};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The document that the server's ephemeral key signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Ticket {
    /// The server's run that gave it.
    pub instance: InstanceId,
    /// Orders runs: a later run's newcomers stand behind an earlier run's.
    pub generation: u64,
    /// Orders arrivals within a run.
    pub arrival: u64,
    /// The lease it will become.
    pub lease: LeaseId,
    /// The claim's name.
    pub claim: ClaimName,
    /// What is asked for.
    pub items: Vec<Item>,
    /// Who.
    pub holder: HolderHmac,
    /// SHA-256 of the claim's secret.
    pub cnf: SecretHash,
    /// Whose seat it will be, as in the claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind: Option<SecretHash>,
    /// It was `Held` once, and stands before those who never were.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub contested: bool,
    /// How many claims its holder may have, where its client token said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<u16>,
    /// When it was given.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Instant"))]
    pub issued_at: Timestamp,
    /// The same on the server's boot clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_boot: Option<BootStamp>,
    /// How long its application may run on from then: for no longer it stands before others.
    #[serde(default, rename = "runsForSecs", with = "Secs")]
    pub runs_for: Duration,
}

impl Ticket {
    /// Whether its application may still run on by it.
    pub fn runs_on(&self, now: Now, boot_id: &str) -> bool {
        let given = (self.issued_at, self.issued_boot.as_ref());
        is_younger(self.runs_for + margin(self.runs_for), given, now, boot_id)
    }
}
