//! License files: what a vendor sells, bound to an anchor's key.

use super::anchor::{self, AnchorKey};
use super::armour::{ArmourError, dearmour};
use super::dsse::{Digest, DsseError, Envelope};
use super::keys::{KeyId, PublicKey};
use super::types;
use super::versions::VersionRange;
use crate::names::{BadName, PoolName, ProductName};
use crate::time::{DEFAULT_GRACE, Timestamp, span};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The schema this version writes and reads.
pub(crate) const SCHEMA: u32 = 1;
/// What a license may name in `critical`: the fields that this version obeys, at whatever depth they stand.
const UNDERSTOOD: &[&str] = &[
    "schema",
    "critical",
    "id",
    "supersedes",
    "customer",
    "issued",
    "notBefore",
    "expires",
    "maintenanceUntil",
    "test",
    "emergency",
    "pools",
    "seats",
    "overdraft",
    "products",
    "versions",
    "features",
    "countBy",
    "from",
    "weight",
    "anchors",
    "software",
    "standby",
    "usb",
    "hwid",
    "policy",
    "maxGrace",
    "optimisticStart",
    "maxContested",
    "maxAnchorGrace",
    "maxLease",
    "reclaim",
];

/// Why a license is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LicenseError {
    /// The file is no license file.
    #[error("not a license file: {0}")]
    Armour(#[from] ArmourError),
    /// Its signature does not verify.
    #[error("license signature: {0}")]
    Signature(#[from] DsseError),
    /// A field is wrong.
    #[error("license field {field}: {problem}")]
    Field {
        /// Which.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// It demands something that this version does not know.
    #[error(
        "license field critical: {0:?} is not understood by this version of Mooring; install a newer one"
    )]
    Critical(String),
    /// Its time has not come.
    #[error("license field notBefore: it begins {not_before}, and now it is {now}")]
    NotYet {
        /// When it begins.
        not_before: Timestamp,
        /// The clock.
        now: Timestamp,
    },
    /// Its time is over.
    #[error(
        "license field expires: it ended {expires}, and now it is {now}; ask the vendor for a new one"
    )]
    Expired {
        /// When it ended.
        expires: Timestamp,
        /// The clock.
        now: Timestamp,
    },
}

impl LicenseError {
    /// A short reason in CamelCase, for conditions and metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Armour(_) => "Malformed",
            Self::Signature(_) => "SignatureInvalid",
            Self::Field { .. } => "FieldInvalid",
            Self::Critical(_) => "NotUnderstood",
            Self::NotYet { .. } => "NotYetValid",
            Self::Expired { .. } => "Expired",
        }
    }
}

fn field(field: impl Into<String>, problem: impl Into<String>) -> LicenseError {
    LicenseError::Field {
        field: field.into(),
        problem: problem.into(),
    }
}

impl From<BadName> for LicenseError {
    fn from(e: BadName) -> Self {
        field("name", e.to_string())
    }
}

/// The signed document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct License {
    /// 1.
    #[cfg_attr(feature = "schema", schemars(extend("const" = 1)))]
    pub schema: u32,
    /// Names of fields that a reader must understand or refuse the whole license.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub critical: Vec<String>,
    /// The vendor's name for this license.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 256)))]
    pub id: String,
    /// Licenses that this one replaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supersedes: Vec<String>,
    /// Whom it was sold to.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 256)))]
    pub customer: String,
    /// When it was issued.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Instant"))]
    pub issued: Timestamp,
    /// When it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Instant>"))]
    pub not_before: Option<Timestamp>,
    /// When it ends (UTC, exclusive); never without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Instant>"))]
    pub expires: Option<Timestamp>,
    /// Builds after this day are not covered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Instant>"))]
    pub maintenance_until: Option<Timestamp>,
    /// Set in licenses for tests; carried into tokens as a watermark.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
    /// Set in licenses that bridge the time until broken hardware is replaced; carried into tokens.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub emergency: bool,
    /// Seats.
    pub pools: Vec<Pool>,
    /// What draws on them.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub products: Vec<Product>,
    /// The hardware it is bound to.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub anchors: Vec<AnchorKey>,
    /// What the vendor allows.
    #[serde(default)]
    pub policy: Policy,
}

/// A number of seats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Pool {
    /// Its name.
    pub name: PoolName,
    /// Its seats.
    pub seats: u32,
    /// How many more may be used, visibly.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub overdraft: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// What is sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Product {
    /// Its name.
    pub name: ProductName,
    /// Versions covered.
    #[serde(default, skip_serializing_if = "VersionRange::is_all")]
    pub versions: VersionRange,
    /// The vendor's own names of features, carried for the application.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// What one seat is counted for.
    #[serde(default)]
    pub count_by: CountBy,
    /// Alternatives in order: the first whose pools all have room is drawn.
    #[cfg_attr(feature = "schema", schemars(length(min = 1), inner(length(min = 1))))]
    pub from: Vec<Vec<Draw>>,
}

/// What one seat is counted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum CountBy {
    /// Each claim.
    #[default]
    Claim,
    /// Each pod.
    Pod,
    /// Each node.
    Node,
    /// Each service account.
    ServiceAccount,
    /// Each subject.
    Subject,
}

/// Seats drawn from one pool for one seat of a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Draw {
    /// The pool.
    pub pool: PoolName,
    /// How many of its seats.
    #[serde(default = "one")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_000_000)))]
    pub weight: u32,
}

fn one() -> u32 {
    1
}

/// What the vendor allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// The longest grace.
    #[serde(
        default,
        with = "span::option",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Span>"))]
    pub max_grace: Option<Duration>,
    /// Starting with no server in reach.
    #[serde(default)]
    pub optimistic_start: crate::wire::OptimisticStart,
    /// How long a contested holder may go on.
    #[serde(
        default,
        with = "span::option",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Span>"))]
    pub max_contested: Option<Duration>,
    /// How long renewals go on without the anchor.
    #[serde(
        default,
        with = "span::option",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Span>"))]
    pub max_anchor_grace: Option<Duration>,
    /// The longest lease.
    #[serde(
        default,
        with = "span::option",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Span>"))]
    pub max_lease: Option<Duration>,
    /// What proof a silent holder's seat needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reclaim: Option<Reclaim>,
}

impl Policy {
    /// The longest grace in force: what the license says, else eight hours (design: protocol, "grace").
    pub fn grace_limit(&self) -> Duration {
        self.max_grace.unwrap_or(DEFAULT_GRACE)
    }
}

/// When a silent holder's seat is given away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Reclaim {
    /// After D + M of silence.
    #[default]
    Any,
    /// Only on proof that the pod is gone, or after its grace.
    Confirmed,
}

/// Whose signature is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Trust<'a> {
    /// One of these keys'.
    Pinned(&'a [PublicKey]),
    /// Nobody's: the reader has no vendor key. Applications pin their own; a server without keys only
    /// cannot explain a forged file before they do.
    Unchecked,
}

/// A license that was read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenLicense {
    /// What it says.
    pub license: License,
    /// The SHA-256 of the signed bytes.
    pub digest: Digest,
    /// The signed bytes.
    pub envelope: Envelope,
    /// The vendor's key that verified; none if unchecked.
    pub signed_by: Option<KeyId>,
}

impl OpenLicense {
    /// Reads a license file. Dates are judged by [`License::check_dates`].
    pub fn read(text: &str, trust: Trust<'_>) -> Result<Self, LicenseError> {
        Self::from_envelope(dearmour(text, types::LICENSE)?, trust)
    }

    /// Checks a license out of its envelope.
    pub fn from_envelope(envelope: Envelope, trust: Trust<'_>) -> Result<Self, LicenseError> {
        let signed_by = match trust {
            Trust::Pinned(keys) => Some(envelope.signer(types::LICENSE, keys)?.id()),
            Trust::Unchecked => None,
        };
        let license: License = envelope.read_unverified(types::LICENSE)?;
        license.check()?;
        Ok(Self {
            digest: envelope.digest(),
            license,
            envelope,
            signed_by,
        })
    }
}

impl License {
    /// The pool of this name.
    pub fn pool(&self, name: &PoolName) -> Option<&Pool> {
        self.pools.iter().find(|p| p.name == *name)
    }

    /// The product of this name.
    pub fn product(&self, name: &ProductName) -> Option<&Product> {
        self.products.iter().find(|p| p.name == *name)
    }

    /// Whether everything it says fits together.
    pub fn check(&self) -> Result<(), LicenseError> {
        if self.schema != SCHEMA {
            let p = format!(
                "{}, expected {SCHEMA}; a newer version of Mooring may read it",
                self.schema
            );
            return Err(field("schema", p));
        }
        if let Some(c) = self
            .critical
            .iter()
            .find(|c| !UNDERSTOOD.contains(&c.as_str()))
        {
            return Err(LicenseError::Critical(c.chars().take(80).collect()));
        }
        for (name, value) in [("id", &self.id), ("customer", &self.customer)] {
            if value.trim().is_empty() || value.len() > 256 {
                let start: String = value.chars().take(80).collect();
                return Err(field(
                    name,
                    format!("{start:?}, {} bytes; expected 1 to 256", value.len()),
                ));
            }
        }
        if self.supersedes.contains(&self.id) {
            let problem = format!(
                "{:?} is this license's own id; expected those of earlier ones",
                self.id
            );
            return Err(field("supersedes", problem));
        }
        if let (Some(from), Some(to)) = (self.not_before, self.expires)
            && from >= to
        {
            return Err(field(
                "expires",
                format!("{to} is not after notBefore, {from}"),
            ));
        }
        anchor::check(&self.anchors)?;
        self.check_pools()?;
        self.check_products()
    }

    fn check_pools(&self) -> Result<(), LicenseError> {
        for (i, p) in self.pools.iter().enumerate() {
            if self.pools.iter().take(i).any(|q| q.name == p.name) {
                return Err(field(
                    format!("pools[{i}].name"),
                    format!("{} is there twice", p.name),
                ));
            }
            if p.seats.checked_add(p.overdraft).is_none() {
                return Err(field(
                    format!("pools[{i}].overdraft"),
                    "seats and overdraft together are too many",
                ));
            }
        }
        Ok(())
    }

    fn check_products(&self) -> Result<(), LicenseError> {
        if self.products.is_empty() {
            return Err(field("products", "expected at least one"));
        }
        for (i, p) in self.products.iter().enumerate() {
            let at = format!("products[{i}]");
            if self.products.iter().take(i).any(|q| q.name == p.name) {
                return Err(field(
                    format!("{at}.name"),
                    format!("{} is there twice", p.name),
                ));
            }
            if p.from.is_empty() || p.from.iter().any(Vec::is_empty) {
                return Err(field(
                    format!("{at}.from"),
                    "expected at least one alternative with at least one pool",
                ));
            }
            for d in p.from.iter().flatten() {
                if self.pool(&d.pool).is_none() {
                    return Err(field(
                        format!("{at}.from"),
                        format!("there is no pool {:?}", d.pool),
                    ));
                }
                if d.weight == 0 || d.weight > 1_000_000 {
                    return Err(field(
                        format!("{at}.from"),
                        format!("weight {}, expected 1 to 1000000", d.weight),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether it is in force at `now`.
    pub fn check_dates(&self, now: Timestamp) -> Result<(), LicenseError> {
        if let Some(not_before) = self.not_before.filter(|t| now < *t) {
            return Err(LicenseError::NotYet { not_before, now });
        }
        match self.expires.filter(|t| now >= *t) {
            Some(expires) => Err(LicenseError::Expired { expires, now }),
            None => Ok(()),
        }
    }
}
