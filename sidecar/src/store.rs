//! What outlives a crash of the sidecar: one file a claim in the state directory, which no other container sees.
//!
//! Saved before anything is sent that depends on it, in one step: after a crash there is the old file or the new one.

use mooring_core::holder::Saved;
use mooring_core::names::ClaimName;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// What is wrong with the state directory.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}: {error}", path.display())]
pub(crate) struct StoreError {
    what: &'static str,
    path: PathBuf,
    error: std::io::Error,
}

#[derive(Serialize, Deserialize)]
struct Document<T> {
    /// The boot whose clock the readings within are of.
    boot: String,
    claim: T,
}

/// One claim's file.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    dir: PathBuf,
    file: PathBuf,
    fresh: PathBuf,
    boot: String,
}

impl Store {
    /// The file of this claim. `boot` names the present boot: readings of an earlier boot's clock mean nothing now.
    pub(crate) fn new(dir: &Path, claim: &ClaimName, boot: String) -> Self {
        let file = dir.join(format!("claim-{claim}.json"));
        Self {
            dir: dir.to_owned(),
            fresh: file.with_extension("new"),
            file,
            boot,
        }
    }

    /// What was saved in this boot, if anything. A file that cannot be read is set aside, and said so.
    pub(crate) fn load(&self) -> Result<Option<Saved>, StoreError> {
        let data = match fs::read(&self.file) {
            Ok(d) => d,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(StoreError {
                    what: "reading the saved lease",
                    path: self.file.clone(),
                    error,
                });
            }
        };
        match serde_json::from_slice::<Document<Saved>>(&data) {
            Ok(d) if d.boot == self.boot => Ok(Some(d.claim)),
            Ok(_) => {
                tracing::info!("the saved lease is of an earlier boot and is not taken up");
                Ok(None)
            }
            Err(e) => {
                let aside = self.file.with_extension("bad");
                let kept = fs::rename(&self.file, &aside).is_ok();
                tracing::error!(error = %e, kept, aside = %aside.display(), "the saved lease cannot be read; starting anew");
                Ok(None)
            }
        }
    }

    /// Replaces what is saved.
    pub(crate) fn save(&self, saved: &Saved) -> Result<(), StoreError> {
        let fail = |what| {
            move |error| StoreError {
                what,
                path: self.file.clone(),
                error,
            }
        };
        let document = Document {
            boot: self.boot.clone(),
            claim: saved,
        };
        let data = serde_json::to_vec(&document)
            .map_err(std::io::Error::from)
            .map_err(fail("writing the lease"))?;
        // A leftover of a crash may have another owner's mode; a new file has the one given here.
        let _ = fs::remove_file(&self.fresh);
        let open = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.fresh);
        let mut file = open.map_err(fail("creating a file beside it"))?;
        file.write_all(&data)
            .and_then(|()| file.sync_all())
            .map_err(fail("writing the lease"))?;
        fs::rename(&self.fresh, &self.file).map_err(fail("putting the lease in place"))?;
        File::open(&self.dir)
            .and_then(|d| d.sync_all())
            .map_err(fail("syncing the folder"))
    }

    /// Forgets the lease, after it was given back.
    pub(crate) fn forget(&self) {
        let _ = fs::remove_file(&self.file);
    }
}
