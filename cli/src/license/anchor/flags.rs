//! The flags of `mooring license anchor pkcs11`.

use super::description::Destination;
use super::token;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The PIN is read from --pin-file, else from the environment variable MOORING_PIN, else asked for. It is
tried once: tokens lock after a few wrong ones.

Examples:
  mooring license anchor pkcs11 --module /usr/lib/x86_64-linux-gnu/opensc-pkcs11.so \\
      --token-label acme --key-label mooring --out anchor.yaml
  mooring license anchor pkcs11 --module /usr/lib/softhsm/libsofthsm2.so \\
      --token-label test --pin-file pin --generate > anchor.yaml"
)]
pub struct Pkcs11Args {
    /// The PKCS#11 module (a shared library) that drives the token
    #[arg(long, value_name = "FILE")]
    pub(super) module: PathBuf,
    /// The token's label
    #[arg(long, value_name = "LABEL")]
    pub(super) token_label: String,
    /// The token's serial number, if several have the same label
    #[arg(long, value_name = "SERIAL")]
    pub(super) token_serial: Option<String>,
    /// A file with the token's user PIN
    #[arg(long, value_name = "FILE")]
    pub(super) pin_file: Option<PathBuf>,
    /// The key's label (CKA_LABEL); with --generate the new key's, "mooring" without it
    #[arg(long, value_name = "LABEL")]
    pub(super) key_label: Option<String>,
    /// The key's id (CKA_ID), in hexadecimal digits
    #[arg(long, value_name = "HEX", value_parser = parse_id)]
    pub(super) key_id: Option<Id>,
    /// Make a key if there is none that fits: P-256, never extractable
    #[arg(long)]
    pub(super) generate: bool,
    /// Certificates (PEM) that attest the key, where the module does not show them: `ykman piv keys
    /// attest` writes the key's own, `ykman piv certificates export f9` the device's
    #[arg(long, value_name = "FILE")]
    pub(super) attestation: Vec<PathBuf>,
    /// Words for people in the license, such as a place or an inventory number [default: the
    /// token's model and serial number]
    #[arg(long, value_name = "TEXT")]
    pub(super) label: Option<String>,
    #[command(flatten)]
    pub(super) destination: Destination,
}

#[derive(Clone, Debug)]
pub(super) struct Id(pub(super) Vec<u8>);

fn parse_id(s: &str) -> Result<Id, String> {
    token::key_id(s).map(Id)
}
