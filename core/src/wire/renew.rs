//! `POST /v1/leases/renew` and `POST /v1/leases/{id}/token`.

use super::Problem;
use crate::license::{Digest, FreshToken, MAX_LICENSES};
use crate::names::{InstanceId, LeaseId, RequestId, TermsId};
use crate::policy::OptimisticStart;
use crate::receipt::Sealed;
use crate::secret::Secret;
use crate::time::Secs;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The most renewals in one request.
pub const MAX_RENEWALS: usize = 32;

/// Many leases renewed at once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RenewRequest {
    /// Each answered for itself.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = MAX_RENEWALS)))]
    pub renewals: Vec<Renewal>,
    /// By how many seconds the holder's wall clock is ahead of this server's, as the last token was
    /// dated (negative: behind); only from an hour on. Shown to people, and decides nothing.
    #[serde(
        default,
        deserialize_with = "crate::whole::read_signed",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "schema", schemars(range(min = -crate::whole::EXACT, max = crate::whole::EXACT)))]
    pub clock_ahead_secs: Option<i64>,
}

/// One lease's renewal. The holder saves counter and request id before it sends them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Renewal {
    /// The lease.
    pub lease: LeaseId,
    /// Its claim's secret.
    pub secret: Secret,
    /// Higher than in any answered renewal before.
    #[serde(deserialize_with = "crate::whole::read")]
    pub counter: u64,
    /// With the same counter: a retry if equal, a copy of the holder if not.
    pub request_id: RequestId,
    /// What its holder knows already, so that the answer need not say it again. Without it each
    /// answer says all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub have: Option<Have>,
}

/// What a holder knows of its lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Have {
    /// `terms` of the last answer that had them.
    pub terms: TermsId,
    /// Its lease token is old, and comes anew: without those documents of its chain that are named
    /// here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = MAX_DOCUMENTS)))]
    pub documents: Option<Vec<Digest>>,
}

/// The most documents in a token's chain: its licenses and a delegation.
pub const MAX_DOCUMENTS: usize = MAX_LICENSES + 1;

/// The answers, in the order of the request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RenewResponse {
    /// One for each renewal.
    pub results: Vec<Renewed>,
}

/// One renewal's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", untagged)]
#[allow(clippy::large_enum_variant)] // mostly it is the large one
pub enum Renewed {
    /// It holds for another D from the sending of the request. The terms have changed, or a fresh
    /// token was asked for, or nothing was said of what is known.
    Ok {
        /// The lease.
        lease: LeaseId,
        /// The server's run.
        instance: InstanceId,
        /// D.
        #[serde(rename = "leaseForSecs", with = "Secs")]
        lease_for: Duration,
        /// The grace.
        #[serde(rename = "runForSecs", with = "Secs")]
        run_for: Duration,
        /// How long a contested holder may go on.
        #[serde(rename = "maxContestedSecs", with = "Secs")]
        max_contested: Duration,
        /// Whether a later start without contact is allowed.
        optimistic_start: OptimisticStart,
        /// As the server keeps it now.
        counter: u64,
        /// It ends when `runForSecs` are over although it is renewed, unless this is mended before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        called_back: Option<Box<Problem>>,
        /// What this is said under: shown at the next renewal (`have`).
        terms: TermsId,
        /// The lease, sealed: kept, and shown to the next run.
        receipt: Sealed,
        /// The lease, signed anew, with what its holder lacks.
        token: FreshToken,
    },
    /// It holds for another D from the sending of the request, under the terms that its holder has.
    Same {
        /// Says so: an answer with more in it that cannot be read is none of these.
        same: True,
        /// The lease.
        lease: LeaseId,
        /// As the server keeps it now.
        counter: u64,
        /// The lease, sealed: kept, and shown to the next run.
        receipt: Sealed,
    },
    /// It was not renewed.
    Problem {
        /// The lease.
        lease: LeaseId,
        /// Why, by its type.
        problem: Problem,
    },
}

/// `true`, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "bool", into = "bool")]
#[cfg_attr(feature = "schema", schemars(extend("const" = true)))]
pub struct True;

impl TryFrom<bool> for True {
    type Error = &'static str;
    fn try_from(b: bool) -> Result<Self, Self::Error> {
        b.then_some(Self).ok_or("expected true")
    }
}

impl From<True> for bool {
    fn from(_: True) -> Self {
        true
    }
}

/// An application's fresh question.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NonceRequest {
    /// 16 to 64 characters of base64url, chosen by the application.
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = r"^[A-Za-z0-9_-]{16,64}$"))
    )]
    pub nonce: String,
    /// The claim's secret.
    pub secret: Secret,
    /// Those documents of the token's chain that are known, and need not come along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = MAX_DOCUMENTS)))]
    pub documents: Vec<Digest>,
}

/// Whether this is a nonce: 16 to 64 characters of base64url.
pub fn is_nonce(s: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
    (16..=64).contains(&s.len()) && s.bytes().all(allowed)
}

/// A token bound to the application's nonce.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TokenResponse {
    /// The lease token, with what of its chain was not named.
    pub token: FreshToken,
}
