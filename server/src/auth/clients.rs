//! Client tokens (`Authorization: Bearer mct_…`): who a holder outside Kubernetes is, said by an
//! administrator's client key.
//!
//! The keys and the list of revoked ones are files that are read anew when they change. A bad one
//! is refused loudly and the good old one stays, each file for itself: a broken list of keys keeps
//! nobody from being revoked.

use super::cache::{Recent, hash};
use super::known::{Known, Rejected};
use super::revoked::Revoked;
use crate::keys;
use crate::metrics::{Metrics, count};
use mooring_config::Clients;
use mooring_core::audit::Credential;
use mooring_core::client_token::{ClientToken, ClientTokenError, RevokedList};
use mooring_core::frontend::Who;
use mooring_core::identity::Holder;
use mooring_core::license::{KeyId, PublicKey};
use mooring_core::time::Timestamp;
use mooring_core::wire::{Problem, ProblemType};
use mooring_net::sync::{Current, lock};
use mooring_net::watched::Watched;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const MAX_LIST: u64 = 4 * 1024 * 1024;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClientsError {
    #[error("configuration field clients.keys: {0}")]
    Keys(#[from] keys::BadKeys),
    #[error("configuration field clients.revoked: {path}: {problem}")]
    Revoked { path: PathBuf, problem: String },
}

fn read_revoked(path: &Path) -> Result<RevokedList, ClientsError> {
    let bad = |problem: String| ClientsError::Revoked {
        path: path.to_owned(),
        problem,
    };
    let io = |e: std::io::Error| bad(e.to_string());
    if std::fs::metadata(path).map_err(io)?.len() > MAX_LIST {
        return Err(bad("larger than 4 MiB".into()));
    }
    let text = std::fs::read_to_string(path).map_err(io)?;
    RevokedList::parse(&text).map_err(|e| bad(e.to_string()))
}

/// Each file for itself: a broken list of keys keeps nobody from being revoked.
pub(crate) struct WatchedClients {
    keys: Option<(PathBuf, Watched)>,
    revoked: Option<(PathBuf, Watched)>,
}

pub(crate) struct ClientTokens {
    server: String,
    files: Clients,
    keys: Current<[PublicKey]>,
    signed: Mutex<Signed>,
    revoked: Arc<Revoked>,
    metrics: Arc<Metrics>,
}

/// Tokens whose signatures were verified, by these keys: most are shown again and again, and a
/// verification takes as long as all else of a claim.
struct Signed {
    keys: Arc<[PublicKey]>,
    tokens: Recent<Arc<(ClientToken, KeyId)>>,
}

impl Signed {
    fn by(keys: Arc<[PublicKey]>) -> Self {
        let tokens = Recent::default();
        Self { keys, tokens }
    }
}

impl ClientTokens {
    /// Reads the files for the first time; here a bad one is an error.
    pub(crate) fn load(
        server: &str,
        files: Clients,
        revoked: Arc<Revoked>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ClientsError> {
        let (keys, list) = check(&files)?;
        let keys: Arc<[PublicKey]> = keys.into();
        revoked.set_list(list);
        Ok(Self {
            server: server.to_owned(),
            files,
            signed: Mutex::new(Signed::by(keys.clone())),
            keys: Current::new(keys),
            revoked,
            metrics,
        })
    }

    /// Whether any token can be accepted.
    pub(crate) fn takes_tokens(&self) -> bool {
        self.files.keys.is_some()
    }

    /// Who a token is for, and how many claims it carries, if it says so. What is wrong with a bad
    /// one is said: whoever signed it knows that anyway.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Result<Known, Rejected> {
        let count = |outcome: &str| count(&self.metrics.client_tokens, &[outcome]);
        let opened = self.open(token, now).map_err(|e| {
            count(e.reason());
            Problem::new(ProblemType::Unauthenticated, e.to_string())
        })?;
        let (token, key) = &*opened;
        let (token, key) = (token.clone(), key.clone());
        let subject = token.subject.clone();
        let holder = Holder::External { subject };
        let good = self.revoked.token(&token.id);
        good.inspect_err(|_| count("revoked"))?;
        let known = Known {
            who: Who::Holder(holder.clone()),
            credential: Credential::ClientToken {
                id: token.id,
                key,
                subject: token.subject,
            },
            claims: token.claims,
        };
        if let Err(why) = self.revoked.check(&holder, now) {
            count("revoked");
            let known = Some(Box::new(known));
            return Err(Rejected { why, known });
        }
        count("accepted");
        tracing::trace!(credential = ?known.credential, "a client token is accepted");
        Ok(known)
    }

    fn open(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Arc<(ClientToken, KeyId)>, ClientTokenError> {
        let (name, keys) = (hash(token), self.keys.get());
        let known = {
            let mut signed = lock(&self.signed);
            if !Arc::ptr_eq(&signed.keys, &keys) {
                *signed = Signed::by(keys.clone());
            }
            signed.tokens.get(&name).cloned()
        };
        let opened = if let Some(known) = known {
            known
        } else {
            let opened = Arc::new(ClientToken::open_signed(token, &keys)?);
            let mut signed = lock(&self.signed);
            // The keys may have been replaced meanwhile.
            if Arc::ptr_eq(&signed.keys, &keys) {
                signed.tokens.put(name, opened.clone());
            }
            opened
        };
        opened.0.counts(&self.server, now)?;
        Ok(opened)
    }

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

    pub(crate) fn look(&self, files: &mut WatchedClients) {
        if let Some((path, watched)) = &mut files.keys
            && let Some(keys) = watched.look(|| keys::read(path))
        {
            self.keys.set(keys);
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
