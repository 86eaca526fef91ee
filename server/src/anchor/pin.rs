//! Guards the token against being locked: a PIN that was refused is not shown again before the
//! content of its file changes, by this run or any later one, in this pod or another.
//!
//! A login is noted, and written, before it is made: a process that dies in it may have used up one
//! of the token's few tries. Where that cannot be written no login is made. Only a PIN that this
//! very token has accepted, and whose wrong tries the token says are none, needs no note.

use super::protocol::Tries;
use crate::keeper::{Keeper, NotCommitted};
use mooring_core::kept::{AnchorRole, PinLogin};
use ring::hmac;
use std::sync::Arc;

/// How many logins with one content may be answered unclearly, or not at all, before the PIN counts
/// as rejected.
const UNCLEAR: u64 = 2;

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
    keeper: Arc<Keeper>,
    role: AnchorRole,
    key: hmac::Key,
    /// The PIN that is there, hidden.
    pin: HiddenPin,
    /// The token that is there, by its serial number, hidden; none if it has no number.
    token: Option<String>,
    /// Whether the login under way was noted.
    noted: bool,
}

/// The content of a PIN's file, hidden: what the guard tells apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HiddenPin(String);

impl PinGuard {
    /// Of this anchor's PIN, hidden under the server's identity key.
    pub(crate) fn new(keeper: Arc<Keeper>, role: AnchorRole, key: &[u8; 32]) -> Self {
        Self {
            keeper,
            role,
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            pin: HiddenPin::default(),
            token: None,
            noted: false,
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

    /// Whether this is what was shown last.
    pub(crate) fn knows(&self, pin: &HiddenPin) -> bool {
        self.pin == *pin
    }

    /// The content of the file from now on; fails if what earlier pods did with it is not known,
    /// and this one does not know that it was right.
    pub(crate) async fn see(&mut self, pin: &HiddenPin) -> Result<(), String> {
        let read = self.keeper.read().await;
        self.pin = pin.clone();
        if !self.with(PinLogin::is_accepted) {
            read?;
        }
        self.change(|_| ());
        Ok(())
    }

    /// Changes what is known of the logins with this PIN.
    fn change(&self, f: impl FnOnce(&mut PinLogin)) {
        self.keeper.change(|k| f(k.login(self.role, &self.pin.0)));
    }

    /// Looks at what is known of the logins with this PIN.
    fn with<R>(&self, f: impl FnOnce(&PinLogin) -> R) -> R {
        self.keeper.with(|k| {
            let login = k.logins(self.role).and_then(|l| l.of(&self.pin.0));
            f(login.unwrap_or(&PinLogin::default()))
        })
    }

    /// Whether a login may be made, with so many tries left.
    pub(crate) fn may_log_in(&self, tries: Tries) -> Result<(), Barred> {
        self.with(|login| judge(login, self.token.as_deref(), tries))
    }

    /// Whether it has opened this token before, and not another of the same label.
    pub(crate) fn has_worked(&self) -> bool {
        let token = self.token.as_deref();
        token.is_some_and(|t| self.with(|l| l.has_opened(t)))
    }

    /// Notes that a login is about to be made. If that cannot be kept, the login must not be made.
    pub(crate) async fn trying(&mut self, tries: Tries) -> Result<(), NotCommitted<Barred>> {
        self.may_log_in(tries).map_err(NotCommitted::Refused)?;
        let known_right = self.with(|login| known_right(login, self.token.as_deref()));
        // A wrong one would be seen in the token's own flags by whoever comes next.
        self.noted = !(known_right && tries == Tries::Several);
        if !self.noted {
            return Ok(());
        }
        let (role, pin, token) = (self.role, &self.pin.0, self.token.as_deref());
        let trying = self.keeper.commit(|k| {
            let login = k.login(role, pin);
            judge(login, token, tries)?;
            login.trying();
            Ok(())
        });
        trying.await
    }

    /// It opened the token.
    pub(crate) async fn accepted(&self) {
        self.change(|l| l.accepted(self.token.as_deref()));
        self.keeper.flush().await;
    }

    /// The token said no.
    pub(crate) async fn rejected(&self) {
        self.change(PinLogin::rejected);
        self.keeper.flush().await;
    }

    /// The token never saw it, or the PIN is not to blame.
    pub(crate) async fn unseen(&self) {
        if self.noted {
            self.change(PinLogin::unseen);
            self.keeper.flush().await;
        }
    }

    /// The answer may mean a wrong PIN, or there was none.
    pub(crate) async fn unclear(&self) {
        if !self.noted {
            self.change(PinLogin::trying);
            self.keeper.flush().await;
        }
    }
}

/// Whether this very token has taken it, and each login with it was answered.
fn known_right(login: &PinLogin, token: Option<&str>) -> bool {
    login.unclear() == 0 && token.is_some_and(|t| login.has_opened(t))
}

fn judge(login: &PinLogin, token: Option<&str>, tries: Tries) -> Result<(), Barred> {
    match tries {
        _ if login.is_rejected() || login.unclear() >= UNCLEAR => Err(Barred::Rejected),
        Tries::Locked => Err(Barred::Locked),
        Tries::Last if !known_right(login, token) => Err(Barred::LastTry),
        Tries::Several | Tries::SomeUsed | Tries::Last => Ok(()),
    }
}

#[cfg(test)]
mod tests;
