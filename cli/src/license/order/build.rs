//! An order becomes a license.

use super::read::{Order, OrderPolicy, OrderPool, OrderProduct};
use super::{OrderError, refuse};
use crate::license::date;
use mooring_core::license::{
    AnchorKey, AnchorKind, Draw, License, LicenseError, Policy, Pool, Product, VersionScheme,
    is_placeholder,
};
use mooring_core::names::{PoolName, ProductName};
use mooring_core::time::{
    LONGEST_GRACE, LONGEST_HANDOVER, MAX_LEASE, MIN_LEASE, Timestamp, parse_span, print_span,
};
use std::collections::HashSet;
use std::time::Duration;

/// How long a license for tests lasts at most.
const TEST_DAYS: i64 = 7;
/// How long an emergency license lasts at most: until a new dongle is there.
const EMERGENCY_DAYS: i64 = 14;
const DAY: Duration = Duration::from_secs(86_400);
/// Delegations live 15 min and are renewed each 5 (docs/protocol.md, "Time"): no longer can
/// renewals go on without the anchor.
const LONGEST_ANCHOR_GRACE: Duration = Duration::from_secs(10 * 60);

/// Anchors whose key can be copied: only by the vendor's explicit word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Weak {
    /// A PKCS#11 token that is software (SoftHSM and the like)
    SoftwareToken,
    /// A USB device, and a key in a file
    Usb,
    /// A machine, and a key in a file
    Hwid,
}

/// Makes the license, which passes [`License::check`]. `now` dates it. Beside it: what is not
/// wrong, but unusual.
pub fn build(
    order: &Order,
    now: Timestamp,
    allow: &[Weak],
) -> Result<(License, Vec<String>), OrderError> {
    let mut warnings = Vec::new();
    let expected = "your name for this license, such as ACME-2027-001";
    let id = required("id", order.id.as_deref(), expected)?;
    let customer = required("customer", order.customer.as_deref(), "whom it is sold to")?;
    let dates = Dates::read(order, now)?;
    let (pools, products) = sold(order, &mut warnings)?;
    if order.test && order.emergency {
        let problem = "true beside test; expected one of them";
        return Err(refuse("emergency", problem));
    }
    // A reader that knows no schemes would compare these versions otherwise.
    let decimal = |p: &Product| p.versions.scheme == VersionScheme::Decimal;
    let mut critical = order.critical.clone();
    if products.iter().any(decimal) && !critical.iter().any(|c| c == "scheme") {
        critical.push("scheme".into());
    }
    let license = License {
        schema: 1,
        critical,
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
        anchors: anchors(order, allow)?,
        policy: policy(&order.policy)?,
    };
    license.check().map_err(|e| match e {
        LicenseError::Field { field, problem } => refuse(as_ordered(order, field), problem),
        other => refuse("(all)", other.to_string()),
    })?;
    Ok((license, warnings))
}

/// A field of the license as the order has it: the dates of a product's own pool stand at the
/// product, and such pools come after those that are written out, in the products' order.
fn as_ordered(order: &Order, field: String) -> String {
    let own = field.strip_prefix("pools[").and_then(|rest| {
        let (n, rest) = rest.split_once(']')?;
        let n = n.parse::<usize>().ok()?.checked_sub(order.pools.len())?;
        let products = order.products.iter().enumerate();
        let (i, _) = products.filter(|(_, p)| p.seats.is_some()).nth(n)?;
        Some(format!("products[{i}]{rest}"))
    });
    own.unwrap_or(field)
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

/// A date; of a day its first instant, or its last second where `end` says so.
fn read_date(field: &str, value: Option<&str>, end: bool) -> Result<Option<Timestamp>, OrderError> {
    let Some(v) = value else { return Ok(None) };
    let t = date::parse(v, end).map_err(|e| refuse(field, e.to_string()))?;
    let out_of_range = || refuse(field, format!("{v:?}: out of range"));
    t.map(Some).ok_or_else(out_of_range)
}

struct Dates {
    issued: Timestamp,
    not_before: Option<Timestamp>,
    expires: Option<Timestamp>,
    maintenance_until: Option<Timestamp>,
}

impl Dates {
    fn read(order: &Order, now: Timestamp) -> Result<Self, OrderError> {
        let issued = read_date("issued", order.issued.as_deref(), false)?.unwrap_or(now);
        let issued = date::whole_seconds(issued);
        let not_before = read_date("notBefore", order.not_before.as_deref(), false)?;
        let begins = not_before.unwrap_or(issued);
        let short = match (order.test, order.emergency) {
            (true, _) => Some(("a license for tests", TEST_DAYS)),
            (false, true) => Some(("an emergency license", EMERGENCY_DAYS)),
            (false, false) => None,
        };
        let longest =
            short.and_then(|(_, d)| Timestamp::from_second(begins.as_second() + d * 86_400).ok());
        let bad = |problem: String| Err(refuse("expires", problem));
        let expires = match (order.expires.as_deref(), short) {
            (Some("never"), None) => None,
            (Some("never"), Some((what, days))) => {
                return bad(format!("never; {what} lasts at most {days} days"));
            }
            (None, Some(_)) => longest,
            (None, None) => {
                let p = "missing; expected the first day that is no longer covered, such as 2028-01-01, or never";
                return bad(p.into());
            }
            (Some(v), _) => read_date("expires", Some(v), false)?,
        };
        if let Some(t) = expires.filter(|t| *t <= now) {
            return bad(format!("{t} is over already; expected a date after {now}"));
        }
        if let Some(t) = expires.filter(|t| *t <= begins) {
            let problem = format!("{t} is not after the license begins, {begins}");
            return bad(problem + "; expected a later date");
        }
        if let (Some((what, days)), Some(t), Some(longest)) = (short, expires, longest)
            && t > longest
        {
            let problem = format!("{t}; {what} lasts at most {days} days");
            return bad(format!("{problem}, until {longest}"));
        }
        let maintenance_until = order.maintenance_until.as_deref();
        let maintenance_until = read_date("maintenanceUntil", maintenance_until, true)?;
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
        let problem = "missing; expected at least one, with name and seats";
        return Err(refuse("products", problem));
    }
    let mut pools = Vec::new();
    for (i, p) in order.pools.iter().enumerate() {
        pools.push(pool(&format!("pools[{i}]"), p)?);
    }
    let written: HashSet<PoolName> = pools.iter().map(|p| p.name.clone()).collect();
    let with_seats = order.products.iter().filter(|p| p.seats.is_some());
    let own = with_seats.filter_map(|p| PoolName::new(&p.name).ok());
    let all: HashSet<PoolName> = written.iter().cloned().chain(own).collect();
    let (mut products, mut made) = (Vec::new(), HashSet::new());
    for (i, p) in order.products.iter().enumerate() {
        let at = format!("products[{i}]");
        let name = ProductName::new(&p.name);
        let name = name.map_err(|e| refuse(format!("{at}.name"), e.to_string()))?;
        let from = draws(&at, p, &written, &all)?;
        // A second product of this name is told as such, once the license is whole.
        pools.extend(own_pool(&at, p)?.filter(|own| made.insert(own.name.clone())));
        products.push(product(&at, p, name, from)?);
    }
    let used = products.iter().flat_map(|p| p.from.iter().flatten());
    let used: HashSet<&PoolName> = used.map(|d| &d.pool).collect();
    for p in pools.iter().filter(|p| !used.contains(&p.name)) {
        warnings.push(format!("pools: no product draws on pool {}", p.name));
    }
    Ok((pools, products))
}

fn pool(at: &str, p: &OrderPool) -> Result<Pool, OrderError> {
    let name = PoolName::new(&p.name).map_err(|e| refuse(format!("{at}.name"), e.to_string()))?;
    if p.seats.0 == 0 {
        let problem = "0; expected a whole number from 1 to 1000000";
        return Err(refuse(format!("{at}.seats"), problem));
    }
    // As in a license, `never` needs no date.
    let expires = p.expires.as_deref().filter(|v| *v != "never");
    let begins = p.not_before.as_deref();
    Ok(Pool {
        name,
        seats: p.seats.0,
        overdraft: p.overdraft.map_or(0, |o| o.0),
        not_before: read_date(&format!("{at}.notBefore"), begins, false)?,
        expires: read_date(&format!("{at}.expires"), expires, false)?,
    })
}

/// The pool of a product with seats of its own.
fn own_pool(at: &str, p: &OrderProduct) -> Result<Option<Pool>, OrderError> {
    let Some(seats) = p.seats else {
        return Ok(None);
    };
    let own = OrderPool {
        name: p.name.clone(),
        seats,
        overdraft: p.overdraft,
        not_before: p.not_before.clone(),
        expires: p.expires.clone(),
    };
    pool(at, &own).map(Some)
}

/// What a product draws on, of the pools that the order writes out and `all` that there are.
fn draws(
    at: &str,
    p: &OrderProduct,
    written: &HashSet<PoolName>,
    all: &HashSet<PoolName>,
) -> Result<Vec<Vec<Draw>>, OrderError> {
    let bad = |field: &str, problem: &str| refuse(format!("{at}.{field}"), problem);
    // Products and pools have the same rule for names.
    let own = PoolName::new(&p.name).map_err(|e| bad("name", &e.to_string()))?;
    let is_written = written.contains(&own);
    let of_the_pool = [
        ("overdraft", p.overdraft.is_some()),
        ("notBefore", p.not_before.is_some()),
        ("expires", p.expires.is_some()),
    ];
    if let Some((field, _)) = of_the_pool
        .iter()
        .find(|(_, given)| *given && p.seats.is_none())
    {
        let problem = "given without seats; expected it at the pool, in pools";
        return Err(bad(field, problem));
    }
    match (p.seats, &p.from) {
        (Some(_), Some(_)) => {
            let problem = "given beside from; expected seats (a pool of its own) or from (pools that are listed)";
            Err(bad("seats", problem))
        }
        (Some(_), None) if is_written => {
            let expected = "expected the seats at one of the two places";
            let problem = format!("pools lists {own} as well; {expected}");
            Err(bad("seats", &problem))
        }
        (None, Some(from)) => {
            let alternatives = from.0.iter();
            Ok(alternatives.map(|a| a.draws(|n| all.contains(n))).collect())
        }
        (None, None) if !is_written => {
            let problem = "missing; expected a number of seats, or from with pools";
            Err(bad("seats", problem))
        }
        _ => Ok(vec![vec![Draw {
            pool: own,
            weight: 1,
        }]]),
    }
}

fn product(
    at: &str,
    p: &OrderProduct,
    name: ProductName,
    from: Vec<Vec<Draw>>,
) -> Result<Product, OrderError> {
    let bad = |field: &str, problem: &str| refuse(format!("{at}.{field}"), problem);
    let versions = p.versions.checked();
    let versions = versions.map_err(|(bound, e)| bad(&format!("versions.{bound}"), &e))?;
    if versions.is_all() && versions.scheme == VersionScheme::Decimal {
        let problem = "decimal, and no bound is given; expected from, to, or both";
        return Err(bad("versions.scheme", problem));
    }
    if let Some((bound, fault)) = versions.fault() {
        return Err(bad(&format!("versions.{bound}"), &fault));
    }
    if let (Some(a), Some(b)) = (&versions.from, &versions.to)
        && !versions.covers(a)
    {
        let problem = format!("{a}..{b} covers nothing; expected the first version first");
        return Err(bad("versions", &problem));
    }
    Ok(Product {
        name,
        versions,
        features: p.features.clone(),
        count_by: p.count_by,
        from,
    })
}

fn anchors(order: &Order, allow: &[Weak]) -> Result<Vec<AnchorKey>, OrderError> {
    if order.anchors.is_empty() {
        let problem = "missing; expected what the customer's `mooring license anchor` printed, by --anchor or in the order";
        return Err(refuse("anchors", problem));
    }
    for (i, a) in order.anchors.iter().enumerate() {
        // An empty one is refused with all licenses.
        let serial = a.usb.as_ref().map(|d| d.serial.trim()).unwrap_or_default();
        if !serial.is_empty() && is_placeholder(serial) {
            let problem = format!(
                "{serial:?} is a placeholder, which others like it have, too; expected a device with a serial number of its own"
            );
            return Err(refuse(format!("anchors[{i}].usb.serial"), problem));
        }
        // The key of the other kinds is in a file always, whatever their description says.
        let (weak, field, flag) = match a.kind {
            AnchorKind::Pkcs11 if !a.software => continue,
            AnchorKind::Pkcs11 => (Weak::SoftwareToken, "software", "--allow-software-token"),
            AnchorKind::Usb => (Weak::Usb, "kind", "--allow-anchor usb"),
            AnchorKind::Hwid => (Weak::Hwid, "kind", "--allow-anchor hwid"),
        };
        if !order.emergency && !allow.contains(&weak) {
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
    Ok(order.anchors.iter().cloned().map(AnchorKey::from).collect())
}

fn policy(p: &OrderPolicy) -> Result<Policy, OrderError> {
    let span = |name: &str, value: &Option<String>, least: Duration, most: Duration| {
        let Some(v) = value else { return Ok(None) };
        let field = format!("policy.{name}");
        let d = parse_span(v).map_err(|e| refuse(&field, e.to_string()))?;
        if (least..=most).contains(&d) {
            return Ok(Some(d));
        }
        let (least, most) = (print_span(least), print_span(most));
        Err(refuse(field, format!("{v}; expected {least} to {most}")))
    };
    let none = Duration::ZERO;
    Ok(Policy {
        max_grace: span("maxGrace", &p.max_grace, none, LONGEST_GRACE)?,
        optimistic_start: p.optimistic_start,
        max_contested: span("maxContested", &p.max_contested, none, DAY)?,
        max_handover: span("maxHandover", &p.max_handover, none, LONGEST_HANDOVER)?,
        max_anchor_grace: span(
            "maxAnchorGrace",
            &p.max_anchor_grace,
            none,
            LONGEST_ANCHOR_GRACE,
        )?,
        max_lease: span("maxLease", &p.max_lease, MIN_LEASE, MAX_LEASE)?,
        reclaim: p.reclaim,
    })
}
