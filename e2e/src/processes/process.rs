//! A process that this one started: it never outlives it.

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running process. Killed when dropped, and by the kernel when the scenario's thread ends.
#[derive(Debug)]
pub(super) struct Process(Child);

impl Process {
    /// Starts it with this environment alone; what it says goes to the end of a file.
    pub(super) fn start(
        command: &[&str],
        env: &[(String, String)],
        dir: &Path,
        log: &Path,
    ) -> Result<Self> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| log.display().to_string())?;
        // setpriv becomes the program: the process' number stays.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .args(command)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .envs(env.iter().map(|(k, v)| (k, v)))
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {command:?} with setpriv"))?;
        Ok(Self(child))
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("a process' number")?, signal)?;
        Ok(())
    }

    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }

    /// kill -9, and waits for the end.
    pub(super) fn kill(mut self) -> Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }

    /// SIGTERM, and waits for the end.
    pub(super) fn end(mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let status = self.0.wait()?;
        ensure!(status.success(), "after SIGTERM: {status}");
        Ok(())
    }

    /// An error, if it has ended by itself.
    pub(super) fn lives(&mut self) -> Result<(), String> {
        match self.0.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(format!("it ended: {status}")),
            Err(e) => Err(e.to_string()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program of this build.
pub(super) fn program(name: &str) -> Result<String> {
    found(&folder()?.join(name), "cargo build --workspace")
}

/// A program that is built for release: `name` is its path in cargo's target directory.
pub(super) fn released(name: &str) -> Result<String> {
    let target = folder()?;
    let target = target.parent().context("a folder")?;
    found(&target.join(name), "e2e/instructions builds it")
}

/// Where this program is.
fn folder() -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    Ok(here.parent().context("a folder")?.to_owned())
}

fn found(program: &Path, how: &str) -> Result<String> {
    let name = program.display().to_string();
    ensure!(program.exists(), "{name} is not there: {how}");
    Ok(name)
}

/// The last lines of a file, for people.
pub(super) fn tail(file: &Path, lines: usize) -> String {
    let text = std::fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    let from = all.len().saturating_sub(lines);
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let last = all.get(from..).unwrap_or_default().join("\n");
    format!("--- {name}\n{last}")
}
