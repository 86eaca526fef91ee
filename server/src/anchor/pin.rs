//! Guards the token against being locked: a PIN that was refused is not shown again before the
//! content of its file changes.
//!
//! What became of the last logins is kept in `stateDir` and, through the operator, over pods. Of
//! the PIN only an HMAC under the server's identity key is kept. A login is noted before it is
//! made: a process that dies in it may have used up one of the token's few tries.

use super::protocol::Tries;
use mooring_core::wire::{Login, PinVerdict};
use mooring_net::durable;
use ring::hmac;
use std::path::PathBuf;

/// How many logins with one content may be answered unclearly, or not at all, before the PIN counts
/// as rejected.
const UNCLEAR: u8 = 2;

/// Why no login is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Barred {
    /// The PIN was refused, or twice not answered clearly.
    Rejected,
    /// One try is left, and the PIN is not known to be right.
    LastTry,
    /// The token has locked itself.
    Locked,
}

/// Remembers what became of the PIN.
pub(crate) struct PinGuard {
    path: PathBuf,
    key: hmac::Key,
    login: Login,
    /// The token that is there, by its serial number, hidden; none if it has no number.
    token: Option<String>,
}

/// The content of a PIN's file, hidden: what the guard tells apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HiddenPin(String);

impl PinGuard {
    /// Reads what an earlier run kept; where there is nothing, `earlier` is what earlier pods did.
    /// A damaged file is no reason to try a PIN again and again: it counts as one login that was
    /// never answered.
    pub(crate) fn open(path: PathBuf, key: &[u8; 32], earlier: Option<Login>) -> Self {
        let login = match durable::read_json(&path) {
            Ok(Some(login)) => login,
            Ok(None) => earlier.unwrap_or_default(),
            Err(e) => {
                tracing::warn!(file = %path.display(), error = %e, "what became of earlier logins is unknown: the file is damaged");
                Login {
                    unclear: 1,
                    ..Login::default()
                }
            }
        };
        Self {
            path,
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            login,
            token: None,
        }
    }

    /// The content as it is, with a newline at its end: whoever changes anything of it asks for a
    /// try.
    pub(crate) fn hide(&self, token_label: &str, content: &[u8]) -> HiddenPin {
        HiddenPin(self.hidden(&[token_label.as_bytes(), b"\n", content]))
    }

    fn hidden(&self, parts: &[&[u8]]) -> String {
        let mut signed = hmac::Context::with_key(&self.key);
        for part in parts {
            signed.update(part);
        }
        hex::encode(signed.sign())
    }

    /// The token that the next login is to. One without a number is like any other without.
    pub(crate) fn meet(&mut self, serial: &str) {
        let serial = Some(serial.trim()).filter(|s| !s.is_empty());
        self.token = serial.map(|s| self.hidden(&[b"serial number\n", s.as_bytes()]));
    }

    /// What is kept.
    pub(crate) fn login(&self) -> &Login {
        &self.login
    }

    /// Whether this is what was shown last.
    pub(crate) fn knows(&self, pin: &HiddenPin) -> bool {
        self.login.content.as_ref() == Some(&pin.0)
    }

    /// The content of the file from now on. Another one is worth a try, also one that was there
    /// before: somebody changed it on purpose.
    pub(crate) fn see(&mut self, pin: &HiddenPin) {
        if self.knows(pin) {
            return;
        }
        // The unanswered login of a damaged file may have been with this one.
        let unclear = match self.login.content {
            None => self.login.unclear,
            Some(_) => 0,
        };
        let seen = Login {
            content: Some(pin.0.clone()),
            unclear,
            ..Login::default()
        };
        let before = std::mem::replace(&mut self.login, seen);
        // The first one is kept once it is tried.
        if before != Login::default() {
            self.keep_or_warn();
        }
    }

    /// Whether a login may be made, with so many tries left.
    pub(crate) fn may_log_in(&self, tries: Tries) -> Result<(), Barred> {
        let l = &self.login;
        let rejected = l.verdict == Some(PinVerdict::Rejected) || l.unclear >= UNCLEAR;
        let known_right = self.has_worked() && l.unclear == 0;
        match tries {
            _ if rejected => Err(Barred::Rejected),
            Tries::Locked => Err(Barred::Locked),
            Tries::Last if !known_right => Err(Barred::LastTry),
            Tries::Several | Tries::SomeUsed | Tries::Last => Ok(()),
        }
    }

    /// Whether it has opened this token before, and not another of the same label.
    pub(crate) fn has_worked(&self) -> bool {
        let l = &self.login;
        let this_one = self.token.is_some() && l.accepted_by == self.token;
        l.verdict == Some(PinVerdict::Accepted) && this_one
    }

    /// Notes that a login is about to be made. If that cannot be kept, the login must not be made.
    pub(crate) fn trying(&mut self) -> std::io::Result<()> {
        self.login.unclear = self.login.unclear.saturating_add(1);
        self.keep()
    }

    /// It opened the token.
    pub(crate) fn accepted(&mut self) {
        self.login.unclear = 0;
        self.login.verdict = Some(PinVerdict::Accepted);
        self.login.accepted_by = self.token.clone();
        self.keep_or_warn();
    }

    /// The token said no.
    pub(crate) fn rejected(&mut self) {
        self.login.verdict = Some(PinVerdict::Rejected);
        self.login.accepted_by = None;
        self.keep_or_warn();
    }

    /// The token never saw it, or the PIN is not to blame.
    pub(crate) fn unseen(&mut self) {
        self.login.unclear = self.login.unclear.saturating_sub(1);
        self.keep_or_warn();
    }

    fn keep(&self) -> std::io::Result<()> {
        durable::replace_json(&self.path, &self.login)
    }

    fn keep_or_warn(&self) {
        if let Err(e) = self.keep() {
            tracing::warn!(file = %self.path.display(), error = %e, "what became of the login is kept in memory only");
        }
    }
}

#[cfg(test)]
mod tests;
