#![allow(clippy::unwrap_used)]
use super::*;
use crate::tests::license;
use mooring_core::license::{Envelope, Policy, SigningKey, Trust, types};
use mooring_testkit::vendor;

const S: fn(u64) -> Duration = Duration::from_secs;

/// Leases of 30 s, a grace of an hour.
fn config(more: &str) -> Config {
    let text = "name: a\ntls: {cert: c, key: k}\nlicenses: [l]\nstateDir: s\nidentityKey: i\n\
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
        let t = RunTerms::of(c, &[Arc::new(licensed(p))], None);
        (t.lease.duration(), t.lease.grace(), t.reclaim)
    };
    let plain = RunTerms::of(&wish, &[], None);
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
    let settle = |more: &str, known| RunTerms::of(&config(more), &[], known).settle;
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

#[test]
fn of_several_files_the_shortest_lease_and_the_longest_grace_hold_for_the_run() {
    let wish = config("lease: {durationSecs: 30, graceSecs: 1209600}\n");
    let of = |max_grace, max_lease| {
        Arc::new(licensed(Policy {
            max_grace: Some(max_grace),
            max_lease: Some(max_lease),
            ..Policy::default()
        }))
    };
    let files = [of(S(60), S(20)), of(S(86_400), S(10))];
    let t = RunTerms::of(&wish, &files, None);
    assert_eq!((t.lease.duration(), t.lease.grace()), (S(10), S(86_400)));
}
