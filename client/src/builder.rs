//! What an application says of itself before it connects: keys, version, what it insists on.

use crate::error::{Error, VERSION};
use crate::key::VendorKey;
use crate::mooring::{Mooring, UnverifiedStart, product};
use crate::sidecar::Sidecar;
use mooring_core::license::{AppClock, Bundle, MinAnchor, PublicKey, Verified};
use mooring_core::names::Version;
use mooring_core::secret::{BYTES, SecretHash};
use mooring_core::time::Timestamp;
use std::path::PathBuf;

/// What an application says of itself before it connects.
#[derive(Clone, Debug)]
pub struct Builder {
    keys: Vec<PublicKey>,
    app_version: Option<String>,
    built_on: Option<String>,
    min_anchor: MinAnchor,
    unverified: UnverifiedStart,
    socket: Option<PathBuf>,
}

impl Builder {
    /// The application's version; the license must cover it.
    #[must_use]
    pub fn app_version(mut self, version: impl Into<String>) -> Self {
        self.app_version = Some(version.into());
        self
    }

    /// The day the application was built (`2026-03-01`, UTC); maintenance must not have ended
    /// before it.
    #[must_use]
    pub fn built_on(mut self, day: impl Into<String>) -> Self {
        self.built_on = Some(day.into());
        self
    }

    /// Insists on a kind of anchor; without it any that the vendor's license lists will do.
    #[must_use]
    pub fn min_anchor(mut self, min: MinAnchor) -> Self {
        self.min_anchor = min;
        self
    }

    /// Short for [`unverified_start`](Self::unverified_start) with `Allow` or `Deny`.
    #[must_use]
    pub fn allow_unverified_start(self, allow: bool) -> Self {
        self.unverified_start(if allow {
            UnverifiedStart::Allow
        } else {
            UnverifiedStart::Deny
        })
    }

    /// Whether a [`Seat`](crate::Seat) may start while no license server is in reach; without this
    /// it may not.
    #[must_use]
    pub fn unverified_start(mut self, start: UnverifiedStart) -> Self {
        self.unverified = start;
        self
    }

    /// Another socket than the one that `$MOORING_SOCKET` names. The socket is a way to the
    /// sidecar, not a source of trust.
    #[must_use]
    pub fn socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.socket = Some(path.into());
        self
    }

    /// Checks what was given, and that the sidecar answers.
    pub fn connect(self) -> Result<Mooring, Error> {
        if self.keys.is_empty() {
            let expected = "at least one: without a vendor's key nothing can be verified";
            return Err(Error::argument("vendor keys", "", expected));
        }
        let mooring = self.checked()?;
        mooring.sidecar.answers()?;
        Ok(mooring)
    }

    /// Verifies a chain that came from anywhere, for this application, without a sidecar: offline,
    /// with the vendor's keys alone. With a nonce it must answer that one; with a `bind` (43
    /// characters) it must be the seat of who sent that with `POST /v1/hold?bind=…`. Its date is
    /// judged by this machine's clocks, or by those that are given. How long the lease may run says
    /// [`run_for`](Verified::run_for), from the asking.
    pub fn judge(
        &self,
        product: &str,
        bundle: &Bundle,
        nonce: Option<&str>,
        bind: Option<&str>,
        clock: Option<&AppClock>,
    ) -> Result<Verified, Error> {
        let hash = |b: &str| {
            let read = SecretHash::try_from(b.to_owned());
            read.map_err(|_| Error::argument("bind", b, BYTES))
        };
        let bind = bind.map(hash).transpose()?;
        let (mooring, product) = (self.clone().checked()?, self::product(product)?);
        let verified = match clock {
            Some(clock) => mooring.check_at(bundle, &product, nonce, bind, clock),
            None => mooring.check(bundle, &product, nonce, bind),
        };
        Ok(verified?)
    }

    fn checked(self) -> Result<Mooring, Error> {
        Ok(Mooring {
            keys: self.keys,
            app_version: self.app_version.as_deref().map(version).transpose()?,
            built_on: self.built_on.as_deref().map(day).transpose()?,
            min_anchor: self.min_anchor,
            unverified: self.unverified,
            sidecar: self.socket.map_or_else(Sidecar::from_env, Sidecar::at),
        })
    }
}

impl Mooring {
    /// Begins with the vendor's keys: the only source of trust.
    pub fn builder(vendor_keys: &[VendorKey]) -> Builder {
        Builder {
            keys: vendor_keys.iter().map(|k| (*k).into()).collect(),
            app_version: None,
            built_on: None,
            min_anchor: MinAnchor::Any,
            unverified: UnverifiedStart::Deny,
            socket: None,
        }
    }
}

fn version(v: &str) -> Result<Version, Error> {
    Version::new(v).map_err(|_| Error::argument("app_version", v, VERSION))
}

fn day(d: &str) -> Result<Timestamp, Error> {
    let form = d.len() == 10 && d.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let day = format!("{d}T00:00:00Z").parse().ok().filter(|_| form);
    day.ok_or_else(|| Error::argument("built_on", d, "a day such as \"2026-03-01\""))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn what_the_application_says_of_itself_is_checked() {
        assert_eq!(
            day("2026-03-01").unwrap().to_string(),
            "2026-03-01T00:00:00Z"
        );
        for bad in [
            "",
            "2026-3-1",
            "2026-13-01",
            "01.03.2026",
            "2026-03-01T00:00:00Z",
        ] {
            let e = day(bad).unwrap_err().to_string();
            assert!(
                e.starts_with("built_on ") && e.contains("2026-03-01"),
                "{e}"
            );
        }
        let e = version("two words").unwrap_err().to_string();
        assert!(e.starts_with("app_version \"two words\": expected"), "{e}");
        let e = Mooring::builder(&[]).connect().unwrap_err().to_string();
        assert!(e.starts_with("vendor keys"), "{e}");
        let e = Mooring::builder(&[VendorKey::from_bytes([1; 32])])
            .socket("/nowhere/x.sock")
            .connect()
            .unwrap_err();
        assert!(
            e.to_string().contains("/nowhere/x.sock")
                && e.to_string().contains("mooring.dev/licenses"),
            "{e}"
        );
    }
}
