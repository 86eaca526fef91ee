//! The software key of `usb` and `hwid` anchors: Ed25519, PKCS#8 in PEM, as `mooring license anchor
//! … --generate` writes it.

use mooring_core::license::SigningKey;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("key file {path}: {error}")]
    Unreadable {
        path: PathBuf,
        error: std::io::Error,
    },
    /// More than owner and group may read it.
    #[error(
        "key file {path}: everybody on this machine may read it (mode {mode:04o}), and whoever has it can copy the license; \
         chmod 600 it (a Secret: mount it with defaultMode 0400, or 0440 with an fsGroup)"
    )]
    Open { path: PathBuf, mode: u32 },
    #[error(
        "key file {path}: {problem}; expected an unencrypted Ed25519 key (PKCS#8, PEM), as `mooring license anchor usb --generate` writes it"
    )]
    Invalid {
        path: PathBuf,
        /// What is wrong with it; never what it says.
        problem: String,
    },
}

/// Reads the key. Its file may be read by owner and group alone.
pub fn read(path: &Path) -> Result<SigningKey, KeyFileError> {
    let unreadable = |error| KeyFileError::Unreadable {
        path: path.to_owned(),
        error,
    };
    let file = std::fs::metadata(path).map_err(unreadable)?;
    let mode = file.permissions().mode() & 0o7777;
    if mode & 0o007 != 0 {
        let path = path.to_owned();
        return Err(KeyFileError::Open { path, mode });
    }
    let pem = std::fs::read(path).map_err(unreadable)?;
    let invalid = |problem: String| KeyFileError::Invalid {
        path: path.to_owned(),
        problem,
    };
    let der = PrivatePkcs8KeyDer::from_pem_slice(&pem)
        .map_err(|_| invalid("no PRIVATE KEY in PEM".into()))?;
    SigningKey::from_pkcs8(der.secret_pkcs8_der()).map_err(|e| invalid(e.to_string()))
}

#[cfg(test)]
mod tests;
