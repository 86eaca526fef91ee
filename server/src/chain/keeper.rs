//! Keeps license, anchor and delegation current: the task around [`Tending`], the only one that touches an anchor.
//!
//! Each second: is the anchor there, is the license file new, is the delegation due? What changed is published to the
//! [`Chain`]; the ledger is paused and resumed accordingly.

use super::standing::paused;
use super::tending::Tending;
use super::{Chain, State};
use crate::anchor::Anchor;
use crate::engine::Engine;
use crate::license::LicenseFile;
use crate::metrics::Metrics;
use mooring_core::ledger::Capacity;
use mooring_core::license::Digest;
use mooring_core::policy::Reclaim;
use mooring_core::time::{BootTime, Now};
use mooring_core::wire::ProblemType;
use mooring_net::clock;
use mooring_net::shutdown::Shutdown;
use std::sync::Arc;
use std::time::Duration;

/// How often the anchor is looked at.
pub(super) const PROBE: Duration = Duration::from_secs(1);
/// How often the license file is looked at.
const FILE: Duration = Duration::from_secs(2);

/// What the ledger was told.
#[derive(PartialEq, Eq)]
enum Told {
    /// Nothing yet.
    Nothing,
    /// To grant.
    Granting,
    /// To grant nothing new: the problem, and the reasons of anchor and license.
    Paused(ProblemType, String),
}

/// The task's state.
pub(crate) struct Keeper<A> {
    tending: Tending<A>,
    file: LicenseFile,
    chain: Arc<Chain>,
    engine: Arc<Engine>,
    metrics: Arc<Metrics>,
    /// What the configuration demands.
    reclaim: Reclaim,
    file_at: BootTime,
    /// The license whose seats the ledger has.
    counted: Option<Digest>,
    /// What the ledger was last told.
    told: Told,
}

impl<A: Anchor> Keeper<A> {
    /// A keeper that has looked at nothing yet.
    pub(crate) fn new(
        tending: Tending<A>,
        file: LicenseFile,
        chain: Arc<Chain>,
        engine: Arc<Engine>,
        metrics: Arc<Metrics>,
        reclaim: Reclaim,
    ) -> Self {
        Self {
            tending,
            file,
            chain,
            engine,
            metrics,
            reclaim,
            file_at: BootTime::default(),
            counted: None,
            told: Told::Nothing,
        }
    }

    /// Runs until asked to end; then lets go of the anchor.
    pub(crate) async fn run(mut self, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = self.step() => {}
                () = shutdown.asked() => break,
            }
            tokio::select! {
                () = tokio::time::sleep(PROBE) => {}
                () = self.chain.look.notified() => {}
                () = shutdown.asked() => break,
            }
        }
        self.tending.close().await;
    }

    async fn step(&mut self) {
        let now = clock::now();
        if now.boot >= self.file_at {
            self.file_at = now.boot + FILE;
            if self.file.look(now.wall, self.tending.keys().as_deref()) {
                self.metrics.license_reads.inc();
            }
        }
        self.tending.step(&mut self.file).await;
        self.count();
        self.publish(clock::now());
    }

    /// Tells the ledger of the seats of a license that has come into force.
    fn count(&mut self) {
        let Some(open) = self.tending.in_force().map(|f| f.license.clone()) else {
            return;
        };
        if self.counted.as_ref() == Some(&open.digest) {
            return;
        }
        let l = &open.license;
        tracing::info!(license = %l.id, customer = %l.customer, expires = l.expires.map(tracing::field::display), "license in force");
        self.file.in_force(&open);
        // What the license demands, or the configuration: the stricter.
        let reclaim = match l.policy.reclaim {
            Some(Reclaim::Confirmed) => Reclaim::Confirmed,
            _ => self.reclaim,
        };
        self.engine.act(|ledger, now| {
            ledger.set_reclaim(reclaim, now);
            ledger.set_capacity(Capacity::of(l), now);
        });
        self.counted = Some(open.digest.clone());
    }

    fn publish(&mut self, now: Now) {
        let state = self.tending.state(&self.file, now);
        self.metrics.chain(&state, now, self.tending.delegated());
        let old = self.chain.state();
        let why = paused(&state, now, self.chain.clock());
        let reason = state.anchor.reason.clone();
        if !same(&old, &state) {
            self.chain.set(state);
        }
        // The detail may carry the time, which is no change.
        let told = why.as_ref().map_or(Told::Granting, |p| {
            Told::Paused(
                p.kind,
                format!("{reason} {}", self.file.view(now.wall).reason),
            )
        });
        if self.told != told {
            if let Some(p) = &why {
                // Without its anchor it renews for the anchor grace; without a license it signs nothing.
                let what = if p.kind == ProblemType::LicenseInvalid {
                    "no lease is granted or renewed"
                } else {
                    "no new lease is granted"
                };
                tracing::warn!(problem = p.kind.name(), "{what}: {}", p.detail);
            } else {
                tracing::info!("leases are granted");
            }
            self.engine.act(|ledger, now| ledger.pause(why, now));
            self.told = told;
        }
    }
}

fn same(a: &State, b: &State) -> bool {
    let same_chain = match (&a.in_force, &b.in_force) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    };
    same_chain
        && a.anchor == b.anchor
        && a.license == b.license
        && a.revoked == b.revoked
        && a.lost_since == b.lost_since
}
