//! What a receipt says of a lease: all that the next run needs to take it in as it was, and that
//! the claim does not say itself.

use super::identity::Identity;
use super::seal::{self, Kind, Sealed};
use super::shown::{BadProof, BadReceipt, Besides, Shown};
use crate::age::{BootStamp, Given};
use crate::identity::HolderKey;
use crate::license::TokenDraw;
use crate::names::{BootId, InstanceId, LeaseId, PoolName};
use crate::time::{BootTime, Timestamp, whole_millis};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A lease of an earlier run, as that run knew it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseReceipt {
    pub lease: LeaseId,
    /// The run that gave it.
    pub instance: InstanceId,
    /// When the request was received that it answered, on both clocks.
    pub given: Given,
    /// D, as the holder was told it.
    pub lease_for: Duration,
    /// The grace, as the holder was told it.
    pub run_for: Duration,
    pub counter: u64,
    /// How many claims its holder may have, where its client token said so.
    pub claims: Option<u16>,
    /// Where its seats come from.
    pub parts: Vec<PartBefore>,
    /// Which owner's seats it has a share of, if it has.
    pub family: Option<String>,
    /// It has no seats of its own yet.
    pub handover: Option<HandoverBefore>,
    /// How long ago its seats were handed over last, or were to be.
    pub handed_ago: Option<Duration>,
}

/// A lease that ends unless the pod that it replaces goes before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandoverBefore {
    /// That pod.
    pub from: HolderKey,
    /// What was left of it.
    pub left: Duration,
}

/// What a lease had of one license file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartBefore {
    /// The license's id.
    pub license: String,
    /// Which of its pools the seats come from.
    pub draws: Vec<TokenDraw>,
}

impl PartBefore {
    fn says(&self) -> (&str, Vec<(&str, u32)>) {
        let draws = self.draws.iter().map(|d| (d.pool.as_str(), d.seats));
        (&self.license, draws.collect())
    }

    /// `None` where a name is none: only a server that sealed nonsense says so.
    fn read((license, draws): (&str, Vec<(&str, u32)>)) -> Option<Self> {
        let draw = |(pool, seats): (&str, u32)| {
            let pool = PoolName::new(pool).ok()?;
            Some(TokenDraw { pool, seats })
        };
        Some(Self {
            license: license.to_owned(),
            draws: draws.into_iter().map(draw).collect::<Option<_>>()?,
        })
    }
}

/// As it is sealed: in this order, by postcard (postcard.jamesmunns.com/wire-format).
#[derive(Serialize, Deserialize)]
struct Says<'a> {
    lease: [u8; 16],
    instance: [u8; 16],
    boot: [u8; 8],
    ms: u64,
    wall_ms: i64,
    lease_secs: u64,
    run_secs: u64,
    counter: u64,
    claims: Option<u16>,
    #[serde(borrow)]
    parts: Vec<(&'a str, Vec<(&'a str, u32)>)>,
    /// Few leases have any of it.
    #[serde(borrow)]
    besides: Option<OwnerSays<'a>>,
}

/// What a lease of an owner's pod says besides.
#[derive(Serialize, Deserialize)]
struct OwnerSays<'a> {
    family: Option<&'a str>,
    /// Whose seats it will have, and how many milliseconds are left.
    handover: Option<(&'a str, u64)>,
    handed_ago_ms: Option<u64>,
}

impl LeaseReceipt {
    /// Seals it for the holder's claim.
    pub(crate) fn seal(&self, identity: &Identity, besides: &Besides<'_>) -> Sealed {
        let stamp = self.given.stamp;
        let says = Says {
            lease: self.lease.to_bytes(),
            instance: self.instance.to_bytes(),
            boot: stamp.map(|s| s.boot.to_bytes()).unwrap_or_default(),
            ms: stamp.map(|s| s.ms.as_millis()).unwrap_or_default(),
            wall_ms: self.given.at.as_millisecond(),
            lease_secs: self.lease_for.as_secs(),
            run_secs: self.run_for.as_secs(),
            counter: self.counter,
            claims: self.claims,
            parts: self.parts.iter().map(PartBefore::says).collect(),
            besides: self.owner_says(),
        };
        seal::seal(identity, Kind::Lease, &says, besides)
    }

    fn owner_says(&self) -> Option<OwnerSays<'_>> {
        let h = self.handover.as_ref();
        let any = self.family.is_some() || h.is_some() || self.handed_ago.is_some();
        any.then(|| OwnerSays {
            family: self.family.as_deref(),
            handover: h.map(|h| (h.from.0.as_str(), whole_millis(h.left))),
            handed_ago_ms: self.handed_ago.map(whole_millis),
        })
    }

    /// Opens it for who shows it, if it was given to that holder for that claim.
    pub fn open(sealed: &Sealed, identity: &Identity, shown: &Shown<'_>) -> Result<Self, BadProof> {
        let besides = shown.besides()?;
        let s: Says<'_> = seal::open(identity, Kind::Lease, sealed, &besides)?;
        let parts = s.parts.into_iter().map(PartBefore::read);
        let handover = |f: &OwnerSays<'_>| {
            let (from, left) = f.handover?;
            Some(HandoverBefore {
                from: HolderKey(from.to_owned()),
                left: Duration::from_millis(left),
            })
        };
        let owner = s.besides.as_ref();
        let nonsense = || BadProof::from(BadReceipt::Malformed);
        Ok(Self {
            lease: LeaseId::from_bytes(s.lease),
            instance: InstanceId::from_bytes(s.instance),
            given: Given {
                at: Timestamp::from_millisecond(s.wall_ms).map_err(|_| nonsense())?,
                stamp: Some(BootStamp {
                    boot: BootId::from_bytes(s.boot),
                    ms: BootTime::from_millis(s.ms),
                }),
            },
            lease_for: Duration::from_secs(s.lease_secs),
            run_for: Duration::from_secs(s.run_secs),
            counter: s.counter,
            claims: s.claims,
            parts: parts.collect::<Option<_>>().ok_or_else(nonsense)?,
            family: owner.and_then(|o| o.family).map(ToOwned::to_owned),
            handover: owner.and_then(handover),
            handed_ago: owner.and_then(|f| Some(Duration::from_millis(f.handed_ago_ms?))),
        })
    }
}
