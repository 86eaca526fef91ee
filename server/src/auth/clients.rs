//! Client tokens (`Authorization: Bearer mct_…`): who a holder outside Kubernetes is, said by an
//! administrator's client key.
//!
//! The keys, the issuers and the list of revoked ones are files that are read anew when they
//! change. A bad one is refused loudly and the good old one stays: a broken list of keys keeps
//! nobody from being revoked. Keys and issuers are one, since no key may be in both.

use super::cache::{Recent, hash};
use super::known::{Known, Rejected};
use super::revoked::Revoked;
use crate::keys;
use crate::metrics::{Metrics, count};
use mooring_config::Clients;
use mooring_core::audit::Credential;
use mooring_core::client_token::{
    BadIssuers, ClientToken, ClientTokenError, Issuer, Issuers, RevokedList,
};
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
    #[error("configuration field clients.issuers: {path}: {problem}")]
    Issuers { path: PathBuf, problem: String },
}

/// The list of revoked ones; none where the file is not there. One that goes lifts nothing while
/// the server runs.
fn read_revoked(path: &Path) -> Result<Option<RevokedList>, ClientsError> {
    let bad = |problem: String| ClientsError::Revoked {
        path: path.to_owned(),
        problem,
    };
    let text = match std::fs::metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Ok(m) if m.len() > MAX_LIST => return Err(bad("larger than 4 MiB".into())),
        _ => std::fs::read_to_string(path).map_err(|e| bad(e.to_string()))?,
    };
    let list = RevokedList::parse(&text);
    list.map(Some).map_err(|e| bad(e.to_string()))
}

/// The issuers; none where the file is not there.
fn read_issuers(
    path: &Path,
    anybody: &[PublicKey],
    admins: &[String],
) -> Result<Issuers, ClientsError> {
    let bad = |problem: String| ClientsError::Issuers {
        path: path.to_owned(),
        problem,
    };
    let text = match std::fs::metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Issuers::default()),
        Ok(m) if m.len() > MAX_LIST => return Err(bad("larger than 4 MiB".into())),
        _ => std::fs::read_to_string(path).map_err(|e| bad(e.to_string()))?,
    };
    if text.trim().is_empty() {
        return Ok(Issuers::default());
    }
    let list: Vec<Issuer> = serde_yaml::from_str(&text).map_err(|e| bad(e.to_string()))?;
    Issuers::new(list, anybody, admins).map_err(|e: BadIssuers| bad(e.to_string()))
}

/// Who may sign client tokens: the keys of those that name anybody, the issuers, and all keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signers {
    all: Vec<PublicKey>,
    issuers: Issuers,
}

impl Signers {
    fn read(files: &Clients, admins: &[String]) -> Result<Self, ClientsError> {
        let list = files.issuers.as_deref();
        // One of the two files must be there.
        let alone = list.is_some_and(Path::exists);
        let mut all = match files.keys.as_deref() {
            Some(path) if path.exists() || !alone => keys::read(path)?,
            _ => Vec::new(),
        };
        let issuers = list.map(|path| read_issuers(path, &all, admins));
        let issuers = issuers.transpose()?.unwrap_or_default();
        all.extend(issuers.iter().flat_map(|i| i.keys.iter().copied()));
        Ok(Self { all, issuers })
    }
}

/// Each file for itself, but for keys and issuers: a broken list of keys keeps nobody from being
/// revoked.
pub(crate) struct WatchedClients {
    signers: Watched,
    revoked: Option<(PathBuf, Watched)>,
}

pub(crate) struct ClientTokens {
    server: String,
    files: Clients,
    /// Whom no issuer may name.
    admins: Vec<String>,
    signers: Current<Signers>,
    signed: Mutex<Signed>,
    revoked: Arc<Revoked>,
    metrics: Arc<Metrics>,
}

/// Tokens whose signatures were verified, by these keys: most are shown again and again, and a
/// verification takes as long as all else of a claim.
struct Signed {
    by: Arc<Signers>,
    tokens: Recent<Arc<Opened>>,
}

impl Signed {
    fn by(by: Arc<Signers>) -> Self {
        let tokens = Recent::default();
        Self { by, tokens }
    }
}

impl ClientTokens {
    /// Reads the files for the first time; here a bad one is an error.
    pub(crate) fn load(
        (server, admins): (&str, &[String]),
        files: Clients,
        revoked: Arc<Revoked>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ClientsError> {
        let (signers, list) = check(&files, admins)?;
        let signers = Arc::new(signers);
        revoked.set_list(list);
        Ok(Self {
            server: server.to_owned(),
            files,
            admins: admins.to_vec(),
            signed: Mutex::new(Signed::by(signers.clone())),
            signers: Current::new(signers),
            revoked,
            metrics,
        })
    }

    /// Whose subjects have so many claims in all.
    pub(crate) fn issuers(&self) -> Issuers {
        self.signers.get().issuers.clone()
    }

    /// Whether any token can be accepted.
    pub(crate) fn takes_tokens(&self) -> bool {
        self.files.keys.is_some() || self.files.issuers.is_some()
    }

    /// Who a token is for, and how many claims it carries, if it says so. What is wrong with a bad
    /// one is said: whoever signed it knows that anyway.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Result<Known, Rejected> {
        let count = |outcome: &str| count(&self.metrics.client_tokens, &[outcome]);
        let opened = self.open(token, now).map_err(|e| {
            count(e.reason());
            Problem::new(ProblemType::Unauthenticated, e.to_string())
        })?;
        let Opened { token, key, issuer } = Opened::clone(&opened);
        let subject = token.subject.clone();
        let holder = Holder::External { subject };
        let good = self.revoked.token(&token.id);
        good.inspect_err(|_| count("revoked"))?;
        let who = issuer.unwrap_or_else(|| Who::Holder(holder.clone()));
        let known = Known {
            who,
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

    fn open(&self, token: &str, now: Timestamp) -> Result<Arc<Opened>, ClientTokenError> {
        let (name, signers) = (hash(token), self.signers.get());
        let known = {
            let mut signed = lock(&self.signed);
            if !Arc::ptr_eq(&signed.by, &signers) {
                *signed = Signed::by(signers.clone());
            }
            signed.tokens.get(&name).cloned()
        };
        let opened = if let Some(known) = known {
            known
        } else {
            let opened = Arc::new(signers.open(token)?);
            let mut signed = lock(&self.signed);
            // The keys may have been replaced meanwhile.
            if Arc::ptr_eq(&signed.by, &signers) {
                signed.tokens.put(name, opened.clone());
            }
            opened
        };
        opened.token.counts(&self.server, now)?;
        Ok(opened)
    }

    pub(crate) fn watched(&self) -> WatchedClients {
        let Clients {
            keys,
            issuers,
            revoked,
        } = &self.files;
        let who = "client keys (clients.keys) and issuers (clients.issuers)";
        let what = "revoked clients (clients.revoked)";
        let list = |path: PathBuf| (path.clone(), Watched::unread(what, [path]));
        WatchedClients {
            signers: Watched::unread(who, keys.iter().chain(issuers).cloned()),
            revoked: revoked.clone().map(list),
        }
    }

    /// Reads what has changed. Whether the issuers may have.
    pub(crate) fn look(&self, files: &mut WatchedClients) -> bool {
        let read = || Signers::read(&self.files, &self.admins);
        let signers = files.signers.look(read);
        let news = signers.is_some();
        if let Some(signers) = signers {
            self.signers.set(Arc::new(signers));
        }
        if let Some((path, watched)) = &mut files.revoked
            && let Some(Some(list)) = watched.look(|| read_revoked(path))
        {
            self.revoked.set_list(list);
        }
        news
    }
}

/// A client token whose signature was verified, and which its key may sign.
#[derive(Clone, Debug)]
struct Opened {
    token: ClientToken,
    key: KeyId,
    /// Set if its subject is the issuer itself.
    issuer: Option<Who>,
}

impl Signers {
    fn open(&self, text: &str) -> Result<Opened, ClientTokenError> {
        let (token, key) = ClientToken::open_signed(text, &self.all)?;
        self.issuers.allow(&token, &key)?;
        let issuer = self.issuers.itself(&token, &key);
        let issuer = issuer.map(|i| Who::Issuer {
            name: i.name.clone(),
            subjects: i.subjects.clone(),
        });
        Ok(Opened { token, key, issuer })
    }
}

/// Reads all files, and says what is wrong.
pub(crate) fn check(
    files: &Clients,
    admins: &[String],
) -> Result<(Signers, RevokedList), ClientsError> {
    let signers = Signers::read(files, admins)?;
    let revoked = files.revoked.as_deref().map(read_revoked).transpose()?;
    Ok((signers, revoked.flatten().unwrap_or_default()))
}

#[cfg(test)]
mod tests;
