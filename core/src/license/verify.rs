//! Offline verification, as an application does it (docs/formats.md).

use super::anchor::AnchorKind;
use super::bundle::Bundle;
use super::check::LicenseError;
use super::dates::{AppClock, ClockOrStale, Dated, Restricts};
use super::delegation::{Delegation, DelegationError};
use super::dsse::DsseError;
use super::file::{Draw, License, Pool, Product};
use super::keys::{KeyId, PublicKey};
use super::open::{OpenLicense, Trust};
use super::token::{LeaseToken, TokenItem, TokenPart};
use super::types;
use crate::names::{ClaimName, LeaseId, ProductName, Version};
use crate::policy::OptimisticStart;
use crate::secret::SecretHash;
use crate::time::{DEFAULT_MAX_CONTESTED, Timestamp};
use std::time::Duration;

/// What the application asks of a lease.
#[derive(Clone, Debug)]
pub struct Demand<'a> {
    /// The product it is.
    pub product: &'a ProductName,
    /// Its own version, compiled in.
    pub app_version: Option<&'a Version>,
    /// When it was built, compiled in.
    pub built_on: Option<Timestamp>,
    /// The nonce it has just sent.
    pub nonce: Option<&'a str>,
    /// Whose seat it must be: the hash that the application sent when it took it. None: anybody's,
    /// as the pod's.
    pub bind: Option<SecretHash>,
    /// What it insists on.
    pub min_anchor: MinAnchor,
}

impl<'a> Demand<'a> {
    /// Seats of a product, anybody's, for whatever version and on any anchor.
    pub const fn of(product: &'a ProductName) -> Self {
        Self {
            product,
            app_version: None,
            built_on: None,
            nonce: None,
            bind: None,
            min_anchor: MinAnchor::Any,
        }
    }
}

/// What kind of anchor an application insists on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinAnchor {
    /// Any that the vendor's license lists.
    #[default]
    Any,
    /// One whose key cannot be copied out.
    Hardware,
}

/// A lease that verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The lease.
    pub lease: LeaseId,
    /// The holder's name for the claim.
    pub claim: ClaimName,
    /// Seats of the product.
    pub seats: u32,
    /// How long the application may go on, from its asking if [`fresh`](Self::fresh).
    pub run_for: Duration,
    /// It answers the application's own nonce.
    pub fresh: bool,
    /// The anchor's kind.
    pub anchor: AnchorKind,
    /// The anchor's key can be copied.
    pub software: bool,
    /// Seats over what was sold.
    pub overdraft: u32,
    /// The license is one for tests.
    pub test: bool,
    /// The license bridges the time until broken hardware is replaced: its anchor may be software.
    pub emergency: bool,
    /// The vendor's names of features of the product.
    pub features: Vec<String>,
    /// What the vendor allows an application that starts with no server in reach.
    pub optimistic_start: OptimisticStart,
    /// How long it may go on once its seat was given away.
    pub max_contested: Duration,
    /// The license's id.
    pub license_id: String,
    /// When the token was made, by the server's clock.
    pub issued_at: Timestamp,
}

/// Why a lease is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The license.
    #[error("{0}")]
    License(#[from] LicenseError),
    /// The delegation.
    #[error("{0}")]
    Delegation(#[from] DelegationError),
    /// The lease token's type or signature.
    #[error("lease token signature: {0}")]
    Lease(DsseError),
    /// The links do not belong together.
    #[error("lease token field {field}: it belongs to {found}, and here is {expected}")]
    Mixed {
        /// Which link.
        field: &'static str,
        /// The one that the token names.
        found: String,
        /// The one at hand.
        expected: String,
    },
    /// Signed outside the delegation's time.
    #[error("lease token field issuedAt: {issued_at} lies outside its delegation, {from} to {to}")]
    OutsideDelegation {
        /// When it was signed.
        issued_at: Timestamp,
        /// The delegation's begin.
        from: Timestamp,
        /// The delegation's end.
        to: Timestamp,
    },
    /// The lease is for something else.
    #[error("lease token field parts.items: product {0:?} is not in it, or not in its license")]
    OtherProduct(ProductName),
    /// The version is not covered.
    #[error("lease token field parts.items.versions: version {version} is not covered ({covered})")]
    Version {
        /// The application's.
        version: Version,
        /// The license's range, in words.
        covered: String,
    },
    /// Built after maintenance ended.
    #[error(
        "lease token field parts.items.maintenanceUntil: built on {built_on}, maintenance ended {until}"
    )]
    Maintenance {
        /// The application's build.
        built_on: Timestamp,
        /// The end of maintenance.
        until: Timestamp,
    },
    /// A pool that its seats come from has not begun, or has ended.
    #[error("lease token field parts.draws: {pool} {when}, and the token is of {issued_at}")]
    Pool {
        /// The pool, or all that the product draws on.
        pool: String,
        /// Its dates, in words.
        when: String,
        /// When the token was signed.
        issued_at: Timestamp,
    },
    /// It answers another question.
    #[error(
        "lease token field nonce: it answers another question than the application's (a replay?)"
    )]
    Nonce,
    /// It is another application's seat.
    #[error(
        "lease token field bind: the seat is not this application's own ({})",
        if *.named { "it is another's" } else { "it is nobody's" }
    )]
    Bind {
        /// Whether it names anybody.
        named: bool,
    },
    /// The anchor is too weak for the application.
    #[error(
        "lease token field anchor: the application insists on hardware, and this anchor's key is software ({0})"
    )]
    Anchor(AnchorKind),
    /// All else is right; its date does not fit the application's clock: as if nobody had answered.
    #[error("{0}")]
    ClockOrStale(Box<ClockOrStale>),
}

impl VerifyError {
    /// A short reason in CamelCase, the same in every client library (testdata/vectors.json): what
    /// went wrong at which link.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::License(e) => match e {
                LicenseError::Armour(_) => "LicenseMalformed",
                LicenseError::Signature(DsseError::WrongType { .. }) => "LicenseType",
                LicenseError::Signature(DsseError::NotSigned { .. }) => "LicenseNotSigned",
                LicenseError::Signature(DsseError::Payload(_)) => "LicenseUnreadable",
                LicenseError::Field { .. } => "LicenseField",
                LicenseError::Critical(_) => "LicenseCritical",
                LicenseError::NotYet { .. } => "LicenseNotYetValid",
                LicenseError::Expired { .. } => "LicenseExpired",
            },
            Self::Delegation(e) => match e {
                DelegationError::Signature(DsseError::WrongType { .. }) => "DelegationType",
                DelegationError::Signature(DsseError::NotSigned { .. }) => "DelegationNotSigned",
                DelegationError::Signature(DsseError::Payload(_)) => "DelegationUnreadable",
                DelegationError::WrongAnchor { .. } => "DelegationAnchor",
                DelegationError::Span { .. } => "DelegationSpan",
                DelegationError::WrongLicense { .. } | DelegationError::Licenses(_) => {
                    "DelegationLicense"
                }
            },
            Self::Lease(DsseError::WrongType { .. }) => "LeaseType",
            Self::Lease(DsseError::NotSigned { .. }) => "LeaseNotSigned",
            Self::Lease(DsseError::Payload(_)) => "LeaseUnreadable",
            Self::Mixed { .. } => "LeaseMixed",
            Self::OutsideDelegation { .. } => "LeaseOutsideDelegation",
            Self::OtherProduct(_) => "LeaseProduct",
            Self::Version { .. } => "LeaseVersion",
            Self::Maintenance { .. } => "LeaseMaintenance",
            Self::Pool { .. } => "LeasePool",
            Self::Nonce => "LeaseNonce",
            Self::Bind { .. } => "LeaseBind",
            Self::Anchor(_) => "LeaseAnchor",
            Self::ClockOrStale(_) => "ClockOrStale",
        }
    }
}

/// Verifies a bundle against pinned vendor keys alone. The license's dates are judged at the
/// token's `issuedAt`, and that by the application's `clock`: last, so that what does not verify is
/// never taken for a clock that is wrong.
pub fn verify(
    bundle: &Bundle,
    vendor_keys: &[PublicKey],
    demand: &Demand<'_>,
    clock: &AppClock,
) -> Result<Verified, VerifyError> {
    let none = || LicenseError::Field {
        field: "licenses".into(),
        problem: "there is none in the bundle".into(),
    };
    let license = bundle.license_of(demand.product).ok_or_else(none)?;
    let open = OpenLicense::from_envelope(license.clone(), Trust::Pinned(vendor_keys))?;
    let (delegation, anchor) =
        Delegation::open_for(&bundle.delegation, &open.license, &open.digest)?;
    let opened = bundle
        .lease
        .open::<LeaseToken>(types::LEASE, &[delegation.server_key]);
    let (token, _) = opened.map_err(VerifyError::Lease)?;

    let part = check_links(&token, bundle, &open, &delegation)?;
    if !delegation.covers(token.issued_at) {
        let (issued_at, from, to) = (token.issued_at, delegation.not_before, delegation.not_after);
        return Err(VerifyError::OutsideDelegation {
            issued_at,
            from,
            to,
        });
    }
    open.license.check_dates(token.issued_at)?;

    let (item, sold) = covered(part, &open.license, demand)?;
    check_pools(&token, part, &open.license, sold)?;
    let (seats, features) = (item.seats.get(), sold.features.clone());
    let fresh = match demand.nonce {
        Some(n) if token.nonce.as_deref() == Some(n) => true,
        Some(_) => return Err(VerifyError::Nonce),
        None => false,
    };
    if demand.bind.is_some() && token.bind != demand.bind {
        let named = token.bind.is_some();
        return Err(VerifyError::Bind { named });
    }
    let software = anchor.software || anchor.kind != AnchorKind::Pkcs11;
    if demand.min_anchor == MinAnchor::Hardware && software {
        return Err(VerifyError::Anchor(anchor.kind));
    }
    let restricts = restricts(&token, &open.license);
    check_date(&token, &open.license, demand, fresh, restricts, clock)?;
    Ok(Verified {
        lease: token.lease,
        claim: token.claim,
        seats,
        run_for: restricts.run_for,
        fresh,
        anchor: anchor.kind,
        software,
        overdraft: token.overdraft,
        test: token.test || open.license.test,
        emergency: token.emergency || open.license.emergency,
        features,
        optimistic_start: restricts.optimistic_start,
        max_contested: restricts.max_contested,
        license_id: open.license.id,
        issued_at: token.issued_at,
    })
}

fn restricts(token: &LeaseToken, license: &License) -> Restricts {
    let policy = &license.policy;
    Restricts {
        optimistic_start: policy.optimistic_start,
        run_for: token.run_for.min(policy.grace_limit()),
        max_contested: policy.max_contested.unwrap_or(DEFAULT_MAX_CONTESTED),
    }
}

/// Whether the token's date fits the application's clock.
fn check_date(
    token: &LeaseToken,
    license: &License,
    demand: &Demand<'_>,
    fresh: bool,
    restricts: Restricts,
    clock: &AppClock,
) -> Result<(), VerifyError> {
    let issued_at = token.issued_at;
    let dated = Dated {
        issued_at,
        fresh,
        run_for: restricts.run_for,
        issued: license.issued,
        built_on: demand.built_on,
    };
    dated.fault(clock).map_or(Ok(()), |fault| {
        Err(VerifyError::ClockOrStale(Box::new(ClockOrStale {
            issued_at,
            now: clock.now,
            fault,
            restricts,
        })))
    })
}

/// Whether token, delegation and license name each other: each may be genuine, and of another
/// lease. What the token has of the license.
fn check_links<'t>(
    token: &'t LeaseToken,
    bundle: &Bundle,
    open: &OpenLicense,
    delegation: &Delegation,
) -> Result<&'t TokenPart, VerifyError> {
    let anchor_of = |kind, key: &KeyId| format!("{kind} key {}", key.0);
    let (t, d, lent) = (token, delegation, bundle.delegation.digest());
    let named = anchor_of(t.anchor.kind, &t.anchor.key_id);
    let mixed = |field, found: String, expected| VerifyError::Mixed {
        field,
        found: found.chars().take(80).collect(),
        expected,
    };
    let of = t.parts.iter().map(|p| p.license.0.as_str());
    let Some(part) = t.parts.iter().find(|p| p.license == open.digest) else {
        let found = of.collect::<Vec<_>>().join(", ");
        return Err(mixed("parts.license", found, open.digest.0.clone()));
    };
    let links = [
        ("delegation", t.delegation.0.clone(), lent.0),
        ("instance", t.instance.to_string(), d.instance.to_string()),
        ("anchor", named, anchor_of(d.kind, &d.key_id)),
    ];
    for (field, found, expected) in links {
        if found != expected {
            return Err(mixed(field, found, expected));
        }
    }
    Ok(part)
}

/// What of the token is for the demanded product, and what the license says of it, if that covers
/// the application.
fn covered<'a>(
    part: &'a TokenPart,
    license: &'a License,
    demand: &Demand<'_>,
) -> Result<(&'a TokenItem, &'a Product), VerifyError> {
    let item = part.items.iter().find(|i| i.product == *demand.product);
    let sold = license.product(demand.product);
    let (Some(item), Some(sold)) = (item, sold) else {
        return Err(VerifyError::OtherProduct(demand.product.clone()));
    };
    // The vendor's own word and the token's: a patched server cannot widen what was sold.
    for versions in [&sold.versions, &item.versions] {
        if let Some(version) = demand.app_version.filter(|v| !versions.covers(v)) {
            return Err(VerifyError::Version {
                version: version.clone(),
                covered: versions.against(version),
            });
        }
    }
    let ends = [license.maintenance_until, item.maintenance_until];
    for until in ends.into_iter().flatten() {
        if let Some(built_on) = demand.built_on.filter(|b| *b > until) {
            return Err(VerifyError::Maintenance { built_on, until });
        }
    }
    Ok((item, sold))
}

/// Whether the pools that the seats come from are there when the token was signed.
///
/// A draw on a pool that the license does not have (any more) says nothing: a license that changes
/// throws nobody out. So some alternative of the product must be there besides, whatever the token
/// says.
fn check_pools(
    token: &LeaseToken,
    part: &TokenPart,
    license: &License,
    sold: &Product,
) -> Result<(), VerifyError> {
    let issued_at = token.issued_at;
    let is_closed = |p: &&Pool| !p.is_open(issued_at);
    let drawn = part.draws.iter().filter_map(|d| license.pool(&d.pool));
    if let Some(p) = drawn.into_iter().find(is_closed) {
        let begins = p.not_before.filter(|t| issued_at < *t);
        let begins = begins.map(|t| format!("begins {t}"));
        let ended = || p.expires.map(|t| format!("ended {t}"));
        return Err(VerifyError::Pool {
            pool: format!("pool {}", p.name),
            when: begins.or_else(ended).unwrap_or_default(),
            issued_at,
        });
    }
    let is_there = |a: &Vec<Draw>| {
        let mut pools = a.iter().filter_map(|d| license.pool(&d.pool));
        pools.all(|p| p.is_open(issued_at))
    };
    if sold.from.iter().any(is_there) {
        return Ok(());
    }
    Err(VerifyError::Pool {
        pool: format!("each pool of {}", sold.name),
        when: "has ended or has not begun".into(),
        issued_at,
    })
}
