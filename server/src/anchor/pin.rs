//! Guards the token against being locked: a failed login is never tried again until the PIN
//! changes.
//!
//! What was rejected is remembered, as an HMAC under the server's identity key, in memory and in
//! `stateDir`, so that a container that restarts does not log in again. A login under way is noted
//! before it is made: a process that dies in it may have used up one of the token's few tries.

use mooring_net::durable;
use ring::hmac;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How many logins with one PIN may be left unanswered before it counts as rejected.
const UNANSWERED: u8 = 2;
const REMEMBERED: usize = 32;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Record {
    /// Rejected PINs, hidden.
    rejected: Vec<String>,
    /// The PIN of logins whose outcome is not known.
    trying: Option<String>,
    tries: u8,
    /// The PIN that last worked.
    accepted: Option<String>,
}

/// Remembers what became of each PIN.
pub(crate) struct PinGuard {
    path: PathBuf,
    key: hmac::Key,
    record: Record,
}

/// A PIN, hidden: what the guard tells apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HiddenPin(String);

impl PinGuard {
    /// Reads what an earlier run remembered. A damaged file is no reason to try a PIN again and
    /// again: it counts as one login that was never answered.
    pub(crate) fn open(path: PathBuf, key: &[u8; 32]) -> Self {
        let record = match std::fs::read(&path) {
            Ok(b) => serde_json::from_slice(&b).unwrap_or_else(|e| {
                tracing::warn!(file = %path.display(), error = %e, "what became of earlier logins is unknown: the file is damaged");
                Record { tries: 1, ..Record::default() }
            }),
            Err(_) => Record::default(),
        };
        Self {
            path,
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            record,
        }
    }

    pub(crate) fn hide(&self, token_label: &str, pin: &str) -> HiddenPin {
        let text = format!("{token_label}\n{pin}");
        HiddenPin(hex::encode(hmac::sign(&self.key, text.as_bytes())))
    }

    /// Whether a login with it must not be made.
    pub(crate) fn is_rejected(&self, pin: &HiddenPin) -> bool {
        let r = &self.record;
        r.rejected.contains(&pin.0) || (r.trying.as_ref() == Some(&pin.0) && r.tries >= UNANSWERED)
    }

    /// Whether it has worked before: then a token that hangs in the login does not speak against
    /// it.
    pub(crate) fn has_worked(&self, pin: &HiddenPin) -> bool {
        self.record.accepted.as_ref() == Some(&pin.0)
    }

    /// Notes that a login is about to be made. If that cannot be kept, the login must not be made.
    pub(crate) fn trying(&mut self, pin: &HiddenPin) -> std::io::Result<()> {
        let r = &mut self.record;
        if r.trying.as_ref() != Some(&pin.0) {
            // A damaged file's unanswered login may have been this one.
            r.tries = if r.trying.is_none() { r.tries } else { 0 };
            r.trying = Some(pin.0.clone());
        }
        r.tries = r.tries.saturating_add(1);
        self.keep()
    }

    pub(crate) fn accepted(&mut self, pin: &HiddenPin) {
        let r = &mut self.record;
        (r.trying, r.tries, r.accepted) = (None, 0, Some(pin.0.clone()));
        self.keep_or_warn();
    }

    /// Notes that the token said no, or may have.
    pub(crate) fn rejected(&mut self, pin: &HiddenPin) {
        let r = &mut self.record;
        (r.trying, r.tries) = (None, 0);
        if r.accepted.as_ref() == Some(&pin.0) {
            r.accepted = None;
        }
        r.rejected.push(pin.0.clone());
        let excess = r.rejected.len().saturating_sub(REMEMBERED);
        r.rejected.drain(..excess);
        self.keep_or_warn();
    }

    /// Notes that the token never saw it.
    pub(crate) fn unseen(&mut self) {
        let r = &mut self.record;
        (r.trying, r.tries) = (None, 0);
        self.keep_or_warn();
    }

    fn keep(&self) -> std::io::Result<()> {
        durable::replace_json(&self.path, &self.record)
    }

    fn keep_or_warn(&self) {
        if let Err(e) = self.keep() {
            tracing::warn!(file = %self.path.display(), error = %e, "what became of the login is kept in memory only");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_rejected_pin_stays_rejected_over_a_restart_and_another_is_tried() {
        let dir = tempfile::tempdir().unwrap();
        let mut g = PinGuard::open(dir.path().join("pin.json"), &[1; 32]);
        let (wrong, right) = (g.hide("t", "0000"), g.hide("t", "1234"));
        assert!(!g.is_rejected(&wrong));
        g.trying(&wrong).unwrap();
        g.rejected(&wrong);
        assert!(g.is_rejected(&wrong) && !g.is_rejected(&right));
        let mut g = PinGuard::open(dir.path().join("pin.json"), &[1; 32]);
        assert!(g.is_rejected(&wrong) && !g.is_rejected(&right));
        g.trying(&right).unwrap();
        g.accepted(&right);
        assert!(g.has_worked(&right) && g.is_rejected(&wrong));
        let text = std::fs::read_to_string(dir.path().join("pin.json")).unwrap();
        assert!(!text.contains("1234") && !text.contains("0000"), "{text}");
    }

    #[test]
    fn a_process_that_dies_in_the_login_tries_once_more_and_no_oftener() {
        let dir = tempfile::tempdir().unwrap();
        for (i, rejected) in [false, false, true, true].into_iter().enumerate() {
            let mut g = PinGuard::open(dir.path().join("pin.json"), &[1; 32]);
            let pin = g.hide("t", "1234");
            assert_eq!(g.is_rejected(&pin), rejected, "start {i}");
            if !rejected {
                g.trying(&pin).unwrap();
            }
        }
        let g = PinGuard::open(dir.path().join("pin.json"), &[1; 32]);
        assert!(!g.is_rejected(&g.hide("t", "4321")), "another PIN is tried");
    }
}
