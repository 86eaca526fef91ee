//! A sidecar as a process (`agent`), and all that it told its application.

use super::process::{Process, program, tail};
use super::wait::eventually;
use anyhow::{Context as _, Result};
use mooring_client::{HoldState, Sidecar, Status, boot};
use mooring_core::time::BootTime;
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A sidecar. Its state and its socket are in a folder that outlives it.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) name: String,
    dir: PathBuf,
    env: Vec<(String, String)>,
    /// What runs it: `unshare` and the like.
    pub(super) under: Vec<String>,
    pub(super) program: String,
    args: Vec<String>,
    process: Option<Process>,
    /// When the process was started.
    since: BootTime,
    told: Arc<Told>,
}

/// What an application that follows the socket was told, each change stamped with the boot clock by
/// the sidecar.
#[derive(Debug, Default)]
struct Told {
    all: Mutex<Vec<Status>>,
    over: AtomicBool,
}

impl Told {
    fn all(&self) -> MutexGuard<'_, Vec<Status>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Agent {
    pub(super) fn new(dir: &Path, name: &str, env: &[(&str, String)]) -> Result<Self> {
        std::fs::create_dir_all(dir.join("state"))?;
        let file = |name: &str| dir.join(name).display().to_string();
        let own = [
            ("MOORING_STATE_DIR", file("state")),
            ("MOORING_SOCKET", file("sock")),
            ("MOORING_LICENSES", "render".into()),
            ("MOORING_START", "licensed".into()),
            ("MOORING_LOG", "info".into()),
        ];
        let env = env.iter().cloned().chain(own);
        Ok(Self {
            name: name.into(),
            dir: dir.into(),
            env: env.map(|(k, v)| (k.into(), v)).collect(),
            under: vec![],
            program: program("mooring-sidecar")?,
            args: vec![],
            process: None,
            since: BootTime::NEVER,
            told: Arc::default(),
        })
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.env.retain(|(n, _)| n != name);
        self.env.push((name.into(), value.into()));
        self
    }

    pub(super) fn env(mut self, more: Vec<(String, String)>) -> Self {
        self.env.extend(more);
        self
    }

    pub(super) fn arg(mut self, flag: &str, value: &str) -> Self {
        self.args.extend([flag.into(), value.into()]);
        self
    }

    pub(super) fn started(mut self) -> Result<Self> {
        self.follow();
        self.start()?;
        Ok(self)
    }

    /// Starts the process, again if it was killed.
    pub(super) fn start(&mut self) -> Result<()> {
        let mut command: Vec<&str> = self.under.iter().map(String::as_str).collect();
        command.extend([&*self.program, "agent"]);
        command.extend(self.args.iter().map(String::as_str));
        let log = self.log();
        self.since = boot();
        self.process = Some(Process::start(&command, &self.env, &self.dir, &log)?);
        Ok(())
    }

    /// Waits for a word of the process that was started last.
    pub(super) fn speaks(&self) -> Result<()> {
        let spoke = eventually(&format!("a word of {}", self.name), 20, || {
            let new = self.last().filter(|s| s.boot_ms >= self.since.as_millis());
            new.map(drop).ok_or("none".into())
        });
        spoke.with_context(|| format!("{}\n", tail(&self.log(), 10)))
    }

    fn follow(&self) {
        let (told, socket) = (self.told.clone(), self.socket());
        std::thread::spawn(move || {
            while !told.over.load(Ordering::Relaxed) {
                if let Ok(events) = Sidecar::at(&socket).events() {
                    for status in events.map_while(Result::ok) {
                        told.all().push(status);
                    }
                }
                // It is not there: killed, or not there yet.
                std::thread::sleep(Duration::from_millis(20));
            }
        });
    }

    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.dir.join("sock")
    }

    pub(super) fn process(&self) -> Result<&Process> {
        self.process.as_ref().context("it does not run")
    }

    pub(super) fn kill(&mut self) -> Result<()> {
        self.process.take().context("it does not run")?.kill()
    }

    /// SIGTERM; returns when the application knows that the seat is given back.
    pub(super) fn end(&mut self) -> Result<()> {
        self.process.take().context("it does not run")?.end()?;
        self.is(HoldState::Released, 5).map(drop)
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        self.process()?.signal(signal)
    }

    /// All that the application was told.
    pub(super) fn told(&self) -> Vec<Status> {
        self.told.all().clone()
    }

    pub(super) fn last(&self) -> Option<Status> {
        self.told.all().last().cloned()
    }

    pub(super) fn state(&self) -> Option<HoldState> {
        self.last().map(|s| s.state)
    }

    /// The lease of its own claim.
    pub(super) fn lease(&self) -> Option<String> {
        let claim = self.last()?.claims.into_iter().next()?;
        claim.lease.map(|l| l.to_string())
    }

    /// Waits until the application was told this state.
    pub(super) fn is(&self, state: HoldState, secs: u64) -> Result<Status> {
        let what = format!("{} is {state}", self.name);
        let found = eventually(&what, secs, || {
            let last = self.last().ok_or("nothing was told")?;
            match last.state {
                s if s == state => Ok(last),
                s => Err(s.to_string()),
            }
        });
        found.with_context(|| format!("{}\n", tail(&self.log(), 10)))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.told.over.store(true, Ordering::Relaxed);
        if std::thread::panicking() {
            eprintln!("{}", tail(&self.log(), 5));
        }
    }
}
