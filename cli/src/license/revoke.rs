//! `mooring license revoke`: a revocation list is begun, extended, signed anew.

use super::date;
use super::signer::{self, Signer};
use super::{file, vendor_key};
use crate::output;
use anyhow::{Context as _, bail};
use mooring_core::license::{
    OpenRevocations, PublicKey, Revocations, RevokedLicense, Trust, armour, types,
};
use mooring_core::time::Timestamp;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "A list names every license that you have revoked, and is numbered: each call makes the next one, in the file's
place. License servers take no lower number than they know, so keep the file: one that begins at 1 again is
refused wherever a higher one has been. Send it to your customers like a license; a server without it cannot
know of it.

Examples:
  mooring license revoke --list revocations.mooring --new ACME-2027-001 --reason \"charged back\" --key vendor.key
  mooring license revoke --list revocations.mooring ACME-2027-002 --reason \"replaced dongle\" --key vendor.key
  mooring license revoke --list revocations.mooring --lift ACME-2027-001 --key vendor.key
  mooring license revoke --list revocations.mooring --next 2027-06-01 --key vendor.key      # signed anew, as it is"
)]
pub struct RevokeLicenseArgs {
    /// Ids of licenses to revoke
    #[arg(value_name = "LICENSE", requires = "reason")]
    licenses: Vec<String>,
    /// The list's file: read, and replaced by the next one
    #[arg(long, value_name = "FILE")]
    list: PathBuf,
    /// Begin a list; the file must not be there yet
    #[arg(long)]
    new: bool,
    /// Why, in words that the customer will read
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// From when on they are not in force: a day (UTC) or RFC 3339 [default: now]
    #[arg(long, value_name = "DATE", value_parser = date::start)]
    since: Option<Timestamp>,
    /// Ids of licenses that are no longer revoked
    #[arg(long, value_name = "LICENSE")]
    lift: Vec<String>,
    /// When the next list is due; servers then tell their people to ask you for it
    #[arg(long, value_name = "DATE", value_parser = date::start)]
    next: Option<Timestamp>,
    /// The list's number, if it shall not be the next one: higher than any that you have sent
    #[arg(long)]
    number: Option<u64>,
    /// The vendor's private key (PKCS#8 PEM, or pkcs11:… for one in an HSM); several sign together,
    /// so that keys can rotate
    #[arg(long, value_name = "KEY", required = true)]
    key: Vec<String>,
    /// Another public key of yours that may have signed the present list
    #[arg(long, value_name = "KEY")]
    vendor_key: Vec<String>,
}

pub fn run(args: &RevokeLicenseArgs) -> anyhow::Result<()> {
    let before = read(args)?;
    let signers = Signer::open_all(&args.key)?;
    let keys = signer::publics(&signers);
    let before = before.map(|text| open(args, &text, &keys)).transpose()?;
    let now = date::whole_seconds(Timestamp::now());
    let list = next(args, before.as_ref().map(|b| &b.list), now)?;
    list.check()?;
    let text = armour(&signer::seal(types::REVOCATIONS, &list, &signers)?)?;
    // Read back as a server would: no list leaves that does not verify, or that it would not take
    // after the last.
    for key in &keys {
        let back = OpenRevocations::read(&text, Trust::Pinned(&[*key]));
        let back = back.context("the signed list does not verify")?;
        if let Some(b) = &before {
            back.follows(b)?;
        }
    }
    let write = if args.new {
        file::create
    } else {
        file::replace
    };
    write(&args.list, &text, 0o644).context("--list")?;
    let (number, path, n) = (list.number, args.list.display(), list.revoked.len());
    let ids = signer::ids(&signers);
    let said = format!("Revocation list number {number} in {path}: {n} revoked, signed by {ids}\n");
    Ok(output::print(&said)?)
}

/// The present list; none if one is begun.
fn read(args: &RevokeLicenseArgs) -> anyhow::Result<Option<String>> {
    if args.new {
        file::must_be_new(&args.list).context("--new")?;
        return Ok(None);
    }
    if args.list.symlink_metadata().is_err() {
        bail!(
            "--list {}: there is no such file; expected your last list, or --new to begin one",
            args.list.display()
        );
    }
    file::read_public(&args.list).map(Some)
}

fn open(
    args: &RevokeLicenseArgs,
    text: &str,
    keys: &[PublicKey],
) -> anyhow::Result<OpenRevocations> {
    let all = [keys, &vendor_key::public(&args.vendor_key)?].concat();
    OpenRevocations::read(text, Trust::Pinned(&all)).with_context(|| {
        let path = args.list.display();
        format!("--list {path}: it is not extended, since it is not signed by the same vendor")
    })
}

fn next(
    args: &RevokeLicenseArgs,
    before: Option<&Revocations>,
    now: Timestamp,
) -> anyhow::Result<Revocations> {
    let known = before.map_or(0, |b| b.number);
    let number = args.number.unwrap_or(known.saturating_add(1));
    if number <= known {
        bail!(
            "--number {number}: the list has number {known}; expected a higher one, since servers do not go back"
        );
    }
    let mut revoked = before.map(|b| b.revoked.clone()).unwrap_or_default();
    for id in &args.lift {
        let n = revoked.len();
        revoked.retain(|r| r.license != *id);
        if revoked.len() == n {
            bail!("--lift {id:?}: the list does not revoke it");
        }
    }
    for id in &args.licenses {
        if let Some(r) = revoked.iter().find(|r| r.license == *id) {
            bail!(
                "license {id:?} is revoked already, since {} ({}); --lift it to change that",
                r.since,
                r.reason
            );
        }
        revoked.push(RevokedLicense {
            license: id.clone(),
            since: args.since.unwrap_or(now),
            reason: args.reason.clone().unwrap_or_default(),
        });
    }
    if let Some(next) = args.next.filter(|n| *n <= now) {
        bail!("--next {next}: over already; expected a date after {now}");
    }
    Ok(Revocations {
        schema: 1,
        number,
        issued: now,
        next: args.next,
        revoked,
    })
}
