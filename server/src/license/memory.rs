//! What a server remembers of licenses, so that an old file put back does not undo a newer one:
//! which licenses were superseded by one that was in force here, and the highest revocation list.
//!
//! It is kept over restarts, and on Kubernetes over pods. Only what a pinned vendor key has signed
//! is: a forged file could otherwise bar the good one for good. That it cannot be kept is told, and
//! stops no good license. It is a guard against accidents; whoever may write where it lies may go
//! back.

use super::FileError;
use crate::keeper::Keeper;
use mooring_core::kept::Superseded;
use mooring_core::license::{License, OpenLicense, OpenRevocations, Revoked, Trust};
use mooring_core::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) struct Memory {
    pub(super) keeper: Arc<Keeper>,
    /// Of licenses whose signature nobody here could check: for this run only.
    unproved: BTreeMap<String, Superseded>,
    list: Option<OpenRevocations>,
    /// Up to which of the keeper's merges `list` is the highest.
    merges: Option<u64>,
}

impl Memory {
    pub(crate) const fn new(keeper: Arc<Keeper>) -> Self {
        Self {
            keeper,
            unproved: BTreeMap::new(),
            list: None,
            merges: None,
        }
    }

    /// Takes in what others have kept since. Whether there was any.
    pub(super) fn refresh(&mut self) -> bool {
        let merges = self.keeper.merges();
        if self.merges.replace(merges) == Some(merges) {
            return false;
        }
        let known = self.keeper.with(|k| k.list().cloned());
        let higher = known.filter(|k| self.list.as_ref().is_none_or(|l| l.list.number < k.number));
        if let Some(known) = higher {
            // Its signature was verified before it was kept; the keys may have rotated since.
            match OpenRevocations::read(&known.text, Trust::Unchecked) {
                Ok(list) => self.list = Some(list),
                Err(e) => {
                    tracing::error!(error = %e, "the revocation list that was kept is damaged, and forgotten");
                }
            }
        }
        true
    }

    /// What of it is not kept, or is not known; none if all is well.
    pub(super) fn trouble(&self) -> Option<String> {
        self.keeper.trouble()
    }

    /// The refusal, if this license was superseded.
    pub(super) fn superseded(&self, id: &str) -> Option<FileError> {
        let kept = self.keeper.with(|k| k.superseded(id).cloned());
        let by = kept.or_else(|| self.unproved.get(id).cloned())?;
        Some(FileError::Superseded {
            id: id.to_owned(),
            by: by.by,
            issued: by.issued,
        })
    }

    /// Which licenses this one replaces, by itself or by way of others that were in force here.
    pub(crate) fn before(&self, l: &License) -> Vec<String> {
        let mut before = l.supersedes.clone();
        let mut at = 0;
        while let Some(id) = before.get(at).cloned() {
            at += 1;
            let kept = self.keeper.with(|k| k.superseded_by(&id));
            let unproved = self.unproved.iter().filter(|(_, s)| s.by == id);
            for old in kept.into_iter().chain(unproved.map(|(id, _)| id.clone())) {
                if old != l.id && !before.contains(&old) {
                    before.push(old);
                }
            }
        }
        before
    }

    pub(crate) fn list(&self) -> Option<&OpenRevocations> {
        self.list.as_ref()
    }

    pub(crate) fn revokes(&self, id: &str, now: Timestamp) -> Option<Revoked> {
        self.list.as_ref()?.list.revokes(id, now)
    }

    /// A license came into force: those that it names are over.
    pub(crate) fn in_force(&mut self, open: &OpenLicense) {
        let l = &open.license;
        let by = Superseded {
            by: l.id.clone(),
            issued: l.issued,
        };
        if open.signed_by.is_some() {
            self.keeper.change(|k| {
                for id in &l.supersedes {
                    k.supersede(id, by.clone());
                }
            });
        } else {
            for id in &l.supersedes {
                self.unproved
                    .entry(id.clone())
                    .or_insert_with(|| by.clone());
            }
        }
    }

    /// A list was accepted; `text` is its file.
    pub(crate) fn take(&mut self, text: &str, list: OpenRevocations) {
        if list.signed_by.is_some() {
            self.keeper.change(|k| k.know_list(list.list.number, text));
        }
        self.list = Some(list);
    }
}
