//! PKCS#11 tokens, as an anchor's key and a vendor's key are found on them.
//!
//! Promises: at most one login; none at all if the token says that a wrong PIN would lock it.

pub mod pairs;
mod pin;
pub mod uri;
pub mod vendor;

use crate::output::list;
use anyhow::{Context as _, anyhow, bail};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use std::path::Path;

/// Which token is meant, and how people said so.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub module: &'a Path,
    /// The token's label.
    pub token: Option<&'a str>,
    /// Its serial number, if several have the same label.
    pub serial: Option<&'a str>,
    /// A file with its user PIN.
    pub pin_file: Option<&'a Path>,
    pub names: Names,
}

/// What people call the parts of a [`Wanted`], for errors.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    pub module: &'static str,
    pub token: &'static str,
    pub serial: &'static str,
    pub pin_file: &'static str,
}

/// A session with the one token that is meant, logged in to.
pub fn open(w: &Wanted<'_>, writes: bool) -> anyhow::Result<(Session, TokenInfo)> {
    let module = load(w)?;
    let (slot, info) = find_token(&module, w)?;
    let session = if writes {
        module.open_rw_session(slot)
    } else {
        module.open_ro_session(slot)
    };
    let session =
        session.with_context(|| format!("cannot open a session with token {:?}", info.label()))?;
    login(&session, &info, w)?;
    Ok((session, info))
}

/// Loads and starts the module.
fn load(w: &Wanted<'_>) -> anyhow::Result<Pkcs11> {
    let (name, path) = (w.names.module, w.module.display());
    let module = Pkcs11::new(w.module).map_err(|e| {
        anyhow!("{name} {path}: {e}; expected a PKCS#11 module, a shared library for this machine")
    })?;
    let flags = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
    match module.initialize(flags) {
        // Two keys on tokens of one module.
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(module),
        Err(e) => bail!(
            "{name} {path}: it does not start: {e}; is its configuration in place, its service (pcscd) running?"
        ),
    }
}

/// The one token that is meant.
fn find_token(module: &Pkcs11, w: &Wanted<'_>) -> anyhow::Result<(Slot, TokenInfo)> {
    let slots = module.get_slots_with_token();
    let slots = slots.context("cannot list the tokens")?.into_iter();
    // A token that was pulled meanwhile is none.
    let mut tokens: Vec<(Slot, TokenInfo)> = slots
        .filter_map(|slot| Some((slot, module.get_token_info(slot).ok()?)))
        .filter(|(_, info)| info.token_initialized())
        .collect();
    let words =
        |(_, t): &(Slot, TokenInfo)| format!("{:?} (serial {:?})", t.label(), t.serial_number());
    let all = list(tokens.iter().map(words));
    tokens.retain(|(_, t)| {
        w.token.is_none_or(|l| l == t.label()) && w.serial.is_none_or(|s| s == t.serial_number())
    });
    let named = w.token.map(|l| format!("{} {l:?}: ", w.names.token));
    let named = named.unwrap_or_default();
    if tokens.len() > 1 {
        bail!("{named}several tokens: {all}; add {}", w.names.serial);
    }
    tokens.pop().ok_or_else(|| {
        let there = if all.is_empty() {
            "no token at all; is it plugged in?"
        } else {
            &all
        };
        let serial = w.serial.map(|s| format!(" with serial {s:?}"));
        let serial = serial.unwrap_or_default();
        anyhow!("{named}no such token{serial}; there is {there}")
    })
}

/// Logs in, once. A wrong PIN tried again and again locks a token for good.
fn login(session: &Session, info: &TokenInfo, w: &Wanted<'_>) -> anyhow::Result<()> {
    let label = info.label();
    let locked = || {
        anyhow!(
            "token {label:?}: its PIN is locked; unlock it with the token's own tool (and its PUK or SO PIN)"
        )
    };
    if !info.login_required() {
        return Ok(());
    }
    if info.user_pin_locked() {
        return Err(locked());
    }
    if !info.user_pin_initialized() {
        bail!("token {label:?}: it has no user PIN yet; set one with the token's own tool");
    }
    if info.user_pin_final_try() {
        bail!(
            "token {label:?}: one more wrong PIN locks it, so it is not tried here; log in with the token's own tool first"
        );
    }
    let pin = if info.protected_authentication_path() {
        eprintln!("Enter the PIN on the token's own keypad");
        None
    } else {
        Some(pin::find(w.pin_file, w.names.pin_file, label)?)
    };
    let Err(e) = session.login(UserType::User, pin.as_ref()) else {
        return Ok(());
    };
    match e {
        Error::Pkcs11(RvError::UserAlreadyLoggedIn, _) => Ok(()),
        Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _) => {
            bail!(
                "token {label:?}: wrong PIN. It was tried once and is not tried again: a few more wrong ones lock the token. \
                 Check {} or {}",
                w.names.pin_file,
                pin::VARIABLE
            )
        }
        Error::Pkcs11(RvError::PinLocked, _) => Err(locked()),
        e => bail!(
            "token {label:?}: the login failed: {e}. It is not tried again: some tokens report a wrong PIN like this, \
             and a few more lock them"
        ),
    }
}
