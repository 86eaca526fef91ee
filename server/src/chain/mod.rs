//! The chain of signatures as the server carries it on: a delegation from the anchor to an
//! ephemeral key, lease tokens signed with that key, and checking what earlier runs
//! signed.
//!
//! | file | idea |
//! |---|---|
//! | `anchor_task` | keeps license, anchor and delegation current; the only task that touches an anchor |
//! | `failover` | which anchor serves, since when it is lost: the task's rule, in steps |
//! | `delegation`, `words` | what the anchor signs; what people are told of it |
//! | `standby` | how long a standby anchor has served |
//! | `sign` | lease tokens |
//! | `proof` | lease tokens that holders show |
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
mod words;

use http::HeaderValue;
use mooring_core::license::{PublicKey, SigningKey};
use mooring_core::names::{BootId, InstanceId};
use mooring_core::receipt::Identity;
use mooring_core::time::{BootTime, Now};
use mooring_core::wire::SecondServer;
use mooring_net::sync::lock;
use second_server::Sighting;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

/// This run's end of the chain, as all requests share it.
pub(crate) struct Chain {
    pub(crate) instance: InstanceId,
    /// The same as a header's value.
    pub(crate) named: HeaderValue,
    key: SigningKey,
    identity: Identity,
    boot: BootId,
    seq: AtomicU64,
    started: Now,
    second: Mutex<Sighting>,
}

impl Chain {
    pub(crate) fn new(
        instance: InstanceId,
        key: SigningKey,
        identity: Identity,
        boot: BootId,
        started: Now,
    ) -> Self {
        // Hexadecimal digits are a header's value.
        let named = HeaderValue::from_str(&instance.to_string());
        Self {
            named: named.unwrap_or(HeaderValue::from_static("")),
            instance,
            key,
            identity,
            boot,
            seq: AtomicU64::new(0),
            started,
            second: Mutex::default(),
        }
    }

    /// This run's key, as the anchor delegates to it.
    fn public_key(&self) -> PublicKey {
        self.key.public()
    }

    /// A token of another run was shown, which may be a second server's.
    fn look_for_a_second(&self, sign: second_server::Sign<'_>, now: BootTime) {
        if !sign.of_a_second_server(self.instance, self.started, self.boot) {
            return;
        }
        if self.second().note(sign, now) {
            tracing::error!(other = %sign.instance, this = %self.instance, issued_at = %sign.issued_at,
                "a second license server serves this license, or the clock of an earlier one ran ahead: a token of another run is \
                 younger than this run; find it, and stop one of them");
        }
    }

    /// The second server on this license that was seen last, for an hour.
    pub(crate) fn second_server(&self, now: BootTime) -> Option<SecondServer> {
        self.second().shown(now).cloned()
    }

    fn second(&self) -> std::sync::MutexGuard<'_, Sighting> {
        lock(&self.second)
    }
}
