//! Client tokens (`Authorization: Bearer mct_…`): who a holder outside Kubernetes is, said by an
//! administrator's client key.
//!
//! The keys and the list of revoked ones are files that are read anew when they change. A bad one
//! is refused loudly and the good old one stays, each file for itself: a broken list of keys keeps
//! nobody from being revoked.

use super::revoked::Revoked;
use crate::keys;
use crate::metrics::Metrics;
use mooring_config::Clients;
use mooring_core::client_token::{ClientToken, RevokedList};
use mooring_core::identity::Holder;
use mooring_core::license::PublicKey;
use mooring_core::time::Timestamp;
use mooring_core::wire::{Problem, ProblemType};
use mooring_net::watched::Watched;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// The largest list of revoked ones.
const MAX_LIST: u64 = 4 * 1024 * 1024;

/// Why a file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClientsError {
    /// The keys.
    #[error("configuration field clients.keys: {0}")]
    Keys(#[from] keys::BadKeys),
    /// The list of revoked ones.
    #[error("configuration field clients.revoked: {path}: {problem}")]
    Revoked {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

fn read_revoked(path: &Path) -> Result<RevokedList, ClientsError> {
    let bad = |problem: String| ClientsError::Revoked {
        path: path.to_owned(),
        problem,
    };
    let size = std::fs::metadata(path)
        .map_err(|e| bad(e.to_string()))?
        .len();
    if size > MAX_LIST {
        return Err(bad("larger than 4 MiB".into()));
    }
    let text = std::fs::read_to_string(path).map_err(|e| bad(e.to_string()))?;
    RevokedList::parse(&text).map_err(|e| bad(e.to_string()))
}

/// Each file for itself: a broken list of keys keeps nobody from being revoked.
pub(crate) struct WatchedClients {
    keys: Option<(PathBuf, Watched)>,
    revoked: Option<(PathBuf, Watched)>,
}

/// Verifies client tokens.
pub(crate) struct ClientTokens {
    server: String,
    files: Clients,
    keys: RwLock<Arc<[PublicKey]>>,
    revoked: Arc<Revoked>,
    metrics: Arc<Metrics>,
}

impl ClientTokens {
    /// Reads the files for the first time; here a bad one is an error.
    pub(crate) fn load(
        server: &str,
        files: Clients,
        revoked: Arc<Revoked>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ClientsError> {
        let keys = check(&files)?;
        revoked.set_list(keys.1);
        Ok(Self {
            server: server.to_owned(),
            files,
            keys: RwLock::new(keys.0.into()),
            revoked,
            metrics,
        })
    }

    /// Whether any token can be accepted.
    pub(crate) fn takes_tokens(&self) -> bool {
        self.files.keys.is_some()
    }

    /// Who a token is for. What is wrong with a bad one is said: whoever signed it knows that
    /// anyway.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Result<Holder, Problem> {
        let count = |outcome: &str| {
            self.metrics
                .client_tokens
                .with_label_values(&[outcome])
                .inc();
        };
        let keys = self
            .keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let (token, key) = ClientToken::open(token, &keys, &self.server, now).map_err(|e| {
            count(e.reason());
            Problem::new(ProblemType::Unauthenticated, e.to_string())
        })?;
        let holder = Holder::External {
            subject: token.subject,
        };
        if let Err(p) = self
            .revoked
            .token(&token.id)
            .and_then(|()| self.revoked.check(&holder, now))
        {
            count("revoked");
            return Err(p);
        }
        count("accepted");
        tracing::trace!(token = %token.id, %key, %holder, "a client token is accepted");
        Ok(holder)
    }

    /// The files, to be looked at.
    pub(crate) fn watched(&self) -> WatchedClients {
        let watched = |what, path: &Option<PathBuf>| {
            let path = path.clone()?;
            Some((path.clone(), Watched::unread(what, [path])))
        };
        WatchedClients {
            keys: watched("client keys (clients.keys)", &self.files.keys),
            revoked: watched("revoked clients (clients.revoked)", &self.files.revoked),
        }
    }

    /// Reads the files anew if they have changed.
    pub(crate) fn look(&self, files: &mut WatchedClients) {
        if let Some((path, watched)) = &mut files.keys
            && let Some(keys) = watched.look(|| keys::read(path))
        {
            *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.into();
        }
        if let Some((path, watched)) = &mut files.revoked
            && let Some(list) = watched.look(|| read_revoked(path))
        {
            self.revoked.set_list(list);
        }
    }
}

/// Reads both files, and says what is wrong.
pub(crate) fn check(files: &Clients) -> Result<(Vec<PublicKey>, RevokedList), ClientsError> {
    let keys = files.keys.as_deref().map(keys::read).transpose()?;
    let revoked = files.revoked.as_deref().map(read_revoked).transpose()?;
    Ok((keys.unwrap_or_default(), revoked.unwrap_or_default()))
}

#[cfg(test)]
mod tests;
