//! Where the document lies: a file in `stateDir`, or the license server's own Secret.

use super::secret::StateSecret;
use crate::kubernetes::{ApiServer, NoApiServer};
use mooring_config::Config;
use mooring_core::kept::Kept;
use mooring_core::names::InstanceId;
use mooring_net::durable;
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::PathBuf;

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

/// What was found.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing was ever written.
    Nothing,
    Document(Document),
    /// Something that is no such document, and why.
    Damaged(String),
}

impl Found {
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

/// The document in `stateDir`, or its copy.
pub(crate) fn state_file(config: &Config) -> PathBuf {
    config.state_dir.join(STATE_FILE)
}

pub(crate) enum Place {
    /// Nothing outlasts this process: what is written is thrown away.
    Nowhere,
    /// A file in `stateDir`.
    File(PathBuf),
    Secret(Box<StateSecret>),
}

impl Place {
    /// Where the configuration says.
    pub(crate) fn of(config: &Config) -> Result<Self, NoApiServer> {
        match (&config.state_secret, &config.namespace) {
            (Some(name), Some(namespace)) => {
                let api = ApiServer::in_cluster("stateSecret")?;
                let secret = StateSecret::new(api, namespace.clone(), name.clone());
                Ok(Self::Secret(secret.into()))
            }
            _ => Ok(Self::file(config)),
        }
    }

    /// In `stateDir`.
    pub(crate) fn file(config: &Config) -> Self {
        Self::File(state_file(config))
    }

    /// For messages, by the configuration's field.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Nowhere => "nowhere".into(),
            Self::File(path) => format!("stateDir: {}", path.display()),
            Self::Secret(secret) => secret.name(),
        }
    }

    /// Reads what is there; fails in words that say what to do.
    pub(super) async fn read(&mut self) -> Result<Found, String> {
        match self {
            Self::Nowhere => Ok(Found::Nothing),
            Self::File(path) => match std::fs::read(path) {
                Ok(json) => Ok(Found::read(&json)),
                Err(e) if e.kind() == ErrorKind::NotFound => Ok(Found::Nothing),
                Err(e) => Err(format!("{e}; make it readable for this process")),
            },
            Self::Secret(secret) => secret.read().await,
        }
    }

    /// Writes in the place of what was read last. Once it returns the new one stays.
    pub(super) async fn write(&mut self, document: &Document) -> Result<(), NotWritten> {
        match self {
            Self::Nowhere => Ok(()),
            Self::File(path) => durable::replace_json(path, document)
                .map_err(|e| NotWritten::Failed(format!("{e}; make stateDir writable"))),
            Self::Secret(secret) => secret.write(document).await,
        }
    }

    /// Whether it may be written by others than this process.
    pub(super) const fn is_shared(&self) -> bool {
        matches!(self, Self::Secret(_))
    }
}
