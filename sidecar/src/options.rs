//! Words that the arguments and several parts share, below all of them.

/// The hidden subcommand that becomes the application of `exec`.
pub(crate) const APP: &str = "app-of-exec";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// In a pod.
    Run,
    /// One application elsewhere.
    Exec,
    /// A machine elsewhere.
    Agent,
}

impl Mode {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Exec => "exec",
            Self::Agent => "agent",
        }
    }
}
