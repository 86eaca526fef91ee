//! Files of public keys: one a line, `#` begins a comment; a folder of such files works too, as a
//! mounted ConfigMap is one.

use mooring_core::license::PublicKey;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}; expected a line \"ed25519:‹64 hex digits›\" for each key")]
pub(crate) struct BadKeys {
    path: PathBuf,
    problem: String,
}

/// Reads the keys of a file, or of each file of a folder; at least one.
pub(crate) fn read(path: &Path) -> Result<Vec<PublicKey>, BadKeys> {
    let bad = |path: &Path, problem: String| BadKeys {
        path: path.to_owned(),
        problem,
    };
    let io = |e: std::io::Error| bad(path, e.to_string());
    let mut files = Vec::new();
    if std::fs::metadata(path).map_err(io)?.is_dir() {
        for e in std::fs::read_dir(path).map_err(io)? {
            let p = e.map_err(io)?.path();
            // A mounted ConfigMap has folders and links whose names begin with "..".
            let hidden = |n: &OsStr| n.as_encoded_bytes().starts_with(b".");
            if !p.file_name().is_some_and(hidden) && p.is_file() {
                files.push(p);
            }
        }
        files.sort();
    } else {
        files.push(path.to_owned());
    }
    let mut keys = Vec::new();
    for f in files {
        let text = std::fs::read_to_string(&f).map_err(|e| bad(&f, e.to_string()))?;
        for (i, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.contains("PRIVATE KEY") {
                let problem =
                    "a private key, which belongs to who issues; put its public half here";
                return Err(bad(&f, problem.to_owned()));
            }
            if !line.is_empty() {
                let key = line.parse();
                keys.push(key.map_err(|e| bad(&f, format!("line {}: {e}", i + 1)))?);
            }
        }
    }
    if keys.is_empty() {
        Err(bad(path, "no key in it".into()))
    } else {
        Ok(keys)
    }
}
