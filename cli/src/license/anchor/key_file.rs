//! The software key of `usb` and `hwid` anchors: found in its file, or made there.

use crate::license::{file, keygen};
use anyhow::{Context as _, bail};
use mooring_core::license::PublicKey;
use mooring_net::key_file::{self, KeyFileError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Flags of the key.
#[derive(Debug, clap::Args)]
pub(super) struct KeyArgs {
    /// The file of the anchor's key (PKCS#8 PEM, Ed25519), which the license server will sign with;
    /// for owner and group alone
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// Make the key if there is no such file (mode 0600)
    #[arg(long)]
    generate: bool,
}

/// The public half; a key that is there is never changed.
pub(super) fn find(args: &KeyArgs) -> anyhow::Result<PublicKey> {
    let path = &args.key_file;
    match key_file::read(path) {
        Ok(key) => Ok(key.public()),
        Err(KeyFileError::Unreadable { error, .. }) if error.kind() == ErrorKind::NotFound => {
            if args.generate {
                return make(path).context("--key-file");
            }
            bail!(
                "--key-file {}: there is no such file; expected the anchor's key, or --generate to make it",
                path.display()
            )
        }
        Err(e) => Err(e).context("--key-file"),
    }
}

fn make(path: &Path) -> anyhow::Result<PublicKey> {
    let (key, pem) = keygen::generate()?;
    file::create(path, &pem, 0o600)?;
    let (id, path) = (key.id(), path.display());
    eprintln!(
        "Made key {id} in {path} (mode 0600). The license server needs it: anchor.usb.keyFile or anchor.hwid.keyFile, or a Secret"
    );
    Ok(key)
}

/// What every description of such an anchor says of its key.
pub(super) fn note(key: &PublicKey, args: &KeyArgs) -> String {
    let (id, path) = (key.id(), args.key_file.display());
    format!(
        "key id {id}, in {path}: it can be copied; a vendor issues for it only with --allow-anchor"
    )
}
