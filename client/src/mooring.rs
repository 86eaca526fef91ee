//! An application's view: its keys, its version, and whether a lease verifies.

use crate::clock::{boot, wall};
use crate::error::Error;
use crate::events::Events;
use crate::key::VendorKey;
use crate::sidecar::Sidecar;
use mooring_core::license::{
    AnchorKind, Bundle, Demand, MinAnchor, OpenVoucher, PublicKey, Trust, Verified, Voucher, verify,
};
use mooring_core::names::{LeaseId, ProductName, Version};
use mooring_core::policy::OptimisticStart;
use mooring_core::time::{BootTime, Timestamp};
use mooring_core::wire::{ProblemType, Status};
use std::path::PathBuf;
use std::time::Duration;

/// Whether a [`Seat`](crate::Seat) may start while no license server is in reach: on the sidecar's word, with an old token or
/// none, for at most the grace (8 h if no token says less), counted once from the asking. Where the sidecar shows a token of
/// before, its license's `optimisticStart` counts as well: the stricter of the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnverifiedStart {
    /// No: a restart would be worth another grace to whoever cuts the network, and the word of a socket is no proof.
    #[default]
    Deny,
    /// With a voucher: a permit that one of the pinned vendor keys has signed, for this product, in its time by the wall
    /// clock. It is looked at once, when the seat is asked for.
    Voucher,
    /// Yes.
    Allow,
}

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

    /// The day the application was built (`2026-03-01`, UTC); maintenance must not have ended before it.
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

    /// Whether a [`Seat`](crate::Seat) may start while no license server is in reach; without this it may not.
    #[must_use]
    pub fn unverified_start(mut self, start: UnverifiedStart) -> Self {
        self.unverified = start;
        self
    }

    /// Another socket than the one that `$MOORING_SOCKET` names. The socket is a way to the sidecar, not a source of trust.
    #[must_use]
    pub fn socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.socket = Some(path.into());
        self
    }

    /// Checks what was given, and that the sidecar answers.
    pub fn connect(self) -> Result<Mooring, Error> {
        if self.keys.is_empty() {
            let expected = "at least one: without a vendor's key nothing can be verified".into();
            return Err(Error::Argument {
                field: "vendor keys",
                value: String::new(),
                expected,
            });
        }
        let mooring = Mooring {
            keys: self.keys,
            app_version: self.app_version.as_deref().map(version).transpose()?,
            built_on: self.built_on.as_deref().map(day).transpose()?,
            min_anchor: self.min_anchor,
            unverified: self.unverified,
            sidecar: self.socket.map_or_else(Sidecar::from_env, Sidecar::at),
        };
        mooring.sidecar.answers()?;
        Ok(mooring)
    }

    /// Verifies a chain that came from anywhere, for this application, without a sidecar: offline, with the vendor's keys alone. With a
    /// nonce it must answer that one. No clock is read: how long the lease may run says
    /// [`run_for`](Verified::run_for), from the asking.
    pub fn judge(
        &self,
        product: &str,
        bundle: &Bundle,
        nonce: Option<&str>,
    ) -> Result<Verified, Error> {
        let version = self.app_version.as_deref().map(version).transpose()?;
        let demand = Demand {
            product: &self::product(product)?,
            app_version: version.as_ref(),
            built_on: self.built_on.as_deref().map(day).transpose()?,
            nonce,
            min_anchor: self.min_anchor,
        };
        Ok(verify(bundle, &self.keys, &demand)?)
    }
}

fn product(p: &str) -> Result<ProductName, Error> {
    ProductName::new(p).map_err(|_| Error::Argument {
        field: "product",
        value: p.chars().take(80).collect(),
        expected: "a product's name as the license writes it".into(),
    })
}

fn version(v: &str) -> Result<Version, Error> {
    Version::new(v).map_err(|_| Error::Argument {
        field: "app_version",
        value: v.chars().take(80).collect(),
        expected: "1 to 32 of letters, digits, '.', '-', '_' and '+'".into(),
    })
}

fn day(d: &str) -> Result<Timestamp, Error> {
    let bad = || Error::Argument {
        field: "built_on",
        value: d.chars().take(80).collect(),
        expected: "a day such as \"2026-03-01\"".into(),
    };
    let form = d.len() == 10 && d.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    format!("{d}T00:00:00Z")
        .parse()
        .ok()
        .filter(|_| form)
        .ok_or_else(bad)
}

/// A connection's worth of settings; the connections themselves are made anew for each call.
#[derive(Clone, Debug)]
pub struct Mooring {
    keys: Vec<PublicKey>,
    app_version: Option<Version>,
    built_on: Option<Timestamp>,
    min_anchor: MinAnchor,
    pub(crate) unverified: UnverifiedStart,
    pub(crate) sidecar: Sidecar,
}

/// A lease that verified: signed by the anchored server, under the vendor's license, for this application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Licensed {
    /// The product.
    pub product: ProductName,
    /// Its seats.
    pub seats: u32,
    /// Until when on this machine's boot clock (see [`boot`]) if there is no further contact.
    /// With [`fresh`](Self::fresh) counted from the application's own asking by what the server signed; without it
    /// only the sidecar's word, capped by what the server once signed.
    pub until: BootTime,
    /// The server answered the application's own question just now. If false, the license server is out of reach and this
    /// is the last token the sidecar had: it may be old, or replayed. The application decides what that is worth.
    pub fresh: bool,
    /// The kind of hardware it comes from.
    pub anchor: AnchorKind,
    /// That hardware's key can be copied.
    pub software: bool,
    /// Seats over what was sold.
    pub overdraft: u32,
    /// The license is one for tests.
    pub test: bool,
    /// The license bridges the time until broken hardware is replaced; its anchor may be software.
    pub emergency: bool,
    /// The vendor's names of features of the product.
    pub features: Vec<String>,
    /// The lease.
    pub lease: LeaseId,
    /// The license's id.
    pub license_id: String,
}

impl Licensed {
    /// How long from now; zero if it is over.
    pub fn remaining(&self) -> Duration {
        boot().until(self.until)
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

    /// The socket alone, for claims by name: nothing that it says is verified.
    pub fn sidecar(&self) -> &Sidecar {
        &self.sidecar
    }

    /// How the claims stand, as the sidecar says; answered from its memory, not verified.
    pub fn status(&self) -> Result<Status, Error> {
        self.sidecar.status()
    }

    /// Each change of the status, the present one first; not verified.
    pub fn events(&self) -> Result<Events, Error> {
        self.sidecar.events()
    }

    /// Asks the license server through the sidecar a question it cannot have been asked before, and verifies the answer
    /// with the vendor's keys alone: license, anchor, lease, product, this application's version and day.
    ///
    /// If the license server is out of reach the sidecar's last token is verified instead, and
    /// [`Licensed::fresh`] is false. An answer that does not verify is an error, never a reason to fall back.
    pub fn verify(&self, product: &str) -> Result<Licensed, Error> {
        let product = self::product(product)?;
        let nonce = nonce()?;
        let asked = boot();
        match self.sidecar.token(None, Some(&nonce)) {
            Ok(bundle) => {
                let v = self.check(&bundle, &product, Some(&nonce))?;
                let until = asked + v.run_for;
                Ok(licensed(product, v, until))
            }
            Err(Error::Problem(p)) if p.kind != ProblemType::BadRequest => {
                self.unfresh(product, &p.detail)
            }
            Err(e) => Err(e),
        }
    }

    /// What can be said when nobody answers a fresh question: `why`.
    fn unfresh(&self, product: ProductName, why: &str) -> Result<Licensed, Error> {
        let asked = boot();
        let status = self.sidecar.status()?;
        let state = status.state;
        if !status.licensed {
            let message = status.claims.iter().find_map(|c| c.message.clone());
            return Err(Error::NotLicensed {
                state,
                why: message.unwrap_or_else(|| why.to_owned()),
            });
        }
        let remaining = Duration::from_millis(status.for_ms.unwrap_or_default());
        match self.sidecar.token(None, None) {
            Ok(bundle) => {
                let v = self.check(&bundle, &product, None)?;
                let until = asked + remaining.min(v.run_for);
                Ok(licensed(product, v, until))
            }
            Err(Error::Problem(p)) => Err(Error::Unproven {
                state,
                remaining,
                why: p.detail,
            }),
            Err(e) => Err(e),
        }
    }

    /// The vendor's voucher that the sidecar was given, if one of the pinned keys has signed it and it permits a start of
    /// `product` now, by the wall clock.
    pub fn voucher(&self, product: &ProductName) -> Result<Voucher, Error> {
        let envelope = self.sidecar.voucher()?;
        let open = OpenVoucher::from_envelope(envelope, Trust::Pinned(&self.keys))?;
        open.voucher.permits(product, wall())?;
        Ok(open.voucher)
    }

    /// Whether an application may start without a server under a license that says `license`.
    pub(crate) fn may_start(&self, license: OptimisticStart, product: &ProductName) -> bool {
        match license {
            OptimisticStart::Allow => true,
            OptimisticStart::Deny => false,
            OptimisticStart::Voucher => self.voucher(product).is_ok(),
        }
    }

    pub(crate) fn check(
        &self,
        bundle: &Bundle,
        product: &ProductName,
        nonce: Option<&str>,
    ) -> Result<Verified, Error> {
        let demand = Demand {
            product,
            app_version: self.app_version.as_ref(),
            built_on: self.built_on,
            nonce,
            min_anchor: self.min_anchor,
        };
        Ok(verify(bundle, &self.keys, &demand)?)
    }
}

pub(crate) fn licensed(product: ProductName, v: Verified, until: BootTime) -> Licensed {
    Licensed {
        product,
        seats: v.seats,
        until,
        fresh: v.fresh,
        anchor: v.anchor,
        software: v.software,
        overdraft: v.overdraft,
        test: v.test,
        emergency: v.emergency,
        features: v.features,
        lease: v.lease,
        license_id: v.license_id,
    }
}

/// 128 random bits from the kernel, in 32 hexadecimal digits.
pub(crate) fn nonce() -> Result<String, Error> {
    let mut bytes = [0u8; 16];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|r| !r.is_empty()) {
        match rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty()) {
            Ok(n) => filled += n,
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => {
                return Err(Error::Broken(format!(
                    "the kernel gives no random numbers: {}",
                    std::io::Error::from(e)
                )));
            }
        }
    }
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
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

    #[test]
    fn nonces_are_as_the_server_wants_them_and_differ() {
        let (a, b) = (nonce().unwrap(), nonce().unwrap());
        assert!(a.len() == 32 && a != b);
    }
}
