//! `mooring license anchor pkcs11`: finds or makes a P-256 key on a token, sees that it signs, and describes it.
//!
//! Promises: at most one login; none at all if the token says that a wrong PIN would lock it. No key is ever
//! changed or deleted, and one is made only with `--generate`.

use super::keys::{self, Found};
use super::token::{self, KeyFacts};
use super::{Description, file, pin};
use crate::output::Data;
use anyhow::{Context as _, anyhow, bail};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use mooring_core::license::AnchorKind;
use std::path::PathBuf;

/// Flags.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The PIN is read from --pin-file, else from the environment variable MOORING_PIN, else asked for. It is
tried once: tokens lock after a few wrong ones.

Examples:
  mooring license anchor pkcs11 --module /usr/lib/x86_64-linux-gnu/opensc-pkcs11.so \\
      --token-label acme --key-label mooring --out anchor.yaml
  mooring license anchor pkcs11 --module /usr/lib/softhsm/libsofthsm2.so \\
      --token-label test --pin-file pin --generate > anchor.yaml"
)]
pub struct Args {
    /// The PKCS#11 module (a shared library) that drives the token
    #[arg(long, value_name = "FILE")]
    module: PathBuf,
    /// The token's label
    #[arg(long, value_name = "LABEL")]
    pub(super) token_label: String,
    /// The token's serial number, if several have the same label
    #[arg(long, value_name = "SERIAL")]
    token_serial: Option<String>,
    /// A file with the token's user PIN
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
    /// The key's label (CKA_LABEL); with --generate the new key's, "mooring" without it
    #[arg(long, value_name = "LABEL")]
    pub(super) key_label: Option<String>,
    /// The key's id (CKA_ID), in hexadecimal digits
    #[arg(long, value_name = "HEX", value_parser = parse_id)]
    pub(super) key_id: Option<Id>,
    /// Make a key if there is none that fits: P-256, never extractable
    #[arg(long)]
    generate: bool,
    /// Words for people in the licence, such as a place or an inventory number [default: the token's model and serial number]
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// The form of the description
    #[arg(short, long, value_enum, default_value = "yaml")]
    output: Data,
    /// Write it to a file instead of standard output; never overwritten
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A `CKA_ID`.
#[derive(Clone, Debug)]
pub(super) struct Id(pub(super) Vec<u8>);

fn parse_id(s: &str) -> Result<Id, String> {
    token::key_id(s).map(Id)
}

/// Describes the anchor.
pub fn run(args: &Args) -> anyhow::Result<()> {
    if let Some(path) = &args.out {
        file::must_be_new(path).context("--out")?;
    }
    let module = load(args)?;
    let (slot, info) = find_token(&module, args)?;
    let session = if args.generate {
        module.open_rw_session(slot)
    } else {
        module.open_ro_session(slot)
    };
    let session = session
        .with_context(|| format!("cannot open a session with token {:?}", args.token_label))?;
    login(&session, &info, args)?;

    let mut found = keys::find_keys(&session, args)?;
    if found.is_empty() && args.generate {
        found.push(keys::generate(&session, args)?);
    }
    match found.as_slice() {
        [] => bail!("{}", keys::nothing_found(&session, args)),
        [key] => describe(&session, key, &info, args),
        several => bail!(
            "token {:?} has several P-256 keys that fit: {}; choose one with --key-label or --key-id",
            args.token_label,
            several
                .iter()
                .map(|k| k.name.clone())
                .collect::<Vec<_>>()
                .join(", ")
        ),
    }
}

fn load(args: &Args) -> anyhow::Result<Pkcs11> {
    let path = args.module.display();
    let module = Pkcs11::new(&args.module).map_err(|e| {
        anyhow!(
            "--module {path}: {e}; expected a PKCS#11 module, a shared library for this machine"
        )
    })?;
    let flags = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
    module.initialize(flags).map_err(|e| {
        anyhow!("--module {path}: it does not start: {e}; is its configuration in place, its service (pcscd) running?")
    })?;
    Ok(module)
}

fn find_token(module: &Pkcs11, args: &Args) -> anyhow::Result<(Slot, TokenInfo)> {
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
    let serial = |t: &TokenInfo| {
        args.token_serial
            .as_ref()
            .is_none_or(|s| s == t.serial_number())
    };
    tokens.retain(|(_, t)| t.label() == args.token_label && serial(t));
    match tokens.len() {
        0 | 1 => tokens.pop().ok_or_else(|| {
            let there = if all.is_empty() {
                "no token at all; is it plugged in?".to_owned()
            } else {
                all.join(", ")
            };
            let serial = args
                .token_serial
                .as_ref()
                .map(|s| format!(" with serial {s:?}"))
                .unwrap_or_default();
            anyhow!(
                "--token-label {:?}: no such token{serial}; there is {there}",
                args.token_label
            )
        }),
        _ => bail!(
            "--token-label {:?}: several tokens: {}; add --token-serial",
            args.token_label,
            all.join(", ")
        ),
    }
}

/// Logs in, once. A wrong PIN tried again and again locks a token for good.
fn login(session: &Session, info: &TokenInfo, args: &Args) -> anyhow::Result<()> {
    let label = &args.token_label;
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
        Some(pin::find(args.pin_file.as_deref(), label)?)
    };
    match session.login(UserType::User, pin.as_ref()) {
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
        Err(Error::Pkcs11(
            RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange,
            _,
        )) => bail!(
            "token {label:?}: wrong PIN. It was tried once and is not tried again: a few more wrong ones lock the token. \
             Check --pin-file or {}",
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

fn describe(session: &Session, key: &Found, info: &TokenInfo, args: &Args) -> anyhow::Result<()> {
    let (facts, each_time) = keys::facts(session, key.private);
    if each_time {
        bail!(
            "key {}: it asks for the PIN at each signature (CKA_ALWAYS_AUTHENTICATE), and a server signs every five \
             minutes; use another key (on a PIV card: slot 9a, 9d or 9e, not 9c)",
            key.name
        );
    }
    keys::prove(session, key)?;

    let why = token::software(info.manufacturer_id(), info.model(), facts);
    let mut notes = vec![
        format!(
            "token {:?}, {} {}, serial {}",
            info.label(),
            info.manufacturer_id(),
            info.model(),
            info.serial_number()
        ),
        format!(
            "key {}, key id {}; it signed a test just now",
            key.name,
            key.public.id()
        ),
    ];
    notes.extend(why.iter().map(|w| format!("software: {w}")));
    if why.is_empty() {
        let untold = facts == KeyFacts::default();
        let note = if untold {
            "nothing says that the key can be copied (the token tells nothing of its keys)"
        } else {
            "the token says that the key cannot leave it"
        };
        notes.push(note.to_owned());
    }
    for w in &why {
        eprintln!("Note: {w}; a vendor issues for it only with --allow-software-token");
    }
    let label = args.label.clone().unwrap_or_else(|| {
        [info.model(), info.serial_number()]
            .join(" ")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    });
    let description = Description {
        kind: AnchorKind::Pkcs11,
        key: key.public,
        software: !why.is_empty(),
        label: Some(label).filter(|l| !l.is_empty()),
        usb: None,
        hwid: None,
        standby: None,
    };
    super::print(&description, &notes, args.output, args.out.as_deref())
}
