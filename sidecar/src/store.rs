//! What outlives a crash of the sidecar: one file a claim in the state directory, which no other
//! container sees. It has the claim's line at each license server, so that all are saved in one
//! step.
//!
//! Saved before anything is sent that depends on it, in one step: after a crash there is the old
//! file or the new one. Nothing of it counts after the machine's next boot, so no disk is waited
//! for: what the kernel has taken, a process of this boot finds.

use crate::config::parts;
use crate::users::{Owner, name_at_server};
use mooring_core::holder::Saved;
use mooring_core::names::{ClaimName, ProjectName};
use mooring_core::policy::Start;
use mooring_core::request::Item;
use mooring_core::secret::SecretHash;
use mooring_core::wire::ClaimKind;
use mooring_net::durable;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
#[error("{}: {what}: {error}", path.display())]
pub(crate) struct StoreError {
    what: &'static str,
    path: PathBuf,
    error: std::io::Error,
}

/// One claim as it lies there.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document {
    /// The boot whose clock the readings within are of.
    boot: String,
    #[serde(flatten)]
    pub(crate) about: About,
    /// By license server.
    pub(crate) lines: BTreeMap<String, Saved>,
}

/// The same, as it is written: twice a renewal, and nothing of it is copied for that.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Writing<'a> {
    boot: &'a str,
    #[serde(flatten)]
    about: &'a About,
    lines: BTreeMap<&'a str, &'a Saved>,
}

/// What a claim is, besides how it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct About {
    pub(crate) name: ClaimName,
    pub(crate) kind: ClaimKind,
    /// What is asked of each license server, in their order; of one entry the same of all.
    pub(crate) items: Vec<Vec<Item>>,
    pub(crate) start: Start,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Owner,
    /// Whose seat a hold is: its application's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bind: Option<SecretHash>,
    /// What its seats are used for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) project: Option<ProjectName>,
}

impl About {
    /// What is asked of the n-th server.
    pub(crate) fn items_of(&self, server: usize) -> &[Item] {
        let own = self.items.get(server).or(self.items.first());
        own.map_or(&[], Vec::as_slice)
    }

    /// Which part of the claim each of so many servers' line is.
    pub(crate) fn parts(&self, servers: usize) -> Vec<usize> {
        match self.items.len() {
            0 | 1 => vec![0; servers],
            _ => parts(&self.items),
        }
    }

    /// The claim's name at the license server.
    pub(crate) fn name_at_server(&self) -> ClaimName {
        // Checked when the claim was made.
        name_at_server(self.owner, &self.name).unwrap_or_else(|_| self.name.clone())
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Folder {
    dir: PathBuf,
    /// Names the present boot: readings of an earlier boot's clock mean nothing now.
    boot: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Store {
    file: PathBuf,
    boot: String,
}

impl Folder {
    pub(crate) fn new(dir: &Path, boot: String) -> Self {
        let dir = dir.to_owned();
        Self { dir, boot }
    }

    /// The file of a claim of the pod: always the same.
    pub(crate) fn pod(&self, name: &ClaimName) -> Store {
        self.file(&format!("claim-{name}.json"))
    }

    /// A new file for a run-time claim. `unique` tells it from the file of an earlier claim of this
    /// name that is still being given back.
    pub(crate) fn run_time(&self, name: &ClaimName, unique: &str) -> Store {
        self.file(&format!("claim-{name}~{unique}.json"))
    }

    fn file(&self, name: &str) -> Store {
        Store {
            file: self.dir.join(name),
            boot: self.boot.clone(),
        }
    }

    /// The run-time claims that a crash left. What is of an earlier boot is cleared away.
    pub(crate) fn left_behind(&self) -> Result<Vec<(Store, Document)>, StoreError> {
        let fail = |error| StoreError {
            what: "looking for saved leases",
            path: self.dir.clone(),
            error,
        };
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(fail)? {
            let name = entry.map_err(fail)?.file_name();
            let of_ours = |n: &&str| n.starts_with("claim-") && n.contains('~');
            let Some(name) = name.to_str().filter(of_ours) else {
                continue;
            };
            let kind = Path::new(name).extension().and_then(|e| e.to_str());
            if kind != Some("json") {
                // Half written when the crash came: nothing was sent that depends on it.
                if kind == Some("new") {
                    let _ = fs::remove_file(self.dir.join(name));
                }
                continue;
            }
            let store = self.file(name);
            match store.load()? {
                Some(d) if d.about.kind != ClaimKind::Pod => found.push((store, d)),
                _ => store.forget(),
            }
        }
        Ok(found)
    }
}

impl Store {
    /// What was saved in this boot, if anything. A file that cannot be read is set aside, and said
    /// so.
    pub(crate) fn load(&self) -> Result<Option<Document>, StoreError> {
        match durable::read_json::<Document>(&self.file) {
            Ok(None) => Ok(None),
            Ok(Some(d)) if d.boot == self.boot => Ok(Some(d)),
            Ok(Some(_)) => {
                tracing::info!("the saved lease is of an earlier boot and is not taken up");
                Ok(None)
            }
            Err(error) if error.kind() != ErrorKind::InvalidData => Err(StoreError {
                what: "reading the saved lease",
                path: self.file.clone(),
                error,
            }),
            Err(e) => {
                let aside = self.file.with_extension("bad");
                let kept = fs::rename(&self.file, &aside).is_ok();
                tracing::error!(error = %e, kept, aside = %aside.display(), "the saved lease cannot be read; starting anew");
                Ok(None)
            }
        }
    }

    /// Saves a claim: its line at each of these servers.
    pub(crate) fn save<'a>(
        &self,
        about: &About,
        lines: impl IntoIterator<Item = (&'a str, &'a Saved)>,
    ) -> Result<(), StoreError> {
        let writing = Writing {
            boot: &self.boot,
            about,
            lines: lines.into_iter().collect(),
        };
        let saved = serde_json::to_vec(&writing).map_err(Into::into);
        let saved = saved.and_then(|json| durable::replace_in_boot(&self.file, &json));
        saved.map_err(|error| StoreError {
            what: "saving the lease",
            path: self.file.clone(),
            error,
        })
    }

    /// Forgets the lease, after it was given back.
    pub(crate) fn forget(&self) {
        let _ = fs::remove_file(&self.file);
    }
}

#[cfg(test)]
mod tests;
