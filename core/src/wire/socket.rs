//! What the sidecar's socket says to the application.

use super::{Problem, WaitReason};
use crate::license::is_zero;
use crate::names::{ClaimName, LeaseId};
use crate::policy::{Start, words};
use crate::request::Item;
#[cfg(feature = "schema")]
use crate::request::MAX_ITEMS;
use serde::{Deserialize, Serialize};

/// A claim's state, as the application sees it (docs/protocol.md, "States at the holder").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum HoldState {
    /// Neither a lease nor a place yet: nobody answered, or the server cannot say now.
    Seeking,
    /// In line.
    Waiting,
    /// Started with no server in reach, under the grace.
    Optimistic,
    /// The lease is in force.
    Held,
    /// The lease ran out without contact; the application goes on under the grace.
    Grace,
    /// There is no seat for it: given away meanwhile, or none was free after a start without the
    /// server. The application goes on until its limit.
    Contested,
    /// The limit passed, or the lease was taken away.
    Lost,
    /// The server said no.
    Refused,
    /// Given back.
    Released,
}

words!(HoldState: Seeking = "Seeking", Waiting = "Waiting", Optimistic = "Optimistic",
    Held = "Held", Grace = "Grace", Contested = "Contested", Lost = "Lost", Refused = "Refused",
    Released = "Released");

impl HoldState {
    /// Whether the application is licensed in it.
    pub const fn is_licensed(self) -> bool {
        matches!(
            self,
            Self::Held | Self::Grace | Self::Optimistic | Self::Contested
        )
    }
}

/// Where a claim comes from, and so how long it lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ClaimKind {
    /// The pod's annotation, or `--licenses`: as long as the sidecar.
    #[default]
    Pod,
    /// `PUT /v1/claims/{name}`: until `DELETE`.
    Claim,
    /// `POST /v1/hold`: as long as that connection.
    Hold,
}

/// One claim's status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClaimStatus {
    /// The claim's name; the pod's own is `pod`.
    pub name: ClaimName,
    /// Where it comes from.
    #[serde(default)]
    pub kind: ClaimKind,
    /// Its state.
    pub state: HoldState,
    /// Whether the application is licensed by it now.
    pub licensed: bool,
    /// What is held or asked for.
    pub items: Vec<Item>,
    /// Where there are several license servers: which one's word this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The boot clock's reading at which being licensed ends if there is no further contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_boot_ms: Option<u64>,
    /// The same as a duration from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<u64>,
    /// The boot clock's reading at which `Held` ends without a renewal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_until_boot_ms: Option<u64>,
    /// The lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseId>,
    /// The place in line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u32>,
    /// Why it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<WaitReason>,
    /// What happened, in words, where there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The boot clock's reading since which the license server has given neither lease nor place,
    /// while that is so: the time to which `message` goes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_boot_ms: Option<u64>,
    /// While licensed: the lease is called back. It ends at `untilBootMs` although it is renewed,
    /// unless this is mended before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called_back: Option<Problem>,
    /// The server's last word, whole, where the claim is `Refused` or `Lost` by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

impl ClaimStatus {
    /// The same of one that is not licensed: in this state.
    #[must_use]
    pub fn unlicensed(self, state: HoldState) -> Self {
        Self {
            state,
            licensed: false,
            until_boot_ms: None,
            for_ms: None,
            held_until_boot_ms: None,
            ..self
        }
    }
}

/// `GET /v1/status`, and each event of `/v1/events`. The top fields speak of the claims of kind
/// [`ClaimKind::Pod`] alone: the first one's state; `licensed` only if each is. A sidecar without
/// one says `Released`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The first pod claim's state.
    pub state: HoldState,
    /// Whether the application is licensed now.
    pub licensed: bool,
    /// Until when, on the boot clock, if there is no further contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_boot_ms: Option<u64>,
    /// The same as a duration from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<u64>,
    /// The boot clock when this was written.
    pub boot_ms: u64,
    /// Grows by one at each change.
    pub seq: u64,
    /// The license server; several with commas.
    pub server: String,
    /// All claims; at an agent those of the user who asks, and the machine's own.
    pub claims: Vec<ClaimStatus>,
    /// How many claims other users of the machine have.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub others: u32,
}

/// `PUT /v1/claims/{name}` on the socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SocketClaim {
    /// What is asked for: each product once.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = MAX_ITEMS)))]
    pub items: Vec<Item>,
    /// Whether the application may go on with no server in reach before the first answer; absent:
    /// it waits ([`Start::Licensed`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Start>,
}
