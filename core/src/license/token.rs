//! Lease tokens: what is held, for whom (an HMAC), for how long.

use super::anchor::AnchorKind;
use super::dsse::Digest;
use super::file::is_zero;
use super::keys::KeyId;
use super::versions::VersionRange;
use crate::identity::Holder;
use crate::mutant::{self, Mutant};
use crate::names::{ClaimName, InstanceId, LeaseId, PoolName, ProductName, Seats};
use crate::secret::SecretHash;
use crate::time::{BootTime, Now, Secs, Timestamp, margin};
use ring::hmac;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The document that the server's ephemeral key signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LeaseToken {
    /// The anchor.
    pub anchor: TokenAnchor,
    /// The delegation under which it was signed.
    pub delegation: Digest,
    /// The server's run.
    pub instance: InstanceId,
    /// Grows with each token of this run.
    pub seq: u64,
    /// The lease.
    pub lease: LeaseId,
    /// The holder's name for the claim.
    pub claim: ClaimName,
    /// Who, as an HMAC: tokens carry no names.
    pub holder: HolderHmac,
    /// What, and which license files it comes from: each product from one of them whole.
    pub parts: Vec<TokenPart>,
    /// When the request was received that this answers.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Instant"))]
    pub issued_at: Timestamp,
    /// The same on the server's boot clock, for the server itself: no jump of the wall clock can
    /// then make a lease look older or younger to the next run on the same machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_boot: Option<BootStamp>,
    /// D.
    #[serde(rename = "leaseForSecs", with = "Secs")]
    pub lease_for: Duration,
    /// The grace.
    #[serde(rename = "runForSecs", with = "Secs")]
    pub run_for: Duration,
    /// The renewal counter.
    pub counter: u64,
    /// Seats of it that go over what was sold.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub overdraft: u32,
    /// SHA-256 of the claim's secret: a token alone gives nothing.
    pub cnf: SecretHash,
    /// Whose seat it is, where an application took it for itself: the SHA-256 of its secret. No
    /// other application takes the token for its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind: Option<SecretHash>,
    /// How many claims its holder may have, where its client token said so: for the next run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<u16>,
    /// The license is one for tests.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
    /// The license bridges the time until broken hardware is replaced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub emergency: bool,
    /// The application's fresh question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
}

/// What a lease has of one license file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenPart {
    /// The license.
    pub license: Digest,
    /// Its products.
    pub items: Vec<TokenItem>,
    /// Which of its pools the seats come from: applications look at the pools' dates, and another
    /// run takes the lease in as it was, so that nobody else's seats are taken meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub draws: Vec<TokenDraw>,
}

/// Seats of a lease that come from a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenDraw {
    /// The pool.
    pub pool: PoolName,
    /// How many of its seats.
    pub seats: u32,
}

/// The anchor, as a token names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TokenAnchor {
    /// Its kind.
    pub kind: AnchorKind,
    /// Its key.
    pub key_id: KeyId,
}

/// One product of a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TokenItem {
    /// The product.
    pub product: ProductName,
    /// Its seats.
    pub seats: Seats,
    /// Versions the license covers.
    #[serde(default, skip_serializing_if = "VersionRange::is_all")]
    pub versions: VersionRange,
    /// Builds after this day are not covered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Instant>"))]
    pub maintenance_until: Option<Timestamp>,
}

/// A reading of a named boot's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BootStamp {
    /// Which boot: the kernel's boot id, hashed.
    pub boot: String,
    /// The reading.
    pub ms: BootTime,
}

impl LeaseToken {
    pub fn items(&self) -> impl Iterator<Item = &TokenItem> {
        self.parts.iter().flat_map(|p| &p.items)
    }

    /// How long ago it was given, on this machine's boot clock; `None` if another boot gave it.
    pub fn age(&self, now: BootTime, boot_id: &str) -> Option<Duration> {
        let of_this_boot = self.issued_boot.as_ref().filter(|s| s.boot == boot_id);
        of_this_boot.map(|s| now.since(s.ms))
    }

    /// Whether the lease may still be in force at its holder: not longer ago than D + M.
    pub fn unexpired(&self, now: Now, boot_id: &str) -> bool {
        let given = (self.issued_at, self.issued_boot.as_ref());
        is_younger(self.lease_for + margin(self.lease_for), given, now, boot_id)
    }

    /// Whether an application may still run on by it: not longer ago than its grace and the margin
    /// that goes with that.
    pub fn runs_on(&self, now: Now, boot_id: &str) -> bool {
        let given = (self.issued_at, self.issued_boot.as_ref());
        is_younger(self.run_for + margin(self.run_for), given, now, boot_id)
    }
}

/// Whether what was given then is younger than `limit`. Counted on the boot clock where the machine
/// still runs, else on the wall clock.
pub(super) fn is_younger(
    limit: Duration,
    (at, stamp): (Timestamp, Option<&BootStamp>),
    now: Now,
    boot_id: &str,
) -> bool {
    match stamp {
        Some(s) if s.boot == boot_id && !mutant::on(Mutant::AgedByWallClock) => {
            s.ms <= now.boot && now.boot.since(s.ms) < limit
        }
        _ => {
            let age = now.wall.duration_since(at);
            // What is from the future is as good as from now: only a clock can have moved.
            age.is_negative() || age.unsigned_abs() < limit
        }
    }
}

/// A holder's identity under a key only the server has.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HolderHmac(pub String);

/// The server's key for hiding holders' names; it outlives restarts, so that a holder's word on who
/// it is can be checked against a token of an earlier run.
#[derive(Debug)]
pub struct IdentityKey(hmac::Key);

impl IdentityKey {
    /// From 32 random bytes.
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    pub fn hide(&self, holder: &Holder) -> HolderHmac {
        let tag = hmac::sign(&self.0, holder.canonical().as_bytes());
        HolderHmac(hex::encode(tag))
    }

    /// Whether `holder` is the one that was hidden.
    pub fn is(&self, holder: &Holder, hidden: &HolderHmac) -> bool {
        hex::decode(&hidden.0)
            .is_ok_and(|tag| hmac::verify(&self.0, holder.canonical().as_bytes(), &tag).is_ok())
    }
}
