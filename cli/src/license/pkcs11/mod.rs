//! PKCS#11 tokens, as an anchor's key and a vendor's key are found on them.
//!
//! Promises: at most one login; none at all if the token says that a wrong PIN would lock it.

mod pin;
pub mod uri;
pub mod vendor;

use anyhow::{Context as _, anyhow, bail};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use std::path::Path;

/// Which token is meant, and how people said so.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The module, a shared library.
    pub module: &'a Path,
    /// The token's label.
    pub token: Option<&'a str>,
    /// Its serial number, if several have the same label.
    pub serial: Option<&'a str>,
    /// A file with its user PIN.
    pub pin_file: Option<&'a Path>,
    /// What people call the four of them, for errors.
    pub names: Names,
}

/// What people call the parts of a [`Wanted`].
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// The module.
    pub module: &'static str,
    /// The token's label.
    pub token: &'static str,
    /// Its serial number.
    pub serial: &'static str,
    /// The PIN's file.
    pub pin_file: &'static str,
}

/// Loads and starts the module.
pub fn load(w: &Wanted<'_>) -> anyhow::Result<Pkcs11> {
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
pub fn find_token(module: &Pkcs11, w: &Wanted<'_>) -> anyhow::Result<(Slot, TokenInfo)> {
    let mut tokens = Vec::new();
    for slot in module
        .get_slots_with_token()
        .context("cannot list the tokens")?
    {
        // A token that was pulled meanwhile is none.
        if let Ok(info) = module.get_token_info(slot)
            && info.token_initialized()
        {
            tokens.push((slot, info));
        }
    }
    let all: Vec<String> = tokens
        .iter()
        .map(|(_, t)| format!("{:?} (serial {:?})", t.label(), t.serial_number()))
        .collect();
    let fits = |t: &TokenInfo| {
        w.token.is_none_or(|l| l == t.label()) && w.serial.is_none_or(|s| s == t.serial_number())
    };
    tokens.retain(|(_, t)| fits(t));
    let named = w
        .token
        .map(|l| format!("{} {l:?}: ", w.names.token))
        .unwrap_or_default();
    match tokens.len() {
        0 | 1 => tokens.pop().ok_or_else(|| {
            let there = if all.is_empty() {
                "no token at all; is it plugged in?".to_owned()
            } else {
                all.join(", ")
            };
            let serial = w
                .serial
                .map(|s| format!(" with serial {s:?}"))
                .unwrap_or_default();
            anyhow!("{named}no such token{serial}; there is {there}")
        }),
        _ => bail!(
            "{named}several tokens: {}; add {}",
            all.join(", "),
            w.names.serial
        ),
    }
}

/// Logs in, once. A wrong PIN tried again and again locks a token for good.
pub fn login(session: &Session, info: &TokenInfo, w: &Wanted<'_>) -> anyhow::Result<()> {
    let label = info.label();
    if !info.login_required() {
        return Ok(());
    }
    if info.user_pin_locked() {
        bail!(
            "token {label:?}: its PIN is locked; unlock it with the token's own tool (and its PUK or SO PIN)"
        );
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
    match session.login(UserType::User, pin.as_ref()) {
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
        Err(Error::Pkcs11(
            RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange,
            _,
        )) => bail!(
            "token {label:?}: wrong PIN. It was tried once and is not tried again: a few more wrong ones lock the token. \
             Check {} or {}",
            w.names.pin_file,
            pin::VARIABLE
        ),
        Err(Error::Pkcs11(RvError::PinLocked, _)) => {
            bail!(
                "token {label:?}: its PIN is locked; unlock it with the token's own tool (and its PUK or SO PIN)"
            )
        }
        Err(e) => bail!(
            "token {label:?}: the login failed: {e}. It is not tried again: some tokens report a wrong PIN like this, \
             and a few more lock them"
        ),
    }
}
