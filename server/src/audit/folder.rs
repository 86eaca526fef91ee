//! The files of the log: `audit-‹number of the first record›.jsonl`, so that their names are in
//! their order. Only the newest is written; the oldest is deleted when there are too many.
//!
//! A file ends in a whole line, or in what a crash left of one: that is cut off before the next
//! record, which says so.

use mooring_config::AuditLog;
use mooring_core::audit::{ChainEnd, Fact, recover};
use mooring_core::names::InstanceId;
use mooring_core::time::Timestamp;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// How much of the newest file is read to see where it ends: many records.
const TAIL: u64 = 256 * 1024;

const PREFIX: &str = "audit-";
const SUFFIX: &str = ".jsonl";

pub(super) struct Folder {
    path: PathBuf,
    limits: AuditLog,
    open: Option<Open>,
}

/// What is there to write to.
struct Open {
    /// Kept locked, so that no two processes write one chain.
    _lock: File,
    /// The newest file, and its length; none before the first record.
    file: Option<(File, u64)>,
    end: ChainEnd,
    /// So many bytes were cut off, and no record says so yet.
    torn: u64,
}

/// What was found when the folder was opened.
#[derive(Debug, Default)]
pub(super) struct Opened {
    /// The line that the log goes on from; only the first time.
    pub(super) last: Option<String>,
    /// So many bytes were cut off, and no record says so yet.
    pub(super) torn: u64,
}

impl Folder {
    pub(super) fn new(path: &Path, limits: AuditLog) -> Self {
        Self {
            path: path.to_owned(),
            limits,
            open: None,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it, if that is not done yet.
    pub(super) fn open(&mut self) -> io::Result<Opened> {
        let mut opened = Opened::default();
        if self.open.is_none() {
            let (open, last) = self.go_on()?;
            self.open = Some(open);
            opened.last = last;
        }
        opened.torn = self.open.as_ref().map_or(0, |o| o.torn);
        Ok(opened)
    }

    /// A record says what was cut off.
    pub(super) fn torn_is_told(&mut self) {
        if let Some(open) = &mut self.open {
            open.torn = 0;
        }
    }

    /// Finds where the log ended, and cuts off what is half written.
    fn go_on(&self) -> io::Result<(Open, Option<String>)> {
        let mut folder = DirBuilder::new();
        folder.recursive(true).mode(0o700).create(&self.path)?;
        let lock =
            private(OpenOptions::new().create(true).append(true)).open(self.path.join("lock"))?;
        lock.try_lock().map_err(|e| match e {
            fs::TryLockError::Error(e) => e,
            fs::TryLockError::WouldBlock => io::Error::other("another process writes there"),
        })?;
        let mut open = Open {
            _lock: lock,
            file: None,
            end: ChainEnd::default(),
            torn: 0,
        };
        let mut files = self.files()?;
        while let Some((first, path)) = files.pop() {
            let mut file = private(OpenOptions::new().read(true).append(true)).open(&path)?;
            let len = file.metadata()?.len();
            let found = recover(first.saturating_sub(1), &tail(&mut file, len)?);
            let torn = found.torn as u64;
            open.torn += torn;
            // A crash has come before its first record: the log ends in the file before.
            if torn == len && !files.is_empty() {
                fs::remove_file(path)?;
                continue;
            }
            if torn > 0 {
                file.set_len(len - torn)?;
            }
            (open.file, open.end) = (Some((file, len - torn)), found.end);
            return Ok((open, found.last));
        }
        Ok((open, None))
    }

    /// The files that are there, oldest first, with the number of their first record.
    fn files(&self) -> io::Result<Vec<(u64, PathBuf)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|n| n.to_str());
            let number = name.and_then(|n| n.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
            if let Some(first) = number.and_then(|n| n.parse().ok()) {
                files.push((first, path));
            }
        }
        files.sort();
        Ok(files)
    }

    /// Writes a record, and gives its line. After an error nothing of it is there.
    pub(super) fn append(
        &mut self,
        at: Timestamp,
        run: InstanceId,
        fact: Fact,
    ) -> io::Result<String> {
        let Some(open) = &self.open else {
            return Err(io::Error::other("it is not open"));
        };
        let (line, end) = open.end.seal(at, run, fact)?;
        let bytes = format!("{line}\n").into_bytes();
        self.make_room(end.seq, bytes.len() as u64)?;
        let open = self.open.as_mut();
        let Some((open, (file, len))) = open.and_then(|o| Some((&mut o.end, o.file.as_mut()?)))
        else {
            return Err(io::Error::other("it is not open"));
        };
        if let Err(e) = file.write_all(&bytes) {
            // A part may be there. Whatever cannot be taken back now is cut off when it is opened
            // anew.
            if file.set_len(*len).is_err() {
                self.open = None;
            }
            return Err(e);
        }
        *len += bytes.len() as u64;
        *open = end;
        Ok(line)
    }

    /// Begins the next file, the first record of which has this number, where the newest is full.
    fn make_room(&mut self, number: u64, more: u64) -> io::Result<()> {
        let full = u64::from(self.limits.max_file_size);
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        if let Some((file, len)) = &open.file {
            if *len == 0 || len + more <= full {
                return Ok(());
            }
            file.sync_data()?;
        }
        // The oldest goes first: a full disk may have room for the next one only then.
        let mut files = self.files()?;
        let most = usize::from(self.limits.files).max(2) - 1;
        for (_, oldest) in files.drain(..files.len().saturating_sub(most)) {
            fs::remove_file(oldest)?;
        }
        let path = self.path.join(format!("{PREFIX}{number:012}{SUFFIX}"));
        let file = private(OpenOptions::new().create(true).append(true)).open(path)?;
        let len = file.metadata()?.len();
        if let Some(open) = &mut self.open {
            open.file = Some((file, len));
        }
        Ok(())
    }

    /// Makes what was written outlast a loss of power.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let file = self.open.as_ref().and_then(|o| o.file.as_ref());
        file.map_or(Ok(()), |(file, _)| file.sync_data())
    }
}

/// The end of a file, from the beginning of a line on.
fn tail(file: &mut File, len: u64) -> io::Result<Vec<u8>> {
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(len.saturating_sub(TAIL)))?;
    file.take(len.min(TAIL)).read_to_end(&mut tail)?;
    if len > TAIL
        && let Some(i) = tail.iter().position(|b| *b == b'\n')
    {
        tail.drain(..=i);
    }
    Ok(tail)
}

/// For the process' own user alone.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600)
}
