//! What holds for the whole run: D, the grace, how long it settles, what proof a silent holder's
//! seat needs. Pure: the configuration, the licenses as they are at the start, and the number kept.

use mooring_config::{Config, Lease};
use mooring_core::frontend::LeaseTerms;
use mooring_core::ledger::settle_for;
use mooring_core::license::OpenLicense;
use mooring_core::policy::Reclaim;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Debug)]
pub(crate) struct RunTerms {
    /// D and the grace, within the licenses as they were at the start. A later license may shorten
    /// what holders are told, and never lengthen it: the ledger, which counts by these, would free
    /// a seat before its holder stops.
    pub(crate) lease: Lease,
    /// How long a new run grants nothing, because leases of earlier ones may still be out.
    pub(crate) settle: Duration,
    /// The stricter of what the configuration and the license demand.
    pub(crate) reclaim: Reclaim,
}

impl RunTerms {
    /// `known` is the longest lease of earlier runs as `stateDir` has it.
    pub(crate) fn of(
        config: &Config,
        licenses: &[Arc<OpenLicense>],
        known: Option<Duration>,
    ) -> Self {
        let (lease_for, grace) = (config.lease.duration(), config.lease.grace());
        let each = licenses.iter().map(AsRef::as_ref);
        let terms = LeaseTerms::under(lease_for, grace, each);
        let lease_for = terms.map_or(lease_for, |t| t.lease_for);
        // Each file's own limit is kept by each lease; the books wait for the longest.
        let limits = licenses.iter().map(|l| l.license.policy.grace_limit());
        let grace = limits.max().map_or(grace, |limit| grace.min(limit));
        let demanded = licenses.iter().map(|l| l.license.policy.reclaim);
        let settle = if cfg!(feature = "mutant-no-settling") {
            Duration::ZERO
        } else {
            let configured = config.earlier_longest_lease_secs.map(Duration::from_secs);
            settle_for(configured.max(known), lease_for)
        };
        Self {
            lease: Lease {
                duration_secs: lease_for.as_secs(),
                grace_secs: grace.as_secs(),
                ..config.lease.clone()
            },
            settle,
            reclaim: config.lease.reclaim.and(demanded),
        }
    }
}

#[cfg(test)]
mod tests;
