//! How many claims the subjects of an issuer of client tokens have in all: whoever has its key
//! makes up as many subjects as he likes, and each has claims of its own.

use super::who::KeptHolder;
use crate::client_token::{Issuer, Issuers};
use std::sync::Arc;

/// One issuer's.
#[derive(Clone, Debug)]
pub(super) struct Quota {
    pub(super) issuer: Arc<str>,
    /// What its subjects begin with.
    subjects: Box<str>,
    pub(super) most: usize,
    /// Claims that are in the books: held, in line, or refused.
    claims: usize,
}

impl Quota {
    pub(super) fn is_used_up(&self) -> bool {
        self.claims >= self.most
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Quotas(Vec<Quota>);

impl Quotas {
    /// Of these issuers, with nothing counted yet.
    pub(super) fn new(issuers: &Issuers) -> Self {
        let quota = |i: &Issuer| Quota {
            issuer: i.name.as_str().into(),
            subjects: i.subjects.as_str().into(),
            most: usize::try_from(i.claims).unwrap_or(usize::MAX),
            claims: 0,
        };
        Self(issuers.iter().map(quota).collect())
    }

    pub(super) fn of(&self, subject: &str) -> Option<&Quota> {
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
