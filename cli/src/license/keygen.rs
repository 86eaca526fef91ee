//! `mooring license keygen`.

use super::pkcs11::uri::{self, Uri};
use super::pkcs11::vendor::TokenKey;
use super::signer::Signer;
use super::{file, vendor_key};
use crate::output::{self, Data, Form};
use anyhow::{Context as _, anyhow, bail};
use mooring_core::license::{PublicKey, SigningKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Flags.
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

/// Flags of `public`.
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
pub fn random() -> anyhow::Result<(PublicKey, String)> {
    let mut seed = [0; 32];
    SystemRandom::new()
        .fill(&mut seed)
        .map_err(|_| anyhow!("the kernel gave no random bytes"))?;
    let key = SigningKey::from_seed(&seed)?.public();
    Ok((key, vendor_key::to_pem(&seed)))
}

/// Makes a key, and keeps its private half in a new file.
pub fn make(out: &Path) -> anyhow::Result<PublicKey> {
    let (key, pem) = random()?;
    file::create(out, &pem, 0o600).context("--out")?;
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
pub fn run(args: &KeygenArgs) -> anyhow::Result<()> {
    if let Some(out) = &args.out {
        let key = make(out)?;
        let said = format!(
            "Private key written to {} (mode 0600). It signs licenses: keep it offline, and keep a copy.",
            out.display()
        );
        return print(args.output, &said, &key);
    }
    let key = args.key.as_deref().unwrap_or_default();
    let at = || format!("--key {key}");
    if !uri::is_uri(key) {
        bail!("--key {key}: expected pkcs11:…, a place in an HSM; --out FILE makes a file");
    }
    let uri: Uri = key.parse().with_context(at)?;
    let made = TokenKey::make(&uri).with_context(at)?;
    let said = "Private key made in the HSM. It signs licenses: keep a second HSM, or its backup, in a safe.";
    print(args.output, said, &made.public())
}

/// Prints the public half of a key that is there.
pub fn public(args: &PublicArgs) -> anyhow::Result<()> {
    let key = Signer::open(&args.key)?.public();
    print(args.output, "The private key is there, and was read.", &key)
}

fn print(form: Form, said: &str, key: &PublicKey) -> anyhow::Result<()> {
    match form.data() {
        Some(data) => print_data(data, key),
        None => Ok(output::print(&text(said, key, &bytes(key)))?),
    }
}

fn text(said: &str, key: &PublicKey, bytes: &[u8]) -> String {
    let mut c = String::new();
    for row in bytes.chunks(8) {
        let cells: Vec<String> = row.iter().map(|b| format!("0x{b:02x}")).collect();
        let _ = write!(c, "\n    {},", cells.join(", "));
    }
    let hex = hex::encode(bytes);
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
