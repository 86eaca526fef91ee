//! Tickets: a place in the queue that survives a restart of the server.

use super::identity::Identity;
use super::seal::{self, Kind, Sealed};
use super::shown::{BadProof, BadReceipt, Besides, Shown};
use crate::age::{BootStamp, Given};
use crate::names::{BootId, InstanceId, LeaseId};
use crate::time::{BootTime, Now, Timestamp, margin, whole_millis};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A place, as the run knew it that gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The server's run that gave it.
    pub instance: InstanceId,
    /// Orders runs: a later run's newcomers stand behind an earlier run's.
    pub generation: u64,
    /// Orders arrivals within a run.
    pub arrival: u64,
    /// The lease it will become.
    pub lease: LeaseId,
    /// It was `Held` once, and stands before those who never were.
    pub contested: bool,
    /// How many claims its holder may have, where its client token said so.
    pub claims: Option<u16>,
    /// When it was given.
    pub given: Given,
    /// How long its application may run on from then: for no longer it stands before others.
    pub runs_for: Duration,
    /// For how long later claims had been granted past it then, if any were.
    pub passed_for: Option<Duration>,
}

/// As it is sealed.
#[derive(Serialize, Deserialize)]
struct Says {
    instance: [u8; 16],
    generation: u64,
    arrival: u64,
    lease: [u8; 16],
    contested: bool,
    claims: Option<u16>,
    boot: [u8; 8],
    ms: u64,
    wall_ms: i64,
    runs_secs: u64,
    passed_ms: Option<u64>,
}

impl Ticket {
    /// Whether its application may still run on by it.
    pub fn runs_on(&self, here: (Now, BootId)) -> bool {
        let limit = self.runs_for + margin(self.runs_for);
        self.given.is_younger(limit, None, here)
    }

    /// Seals it for the holder's claim.
    pub(crate) fn seal(&self, identity: &Identity, besides: &Besides<'_>) -> Sealed {
        let stamp = self.given.stamp;
        let says = Says {
            instance: self.instance.to_bytes(),
            generation: self.generation,
            arrival: self.arrival,
            lease: self.lease.to_bytes(),
            contested: self.contested,
            claims: self.claims,
            boot: stamp.map(|s| s.boot.to_bytes()).unwrap_or_default(),
            ms: stamp.map(|s| s.ms.as_millis()).unwrap_or_default(),
            wall_ms: self.given.at.as_millisecond(),
            runs_secs: self.runs_for.as_secs(),
            passed_ms: self.passed_for.map(whole_millis),
        };
        seal::seal(identity, Kind::Ticket, &says, besides)
    }

    /// Opens it for who shows it, if it was given to that holder for that claim.
    pub fn open(sealed: &Sealed, identity: &Identity, shown: &Shown<'_>) -> Result<Self, BadProof> {
        let besides = shown.besides()?;
        let s: Says = seal::open(identity, Kind::Ticket, sealed, &besides)?;
        let at = Timestamp::from_millisecond(s.wall_ms);
        Ok(Self {
            instance: InstanceId::from_bytes(s.instance),
            generation: s.generation,
            arrival: s.arrival,
            lease: LeaseId::from_bytes(s.lease),
            contested: s.contested,
            claims: s.claims,
            given: Given {
                at: at.map_err(|_| BadReceipt::Malformed)?,
                stamp: Some(BootStamp {
                    boot: BootId::from_bytes(s.boot),
                    ms: BootTime::from_millis(s.ms),
                }),
            },
            runs_for: Duration::from_secs(s.runs_secs),
            passed_for: s.passed_ms.map(Duration::from_millis),
        })
    }
}
