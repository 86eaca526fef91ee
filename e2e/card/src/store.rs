//! The card's memory as files, in a folder: `made.json` (keys, PIN; never changes), `memory.json`
//! (tries left, counters) and `log` (a line for each login and each signature, with the boot clock
//! in milliseconds).

use crate::personal::Made;
use crate::piv::Memory;
use anyhow::{Context as _, Result, ensure};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A card's folder.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
}

impl Store {
    /// One that is there, or will be.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Writes a new card down. A card that is there stays.
    pub fn create(&self, made: &Made) -> Result<()> {
        let path = self.dir.join("made.json");
        ensure!(
            !path.exists(),
            "{}: there is a card already",
            path.display()
        );
        std::fs::create_dir_all(&self.dir).with_context(|| self.dir.display().to_string())?;
        self.remember(&Memory::new(made.tries))?;
        write(&path, &serde_json::to_vec_pretty(made)?)
    }

    pub fn made(&self) -> Result<Made> {
        read(&self.dir.join("made.json"))
    }

    pub fn memory(&self) -> Result<Memory> {
        read(&self.dir.join("memory.json"))
    }

    /// Has it remember this. Whole or not at all: a card is pulled out at any moment.
    pub fn remember(&self, memory: &Memory) -> Result<()> {
        let json = serde_json::to_vec_pretty(memory)?;
        write(&self.dir.join("memory.json"), &json)
    }

    /// Adds a line to the log.
    pub fn log(&self, line: &str) -> Result<()> {
        let path = self.dir.join("log");
        let mut options = std::fs::OpenOptions::new();
        let file = options.create(true).append(true).open(&path);
        let line = format!("{} {line}\n", boot_millis());
        let written = file.and_then(|mut f| f.write_all(line.as_bytes()));
        written.with_context(|| path.display().to_string())
    }
}

fn boot_millis() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&bytes).with_context(|| path.display().to_string())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let aside = path.with_extension("part");
    let written = std::fs::write(&aside, bytes).and_then(|()| std::fs::rename(&aside, path));
    written.with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_card_is_written_once_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path().join("card"));
        let made = Made::new("dongle", "123456", 3).unwrap();
        store.create(&made).unwrap();
        assert_eq!(store.memory().unwrap(), Memory::new(3));
        assert_eq!(
            store.made().unwrap().authentication.public,
            made.authentication.public
        );
        store.made().unwrap().personal().unwrap();
        let again = store.create(&made).unwrap_err().to_string();
        assert!(again.contains("there is a card already"), "{again}");
        let mut memory = Memory::new(3);
        memory.logins = 7;
        store.remember(&memory).unwrap();
        assert_eq!(store.memory().unwrap().logins, 7);
        store.log("login right").unwrap();
        store.log("signature 9a").unwrap();
        let log = std::fs::read_to_string(dir.path().join("card/log")).unwrap();
        assert_eq!(log.lines().count(), 2, "{log}");
    }

    #[test]
    fn a_pin_that_no_piv_card_takes_is_refused() {
        for pin in ["12345", "123456789", "heron-17", ""] {
            assert!(Made::new("x", pin, 3).is_err(), "{pin:?}");
        }
        assert!(Made::new("x", "123456", 0).is_err());
    }
}
