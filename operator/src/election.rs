//! One writer among the replicas: a `coordination.k8s.io/v1` Lease, held by the leader and renewed
//! by it.
//!
//! A replica trusts its own clock's differences alone: it takes over when the record has not
//! changed for as long as it says a lease lasts, counted from when this replica saw it change (as
//! client-go does). The leader stops a third earlier than that if it cannot renew, so that two
//! never write at once as long as clocks run at about the same speed.

use crate::kubernetes::unless;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use mooring_core::time::{BootTime, Timestamp};
use mooring_net::clock;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long a leader's word holds.
const LEASE: Duration = Duration::from_secs(15);
/// How long a leader goes on without having renewed.
const DEADLINE: Duration = Duration::from_secs(10);
/// How often it renews, and how often the others look.
const RETRY: Duration = Duration::from_secs(2);

/// This replica's part in the election.
pub struct Election {
    api: Api<Lease>,
    name: String,
    me: String,
    seen: Option<Seen>,
}

/// A record, and when this replica first saw it so.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    spec: LeaseSpec,
    at: BootTime,
}

/// What a record allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Ours,
    /// Nobody has it, or its holder has been silent for too long.
    Free,
    Taken,
}

/// Judges a record that has not changed since `at`. Pure.
fn judge(spec: &LeaseSpec, at: BootTime, me: &str, now: BootTime) -> Verdict {
    let holder = spec.holder_identity.as_deref().unwrap_or("");
    let lasts = spec
        .lease_duration_seconds
        .and_then(|s| u64::try_from(s).ok())
        .map_or(LEASE, Duration::from_secs);
    if holder == me {
        Verdict::Ours
    } else if holder.is_empty() || now.since(at) >= lasts {
        Verdict::Free
    } else {
        Verdict::Taken
    }
}

/// The record by which `me` takes the lease, or renews it. Pure.
fn claim(before: Option<&LeaseSpec>, me: &str, now: Timestamp) -> LeaseSpec {
    let ours = before.is_some_and(|s| s.holder_identity.as_deref() == Some(me));
    let transitions = before.and_then(|s| s.lease_transitions).unwrap_or(0);
    LeaseSpec {
        holder_identity: Some(me.to_owned()),
        lease_duration_seconds: i32::try_from(LEASE.as_secs()).ok(),
        acquire_time: match before {
            Some(s) if ours => s.acquire_time.clone(),
            _ => Some(MicroTime(now)),
        },
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(transitions.saturating_add(i32::from(!ours && before.is_some()))),
        ..LeaseSpec::default()
    }
}

impl Election {
    /// `me` must differ between replicas: the pod's name.
    pub fn new(client: Client, namespace: &str, name: &str, me: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            me: me.to_owned(),
            seen: None,
        }
    }

    /// Waits until this replica leads.
    pub async fn won(&mut self) {
        loop {
            let attempt = timeout(DEADLINE, self.attempt()).await;
            match attempt.unwrap_or(Ok(false)) {
                Ok(true) => {
                    tracing::info!(lease = %self.name, replica = %self.me, "this replica leads");
                    return;
                }
                Ok(false) => {}
                Err(e) => tracing::warn!(lease = %self.name, error = %e, "leader election"),
            }
            sleep(RETRY).await;
        }
    }

    /// Renews until that fails for too long, or somebody else leads.
    pub async fn lost(&mut self) {
        let mut renewed = clock::boot();
        loop {
            sleep(RETRY).await;
            let asked = clock::boot();
            let left = DEADLINE.saturating_sub(asked.since(renewed));
            match timeout(left, self.attempt()).await {
                Ok(Ok(true)) => renewed = asked,
                Ok(Ok(false)) => {
                    tracing::warn!(lease = %self.name, "another replica leads");
                    return;
                }
                Ok(Err(e)) => {
                    tracing::warn!(lease = %self.name, error = %e, "renewing the leader's lease");
                }
                Err(_) => {
                    tracing::warn!(lease = %self.name, "renewing the leader's lease: no answer");
                }
            }
            if clock::boot().since(renewed) >= DEADLINE {
                tracing::warn!(lease = %self.name, "could not renew: this replica stops leading");
                return;
            }
        }
    }

    /// Gives the lease up, so that another replica leads at once.
    pub async fn resign(&self) {
        let give_up = async {
            let Some(mut lease) = self.api.get_opt(&self.name).await? else {
                return Ok(());
            };
            let ours = |s: &&mut LeaseSpec| s.holder_identity.as_deref() == Some(&self.me);
            let Some(spec) = lease.spec.as_mut().filter(ours) else {
                return Ok(());
            };
            spec.holder_identity = Some(String::new());
            self.replace(&lease).await.map(|_| ())
        };
        match timeout(Duration::from_secs(3), give_up).await {
            Ok(Ok(())) => tracing::info!(lease = %self.name, "leadership given up"),
            other => {
                tracing::warn!(lease = %self.name, ?other, "leadership could not be given up; it lapses");
            }
        }
    }

    async fn attempt(&mut self) -> Result<bool, kube::Error> {
        let now = clock::now();
        let Some(mut lease) = self.api.get_opt(&self.name).await? else {
            let lease = Lease {
                metadata: ObjectMeta {
                    name: Some(self.name.clone()),
                    ..ObjectMeta::default()
                },
                spec: Some(claim(None, &self.me, now.wall)),
            };
            let made = self.api.create(&PostParams::default(), &lease).await;
            return Ok(unless(made, &[409])?.is_some());
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let at = match &self.seen {
            Some(s) if s.spec == spec => s.at,
            _ => now.boot,
        };
        if judge(&spec, at, &self.me, now.boot) == Verdict::Taken {
            self.seen = Some(Seen { spec, at });
            return Ok(false);
        }
        lease.spec = Some(claim(Some(&spec), &self.me, now.wall));
        self.seen = Some(Seen { spec, at });
        Ok(unless(self.replace(&lease).await, &[409])?.is_some())
    }

    /// The resource version goes along: of two replicas that try at once, one gets a conflict.
    async fn replace(&self, lease: &Lease) -> Result<Lease, kube::Error> {
        let params = PostParams::default();
        self.api.replace(&self.name, &params, lease).await
    }
}

#[cfg(test)]
mod tests;
