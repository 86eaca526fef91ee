//! `mooring license inspect`: what a file says, and plainly what of it was verified.

mod covers;
mod lines;
mod signed;

use super::verify::{self, Input};
use super::{file, vendor_key};
use crate::output::{self, Form};
use anyhow::bail;
use lines::{Lines, signature};
use mooring_core::license::{
    AnchorKey, AnchorKind, Delegation, Digest, Draw, KeyId, LeaseToken, License, OpenLicense,
    Policy, Pool, PoolsByName, Product, Trust, types,
};
use mooring_core::names::{ProductName, Version};
use mooring_core::policy::OptimisticStart;
use mooring_core::request;
use mooring_core::time::{DEFAULT_GRACE, Timestamp, print_span};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without --vendor-key nothing is verified, and the print says so: anyone can write such a file.

Examples:
  mooring license inspect acme.mooring
  mooring license inspect acme.mooring --vendor-key ed25519:9f2c… -o json
  mooring license inspect acme.mooring --covers 21.10 --product render      # exit code 1 if it is not covered
  curl --unix-socket $MOORING_SOCKET http://mooring/v1/token | mooring license inspect -"
)]
pub struct InspectArgs {
    /// A license file, a revocation list, a voucher, or a bundle {licenses, delegation, lease} as
    /// the sidecar's socket gives it (- for standard input)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The vendor's public key (ed25519:‹hex› or the 64 digits alone), or a file of them; several
    /// may be given
    #[arg(long, value_name = "KEY")]
    vendor_key: Vec<String>,
    /// Says of each product whether the license covers this version of it, and why not; exit code 1
    /// if it covers none
    #[arg(long, value_name = "VERSION")]
    covers: Option<Version>,
    /// With --covers: of this product alone
    #[arg(long, value_name = "NAME", requires = "covers")]
    product: Option<ProductName>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Seen<'a> {
    /// One, but for a bundle of a lease that draws on several.
    licenses: Vec<File<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delegation: Option<Delegation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<LeaseToken>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_by: Option<&'a KeyId>,
    /// Which the signatures name; not verified.
    signatures: Vec<&'a KeyId>,
    sha256: &'a Digest,
    in_force: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    license: &'a License,
}

pub fn run(args: &InspectArgs) -> anyhow::Result<()> {
    let input = verify::read(&file::read_public(&args.file)?)?;
    let keys = vendor_key::public(&args.vendor_key)?;
    let trust = if keys.is_empty() {
        Trust::Unchecked
    } else {
        Trust::Pinned(&keys)
    };
    let now = Timestamp::now();
    let (envelopes, bundled) = match input {
        Input::License(e) => (vec![*e], None),
        Input::Bundle(b) => (b.licenses.clone(), Some(b)),
        Input::Revocations(_) | Input::Voucher(_) if args.covers.is_some() => {
            bail!("--covers: expected a license, or a bundle with one");
        }
        Input::Revocations(text) => return signed::revocations(&text, trust, now, args.output),
        Input::Voucher(text) => return signed::voucher(&text, trust, now, args.output),
    };
    let envelopes = envelopes.into_iter();
    let opened = envelopes.map(|e| OpenLicense::from_envelope(e, trust));
    let opened: Vec<OpenLicense> = opened.collect::<Result<_, _>>()?;
    if let Some(version) = &args.covers {
        let licenses: Vec<&License> = opened.iter().map(|o| &o.license).collect();
        return covers::run(&licenses, version, args.product.as_ref(), args.output);
    }
    let bundled = bundled.map(|b| {
        let delegation: Delegation = b.delegation.read_unverified(types::DELEGATION)?;
        let lease: LeaseToken = b.lease.read_unverified(types::LEASE)?;
        anyhow::Ok((delegation, lease))
    });
    let (delegation, lease) = bundled.transpose()?.unzip();
    let seen = Seen {
        licenses: opened.iter().map(|open| File::of(open, now)).collect(),
        delegation,
        lease,
    };
    output::show(args.output.data(), &seen, || {
        let files = opened.iter().zip(&seen.licenses);
        let texts = files.map(|(open, file)| license(open, file.problem.as_deref()));
        let mut text = texts.collect::<Vec<_>>().join("\n");
        if let (Some(d), Some(l)) = (&seen.delegation, &seen.lease) {
            text += &bundle(d, l);
        }
        text
    })
}

impl<'a> File<'a> {
    fn of(open: &'a OpenLicense, now: Timestamp) -> Self {
        let problem = open.license.check_dates(now).err().map(|e| e.to_string());
        Self {
            verified: open.signed_by.is_some(),
            verified_by: open.signed_by.as_ref(),
            signatures: open.envelope.signatures.iter().map(|s| &s.keyid).collect(),
            sha256: &open.digest,
            in_force: problem.is_none(),
            problem,
            license: &open.license,
        }
    }
}

fn license(open: &OpenLicense, dates: Option<&str>) -> String {
    let l = &open.license;
    let mut out = Lines::default();
    out.add("License", &l.id);
    out.add("Customer", &l.customer);
    out.add(
        "Signature",
        signature(&open.envelope, open.signed_by.as_ref()),
    );
    let state = dates.map_or_else(|| "in force".to_owned(), |e| format!("NOT IN FORCE: {e}"));
    let unverified = if open.signed_by.is_none() {
        " (as far as the unverified file says)"
    } else {
        ""
    };
    out.add("State", state + unverified);
    if l.test {
        out.add("Test", "for tests only; its tokens say so");
    }
    if l.emergency {
        let words = "bridges the time until broken hardware is replaced; its tokens say so";
        out.add("Emergency", words);
    }
    out.add("Issued", l.issued);
    if let Some(t) = l.not_before {
        out.add("Begins", t);
    }
    let expires = l.expires.map(|t| format!("{t} (exclusive)"));
    out.add("Expires", expires.as_deref().unwrap_or("never"));
    if let Some(t) = l.maintenance_until {
        out.add("Maintenance", format!("covers builds up to {t}"));
    }
    if !l.supersedes.is_empty() {
        out.add("Replaces", l.supersedes.join(", "));
    }
    out.each("Pools", &l.pools, pool);
    let pools = l.pools_by_name();
    out.each("Products", &l.products, |p| product(l, &pools, p));
    out.each("Anchors", &l.anchors, anchor);
    out.each("Policy", &policy(&l.policy), String::clone);
    if !l.critical.is_empty() {
        out.add("Critical", l.critical.join(", "));
    }
    out.add("SHA-256", &open.digest);
    out.0
}

fn pool(p: &Pool) -> String {
    let more = match p.overdraft {
        0 => String::new(),
        n => format!(", and {n} more as overdraft"),
    };
    let begin = p.not_before.map(|t| format!(", from {t}"));
    let end = p.expires.map(|t| format!(", until {t} (exclusive)"));
    let (begin, end) = (begin.unwrap_or_default(), end.unwrap_or_default());
    format!("{}: {} seats{more}{begin}{end}", p.name, p.seats)
}

fn product(l: &License, pools: &PoolsByName<'_>, p: &Product) -> String {
    let draw = |d: &Draw| match d.weight {
        1 => d.pool.to_string(),
        n => format!("{n} × {}", d.pool),
    };
    let alternative = |a: &Vec<Draw>| a.iter().map(draw).collect::<Vec<_>>().join(" and ");
    let from: Vec<String> = p.from.iter().map(alternative).collect();
    let from = from.join(", or ");
    let features = if p.features.is_empty() {
        String::new()
    } else {
        format!("; features {}", p.features.join(", "))
    };
    // Where that is not the license's own.
    let end = pools.ends(p).filter(|t| Some(*t) != l.expires);
    let end = end.map_or_else(String::new, |t| format!("; its last seat ends {t}"));
    format!(
        "{}: {}; each seat from {from}{features}{end}",
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
            let mut names: Vec<&str> = h.items.iter().map(|i| i.item.as_str()).collect();
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
    let standby = a.standby.map(|s| format!(", standby for {} days", s.days));
    let standby = standby.unwrap_or_default();
    let (kind, id) = (a.kind, a.key.id());
    format!("{kind}, key id {id}{label}{presence}{standby}{software}")
}

fn policy(p: &Policy) -> Vec<String> {
    let grace = Some(p.max_grace.unwrap_or(DEFAULT_GRACE));
    let start = match p.optimistic_start {
        OptimisticStart::Allow => "may start with no server in reach",
        OptimisticStart::Voucher => "may start with no server in reach with a voucher only",
        OptimisticStart::Deny => "may not start with no server in reach",
    };
    let span = |d: Option<Duration>, before: &str, after: &str| {
        d.map(|d| format!("{before} {}{after}", print_span(d)))
    };
    let reclaim = |r| format!("a silent holder's seat is given away: {r:?}");
    let all = [
        span(grace, "at most", " without contact"),
        Some(start.to_owned()),
        span(p.max_contested, "at most", " once the seat was given away"),
        span(
            p.max_handover.filter(|d| !d.is_zero()),
            "a pod may run at most",
            " beside the one that it replaces",
        ),
        span(
            p.max_anchor_grace,
            "renewals go on at most",
            " without the anchor",
        ),
        span(p.max_lease, "leases of at most", ""),
        p.reclaim.map(reclaim),
    ];
    all.into_iter().flatten().collect()
}

fn bundle(d: &Delegation, l: &LeaseToken) -> String {
    let unverified = "NOT VERIFIED (mooring license verify --product … does)";
    let mut out = Lines(String::from("\n"));
    out.add("Delegation", unverified);
    out.add("  by", format!("{} anchor, key id {}", d.kind, d.key_id));
    let (key, instance) = (d.server_key.id(), d.instance);
    out.add("  for", format!("server key {key}, instance {instance}"));
    out.add("  from, to", format!("{} to {}", d.not_before, d.not_after));
    out.add("Lease", unverified);
    out.add("  id", format!("{}, claim {}", l.lease, l.claim));
    let items = l.items().map(|i| request::Item {
        product: i.product.clone(),
        seats: i.seats,
        version: None,
    });
    out.add("  items", request::print(&items.collect::<Vec<_>>()));
    let (lease, run) = (print_span(l.lease_for), print_span(l.run_for));
    out.add(
        "  issued",
        format!("{}, for {lease}, to run for {run}", l.issued_at),
    );
    out.add(
        "  nonce",
        l.nonce.as_deref().unwrap_or("none: it is not fresh"),
    );
    out.0
}
