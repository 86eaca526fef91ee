//! The document as it is written and read, wherever it lies.

use mooring_core::kept::Kept;
use mooring_core::names::InstanceId;
use serde::{Deserialize, Serialize};

/// Its name in a folder, and in the Secret's data.
pub(super) const STATE_FILE: &str = "state.json";

/// The document as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    /// The run that wrote it last.
    pub(super) written_by: InstanceId,
    pub(super) kept: Kept,
}

/// What lies there.
#[derive(Debug)]
pub(super) enum Stored {
    /// Nothing was ever written.
    Nothing,
    Document(Document),
    /// Something that is no such document, and why.
    Damaged(String),
}

impl Stored {
    pub(super) fn read(json: &[u8]) -> Self {
        let read = serde_json::from_slice(json);
        read.map_or_else(|e| Self::Damaged(e.to_string()), Self::Document)
    }
}

/// Why the document was not written.
#[derive(Debug)]
pub(super) enum NotWritten {
    /// Another one was, since it was read.
    Conflict,
    /// In words that say what to do. Whether it lies there all the same, nobody knows.
    Failed(String),
}
