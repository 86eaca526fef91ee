//! Files that may be replaced while the process runs. They are told apart by what they hold:
//! Kubernetes swaps whole mounted folders, and times and inodes say little.

use crate::shutdown::Shutdown;
use ring::digest::{Context, SHA256};
use std::fmt::Display;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// No more of a file is looked at: nobody's mistake fills the memory.
const MOST: u64 = 16 * 1024 * 1024;

/// Files that are read anew when they change. What cannot be used is said once, and whoever follows
/// keeps the last good.
#[derive(Debug)]
pub struct Watched {
    what: &'static str,
    paths: Vec<PathBuf>,
    /// A digest, since some hold keys.
    seen: Option<Vec<u8>>,
}

impl Watched {
    /// Files whose first look reads them; `what` names them in the log.
    pub fn unread(what: &'static str, paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self {
            what,
            paths: paths.into_iter().collect(),
            seen: None,
        }
    }

    /// Files that are about to be read: the next look is the first that may find a change.
    pub fn read_now(what: &'static str, paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut all = Self::unread(what, paths);
        all.seen = Some(digest(&all.paths));
        all
    }

    /// What `read` makes of them, if they have changed. What it refuses is no change until they
    /// change again.
    pub fn look<T, E: Display>(&mut self, read: impl FnOnce() -> Result<T, E>) -> Option<T> {
        // Before they are read: what changes in between is found by the next look.
        let now = digest(&self.paths);
        if self.seen.as_ref() == Some(&now) {
            return None;
        }
        let anew = self.seen.replace(now).is_some();
        match read() {
            Ok(t) => {
                if anew {
                    tracing::info!(files = ?self.paths, "{} read anew", self.what);
                }
                Some(t)
            }
            Err(e) => {
                tracing::error!("new {} refused, the earlier ones stay: {e}", self.what);
                None
            }
        }
    }

    /// Looks at once and then every two seconds, until the process is asked to end.
    pub async fn follow<T, E: Display>(
        mut self,
        shutdown: Shutdown,
        read: impl Fn() -> Result<T, E>,
        take: impl Fn(T),
    ) {
        loop {
            self.look(&read).map(&take);
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = shutdown.asked() => return,
            }
        }
    }
}

fn digest(paths: &[PathBuf]) -> Vec<u8> {
    let mut all = Context::new(&SHA256);
    for path in paths {
        match contents(path) {
            Ok(data) => {
                all.update(&(data.len() as u64).to_be_bytes());
                all.update(&data);
            }
            // No length: what cannot be read differs from whatever can.
            Err(_) => all.update(&u64::MAX.to_be_bytes()),
        }
    }
    all.finish().as_ref().to_vec()
}

fn contents(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut data = Vec::new();
    File::open(path)?.take(MOST).read_to_end(&mut data)?;
    Ok(data)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::cell::Cell;
    use std::fs;

    #[test]
    fn files_are_read_when_they_change_and_a_bad_one_is_tried_once() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("n"), dir.path().join("m"));
        let tried = Cell::new(0);
        let number = || {
            tried.set(tried.get() + 1);
            fs::read_to_string(&path)
                .map_err(|e| e.to_string())?
                .parse::<u32>()
                .map_err(|e| e.to_string())
        };
        fs::write(&path, "1").unwrap();
        let mut known = Watched::read_now("a number", [path.clone()]);
        assert_eq!(known.look(number), None);
        let mut files = Watched::unread("two files", [path.clone(), other.clone()]);
        assert_eq!((files.look(number), files.look(number)), (Some(1), None));
        fs::write(&path, "2").unwrap();
        assert_eq!((files.look(number), known.look(number)), (Some(2), Some(2)));
        fs::write(&other, "").unwrap();
        assert_eq!(files.look(number), Some(2), "the other one came");
        fs::write(&path, "two").unwrap();
        let before = tried.get();
        assert_eq!((files.look(number), files.look(number)), (None, None));
        assert_eq!(tried.get(), before + 1);
        fs::remove_file(&path).unwrap();
        assert_eq!(files.look(number), None);
        fs::write(&path, "2").unwrap();
        assert_eq!(files.look(number), Some(2));
    }
}
