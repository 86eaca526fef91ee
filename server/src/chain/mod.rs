//! The chain of signatures as the server carries it on: a delegation from the anchor to an ephemeral key, lease tokens and
//! tickets signed with that key, and checking what earlier runs signed.
//!
//! | file | idea |
//! |---|---|
//! | `standing` | may I grant, may I renew? The rule, pure |
//! | `keeper` | keeps license, anchor and delegation current; the only task that touches an anchor |
//! | `tending` | which anchor serves, since when it is lost, what it signs: the keeper's rule, in steps |
//! | `standby` | how long a standby anchor has served |
//! | `sign` | lease tokens and tickets |
//! | `proof` | tickets and leases that holders show |
//! | `clones` | is there a second server on this license? |

mod clones;
pub(crate) mod keeper;
pub(crate) mod proof;
pub(crate) mod sign;
pub(crate) mod standby;
pub(crate) mod standing;
pub(crate) mod tending;
#[cfg(test)]
mod terms;
#[cfg(test)]
pub(crate) mod testing;

use crate::license::LicenseView;
use clones::Seen;
use mooring_core::license::{
    Delegation, Digest, Envelope, IdentityKey, OpenLicense, Revoked, SigningKey, TokenAnchor,
};
use mooring_core::names::InstanceId;
use mooring_core::policy::OptimisticStart;
use mooring_core::time::{BootTime, DEFAULT_MAX_CONTESTED, Now, Timestamp};
use mooring_core::wire::{AnchorView, Problem, SecondServer};
use standing::{Bad, Clock};
use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// How long a request waits for a fresh delegation when the wall clock has jumped out of the present one.
const FRESH: Duration = Duration::from_secs(2);

/// What leases are like: the configuration, within what the license allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// D.
    pub(crate) lease_for: Duration,
    /// The grace.
    pub(crate) run_for: Duration,
    /// How long a contested holder may go on.
    pub(crate) max_contested: Duration,
    /// Starting without contact.
    pub(crate) optimistic_start: OptimisticStart,
    /// How long renewals go on without the anchor.
    pub(crate) anchor_grace: Duration,
}

/// How long renewals go on without the anchor, where the license does not say less: a delegation's life less its renewal.
const ANCHOR_GRACE: Duration = Duration::from_secs(600);

impl Terms {
    /// The configuration's wishes within the license's policy.
    pub(crate) fn of(lease: &crate::config::Lease, open: &OpenLicense) -> Self {
        let policy = &open.license.policy;
        let at_most = |wish: Duration, limit: Option<Duration>| limit.map_or(wish, |l| wish.min(l));
        Self {
            lease_for: at_most(lease.duration(), policy.max_lease),
            // 8 h at the most, unless the license itself allows more: what an application verifies, too.
            run_for: lease.grace().min(policy.grace_limit()),
            max_contested: policy.max_contested.unwrap_or(DEFAULT_MAX_CONTESTED),
            optimistic_start: policy.optimistic_start,
            anchor_grace: at_most(ANCHOR_GRACE, policy.max_anchor_grace),
        }
    }
}

/// A license with the anchor's word for this run's key: all that signing needs. Replaced as a whole.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    /// The license.
    pub(crate) license: Arc<OpenLicense>,
    /// The anchor, as tokens name it.
    pub(crate) anchor: TokenAnchor,
    /// What the anchor signed.
    pub(crate) delegation: Delegation,
    /// The same, signed.
    pub(crate) envelope: Envelope,
    /// Its digest.
    pub(crate) digest: Digest,
    /// What leases are like.
    pub(crate) terms: Terms,
}

/// Everything about the chain that changes while the server runs.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// What tokens are signed under; none before the anchor spoke for the first time.
    pub(crate) in_force: Option<Arc<InForce>>,
    /// The anchor, for people.
    pub(crate) anchor: AnchorView,
    /// Since when the anchor is lost.
    pub(crate) lost_since: Option<BootTime>,
    /// The license file, for people.
    pub(crate) license: LicenseView,
    /// Set if the license that tokens are signed under is revoked.
    pub(crate) revoked: Option<Revoked>,
}

/// The chain as all requests share it.
pub(crate) struct Chain {
    /// This run.
    pub(crate) instance: InstanceId,
    key: SigningKey,
    identity: IdentityKey,
    boot_id: String,
    seq: AtomicU64,
    state: RwLock<Arc<State>>,
    /// Says that the state was replaced.
    changed: watch::Sender<u64>,
    /// Asks the keeper to look at once.
    look: Notify,
    /// When this run began, on both clocks.
    started: Now,
    /// The latest date of any token that a holder has shown, by the license it was given under.
    echoed: Mutex<HashMap<Digest, Timestamp>>,
    /// The second server on this license.
    second: Mutex<Seen>,
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Chain {
    /// A chain that nothing is known of yet. `seed` is random: the key lives as long as the process.
    pub(crate) fn new(
        instance: InstanceId,
        key: SigningKey,
        identity: IdentityKey,
        boot_id: String,
        started: Now,
        state: State,
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
    pub(crate) fn state(&self) -> Arc<State> {
        self.state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Replaces the state and tells who waits for a change.
    pub(crate) fn set(&self, state: State) {
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
    fn look_for_a_second(&self, sign: clones::Sign<'_>, now: BootTime) {
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

    /// What renewals are signed under, or why there are none. Waits a moment for the anchor if only the wall clock has jumped.
    pub(crate) async fn signing(&self, now: Now) -> Result<Arc<InForce>, Problem> {
        let mut changes = self.changes();
        match standing::may_sign(&self.state(), now, self.clock()) {
            Ok(f) => return Ok(f),
            Err(Bad::Final(p)) => return Err(p),
            Err(Bad::Stale(_)) => self.look.notify_one(),
        }
        let fresh = async {
            while changes.changed().await.is_ok() {
                if let Ok(f) = standing::may_sign(&self.state(), now, self.clock()) {
                    return Some(f);
                }
            }
            None
        };
        if let Ok(Some(f)) = tokio::time::timeout(FRESH, fresh).await {
            return Ok(f);
        }
        standing::may_sign(&self.state(), now, self.clock()).map_err(Bad::problem)
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
        let may = || standing::may_sign(&c.state(), now, c.clock()).is_ok();
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
        c.set(State {
            in_force: Some(Arc::new(anew)),
            ..(*c.state()).clone()
        });
        assert!(may());
    }
}
