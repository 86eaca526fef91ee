//! What a holder shows of an earlier answer counts only if it was given to this holder, for this
//! claim, and if the holder knows the claim's secret. So a stolen receipt, ticket or token gives
//! nothing (promise 11).

use super::identity::Identity;
use crate::identity::Holder;
use crate::license::LeaseToken;
use crate::mutant::{self, Mutant};
use crate::names::ClaimName;
use crate::request::{self, Item};
use crate::secret::{Secret, SecretHash};

/// Why a receipt does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadReceipt {
    #[error("it is no receipt of this version")]
    Malformed,
    #[error(
        "it is sealed with another identity key than this server's: the key was replaced, or it is another server's receipt"
    )]
    OtherKey,
    #[error(
        "it was given to another holder, for another claim (its name, items, secret and seat count), or by another server; or it is forged"
    )]
    DoesNotFit,
}

/// Why a proof does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadProof(pub String);

impl From<BadReceipt> for BadProof {
    fn from(why: BadReceipt) -> Self {
        Self(why.to_string())
    }
}

/// What is said of a claim besides a receipt: nothing of it stands in there, and all of it is under
/// its MAC.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Besides<'a> {
    pub(crate) claim: &'a ClaimName,
    pub(crate) items: &'a [Item],
    pub(crate) holder: &'a Holder,
    pub(crate) secret_hash: SecretHash,
    /// Whose seat it is.
    pub(crate) bind: Option<SecretHash>,
}

impl Besides<'_> {
    /// Hands out its parts: always as many, in this order.
    pub(super) fn write(&self, put: &mut dyn FnMut(&[u8])) {
        if mutant::on(Mutant::ReceiptOfAnyClaim) {
            return;
        }
        put(self.holder.canonical().as_bytes());
        put(self.claim.as_str().as_bytes());
        // The same products, in whatever spelling.
        put(request::print(self.items).to_ascii_lowercase().as_bytes());
        put(self.secret_hash.as_bytes());
        let bind = self.bind.as_ref().map(SecretHash::as_bytes);
        put(bind.unwrap_or_default());
    }
}

/// A claim that shows something.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    pub claim: &'a ClaimName,
    pub items: &'a [Item],
    pub secret_hash: SecretHash,
    pub secret: Option<&'a Secret>,
    /// Whose seat it is to be.
    pub bind: Option<SecretHash>,
    /// Who shows it: as authenticated, or as it says it is.
    pub holder: &'a Holder,
}

impl<'a> Shown<'a> {
    /// What it says besides a receipt, if it knows the claim's secret.
    pub(super) fn besides(&self) -> Result<Besides<'a>, BadProof> {
        self.knows_secret(self.secret_hash)?;
        Ok(Besides {
            claim: self.claim,
            items: self.items,
            holder: self.holder,
            secret_hash: self.secret_hash,
            bind: self.bind,
        })
    }

    fn knows_secret(&self, given_for: SecretHash) -> Result<(), BadProof> {
        let hash = self.secret_hash == given_for;
        let knows = hash && self.secret.is_some_and(|s| given_for.matches(s));
        if knows || mutant::on(Mutant::ReinstatedWithoutSecret) {
            return Ok(());
        }
        let why = "field secret: it is not the one of the claim that this was given for";
        Err(BadProof(why.into()))
    }

    /// Whether a token, whose signature has been verified, counts for who shows it.
    pub fn counts(&self, token: &LeaseToken, identity: &Identity) -> Result<(), BadProof> {
        let bad = |what: String| Err(BadProof(what));
        let (claim, asked) = (&token.claim, self.claim);
        if claim != asked {
            return bad(format!("field claim: it is for claim {claim}, not {asked}"));
        }
        self.knows_secret(token.cnf)?;
        if token.bind != self.bind {
            return bad("field bind: it is another application's seat".into());
        }
        // By the files there, not in the claim's order; each product stands once in both.
        let had = |i: &Item| {
            let mut items = token.items();
            items.any(|h| h.product == i.product && h.seats == i.seats)
        };
        if token.items().count() != self.items.len() || !self.items.iter().all(had) {
            return bad("field items: it is for other seats".into());
        }
        if !identity.is(self.holder, &token.holder) {
            return bad("field holder: it was given to another holder".into());
        }
        Ok(())
    }
}
