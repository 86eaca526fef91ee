//! An order becomes a license.

use super::read::{Count, Order, OrderPolicy, OrderPool, OrderProduct};
use super::{OrderError, refuse};
use crate::license::anchor::Description;
use crate::license::date::Date;
use mooring_core::license::{AnchorKey, AnchorKind, Draw, License, Policy, Pool, Product};
use mooring_core::names::{PoolName, ProductName};
use mooring_core::time::{MAX_LEASE, MIN_LEASE, Timestamp, parse_span, print_span};
use std::time::Duration;

/// How long a license for tests lasts at most.
const TEST_DAYS: i64 = 7;
/// How long an emergency license lasts at most: until a new dongle is there.
const EMERGENCY_DAYS: i64 = 14;
const DAY: Duration = Duration::from_secs(86_400);
/// The longest grace a vendor can allow; far above any use.
const LONGEST_GRACE: Duration = Duration::from_secs(30 * 86_400);
/// Delegations live 15 min and are renewed each 5 (docs/protocol.md, "Time"): no longer can
/// renewals go on without the anchor.
const LONGEST_ANCHOR_GRACE: Duration = Duration::from_secs(10 * 60);

/// A license, and what the vendor may want to look at once more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The license; it passes [`License::check`].
    pub license: License,
    /// Nothing wrong, but unusual.
    pub warnings: Vec<String>,
}

/// The vendor's explicit word for anchors whose key can be copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// Tokens that are software.
    pub software_token: bool,
    /// USB devices.
    pub usb: bool,
    /// Machines.
    pub hwid: bool,
}

impl Allow {
    /// Everything: what an emergency license may be bound to.
    pub const ALL: Self = Self {
        software_token: true,
        usb: true,
        hwid: true,
    };
}

/// Makes the license. `now` dates it.
pub fn build(order: &Order, now: Timestamp, allow: Allow) -> Result<Built, OrderError> {
    let mut warnings = Vec::new();
    let id = required(
        "id",
        order.id.as_deref(),
        "your name for this license, such as ACME-2027-001",
    )?;
    let customer = required("customer", order.customer.as_deref(), "whom it is sold to")?;
    let dates = Dates::read(order, now)?;
    let (pools, products) = sold(order, &mut warnings)?;
    if order.test && order.emergency {
        let problem = "true beside test; expected one of them";
        return Err(refuse("emergency", problem));
    }
    let anchors = anchors(
        &order.anchors,
        if order.emergency { Allow::ALL } else { allow },
    )?;
    let policy = policy(&order.policy)?;
    let license = License {
        schema: 1,
        critical: order.critical.clone(),
        id,
        supersedes: order.supersedes.clone(),
        customer,
        issued: dates.issued,
        not_before: dates.not_before,
        expires: dates.expires,
        maintenance_until: dates.maintenance_until,
        test: order.test,
        emergency: order.emergency,
        pools,
        products,
        anchors,
        policy,
    };
    license.check().map_err(|e| match e {
        mooring_core::license::LicenseError::Field { field, problem } => refuse(field, problem),
        other => refuse("(all)", other.to_string()),
    })?;
    Ok(Built { license, warnings })
}

fn required(field: &str, value: Option<&str>, expected: &str) -> Result<String, OrderError> {
    match value.map(str::trim) {
        None | Some("") => Err(refuse(field, format!("missing; expected {expected}"))),
        Some(v) if v.chars().any(char::is_control) => {
            Err(refuse(field, format!("{v:?}: expected one line of text")))
        }
        Some(v) => Ok(v.to_owned()),
    }
}

struct Dates {
    issued: Timestamp,
    not_before: Option<Timestamp>,
    expires: Option<Timestamp>,
    maintenance_until: Option<Timestamp>,
}

impl Dates {
    fn read(order: &Order, now: Timestamp) -> Result<Self, OrderError> {
        let read = |field: &str, value: &Option<String>, end: bool| {
            let Some(v) = value else { return Ok(None) };
            let d = Date::parse(v).map_err(|e| refuse(field, e.to_string()))?;
            let t = if end { d.end() } else { d.start() };
            t.map(Some)
                .ok_or_else(|| refuse(field, format!("{v:?}: out of range")))
        };
        // Whole seconds: nobody reads more, and every client can.
        let issued = read("issued", &order.issued, false)?.unwrap_or(now);
        let issued = Timestamp::from_second(issued.as_second()).unwrap_or(issued);
        let not_before = read("notBefore", &order.not_before, false)?;
        let begins = not_before.unwrap_or(issued);
        let short = match (order.test, order.emergency) {
            (true, _) => Some(("a license for tests", TEST_DAYS)),
            (false, true) => Some(("an emergency license", EMERGENCY_DAYS)),
            (false, false) => None,
        };
        let longest =
            short.and_then(|(_, d)| Timestamp::from_second(begins.as_second() + d * 86_400).ok());
        let expires = match order.expires.as_deref() {
            Some("never") => match short {
                Some((what, days)) => {
                    let problem = format!("never; {what} lasts at most {days} days");
                    return Err(refuse("expires", problem));
                }
                None => None,
            },
            None if short.is_some() => longest,
            None => {
                let p = "missing; expected the first day that is no longer covered, such as 2028-01-01, or never";
                return Err(refuse("expires", p));
            }
            Some(_) => read("expires", &order.expires, false)?,
        };
        if let Some(t) = expires.filter(|t| *t <= now) {
            return Err(refuse(
                "expires",
                format!("{t} is over already; expected a date after {now}"),
            ));
        }
        if let Some(t) = expires.filter(|t| *t <= begins) {
            let problem =
                format!("{t} is not after the license begins, {begins}; expected a later date");
            return Err(refuse("expires", problem));
        }
        if let (Some((what, days)), Some(t)) = (short, expires)
            && expires > longest
        {
            let at = longest.map(|t| t.to_string()).unwrap_or_default();
            let problem = format!("{t}; {what} lasts at most {days} days, until {at}");
            return Err(refuse("expires", problem));
        }
        let maintenance_until = read("maintenanceUntil", &order.maintenance_until, true)?;
        Ok(Self {
            issued,
            not_before,
            expires,
            maintenance_until,
        })
    }
}

/// Pools and products: those written out, and a pool for each product with seats of its own.
fn sold(
    order: &Order,
    warnings: &mut Vec<String>,
) -> Result<(Vec<Pool>, Vec<Product>), OrderError> {
    if order.products.is_empty() {
        return Err(refuse(
            "products",
            "missing; expected at least one, with name and seats",
        ));
    }
    let mut pools = Vec::new();
    for (i, p) in order.pools.iter().enumerate() {
        pools.push(pool(&format!("pools[{i}]"), p)?);
    }
    let written = pools.len();
    let mut products = Vec::new();
    for (i, p) in order.products.iter().enumerate() {
        products.push(product(&format!("products[{i}]"), p, &mut pools, written)?);
    }
    for p in &pools {
        if !products
            .iter()
            .flat_map(|q| q.from.iter().flatten())
            .any(|d| d.pool == p.name)
        {
            warnings.push(format!("pools: no product draws on pool {}", p.name));
        }
    }
    Ok((pools, products))
}

fn pool(at: &str, p: &OrderPool) -> Result<Pool, OrderError> {
    let name = PoolName::new(&p.name).map_err(|e| refuse(format!("{at}.name"), e.to_string()))?;
    let seats = at_least_one(&format!("{at}.seats"), p.seats)?;
    Ok(Pool {
        name,
        seats,
        overdraft: p.overdraft.map_or(0, |o| o.0),
    })
}

fn at_least_one(field: &str, n: Count) -> Result<u32, OrderError> {
    if n.0 == 0 {
        Err(refuse(
            field,
            "0; expected a whole number from 1 to 1000000",
        ))
    } else {
        Ok(n.0)
    }
}

fn product(
    at: &str,
    p: &OrderProduct,
    pools: &mut Vec<Pool>,
    written: usize,
) -> Result<Product, OrderError> {
    let name =
        ProductName::new(&p.name).map_err(|e| refuse(format!("{at}.name"), e.to_string()))?;
    // Products and pools have the same rule for names.
    let own = PoolName::new(&p.name).map_err(|e| refuse(format!("{at}.name"), e.to_string()))?;
    let is_written = pools.iter().take(written).any(|q| q.name == own);
    let from = match (p.seats, &p.from) {
        (Some(_), Some(_)) => {
            let problem = "given beside from; expected seats (a pool of its own) or from (pools that are listed)";
            return Err(refuse(format!("{at}.seats"), problem));
        }
        (Some(_), None) if is_written => {
            let problem =
                format!("pools lists {own} as well; expected the seats at one of the two places");
            return Err(refuse(format!("{at}.seats"), problem));
        }
        (Some(seats), None) => {
            let seats = at_least_one(&format!("{at}.seats"), seats)?;
            if pools.iter().all(|q| q.name != own) {
                pools.push(Pool {
                    name: own.clone(),
                    seats,
                    overdraft: p.overdraft.map_or(0, |o| o.0),
                });
            }
            vec![vec![Draw {
                pool: own,
                weight: 1,
            }]]
        }
        (None, Some(from)) => from.0.clone(),
        (None, None) if is_written => vec![vec![Draw {
            pool: own,
            weight: 1,
        }]],
        (None, None) => {
            return Err(refuse(
                format!("{at}.seats"),
                "missing; expected a number of seats, or from with pools",
            ));
        }
    };
    if p.overdraft.is_some() && p.seats.is_none() {
        return Err(refuse(
            format!("{at}.overdraft"),
            "given without seats; expected it at the pool, in pools",
        ));
    }
    let versions = p
        .versions
        .checked()
        .map_err(|(bound, e)| refuse(format!("{at}.versions.{bound}"), e))?;
    if let (Some(a), Some(b)) = (&versions.from, &versions.to)
        && !versions.covers(a)
    {
        return Err(refuse(
            format!("{at}.versions"),
            format!("{a}..{b} covers nothing; expected the first version first"),
        ));
    }
    Ok(Product {
        name,
        versions,
        features: p.features.clone(),
        count_by: p.count_by,
        from,
    })
}

fn anchors(list: &[Description], allow: Allow) -> Result<Vec<AnchorKey>, OrderError> {
    if list.is_empty() {
        let problem = "missing; expected what the customer's `mooring license anchor` printed, by --anchor or in the order";
        return Err(refuse("anchors", problem));
    }
    for (i, a) in list.iter().enumerate() {
        // The key of the other kinds is in a file always, whatever their description says.
        let (field, allowed, flag) = match a.kind {
            AnchorKind::Usb => ("kind", allow.usb, "--allow-anchor usb"),
            AnchorKind::Hwid => ("kind", allow.hwid, "--allow-anchor hwid"),
            AnchorKind::Pkcs11 => (
                "software",
                allow.software_token || !a.software,
                "--allow-software-token",
            ),
        };
        if !allowed {
            let kind = match a.kind {
                AnchorKind::Pkcs11 => String::new(),
                kind => format!("{kind}: "),
            };
            let problem = format!(
                "{kind}key {} can be copied, and with it the license; expected a hardware token, or {flag} if that is meant",
                a.key.id()
            );
            return Err(refuse(format!("anchors[{i}].{field}"), problem));
        }
    }
    Ok(list.iter().cloned().map(AnchorKey::from).collect())
}

fn policy(p: &OrderPolicy) -> Result<Policy, OrderError> {
    let span = |name: &str, value: &Option<String>, least: Duration, most: Duration| {
        let Some(v) = value else { return Ok(None) };
        let field = format!("policy.{name}");
        let d = parse_span(v).map_err(|e| refuse(&field, e.to_string()))?;
        if (least..=most).contains(&d) {
            Ok(Some(d))
        } else {
            Err(refuse(
                field,
                format!(
                    "{v}; expected {} to {}",
                    print_span(least),
                    print_span(most)
                ),
            ))
        }
    };
    Ok(Policy {
        max_grace: span("maxGrace", &p.max_grace, Duration::ZERO, LONGEST_GRACE)?,
        optimistic_start: p.optimistic_start,
        max_contested: span("maxContested", &p.max_contested, Duration::ZERO, DAY)?,
        max_anchor_grace: span(
            "maxAnchorGrace",
            &p.max_anchor_grace,
            Duration::ZERO,
            LONGEST_ANCHOR_GRACE,
        )?,
        max_lease: span("maxLease", &p.max_lease, MIN_LEASE, MAX_LEASE)?,
        reclaim: p.reclaim,
    })
}
