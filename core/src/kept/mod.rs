//! What must outlive a license server's run and its pod: how long standby anchors have served,
//! which licenses are superseded, the highest revocation list, and what became of PINs.
//!
//! It is one document, wherever it lies. Two that were written apart are merged, never chosen
//! between: [`Kept::merged`] forgets nothing that either of them bars, in whatever order they come.
//! How much there may be is bounded; the oldest goes, in merging as in adding.
//!
//! | file | idea |
//! |---|---|
//! | `logins` | what became of the logins with each PIN |

mod logins;

pub use logins::{AnchorRole, PinLogin, PinLogins, PinVerdict};

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Of how many superseded licenses is known, and of how many standbys: with the longest names and
/// the longest revocation list they fit into a Secret, which holds 1 MiB.
pub const MOST_KEPT: usize = 200;

/// The document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Kept {
    /// By `‹license id›/‹key id›`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    standbys: BTreeMap<String, StandbyUse>,
    /// By the superseded license's id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    superseded: BTreeMap<String, Superseded>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revocations: Option<KnownList>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    logins: BTreeMap<AnchorRole, PinLogins>,
    /// Set if an earlier document could not be read: a login may have been made that nobody knows
    /// the answer to.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    damaged: bool,
}

/// How long a standby anchor has served a license.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StandbyUse {
    /// When it served for the first time.
    pub first: Timestamp,
    /// When time was spent last.
    pub last: Timestamp,
    /// Seconds spent.
    pub served_secs: u64,
}

/// By what a license was superseded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Superseded {
    /// The license that replaced it, and was in force here.
    pub by: String,
    /// When that one was issued.
    pub issued: Timestamp,
}

/// The highest revocation list that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KnownList {
    /// Its number.
    pub number: u64,
    /// Its file, as it came: 256 KiB at most, or it would not have been accepted.
    pub text: String,
}

/// A standby's days are spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllSpent;

impl Kept {
    /// In the place of one that cannot be read.
    pub fn damaged() -> Self {
        Self {
            damaged: true,
            ..Self::default()
        }
    }

    /// All that either knows: the longer service from the earlier day, every superseded license,
    /// the higher list, every refused PIN.
    #[must_use]
    pub fn merged(mut self, other: Self) -> Self {
        for (name, theirs) in other.standbys {
            let ours = self.standbys.entry(name).or_insert(theirs);
            *ours = StandbyUse {
                first: ours.first.min(theirs.first),
                last: ours.last.max(theirs.last),
                served_secs: ours.served_secs.max(theirs.served_secs),
            };
        }
        for (id, theirs) in other.superseded {
            self.add_superseded(id, theirs);
        }
        self.revocations = self.revocations.max(other.revocations);
        for (role, theirs) in other.logins {
            self.logins.entry(role).or_default().merge(theirs);
        }
        self.damaged |= other.damaged;
        self.trim();
        self
    }

    fn add_superseded(&mut self, id: String, new: Superseded) {
        let known = self.superseded.entry(id).or_insert_with(|| new.clone());
        // One word of several, the same one in whatever order they come.
        if (new.issued, &new.by) > (known.issued, &known.by) {
            *known = new;
        }
    }

    fn trim(&mut self) {
        keep_most(&mut self.standbys, MOST_KEPT, |s| s.last);
        keep_most(&mut self.superseded, MOST_KEPT, |s| s.issued);
    }

    /// By what this license was superseded.
    pub fn superseded(&self, id: &str) -> Option<&Superseded> {
        self.superseded.get(id)
    }

    /// Which licenses this one has replaced.
    pub fn superseded_by(&self, by: &str) -> Vec<String> {
        let of = self.superseded.iter().filter(|(_, s)| s.by == by);
        of.map(|(id, _)| id.clone()).collect()
    }

    /// A license came into force that supersedes this one. One that is known stays as it is.
    pub fn supersede(&mut self, id: &str, by: Superseded) {
        if !self.superseded.contains_key(id) {
            self.add_superseded(id.to_owned(), by);
            self.trim();
        }
    }

    /// The highest revocation list.
    pub fn list(&self) -> Option<&KnownList> {
        self.revocations.as_ref()
    }

    /// A list was accepted; `text` is its file. One that is lower changes nothing.
    pub fn know_list(&mut self, number: u64, text: &str) {
        let text = text.to_owned();
        let new = Some(KnownList { number, text });
        if self.revocations < new {
            self.revocations = new;
        }
    }

    /// How a standby has served so far; `name`: `‹license id›/‹key id›`.
    pub fn standby(&self, name: &str) -> Option<StandbyUse> {
        self.standbys.get(name).copied()
    }

    /// Spends `time` of a standby's `budget`, at this date. The last of it may be less.
    pub fn spend(
        &mut self,
        name: &str,
        time: Duration,
        budget: Duration,
        at: Timestamp,
    ) -> Result<(), AllSpent> {
        let fresh = StandbyUse {
            first: at,
            last: at,
            served_secs: 0,
        };
        let used = self.standby(name).unwrap_or(fresh);
        if used.served_secs >= budget.as_secs() {
            return Err(AllSpent);
        }
        let now = StandbyUse {
            last: used.last.max(at),
            served_secs: used.served_secs.saturating_add(time.as_secs()),
            ..used
        };
        self.standbys.insert(name.to_owned(), now);
        self.trim();
        Ok(())
    }

    /// What became of the logins to this anchor.
    pub fn logins(&self, role: AnchorRole) -> Option<&PinLogins> {
        self.logins.get(&role)
    }

    /// What became of the logins with this PIN, which is the one from now on: another than before
    /// is worth a try, also one that was there earlier, since somebody changed it on purpose.
    /// `content` is its file's, hidden.
    pub fn login(&mut self, role: AnchorRole, content: &str) -> &mut PinLogin {
        let logins = self.logins.entry(role).or_default();
        logins.see(content, self.damaged)
    }
}

/// Keeps the newest so many, by what `age` says and then by name.
fn keep_most<V, A: Ord>(map: &mut BTreeMap<String, V>, most: usize, age: impl Fn(&V) -> A) {
    while map.len() > most {
        let oldest = map.iter().min_by_key(|(name, v)| (age(v), *name));
        let Some(name) = oldest.map(|(name, _)| name.clone()) else {
            return;
        };
        map.remove(&name);
    }
}

#[cfg(test)]
mod tests;
