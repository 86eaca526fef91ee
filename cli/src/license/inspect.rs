//! `mooring license inspect`: what a file says, and plainly what of it was verified.

mod lines;
mod signed;

use super::verify::{self, Input};
use super::{file, vendor_key};
use crate::output::{self, Form};
use lines::{Lines, signature};
use mooring_core::license::{
    AnchorKey, AnchorKind, Delegation, LeaseToken, License, OpenLicense, Policy, Product, Trust,
    types,
};
use mooring_core::policy::OptimisticStart;
use mooring_core::request;
use mooring_core::time::{DEFAULT_GRACE, Timestamp, print_span};
use serde::Serialize;
use std::path::PathBuf;

/// Flags.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without --vendor-key nothing is verified, and the print says so: anyone can write such a file.

Examples:
  mooring license inspect acme.mooring
  mooring license inspect acme.mooring --vendor-key ed25519:9f2c… -o json
  curl --unix-socket $MOORING_SOCKET http://mooring/v1/token | mooring license inspect -"
)]
pub struct InspectArgs {
    /// A license file, a revocation list, a voucher, or a bundle {license, delegation, lease} as
    /// the sidecar's socket gives it (- for standard input)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The vendor's public key (ed25519:‹hex› or the 64 digits alone), or a file of them; several
    /// may be given
    #[arg(long, value_name = "KEY")]
    vendor_key: Vec<String>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

/// What a machine reads.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Seen<'a> {
    /// Whether the vendor's signature was verified.
    verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_by: Option<String>,
    /// Key ids that the signatures name; not verified.
    signatures: Vec<&'a str>,
    sha256: String,
    in_force: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    license: &'a License,
    #[serde(skip_serializing_if = "Option::is_none")]
    delegation: Option<Delegation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<LeaseToken>,
}

/// Prints a file.
pub fn run(args: &InspectArgs) -> anyhow::Result<()> {
    let input = verify::read(&file::read_public(&args.file)?)?;
    let keys = vendor_key::public(&args.vendor_key)?;
    let trust = if keys.is_empty() {
        Trust::Unchecked
    } else {
        Trust::Pinned(&keys)
    };
    let now = Timestamp::now();
    let (envelope, bundled) = match input {
        Input::License(e) => (*e, None),
        Input::Bundle(b) => (b.license.clone(), Some(b)),
        Input::Revocations(text) => return signed::revocations(&text, trust, now, args.output),
        Input::Voucher(text) => return signed::voucher(&text, trust, now, args.output),
    };
    let open = OpenLicense::from_envelope(envelope, trust)?;
    let dates = open.license.check_dates(now).err().map(|e| e.to_string());
    let (delegation, lease) = match &bundled {
        None => (None, None),
        Some(b) => (
            Some(
                b.delegation
                    .read_unverified::<Delegation>(types::DELEGATION)?,
            ),
            Some(b.lease.read_unverified::<LeaseToken>(types::LEASE)?),
        ),
    };
    if let Some(data) = args.output.data() {
        let seen = Seen {
            verified: open.signed_by.is_some(),
            verified_by: open.signed_by.as_ref().map(|k| k.0.clone()),
            signatures: open
                .envelope
                .signatures
                .iter()
                .map(|s| s.keyid.0.as_str())
                .collect(),
            sha256: open.digest.0.clone(),
            in_force: dates.is_none(),
            problem: dates,
            license: &open.license,
            delegation,
            lease,
        };
        return Ok(output::print(&data.render(&seen)?)?);
    }
    let mut text = license(&open, dates.as_deref());
    if let (Some(d), Some(l)) = (delegation, lease) {
        text.push_str(&bundle(&d, &l));
    }
    Ok(output::print(&text)?)
}

fn license(open: &OpenLicense, dates: Option<&str>) -> String {
    let l = &open.license;
    let mut out = Lines(String::new());
    out.add("License", &l.id);
    out.add("Customer", &l.customer);
    out.add(
        "Signature",
        &signature(
            &open.envelope,
            open.signed_by.as_ref().map(|k| k.0.as_str()),
        ),
    );
    let state = dates.map_or_else(|| "in force".to_owned(), |e| format!("NOT IN FORCE: {e}"));
    let unverified = if open.signed_by.is_none() {
        " (as far as the unverified file says)"
    } else {
        ""
    };
    out.add("State", &format!("{state}{unverified}"));
    if l.test {
        out.add("Test", "for tests only; its tokens say so");
    }
    if l.emergency {
        out.add(
            "Emergency",
            "bridges the time until broken hardware is replaced; its tokens say so",
        );
    }
    out.add("Issued", &l.issued.to_string());
    if let Some(t) = l.not_before {
        out.add("Begins", &t.to_string());
    }
    out.add(
        "Expires",
        &l.expires
            .map_or_else(|| "never".into(), |t| format!("{t} (exclusive)")),
    );
    if let Some(t) = l.maintenance_until {
        out.add("Maintenance", &format!("covers builds up to {t}"));
    }
    if !l.supersedes.is_empty() {
        out.add("Replaces", &l.supersedes.join(", "));
    }
    let over = |n: u32| {
        if n == 0 {
            String::new()
        } else {
            format!(", and {n} more as overdraft")
        }
    };
    out.each(
        "Pools",
        l.pools
            .iter()
            .map(|p| format!("{}: {} seats{}", p.name, p.seats, over(p.overdraft))),
    );
    out.each("Products", l.products.iter().map(product));
    out.each("Anchors", l.anchors.iter().map(anchor));
    out.each("Policy", policy(&l.policy).into_iter());
    if !l.critical.is_empty() {
        out.add("Critical", &l.critical.join(", "));
    }
    out.add("SHA-256", &open.digest.0);
    out.0
}

fn product(p: &Product) -> String {
    let draw = |d: &mooring_core::license::Draw| {
        if d.weight == 1 {
            d.pool.to_string()
        } else {
            format!("{} × {}", d.weight, d.pool)
        }
    };
    let alternative = |a: &Vec<_>| a.iter().map(draw).collect::<Vec<_>>().join(" and ");
    let from = p
        .from
        .iter()
        .map(alternative)
        .collect::<Vec<_>>()
        .join(", or ");
    let features = if p.features.is_empty() {
        String::new()
    } else {
        format!("; features {}", p.features.join(", "))
    };
    format!(
        "{}: {}; each seat from {from}{features}",
        p.name, p.versions
    )
}

fn anchor(a: &AnchorKey) -> String {
    let software = if a.software || a.kind != AnchorKind::Pkcs11 {
        ", SOFTWARE: can be copied"
    } else {
        ""
    };
    let presence = match (&a.usb, &a.hwid) {
        (Some(d), _) => format!(", USB device {d}"),
        (_, Some(h)) => {
            let mut names: Vec<&str> = h.items.iter().map(|i| i.item.name()).collect();
            names.dedup();
            format!(", {} of {} of {}", h.k, h.items.len(), names.join(", "))
        }
        _ => String::new(),
    };
    let label = a
        .label
        .as_ref()
        .map(|l| format!(", {l}"))
        .unwrap_or_default();
    let standby = a
        .standby
        .map(|s| format!(", standby for {} days", s.days))
        .unwrap_or_default();
    format!(
        "{}, key id {}{label}{presence}{standby}{software}",
        a.kind,
        a.key.id()
    )
}

fn policy(p: &Policy) -> Vec<String> {
    let grace = p.max_grace.unwrap_or(DEFAULT_GRACE);
    let mut v = vec![format!("at most {} without contact", print_span(grace))];
    v.push(match p.optimistic_start {
        OptimisticStart::Allow => "may start with no server in reach".into(),
        OptimisticStart::Voucher => "may start with no server in reach with a voucher only".into(),
        OptimisticStart::Deny => "may not start with no server in reach".into(),
    });
    v.extend(
        p.max_contested
            .map(|d| format!("at most {} once the seat was given away", print_span(d))),
    );
    v.extend(p.max_anchor_grace.map(|d| {
        format!(
            "renewals go on at most {} without the anchor",
            print_span(d)
        )
    }));
    v.extend(
        p.max_lease
            .map(|d| format!("leases of at most {}", print_span(d))),
    );
    v.extend(
        p.reclaim
            .map(|r| format!("a silent holder's seat is given away: {r:?}")),
    );
    v
}

fn bundle(d: &Delegation, l: &LeaseToken) -> String {
    let mut out = Lines(String::from("\n"));
    out.add(
        "Delegation",
        "NOT VERIFIED (mooring license verify --product … does)",
    );
    out.add("  by", &format!("{} anchor, key id {}", d.kind, d.key_id));
    out.add(
        "  for",
        &format!("server key {}, instance {}", d.server_key.id(), d.instance),
    );
    out.add(
        "  from, to",
        &format!("{} to {}", d.not_before, d.not_after),
    );
    out.add(
        "Lease",
        "NOT VERIFIED (mooring license verify --product … does)",
    );
    out.add("  id", &format!("{}, claim {}", l.lease, l.claim));
    let items = l.items.iter().map(|i| request::Item {
        product: i.product.clone(),
        seats: i.seats,
        version: None,
    });
    out.add("  items", &request::print(&items.collect::<Vec<_>>()));
    out.add(
        "  issued",
        &format!(
            "{}, for {}, to run for {}",
            l.issued_at,
            print_span(l.lease_for),
            print_span(l.run_for)
        ),
    );
    out.add(
        "  nonce",
        l.nonce.as_deref().unwrap_or("none: it is not fresh"),
    );
    out.0
}
