//! How many claims the subjects of an issuer of client tokens may have in all: whoever has its key
//! makes up as many subjects as he likes, and each has claims of its own.

use super::refusal::Refusal;
use super::state::Ledger;
use super::types::Claim;
use super::who::KeptHolder;
use crate::client_token::{Issuer, Issuers};
use crate::identity::Holder;
use std::sync::Arc;

/// One issuer's.
#[derive(Clone, Debug)]
struct Quota {
    issuer: Arc<str>,
    /// What its subjects begin with.
    subjects: Box<str>,
    most: usize,
    /// Claims that are in the books: held, in line, or refused.
    claims: usize,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Quotas(Vec<Quota>);

impl Quotas {
    fn of(&self, subject: &str) -> Option<&Quota> {
        let mut all = self.0.iter();
        all.find(|q| subject.starts_with(&*q.subjects))
    }

    /// A claim comes into the books, or leaves them.
    pub(super) fn count(&mut self, who: &KeptHolder, comes: bool) {
        let KeptHolder::External(subject) = who else {
            return;
        };
        let mut all = self.0.iter_mut();
        if let Some(q) = all.find(|q| subject.starts_with(&*q.subjects)) {
            let after = q.claims.checked_add_signed(if comes { 1 } else { -1 });
            q.claims = after.unwrap_or(0);
        }
    }
}

impl Ledger {
    /// Which issuers there are from now on. Nobody is thrown out: who has more than it may makes no
    /// new claims until it has less.
    pub fn set_issuers(&mut self, issuers: &Issuers) {
        let quota = |i: &Issuer| Quota {
            issuer: i.name.as_str().into(),
            subjects: i.subjects.as_str().into(),
            most: usize::try_from(i.claims).unwrap_or(usize::MAX),
            claims: 0,
        };
        self.quotas = Quotas(issuers.iter().map(quota).collect());
        for e in self.entries.iter() {
            self.quotas.count(&e.who, true);
        }
    }

    /// Whether its issuer's subjects may have one claim more. A lease of an earlier run comes in
    /// whatever else has come since: it was counted when it was granted, and its holder runs.
    pub(super) fn has_quota_for(&self, c: &Claim) -> Result<(), Refusal> {
        let Holder::External { subject } = &c.holder else {
            return Ok(());
        };
        match self.quotas.of(subject) {
            Some(q) if q.claims >= q.most => {
                if self.shows_lease(c).is_some() {
                    return Ok(());
                }
                Err(Refusal::IssuerFull {
                    issuer: q.issuer.to_string(),
                    most: q.most,
                })
            }
            _ => Ok(()),
        }
    }
}
