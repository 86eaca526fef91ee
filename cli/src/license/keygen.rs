//! `mooring license keygen`.

use super::{file, vendor_key};
use crate::output::{self, Data, Form};
use anyhow::{Context as _, anyhow};
use mooring_core::license::{PublicKey, SigningKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Flags.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The private key signs every licence: keep it offline, with a copy in a safe. Whoever has it can make
licences; if it is lost, applications in the field accept no new licence until they are built anew.

Examples:
  mooring license keygen --out vendor.key
  mooring license keygen --out vendor.key -o json | jq -r .publicKey > vendor.pub"
)]
pub struct Args {
    /// The file for the private key (PKCS#8 PEM, mode 0600); never overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How to print the public key
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Printed {
    public_key: String,
    key_id: String,
    hex: String,
}

/// Makes a key, and keeps its private half in a new file.
pub fn make(out: &Path) -> anyhow::Result<PublicKey> {
    let mut seed = [0; 32];
    SystemRandom::new()
        .fill(&mut seed)
        .map_err(|_| anyhow!("the kernel gave no random bytes"))?;
    let key = SigningKey::from_seed(&seed)?.public();
    file::create(out, &vendor_key::to_pem(&seed), 0o600).context("--out")?;
    Ok(key)
}

fn bytes(key: &PublicKey) -> Vec<u8> {
    match key {
        PublicKey::Ed25519(k) => k.to_vec(),
        PublicKey::P256(k) => k.to_vec(),
    }
}

/// Prints the public half for machines.
pub fn print_data(data: Data, key: &PublicKey) -> anyhow::Result<()> {
    let p = Printed {
        public_key: key.to_string(),
        key_id: key.id().0,
        hex: hex::encode(bytes(key)),
    };
    Ok(output::print(&data.render(&p)?)?)
}

/// Makes a vendor's key.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let key = make(&args.out)?;
    match args.output.data() {
        Some(data) => print_data(data, &key),
        None => Ok(output::print(&text(args, &key, &bytes(&key)))?),
    }
}

fn text(args: &Args, key: &PublicKey, bytes: &[u8]) -> String {
    let mut c = String::new();
    for row in bytes.chunks(8) {
        let cells: Vec<String> = row.iter().map(|b| format!("0x{b:02x}")).collect();
        let _ = write!(c, "\n    {},", cells.join(", "));
    }
    let hex = hex::encode(bytes);
    format!(
        "Private key written to {file} (mode 0600). It signs licences: keep it offline, and keep a copy.

Public key (give it to anyone):
  {key}
  key id {id}

To compile into the application:
  Rust    static VENDOR: &[VendorKey] = &[VendorKey::from_hex(\"{hex}\")];
  Python  VENDOR = [\"{hex}\"]
  C       static const uint8_t VENDOR[1][32] = {{{{{c}
  }}}};
",
        file = args.out.display(),
        id = key.id(),
    )
}
