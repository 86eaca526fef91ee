//! Whether what a license says fits together, and whether its time is now.

use super::anchor::AnchorKey;
use super::armour::ArmourError;
use super::dsse::DsseError;
use super::file::{License, Pool, PoolsByName, Product};
use crate::names::BadName;
use crate::reason::LicenseReason;
use crate::time::{LONGEST_HANDOVER, MIN_LEASE, MIN_TEST_LEASE, Timestamp, print_span};
use std::collections::HashMap;
use std::hash::Hash;

/// The most products, and the most pools, of a license.
const MAX_SOLD: usize = 10_000;
/// The schema this version writes and reads.
const SCHEMA: u32 = 1;
/// What a license may name in `critical`: the fields that this version obeys, at whatever depth
/// they stand.
const UNDERSTOOD: &str = "schema critical id supersedes customer issued notBefore expires maintenanceUntil test \
    emergency pools seats overdraft products versions features countBy from weight anchors \
    software standby usb hwid policy maxGrace optimisticStart maxContested maxHandover \
    maxAnchorGrace maxLease reclaim scheme";

/// Why a license is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LicenseError {
    #[error("not a license file: {0}")]
    Armour(#[from] ArmourError),
    #[error("license signature: {0}")]
    Signature(#[from] DsseError),
    #[error("license field {field}: {problem}")]
    Field { field: String, problem: String },
    #[error(
        "license field critical: {0:?} is not understood by this version of Mooring; install a newer one"
    )]
    Critical(String),
    #[error("license field notBefore: it begins {not_before}, and now it is {now}")]
    NotYet {
        not_before: Timestamp,
        now: Timestamp,
    },
    #[error(
        "license field expires: it ended {expires}, and now it is {now}; ask the vendor for a new one"
    )]
    Expired { expires: Timestamp, now: Timestamp },
}

impl LicenseError {
    /// The same in a word, for conditions and metrics.
    pub const fn reason(&self) -> LicenseReason {
        match self {
            Self::Armour(_) => LicenseReason::Malformed,
            Self::Signature(_) => LicenseReason::SignatureInvalid,
            Self::Field { .. } => LicenseReason::FieldInvalid,
            Self::Critical(_) => LicenseReason::NotUnderstood,
            Self::NotYet { .. } => LicenseReason::NotYetValid,
            Self::Expired { .. } => LicenseReason::Expired,
        }
    }
}

fn bad(field: impl Into<String>, problem: impl Into<String>) -> Result<(), LicenseError> {
    let (field, problem) = (field.into(), problem.into());
    Err(LicenseError::Field { field, problem })
}

/// What is wrong with a document's schema, if it is not the one of this version.
pub(super) fn other_schema(schema: u32) -> Option<String> {
    let p = format!("{schema}, expected {SCHEMA}; a newer version of Mooring may read it");
    (schema != SCHEMA).then_some(p)
}

impl From<BadName> for LicenseError {
    fn from(e: BadName) -> Self {
        let (field, problem) = ("name".to_owned(), e.to_string());
        Self::Field { field, problem }
    }
}

impl License {
    /// Whether everything it says fits together.
    pub fn check(&self) -> Result<(), LicenseError> {
        if let Some(p) = other_schema(self.schema) {
            return bad("schema", p);
        }
        let unknown = |c: &&String| !UNDERSTOOD.split(' ').any(|u| u == *c);
        if let Some(c) = self.critical.iter().find(unknown) {
            return Err(LicenseError::Critical(c.chars().take(80).collect()));
        }
        for (name, value) in [("id", &self.id), ("customer", &self.customer)] {
            if value.trim().is_empty() || value.len() > 256 {
                let start: String = value.chars().take(80).collect();
                let p = format!("{start:?}, {} bytes; expected 1 to 256", value.len());
                return bad(name, p);
            }
        }
        if self.supersedes.contains(&self.id) {
            let p = "is this license's own id; expected those of earlier ones";
            return bad("supersedes", format!("{:?} {p}", self.id));
        }
        if let (Some(from), Some(to)) = (self.not_before, self.expires)
            && from >= to
        {
            return bad("expires", format!("{to} is not after notBefore, {from}"));
        }
        check_anchors(&self.anchors)?;
        self.check_policy()?;
        few("products", self.products.len())?;
        few("pools", self.pools.len())?;
        self.check_pools()?;
        self.check_products()
    }

    /// A lease shorter than the protocol's shortest would have holders ask without end; tests of
    /// what happens at its end need not wait for so long. A handover is an overlap, and no second
    /// license.
    fn check_policy(&self) -> Result<(), LicenseError> {
        let handover = self.policy.max_handover;
        if let Some(d) = handover.filter(|d| *d > LONGEST_HANDOVER) {
            let (is, most) = (print_span(d), print_span(LONGEST_HANDOVER));
            return bad(
                "policy.maxHandover",
                format!("{is}, expected at most {most}"),
            );
        }
        let least = if self.test { MIN_TEST_LEASE } else { MIN_LEASE };
        match self.policy.max_lease.filter(|d| *d < least) {
            Some(d) => {
                let (is, least) = (print_span(d), print_span(least));
                bad(
                    "policy.maxLease",
                    format!("{is}, expected at least {least}"),
                )
            }
            None => Ok(()),
        }
    }

    pub(crate) fn check_pools(&self) -> Result<(), LicenseError> {
        once(
            "pools",
            self.pools.iter().map(|p| (&p.name, p.name.as_str())),
        )?;
        for (i, p) in self.pools.iter().enumerate() {
            if p.seats.checked_add(p.overdraft).is_none() {
                let problem = "seats and overdraft together are too many";
                return bad(format!("pools[{i}].overdraft"), problem);
            }
            self.check_pool_dates(p, &format!("pools[{i}]"))?;
        }
        Ok(())
    }

    /// A pool's dates lie in order, and within the license's: a date that never counts is a
    /// mistake.
    fn check_pool_dates(&self, p: &Pool, at: &str) -> Result<(), LicenseError> {
        let (begins, ends) = (p.not_before, p.expires);
        let expired = format!("{at}.expires");
        if let (Some(from), Some(to)) = (begins, ends)
            && from >= to
        {
            let problem = format!("{to}, expected a date after the pool's notBefore, {from}");
            return bad(expired, problem);
        }
        if let (Some(to), Some(last)) = (ends, self.expires)
            && to > last
        {
            let problem = format!("{to}, expected at most the license's own expires, {last}");
            return bad(expired, problem);
        }
        if let (Some(to), Some(first)) = (ends, self.not_before)
            && to <= first
        {
            let problem = format!("{to}, expected a date after the license's notBefore, {first}");
            return bad(expired, problem);
        }
        let begun = format!("{at}.notBefore");
        if let (Some(from), Some(first)) = (begins, self.not_before)
            && from < first
        {
            let problem = format!("{from}, expected at least the license's notBefore, {first}");
            return bad(begun, problem);
        }
        if let (Some(from), Some(last)) = (begins, self.expires)
            && from >= last
        {
            let problem = format!("{from}, expected a date before the license's expires, {last}");
            return bad(begun, problem);
        }
        Ok(())
    }

    fn check_products(&self) -> Result<(), LicenseError> {
        if self.products.is_empty() {
            return bad("products", "expected at least one");
        }
        once(
            "products",
            self.products.iter().map(|p| (&p.name, p.name.as_str())),
        )?;
        let pools = self.pools_by_name();
        for (i, p) in self.products.iter().enumerate() {
            check_draws(&pools, p, &format!("products[{i}].from"))?;
            if let Some((bound, fault)) = p.versions.fault() {
                return bad(format!("products[{i}].versions.{bound}"), fault);
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

fn few(field: &str, n: usize) -> Result<(), LicenseError> {
    if n <= MAX_SOLD {
        return Ok(());
    }
    let problem = format!("{n} of them, expected at most {MAX_SOLD}; issue several licenses");
    bad(field, problem)
}

/// Whether each name is there once, in whatever case.
fn once<'a, N: Eq + Hash>(
    field: &str,
    names: impl Iterator<Item = (N, &'a str)>,
) -> Result<(), LicenseError> {
    let mut seen = HashMap::new();
    for (i, (name, spelled)) in names.enumerate() {
        if let Some(before) = seen.insert(name, spelled) {
            let problem = if before == spelled {
                format!("{spelled} is there twice")
            } else {
                format!("{spelled} and {before} differ in case alone, expected each name once")
            };
            return bad(format!("{field}[{i}].name"), problem);
        }
    }
    Ok(())
}

/// Whether a product can draw on what its alternatives, which stand at `from`, say.
fn check_draws(pools: &PoolsByName<'_>, p: &Product, from: &str) -> Result<(), LicenseError> {
    if p.from.is_empty() || p.from.iter().any(Vec::is_empty) {
        let problem = "expected at least one alternative with at least one pool";
        return bad(from, problem);
    }
    for d in p.from.iter().flatten() {
        if !pools.has(&d.pool) {
            return bad(from, format!("there is no pool {:?}", d.pool));
        }
        if d.weight == 0 || d.weight > 1_000_000 {
            return bad(from, format!("weight {}, expected 1 to 1000000", d.weight));
        }
    }
    for (k, a) in p.from.iter().enumerate() {
        if let (Some(begin), Some(end)) = pools.dates_of(a)
            && begin >= end
        {
            let names: Vec<&str> = a.iter().map(|d| d.pool.as_str()).collect();
            let problem = format!(
                "{} are never there together: one begins {begin}, and one ends {end}; expected pools whose dates overlap",
                names.join(" and ")
            );
            return bad(format!("{from}[{k}]"), problem);
        }
    }
    Ok(())
}

/// Whether a license's anchors fit together: each key once, what its kind needs, exactly one that
/// is no standby.
pub(super) fn check_anchors(anchors: &[AnchorKey]) -> Result<(), LicenseError> {
    if anchors.is_empty() {
        return bad("anchors", "expected at least one");
    }
    for (i, a) in anchors.iter().enumerate() {
        if anchors.iter().take(i).any(|b| b.key == a.key) {
            let p = format!("{} is there twice", a.key.id());
            return bad(format!("anchors[{i}].key"), p);
        }
        if let Err((name, problem)) = a.check() {
            return bad(format!("anchors[{i}].{name}"), problem);
        }
    }
    if anchors.iter().filter(|a| a.standby.is_none()).count() != 1 {
        let p =
            "expected exactly one without standby: two that serve at once would double the seats";
        return bad("anchors", p);
    }
    Ok(())
}
