//! What the server and its anchor worker say to each other: one JSON document a line, one answer to
//! each question, in order; no line is longer than [`MOST`].

use super::Lost;
use mooring_core::cut::cut;
use mooring_core::license::PublicKey;
use mooring_core::pin::{self, NoPin};
use serde::{Deserialize, Serialize};
use std::io::{Error, ErrorKind, Read, Result};
use std::path::PathBuf;
use zeroize::{Zeroize, Zeroizing};

/// The longest line, with its end. A delegation, in hex, and a hundred keys are some kilobytes.
pub const MOST: usize = 256 << 10;

#[derive(Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Ask {
    Open(OpenToken),
    /// Log in; asked at most once of a worker.
    Login {
        /// It goes through the pipe, never through arguments or environment.
        pin: Pin,
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
pub struct OpenToken {
    pub module: PathBuf,
    pub token_label: String,
    /// The license's keys, the best first: of several tokens with this label the one that has
    /// them is meant.
    #[serde(default)]
    pub wanted: Vec<PublicKey>,
    /// Files and folders that the module may not read.
    #[serde(default)]
    pub secrets: Vec<PathBuf>,
}

/// A PIN: wiped once it is dropped, printed by nobody.
#[derive(Serialize, Deserialize)]
#[serde(from = "String")]
pub struct Pin(#[serde(serialize_with = "bare")] Zeroizing<String>);

fn bare<S: serde::Serializer>(
    pin: &Zeroizing<String>,
    to: S,
) -> std::result::Result<S::Ok, S::Error> {
    to.serialize_str(pin)
}

impl From<String> for Pin {
    fn from(pin: String) -> Self {
        Self(Zeroizing::new(pin))
    }
}

impl Pin {
    /// The PIN in a file.
    pub fn in_file(content: &[u8]) -> std::result::Result<Self, NoPin> {
        pin::in_file(content).map(|pin| pin.to_owned().into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Ask {
    /// As it is sent; wiped like what it carries, and never moved while it grows.
    pub fn line(&self) -> Result<Zeroizing<Vec<u8>>> {
        let mut line = Zeroizing::new(Vec::with_capacity(MOST));
        serde_json::to_writer(&mut *line, self)?;
        line.push(b'\n');
        if line.len() > MOST {
            let m = format!(
                "a question of {} bytes, expected at most {MOST}",
                line.len()
            );
            return Err(Error::other(m));
        }
        Ok(line)
    }

    /// Its name, for people: carries neither PIN nor message.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Open(_) => "open the module",
            Self::Login { .. } => "log in",
            Self::Keys => "list its keys",
            Self::Sign { .. } => "sign",
            Self::Probe { .. } => "say whether the token is there",
        }
    }
}

/// How often a wrong PIN may still be tried, as far as the token says; the worse the greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Tries {
    /// More than once, or it does not say.
    #[default]
    Several,
    /// More than once, and it was shown a wrong one since the last good login.
    SomeUsed,
    Last,
    /// It has locked itself.
    Locked,
}

/// The token was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    pub login_required: bool,
    /// The public keys that it shows to anybody.
    #[serde(default)]
    pub shown: Vec<PublicKey>,
    /// How near it is to locking itself.
    #[serde(default)]
    pub tries: Tries,
    /// Its serial number; empty if it has none.
    #[serde(default)]
    pub serial: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(
    tag = "answer",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Answer {
    Done,
    /// Logged in, by an earlier login: this PIN was compared with nothing.
    LoggedIn,
    Found(Found),
    /// The public halves of the keys that can sign.
    Keys {
        keys: Vec<PublicKey>,
    },
    Signed {
        /// The signature in hex; for P-256 r ‖ s.
        signature: String,
    },
    /// The token says that the PIN is wrong: it must not be tried again.
    Rejected {
        problem: String,
    },
    /// The login failed, and the PIN may be wrong: some cards report that as a general error.
    Unclear {
        problem: String,
    },
    /// Anything else that went wrong.
    Failed(Lost),
}

impl Answer {
    /// One line, as it came.
    pub fn read(line: &[u8]) -> Result<Self> {
        match line {
            [] => Err(Error::other("end of its output")),
            [text @ .., b'\n'] => {
                serde_json::from_slice(text).map_err(|e| Error::other(cut(e.to_string())))
            }
            cut if cut.len() >= MOST => {
                let m = format!("an answer of more than {MOST} bytes");
                Err(Error::other(m))
            }
            _ => Err(Error::other("an answer without an end")),
        }
    }
}

/// Reads questions, a line each, through a buffer of its own, which is wiped: the standard
/// library's is not.
pub struct Questions<R> {
    from: R,
    buffer: Zeroizing<Vec<u8>>,
    filled: usize,
}

impl<R: Read> Questions<R> {
    pub fn new(from: R) -> Self {
        let buffer = Zeroizing::new(vec![0; MOST]);
        Self {
            from,
            buffer,
            filled: 0,
        }
    }

    /// The next question; none at the end.
    pub fn take(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>> {
        loop {
            let (full, room) = self.buffer.split_at_mut(self.filled);
            if let Some(end) = full.iter().position(|b| *b == b'\n') {
                let (line, rest) = full.split_at_mut(end + 1);
                let line = Zeroizing::new(line.to_vec());
                let left = rest.len();
                self.buffer.copy_within(line.len()..self.filled, 0);
                let freed = self.buffer.get_mut(left..self.filled);
                freed.into_iter().for_each(Zeroize::zeroize);
                self.filled = left;
                return Ok(Some(line));
            }
            if room.is_empty() {
                let m = format!("a question of more than {MOST} bytes");
                return Err(Error::other(m));
            }
            match self.from.read(room) {
                Ok(0) => return Ok(None),
                Ok(n) => self.filled += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}

#[cfg(test)]
mod tests;
