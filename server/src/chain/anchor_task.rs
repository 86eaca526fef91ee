//! Keeps license, anchor and delegation current: the task around [`Failover`], the only one that
//! touches an anchor.
//!
//! Each second: is the anchor there, is the license file new, is the delegation due? What changed
//! is published to the [`Engine`], whose frontend grants accordingly.

use super::failover::Failover;
use crate::anchor::Anchor;
use crate::engine::Engine;
use crate::keeper::Keeper;
use crate::license::LicenseFiles;
use crate::metrics::Metrics;
use mooring_core::ledger::Capacity;
use mooring_core::license::Digest;
use mooring_core::policy::Reclaim;
use mooring_core::reason::{AnchorReason, LicenseReason};
use mooring_core::time::{BootTime, Now};
use mooring_core::wire::{Problem, ProblemType};
use mooring_net::clock;
use mooring_net::shutdown::Shutdown;
use std::sync::Arc;
use std::time::Duration;

/// How often the anchor is looked at.
pub(super) const PROBE: Duration = Duration::from_secs(1);
/// How often the license file is looked at.
const FILE: Duration = Duration::from_secs(2);

/// Why nothing new is granted: the problem, and the reasons of anchor and license.
type Paused = (ProblemType, AnchorReason, LicenseReason);

pub(crate) struct AnchorTask<A> {
    failover: Failover<A>,
    files: LicenseFiles,
    keeper: Arc<Keeper>,
    engine: Arc<Engine>,
    metrics: Arc<Metrics>,
    reclaim: Reclaim,
    file_at: BootTime,
    /// The licenses whose seats the ledger has.
    counted: Vec<Digest>,
    /// What people were last told in the log.
    told: Option<Result<(), Paused>>,
}

impl<A: Anchor> AnchorTask<A> {
    pub(crate) fn new(
        failover: Failover<A>,
        files: LicenseFiles,
        keeper: Arc<Keeper>,
        engine: Arc<Engine>,
        metrics: Arc<Metrics>,
        reclaim: Reclaim,
    ) -> Self {
        Self {
            failover,
            files,
            keeper,
            engine,
            metrics,
            reclaim,
            file_at: BootTime::default(),
            counted: Vec::new(),
            told: None,
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
                () = self.engine.look.notified() => {}
                () = shutdown.asked() => break,
            }
        }
        // An answer to a login that was not written yet.
        self.keeper.flush().await;
        self.failover.close().await;
    }

    async fn step(&mut self) {
        let now = clock::now();
        if now.boot >= self.file_at {
            self.file_at = now.boot + FILE;
            if self.files.look(now.wall, self.failover.keys().as_deref()) {
                self.metrics.license_reads.inc();
            }
        }
        self.failover.step(&mut self.files).await;
        let counted = self.count();
        self.keeper.flush().await;
        self.publish(counted, clock::now());
    }

    /// What the ledger is to count by, where other licenses have come into force.
    fn count(&mut self) -> Option<(Capacity, Reclaim)> {
        let f = self.failover.in_force()?.clone();
        if self.counted == f.delegation.licenses {
            return None;
        }
        for open in f.licenses().filter(|l| !self.counted.contains(&l.digest)) {
            let l = &open.license;
            tracing::info!(license = %l.id, customer = %l.customer, expires = l.expires.map(tracing::field::display), "license in force");
            self.files.in_force(open);
        }
        let demanded = f.licenses().map(|l| l.license.policy.reclaim);
        let reclaim = self.reclaim.and(demanded);
        self.counted.clone_from(&f.delegation.licenses);
        let capacity = Capacity::of(f.licenses().map(|l| (&l.license, &l.digest)));
        Some((capacity, reclaim))
    }

    fn publish(&mut self, counted: Option<(Capacity, Reclaim)>, now: Now) {
        let state = self.failover.authority(&self.files, now);
        self.metrics.chain(&state, now, self.failover.delegated());
        let (old, clock) = self.engine.authority();
        let granting = state.may_grant(now, clock).map(drop).map_err(Problem::from);
        let (anchor, license) = (state.anchor.reason, state.license.reason);
        if counted.is_none() && *old == state {
            // Licenses end and clocks are set also while nobody asks.
            self.engine.act(|_, _| ());
        } else {
            self.engine.set_authority(state, counted);
        }
        // The detail may carry the time, which is no change.
        let told = match &granting {
            Ok(()) => Ok(()),
            Err(p) => Err((p.kind, anchor, license)),
        };
        if self.told != Some(told) {
            if let Err(p) = &granting {
                // Without its anchor it renews for the anchor grace; without a license it signs
                // nothing.
                let what = if p.kind == ProblemType::LicenseInvalid {
                    "no lease is granted or renewed"
                } else {
                    "no new lease is granted"
                };
                tracing::warn!(problem = p.kind.name(), "{what}: {}", p.detail);
            } else {
                tracing::info!("leases are granted");
            }
            self.told = Some(told);
        }
    }
}
