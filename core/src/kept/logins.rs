//! What became of the logins with a token's PINs, so that a wrong one does not cost the token one
//! of its few tries for each pod.
//!
//! Of a PIN only an HMAC is known, of a token an HMAC of its serial number. Whose turn it is counts
//! the changes: a PIN that was put back is a new turn, and worth a try again. Within a turn nothing
//! is ever taken back, so what two servers have written apart can be merged.

use super::keep_most;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many PINs are known, and how many tokens that accepted one.
const MOST: usize = 8;

/// Which of a server's anchors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AnchorRole {
    /// The first.
    Anchor,
    /// The one that serves while the first cannot.
    Standby,
}

/// A token's last clear word on a PIN; the worse the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PinVerdict {
    /// It opened the token.
    Accepted,
    /// The token refused it.
    Rejected,
}

/// The logins to one anchor, by the hidden content of the PIN's file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PinLogins(pub(super) BTreeMap<String, PinLogin>);

/// The logins with one PIN.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PinLogin {
    /// Whose turn it is: the PIN with the highest is the one that was seen last.
    pub(super) turn: u64,
    /// Logins that were noted, before they were made.
    pub(super) tried: u64,
    /// Those of them that are no longer open: answered clearly, or never seen by the token.
    answered: u64,
    /// The token's last clear word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) verdict: Option<PinVerdict>,
    /// The tokens that accepted it, by their hidden serial numbers, and after how many logins. To
    /// another token of the same label it is no right PIN.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    accepted_by: BTreeMap<String, u64>,
}

impl PinLogins {
    /// The PIN that was seen last, hidden.
    pub fn current(&self) -> Option<&str> {
        let last = self.0.iter().max_by_key(|(content, l)| (l.turn, *content));
        last.map(|(content, _)| content.as_str())
    }

    /// What became of the logins with this PIN, if its turn it is.
    pub fn of(&self, content: &str) -> Option<&PinLogin> {
        let current = self.current() == Some(content);
        self.0.get(content).filter(|_| current)
    }

    pub(super) fn see(&mut self, content: &str, damaged: bool) -> &mut PinLogin {
        if self.current() != Some(content) {
            let turn = self.0.values().map(|l| l.turn).max();
            let first = PinLogin {
                turn: turn.unwrap_or(0).saturating_add(1),
                // The unanswered login that nobody can read any more may have been with this one.
                tried: u64::from(damaged && self.0.is_empty()),
                ..PinLogin::default()
            };
            self.0.insert(content.to_owned(), first);
            self.trim();
        }
        self.0.entry(content.to_owned()).or_default()
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (content, theirs) in other.0 {
            self.0.entry(content).or_default().merge(theirs);
        }
        self.trim();
    }

    fn trim(&mut self) {
        keep_most(&mut self.0, MOST, |l| l.turn);
    }
}

impl PinLogin {
    fn merge(&mut self, other: Self) {
        if other.turn != self.turn {
            if other.turn > self.turn {
                *self = other;
            }
            return;
        }
        self.tried = self.tried.max(other.tried);
        self.answered = self.answered.max(other.answered);
        self.verdict = self.verdict.max(other.verdict);
        for (serial, at) in other.accepted_by {
            self.add_token(serial, at);
        }
    }

    fn add_token(&mut self, serial: String, at: u64) {
        let known = self.accepted_by.entry(serial).or_insert(at);
        *known = at.max(*known);
        keep_most(&mut self.accepted_by, MOST, |at| *at);
    }

    /// How many logins were not answered, or not clearly. One under way counts.
    pub fn unclear(&self) -> u64 {
        self.tried.saturating_sub(self.answered)
    }

    /// Whether the token refused it.
    pub fn is_rejected(&self) -> bool {
        self.verdict == Some(PinVerdict::Rejected)
    }

    /// Whether some token has accepted it, and none has refused it.
    pub fn is_accepted(&self) -> bool {
        self.verdict == Some(PinVerdict::Accepted)
    }

    /// Whether the token of this hidden serial number has accepted it, and none has refused it.
    pub fn has_opened(&self, token: &str) -> bool {
        self.is_accepted() && self.accepted_by.contains_key(token)
    }

    /// A login is about to be made.
    pub fn trying(&mut self) {
        self.tried = self.tried.saturating_add(1);
    }

    /// It opened the token; none if that has no number.
    pub fn accepted(&mut self, token: Option<&str>) {
        self.answered = self.tried;
        self.verdict = self.verdict.max(Some(PinVerdict::Accepted));
        if let Some(token) = token {
            self.add_token(token.to_owned(), self.tried);
        }
    }

    /// The token said no.
    pub fn rejected(&mut self) {
        self.verdict = Some(PinVerdict::Rejected);
    }

    /// The token never saw the login that was noted last, or the PIN is not to blame.
    pub fn unseen(&mut self) {
        self.answered = self.tried.min(self.answered.saturating_add(1));
    }
}
