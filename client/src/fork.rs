//! Which process a seat belongs to: a forked child has copies of its parent's memory and connections, and no seat.

use rustix::process::{Pid, getpid};

/// The process in which something was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin(Pid);

impl Origin {
    /// This process.
    pub(crate) fn here() -> Self {
        Self(getpid())
    }

    /// Whether this is another process: a child that was forked since.
    pub(crate) fn is_elsewhere(self) -> bool {
        getpid() != self.0
    }
}
