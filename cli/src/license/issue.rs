//! `mooring license issue`.

use super::order::{self, Order, OrderProduct};
use super::signer::{self, Signer};
use super::{anchor, attestation, file};
use crate::output::{self, Data};
use anyhow::{Context as _, anyhow, bail};
use mooring_core::license::{License, OpenLicense, Trust, armour, types};
use mooring_core::time::Timestamp;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "An order file is YAML or JSON; flags go before what it says. The shortest:

  id: ACME-2027-001
  customer: ACME Corp
  expires: 2028-01-01              # the first day (UTC) no longer covered; or never
  products:
  - {name: render, seats: 10, versions: 2024.2..2027}

Examples:
  mooring license issue order.yaml --key vendor.key --anchor anchor.yaml --out acme.mooring
  mooring license issue --id T-1 --customer ACME --product render:2 --test \\
      --key vendor.key --anchor anchor.yaml
  mooring license issue order.yaml --anchor anchor.yaml \\
      --key old.key --key new.key                     # while keys rotate
  crm export 4711 | mooring license issue --from - --key vendor.key --out acme.mooring

docs/licenses.md explains every field."
)]
pub struct IssueArgs {
    /// The order file (YAML or JSON; - for standard input)
    #[arg(value_name = "ORDER")]
    order: Option<PathBuf>,
    /// The same, by name
    #[arg(long, value_name = "FILE", conflicts_with = "order")]
    from: Option<PathBuf>,
    /// The vendor's private key (PKCS#8 PEM, or pkcs11:… for one in an HSM); several sign together,
    /// so that keys can rotate
    #[arg(long, value_name = "KEY", required_unless_present = "dry_run")]
    key: Vec<String>,
    /// An anchor description, as `mooring license anchor` printed it; added to the order's
    #[arg(long, value_name = "FILE")]
    anchor: Vec<PathBuf>,
    /// Your name for the license
    #[arg(long)]
    id: Option<String>,
    /// Whom it is sold to
    #[arg(long)]
    customer: Option<String>,
    /// A product with seats of its own: NAME:SEATS or NAME@FROM..TO:SEATS; added to the order's
    #[arg(long, value_name = "PRODUCT", value_parser = order::product_flag)]
    product: Vec<OrderProduct>,
    /// When it begins: 2027-01-01 (UTC) or RFC 3339
    #[arg(long, value_name = "DATE")]
    not_before: Option<String>,
    /// When it ends: the first day or instant no longer covered, or never
    #[arg(long, value_name = "DATE")]
    expires: Option<String>,
    /// The last day whose builds are covered
    #[arg(long, value_name = "DATE")]
    maintenance_until: Option<String>,
    /// A license that this one replaces
    #[arg(long, value_name = "ID")]
    supersedes: Vec<String>,
    /// A license for tests: at most seven days, and its tokens say so
    #[arg(long)]
    test: bool,
    /// A license that bridges the time until broken hardware is replaced: at most 14 days, its
    /// anchor may be software, and its tokens say so
    #[arg(long, conflicts_with = "test")]
    emergency: bool,
    /// Issue for an anchor whose key can be copied (SoftHSM and the like)
    #[arg(long)]
    allow_software_token: bool,
    /// Issue for an anchor whose key can be copied, by its kind: a token that is software, a USB
    /// device or a machine with its key in a file
    #[arg(long, value_name = "KIND", value_enum)]
    allow_anchor: Vec<order::Weak>,
    /// A root (PEM) that attestations of anchors' keys are verified against, such as the maker's
    #[arg(long, value_name = "FILE")]
    attestation_root: Vec<PathBuf>,
    /// Refuse anchors whose key is not attested
    #[arg(long, requires = "attestation_root")]
    require_attestation: bool,
    /// The license file; standard output without it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Overwrite the license file if it is there
    #[arg(long, requires = "out")]
    force: bool,
    /// Check the order and print the license unsigned, as YAML
    #[arg(long)]
    dry_run: bool,
}

/// Verifies what devices say of the anchors' keys, and tells it.
fn attest(args: &IssueArgs, order: &Order, now: Timestamp) -> anyhow::Result<()> {
    let roots = attestation::from_files("--attestation-root", &args.attestation_root)?;
    for (i, a) in order.anchors.iter().enumerate() {
        let refuse = |e: &dyn std::fmt::Display| anyhow!("order field anchors[{i}].{e}");
        if a.attestation.is_empty() {
            if args.require_attestation {
                return Err(refuse(&format!(
                    "attestation: missing; expected what `mooring license anchor pkcs11` writes for a key made in a YubiKey (anchor of kind {})",
                    a.kind
                )));
            }
            continue;
        }
        let mut chain = Vec::new();
        for (j, pem) in a.attestation.iter().enumerate() {
            let read = attestation::from_pem(pem);
            chain.extend(read.map_err(|e| refuse(&format!("attestation[{j}]: {e}")))?);
        }
        // What a touch would break is refused, whether the maker's root is at hand or not.
        let leaf = chain.first().map(Vec::as_slice).unwrap_or_default();
        let told = attestation::read(leaf).map_err(|e| refuse(&e))?;
        if let Some(why) = told.needs_a_hand() {
            return Err(refuse(&format!("attestation: {why}")));
        }
        if roots.is_empty() {
            let why = "not verified without --attestation-root";
            eprintln!("Warning: anchors[{i}]: it says {told}; {why}");
            continue;
        }
        let told = attestation::check(&a.key, &chain, &roots, now).map_err(|e| refuse(&e))?;
        eprintln!("anchors[{i}]: key {} is attested by {told}", a.key.id());
    }
    Ok(())
}

/// From how many bytes on a license is worth a warning.
const LARGE: usize = 256 * 1024;

pub fn run(mut args: IssueArgs) -> anyhow::Result<()> {
    let order = gather(&mut args)?;
    let now = Timestamp::now();
    if args.allow_software_token {
        args.allow_anchor.push(order::Weak::SoftwareToken);
    }
    let (license, warnings) = order::build(&order, now, &args.allow_anchor)?;
    attest(&args, &order, now)?;
    for w in warnings {
        eprintln!("Warning: {w}");
    }
    if args.dry_run {
        return Ok(output::print(&Data::Yaml.render(&license)?)?);
    }

    let signers = Signer::open_all(&args.key)?;
    let (text, open) = sign(&license, &signers)?;
    if text.len() > LARGE {
        eprintln!(
            "Warning: the license has {} bytes, and goes along with each renewal and each proof; a Secret of Kubernetes holds 1048576 at most. Products that draw on common pools take less than products with a pool each; or issue several licenses",
            text.len()
        );
    }
    match &args.out {
        None => output::print(&text)?,
        Some(path) if args.force => file::replace(path, &text, 0o644).context("--out")?,
        Some(path) => file::create(path, &text, 0o644).context("--out (--force overwrites)")?,
    }
    let (l, ids) = (&open.license, signer::ids(&signers));
    let expires = l
        .expires
        .map_or_else(|| "never".to_owned(), |t| t.to_string());
    let to = args.out.as_ref().map(|p| format!(" to {}", p.display()));
    eprintln!(
        "Issued license {} for {}{}: expires {expires}, sha256 {}, signed by {ids}",
        l.id,
        l.customer,
        to.unwrap_or_default(),
        open.digest
    );
    Ok(())
}

/// The order as the file and the flags together say it.
fn gather(args: &mut IssueArgs) -> anyhow::Result<Order> {
    let mut order = match args.order.as_ref().or(args.from.as_ref()) {
        None => Order::default(),
        Some(path) => {
            let text = file::read_public(path)?;
            order::parse(&text).with_context(|| path.display().to_string())?
        }
    };
    for (flag, field) in [
        (&mut args.id, &mut order.id),
        (&mut args.customer, &mut order.customer),
        (&mut args.not_before, &mut order.not_before),
        (&mut args.expires, &mut order.expires),
        (&mut args.maintenance_until, &mut order.maintenance_until),
    ] {
        if flag.is_some() {
            *field = flag.take();
        }
    }
    order.supersedes.append(&mut args.supersedes);
    order.products.append(&mut args.product);
    order.test |= args.test;
    order.emergency |= args.emergency;
    for path in &args.anchor {
        order.anchors.push(anchor::read(path).context("--anchor")?);
    }
    Ok(order)
}

/// Signs, and reads the result back as an application would: no file leaves that does not verify.
fn sign(license: &License, signers: &[Signer]) -> anyhow::Result<(String, OpenLicense)> {
    let text = armour(&signer::seal(types::LICENSE, license, signers)?)?;
    let mut open = None;
    for key in signer::publics(signers) {
        let read = OpenLicense::read(&text, Trust::Pinned(&[key]));
        open = Some(read.context("the signed license does not verify")?);
    }
    let open = open.context("--key: missing; expected at least one")?;
    if open.license != *license {
        bail!("the signed license reads differently from the order; please report this");
    }
    Ok((text, open))
}
