//! Whether a claim may start with no license server in reach: the license's word and the vendor's
//! voucher, as far as this sidecar was told of them.
//!
//! The sidecar has no key of the vendor's, so it looks at a voucher's dates and products and leaves
//! its signature to the application, which has one (`GET /v1/voucher`).

use mooring_core::license::{OpenVoucher, Trust, VoucherError};
use mooring_core::policy::{OptimisticStart, Start};
use mooring_core::request::Item;
use mooring_core::time::Timestamp;
use std::path::PathBuf;

/// The largest voucher that is read.
const MAX: u64 = 256 * 1024;

/// Where the voucher is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum VoucherSource {
    /// Its text.
    Text(String),
    /// A file, read anew for each use; it need not be there yet.
    File(PathBuf),
}

/// What is known of starts without a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct OfflineStart {
    /// What the license says.
    pub(crate) license: OptimisticStart,
    /// The voucher, if one was given.
    pub(crate) voucher: Option<VoucherSource>,
}

/// Why there is no voucher to show.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoVoucher {
    /// None was given.
    #[error("no voucher was given (MOORING_VOUCHER)")]
    None,
    /// Its file cannot be read.
    #[error("voucher {path}: {problem}")]
    Unreadable {
        /// Where.
        path: PathBuf,
        /// The system's word.
        problem: String,
    },
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
        let path = match self {
            Self::Text(t) => return Ok(t.clone()),
            Self::File(path) => path,
        };
        let bad = |problem: String| NoVoucher::Unreadable {
            path: path.clone(),
            problem,
        };
        let length = std::fs::metadata(path)
            .map_err(|e| bad(e.to_string()))?
            .len();
        if length > MAX {
            return Err(bad(format!("{length} bytes, at most {MAX} are read")));
        }
        std::fs::read_to_string(path).map_err(|e| bad(e.to_string()))
    }
}

impl OfflineStart {
    /// The voucher as it is now.
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use mooring_core::license::{Envelope, SigningKey, Voucher, armour, types};
    use mooring_core::request::parse;

    const NOON: &str = "2026-05-01T12:00:00Z";

    fn voucher() -> String {
        let v = Voucher {
            schema: 1,
            license: "L-1".into(),
            products: vec!["render".parse().unwrap(), "denoise".parse().unwrap()],
            issued: "2026-04-01T00:00:00Z".parse().unwrap(),
            not_before: None,
            expires: "2026-06-01T00:00:00Z".parse().unwrap(),
        };
        let key = SigningKey::from_seed(&[1; 32]).unwrap();
        armour(&Envelope::sign(types::VOUCHER, &v, &key).unwrap()).unwrap()
    }

    fn starts(license: OptimisticStart, voucher: &str, items: &str, now: &str) -> bool {
        let p = OfflineStart {
            license,
            voucher: VoucherSource::new(voucher),
        };
        let items = parse(items).unwrap();
        assert_eq!(
            p.start(Start::Licensed, &items, now.parse().unwrap()),
            Start::Licensed
        );
        p.start(Start::Optimistic, &items, now.parse().unwrap()) == Start::Optimistic
    }

    #[test]
    fn a_start_without_a_server_is_as_the_license_says() {
        use OptimisticStart::{Allow, Deny, Voucher};
        let v = voucher();
        assert!(starts(Allow, "", "render", NOON));
        assert!(!starts(Deny, &v, "render", NOON));
        assert!(starts(Voucher, &v, "render:2,denoise", NOON));
        assert!(!starts(Voucher, "", "render", NOON));
        assert!(!starts(Voucher, &v, "render,fly", NOON), "another product");
        assert!(
            !starts(Voucher, &v, "render", "2026-06-01T00:00:00Z"),
            "over"
        );
        let cut = v.replace("END", "");
        assert!(!starts(Voucher, &cut, "render", NOON));
    }

    #[test]
    fn a_voucher_comes_as_text_or_as_a_file_that_may_come_later() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("v");
        let of = |s: &str| OfflineStart {
            license: OptimisticStart::Voucher,
            voucher: VoucherSource::new(s),
        };
        let p = of(path.to_str().unwrap());
        let e = p.voucher().unwrap_err().to_string();
        assert!(e.contains("No such file"), "{e}");
        std::fs::write(&path, voucher()).unwrap();
        assert_eq!(p.voucher().unwrap().voucher.license, "L-1");
        assert!(of(&voucher()).voucher().is_ok());
        assert!(matches!(of(" ").voucher(), Err(NoVoucher::None)));
    }
}
