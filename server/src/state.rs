//! The numbers that a restart should not lose, kept in `stateDir`.
//!
//! The longest lease ever granted is raised, durably, before a longer lease is granted. So whoever
//! reads it after a crash never settles for less than the longest lease that may still be out. And
//! the run's generation orders tickets of several runs, also where the wall clock was set back.

use mooring_core::ledger::generation;
use mooring_core::time::Timestamp;
use mooring_net::durable;
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
#[error(
    "configuration field stateDir: {path}: {problem}; expected a folder this process may write to"
)]
pub(crate) struct StateError {
    path: PathBuf,
    problem: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Longest {
    longest_lease_secs: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Generation {
    generation: u64,
}

/// The generation of a run that begins now, kept for the next one. Where it was lost, or is
/// damaged, there is nothing but the clock.
pub(crate) fn next_generation(dir: &Path, wall: Timestamp) -> Result<u64, StateError> {
    let path = dir.join("generation.json");
    let before = durable::read_json::<Generation>(&path).unwrap_or_else(|e| {
        tracing::warn!(file = %path.display(), error = %e, "the generation of the run before is unknown");
        None
    });
    let generation = generation(before.map(|g| g.generation), wall);
    let kept = durable::replace_json(&path, &Generation { generation });
    kept.map_err(|e| StateError {
        path,
        problem: e.to_string(),
    })?;
    Ok(generation)
}

#[derive(Debug)]
pub(crate) struct LongestLease {
    path: PathBuf,
    known: Option<u64>,
}

impl LongestLease {
    /// Reads what an earlier run kept. A damaged file counts as unknown, which settles for the
    /// longest there can be.
    pub(crate) fn open(dir: &Path) -> Result<Self, StateError> {
        let bad = |problem: String| StateError {
            path: dir.to_owned(),
            problem,
        };
        std::fs::create_dir_all(dir).map_err(|e| bad(e.to_string()))?;
        let path = dir.join("longest-lease.json");
        let known = match durable::read_json::<Longest>(&path) {
            Ok(kept) => kept.map(|l| l.longest_lease_secs),
            Err(e) if e.kind() == ErrorKind::InvalidData => {
                tracing::warn!(file = %path.display(), error = %e, "the longest earlier lease is unknown: the file is damaged");
                None
            }
            Err(e) => return Err(bad(format!("longest-lease.json: {e}"))),
        };
        Ok(Self { path, known })
    }

    pub(crate) fn known(&self) -> Option<Duration> {
        self.known.map(Duration::from_secs)
    }

    /// Makes sure that at least `lease` is kept before such a lease is granted.
    pub(crate) fn raise(&mut self, lease: Duration) -> Result<(), StateError> {
        if self.known.is_some_and(|k| k >= lease.as_secs()) {
            Ok(())
        } else {
            self.write(lease)
        }
    }

    /// Keeps exactly `lease`: right only once every longer lease of earlier runs has run out.
    pub(crate) fn lower(&mut self, lease: Duration) -> Result<(), StateError> {
        if self.known == Some(lease.as_secs()) {
            Ok(())
        } else {
            self.write(lease)
        }
    }

    fn write(&mut self, lease: Duration) -> Result<(), StateError> {
        let longest_lease_secs = lease.as_secs();
        let kept = durable::replace_json(&self.path, &Longest { longest_lease_secs });
        kept.map_err(|e| StateError {
            path: self.path.clone(),
            problem: e.to_string(),
        })?;
        self.known = Some(longest_lease_secs);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const fn s(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_run_is_later_than_the_one_before_it_also_when_the_clock_was_set_back() {
        let dir = tempfile::tempdir().unwrap();
        let at = |ms| next_generation(dir.path(), Timestamp::from_millisecond(ms).unwrap());
        assert_eq!(at(5_000).unwrap(), 5_000);
        assert_eq!(at(1_000).unwrap(), 5_001);
        assert_eq!(at(9_000).unwrap(), 9_000);
        std::fs::write(dir.path().join("generation.json"), "{").unwrap();
        assert_eq!(at(1_000).unwrap(), 1_000, "a damaged one is none");
    }

    #[test]
    fn the_number_is_raised_kept_and_lowered() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("made");
        let mut l = LongestLease::open(&dir).unwrap();
        assert_eq!(l.known(), None);
        l.raise(s(60)).unwrap();
        l.raise(s(30)).unwrap();
        assert_eq!(LongestLease::open(&dir).unwrap().known(), Some(s(60)));
        l.lower(s(30)).unwrap();
        assert_eq!(LongestLease::open(&dir).unwrap().known(), Some(s(30)));
        std::fs::write(dir.join("longest-lease.json"), "{").unwrap();
        assert_eq!(LongestLease::open(&dir).unwrap().known(), None);
    }
}
