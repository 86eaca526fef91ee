//! Lease tokens of earlier runs, as holders show them.
//!
//! Opened are those that an anchor of the present licenses vouches for: it delegated the key that
//! signed them, and they were signed within that delegation. Whether one counts for who shows it,
//! `mooring_core::frontend` says.

use super::Chain;
use super::second_server::Sign;
use mooring_core::frontend::{InForce, Opened, Opener};
use mooring_core::license::{Delegation, LeaseToken, types};
use mooring_core::names::BootId;
use mooring_core::receipt::{BadProof, Identity};
use mooring_core::time::BootTime;
use mooring_core::wire::HeldProof;

/// What is shown at a moment.
pub(crate) struct Proofs<'a> {
    chain: &'a Chain,
    now: BootTime,
}

impl Chain {
    pub(crate) fn proofs(&self, now: BootTime) -> Proofs<'_> {
        Proofs { chain: self, now }
    }
}

impl Opener for Proofs<'_> {
    fn lease(&self, f: &InForce, h: &HeldProof) -> Result<Opened, BadProof> {
        let bad = |what: &dyn std::fmt::Display| BadProof(what.to_string());
        let delegation = Delegation::open(&h.delegation, f.licenses().map(|l| &l.license));
        let (d, _) = delegation.map_err(|e| bad(&e))?;
        let token = h.lease.open::<LeaseToken>(types::LEASE, &[d.server_key]);
        let (token, _) = token.map_err(|e| bad(&e))?;
        if token.instance != d.instance {
            return Err(bad(
                &"field instance: not the one that the delegation is for",
            ));
        }
        if !d.covers(token.issued_at) {
            return Err(bad(&"field issuedAt: outside the delegation"));
        }
        // Before it is known whose it is: a second server has an identity key of its own. One with
        // licenses of its own on the same anchor is no second one.
        let licenses = d.licenses;
        if licenses.iter().any(|l| f.license(l).is_some()) {
            let sign = Sign {
                instance: token.instance,
                issued_at: token.issued_at,
                issued_boot: token.issued_boot.as_ref(),
            };
            self.chain.look_for_a_second(sign, self.now);
        }
        Ok(Opened { token, licenses })
    }

    fn identity(&self) -> &Identity {
        &self.chain.identity
    }

    fn boot(&self) -> BootId {
        self.chain.boot
    }
}

#[cfg(test)]
mod tests;
