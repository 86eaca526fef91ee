//! Writing so that a crash leaves either the old file or the new one: of the machine, or, for what
//! means nothing after its next boot, of a process.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Replaces a file in one step; nobody but its owner may read it. Once this returns the new one
/// stays.
///
/// What a crash leaves half written is beside it, with the extension `new`.
pub fn replace(path: &Path, data: &[u8]) -> io::Result<()> {
    let (aside, file) = beside(path, data)?;
    // The data before the name: otherwise the name could stand for an empty file after a loss of
    // power.
    file.sync_all()?;
    fs::rename(&aside, path)?;
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

/// The same for processes of this boot alone: no disk is waited for, and after a loss of power
/// there may be an older file, an empty one or none.
pub fn replace_in_boot(path: &Path, data: &[u8]) -> io::Result<()> {
    let (aside, _) = beside(path, data)?;
    fs::rename(&aside, path)
}

fn beside(path: &Path, data: &[u8]) -> io::Result<(PathBuf, File)> {
    let aside = path.with_extension("new");
    // A leftover may have another owner's mode; a new file has the one given here.
    let _ = fs::remove_file(&aside);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(&aside)?;
    file.write_all(data)?;
    Ok((aside, file))
}

/// [`replace`] with JSON.
pub fn replace_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    replace(path, &serde_json::to_vec(value)?)
}

/// Reads JSON that was kept; `None` if there is no such file. Of a damaged one the error's kind is
/// [`InvalidData`](io::ErrorKind::InvalidData).
pub fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(json) => serde_json::from_slice(&json)
            .map(Some)
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
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
        for (how, text) in [
            (replace as fn(&Path, &[u8]) -> _, "one"),
            (replace_in_boot, "two"),
        ] {
            how(&path, text.as_bytes()).unwrap();
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
