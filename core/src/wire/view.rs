//! `GET /v1/products`, `GET /v1/leases` and its watch: what the server knows.

use super::{PolicyView, Problem, WaitReason};
use crate::identity::Holder;
use crate::license::VersionRange;
use crate::names::{ClaimName, InstanceId, LeaseId, PoolName, ProductName, ProjectName, as_text};
use crate::policy::{OptimisticStart, words};
use crate::reason::{AnchorReason, LicenseReason};
use crate::request::Item;
use crate::time::{Millis, Secs, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A claim in the server's books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ViewState {
    /// In line.
    Waiting,
    /// Granted, renewed in time.
    Held,
    /// Granted to an owner, for pods of it that come.
    Reserved,
    /// Granted, but renewals were missed.
    Silent,
    /// In line, while its application runs on.
    Contested,
    /// Refused, with a problem.
    Refused,
    /// Ended: only in a watch, as the last word on a lease.
    Ended,
}

words!(ViewState: Waiting = "Waiting", Held = "Held", Reserved = "Reserved", Silent = "Silent", Contested = "Contested",
    Refused = "Refused", Ended = "Ended");

/// How a claim ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum EndReason {
    /// Its holder gave it back, or left the queue; or an administrator took it back.
    Released,
    /// Its holder was silent for too long.
    Expired,
    /// Its holder's pod is proven gone.
    Gone,
    /// Its holder was silent until the end, after an administrator had revoked it.
    Revoked,
    /// Its holder asked no more while it waited.
    LeftQueue,
    /// Its holder asked again, and that claim stands in its place.
    AskedAgain,
    /// It was refused, and its holder asks no more.
    Forgotten,
    /// One that a later version has.
    #[serde(other)]
    Other,
}

words!(EndReason: Released = "released", Expired = "expired", Gone = "gone", Revoked = "revoked",
    LeftQueue = "leftQueue", AskedAgain = "askedAgain", Forgotten = "forgotten", Other = "other");

/// One claim as the server knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LeaseView {
    /// The lease.
    pub lease: LeaseId,
    /// The holder's name for the claim.
    pub claim: ClaimName,
    /// Who.
    pub holder: Holder,
    /// What.
    pub items: Vec<Item>,
    /// What its seats are used for, as its holder says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectName>,
    /// How it stands.
    pub state: ViewState,
    /// How long ago it came into this state.
    #[serde(rename = "sinceMs", with = "Millis")]
    pub since: Duration,
    /// Its place in line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u32>,
    /// Why it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<WaitReason>,
    /// The same in words, as its holder is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// In line while its application runs on: for how much longer that may, as it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs_for_ms: Option<u64>,
    /// When silent, or barred: in how long the server frees its seats. When it is held and called
    /// back: how long its application may go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_in_ms: Option<u64>,
    /// When refused, or called back: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// When ended: how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<EndReason>,
}

impl LeaseView {
    /// A claim of which nothing else is to be said.
    pub const fn new(
        lease: LeaseId,
        claim: ClaimName,
        holder: Holder,
        items: Vec<Item>,
        state: ViewState,
        since: Duration,
    ) -> Self {
        Self {
            lease,
            claim,
            holder,
            items,
            project: None,
            state,
            since,
            place: None,
            reason: None,
            message: None,
            runs_for_ms: None,
            free_in_ms: None,
            problem: None,
            ended: None,
        }
    }
}

/// A position in the watch: the server's run and the number of its last event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WatchPosition {
    /// The server's run.
    pub instance: InstanceId,
    /// The last event's number.
    pub seq: u64,
}

impl fmt::Display for WatchPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.instance, self.seq)
    }
}

/// What is no watch position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?}: expected ‹instance›.‹number›, as an earlier list or event gave it")]
pub struct BadPosition(String);

impl FromStr for WatchPosition {
    type Err = BadPosition;
    fn from_str(s: &str) -> Result<Self, BadPosition> {
        let bad = || BadPosition(s.chars().take(80).collect());
        let (i, n) = s.split_once('.').ok_or_else(bad)?;
        Ok(Self {
            instance: i.parse().map_err(|_| bad())?,
            seq: n.parse().map_err(|_| bad())?,
        })
    }
}

as_text!(WatchPosition, BadPosition);

/// `GET /v1/leases`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Leases {
    /// Where a watch goes on from.
    pub position: WatchPosition,
    /// All claims.
    pub leases: Vec<LeaseView>,
}

/// One line of `GET /v1/leases?watch&after=…` (JSON, one a line).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", tag = "event")]
pub enum WatchEvent {
    /// A claim changed; the last word on it when its state is `Ended`.
    Lease {
        /// Where a later watch goes on from.
        position: WatchPosition,
        /// The claim as it is now.
        lease: LeaseView,
    },
    /// The server as a whole changed: its anchor, license or settling.
    Server {
        /// How it is now.
        state: ServerState,
    },
    /// Nothing happened for a while; the connection lives.
    Alive,
}

/// One pool's numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PoolView {
    /// The id of the license that has it; holders are not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// The pool.
    pub name: PoolName,
    /// Its seats now: none before it begins and after it has ended.
    pub seats: u32,
    /// How many more the vendor allows now.
    pub overdraft: u32,
    /// Seats of granted claims.
    pub used: u32,
    /// When its seats begin (RFC 3339), if not with the license.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<String>,
    /// When its seats end (RFC 3339, exclusive), if not with the license.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// One product's numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProductView {
    /// The product.
    pub name: ProductName,
    /// The most seats one could have with the pools empty.
    pub seats: u32,
    /// Seats granted.
    pub used: u32,
    /// Claims in line that ask for it.
    pub waiting: u32,
    /// When the last of its seats ends (RFC 3339, exclusive); some may end before, with their
    /// pools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// How many seats of it there will be from later days on, soonest first: pools begin and end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<SeatChange>,
    /// Which versions of it are covered, by each license file that sells it; none: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<VersionRange>,
}

/// A day from which on a product has another number of seats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SeatChange {
    /// From when on (RFC 3339).
    pub at: String,
    /// The most seats one could have then with the pools empty.
    pub seats: u32,
}

/// The anchor as the server sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AnchorView {
    /// `pkcs11`, `usb` or `hwid`.
    pub kind: String,
    /// The key's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// Whether it signs.
    pub present: bool,
    /// A short reason in CamelCase: `Present`, `TokenNotFound`, `PinRejected`, `KeyNotInLicense`, …
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub reason: AnchorReason,
    /// What happened, and what to do.
    pub message: String,
}

/// A second server on the same license, as a token of it shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SecondServer {
    /// Its run.
    pub instance: InstanceId,
    /// The date of its youngest token that was seen, by its clock.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Instant"))]
    pub issued_at: Timestamp,
}

/// A holder whose wall clock differs from the server's by an hour or more. From a day on its
/// applications take no proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClockSkew {
    /// The holder with the largest difference.
    pub holder: Holder,
    /// By how many seconds its clock is ahead, as it says; negative: behind.
    pub ahead_secs: i64,
}

/// The server as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ServerState {
    /// This run.
    pub instance: InstanceId,
    /// The server's version.
    pub version: String,
    /// The anchor.
    pub anchor: AnchorView,
    /// Whether a license is in force.
    pub license_valid: bool,
    /// A short reason in CamelCase: `Valid`, `Expired`, `SignatureInvalid`, `NotForThisAnchor`, …
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub license_reason: LicenseReason,
    /// What is wrong with the license file, or which one is in force.
    pub license_message: String,
    /// Each license file that it was given, in the order in which they are drawn on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub licenses: Vec<LicenseFileView>,
    /// What the license in force says of starts with no server in reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimistic_start: Option<OptimisticStart>,
    /// Whether it still takes earlier leases in and grants nothing new.
    pub settling: bool,
    /// Another server that serves the same license at the same time, where a holder's token has
    /// shown one in the last hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_server: Option<SecondServer>,
    /// A holder whose clock differs, where one has said so in the last minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_skew: Option<ClockSkew>,
    /// Whether leases are renewed now. Without it holders run on under their grace.
    pub renews: bool,
    /// D in force.
    #[serde(rename = "leaseForSecs", with = "Secs")]
    pub lease_for: Duration,
    /// The grace in force: how long from its last renewal an application may run on. Absent before
    /// the anchor spoke for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_for_secs: Option<u64>,
}

/// A license file that a server was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LicenseFileView {
    /// The id of the license that holds of it, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Whether it is in force.
    pub valid: bool,
    /// A short reason in CamelCase: `Valid`, `Expired`, …
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub reason: LicenseReason,
    /// The same for people.
    pub message: String,
    /// Which licenses its license replaces, by itself or by way of another: the ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supersedes: Vec<String>,
    /// How many standby anchors its license lists.
    #[serde(default)]
    pub standbys: u32,
}

/// `GET /v1/products`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Products {
    /// The server as a whole.
    pub server: ServerState,
    /// Its products.
    pub products: Vec<ProductView>,
    /// Its pools.
    pub pools: Vec<PoolView>,
    /// Whose its seats are, if a policy says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyView>,
}
