//! `mooring license keygen`.

use super::pkcs11::uri::{self, Uri};
use super::pkcs11::vendor::TokenKey;
use super::signer::Signer;
use super::{file, vendor_key};
use crate::output::{self, Form};
use anyhow::{Context as _, bail};
use mooring_core::license::{PublicKey, SigningKey};
use mooring_net::random;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The private key signs every license: keep it offline, with a copy in a safe. Whoever has it can make
licenses; if it is lost, applications in the field accept no new license until they are built anew.

Examples:
  mooring license keygen --out vendor.key
  mooring license keygen --out vendor.key -o json | jq -r .publicKey > vendor.pub
  mooring license keygen --key 'pkcs11:token=vendor;object=licenses?module-path=/usr/lib/softhsm/libsofthsm2.so'"
)]
pub struct KeygenArgs {
    /// The file for the private key (PKCS#8 PEM, mode 0600); never overwritten
    #[arg(long, value_name = "FILE", required_unless_present = "key")]
    out: Option<PathBuf>,
    /// Make it in an HSM instead, never extractable:
    /// pkcs11:token=…;object=…?module-path=…&pin-source=file:…
    #[arg(long, value_name = "URI", conflicts_with = "out")]
    key: Option<String>,
    /// How to print the public key
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

#[derive(Debug, clap::Args)]
pub struct PublicArgs {
    /// The private key: its file (PKCS#8 PEM), or pkcs11:… for one in an HSM
    #[arg(long, value_name = "KEY")]
    key: String,
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

/// A new key: its public half, and all of it as PKCS#8 PEM.
pub fn generate() -> anyhow::Result<(PublicKey, String)> {
    let seed = random::bytes();
    let key = SigningKey::from_seed(&seed)?.public();
    Ok((key, vendor_key::to_pem(&seed)))
}

/// Makes a key, and keeps its private half in a new file.
pub fn make(out: &Path) -> anyhow::Result<PublicKey> {
    let (key, pem) = generate()?;
    file::create(out, &pem, 0o600).context("--out")?;
    Ok(key)
}

fn bytes(key: &PublicKey) -> Vec<u8> {
    match key {
        PublicKey::Ed25519(k) => k.to_vec(),
        PublicKey::P256(k) => k.to_vec(),
    }
}

/// Prints the public half: for machines, or as `text`.
pub fn print(form: Form, key: &PublicKey, text: impl FnOnce() -> String) -> anyhow::Result<()> {
    let printed = Printed {
        public_key: key.to_string(),
        key_id: key.id().0,
        hex: hex::encode(bytes(key)),
    };
    output::show(form.data(), &printed, text)
}

pub fn run(args: &KeygenArgs) -> anyhow::Result<()> {
    if let Some(out) = &args.out {
        let (key, out) = (make(out)?, out.display());
        let said = format!(
            "Private key written to {out} (mode 0600). It signs licenses: keep it offline, and keep a copy."
        );
        return print(args.output, &key, || text(&said, &key));
    }
    let key = args.key.as_deref().unwrap_or_default();
    let at = || format!("--key {key}");
    if !uri::is_uri(key) {
        bail!("--key {key}: expected pkcs11:…, a place in an HSM; --out FILE makes a file");
    }
    let uri: Uri = key.parse().with_context(at)?;
    let made = TokenKey::make(&uri).with_context(at)?;
    let said = "Private key made in the HSM. It signs licenses: keep a second HSM, or its backup, in a safe.";
    let key = made.public();
    print(args.output, &key, || text(said, &key))
}

pub fn public(args: &PublicArgs) -> anyhow::Result<()> {
    let key = Signer::open(&args.key)?.public();
    print(args.output, &key, || {
        text("The private key is there, and was read.", &key)
    })
}

fn text(said: &str, key: &PublicKey) -> String {
    let bytes = bytes(key);
    let mut c = String::new();
    for row in bytes.chunks(8) {
        let cells: Vec<String> = row.iter().map(|b| format!("0x{b:02x}")).collect();
        let _ = write!(c, "\n    {},", cells.join(", "));
    }
    let hex = hex::encode(&bytes);
    format!(
        "{said}

Public key (give it to anyone):
  {key}
  key id {id}

To compile into the application:
  Rust    static VENDOR: &[VendorKey] = &[VendorKey::from_hex(\"{hex}\")];
  Python  VENDOR = [\"{hex}\"]
  C       static const uint8_t VENDOR[1][32] = {{{{{c}
  }}}};
",
        id = key.id(),
    )
}
