//! What a machine says of itself, for anchors that are no tokens: read by the license server, by
//! `mooring license anchor`, and by whoever looks for the node that has a license's device.
//!
//! Reading is thin and takes the folder to read from; judging what was read is pure.

pub mod hwid;
pub mod usb;

use std::path::{Path, PathBuf};

/// Something that must be read cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}")]
pub struct Unreadable {
    pub path: PathBuf,
    pub error: std::io::Error,
}

impl Unreadable {
    fn new(path: &Path, error: std::io::Error) -> Self {
        Self {
            path: path.to_owned(),
            error,
        }
    }
}

/// A small file's text, trimmed. `None` if there is no such file, or its device went away while it
/// was read.
fn text(path: &Path) -> Result<Option<String>, Unreadable> {
    match std::fs::read(path) {
        Ok(b) => Ok(Some(String::from_utf8_lossy(&b).trim().to_owned())),
        Err(e) if is_gone(&e) => Ok(None),
        Err(e) => Err(Unreadable::new(path, e)),
    }
}

/// What sysfs says of things that are not there, or no longer (ENODEV, ENXIO).
fn is_gone(e: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(e.kind(), NotFound | NotADirectory) || matches!(e.raw_os_error(), Some(6 | 19))
}
