//! Who is revoked: by the list in `clients.revoked`, or by `POST /v1/leases/{id}/revoke`.
//!
//! A revoked holder is refused whatever it shows: certificate, token, ticket, an earlier lease, or its claim's secret. Revocations
//! made by the call are kept in `stateDir`, so that a restart does not bring a revoked holder back.

use crate::state::write_durably;
use mooring_core::license::RevokedList;
use mooring_core::names::LeaseId;
use mooring_core::time::Timestamp;
use mooring_core::wire::{Holder, HolderKey, Problem, ProblemType};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

/// How many revocations made by the call are kept.
const KEPT: usize = 10_000;

/// A revocation made by the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Revocation {
    /// Who.
    pub(crate) holder: HolderKey,
    /// The lease that was named.
    pub(crate) lease: LeaseId,
    /// Why, for the holder to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// Until when (exclusive); `None`: until it is lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Timestamp>,
    /// When.
    pub(crate) at: Timestamp,
}

impl Revocation {
    fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|u| now < u)
    }
}

#[derive(Default)]
struct Inner {
    list: RevokedList,
    made: BTreeMap<HolderKey, Revocation>,
}

/// Who is revoked.
#[derive(Default)]
pub(crate) struct Revoked {
    inner: RwLock<Inner>,
    file: Option<PathBuf>,
}

impl Revoked {
    /// With what earlier runs kept in `dir`. A damaged file is an error: a server must not forget whom it was told to refuse.
    pub(crate) fn open(dir: &Path) -> Result<Self, String> {
        let file = dir.join("revoked.json");
        let bad = |e: &dyn std::fmt::Display| {
            format!(
                "{}: {e}; mend it, or remove it to lift all revocations in it",
                file.display()
            )
        };
        let made: Vec<Revocation> = match std::fs::read(&file) {
            Ok(b) => serde_json::from_slice(&b).map_err(|e| bad(&e))?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(bad(&e)),
        };
        let made = made.into_iter().map(|r| (r.holder.clone(), r)).collect();
        let inner = RwLock::new(Inner {
            made,
            ..Inner::default()
        });
        Ok(Self {
            inner,
            file: Some(file),
        })
    }

    fn read<R>(&self, f: impl FnOnce(&Inner) -> R) -> R {
        f(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The list in force from now on.
    pub(crate) fn set_list(&self, list: RevokedList) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if inner.list != list {
            tracing::info!(revoked = list.len(), "clients.revoked in force");
            inner.list = list;
        }
    }

    /// Whether nobody is revoked: then no request has to be looked at more closely.
    pub(crate) fn is_empty(&self) -> bool {
        self.read(|i| i.made.is_empty() && i.list.is_empty())
    }

    /// How many holders and tokens are revoked.
    pub(crate) fn len(&self) -> usize {
        self.read(|i| i.made.len() + i.list.len())
    }

    /// Whether the client token of this id may be used.
    pub(crate) fn token(&self, id: &str) -> Result<(), Problem> {
        if self.read(|i| i.list.token(id)) {
            let detail = format!(
                "client token {id:?} is revoked; ask the administrator of this license server for another one"
            );
            return Err(Problem::new(ProblemType::Revoked, detail));
        }
        Ok(())
    }

    /// Whether this holder may have anything here.
    pub(crate) fn check(&self, holder: &Holder, now: Timestamp) -> Result<(), Problem> {
        let said = self.read(|i| {
            let listed = match holder {
                Holder::External { subject } => i.list.subject(subject),
                Holder::Pod { .. } => false,
            };
            if listed {
                return Some(String::new());
            }
            let made = i.made.get(&holder.key()).filter(|r| r.holds(now))?;
            let reason = made.reason.as_ref().map(|r| format!(": {r}"));
            let until = made.until.map(|u| format!(" (until {u})"));
            Some(reason.unwrap_or_default() + &until.unwrap_or_default())
        });
        let Some(said) = said else { return Ok(()) };
        let detail =
            format!("{holder} is revoked by an administrator of this license server{said}");
        Err(Problem::new(ProblemType::Revoked, detail))
    }

    /// Revokes the holder of a lease.
    pub(crate) fn revoke(&self, r: Revocation) -> Result<(), Problem> {
        let now = r.at;
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.made.retain(|_, r| r.holds(now));
        if inner.made.len() >= KEPT && !inner.made.contains_key(&r.holder) {
            let detail = format!("{KEPT} holders are revoked, which is the most; lift some");
            return Err(Problem::new(ProblemType::Overloaded, detail));
        }
        inner.made.insert(r.holder.clone(), r);
        self.keep(&inner)
    }

    /// Lifts the revocation that was made with this lease. `false`: there is none.
    pub(crate) fn lift(&self, lease: LeaseId) -> Result<bool, Problem> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let before = inner.made.len();
        inner.made.retain(|_, r| r.lease != lease);
        if inner.made.len() == before {
            return Ok(false);
        }
        self.keep(&inner).map(|()| true)
    }

    fn keep(&self, inner: &Inner) -> Result<(), Problem> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let all: Vec<&Revocation> = inner.made.values().collect();
        let json = serde_json::to_vec(&all).unwrap_or_default();
        write_durably(file, &json).map_err(|e| {
            let detail = format!(
                "it is in force now, but a restart would forget it: {}: {e}",
                file.display()
            );
            tracing::error!("{detail}");
            Problem::new(ProblemType::Overloaded, detail)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(s: u32) -> Timestamp {
        format!("2026-01-01T00:00:{s:02}Z").parse().unwrap()
    }

    fn farm() -> Holder {
        Holder::External {
            subject: "farm".into(),
        }
    }

    fn revocation(of: &Holder, lease: u8, until: Option<u32>) -> Revocation {
        Revocation {
            holder: of.key(),
            lease: LeaseId::from_bytes([lease; 16]),
            reason: Some("laptop lost".into()),
            until: until.map(at),
            at: at(0),
        }
    }

    #[test]
    fn a_revocation_outlives_a_restart_and_ends_when_lifted_or_in_time() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Revoked::open(dir.path()).unwrap();
        let r = open();
        assert!(r.is_empty() && r.check(&farm(), at(1)).is_ok());
        r.revoke(revocation(&farm(), 1, None)).unwrap();
        let p = open().check(&farm(), at(1)).unwrap_err();
        assert!(
            p.kind == ProblemType::Revoked && p.detail.contains("laptop lost"),
            "{p}"
        );
        let r = open();
        assert_eq!(r.lift(LeaseId::from_bytes([2; 16])), Ok(false));
        assert_eq!(r.lift(LeaseId::from_bytes([1; 16])), Ok(true));
        assert!(r.check(&farm(), at(1)).is_ok() && open().is_empty());

        r.revoke(revocation(&farm(), 3, Some(10))).unwrap();
        assert!(r.check(&farm(), at(9)).is_err() && r.check(&farm(), at(10)).is_ok());

        std::fs::write(dir.path().join("revoked.json"), "[{").unwrap();
        let e = Revoked::open(dir.path()).err().unwrap();
        assert!(e.contains("revoked.json") && e.contains("remove it"), "{e}");
    }

    #[test]
    fn the_list_names_subjects_and_tokens_and_no_pods() {
        let r = Revoked::default();
        r.set_list(RevokedList::parse("subject:farm\nt-1").unwrap());
        assert!(r.check(&farm(), at(0)).is_err() && r.len() == 2);
        assert!(r.token("t-1").is_err() && r.token("t-2").is_ok());
        let s = || "farm".to_owned();
        let pod = Holder::Pod {
            namespace: s(),
            pod: s(),
            uid: s(),
            service_account: s(),
            node: None,
        };
        assert!(r.check(&pod, at(0)).is_ok());
        r.revoke(revocation(&pod, 1, None)).unwrap();
        assert!(r.check(&pod, at(0)).is_err());
    }
}
