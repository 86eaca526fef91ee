//! What holds for the whole run: D, the grace, how long it settles, what proof a silent holder's
//! seat needs. Pure: the configuration, the license as it is at the start, and the number kept.

use mooring_config::{Config, Lease};
use mooring_core::frontend::LeaseTerms;
use mooring_core::ledger::settle_for;
use mooring_core::license::OpenLicense;
use mooring_core::policy::Reclaim;
use std::time::Duration;

/// What holds for the whole run.
#[derive(Clone, Debug)]
pub(crate) struct RunTerms {
    /// D and the grace, within the license as it was at the start. A later license may shorten what
    /// holders are told, and never lengthen it: the ledger, which counts by these, would free a
    /// seat before its holder stops.
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
        license: Option<&OpenLicense>,
        known: Option<Duration>,
    ) -> Self {
        let terms = license.map(|l| {
            LeaseTerms::of(
                config.lease.duration(),
                config.lease.grace(),
                &l.license.policy,
            )
        });
        let lease_for = terms.map_or(config.lease.duration(), |t| t.lease_for);
        let grace = terms.map_or(config.lease.grace(), |t| t.run_for);
        let demanded = license.and_then(|l| l.license.policy.reclaim);
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
                reclaim: config.lease.reclaim,
            },
            settle,
            reclaim: if demanded == Some(Reclaim::Confirmed) {
                Reclaim::Confirmed
            } else {
                config.lease.reclaim
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::license;
    use mooring_core::license::{Envelope, Policy, SigningKey, Trust, types};
    use mooring_testkit::vendor;

    const S: fn(u64) -> Duration = Duration::from_secs;

    /// Leases of 30 s, a grace of an hour.
    fn config(more: &str) -> Config {
        let text = "name: a\ntls: {cert: c, key: k}\nlicense: l\nstateDir: s\nidentityKey: i\n\
                    anchor: {usb: {keyFile: k}}\n";
        serde_yaml::from_str(&format!("{text}{more}")).unwrap()
    }

    fn licensed(policy: Policy) -> OpenLicense {
        let mut l = license(SigningKey::from_seed(&[5; 32]).unwrap().public());
        l.policy = policy;
        let e = Envelope::sign(types::LICENSE, &l, &vendor()).unwrap();
        OpenLicense::from_envelope(e, Trust::Unchecked).unwrap()
    }

    #[test]
    fn the_license_shortens_lease_and_grace_and_may_demand_more_proof_and_never_less() {
        let wish = config("lease: {durationSecs: 30, graceSecs: 3600}\n");
        let of = |c: &Config, p: Policy| {
            let t = RunTerms::of(c, Some(&licensed(p)), None);
            (t.lease.duration(), t.lease.grace(), t.reclaim)
        };
        let plain = RunTerms::of(&wish, None, None);
        assert_eq!(
            (plain.lease.duration(), plain.lease.grace()),
            (S(30), S(3600))
        );
        let longer = Policy {
            max_lease: Some(S(300)),
            max_grace: Some(S(7200)),
            ..Policy::default()
        };
        assert_eq!(of(&wish, longer), (S(30), S(3600), Reclaim::Any));
        let shorter = Policy {
            max_lease: Some(S(10)),
            max_grace: Some(S(60)),
            reclaim: Some(Reclaim::Confirmed),
            ..Policy::default()
        };
        assert_eq!(of(&wish, shorter), (S(10), S(60), Reclaim::Confirmed));
        let strict = config("lease: {reclaim: Confirmed}\n");
        let any = Policy {
            reclaim: Some(Reclaim::Any),
            ..Policy::default()
        };
        assert_eq!(of(&strict, any).2, Reclaim::Confirmed);
    }

    #[test]
    fn a_run_settles_for_the_longest_lease_that_anyone_knows_of() {
        let settle = |more: &str, known| RunTerms::of(&config(more), None, known).settle;
        let q = |longest| settle_for(longest, S(30));
        assert_eq!(
            settle("", None),
            q(None),
            "nobody knows: the longest there can be"
        );
        assert_eq!(settle("", Some(S(60))), q(Some(S(60))));
        let first = "earlierLongestLeaseSecs: 0\n";
        assert_eq!(settle(first, None), Duration::ZERO);
        assert_eq!(settle(first, Some(S(60))), q(Some(S(60))));
        assert_eq!(
            settle("earlierLongestLeaseSecs: 120\n", Some(S(60))),
            q(Some(S(120)))
        );
    }
}
