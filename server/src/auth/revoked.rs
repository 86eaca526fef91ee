//! Who is revoked: by the list in `clients.revoked`, or by `POST /v1/leases/{id}/revoke`.
//!
//! What that does to claims and renewals is the ledger's rule; it is told by [`Revoked::bar`]. Here
//! is who they are, since the ledger forgets with each run: revocations made by the call are kept
//! in `stateDir`, so that a restart brings no revoked holder back.

use mooring_core::audit::Credential;
use mooring_core::client_token::RevokedList;
use mooring_core::identity::{Holder, HolderKey};
use mooring_core::names::LeaseId;
use mooring_core::time::Timestamp;
use mooring_core::wire::{ChangeRevocations, Problem, ProblemType, RevokedHolder};
use mooring_net::durable;
use mooring_net::sync::lock;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

/// How many revocations made by the call are kept.
const KEPT: usize = 10_000;

/// Whether a revocation is in force.
fn holds(r: &RevokedHolder, now: Timestamp) -> bool {
    r.until.is_none_or(|u| now < u)
}

fn why(r: &RevokedHolder) -> String {
    let why = r.reason.as_deref().unwrap_or("no reason given");
    let until = r.until.map(|u| format!(" (until {u})"));
    format!("{why}{}", until.unwrap_or_default())
}

/// What somebody on the list is told.
const LISTED: &str = "it is on the server's list of revoked clients";

#[derive(Default)]
struct Inner {
    list: RevokedList,
    made: BTreeMap<HolderKey, RevokedHolder>,
    /// Whom the ledger has been told of, and what.
    barred: BTreeMap<HolderKey, String>,
    /// Who has asked for what the ledger is not told of yet.
    asked: BTreeMap<HolderKey, Credential>,
}

impl Inner {
    /// Who is to be barred now, and why.
    fn wanted(&self, now: Timestamp) -> BTreeMap<HolderKey, String> {
        let listed = self.list.subjects().map(|s| {
            let subject = s.to_owned();
            (Holder::External { subject }.key(), LISTED.to_owned())
        });
        let made = self.made.values().filter(|r| holds(r, now));
        listed
            .chain(made.map(|r| (r.holder.clone(), why(r))))
            .collect()
    }

    fn why(&self, holder: &Holder, now: Timestamp) -> Option<String> {
        let made = self.made.get(&holder.key()).filter(|r| holds(r, now));
        made.map(why).or_else(|| match holder {
            Holder::External { subject } => self.list.subject(subject).then(|| LISTED.to_owned()),
            Holder::Pod { .. } | Holder::Owner { .. } => None,
        })
    }
}

#[derive(Default)]
pub(crate) struct Revoked {
    inner: Mutex<Inner>,
    file: Option<PathBuf>,
}

impl Revoked {
    /// With what earlier runs kept in `dir`. A damaged file is an error: a server must not forget
    /// whom it was told to refuse.
    pub(crate) fn open(dir: &Path) -> Result<Self, String> {
        let file = dir.join("revoked.json");
        let made: Vec<RevokedHolder> = durable::read_json(&file)
            .map_err(|e| {
                let todo = "mend it, or remove it to lift all revocations in it";
                format!("{}: {e}; {todo}", file.display())
            })?
            .unwrap_or_default();
        let made = made.into_iter().map(|r| (r.holder.clone(), r)).collect();
        let inner = Inner {
            made,
            ..Inner::default()
        };
        Ok(Self {
            inner: Mutex::new(inner),
            file: Some(file),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    pub(crate) fn set_list(&self, list: RevokedList) {
        let mut inner = self.lock();
        if inner.list != list {
            tracing::info!(revoked = list.len(), "clients.revoked in force");
            inner.list = list;
        }
    }

    /// Those made by the call that are in force.
    pub(crate) fn made(&self, now: Timestamp) -> Vec<RevokedHolder> {
        let inner = self.lock();
        let made = inner.made.values().filter(|r| holds(r, now));
        made.cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        let inner = self.lock();
        inner.made.len() + inner.list.len()
    }

    /// Whether the client token of this id may be used.
    pub(crate) fn token(&self, id: &str) -> Result<(), Problem> {
        if self.lock().list.token(id) {
            let detail = format!(
                "client token {id:?} is revoked; ask the administrator of this license server for another one"
            );
            return Err(Problem::new(ProblemType::Revoked, detail));
        }
        Ok(())
    }

    /// Whether this holder may have anything here.
    pub(crate) fn check(&self, holder: &Holder, now: Timestamp) -> Result<(), Problem> {
        let Some(why) = self.lock().why(holder, now) else {
            return Ok(());
        };
        let detail =
            format!("{holder} is revoked by an administrator of this license server: {why}");
        Err(Problem::new(ProblemType::Revoked, detail))
    }

    /// Tells the ledger who is newly revoked (why), and whose revocation is over (`None`); and by
    /// whom, unless it is by a file, by time, or since before this run.
    pub(crate) fn bar(
        &self,
        now: Timestamp,
        mut tell: impl FnMut(&HolderKey, Option<&str>, Option<Credential>),
    ) {
        let mut inner = self.lock();
        let wanted = inner.wanted(now);
        let mut asked = std::mem::take(&mut inner.asked);
        for (holder, why) in &wanted {
            if inner.barred.get(holder) != Some(why) {
                tracing::info!(%holder, %why, "holder revoked");
                tell(holder, Some(why), asked.remove(holder));
            }
        }
        for holder in inner.barred.keys().filter(|h| !wanted.contains_key(*h)) {
            tracing::info!(%holder, "revocation lifted");
            tell(holder, None, asked.remove(holder));
        }
        inner.barred = wanted;
    }

    /// Revokes these holders, and lifts those, as this one asks.
    pub(crate) fn change(
        &self,
        change: ChangeRevocations,
        by: &Credential,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let mut inner = self.lock();
        for key in &change.lift {
            inner.asked.insert(key.clone(), by.clone());
        }
        inner
            .made
            .retain(|k, r| holds(r, now) && !change.lift.contains(k));
        let mut refused = Ok(());
        for r in change.revoke.into_iter().filter(|r| holds(r, now)) {
            if inner.made.len() >= KEPT && !inner.made.contains_key(&r.holder) {
                let detail = format!("{KEPT} holders are revoked, which is the most; lift some");
                refused = Err(Problem::new(ProblemType::Overloaded, detail));
                break;
            }
            inner.asked.insert(r.holder.clone(), by.clone());
            inner.made.insert(r.holder.clone(), r);
        }
        self.keep(&inner).and(refused)
    }

    /// Forgets pods that are proven gone: no other has their UID. Whether there were any.
    pub(crate) fn gone(&self, holders: &[HolderKey]) -> Result<bool, Problem> {
        let mut inner = self.lock();
        let before = inner.made.len();
        for key in holders.iter().filter(|k| !k.is_external()) {
            inner.made.remove(key);
        }
        if inner.made.len() == before {
            return Ok(false);
        }
        self.keep(&inner).map(|()| true)
    }

    /// Lifts the revocation that was made with this lease, of a holder that this one `may` speak
    /// of. `false`: there is none.
    pub(crate) fn lift(
        &self,
        lease: LeaseId,
        by: &Credential,
        may: impl Fn(&HolderKey) -> bool,
    ) -> Result<bool, Problem> {
        let mut inner = self.lock();
        let made = inner.made.iter();
        let lifted = made.filter(|(key, r)| r.lease == Some(lease) && may(key));
        let lifted: Vec<HolderKey> = lifted.map(|(key, _)| key.clone()).collect();
        if lifted.is_empty() {
            return Ok(false);
        }
        for key in lifted {
            inner.made.remove(&key);
            inner.asked.insert(key, by.clone());
        }
        self.keep(&inner).map(|()| true)
    }

    fn keep(&self, inner: &Inner) -> Result<(), Problem> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let all: Vec<&RevokedHolder> = inner.made.values().collect();
        durable::replace_json(file, &all).map_err(|e| {
            let file = file.display();
            let detail = format!("it is in force now, but a restart would forget it: {file}: {e}");
            tracing::error!("{detail}");
            Problem::new(ProblemType::Overloaded, detail)
        })
    }
}

#[cfg(test)]
mod tests;
