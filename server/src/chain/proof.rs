//! What holders show of earlier runs: tickets and lease tokens.
//!
//! Opened are those that an anchor of the present license vouches for: it delegated the key that
//! signed them, and they were signed within that delegation. Whether one counts for who shows it,
//! `mooring_core::frontend` says.

use super::{Chain, second_server};
use mooring_core::frontend::{InForce, Opened, Opener};
use mooring_core::license::{
    BadProof, BootStamp, Delegation, Envelope, IdentityKey, LeaseToken, Ticket, TicketBundle, types,
};
use mooring_core::names::InstanceId;
use mooring_core::time::{BootTime, Timestamp};
use mooring_core::wire::HeldProof;
use serde::de::DeserializeOwned;

fn bad<T>(what: impl std::fmt::Display) -> Result<T, BadProof> {
    Err(BadProof(what.to_string()))
}

/// A proof that one of this server's runs signed.
trait Signed: DeserializeOwned {
    const TYPE: &'static str;
    fn signed(&self) -> (InstanceId, Timestamp);
    /// The same on the signer's boot clock, where it says.
    fn issued_boot(&self) -> Option<&BootStamp>;
}

impl Signed for Ticket {
    const TYPE: &'static str = types::TICKET;
    fn signed(&self) -> (InstanceId, Timestamp) {
        (self.instance, self.issued_at)
    }
    fn issued_boot(&self) -> Option<&BootStamp> {
        None
    }
}

impl Signed for LeaseToken {
    const TYPE: &'static str = types::LEASE;
    fn signed(&self) -> (InstanceId, Timestamp) {
        (self.instance, self.issued_at)
    }
    fn issued_boot(&self) -> Option<&BootStamp> {
        self.issued_boot.as_ref()
    }
}

/// What is shown at a moment.
pub(crate) struct Proofs<'a> {
    chain: &'a Chain,
    now: BootTime,
}

impl Chain {
    /// To open what is shown now.
    pub(crate) fn proofs(&self, now: BootTime) -> Proofs<'_> {
        Proofs { chain: self, now }
    }
}

impl Proofs<'_> {
    fn open<P: Signed>(
        &self,
        f: &InForce,
        delegation: &Envelope,
        proof: &Envelope,
    ) -> Result<Opened<P>, BadProof> {
        let (d, _) = Delegation::open(delegation, &f.license.license)
            .map_err(|e| BadProof(e.to_string()))?;
        let (p, _) = proof
            .open::<P>(P::TYPE, &[d.server_key])
            .map_err(|e| BadProof(e.to_string()))?;
        let (instance, issued_at) = p.signed();
        if instance != d.instance {
            return bad("field instance: not the one that the delegation is for");
        }
        if !d.covers(issued_at) {
            return bad("field issuedAt: outside the delegation");
        }
        // Before it is known whose it is: a second server has an identity key of its own.
        let sign = second_server::Sign {
            instance,
            issued_at,
            issued_boot: p.issued_boot(),
        };
        self.chain.look_for_a_second(sign, self.now);
        Ok(Opened {
            document: p,
            license: d.license,
        })
    }
}

impl Opener for Proofs<'_> {
    fn ticket(&self, f: &InForce, t: &TicketBundle) -> Result<Opened<Ticket>, BadProof> {
        self.open(f, &t.delegation, &t.ticket)
    }

    fn lease(&self, f: &InForce, h: &HeldProof) -> Result<Opened<LeaseToken>, BadProof> {
        self.open(f, &h.delegation, &h.lease)
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
