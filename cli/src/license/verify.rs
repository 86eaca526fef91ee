//! `mooring license verify`: whether a license file, a revocation list, a voucher, or a bundle from
//! the sidecar's socket, holds.

use super::{date, file, vendor_key};
use crate::output::{self, list};
use anyhow::{Context as _, bail};
use mooring_core::license::{
    self, AppClock, Bundle, Demand, Envelope, MinAnchor, OpenLicense, OpenRevocations, OpenVoucher,
    PublicKey, Trust, Verified, armoured_type, types,
};
use mooring_core::names::{ProductName, Version};
use mooring_core::secret::{BadBytes, SecretHash};
use mooring_core::time::{Timestamp, print_span};
use std::fmt::Write as _;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "What is given is judged now (or at --at): the lease in a bundle as by an application whose clock reads so.

Examples:
  mooring license verify acme.mooring --vendor-key ed25519:9f2c…
  mooring license verify acme.mooring --vendor-key vendor.pub --revocations revocations.mooring
  curl --unix-socket $MOORING_SOCKET \"http://mooring/v1/token?nonce=4711\" > bundle.json
  mooring license verify bundle.json --vendor-key vendor.pub --product render --app-version 2026.1 --nonce 4711"
)]
pub struct VerifyArgs {
    /// A license file, a revocation list, a voucher, or a bundle {license, delegation, lease} as
    /// the sidecar's socket gives it (- for standard input)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The vendor's public key (ed25519:‹hex› or the 64 digits alone), or a file of them; several
    /// may be given
    #[arg(long, value_name = "KEY", required = true)]
    vendor_key: Vec<String>,
    /// The vendor's revocation list: a license that it names does not hold
    #[arg(long, value_name = "FILE")]
    revocations: Option<PathBuf>,
    /// Judge dates at this day or instant instead of now
    #[arg(long, value_name = "DATE", value_parser = date::start)]
    at: Option<Timestamp>,
    /// For a bundle or a voucher: the product that the application is
    #[arg(long)]
    product: Option<ProductName>,
    /// For a bundle: the application's version
    #[arg(long, value_name = "VERSION", requires = "product")]
    app_version: Option<Version>,
    /// For a bundle: when the application was built
    #[arg(long, value_name = "DATE", value_parser = date::start, requires = "product")]
    built_on: Option<Timestamp>,
    /// For a bundle: the nonce it must answer
    #[arg(long, requires = "product")]
    nonce: Option<String>,
    /// For a bundle: whose seat it must be, as the application sent it (43 characters of base64url)
    #[arg(long, requires = "product", value_parser = hash)]
    bind: Option<SecretHash>,
    /// For a bundle: insist on an anchor whose key cannot be copied
    #[arg(long, requires = "product")]
    hardware: bool,
}

fn hash(text: &str) -> Result<SecretHash, BadBytes> {
    SecretHash::try_from(text.to_owned())
}

pub(super) enum Input {
    License(Box<Envelope>),
    Bundle(Box<Bundle>),
    /// A revocation list's file, as text.
    Revocations(String),
    /// A voucher's file, as text.
    Voucher(String),
}

pub(super) fn read(text: &str) -> anyhow::Result<Input> {
    if text.trim_start().starts_with('{') {
        let bundle = serde_json::from_str(text)
            .context("not a bundle; expected JSON with license, delegation and lease")?;
        return Ok(Input::Bundle(Box::new(bundle)));
    }
    match armoured_type(text) {
        Some(types::REVOCATIONS) => return Ok(Input::Revocations(text.to_owned())),
        Some(types::VOUCHER) => return Ok(Input::Voucher(text.to_owned())),
        _ => {}
    }
    // Only to look inside: whoever calls verifies the envelope.
    let open = OpenLicense::read(text, Trust::Unchecked)?;
    Ok(Input::License(Box::new(open.envelope)))
}

/// Verifies; an error is what does not hold.
pub fn run(args: &VerifyArgs) -> anyhow::Result<()> {
    let keys = vendor_key::public(&args.vendor_key)?;
    let text = match read(&file::read_public(&args.file)?)? {
        Input::License(e) => license(args, *e, &keys)?,
        Input::Bundle(b) => bundle(args, &b, &keys)?,
        Input::Revocations(text) => revocations(args, &text, &keys)?,
        Input::Voucher(text) => voucher(args, &text, &keys)?,
    };
    Ok(output::print(&text)?)
}

/// Refuses a license that the list given by `--revocations` names; words about the list.
fn not_revoked(
    args: &VerifyArgs,
    id: &str,
    at: Timestamp,
    keys: &[PublicKey],
) -> anyhow::Result<String> {
    let Some(path) = &args.revocations else {
        return Ok(String::new());
    };
    let read = OpenRevocations::read(&file::read_public(path)?, Trust::Pinned(keys));
    let list = read
        .with_context(|| format!("--revocations {}", path.display()))?
        .list;
    if let Some(revoked) = list.revokes(id, at) {
        return Err(revoked.into());
    }
    let (number, issued) = (list.number, list.issued);
    Ok(format!(", and not revoked by list {number} of {issued}"))
}

fn only_files(args: &VerifyArgs, what: &str) -> anyhow::Result<()> {
    let flags = [
        ("--revocations", args.revocations.is_some()),
        ("--app-version", args.app_version.is_some()),
        ("--built-on", args.built_on.is_some()),
        ("--nonce", args.nonce.is_some()),
        ("--bind", args.bind.is_some()),
        ("--hardware", args.hardware),
    ];
    if let Some((flag, _)) = flags.iter().find(|(_, given)| *given) {
        let file = args.file.display();
        bail!("{flag}: {file} is {what}, and has nothing to do with it");
    }
    Ok(())
}

fn revocations(args: &VerifyArgs, text: &str, keys: &[PublicKey]) -> anyhow::Result<String> {
    only_files(args, "a revocation list")?;
    if args.product.is_some() || args.at.is_some() {
        bail!(
            "--product and --at: {} is a revocation list, and has nothing to do with them",
            args.file.display()
        );
    }
    let open = OpenRevocations::read(text, Trust::Pinned(keys))?;
    let by = open.signed_by.map(|k| k.0).unwrap_or_default();
    let (number, issued, n) = (open.list.number, open.list.issued, open.list.revoked.len());
    Ok(format!(
        "OK: revocation list number {number}, issued {issued}, is signed by the vendor's key {by}; it revokes {n}\n"
    ))
}

fn voucher(args: &VerifyArgs, text: &str, keys: &[PublicKey]) -> anyhow::Result<String> {
    only_files(args, "a voucher")?;
    let open = OpenVoucher::read(text, Trust::Pinned(keys))?;
    let by = open.signed_by.map(|k| k.0).unwrap_or_default();
    let at = args.at.unwrap_or_else(Timestamp::now);
    let v = &open.voucher;
    let products = match &args.product {
        Some(p) => std::slice::from_ref(p),
        None => &v.products,
    };
    for p in products {
        v.permits(p, at)?;
    }
    let (products, license, expires) = (list(products), &v.license, v.expires);
    Ok(format!(
        "OK: voucher for {products} of license {license:?} is signed by the vendor's key {by} and permits a start at {at}, until {expires}\n"
    ))
}

fn license(args: &VerifyArgs, envelope: Envelope, keys: &[PublicKey]) -> anyhow::Result<String> {
    if args.product.is_some() {
        let file = args.file.display();
        bail!(
            "--product: {file} is a license file; expected a bundle {{license, delegation, lease}}"
        );
    }
    let open = OpenLicense::from_envelope(envelope, Trust::Pinned(keys))?;
    let at = args.at.unwrap_or_else(Timestamp::now);
    open.license.check_dates(at)?;
    let revoked = not_revoked(args, &open.license.id, at, keys)?;
    let by = open.signed_by.map(|k| k.0).unwrap_or_default();
    let (id, customer) = (&open.license.id, &open.license.customer);
    Ok(format!(
        "OK: license {id:?} for {customer:?} is signed by the vendor's key {by} and in force at {at}{revoked}\n"
    ))
}

fn bundle(args: &VerifyArgs, bundle: &Bundle, keys: &[PublicKey]) -> anyhow::Result<String> {
    let Some(product) = &args.product else {
        let file = args.file.display();
        bail!("--product: missing; {file} is a bundle, and a lease is verified for a product");
    };
    let demand = Demand {
        product,
        app_version: args.app_version.as_ref(),
        built_on: args.built_on,
        nonce: args.nonce.as_deref(),
        bind: args.bind,
        min_anchor: if args.hardware {
            MinAnchor::Hardware
        } else {
            MinAnchor::Any
        },
    };
    let clock = AppClock::at(args.at.unwrap_or_else(Timestamp::now));
    let v = license::verify(bundle, keys, &demand, &clock)?;
    not_revoked(args, &v.license_id, v.issued_at, keys)?;
    Ok(describe(product, &v))
}

fn describe(product: &ProductName, v: &Verified) -> String {
    let fresh = if v.fresh {
        "it answers the nonce"
    } else {
        "UNFRESH: no --nonce was given, so it may be an old one"
    };
    let software = if v.software {
        ", SOFTWARE: its key can be copied"
    } else {
        ""
    };
    let seats = if v.seats == 1 { "seat" } else { "seats" };
    let mut out = format!(
        "OK: lease {} of {} {seats} of {product}, under license {:?}\n  anchor    {}{software}\n  issued    {}\n  runs for  {}\n  fresh     {fresh}\n",
        v.lease,
        v.seats,
        v.license_id,
        v.anchor,
        v.issued_at,
        print_span(v.run_for),
    );
    if v.overdraft > 0 {
        let _ = writeln!(out, "  overdraft {} seats over what was sold", v.overdraft);
    }
    if v.test {
        out += "  test      the license is one for tests\n";
    }
    if v.emergency {
        out += "  emergency the license bridges the time until broken hardware is replaced\n";
    }
    if !v.features.is_empty() {
        let _ = writeln!(out, "  features  {}", v.features.join(", "));
    }
    out
}
