//! What a holder shows of an earlier answer counts only if it was given to this holder, for this
//! claim, and if the holder knows the claim's secret. So a stolen token or ticket gives nothing
//! (promise 11).

use super::ticket::Ticket;
use super::token::{HolderHmac, IdentityKey, LeaseToken};
use crate::identity::Holder;
use crate::mutant::{self, Mutant};
use crate::names::ClaimName;
use crate::secret::{Secret, SecretHash};

/// Why a proof does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadProof(pub String);

/// What comes with a proof.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The claim that is made.
    pub claim: &'a ClaimName,
    /// Its secret's hash.
    pub secret_hash: SecretHash,
    /// Its secret.
    pub secret: Option<&'a Secret>,
    /// Who shows it: as authenticated, or as it says it is.
    pub holder: &'a Holder,
}

/// A signed document that was given to a holder for a claim.
pub trait Proof {
    /// The claim it was given for.
    fn claim(&self) -> &ClaimName;
    /// The holder it was given to.
    fn holder(&self) -> &HolderHmac;
    /// The hash of the claim's secret.
    fn cnf(&self) -> SecretHash;
}

impl Proof for Ticket {
    fn claim(&self) -> &ClaimName {
        &self.claim
    }
    fn holder(&self) -> &HolderHmac {
        &self.holder
    }
    fn cnf(&self) -> SecretHash {
        self.cnf
    }
}

impl Proof for LeaseToken {
    fn claim(&self) -> &ClaimName {
        &self.claim
    }
    fn holder(&self) -> &HolderHmac {
        &self.holder
    }
    fn cnf(&self) -> SecretHash {
        self.cnf
    }
}

impl Shown<'_> {
    /// Whether a proof, whose signature has been verified, counts for who shows it.
    pub fn counts(&self, p: &impl Proof, identity: &IdentityKey) -> Result<(), BadProof> {
        let bad = |what: String| Err(BadProof(what));
        if p.claim() != self.claim {
            return bad(format!(
                "field claim: it is for claim {}, not {}",
                p.claim(),
                self.claim
            ));
        }
        let knows = self.secret.is_some_and(|secret| p.cnf().matches(secret));
        let knows =
            (knows && p.cnf() == self.secret_hash) || mutant::on(Mutant::ReinstatedWithoutSecret);
        if !knows {
            return bad("field cnf: the claim's secret is not the one it was given for".into());
        }
        if !identity.is(self.holder, p.holder()) {
            return bad("field holder: it was given to another holder".into());
        }
        Ok(())
    }
}
