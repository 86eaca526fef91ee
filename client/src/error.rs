//! What can go wrong, and what to do about it.

use crate::watch::Why;
use mooring_core::license::{VerifyError, VoucherError};
use mooring_core::wire::{HoldState, Problem};
use rustix::io::Errno;
use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// What a claim's name, what a product's, and what a version may be.
#[doc(hidden)]
pub const NAME: &str = "1 to 63 of a-z, 0-9, '-', '_' and '.', a letter or digit first and last";
#[doc(hidden)]
pub const PRODUCT: &str = "1 to 64 of letters, digits, '.', '_', '+' and '-', a letter, a digit or '_' first, not digits alone";
#[doc(hidden)]
pub const VERSION: &str =
    "1 to 32 of letters, digits, '.', '-', '_' and '+', a digit first or after one letter";

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the application passed is malformed.
    #[error("{field} {value:?}: expected {expected}")]
    Argument {
        /// Which setting or argument.
        field: &'static str,
        /// Its value.
        value: String,
        /// What was expected.
        expected: String,
    },
    /// There is no sidecar at the socket.
    #[error(
        "no Mooring sidecar at {}: {problem}; is the pod annotated with mooring.dev/licenses, and this container \
         among mooring.dev/containers if that is set?",
        socket.display()
    )]
    NoSidecar {
        /// Where it should be.
        socket: PathBuf,
        /// The system's word.
        problem: String,
    },
    /// The sidecar did not answer in time.
    #[error("the sidecar did not answer {path} within {after:?}")]
    Timeout {
        /// What was asked.
        path: String,
        /// How long was waited.
        after: Duration,
    },
    /// The connection broke, or ended early.
    #[error("the sidecar's connection broke: {0}")]
    Broken(String),
    /// The answer is not what the protocol says.
    #[error("the sidecar's answer to {path} cannot be read: {problem}")]
    Answer {
        /// What was asked.
        path: String,
        /// What is wrong with the answer.
        problem: String,
    },
    /// The sidecar, or the license server behind it, said no.
    #[error("{0}")]
    Problem(#[from] Problem),
    /// The application is not licensed now.
    #[error("not licensed, {state}: {why}")]
    NotLicensed {
        /// The claim's state.
        state: HoldState,
        /// Why, in words.
        why: String,
    },
    /// The sidecar says that the application may run, but there is no token to prove it: it started
    /// without contact and no license server has been reached since. The application's own code
    /// decides what that is worth.
    #[error("nothing to verify yet, {state}: {why}")]
    Unproven {
        /// The claim's state, a licensed one.
        state: HoldState,
        /// How long the sidecar says it may go on.
        remaining: Duration,
        /// Why there is no token, in words.
        why: String,
    },
    /// The token does not verify.
    #[error("{0}")]
    Verify(#[from] VerifyError),
    /// The voucher that the sidecar was given does not permit a start.
    #[error("{0}")]
    Voucher(#[from] VoucherError),
    /// The token verifies, and is not for this seat.
    #[error("{why}: {detail}")]
    Disbelieved {
        /// What is wrong with it.
        why: Why,
        /// What it is for.
        detail: String,
    },
    /// This process was forked from the one that began.
    #[error("this process was forked, and the seat is its parent's; take a seat in the child")]
    Forked,
}

impl Error {
    /// What was passed is cut to what people can read.
    #[doc(hidden)]
    pub fn argument(field: &'static str, value: &str, expected: impl Into<String>) -> Self {
        Self::Argument {
            field,
            value: value.chars().take(80).collect(),
            expected: expected.into(),
        }
    }

    #[doc(hidden)]
    pub fn answer(path: &str, problem: impl fmt::Display) -> Self {
        Self::Answer {
            path: path.to_owned(),
            problem: problem.to_string(),
        }
    }

    #[doc(hidden)]
    pub fn system(e: Errno) -> Self {
        Self::Broken(std::io::Error::from(e).to_string())
    }

    pub(crate) fn timeout(path: &str, after: Duration) -> Self {
        let path = path.to_owned();
        Self::Timeout { path, after }
    }

    /// What an answer without success says: a problem, or something that is none.
    pub(crate) fn of_answer(path: &str, status: u16, body: &[u8]) -> Self {
        match serde_json::from_slice::<Problem>(body) {
            Ok(p) => Self::Problem(p),
            Err(e) => {
                let problem = format!("status {status} without a problem that is understood: {e}");
                Self::answer(path, problem)
            }
        }
    }

    /// A short reason, the same in every client library: what [`VerifyError::reason`] says of a
    /// chain, the name of a [`Why`] or of a claim's state, the kind of a problem as the protocol
    /// writes it, or this error's own name.
    pub fn reason(&self) -> Cow<'static, str> {
        match self {
            Self::Argument { .. } => "Argument".into(),
            Self::NoSidecar { .. } => "NoSidecar".into(),
            Self::Timeout { .. } => "Timeout".into(),
            Self::Broken(_) => "Broken".into(),
            Self::Answer { .. } => "Answer".into(),
            Self::Problem(p) => p.kind.name().into(),
            Self::NotLicensed { state, .. } => state.to_string().into(),
            Self::Unproven { .. } => Why::Unproven.name().into(),
            Self::Verify(e) => e.reason().into(),
            Self::Voucher(e) => e.reason().into(),
            Self::Disbelieved { why, .. } => why.name().into(),
            Self::Forked => Why::Forked.name().into(),
        }
    }
}
