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
    pub claim: &'a ClaimName,
    pub secret_hash: SecretHash,
    pub secret: Option<&'a Secret>,
    /// Whose seat it is to be.
    pub bind: Option<SecretHash>,
    /// Who shows it: as authenticated, or as it says it is.
    pub holder: &'a Holder,
}

/// A signed document that was given to a holder for a claim.
pub trait Proof {
    /// The claim, the holder, the hash of the claim's secret, and whose seat it is.
    fn given_to(&self) -> (&ClaimName, &HolderHmac, SecretHash, Option<SecretHash>);
}

impl Proof for Ticket {
    fn given_to(&self) -> (&ClaimName, &HolderHmac, SecretHash, Option<SecretHash>) {
        (&self.claim, &self.holder, self.cnf, self.bind)
    }
}

impl Proof for LeaseToken {
    fn given_to(&self) -> (&ClaimName, &HolderHmac, SecretHash, Option<SecretHash>) {
        (&self.claim, &self.holder, self.cnf, self.bind)
    }
}

impl Shown<'_> {
    /// Whether a proof, whose signature has been verified, counts for who shows it.
    pub fn counts(&self, p: &impl Proof, identity: &IdentityKey) -> Result<(), BadProof> {
        let bad = |what: String| Err(BadProof(what));
        let (claim, holder, cnf, bind) = p.given_to();
        if claim != self.claim {
            let asked = self.claim;
            return bad(format!("field claim: it is for claim {claim}, not {asked}"));
        }
        let knows = cnf == self.secret_hash && self.secret.is_some_and(|s| cnf.matches(s));
        if !knows && !mutant::on(Mutant::ReinstatedWithoutSecret) {
            return bad("field cnf: the claim's secret is not the one it was given for".into());
        }
        if bind != self.bind {
            return bad("field bind: it is another application's seat".into());
        }
        if !identity.is(self.holder, holder) {
            return bad("field holder: it was given to another holder".into());
        }
        Ok(())
    }
}
