//! The gate as a process, with what it writes.

use super::exec::{Text, collect, says};
use super::sidecar::command;
use super::{Sidecar, eventually, secs};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

pub struct Gate {
    process: Child,
    err: Text,
}

impl Gate {
    /// In the pod of this sidecar.
    pub fn of(sidecar: &Sidecar) -> Self {
        Self::at(&sidecar.socket())
    }

    pub fn at(socket: &Path) -> Self {
        let mut gate = command(&["gate"]);
        gate.env("MOORING_SOCKET", socket).stderr(Stdio::piped());
        let mut process = gate.spawn().unwrap();
        let err = collect(process.stderr.take().unwrap());
        Self { process, err }
    }

    /// Waits until it has written this.
    pub fn says(&self, words: &str) {
        says(&self.err, words);
    }

    pub fn lines(&self) -> Vec<String> {
        let text = self.err.lock().unwrap().0.clone();
        text.lines().map(str::to_owned).collect()
    }

    pub fn is_shut(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    pub fn ends(&mut self) -> ExitStatus {
        eventually("the gate ends", secs(20), || {
            self.process.try_wait().unwrap()
        })
    }

    pub fn terminate(&mut self) {
        let pid = self.process.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(told.unwrap().success());
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
