//! Lease tokens: what is held, for whom (an HMAC), for how long.

use super::anchor::AnchorKind;
use super::dsse::Digest;
use super::file::is_zero;
use super::keys::KeyId;
use super::versions::VersionRange;
use crate::age::{BootStamp, Given};
use crate::names::{ClaimName, InstanceId, LeaseId, PoolName, ProductName, Seats};
use crate::secret::SecretHash;
use crate::time::{Secs, Timestamp};
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
    /// Its id, which stays where the vendor issues it anew. Tokens of before do not say it.
    #[serde(default)]
    pub id: String,
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

impl LeaseToken {
    pub fn items(&self) -> impl Iterator<Item = &TokenItem> {
        self.parts.iter().flat_map(|p| &p.items)
    }

    /// When it was given.
    pub fn given(&self) -> Given {
        Given {
            at: self.issued_at,
            stamp: self.issued_boot,
        }
    }
}

/// A holder's identity under a key only the server has.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HolderHmac(pub String);
