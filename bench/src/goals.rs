//! What each figure is to be. The only place where a goal stands.

use Bound::{AtLeast, AtMost};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bound {
    pub(crate) fn is_met(self, value: f64) -> bool {
        match self {
            AtLeast(n) => value >= n,
            AtMost(n) => value <= n,
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AtLeast(n) => write!(f, "≥ {n}"),
            AtMost(n) => write!(f, "≤ {n}"),
        }
    }
}

const GOALS: &[(&str, Bound)] = &[
    ("renew_ratio_64", AtLeast(0.85)),
    ("renew_ratio_256", AtLeast(0.85)),
    ("renew_bytes", AtMost(400.0)),
    ("claim_ratio_64", AtLeast(0.5)),
    ("renew_p99_ratio", AtMost(2.0)),
    ("ledger_ops", AtLeast(500_000.0)),
    // The rate at 1,000,000 leases, as a part of the rate at 1,000.
    ("ledger_flat", AtLeast(0.7)),
    ("ledger_bytes_per_lease", AtMost(400.0)),
    ("server_rss_10k_mib", AtMost(250.0)),
    ("claims_per_s_storm", AtLeast(3000.0)),
    ("sidecar_rss_mib", AtMost(3.0)),
    ("sidecar_image_mb", AtMost(3.0)),
    ("sidecar_cpu_ms_per_min", AtMost(5.0)),
    ("status_p99_us", AtMost(100.0)),
    ("status_ratio", AtLeast(0.8)),
    ("webhook_p99_ms", AtMost(0.5)),
    ("webhook_per_s", AtLeast(10_000.0)),
    ("pod_start_added_ms", AtMost(100.0)),
    ("operator_rss_10k_mib", AtMost(100.0)),
    ("operator_rss_50k_foreign_mib", AtMost(60.0)),
    // What an operator that is started anew writes of 10,000 leases that did not change.
    ("operator_restart_writes", AtMost(0.0)),
    ("restart_10k_lost", AtMost(0.0)),
    ("storm_grant_p99_ms", AtMost(50.0)),
    // Of the seats, under the load of Kueue's baseline.
    ("queue_used_pct", AtLeast(90.0)),
    // How many times slower than a plain claim.
    ("countby_ops", AtMost(3.0)),
];

/// The goal of a figure, if it has one.
pub(crate) fn of(name: &str) -> Option<Bound> {
    GOALS.iter().find(|(n, _)| *n == name).map(|(_, b)| *b)
}
