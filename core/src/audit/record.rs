//! What a record says (docs/formats.md, "Audit log"). Fields that do not apply are absent.

use super::hash::LineHash;
use crate::identity::{Holder, HolderKey};
use crate::ledger::Part;
use crate::license::{Digest, KeyId, TokenDraw, is_zero};
use crate::names::{ClaimName, InstanceId, LeaseId, PoolName, ProjectName};
use crate::policy::words;
use crate::request::Item;
use crate::time::Timestamp;
use crate::wire::{EndReason, ProblemType};
use serde::{Deserialize, Serialize, Serializer};

/// The version of the format.
pub(super) const VERSION: u32 = 1;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AuditEvent {
    /// A run of the server began.
    Started,
    /// It ended in order.
    Stopped,
    /// A license came into force, or its limits changed.
    License,
    /// A claim was taken, and waits for its seats.
    Claimed,
    /// A claim has its seats.
    Granted,
    /// A lease of an earlier run was taken in.
    Reinstated,
    /// A claim or a renewal was refused; `times`: so often more since the record before of this
    /// kind.
    Refused,
    /// Something speaks against a lease from here on: it ends unless that is mended.
    CalledBack,
    /// It does no more; `draws` may be other ones.
    Kept,
    /// The first renewal under another license or other limits than before.
    Renewed,
    /// A lease, or a place in line, ended.
    Ended,
    /// A holder is barred.
    Revoked,
    /// It is barred no more.
    Lifted,
    /// What a crash had left half written was cut off: `bytes` of it.
    Torn,
    /// Records are missing here that could not be written: `count` of them.
    Lost,
}

words!(AuditEvent: Started = "started", Stopped = "stopped", License = "license",
    Claimed = "claimed", Granted = "granted", Reinstated = "reinstated", Refused = "refused",
    CalledBack = "calledBack", Kept = "kept", Renewed = "renewed", Ended = "ended",
    Revoked = "revoked", Lifted = "lifted", Torn = "torn", Lost = "lost");

/// By what somebody was known who did something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Credential {
    /// A pod's service-account token, which the API server reviewed; whose, the holder says.
    ServiceAccountToken,
    /// A client token.
    ClientToken {
        /// Its own name.
        id: String,
        /// The client key that signed it.
        key: KeyId,
        /// Whom it is for.
        subject: String,
    },
    /// A client certificate.
    Certificate {
        /// Its common name.
        subject: String,
    },
    /// The lease token of an earlier answer, with the claim's secret.
    Lease,
    /// The ticket of an earlier answer, with the claim's secret.
    Ticket,
    /// The claim's secret.
    Secret,
    /// The operator's certificate.
    Operator,
}

/// A license, by name and content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenseMark {
    pub id: String,
    pub digest: Digest,
}

/// Seats of a pool of a license.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditDraw {
    pub license: Digest,
    pub pool: PoolName,
    pub seats: u32,
}

impl AuditDraw {
    /// Where the seats of a lease come from.
    pub fn of(parts: &[Part]) -> Vec<Self> {
        let draws = parts
            .iter()
            .flat_map(|p| p.draws.iter().map(move |d| (p, d)));
        let of = |(p, d): (&Part, &TokenDraw)| Self {
            license: p.license.clone(),
            pool: d.pool.clone(),
            seats: d.seats,
        };
        draws.map(of).collect()
    }
}

/// What is recorded of one happening.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fact {
    pub event: AuditEvent,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// Of a holder that is barred: it need not be in the books.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder_key: Option<HolderKey>,
    /// Who did it; absent where nobody did: silence, time, the server's files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<ClaimName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
    /// What its seats are used for, as the holder says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectName>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub draws: Vec<AuditDraw>,
    /// Seats over what was sold.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub overdraft: u32,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "short"
    )]
    pub problem: Option<ProblemType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub how: Option<EndReason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub licenses: Vec<LicenseMark>,
    /// D, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_for_secs: Option<u64>,
    /// The grace, seconds; of a lease that is called back, how long its application may go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_for_secs: Option<u64>,
    /// Why a holder is barred, in its administrator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The server's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl Fact {
    pub fn of(event: AuditEvent) -> Self {
        Self {
            event,
            holder: None,
            holder_key: None,
            credential: None,
            claim: None,
            lease: None,
            items: Vec::new(),
            project: None,
            draws: Vec::new(),
            overdraft: 0,
            problem: None,
            how: None,
            times: None,
            count: None,
            bytes: None,
            licenses: Vec::new(),
            lease_for_secs: None,
            run_for_secs: None,
            why: None,
            version: None,
        }
    }

    /// A run of this version of the server begins.
    pub fn started(version: &str) -> Self {
        Self {
            version: Some(version.to_owned()),
            ..Self::of(AuditEvent::Started)
        }
    }

    /// So many records could not be written.
    pub fn lost(count: u64) -> Self {
        Self {
            count: Some(count),
            ..Self::of(AuditEvent::Lost)
        }
    }

    /// So many bytes of a half-written record were cut off.
    pub fn torn(bytes: u64) -> Self {
        Self {
            bytes: Some(bytes),
            ..Self::of(AuditEvent::Torn)
        }
    }
}

/// Which record a record of an extract was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Original {
    pub seq: u64,
    /// Of its whole line.
    pub hash: LineHash,
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// 1.
    pub v: u32,
    /// Its number in its chain, from 1.
    pub seq: u64,
    /// When, by the server's wall clock.
    #[serde(serialize_with = "millis")]
    pub at: Timestamp,
    /// The server's run.
    pub run: InstanceId,
    #[serde(flatten)]
    pub fact: Fact,
    /// Only in an extract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Original>,
    /// Of the line before; absent in the first of a chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<LineHash>,
}

/// An instant to the millisecond.
fn millis<S: Serializer>(t: &Timestamp, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(&format_args!("{t:.3}"))
}

/// A problem's name without the address that it has on the wire.
#[allow(clippy::ref_option, clippy::trivially_copy_pass_by_ref)] // the shape that serde wants
fn short<S: Serializer>(p: &Option<ProblemType>, s: S) -> Result<S::Ok, S::Error> {
    p.map(ProblemType::name).serialize(s)
}
