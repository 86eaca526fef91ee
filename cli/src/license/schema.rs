//! `mooring license schema`: the JSON Schema of what is signed, for those who read or write it by
//! other programs.

use crate::output;
use clap::ValueEnum;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "It describes the signed document, the JSON inside of the envelope; docs/formats.md has the envelope.

Example:
  mooring license schema license > license.schema.json"
)]
pub struct SchemaArgs {
    /// Which document
    #[arg(value_enum)]
    document: Document,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Document {
    /// What a vendor sells
    License,
    /// The anchor's word for a license server's key
    Delegation,
    /// A lease token
    Lease,
    /// Licenses that were taken back
    Revocations,
    /// A permit to start with no license server in reach
    Voucher,
}

pub fn run(args: &SchemaArgs) -> anyhow::Result<()> {
    let text = match args.document {
        Document::License => include_str!("../../../docs/schema/license.json"),
        Document::Delegation => include_str!("../../../docs/schema/delegation.json"),
        Document::Lease => include_str!("../../../docs/schema/lease.json"),
        Document::Revocations => include_str!("../../../docs/schema/revocations.json"),
        Document::Voucher => include_str!("../../../docs/schema/voucher.json"),
    };
    Ok(output::print(text)?)
}
