//! `mooring license verify`: whether a licence file, or a bundle from the sidecar's socket, holds.

use super::{date, file, vendor_key};
use crate::output;
use anyhow::{Context as _, bail};
use mooring_core::license::{
    self, Bundle, Demand, Envelope, MinAnchor, OpenLicence, PublicKey, Trust, Verified,
};
use mooring_core::names::{ProductName, Version};
use mooring_core::time::{Timestamp, print_span};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Flags.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A licence file is judged now (or at --at); the lease in a bundle at the time it was issued, as applications do.

Examples:
  mooring license verify acme.mooring --vendor-key ed25519:9f2c…
  curl --unix-socket $MOORING_SOCKET \"http://mooring/v1/token?nonce=4711\" > bundle.json
  mooring license verify bundle.json --vendor-key vendor.pub --product render --app-version 2026.1 --nonce 4711"
)]
pub struct Args {
    /// A licence file, or a bundle {licence, delegation, lease} as the sidecar's socket gives it (- for standard input)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The vendor's public key (ed25519:‹hex› or the 64 digits alone), or a file of them; several may be given
    #[arg(long, value_name = "KEY", required = true)]
    vendor_key: Vec<String>,
    /// For a licence: judge its dates at this day or instant instead of now
    #[arg(long, value_name = "DATE", value_parser = date::start)]
    at: Option<Timestamp>,
    /// For a bundle: the product that the application is
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
    /// For a bundle: insist on an anchor whose key cannot be copied
    #[arg(long, requires = "product")]
    hardware: bool,
}

/// What a file holds.
pub(super) enum Input {
    /// A licence file.
    Licence(Box<Envelope>),
    /// What the socket gives.
    Bundle(Box<Bundle>),
}

impl Input {
    pub(super) fn licence(&self) -> &Envelope {
        match self {
            Self::Licence(e) => e,
            Self::Bundle(b) => &b.licence,
        }
    }
}

/// Tells the two forms apart.
pub(super) fn read(text: &str) -> anyhow::Result<Input> {
    if text.trim_start().starts_with('{') {
        let bundle = serde_json::from_str(text)
            .context("not a bundle; expected JSON with licence, delegation and lease")?;
        return Ok(Input::Bundle(Box::new(bundle)));
    }
    // Only to look inside: whoever calls verifies the envelope.
    let open = OpenLicence::read(text, Trust::Unchecked)?;
    Ok(Input::Licence(Box::new(open.envelope)))
}

/// Verifies; an error is what does not hold.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let keys = vendor_key::public(&args.vendor_key)?;
    let text = match read(&file::read_public(&args.file)?)? {
        Input::Licence(e) => licence(args, *e, &keys)?,
        Input::Bundle(b) => bundle(args, &b, &keys)?,
    };
    Ok(output::print(&text)?)
}

fn licence(args: &Args, envelope: Envelope, keys: &[PublicKey]) -> anyhow::Result<String> {
    if args.product.is_some() {
        bail!(
            "--product: {} is a licence file; expected a bundle {{licence, delegation, lease}}",
            args.file.display()
        );
    }
    let open = OpenLicence::from_envelope(envelope, Trust::Pinned(keys))?;
    let at = args.at.unwrap_or_else(Timestamp::now);
    open.licence.check_dates(at)?;
    let by = open.signed_by.map(|k| k.0).unwrap_or_default();
    Ok(format!(
        "OK: licence {:?} for {:?} is signed by the vendor's key {by} and in force at {at}\n",
        open.licence.id, open.licence.customer
    ))
}

fn bundle(args: &Args, bundle: &Bundle, keys: &[PublicKey]) -> anyhow::Result<String> {
    let Some(product) = &args.product else {
        bail!(
            "--product: missing; {} is a bundle, and a lease is verified for a product",
            args.file.display()
        );
    };
    if args.at.is_some() {
        bail!(
            "--at: {} is a bundle, judged at the time its lease was issued",
            args.file.display()
        );
    }
    let demand = Demand {
        product,
        app_version: args.app_version.as_ref(),
        built_on: args.built_on,
        nonce: args.nonce.as_deref(),
        min_anchor: if args.hardware {
            MinAnchor::Hardware
        } else {
            MinAnchor::Any
        },
    };
    let v = license::verify(bundle, keys, &demand)?;
    Ok(describe(product, &v))
}

fn describe(product: &ProductName, v: &Verified) -> String {
    let fresh = if v.fresh {
        "it answers the nonce".to_owned()
    } else {
        "UNFRESH: no --nonce was given, so it may be an old one".to_owned()
    };
    let anchor = if v.software {
        format!("{}, SOFTWARE: its key can be copied", v.anchor)
    } else {
        v.anchor.to_string()
    };
    let mut out = format!(
        "OK: lease {} of {} {} {product}, under licence {:?}\n  anchor    {anchor}\n  issued    {}\n  runs for  {}\n  fresh     {fresh}\n",
        v.lease,
        v.seats,
        if v.seats == 1 { "seat of" } else { "seats of" },
        v.licence_id,
        v.issued_at,
        print_span(v.run_for),
    );
    if v.overdraft > 0 {
        let _ = writeln!(out, "  overdraft {} seats over what was sold", v.overdraft);
    }
    if v.test {
        out.push_str("  test      the licence is one for tests\n");
    }
    out
}
