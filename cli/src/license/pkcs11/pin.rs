//! A token's PIN: from a file, from the environment, or typed without echo. Never from a flag,
//! where `ps` shows it.

use anyhow::{Context as _, anyhow, bail};
use cryptoki::types::AuthPin;
use mooring_core::pin;
use rustix::termios::{LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;

pub(super) const VARIABLE: &str = "MOORING_PIN";

/// Finds the PIN; asks for it as the last resort.
pub(super) fn find(file: Option<&Path>, name: &str, token: &str) -> anyhow::Result<AuthPin> {
    let (pin, source) = match (file, std::env::var(VARIABLE)) {
        (Some(path), _) => (
            crate::license::file::read(path).with_context(|| name.to_owned())?,
            format!("{name} {}", path.display()),
        ),
        (None, Ok(pin)) => (pin, format!("environment variable {VARIABLE}")),
        (None, Err(_)) => (ask(token, name)?, "the PIN".to_owned()),
    };
    let pin = pin::in_file(pin.as_bytes()).map_err(|e| anyhow!("{source}: {e}"))?;
    Ok(AuthPin::new(pin.into()))
}

/// Puts the terminal back as it was, also when reading fails.
struct Echo<'a>(&'a File, Termios);

impl Drop for Echo<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.0, OptionalActions::Flush, &self.1);
    }
}

/// Asks on the terminal, not on standard input: that may be a pipe.
fn ask(token: &str, name: &str) -> anyhow::Result<String> {
    let none = || {
        format!(
            "no PIN for token {token:?}: expected {name}, {VARIABLE} in the environment, or a terminal to ask on"
        )
    };
    let tty = File::options().read(true).write(true).open("/dev/tty");
    let tty = tty.with_context(none)?;
    if !isatty(&tty) {
        bail!(none());
    }
    let before = tcgetattr(&tty).with_context(none)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    silent.local_modes.insert(LocalModes::ECHONL);
    write!(&tty, "PIN of token {token:?}: ")?;
    let echo = Echo(&tty, before);
    tcsetattr(&tty, OptionalActions::Flush, &silent)?;
    let mut line = String::new();
    let read = BufReader::new(&tty).read_line(&mut line);
    drop(echo);
    read.context("cannot read the PIN from the terminal")?;
    Ok(line)
}
