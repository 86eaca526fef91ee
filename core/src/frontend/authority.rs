//! May this run grant, may it renew? Pure functions of what is known of license, anchor and time.
//!
//! An [`Authority`] is what the license and the anchor allow, as it was last looked at; its
//! questions take the time, since licenses end, delegations lapse and clocks are set while nobody
//! looks.

use crate::license::{Delegation, Digest, Envelope, OpenLicense, Policy, Revoked, TokenAnchor};
use crate::policy::OptimisticStart;
use crate::reason::{AnchorReason, LicenseReason};
use crate::time::{BootTime, DEFAULT_MAX_CONTESTED, Now, Timestamp};
use crate::wire::{AnchorView, Problem, ProblemType};
use std::sync::Arc;
use std::time::Duration;

/// How long renewals go on without the anchor, where the license does not say less: a delegation's
/// life less its renewal.
const ANCHOR_GRACE: Duration = Duration::from_secs(600);
/// When a delegation is replaced. With [`BACKDATED`] this leaves the anchor grace of ten minutes at
/// any moment.
pub const RENEW: Duration = Duration::from_secs(270);
/// How far a delegation begins before its making, so that a wall clock that is set back a little
/// stays within it.
pub const BACKDATED: Duration = Duration::from_secs(30);
/// By how much the wall clock may fall behind what is known before it counts as turned back.
const TURNED_BACK_SECS: i64 = 24 * 3600;

/// What leases are like: the configuration, within what the license allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    /// D.
    pub lease_for: Duration,
    /// The grace.
    pub run_for: Duration,
    /// How long a contested holder may go on.
    pub max_contested: Duration,
    /// Starting without contact.
    pub optimistic_start: OptimisticStart,
    /// How long renewals go on without the anchor.
    pub anchor_grace: Duration,
}

impl LeaseTerms {
    /// D and grace as the configuration wishes them, within the license's policy.
    pub fn of(lease_for: Duration, grace: Duration, policy: &Policy) -> Self {
        let at_most = |wish: Duration, limit: Option<Duration>| limit.map_or(wish, |l| wish.min(l));
        Self {
            lease_for: at_most(lease_for, policy.max_lease),
            // 8 h at the most, unless the license itself allows more: what an application verifies,
            // too.
            run_for: grace.min(policy.grace_limit()),
            max_contested: policy.max_contested.unwrap_or(DEFAULT_MAX_CONTESTED),
            optimistic_start: policy.optimistic_start,
            anchor_grace: at_most(ANCHOR_GRACE, policy.max_anchor_grace),
        }
    }
}

/// A license with the anchor's word for this run's key: all that signing needs. Replaced as a
/// whole.
#[derive(Clone, Debug)]
pub struct InForce {
    /// The license.
    pub license: Arc<OpenLicense>,
    /// The anchor, as tokens name it.
    pub anchor: TokenAnchor,
    /// What the anchor signed.
    pub delegation: Delegation,
    /// The same, signed.
    pub envelope: Envelope,
    /// Its digest.
    pub digest: Digest,
    /// What leases are like.
    pub terms: LeaseTerms,
}

/// The license as people are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicenseView {
    /// Whether one is in force.
    pub valid: bool,
    /// The reason in a word.
    pub reason: LicenseReason,
    /// Which one is in force, or what is wrong.
    pub message: String,
    /// The id of the one in force.
    pub id: Option<String>,
}

/// What license and anchor allow, as they were last looked at.
#[derive(Clone, Debug)]
pub struct Authority {
    /// What tokens are signed under; none before the anchor spoke for the first time.
    pub in_force: Option<Arc<InForce>>,
    /// The anchor, for people.
    pub anchor: AnchorView,
    /// Since when the anchor is lost.
    pub lost_since: Option<BootTime>,
    /// The license file, for people.
    pub license: LicenseView,
    /// Set if the license that tokens are signed under is revoked.
    pub revoked: Option<Revoked>,
}

/// What is in force is made anew with each signature of the anchor: there identity is enough.
impl PartialEq for Authority {
    fn eq(&self, other: &Self) -> bool {
        let same_in_force = match (&self.in_force, &other.in_force) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        same_in_force
            && self.anchor == other.anchor
            && self.license == other.license
            && self.revoked == other.revoked
            && self.lost_since == other.lost_since
    }
}

/// What is known of the time besides the clocks' readings.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Both clocks at this run's start: the boot clock has gone on from there.
    pub started: Now,
    /// The latest date of a token of the license in force that a holder showed.
    pub echoed: Option<Timestamp>,
}

impl Clock {
    /// What the clock would read had nobody moved it since this run's start.
    fn here(self, now: Now) -> Timestamp {
        let elapsed = now.boot.since(self.started.boot);
        let read = self.started.wall.checked_add(elapsed);
        read.unwrap_or(self.started.wall)
    }

    /// The earliest that it can be.
    fn floor(self, now: Now) -> Timestamp {
        let here = self.here(now);
        self.echoed.map_or(here, |e| e.max(here))
    }
}

/// Why nothing can be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Only the delegation does not cover this moment: a fresh one may help at once.
    Stale(Problem),
    /// Nothing helps but time or people.
    Final(Problem),
}

impl From<Denied> for Problem {
    fn from(d: Denied) -> Self {
        match d {
            Denied::Stale(p) | Denied::Final(p) => p,
        }
    }
}

fn invalid(detail: String) -> Problem {
    Problem::new(ProblemType::LicenseInvalid, detail).retry_after(30)
}

impl Authority {
    fn lost(&self, retry: u64) -> Problem {
        let detail = format!("{}: {}", self.anchor.reason, self.anchor.message);
        Problem::new(ProblemType::AnchorLost, detail).retry_after(retry)
    }

    /// What is in force, if its time and the clock are right.
    fn valid(&self, now: Now, clock: Clock) -> Result<&Arc<InForce>, Problem> {
        let Some(f) = &self.in_force else {
            // A license that is fine but has no anchor's word: it is the anchor that is missed.
            let starting = self.anchor.reason == AnchorReason::Starting;
            return Err(if self.license.valid || starting {
                self.lost(if starting { 1 } else { 10 })
            } else {
                invalid(format!("{}: {}", self.license.reason, self.license.message))
            });
        };
        if let Some(r) = &self.revoked {
            return Err(invalid(format!("Revoked: {r}")));
        }
        let l = &f.license.license;
        if now.wall < l.issued {
            return Err(invalid(format!(
                "the server's clock reads {}, before its license was issued ({}); set the clock",
                now.wall, l.issued
            )));
        }
        let floor = clock.floor(now);
        if floor.as_second().saturating_sub(now.wall.as_second()) > TURNED_BACK_SECS {
            // Either its own earlier reading or a token's date was too high, and each is mended in
            // another way.
            let (read, mend) = if floor == clock.here(now) {
                ("by its own", "restart the server")
            } else {
                (
                    "by a token that it gave",
                    "have the license issued anew, or restart all holders of such tokens and then the server",
                )
            };
            return Err(invalid(format!(
                "the server's clock reads {}, more than a day behind {floor}, which has been {read}; set the clock. If it is \
                 right now, and ran ahead before: {mend}",
                now.wall
            )));
        }
        l.check_dates(now.wall)
            .map_err(|e| invalid(e.to_string()))?;
        Ok(f)
    }

    /// Under what leases are signed now: renewals, and the answers to claims that are granted.
    /// Without the anchor this goes on while the last delegation covers it, for the anchor grace at
    /// most.
    pub fn may_sign(&self, now: Now, clock: Clock) -> Result<Arc<InForce>, Denied> {
        let f = self.valid(now, clock).map_err(Denied::Final)?;
        let grace_over = |since| now.boot.since(since) >= f.terms.anchor_grace;
        if self.lost_since.is_some_and(grace_over) {
            return Err(Denied::Final(self.lost(10)));
        }
        if !f.delegation.covers(now.wall) {
            return Err(match self.lost_since {
                Some(_) => Denied::Final(self.lost(10)),
                None => Denied::Stale(self.lost(1)),
            });
        }
        Ok(f.clone())
    }

    /// Whether something new is granted. Without the anchor nothing is, at once; and nothing that
    /// could not be signed.
    pub fn may_grant(&self, now: Now, clock: Clock) -> Result<Arc<InForce>, Denied> {
        let f = self.may_sign(now, clock)?;
        match self.lost_since {
            Some(_) => Err(Denied::Final(self.lost(10))),
            None => Ok(f),
        }
    }
}

/// Whether the anchor must sign a delegation for `license` now. `made` is when the present one was.
pub fn delegation_due(
    in_force: Option<&InForce>,
    lost_since: Option<BootTime>,
    license: &Digest,
    made: BootTime,
    now: Now,
) -> bool {
    match in_force {
        // An anchor that was away proves with a signature that it is back.
        Some(f) if lost_since.is_none() && f.license.digest == *license => {
            now.boot.since(made) >= RENEW || !f.delegation.covers(now.wall)
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::many_single_char_names)]
    use super::*;
    use crate::frontend::testing::{at, authority};

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
        let digest = f.license.digest.clone();
        let due = |s: &Authority, d: &Digest, t| {
            delegation_due(
                s.in_force.as_deref(),
                s.lost_since,
                d,
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
}
