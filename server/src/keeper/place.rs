//! Where the document lies: a file in `stateDir`, or the license server's own Secret.

use super::document::{Document, NotWritten, STATE_FILE, Stored};
use super::secret::StateSecret;
use crate::kubernetes::{ApiServer, NoApiServer};
use mooring_config::Config;
use mooring_net::durable;
use std::io::ErrorKind;
use std::path::PathBuf;

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
    pub(super) async fn read(&mut self) -> Result<Stored, String> {
        match self {
            Self::Nowhere => Ok(Stored::Nothing),
            Self::File(path) => match std::fs::read(path) {
                Ok(json) => Ok(Stored::read(&json)),
                Err(e) if e.kind() == ErrorKind::NotFound => Ok(Stored::Nothing),
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
