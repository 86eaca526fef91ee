//! What holders show of earlier runs: tickets and lease tokens.
//!
//! Opened are those that an anchor of the present licenses vouches for: it delegated the key that
//! signed them, and they were signed within that delegation. Whether one counts for who shows it,
//! `mooring_core::frontend` says.

use super::Chain;
use super::second_server::Sign;
use mooring_core::frontend::{InForce, Opened, Opener};
use mooring_core::license::{
    BadProof, Delegation, Envelope, IdentityKey, LeaseToken, Ticket, TicketBundle, types,
};
use mooring_core::time::BootTime;
use mooring_core::wire::HeldProof;
use serde::de::DeserializeOwned;

impl<'a> From<&'a Ticket> for Sign<'a> {
    fn from(t: &'a Ticket) -> Self {
        Self {
            instance: t.instance,
            issued_at: t.issued_at,
            issued_boot: t.issued_boot.as_ref(),
        }
    }
}

impl<'a> From<&'a LeaseToken> for Sign<'a> {
    fn from(t: &'a LeaseToken) -> Self {
        Self {
            instance: t.instance,
            issued_at: t.issued_at,
            issued_boot: t.issued_boot.as_ref(),
        }
    }
}

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

impl Proofs<'_> {
    fn open<P>(
        &self,
        f: &InForce,
        delegation: &Envelope,
        (kind, proof): (&'static str, &Envelope),
    ) -> Result<Opened<P>, BadProof>
    where
        P: DeserializeOwned,
        for<'p> &'p P: Into<Sign<'p>>,
    {
        let bad = |what: &dyn std::fmt::Display| BadProof(what.to_string());
        let delegation = Delegation::open(delegation, f.licenses().map(|l| &l.license));
        let (d, _) = delegation.map_err(|e| bad(&e))?;
        let proof = proof.open::<P>(kind, &[d.server_key]);
        let (document, _) = proof.map_err(|e| bad(&e))?;
        let sign: Sign<'_> = (&document).into();
        if sign.instance != d.instance {
            return Err(bad(
                &"field instance: not the one that the delegation is for",
            ));
        }
        if !d.covers(sign.issued_at) {
            return Err(bad(&"field issuedAt: outside the delegation"));
        }
        // Before it is known whose it is: a second server has an identity key of its own. One with
        // licenses of its own on the same anchor is no second one.
        let licenses = d.licenses;
        if licenses.iter().any(|l| f.license(l).is_some()) {
            self.chain.look_for_a_second(sign, self.now);
        }
        Ok(Opened { document, licenses })
    }
}

impl Opener for Proofs<'_> {
    fn ticket(&self, f: &InForce, t: &TicketBundle) -> Result<Opened<Ticket>, BadProof> {
        self.open(f, &t.delegation, (types::TICKET, &t.ticket))
    }

    fn lease(&self, f: &InForce, h: &HeldProof) -> Result<Opened<LeaseToken>, BadProof> {
        self.open(f, &h.delegation, (types::LEASE, &h.lease))
    }

    fn identity(&self) -> &IdentityKey {
        &self.chain.identity
    }

    fn boot_id(&self) -> &str {
        &self.chain.boot_id
    }
}

#[cfg(test)]
mod tests;
