//! The hash by which a line names another.

use crate::secret::{bytes_as_text, sha256, text_of};
use serde::Serialize;
use std::fmt;

/// The SHA-256 of a line's bytes, without its newline: 43 characters of base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(into = "String")]
pub struct LineHash([u8; 32]);

bytes_as_text!(LineHash);

impl LineHash {
    pub fn of(line: &[u8]) -> Self {
        Self(sha256(line))
    }
}

impl fmt::Display for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text_of(&self.0))
    }
}

impl fmt::Debug for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
