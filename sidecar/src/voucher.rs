//! Whether a claim may start with no license server in reach: the license's word and the vendor's
//! voucher, as far as this sidecar was told of them.
//!
//! The sidecar has no key of the vendor's, so it looks at a voucher's dates and products and leaves
//! its signature to the application, which has one (`GET /v1/voucher`).

use mooring_core::license::{OpenVoucher, Trust, VoucherError};
use mooring_core::policy::{OptimisticStart, Start};
use mooring_core::request::Item;
use mooring_core::time::Timestamp;
use std::io;
use std::path::{Path, PathBuf};

const MAX: u64 = 256 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum VoucherSource {
    Text(String),
    /// A file, read anew for each use; it need not be there yet.
    File(PathBuf),
}

/// What is known of starts without a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct OfflineStart {
    pub(crate) license: OptimisticStart,
    pub(crate) voucher: Option<VoucherSource>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum NoVoucher {
    #[error("no voucher was given (MOORING_VOUCHER)")]
    None,
    #[error("voucher {path}: {problem}")]
    Unreadable { path: PathBuf, problem: String },
    /// It is none, or not for this.
    #[error("{0}")]
    Refused(#[from] VoucherError),
}

impl VoucherSource {
    /// From a setting: text if it looks like a voucher, else a file.
    pub(crate) fn new(given: &str) -> Option<Self> {
        let given = given.trim();
        if given.is_empty() {
            None
        } else if given.contains("-----BEGIN") {
            Some(Self::Text(given.to_owned()))
        } else {
            Some(Self::File(given.into()))
        }
    }

    fn read(&self) -> Result<String, NoVoucher> {
        match self {
            Self::Text(t) => Ok(t.clone()),
            Self::File(path) => read_at_most(MAX, path).map_err(|e| NoVoucher::Unreadable {
                path: path.clone(),
                problem: e.to_string(),
            }),
        }
    }
}

/// A text file of at most so many bytes.
pub(crate) fn read_at_most(most: u64, path: &Path) -> io::Result<String> {
    let length = std::fs::metadata(path)?.len();
    if length > most {
        return Err(io::Error::other(format!(
            "{length} bytes, at most {most} are read"
        )));
    }
    std::fs::read_to_string(path)
}

impl OfflineStart {
    pub(crate) fn voucher(&self) -> Result<OpenVoucher, NoVoucher> {
        let text = self.voucher.as_ref().ok_or(NoVoucher::None)?.read()?;
        Ok(OpenVoucher::read(&text, Trust::Unchecked)?)
    }

    /// How a claim that begins now may start, if it wishes `wish`.
    pub(crate) fn start(&self, wish: Start, items: &[Item], now: Timestamp) -> Start {
        if wish == Start::Licensed {
            return wish;
        }
        let why = match self.license {
            OptimisticStart::Allow => return wish,
            OptimisticStart::Deny => "the license does not allow it".to_owned(),
            OptimisticStart::Voucher => {
                let permits = self.voucher().and_then(|v| {
                    let mut items = items.iter();
                    Ok(items.try_for_each(|i| v.voucher.permits(&i.product, now))?)
                });
                match permits {
                    Ok(()) => return wish,
                    Err(e) => format!("the license asks for a voucher: {e}"),
                }
            }
        };
        tracing::warn!("no start without a license server: {why}");
        Start::Licensed
    }
}

#[cfg(test)]
mod tests;
