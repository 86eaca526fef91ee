#![allow(clippy::unwrap_used, clippy::many_single_char_names)]
use super::*;
use crate::frontend::tests::testing::{at, authority};

const NOON: &str = "2026-05-01T12:00:00Z";

fn clock() -> Clock {
    Clock {
        started: Now {
            boot: BootTime::from_millis(0),
            wall: at(NOON),
        },
        echoed: None,
    }
}

fn now(boot_secs: u64, wall: &str) -> Now {
    Now {
        boot: BootTime::from_millis(boot_secs * 1000),
        wall: at(wall),
    }
}

fn why(s: &Authority, t: Now, c: Clock) -> Option<Problem> {
    s.may_grant(t, c).err().map(Problem::from)
}

#[test]
fn without_the_anchor_renewals_go_on_for_the_grace_and_grants_stop_at_once() {
    let mut s = authority(NOON);
    let (t, c) = (now(60, "2026-05-01T12:01:00Z"), clock());
    assert!(s.may_sign(t, c).is_ok() && s.may_grant(t, c).is_ok());
    s.lost_since = Some(t.boot);
    s.anchor.reason = AnchorReason::TokenLost;
    assert_eq!(why(&s, t, c).unwrap().kind, ProblemType::AnchorLost);
    assert!(s.may_sign(now(659, "2026-05-01T12:10:59Z"), c).is_ok());
    let e = s.may_sign(now(660, "2026-05-01T12:11:00Z"), c).unwrap_err();
    assert!(
        matches!(e, Denied::Final(p) if p.kind == ProblemType::AnchorLost && p.detail.starts_with("TokenLost"))
    );
    // Never beyond the delegation, even within the grace.
    s.lost_since = Some(BootTime::from_millis(700_000));
    assert!(matches!(
        s.may_sign(now(1000, "2026-05-01T12:15:00Z"), c),
        Err(Denied::Final(_))
    ));
}

#[test]
fn a_wall_clock_that_jumps_only_asks_for_a_fresh_delegation() {
    let s = authority(NOON);
    let jumped = now(60, "2026-05-01T18:00:00Z");
    assert!(matches!(s.may_sign(jumped, clock()), Err(Denied::Stale(_))));
    assert!(matches!(
        s.may_grant(jumped, clock()),
        Err(Denied::Stale(_))
    ));
}

#[test]
fn a_delegation_is_renewed_in_time_for_the_whole_anchor_grace() {
    let mut s = authority(NOON);
    let f = s.in_force.clone().unwrap();
    let digest = f.licenses[0].open.digest.clone();
    let due = |s: &Authority, d: &Digest, t| {
        delegation_due(
            s.in_force.as_deref(),
            s.lost_since,
            std::slice::from_ref(d),
            BootTime::default(),
            t,
        )
    };
    let fresh = now(60, "2026-05-01T12:01:00Z");
    assert!(!due(&s, &digest, fresh));
    assert!(due(&s, &Digest("other".into()), fresh), "a new license");
    assert!(
        due(&s, &digest, now(60, "2026-05-01T11:59:59Z")),
        "the wall clock went back"
    );
    assert!(due(&s, &digest, now(270, "2026-05-01T12:04:30Z")));
    s.lost_since = Some(fresh.boot);
    assert!(due(&s, &digest, fresh), "lost");
    // Made at t, it covers t - 30 s to t + 870 s: lost just before the renewal at t + 270 s, it
    // lasts for 600 s.
    assert!(BACKDATED + RENEW + f.terms.anchor_grace <= crate::license::MAX_DELEGATION);
}

#[test]
fn an_ended_license_grants_and_renews_nothing() {
    let s = authority(NOON);
    let t = now(60, "2027-03-01T00:00:00Z");
    assert_eq!(
        why(&s, t, clock()).unwrap().kind,
        ProblemType::LicenseInvalid
    );
    let Err(Denied::Final(p)) = s.may_sign(t, clock()) else {
        unreachable!()
    };
    assert!(
        p.kind == ProblemType::LicenseInvalid && p.detail.contains("it ended 2027-03-01"),
        "{p}"
    );
}

#[test]
fn a_revoked_license_grants_and_renews_nothing() {
    let mut s = authority(NOON);
    s.revoked = Some(crate::license::Revoked {
        id: "test-1".into(),
        since: at("2026-04-30T00:00:00Z"),
        reason: "not paid".into(),
        number: 7,
        issued: at("2026-04-29T00:00:00Z"),
    });
    let t = now(60, "2026-05-01T12:01:00Z");
    let Err(Denied::Final(p)) = s.may_sign(t, clock()) else {
        unreachable!()
    };
    assert_eq!(p.kind, ProblemType::LicenseInvalid);
    let words = [
        "Revoked",
        "2026-04-30T00:00:00Z",
        "list number 7",
        "not paid",
    ];
    assert!(words.iter().all(|w| p.detail.contains(w)), "{p}");
    assert_eq!(why(&s, t, clock()).map(|p| p.detail), Some(p.detail));
}

#[test]
fn a_clock_turned_back_issues_nothing() {
    let s = authority(NOON);
    let p = |wall, c| {
        s.valid(now(60, wall), c)
            .err()
            .map(|p| p.detail)
            .unwrap_or_default()
    };
    assert!(p("2025-12-31T00:00:00Z", clock()).contains("before its license was issued"));
    assert!(p("2026-04-29T00:00:00Z", clock()).contains("more than a day behind"));
    assert_eq!(p("2026-05-01T00:00:00Z", clock()), "");
    let echoed = Clock {
        echoed: Some(at("2026-05-03T00:00:00Z")),
        ..clock()
    };
    let words = p(NOON, echoed);
    assert!(
        words.contains("more than a day behind 2026-05-03") && words.contains("issued anew"),
        "{words}"
    );
    assert!(p("2026-04-29T00:00:00Z", clock()).contains("restart the server"));
}

#[test]
fn it_says_whether_the_license_or_the_anchor_is_missed() {
    let mut s = authority(NOON);
    s.in_force = None;
    let kind = |s: &Authority| why(s, now(1, NOON), clock()).unwrap().kind;
    assert_eq!(kind(&s), ProblemType::AnchorLost);
    s.license.valid = false;
    assert_eq!(kind(&s), ProblemType::LicenseInvalid);
}

/// Each field of the policy bounds what the configuration wishes (leases of 30 s, a grace of 8
/// h), and never widens it.
#[test]
fn each_field_of_the_policy_is_in_force() {
    const S: fn(u64) -> Duration = Duration::from_secs;
    let terms = |p: Policy| LeaseTerms::of(S(30), S(8 * 3600), &p);
    let plain = terms(Policy::default());
    let expected = LeaseTerms {
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
