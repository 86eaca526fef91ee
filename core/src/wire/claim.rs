//! `PUT /v1/claims/{name}`: 200 with a [`Grant`], 202 with [`Waiting`], or a problem.

use super::Problem;
use crate::identity::Holder;
use crate::license::{Bundle, Envelope};
use crate::names::{ClaimName, InstanceId, LeaseId, ProjectName, RequestId, ServerId, TermsId};
use crate::policy::OptimisticStart;
use crate::receipt::Sealed;
use crate::request::Item;
#[cfg(feature = "schema")]
use crate::request::MAX_ITEMS;
use crate::secret::{Secret, SecretHash};
use crate::time::{Secs, millis_option};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A holder's all-or-nothing request.
///
/// Who asks is shown in one of three ways: a service-account token (`Authorization: Bearer`) or a
/// client certificate; a [`ticket`](Self::ticket) with the secret and the holder as the server told
/// it; or an earlier lease ([`held`](Self::held)) with both.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClaimRequest {
    /// What is asked for: each product once.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = MAX_ITEMS)))]
    pub items: Vec<Item>,
    /// SHA-256 of the claim's secret.
    pub secret_hash: SecretHash,
    /// Whose seat it is, where an application took it for itself: the SHA-256 of a secret that it
    /// has drawn. Fixed for the claim's life, and in each of its tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind: Option<SecretHash>,
    /// What its seats are used for, as the holder says. Fixed for the claim's life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectName>,
    /// This request; a retry carries the same.
    pub request_id: RequestId,
    /// How the holder stands: decides nothing about a grant, but shows an overlap while it waits.
    #[serde(default)]
    pub standing: Standing,
    /// With a standing other than `seeking`: how much longer the application may run without a
    /// lease, in milliseconds. The server counts it in its gauge of overlap for so long.
    #[serde(
        default,
        rename = "licensedForMs",
        with = "millis_option",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "schema", schemars(with = "Option<u64>"))]
    pub licensed_for: Option<Duration>,
    /// Grows with each request of this claim, renewals included: a late duplicate is told from
    /// news.
    #[serde(
        default,
        deserialize_with = "crate::whole::read_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub counter: Option<u64>,
    /// The names of this holder's other claims. A server that has just started waits for all of a
    /// holder's claims before it gives seats to others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<ClaimName>,
    /// The run of the server whose lease or place this claim was given last. What another run gave
    /// before that is not reinstated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<InstanceId>,
    /// By how many seconds the holder's wall clock is ahead of this server's, as the last token was
    /// dated (negative: behind); only from an hour on. Shown to people, and decides nothing.
    #[serde(
        default,
        deserialize_with = "crate::whole::read_signed",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "schema", schemars(range(min = -crate::whole::EXACT, max = crate::whole::EXACT)))]
    pub clock_ahead_secs: Option<i64>,
    /// How it stands in line: for who stands in the lines of several servers.
    #[serde(default, skip_serializing_if = "Stance::is_usual")]
    pub stance: Stance,
    /// Others of this holder's seats are to come from other servers: until all are there these are
    /// kept for it, and nothing runs by them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub part: bool,
    /// The place in line an earlier answer gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Sealed>,
    /// The lease this holder has from this server or an earlier instance of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldProof>,
    /// With `ticket` or `held`: the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// With `ticket` or `held`: who the server said this is; both are good for that holder alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
}

/// An earlier lease, shown to be reinstated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HeldProof {
    /// The last receipt of the lease.
    pub receipt: Sealed,
    /// How long ago the request was sent that the receipt answered, by the holder's boot clock, in
    /// milliseconds.
    #[serde(
        default,
        rename = "sentAgoMs",
        with = "millis_option",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "schema", schemars(with = "Option<u64>"))]
    pub sent_ago: Option<Duration>,
    /// The signed delegation of the server that gave the token.
    pub delegation: Envelope,
    /// The last lease token. It decides nothing: it shows a second server, and what the time must
    /// be at least.
    pub lease: Envelope,
    /// The holder's renewal counter, as last used.
    #[serde(deserialize_with = "crate::whole::read")]
    pub counter: u64,
}

/// How a claim's application stands at the moment of asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// It does not run yet.
    #[default]
    Seeking,
    /// It runs without ever having had contact.
    Optimistic,
    /// It was `Held` and runs on: within its lease, in grace, or contested.
    Held,
}

/// How a claim stands in line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Stance {
    /// Free seats gather for it.
    #[default]
    Gathers,
    /// It has its seats if they are there at its turn, and keeps none from others: seats gather for
    /// it at another server.
    Yields,
    /// It keeps its place, and is granted nothing.
    Rests,
}

impl Stance {
    /// As of a claim that says nothing of it.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// A granted claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// The lease; the same that the claim had while it waited.
    pub lease: LeaseId,
    /// The claim's name.
    pub claim: ClaimName,
    /// The server's run that granted it.
    pub instance: InstanceId,
    /// What is held.
    pub items: Vec<Item>,
    /// D: how long from the SENDING of the request the holder is `Held`.
    #[serde(rename = "leaseForSecs", with = "Secs")]
    pub lease_for: Duration,
    /// The grace: how long from the sending of the request the application may go on without
    /// contact.
    #[serde(rename = "runForSecs", with = "Secs")]
    pub run_for: Duration,
    /// How long a contested holder may go on after contact.
    #[serde(rename = "maxContestedSecs", with = "Secs")]
    pub max_contested: Duration,
    /// Whether a later start without contact is allowed.
    pub optimistic_start: OptimisticStart,
    /// The counter that the server keeps; the next renewal carries a higher one.
    pub counter: u64,
    /// It ends when `runForSecs` are over although it is renewed, unless this is mended before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called_back: Option<Problem>,
    /// Who the server knows the holder as.
    pub holder: Holder,
    /// What this is said under: shown at the next renewal (`have`).
    pub terms: TermsId,
    /// The lease, sealed: kept, and shown to the next run.
    pub receipt: Sealed,
    /// What the application verifies offline.
    pub token: Bundle,
}

/// A claim in line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// The lease it will become.
    pub lease: LeaseId,
    /// The claim's name.
    pub claim: ClaimName,
    /// The server's run.
    pub instance: InstanceId,
    /// The server: who asks several takes its seats in the order of these.
    pub server: ServerId,
    /// Its place in line, from 1.
    pub place: u32,
    /// Why it waits.
    pub reason: WaitReason,
    /// The same in words: how many seats are free, and who stands in front (by name only within its
    /// own namespace).
    #[serde(default)]
    pub message: String,
    /// The place, sealed: shown again at the next request, also to a restarted server.
    pub ticket: Sealed,
    /// When to ask again at the latest; the place dies a lease duration after the last request.
    #[serde(rename = "retryInSecs", with = "Secs")]
    pub retry_in: Duration,
    /// How long a contested holder may go on after this contact.
    #[serde(rename = "maxContestedSecs", with = "Secs")]
    pub max_contested: Duration,
    /// Who the server knows the holder as.
    pub holder: Holder,
}

/// Why a claim waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum WaitReason {
    /// Seats that it asks for are taken.
    Full,
    /// All that it asks for is free, and kept for a claim in front of it.
    Behind,
    /// What it asks for is free, or would be, and a policy keeps it from its group.
    Policy,
    /// The server has just started and takes earlier leases in first.
    Settling,
    /// It is one of several parts, and rests until it is this one's turn.
    Elsewhere,
    /// The server grants nothing, since its hardware anchor is not there.
    AnchorLost,
    /// The server grants nothing, since no license is in force, or its clock is wrong.
    LicenseInvalid,
    /// One that a later version has.
    #[serde(other)]
    Other,
}

impl WaitReason {
    /// The reason in words, where the server's own are not known.
    pub const fn explain(self) -> &'static str {
        match self {
            Self::Full => "seats that it asks for are taken",
            Self::Behind => "what it asks for is free, and kept for a claim in front of it",
            Self::Policy => "a policy of the license server keeps what it asks for from its group",
            Self::Settling => {
                "the license server has just started and takes earlier leases in first"
            }
            Self::Elsewhere => {
                "it keeps its place here, and waits for seats at other license servers first"
            }
            Self::AnchorLost => "the license server's hardware anchor is not there",
            Self::LicenseInvalid => "the license server has no valid license",
            Self::Other => "for a reason that this version does not know",
        }
    }
}
