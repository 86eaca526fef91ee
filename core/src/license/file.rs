//! License files: what a vendor sells, bound to an anchor's key.

use super::anchor::AnchorKey;
use super::versions::VersionRange;
use crate::names::{PoolName, ProductName};
use crate::policy::{OptimisticStart, Reclaim, words};
use crate::time::{DEFAULT_GRACE, Timestamp, is_within, span};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::Duration;

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
    /// When its seats begin, within the license's dates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Instant>"))]
    pub not_before: Option<Timestamp>,
    /// When its seats end (exclusive), within the license's dates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Instant>"))]
    pub expires: Option<Timestamp>,
}

impl Pool {
    /// Whether its seats are there at `at`: begun, and not ended.
    pub fn is_open(&self, at: Timestamp) -> bool {
        is_within(self.not_before, self.expires, at)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
pub(crate) fn is_zero(n: &u32) -> bool {
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

words!(CountBy: Claim = "claim", Pod = "pod", Node = "node", ServiceAccount = "service account",
    Subject = "subject");

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
    #[serde(default, with = "span", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Span>"))]
    pub max_grace: Option<Duration>,
    /// Starting with no server in reach.
    #[serde(default)]
    pub optimistic_start: OptimisticStart,
    /// How long a contested holder may go on.
    #[serde(default, with = "span", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Span>"))]
    pub max_contested: Option<Duration>,
    /// How long a pod may run beside the one that it replaces, on top of the seats. Without it not
    /// at all.
    #[serde(default, with = "span", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Span>"))]
    pub max_handover: Option<Duration>,
    /// How long renewals go on without the anchor.
    #[serde(default, with = "span", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Span>"))]
    pub max_anchor_grace: Option<Duration>,
    /// The longest lease.
    #[serde(default, with = "span", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Span>"))]
    pub max_lease: Option<Duration>,
    /// What proof a silent holder's seat needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reclaim: Option<Reclaim>,
}

impl Policy {
    /// The longest grace in force: what the license says, else eight hours (docs/protocol.md,
    /// "Time").
    pub fn grace_limit(&self) -> Duration {
        self.max_grace.unwrap_or(DEFAULT_GRACE)
    }
}

impl License {
    pub fn pool(&self, name: &PoolName) -> Option<&Pool> {
        self.pools.iter().find(|p| p.name == *name)
    }

    pub fn product(&self, name: &ProductName) -> Option<&Product> {
        self.products.iter().find(|p| p.name == *name)
    }

    /// Its pools by their names: for who looks up more than a few.
    pub fn pools_by_name(&self) -> PoolsByName<'_> {
        PoolsByName {
            license: self,
            pools: self.pools.iter().map(|p| (&p.name, p)).collect(),
        }
    }
}

/// A license's pools by their names: it may have thousands.
#[derive(Debug)]
pub struct PoolsByName<'a> {
    license: &'a License,
    pools: HashMap<&'a PoolName, &'a Pool>,
}

impl PoolsByName<'_> {
    /// Whether there is one of this name.
    pub fn has(&self, name: &PoolName) -> bool {
        self.pools.contains_key(name)
    }

    /// The dates within which one seat of an alternative can be had at all: those that its pools
    /// and the license have in common.
    pub fn dates_of(&self, alternative: &[Draw]) -> (Option<Timestamp>, Option<Timestamp>) {
        let pools = || alternative.iter().filter_map(|d| self.pools.get(&d.pool));
        let begins = pools().filter_map(|p| p.not_before);
        let ends = pools().filter_map(|p| p.expires);
        let begin = begins.chain(self.license.not_before).max();
        (begin, ends.chain(self.license.expires).min())
    }

    /// When the last seat of a product ends (exclusive): with its latest alternative, and with the
    /// license at the latest. `None`: never.
    pub fn ends(&self, product: &Product) -> Option<Timestamp> {
        let ends = product.from.iter().map(|a| self.dates_of(a).1);
        // `None` is later than any date.
        let last = ends.reduce(|a, b| a.and_then(|a| b.map(|b| a.max(b))));
        last.flatten()
    }
}
