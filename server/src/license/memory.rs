//! What a server remembers of licenses, so that an old file put back does not undo a newer one:
//! which licenses were superseded by one that was in force here, and the highest revocation list.
//!
//! It lies in `stateDir` and outlasts a restart. Only what a pinned vendor key has signed is
//! written there: a forged file could otherwise bar the good one for good. It is a guard against
//! accidents; whoever may delete the folder may go back.

use mooring_core::license::{License, OpenLicense, OpenRevocations, Revoked, Trust};
use mooring_core::time::Timestamp;
use mooring_net::durable;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Superseded {
    pub(crate) id: String,
    /// The one that replaced it, and when that was issued.
    pub(crate) by: String,
    pub(crate) issued: Timestamp,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    #[serde(default)]
    superseded: Vec<Superseded>,
    /// The list's file, as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revocations: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// None: nothing outlasts this process.
    path: Option<PathBuf>,
    kept: Kept,
    /// Of licenses whose signature nobody here could check: for this run only.
    unproved: Vec<Superseded>,
    list: Option<OpenRevocations>,
}

impl Memory {
    /// Reads what an earlier run kept. A damaged file is told loudly and counts as none: it must
    /// not stop a good license.
    pub(crate) fn open(state_dir: &Path) -> Self {
        let path = state_dir.join("licenses.json");
        let damaged = |e: &dyn std::fmt::Display| {
            tracing::error!(file = %path.display(), "what was superseded or revoked is forgotten, the file is damaged: {e}");
        };
        let kept = durable::read_json(&path).inspect_err(|e| damaged(e));
        let kept: Kept = kept.ok().flatten().unwrap_or_default();
        // Its signature was verified before it was kept; the keys may have rotated since.
        let list = kept.revocations.as_deref().and_then(|text| {
            let list = OpenRevocations::read(text, Trust::Unchecked);
            list.inspect_err(|e| damaged(e)).ok()
        });
        Self {
            path: Some(path),
            kept,
            unproved: Vec::new(),
            list,
        }
    }

    /// The same, to look at: nothing is kept of what comes now.
    pub(crate) fn only_read(state_dir: &Path) -> Self {
        Self {
            path: None,
            ..Self::open(state_dir)
        }
    }

    /// By what this license was superseded.
    pub(crate) fn superseded(&self, id: &str) -> Option<&Superseded> {
        let all = self.kept.superseded.iter().chain(&self.unproved);
        all.into_iter().find(|s| s.id == id)
    }

    /// Which licenses this one replaces, by itself or by way of others that were in force here.
    pub(crate) fn before(&self, l: &License) -> Vec<String> {
        let mut before = l.supersedes.clone();
        let mut at = 0;
        while let Some(id) = before.get(at).cloned() {
            at += 1;
            let all = self.kept.superseded.iter().chain(&self.unproved);
            for s in all.filter(|s| s.by == id) {
                if s.id != l.id && !before.contains(&s.id) {
                    before.push(s.id.clone());
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
        let ids = l.supersedes.iter();
        let new = ids.filter(|id| self.superseded(id).is_none());
        let new = new.map(|id| Superseded {
            id: id.clone(),
            by: l.id.clone(),
            issued: l.issued,
        });
        let new: Vec<Superseded> = new.collect();
        if new.is_empty() {
            return;
        }
        if open.signed_by.is_some() {
            self.kept.superseded.extend(new);
            self.write();
        } else {
            self.unproved.extend(new);
        }
    }

    /// A list was accepted; `text` is its file.
    pub(crate) fn take(&mut self, text: &str, list: OpenRevocations) {
        let proved = list.signed_by.is_some();
        self.list = Some(list);
        if proved && self.kept.revocations.as_deref() != Some(text) {
            self.kept.revocations = Some(text.to_owned());
            self.write();
        }
    }

    fn write(&self) {
        let Some(path) = &self.path else { return };
        if let Err(e) = durable::replace_json(path, &self.kept) {
            tracing::error!(file = %path.display(), "what is superseded and revoked will be forgotten at a restart: {e}");
        }
    }
}
