//! Writing so that a crash, also of the machine, leaves either the old file or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Replaces a file in one step; nobody but its owner may read it. Once this returns the new one
/// stays.
///
/// What a crash leaves half written is beside it, with the extension `new`.
pub fn replace(path: &Path, data: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("new");
    // A leftover may have another owner's mode; a new file has the one given here.
    let _ = fs::remove_file(&aside);
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&aside)?;
    // The data before the name: otherwise the name could stand for an empty file after a loss of
    // power.
    file.write_all(data)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_file_is_replaced_whatever_a_crash_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        fs::write(dir.path().join("state.new"), "half").unwrap();
        for text in ["one", "two"] {
            replace(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(!dir.path().join("state.new").exists());
        assert!(replace(&dir.path().join("none/state.json"), b"x").is_err());
    }
}
