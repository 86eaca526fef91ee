//! The chain of signatures as the server carries it on: a delegation from the anchor to an ephemeral key, lease tokens and
//! tickets signed with that key, and checking what earlier runs signed.
//!
//! | file | idea |
//! |---|---|
//! | `anchor_task` | keeps license, anchor and delegation current; the only task that touches an anchor |
//! | `failover` | which anchor serves, since when it is lost: the task's rule, in steps |
//! | `delegation`, `words` | what the anchor signs; what people are told of it |
//! | `standby` | how long a standby anchor has served |
//! | `sign` | lease tokens and tickets |
//! | `proof` | tickets and leases that holders show |
//! | `second_server` | is there a second server on this license? |
//!
//! Whether this run may grant and renew is `mooring_core::frontend`'s to say.

pub(crate) mod anchor_task;
mod delegation;
pub(crate) mod failover;
pub(crate) mod proof;
mod second_server;
pub(crate) mod sign;
pub(crate) mod standby;
#[cfg(test)]
pub(crate) mod testing;
mod words;

use mooring_core::frontend::{Authority, Clock, Denied, InForce};
use mooring_core::license::{Digest, IdentityKey, PublicKey, SigningKey};
use mooring_core::names::InstanceId;
use mooring_core::time::{BootTime, Now, Timestamp};
use mooring_core::wire::{Problem, SecondServer};
use second_server::Sighting;
use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// How long a request waits for a fresh delegation when the wall clock has jumped out of the present one.
const FRESH: Duration = Duration::from_secs(2);

/// The chain as all requests share it.
pub(crate) struct Chain {
    /// This run.
    pub(crate) instance: InstanceId,
    key: SigningKey,
    identity: IdentityKey,
    boot_id: String,
    seq: AtomicU64,
    state: RwLock<Arc<Authority>>,
    /// Says that the state was replaced.
    changed: watch::Sender<u64>,
    /// Asks the anchor task to look at once.
    look: Notify,
    /// When this run began, on both clocks.
    started: Now,
    /// The latest date of any token that a holder has shown, by the license it was given under.
    echoed: Mutex<HashMap<Digest, Timestamp>>,
    /// The second server on this license.
    second: Mutex<Sighting>,
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Chain {
    /// A chain that nothing is known of yet. The key lives as long as the process.
    pub(crate) fn new(
        instance: InstanceId,
        key: SigningKey,
        identity: IdentityKey,
        boot_id: String,
        started: Now,
        state: Authority,
    ) -> Self {
        Self {
            instance,
            key,
            identity,
            boot_id,
            seq: AtomicU64::new(0),
            state: RwLock::new(Arc::new(state)),
            changed: watch::Sender::new(0),
            look: Notify::new(),
            started,
            echoed: Mutex::default(),
            second: Mutex::default(),
        }
    }

    /// How it stands.
    pub(crate) fn state(&self) -> Arc<Authority> {
        self.state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Replaces the state and tells who waits for a change.
    pub(crate) fn set(&self, state: Authority) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
        self.changed.send_modify(|n| *n += 1);
    }

    /// Changes of the state.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// What is known of the time besides the clocks. Dates of tokens count for the license that they were given under alone: so
    /// a license issued anew is free of what a clock that ran ahead has left in holders' hands, and only the vendor can issue one.
    pub(crate) fn clock(&self) -> Clock {
        let license = self.state().in_force.clone();
        let echoed = license.and_then(|f| lock(&self.echoed).get(&f.license.digest).copied());
        Clock {
            started: self.started,
            echoed,
        }
    }

    /// A holder has shown a token with this date, given under this license.
    pub(crate) fn echo(&self, license: &Digest, issued_at: Timestamp) {
        let mut echoed = lock(&self.echoed);
        let latest = echoed.entry(license.clone()).or_insert(issued_at);
        *latest = issued_at.max(*latest);
    }

    /// A token of another run was shown, which may be a second server's.
    fn look_for_a_second(&self, sign: second_server::Sign<'_>, now: BootTime) {
        if !sign.of_a_second_server(self.instance, self.started, &self.boot_id) {
            return;
        }
        if lock(&self.second).note(sign, now) {
            tracing::error!(other = %sign.instance, this = %self.instance, issued_at = %sign.issued_at,
                "a second license server serves this license, or the clock of an earlier one ran ahead: a token of another run is \
                 younger than this run; find it, and stop one of them");
        }
    }

    /// The second server on this license that was seen last, for an hour.
    pub(crate) fn second_server(&self, now: BootTime) -> Option<SecondServer> {
        lock(&self.second).shown(now).cloned()
    }

    fn may_sign(&self, now: Now) -> Result<Arc<InForce>, Denied> {
        self.state().may_sign(now, self.clock())
    }

    /// This run's key, as the anchor delegates to it.
    fn public_key(&self) -> PublicKey {
        self.key.public()
    }

    /// What renewals are signed under, or why there are none. Waits a moment for the anchor if only the wall clock has jumped.
    pub(crate) async fn signing(&self, now: Now) -> Result<Arc<InForce>, Problem> {
        let mut changes = self.changes();
        match self.may_sign(now) {
            Ok(f) => return Ok(f),
            Err(Denied::Final(p)) => return Err(p),
            Err(Denied::Stale(_)) => self.look.notify_one(),
        }
        let fresh = async {
            while changes.changed().await.is_ok() {
                if let Ok(f) = self.may_sign(now) {
                    return Some(f);
                }
            }
            None
        };
        if let Ok(Some(f)) = tokio::time::timeout(FRESH, fresh).await {
            return Ok(f);
        }
        self.may_sign(now).map_err(Problem::from)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::testing::{at, chain};
    use super::*;

    #[test]
    fn a_license_issued_anew_is_free_of_what_a_fast_clock_left_with_holders() {
        let c = chain(1, "2026-05-01T12:00:00Z");
        let now = Now {
            boot: BootTime::from_millis(1_001_000),
            wall: at("2026-05-01T12:00:01Z"),
        };
        let may = || c.may_sign(now).is_ok();
        let f = c.state().in_force.clone().unwrap();
        c.echo(&f.license.digest, at("2026-05-02T11:00:00Z"));
        assert!(may(), "less than a day");
        c.echo(&f.license.digest, at("2026-05-03T12:00:00Z"));
        c.echo(&f.license.digest, at("2026-05-02T12:00:00Z"));
        assert!(!may(), "the latest counts");
        let mut anew = (*f).clone();
        let mut license = (*anew.license).clone();
        license.digest = Digest("anew".into());
        anew.license = Arc::new(license);
        c.set(Authority {
            in_force: Some(Arc::new(anew)),
            ..(*c.state()).clone()
        });
        assert!(may());
    }
}
