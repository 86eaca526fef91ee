//! Holds a history against the promises of design/protocol.md. It imports neither state machine.

use crate::history::{At, Broken};

/// The checker.
#[derive(Debug, Default)]
pub struct Checker {}

impl Checker {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next fact; the first promise that it breaks, if any.
    ///
    /// # Errors
    /// The promise that is broken.
    pub fn see(&mut self, _fact: &At) -> Result<(), Broken> {
        Ok(())
    }

    /// How often each promise was put to the test.
    pub fn seen(&self) -> &Seen {
        &Seen
    }
}

/// Counters.
#[derive(Debug)]
pub struct Seen;

impl Seen {
    /// Each counter with its name.
    pub fn each(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}
