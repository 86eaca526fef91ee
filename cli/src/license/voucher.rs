//! `mooring license voucher`: a permit to start with no license server in reach.

use super::signer::{self, Signer};
use super::{date, file};
use crate::output::{self, list};
use anyhow::{Context as _, bail};
use mooring_core::license::{OpenLicense, OpenVoucher, Trust, Voucher, armour, types};
use mooring_core::names::ProductName;
use mooring_core::policy::OptimisticStart;
use mooring_core::time::Timestamp;
use std::path::PathBuf;
use std::time::Duration;

/// The longest voucher: a permit that outlives its reason is a second license.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Where a license says `optimisticStart: voucher`, an application may start with no license server in reach only
with one of these: a customer whose network is down, a demonstration on a train. It counts no seats, so keep it
short. docs/vendors.md says how the customer installs it.

Example:
  mooring license voucher acme.mooring --product render --expires 2027-03-01 --key vendor.key --out render.voucher"
)]
pub struct VoucherArgs {
    /// The license file that it belongs to (- for standard input)
    #[arg(value_name = "LICENSE")]
    license: PathBuf,
    /// The products that may start [default: all of the license]
    #[arg(long)]
    product: Vec<ProductName>,
    /// From when on: a day (UTC) or RFC 3339 [default: now]
    #[arg(long, value_name = "DATE", value_parser = date::start)]
    not_before: Option<Timestamp>,
    /// Until when: the first day or instant that it does not permit, 366 days at most
    #[arg(long, value_name = "DATE", value_parser = date::start)]
    expires: Timestamp,
    /// The vendor's private key (PKCS#8 PEM, or pkcs11:… for one in an HSM); several sign together,
    /// so that keys can rotate
    #[arg(long, value_name = "KEY", required = true)]
    key: Vec<String>,
    /// The voucher's file; standard output without it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub fn run(args: &VoucherArgs) -> anyhow::Result<()> {
    if let Some(path) = &args.out {
        file::must_be_new(path).context("--out")?;
    }
    let text = file::read_public(&args.license)?;
    let signers = Signer::open_all(&args.key)?;
    let keys = signer::publics(&signers);
    let open = OpenLicense::read(&text, Trust::Pinned(&keys))
        .with_context(|| format!("{}: not a license of this key's", args.license.display()))?;
    let voucher = build(args, &open, date::whole_seconds(Timestamp::now()))?;
    voucher.check()?;
    let text = armour(&signer::seal(types::VOUCHER, &voucher, &signers)?)?;
    for key in &keys {
        let back = OpenVoucher::read(&text, Trust::Pinned(&[*key]));
        back.context("the signed voucher does not verify")?;
    }
    match &args.out {
        None => output::print(&text)?,
        Some(path) => file::create(path, &text, 0o644).context("--out")?,
    }
    let (products, ids) = (list(&voucher.products), signer::ids(&signers));
    let (license, expires) = (&voucher.license, voucher.expires);
    eprintln!("Voucher for {products} of license {license}: until {expires}, signed by {ids}");
    Ok(())
}

fn build(args: &VoucherArgs, open: &OpenLicense, now: Timestamp) -> anyhow::Result<Voucher> {
    let l = &open.license;
    let (expires, begins) = (args.expires, args.not_before.unwrap_or(now));
    if expires <= now {
        bail!("--expires {expires}: over already; expected a date after {now}");
    }
    if let Some(end) = l.expires.filter(|e| *e < expires) {
        bail!("--expires {expires}: the license itself ends {end}; expected no later date");
    }
    if begins.duration_until(expires).unsigned_abs() > LONGEST {
        bail!(
            "--expires {expires}: more than 366 days after {begins}; expected a shorter time, or a license that allows the start"
        );
    }
    if let Some(p) = args.product.iter().find(|p| l.product(p).is_none()) {
        let sold = list(l.products.iter().map(|p| &p.name));
        bail!(
            "--product {p}: license {} does not sell it; it sells {sold}",
            l.id
        );
    }
    if l.policy.optimistic_start != OptimisticStart::Voucher {
        eprintln!(
            "Warning: license {} says optimisticStart: {}, so a voucher changes nothing under it",
            l.id,
            serde_json::to_string(&l.policy.optimistic_start)?.trim_matches('"')
        );
    }
    let mut products = args.product.clone();
    if products.is_empty() {
        products = l.products.iter().map(|p| p.name.clone()).collect();
    }
    products.dedup();
    Ok(Voucher {
        schema: 1,
        license: l.id.clone(),
        products,
        issued: now,
        not_before: args.not_before,
        expires,
    })
}
