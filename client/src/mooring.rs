//! An application's view: its keys, its version, and whether a lease verifies.

use crate::clock::{app_clock, boot, proved, wall};
use crate::error::{Error, PRODUCT};
use crate::events::Events;
use crate::nonce::nonce;
use crate::sidecar::Sidecar;
use mooring_core::license::{
    AnchorKind, AppClock, Bundle, Demand, MinAnchor, OpenVoucher, PublicKey, Trust, Verified,
    VerifyError, Voucher, verify,
};
use mooring_core::names::{LeaseId, ProductName, Version};
use mooring_core::policy::OptimisticStart;
use mooring_core::secret::SecretHash;
use mooring_core::time::{BootTime, Timestamp};
use mooring_core::wire::{ProblemType, Status};
use std::time::Duration;

/// Whether a [`Seat`](crate::Seat) may start while no license server is in reach: on the sidecar's
/// word, with an old token or none, for at most the grace (8 h if no token says less), counted once
/// from the asking. Where the sidecar shows a token of before, its license's `optimisticStart`
/// counts as well: the stricter of the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnverifiedStart {
    /// No: a restart would be worth another grace to whoever cuts the network, and the word of a
    /// socket is no proof.
    #[default]
    Deny,
    /// With a voucher: a permit that one of the pinned vendor keys has signed, for this product, in
    /// its time by the wall clock. It is looked at once, when the seat is asked for.
    Voucher,
    /// Yes.
    Allow,
}

pub(crate) fn product(p: &str) -> Result<ProductName, Error> {
    ProductName::new(p).map_err(|_| Error::argument("product", p, PRODUCT))
}

/// A connection's worth of settings; the connections themselves are made anew for each call.
#[derive(Clone, Debug)]
pub struct Mooring {
    pub(crate) keys: Vec<PublicKey>,
    pub(crate) app_version: Option<Version>,
    pub(crate) built_on: Option<Timestamp>,
    pub(crate) min_anchor: MinAnchor,
    pub(crate) unverified: UnverifiedStart,
    pub(crate) sidecar: Sidecar,
}

/// A lease that verified: signed by the anchored server, under the vendor's license, for this
/// application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Licensed {
    /// The product.
    pub product: ProductName,
    /// Its seats.
    pub seats: u32,
    /// Until when on this machine's boot clock (see [`boot`]) if there is no further contact. With
    /// [`fresh`](Self::fresh) counted from the application's own asking by what the server signed;
    /// without it only the sidecar's word, capped by what the server once signed.
    pub until: BootTime,
    /// The server answered the application's own question just now. If false, the license server is
    /// out of reach and this is the last token the sidecar had: it may be old, or replayed. The
    /// application decides what that is worth.
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

    /// Asks the license server through the sidecar a question it cannot have been asked before, and
    /// verifies the answer with the vendor's keys alone: license, anchor, lease, product, this
    /// application's version and day.
    ///
    /// If the license server is out of reach the sidecar's last token is verified instead, and
    /// [`Licensed::fresh`] is false; so, too, if the date of its answer does not fit this machine's
    /// clock ([`VerifyError::ClockOrStale`]). Any other answer that does not verify is an error,
    /// never a reason to fall back.
    pub fn verify(&self, product: &str) -> Result<Licensed, Error> {
        let product = self::product(product)?;
        let nonce = nonce()?;
        let asked = boot();
        match self.sidecar.token(None, Some(&product), Some(&nonce)) {
            Ok(bundle) => match self.check(&bundle, &product, Some(&nonce), None) {
                Ok(v) => {
                    let until = asked + v.run_for;
                    Ok(licensed(product, v, until))
                }
                Err(VerifyError::ClockOrStale(e)) => self.unfresh(product, &e.to_string()),
                Err(e) => Err(e.into()),
            },
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
            let told = status.claims.into_iter().find_map(|c| match c.place {
                Some(place) => Some(format!("place {place} in line: {}", c.message?)),
                None => c.message,
            });
            let why = told.unwrap_or_else(|| why.to_owned());
            return Err(Error::NotLicensed { state, why });
        }
        let remaining = Duration::from_millis(status.for_ms.unwrap_or_default());
        match self.sidecar.token(None, Some(&product), None) {
            Ok(bundle) => {
                let v = self.check(&bundle, &product, None, None)?;
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

    /// The vendor's voucher that the sidecar was given, if one of the pinned keys has signed it and
    /// it permits a start of `product` now, by the wall clock.
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
        bind: Option<SecretHash>,
    ) -> Result<Verified, VerifyError> {
        let v = self.check_at(bundle, product, nonce, bind, &app_clock())?;
        if v.fresh {
            proved(v.issued_at);
        }
        Ok(v)
    }

    /// By clocks that are given.
    pub(crate) fn check_at(
        &self,
        bundle: &Bundle,
        product: &ProductName,
        nonce: Option<&str>,
        bind: Option<SecretHash>,
        clock: &AppClock,
    ) -> Result<Verified, VerifyError> {
        let demand = Demand {
            product,
            app_version: self.app_version.as_ref(),
            built_on: self.built_on,
            nonce,
            bind,
            min_anchor: self.min_anchor,
        };
        verify(bundle, &self.keys, &demand, clock)
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
