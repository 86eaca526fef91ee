//! May this server grant, may it renew? Pure functions of the chain's state and the time.

use super::{InForce, State};
use mooring_core::license::Digest;
use mooring_core::time::{BootTime, Now, Timestamp};
use mooring_core::wire::{Problem, ProblemType};
use std::sync::Arc;
use std::time::Duration;

/// By how much the wall clock may fall behind what is known before it counts as turned back.
const TURNED_BACK_SECS: i64 = 24 * 3600;

/// What is known of the time besides the clocks' readings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// Both clocks at this run's start: the boot clock has gone on from there.
    pub(crate) started: Now,
    /// The latest date of a token of the license in force that a holder showed.
    pub(crate) echoed: Option<Timestamp>,
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
pub(crate) enum Bad {
    /// Only the delegation does not cover this moment: a fresh one may help at once.
    Stale(Problem),
    /// Nothing helps but time or people.
    Final(Problem),
}

impl Bad {
    /// The answer.
    pub(crate) fn problem(self) -> Problem {
        match self {
            Self::Stale(p) | Self::Final(p) => p,
        }
    }
}

fn lost(state: &State, retry: u64) -> Problem {
    Problem::new(
        ProblemType::AnchorLost,
        format!("{}: {}", state.anchor.reason, state.anchor.message),
    )
    .retry_after(retry)
}

/// The license of `state`, if its time and the clock are right.
fn license(state: &State, now: Now, clock: Clock) -> Result<&Arc<InForce>, Problem> {
    let invalid =
        |detail: String| Problem::new(ProblemType::LicenseInvalid, detail).retry_after(30);
    let Some(f) = &state.in_force else {
        // A license that is fine but has no anchor's word: it is the anchor that is missed.
        let starting = state.anchor.reason == "Starting";
        return Err(if state.license.valid || starting {
            lost(state, if starting { 1 } else { 10 })
        } else {
            invalid(format!(
                "{}: {}",
                state.license.reason, state.license.message
            ))
        });
    };
    if let Some(r) = &state.revoked {
        return Err(invalid(format!("Revoked: {r}")));
    }
    let l = &f.license.license;
    if now.wall < l.issued {
        let detail = format!(
            "the server's clock reads {}, before its license was issued ({}); set the clock",
            now.wall, l.issued
        );
        return Err(invalid(detail));
    }
    let floor = clock.floor(now);
    if floor.as_second().saturating_sub(now.wall.as_second()) > TURNED_BACK_SECS {
        let detail = format!(
            "the server's clock reads {}, more than a day behind {floor}, which has been {}; set the clock. If it is right now, and \
             ran ahead before: {}",
            now.wall,
            if floor == clock.here(now) {
                "by its own"
            } else {
                "by a token that it gave"
            },
            if floor == clock.here(now) {
                "restart the server"
            } else {
                "have the license issued anew, or restart all holders of such tokens and then the server"
            }
        );
        return Err(invalid(detail));
    }
    l.check_dates(now.wall)
        .map_err(|e| invalid(e.to_string()))?;
    Ok(f)
}

/// Under what leases are signed now: renewals, and the answers to claims that are granted. Without the anchor this goes on
/// while the last delegation covers it, for the anchor grace at most.
pub(crate) fn may_sign(state: &State, now: Now, clock: Clock) -> Result<Arc<InForce>, Bad> {
    let f = license(state, now, clock).map_err(Bad::Final)?;
    if state
        .lost_since
        .is_some_and(|since| now.boot.since(since) >= f.terms.anchor_grace)
    {
        return Err(Bad::Final(lost(state, 10)));
    }
    if !f.delegation.covers(now.wall) {
        return Err(if state.lost_since.is_some() {
            Bad::Final(lost(state, 10))
        } else {
            Bad::Stale(lost(state, 1))
        });
    }
    Ok(f.clone())
}

/// When a delegation is replaced. With [`BACKDATED`] this leaves the anchor grace of ten minutes at any moment.
pub(super) const RENEW: Duration = Duration::from_secs(270);
/// How far a delegation begins before its making, so that a wall clock that is set back a little stays within it.
pub(super) const BACKDATED: Duration = Duration::from_secs(30);

/// Whether the anchor must sign a delegation for `license` now. `made` is when the present one was.
pub(super) fn delegation_due(
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

/// Why nothing new is granted; `None` if it is. Without the anchor nothing is, at once.
pub(crate) fn paused(state: &State, now: Now, clock: Clock) -> Option<Problem> {
    match license(state, now, clock) {
        Err(p) => Some(p),
        Ok(_) => state.lost_since.map(|_| lost(state, 10)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::many_single_char_names)]
    use super::*;
    use crate::chain::testing::{at, state};
    use mooring_core::time::BootTime;

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

    #[test]
    fn without_the_anchor_renewals_go_on_for_the_grace_and_grants_stop_at_once() {
        let mut s = state(NOON);
        let (t, c) = (now(60, "2026-05-01T12:01:00Z"), clock());
        assert!(may_sign(&s, t, c).is_ok() && paused(&s, t, c).is_none());
        s.lost_since = Some(t.boot);
        s.anchor.reason = "TokenLost".into();
        assert_eq!(paused(&s, t, c).unwrap().kind, ProblemType::AnchorLost);
        assert!(may_sign(&s, now(659, "2026-05-01T12:10:59Z"), c).is_ok());
        let e = may_sign(&s, now(660, "2026-05-01T12:11:00Z"), c).unwrap_err();
        assert!(
            matches!(e, Bad::Final(p) if p.kind == ProblemType::AnchorLost && p.detail.starts_with("TokenLost"))
        );
        // Never beyond the delegation, even within the grace.
        s.lost_since = Some(BootTime::from_millis(700_000));
        assert!(matches!(
            may_sign(&s, now(1000, "2026-05-01T12:15:00Z"), c),
            Err(Bad::Final(_))
        ));
    }

    #[test]
    fn a_wall_clock_that_jumps_only_asks_for_a_fresh_delegation() {
        let s = state(NOON);
        let jumped = now(60, "2026-05-01T18:00:00Z");
        assert!(matches!(may_sign(&s, jumped, clock()), Err(Bad::Stale(_))));
        assert!(paused(&s, jumped, clock()).is_none());
    }

    #[test]
    fn a_delegation_is_renewed_in_time_for_the_whole_anchor_grace() {
        let mut s = state(NOON);
        let f = s.in_force.clone().unwrap();
        let digest = f.license.digest.clone();
        let due = |s: &State, d: &Digest, t| {
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
        // Made at t, it covers t - 30 s to t + 870 s: lost just before the renewal at t + 270 s, it lasts for 600 s.
        assert!(BACKDATED + RENEW + f.terms.anchor_grace <= mooring_core::license::MAX_DELEGATION);
    }

    #[test]
    fn an_ended_license_grants_and_renews_nothing() {
        let s = state(NOON);
        let t = now(60, "2027-03-01T00:00:00Z");
        assert_eq!(
            paused(&s, t, clock()).unwrap().kind,
            ProblemType::LicenseInvalid
        );
        let Err(Bad::Final(p)) = may_sign(&s, t, clock()) else {
            unreachable!()
        };
        assert!(
            p.kind == ProblemType::LicenseInvalid && p.detail.contains("it ended 2027-03-01"),
            "{p}"
        );
    }

    #[test]
    fn a_revoked_license_grants_and_renews_nothing() {
        let mut s = state(NOON);
        s.revoked = Some(mooring_core::license::Revoked {
            id: "test-1".into(),
            since: at("2026-04-30T00:00:00Z"),
            reason: "not paid".into(),
            number: 7,
            issued: at("2026-04-29T00:00:00Z"),
        });
        let t = now(60, "2026-05-01T12:01:00Z");
        let Err(Bad::Final(p)) = may_sign(&s, t, clock()) else {
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
        assert_eq!(paused(&s, t, clock()).map(|p| p.detail), Some(p.detail));
    }

    #[test]
    fn a_clock_turned_back_issues_nothing() {
        let s = state(NOON);
        let p = |wall, c| {
            paused(&s, now(60, wall), c)
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
        let mut s = state(NOON);
        s.in_force = None;
        let kind = |s: &State| paused(s, now(1, NOON), clock()).unwrap().kind;
        assert_eq!(kind(&s), ProblemType::AnchorLost);
        s.license.valid = false;
        assert_eq!(kind(&s), ProblemType::LicenseInvalid);
    }
}
