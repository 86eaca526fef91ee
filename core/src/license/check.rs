//! Whether what a license says fits together, and whether its time is now.

use super::anchor::AnchorKey;
use super::armour::ArmourError;
use super::dsse::DsseError;
use super::file::License;
use crate::names::BadName;
use crate::reason::LicenseReason;
use crate::time::Timestamp;

/// The schema this version writes and reads.
pub(crate) const SCHEMA: u32 = 1;
/// What a license may name in `critical`: the fields that this version obeys, at whatever depth
/// they stand.
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

impl License {
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
        check_anchors(&self.anchors)?;
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

/// Whether a license's anchors fit together: each key once, what its kind needs, exactly one that
/// is no standby.
pub(super) fn check_anchors(anchors: &[AnchorKey]) -> Result<(), LicenseError> {
    let bad = |at: String, problem: String| Err(field(at, problem));
    if anchors.is_empty() {
        return bad("anchors".into(), "expected at least one".into());
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
        return bad("anchors".into(), p.into());
    }
    Ok(())
}
