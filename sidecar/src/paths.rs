//! Where state and socket are. In a pod both are volumes; elsewhere each `exec` and each `agent`
//! has a private folder, locked while it runs, and a short name of its own: several of them may
//! show the license server one credential, and their claims must not be taken for each other.

use crate::options::Mode;
use mooring_core::names::ClaimName;
use mooring_net::random;
use rustix::fs::{FlockOperation, flock};
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The longest path of a socket: the kernel keeps 108 bytes, and the sidecar binds one beside it
/// first.
const LONGEST: usize = 100;

/// Which of the two cannot be used, and why.
#[derive(Debug)]
pub(crate) enum PathsError {
    Socket(String),
    StateDir(String),
}

#[derive(Debug)]
pub(crate) struct Paths {
    pub(crate) state_dir: PathBuf,
    pub(crate) socket: PathBuf,
    /// What this sidecar's claims begin with at the license server.
    pub(crate) prefix: Option<ClaimName>,
    /// Kept for as long as this lives, and never read.
    #[allow(dead_code)]
    lock: Option<File>,
    passing: Option<PathBuf>,
}

impl Drop for Paths {
    fn drop(&mut self) {
        if let Some(dir) = &self.passing {
            let _ = fs::remove_dir_all(dir);
        }
    }
}

impl Paths {
    pub(crate) fn find(
        mode: Mode,
        state_dir: Option<&Path>,
        socket: Option<&Path>,
    ) -> Result<Self, PathsError> {
        let root = rustix::process::geteuid().is_root();
        let env = |name: &str| std::env::var_os(name);
        Self::under(mode, state_dir, socket, runtime_folder(env, root))
    }

    fn under(
        mode: Mode,
        state_dir: Option<&Path>,
        socket: Option<&Path>,
        runtime: Option<PathBuf>,
    ) -> Result<Self, PathsError> {
        if mode == Mode::Run {
            let default = || mooring_client::DEFAULT_SOCKET.into();
            return Ok(Self {
                state_dir: state_dir.map_or_else(|| "/var/lib/mooring".into(), Path::to_owned),
                socket: usable(socket.map_or_else(default, Path::to_owned))?,
                prefix: None,
                lock: None,
                passing: None,
            });
        }
        let mut passing = None;
        let (state_dir, socket) = match (state_dir, socket) {
            (Some(state), Some(socket)) => (state.to_owned(), socket.to_owned()),
            (Some(state), None) => (state.to_owned(), state.join("mooring.sock")),
            (None, socket) if mode == Mode::Exec => {
                let dir = passing_folder(runtime.as_deref())?;
                passing = Some(dir.clone());
                let socket = socket.map_or_else(|| dir.join("mooring.sock"), Path::to_owned);
                (dir.join("state"), socket)
            }
            (None, socket) => {
                let runtime = runtime.ok_or_else(|| {
                    let problem = "is not set, and neither is XDG_RUNTIME_DIR; expected a folder for this agent alone";
                    PathsError::StateDir(problem.into())
                })?;
                let socket = socket.map_or_else(|| runtime.join("mooring.sock"), Path::to_owned);
                // One for each socket, as there is one agent for each.
                let name = socket.file_name().unwrap_or_default();
                (runtime.join("state").join(name), socket)
            }
        };
        let mut paths = Self {
            state_dir,
            socket,
            prefix: None,
            lock: None,
            passing,
        };
        paths.socket = usable(paths.socket.clone())?;
        let dir = paths.state_dir.clone();
        let fail = |e: io::Error| PathsError::StateDir(format!("{}: {e}", dir.display()));
        private(&dir).map_err(fail)?;
        paths.lock = lock(&dir).map_err(fail)?;
        if paths.lock.is_none() {
            let taken = "another one uses it; expected one of its own";
            return Err(fail(io::Error::other(taken)));
        }
        paths.prefix = Some(prefix(&dir).map_err(fail)?);
        Ok(paths)
    }
}

fn usable(socket: PathBuf) -> Result<PathBuf, PathsError> {
    if socket.is_absolute() && socket.as_os_str().len() <= LONGEST {
        return Ok(socket);
    }
    let path = socket.display();
    let problem = format!("\"{path}\": expected an absolute path of at most {LONGEST} bytes");
    Err(PathsError::Socket(problem))
}

/// systemd's folder for the service, the user's, or the machine's.
fn runtime_folder(env: impl Fn(&str) -> Option<OsString>, root: bool) -> Option<PathBuf> {
    let set = |name: &str| env(name).filter(|v| !v.is_empty());
    if let Some(dirs) = set("RUNTIME_DIRECTORY") {
        return std::env::split_paths(&dirs).next();
    }
    if let Some(dir) = set("XDG_RUNTIME_DIR") {
        return Some(Path::new(&dir).join("mooring"));
    }
    root.then(|| "/run/mooring".into())
}

fn private(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// A new folder for one `exec`. What killed ones left there is cleared away.
fn passing_folder(runtime: Option<&Path>) -> Result<PathBuf, PathsError> {
    let own = runtime.filter(|dir| private(dir).is_ok());
    if let Some(dir) = own {
        sweep(dir);
    }
    let base = own.map_or_else(std::env::temp_dir, Path::to_owned);
    let dir = base.join(format!("exec-{}", hex::encode(random::bytes::<8>())));
    // Not one that was there: in a common folder it could be anybody's.
    let made = DirBuilder::new().mode(0o700).create(&dir);
    made.map_err(|e| PathsError::StateDir(format!("{}: {e}", dir.display())))?;
    Ok(dir)
}

fn sweep(dir: &Path) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries {
        let left = entry.file_name().as_encoded_bytes().starts_with(b"exec-");
        let state = entry.path().join("state");
        // One that begins this moment has no lock yet, and no state either.
        if left && state.join("lock").exists() && matches!(lock(&state), Ok(Some(_))) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The lock of a state directory; `None` if somebody has it. The kernel gives it back with its
/// process.
fn lock(dir: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(dir.join("lock"))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// The name of this sidecar among those of its credential: made once for a state directory.
fn prefix(dir: &Path) -> io::Result<ClaimName> {
    let file = dir.join("name");
    if let Ok(text) = fs::read_to_string(&file)
        && let Ok(name) = ClaimName::new(text.trim())
        && name.as_str().len() == 8
    {
        return Ok(name);
    }
    let name = hex::encode(random::bytes::<4>());
    fs::write(&file, format!("{name}\n"))?;
    ClaimName::new(&name).map_err(io::Error::other)
}

#[cfg(test)]
mod tests;
