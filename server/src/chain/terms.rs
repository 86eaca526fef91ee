//! Whether each field of a license's policy is in force in what leases are like.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::config::Lease;
use mooring_core::license::{License, Policy, Trust, types};

fn terms(policy: Policy) -> Terms {
    let l = License {
        policy,
        ..crate::testing::license(super::testing::anchor().public())
    };
    let e = Envelope::sign(types::LICENSE, &l, &crate::testing::vendor()).unwrap();
    let open = OpenLicense::from_envelope(e, Trust::Unchecked).unwrap();
    Terms::of(&Lease::default(), &open)
}

/// Each field of the policy bounds what the configuration wishes (leases of 30 s, a grace of 8 h), and never widens it.
#[test]
fn each_field_of_the_policy_is_in_force() {
    const S: fn(u64) -> Duration = Duration::from_secs;
    let plain = terms(Policy::default());
    let expected = Terms {
        lease_for: S(30),
        run_for: S(8 * 3600),
        max_contested: S(900),
        optimistic_start: OptimisticStart::Allow,
        anchor_grace: S(600),
    };
    assert_eq!(plain, expected);
    let with = |f: fn(&mut Policy)| {
        let mut p = Policy::default();
        f(&mut p);
        terms(p)
    };
    let less = with(|p| p.max_lease = Some(S(10)));
    assert_eq!((less.lease_for, less.run_for), (S(10), S(8 * 3600)));
    assert_eq!(with(|p| p.max_lease = Some(S(300))), expected);
    assert_eq!(with(|p| p.max_grace = Some(S(60))).run_for, S(60));
    assert_eq!(with(|p| p.max_grace = Some(S(720_000))), expected);
    let contested = with(|p| p.max_contested = Some(S(7_200)));
    assert_eq!(contested.max_contested, S(7_200));
    let none = with(|p| p.max_contested = Some(S(0)));
    assert_eq!(none.max_contested, S(0));
    let anchor = with(|p| p.max_anchor_grace = Some(S(0)));
    assert_eq!(anchor.anchor_grace, S(0));
    // Longer than a delegation allows: the delegation holds.
    assert_eq!(with(|p| p.max_anchor_grace = Some(S(3600))), expected);
    let deny = with(|p| p.optimistic_start = OptimisticStart::Deny);
    assert_eq!(deny.optimistic_start, OptimisticStart::Deny);
}
