//! What the server and its anchor worker say to each other: one JSON document a line, one answer to
//! each question, in order.

use super::Lost;
use mooring_core::license::PublicKey;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The server's questions.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Ask {
    /// Load the module and find the token.
    Open {
        /// The module.
        module: PathBuf,
        /// The token's label.
        token_label: String,
        /// The license's keys, the best first: of several tokens with this label the one that has
        /// them is meant.
        #[serde(default)]
        wanted: Vec<PublicKey>,
    },
    /// Log in; asked at most once of a worker.
    Login {
        /// The PIN. It goes through the pipe, never through arguments or environment.
        pin: String,
    },
    /// List the keys that can sign.
    Keys,
    /// Sign.
    Sign {
        /// With which.
        key: PublicKey,
        /// What, in hex.
        message: String,
    },
    /// Is the token still there, with this key?
    Probe {
        /// Which; none before one was chosen.
        key: Option<PublicKey>,
    },
}

impl std::fmt::Debug for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Ask {
    /// Its name, for people: carries neither PIN nor message.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Open { .. } => "open the module",
            Self::Login { .. } => "log in",
            Self::Keys => "list its keys",
            Self::Sign { .. } => "sign",
            Self::Probe { .. } => "say whether the token is there",
        }
    }
}

/// How often a wrong PIN may still be tried, as far as the token says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Tries {
    /// More than once, or it does not say.
    #[default]
    Several,
    /// Once.
    Last,
    /// It has locked itself.
    Locked,
}

/// The worker's answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(
    tag = "answer",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub(crate) enum Answer {
    /// Done.
    Done,
    /// The token was found.
    Found {
        /// Whether it wants a PIN.
        login_required: bool,
        /// The public keys that it shows to anybody.
        #[serde(default)]
        shown: Vec<PublicKey>,
        /// How near it is to locking itself.
        #[serde(default)]
        tries: Tries,
    },
    /// The keys that can sign.
    Keys {
        /// Their public halves.
        keys: Vec<PublicKey>,
    },
    /// Signed.
    Signed {
        /// The signature in hex; for P-256 r ‖ s.
        signature: String,
    },
    /// The token refused the login, or may have: it must not be tried again with this PIN.
    Rejected {
        /// The token's word.
        problem: String,
    },
    /// Anything else that went wrong.
    Failed(Lost),
}
