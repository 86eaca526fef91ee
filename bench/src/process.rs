//! A process that is measured: on a core of its own, and never outliving this one.

use anyhow::{Context as _, Result, bail};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The core of whatever is measured. The script puts the loader on another.
const CORE: &str = "0";

/// A running process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` on the measured core with this environment alone. What it says goes to the
    /// end of `log`.
    pub(crate) fn start(
        program: &Path,
        args: &[&str],
        env: &[(String, String)],
        log: &Path,
    ) -> Result<Self> {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "taskset", "-c", CORE]);
        command.arg(program).args(args);
        Self::spawn(command, env, log)
            .with_context(|| format!("{} on core {CORE}", program.display()))
    }

    /// The same on whichever core: of what is measured otherwise than by its speed, and of what it
    /// needs.
    pub(crate) fn anywhere(
        program: &Path,
        args: &[&str],
        env: &[(String, String)],
        log: &Path,
    ) -> Result<Self> {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]);
        command.arg(program).args(args);
        Self::spawn(command, env, log).with_context(|| program.display().to_string())
    }

    /// A command whose words become the program: the process' number stays.
    fn spawn(mut command: Command, env: &[(String, String)], log: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log)?;
        command
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .envs(env.iter().cloned())
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let child = command.spawn().context("starting it")?;
        let log = log.to_owned();
        Ok(Self { child, log })
    }

    /// kill -9, and waits for the end.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// An error, if it has ended by itself.
    pub(crate) fn lives(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("it ended: {status}\n{}", self.last_words()),
        }
    }

    /// The end of its log, for people.
    pub(crate) fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(15).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Processor time so far of all its threads, in seconds.
    pub(crate) fn cpu_secs(&self) -> Result<f64> {
        cpu_secs(&self.child.id().to_string())
    }

    /// Resident memory in MiB.
    pub(crate) fn rss_mib(&self) -> Result<f64> {
        self.status_mib("VmRSS:")
    }

    /// The most resident memory that it ever had, in MiB.
    pub(crate) fn peak_mib(&self) -> Result<f64> {
        self.status_mib("VmHWM:")
    }

    fn status_mib(&self, name: &str) -> Result<f64> {
        let file = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(file)?;
        let line = text.lines().find_map(|l| l.strip_prefix(name));
        let kib = line.and_then(|l| l.split_whitespace().next());
        Ok(kib.context(name.to_owned())?.parse::<f64>()? / 1024.0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time of a process's threads so far, in seconds; `self` is this process.
pub(crate) fn cpu_secs(pid: &str) -> Result<f64> {
    let mut ns = 0.0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end between the two.
        let Ok(text) = std::fs::read_to_string(task?.path().join("schedstat")) else {
            continue;
        };
        let first = text.split(' ').next().context("schedstat")?;
        ns += first.parse::<f64>()?;
    }
    Ok(ns / 1e9)
}
