//! The application: found before anything is claimed; started through this same binary, which asks
//! the kernel to send it SIGTERM when `exec` dies and then becomes it. (To ask between fork and
//! exec would be unsafe code.)

use super::exit_codes::{FAILED, by_signal};
use crate::args::AppArgs;
use crate::options::APP;
use mooring_client::SOCKET_VARIABLE;
use rustix::fs::{Access, access};
use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use tokio::process::Child;

/// Where to look when nobody says (execvp(3)).
const DEFAULT_PATH: &str = "/usr/bin:/bin";

/// Why it cannot be run; with the exit codes of shells.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AppError {
    #[error("{}: not found", .0.display())]
    NotFound(PathBuf),
    #[error("{}: cannot be executed", .0.display())]
    NotExecutable(PathBuf),
}

impl AppError {
    pub(super) const fn code(&self) -> u8 {
        match self {
            Self::NotFound(_) => 127,
            Self::NotExecutable(_) => 126,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct App {
    file: PathBuf,
    /// As it was called, with its arguments.
    words: Vec<OsString>,
}

impl App {
    /// Finds it as a shell would.
    pub(super) fn find(words: &[OsString]) -> Result<Self, AppError> {
        let path = std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
        let file = find(words.first().map_or(OsStr::new(""), |w| w), &path)?;
        let words = words.to_vec();
        Ok(Self { file, words })
    }

    pub(super) fn name(&self) -> std::path::Display<'_> {
        self.file.display()
    }

    /// Starts it. Call it on the thread that lives longest: the kernel watches that.
    pub(super) fn start(&self, socket: &Path) -> std::io::Result<Child> {
        tokio::process::Command::new("/proc/self/exe")
            .arg(APP)
            .arg(getpid().as_raw_nonzero().to_string())
            .arg(&self.file)
            .arg("--")
            .args(&self.words)
            .env(SOCKET_VARIABLE, socket)
            .spawn()
    }
}

fn find(app: &OsStr, path: &OsStr) -> Result<PathBuf, AppError> {
    let usable = |p: &Path| p.is_file() && access(p, Access::EXEC_OK).is_ok();
    let places: Vec<PathBuf> = if app.as_encoded_bytes().contains(&b'/') {
        vec![app.into()]
    } else if app.is_empty() {
        vec![]
    } else {
        let dirs = std::env::split_paths(path);
        dirs.map(|dir| dir.join(app)).collect()
    };
    if let Some(found) = places.iter().find(|p| usable(p)) {
        return Ok(found.clone());
    }
    match places.into_iter().find(|p| p.exists()) {
        Some(p) => Err(AppError::NotExecutable(p)),
        None => Err(AppError::NotFound(app.into())),
    }
}

/// Becomes the application. What it returns is that it could not.
pub(crate) fn become_app(args: &AppArgs) -> ExitCode {
    let say = |problem: &dyn std::fmt::Display| {
        super::progress::say(&format!("{}: {problem}", args.file.display()));
    };
    if let Err(e) = set_parent_process_death_signal(Some(Signal::TERM)) {
        say(&e);
        return ExitCode::from(FAILED);
    }
    // It may have died before the kernel was asked.
    if getppid().map(|p| p.as_raw_nonzero().get()) != Some(args.parent) {
        return ExitCode::from(by_signal(Signal::TERM.as_raw()));
    }
    let mut words = args.app.iter();
    let mut app = Command::new(&args.file);
    if let Some(name) = words.next() {
        app.arg0(name);
    }
    let e = app.args(words).exec();
    say(&e);
    // ENOENT: a script whose interpreter is not there.
    let found = e.kind() != std::io::ErrorKind::NotFound;
    ExitCode::from(if found { 126 } else { 127 })
}

#[cfg(test)]
mod tests;
