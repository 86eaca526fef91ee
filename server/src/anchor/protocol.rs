//! What the server and its anchor worker say to each other: one JSON document a line, one answer to
//! each question, in order.

use super::Lost;
use mooring_core::license::PublicKey;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Ask {
    Open(OpenToken),
    /// Log in; asked at most once of a worker.
    Login {
        /// The PIN. It goes through the pipe, never through arguments or environment.
        pin: String,
    },
    Keys,
    Sign {
        key: PublicKey,
        /// In hex.
        message: String,
    },
    /// Is the token still there, with this key?
    Probe {
        /// Which; none before one was chosen.
        key: Option<PublicKey>,
    },
}

/// Load the module and find the token.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OpenToken {
    pub(crate) module: PathBuf,
    pub(crate) token_label: String,
    /// The license's keys, the best first: of several tokens with this label the one that has
    /// them is meant.
    #[serde(default)]
    pub(crate) wanted: Vec<PublicKey>,
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
            Self::Open(_) => "open the module",
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
    Last,
    /// It has locked itself.
    Locked,
}

/// The token was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Found {
    pub(crate) login_required: bool,
    /// The public keys that it shows to anybody.
    #[serde(default)]
    pub(crate) shown: Vec<PublicKey>,
    /// How near it is to locking itself.
    #[serde(default)]
    pub(crate) tries: Tries,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(
    tag = "answer",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub(crate) enum Answer {
    Done,
    Found(Found),
    /// The public halves of the keys that can sign.
    Keys {
        keys: Vec<PublicKey>,
    },
    Signed {
        /// The signature in hex; for P-256 r ‖ s.
        signature: String,
    },
    /// The token refused the login, or may have: it must not be tried again with this PIN.
    Rejected {
        problem: String,
    },
    /// Anything else that went wrong.
    Failed(Lost),
}
