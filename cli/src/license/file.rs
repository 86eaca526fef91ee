//! Files: small ones read whole, new ones written without ever taking the place of another by
//! accident.

use anyhow::{Context as _, anyhow, bail};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The largest file that is read, in MiB: above any license, order or key.
const MAX_MIB: u64 = 8;

/// Reads a text; `-` is standard input.
pub fn read(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let mut source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?)
    };
    let most = MAX_MIB * 1024 * 1024;
    let read = source.by_ref().take(most + 1).read_to_string(&mut text);
    let n = read.with_context(|| format!("cannot read {} as text", path.display()))?;
    if n as u64 > most {
        bail!(
            "{}: larger than {MAX_MIB} MiB; expected a license, an order, a key or an anchor description",
            path.display()
        );
    }
    Ok(text)
}

/// Reads a text that holds no secret. A private key named by mistake is refused before a parser can
/// quote it in an error.
pub fn read_public(path: &Path) -> anyhow::Result<String> {
    let text = read(path)?;
    if text.contains("PRIVATE KEY-----") {
        bail!(
            "{}: a private key, which does not belong here; is it meant for --key?",
            path.display()
        );
    }
    Ok(text)
}

fn there_already(path: &Path) -> anyhow::Error {
    let path = path.display();
    anyhow!("{path} is there already, and is not overwritten; name another file, or move it away")
}

/// Refuses if there is such a file already: before work is done that cannot be undone.
pub fn must_be_new(path: &Path) -> anyhow::Result<()> {
    match path.symlink_metadata() {
        Ok(_) => Err(there_already(path)),
        Err(_) => Ok(()),
    }
}

/// Writes a new file with these permissions; refuses if there is one already.
pub fn create(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let mut new = OpenOptions::new();
    new.write(true).create_new(true).mode(mode);
    let mut file = match new.open(path) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => return Err(there_already(path)),
        made => made.with_context(|| format!("cannot write {}", path.display()))?,
    };
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a key or license helps nobody, and would block the next try.
        let _ = fs::remove_file(path);
    }
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a file in one step, in the place of another if there is one.
pub fn replace(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = path.with_file_name(name);
    create(&beside, text, mode)?;
    let moved = fs::rename(&beside, path);
    if moved.is_err() {
        let _ = fs::remove_file(&beside);
    }
    moved.with_context(|| format!("cannot write {}", path.display()))
}
