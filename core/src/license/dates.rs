//! Does a token's date fit the application's own clocks? (docs/formats.md, "The application's
//! clock".)
//!
//! The date is the server's, and the server may be a stranger with a delegation that the anchor
//! signed long ago. So the application holds it against its own wall clock, against the time that
//! has passed in its own process, and against what the vendor has dated. One constant,
//! [`CLOCK_SLACK`], serves all rules, so that one signature of the anchor is worth two days: from a
//! day before its delegation to a day after it.

use crate::policy::OptimisticStart;
use crate::time::{Timestamp, print_span};
use std::cmp::Ordering;
use std::fmt;
use std::time::Duration;

/// By how much honest clocks may differ.
pub const CLOCK_SLACK: Duration = Duration::from_secs(24 * 3600);

/// From how much on the difference of two clocks is told, long before it is too much.
pub const CLOCK_WARNING: Duration = Duration::from_secs(3600);

/// By how many seconds a clock that reads `here` is ahead of one that reads `there` (negative:
/// behind); none below [`CLOCK_WARNING`].
pub fn clock_ahead(here: Timestamp, there: Timestamp) -> Option<i64> {
    let ahead = here.as_second().saturating_sub(there.as_second());
    (ahead.unsigned_abs() >= CLOCK_WARNING.as_secs()).then_some(ahead)
}

/// How far two clocks are apart, the one by so many seconds ahead of the other (negative: behind),
/// as people are told: `2h ahead of`.
pub fn clocks_apart(ahead_secs: i64) -> String {
    let by = print_span(Duration::from_secs(ahead_secs.unsigned_abs()));
    let side = if ahead_secs > 0 { "ahead of" } else { "behind" };
    format!("{by} {side}")
}

/// The application's clocks as it judges a token's date by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppClock {
    /// Its wall clock.
    pub now: Timestamp,
    /// The first fresh proof of this process, if there was one.
    pub first: Option<FirstProof>,
}

impl AppClock {
    /// Of a process that has had no proof yet.
    pub const fn at(now: Timestamp) -> Self {
        Self { now, first: None }
    }
}

/// The first fresh proof of a process: later ones are dated as much later as time has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstProof {
    /// Its token's date.
    pub issued_at: Timestamp,
    /// How long ago it was accepted, on the boot clock.
    pub ago: Duration,
}

/// A token that verifies, but for its date. It proves nothing, as if the question had not been
/// answered; what its license restricts counts all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "lease token field issuedAt: {issued_at}, and this machine's clock reads {now}: expected {fault}; set whichever clock is wrong"
)]
pub struct ClockOrStale {
    /// The token's date, by the server's clock.
    pub issued_at: Timestamp,
    /// The application's wall clock.
    pub now: Timestamp,
    /// Which rule it breaks.
    pub fault: DateFault,
    /// What holds all the same.
    pub restricts: Restricts,
}

/// Which rule a token's date breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateFault {
    /// Fresh, and more than a day from the application's clock.
    Apart,
    /// Not fresh, and from more than a day ahead, or over for a day.
    Over {
        /// How long it lets an application run.
        run_for: Duration,
    },
    /// Dated as if time had stood still since the process's first proof.
    StandsStill(FirstProof),
    /// Dated before its license was issued.
    BeforeLicense {
        /// When that was.
        issued: Timestamp,
    },
    /// Dated before the application was built.
    BeforeBuild {
        /// When that was.
        built_on: Timestamp,
    },
}

impl fmt::Display for DateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slack = print_span(CLOCK_SLACK);
        match self {
            Self::Apart => write!(f, "at most {slack} between the two"),
            Self::Over { run_for } => {
                let run_for = print_span(*run_for);
                write!(
                    f,
                    "a clock from {slack} before it until {slack} after the {run_for} that it lets run"
                )
            }
            Self::StandsStill(FirstProof { issued_at, ago }) => {
                let ago = print_span(*ago);
                write!(
                    f,
                    "a date at most {slack} behind {ago} after {issued_at}, the date of this process's first proof"
                )
            }
            Self::BeforeLicense { issued } => {
                let what = "when its license was issued";
                write!(f, "a date at most {slack} before {issued}, {what}")
            }
            Self::BeforeBuild { built_on } => {
                let what = "when the application was built";
                write!(f, "a date at most {slack} before {built_on}, {what}")
            }
        }
    }
}

/// What a license restricts, whatever its token's date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restricts {
    /// What the vendor allows an application that starts with no server in reach.
    pub optimistic_start: OptimisticStart,
    /// The longest that an application may run without contact.
    pub run_for: Duration,
    /// The longest that it may go on once its seat was given away.
    pub max_contested: Duration,
}

/// What a token's date is held against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dated {
    pub(super) issued_at: Timestamp,
    /// It answers the application's own question.
    pub(super) fresh: bool,
    pub(super) run_for: Duration,
    /// When the license was issued.
    pub(super) issued: Timestamp,
    /// When the application was built, if it says so.
    pub(super) built_on: Option<Timestamp>,
}

/// How `a`, moved on by `d`, stands to `b`, moved on by `e`. In nanoseconds, where no date and no
/// duration runs over.
fn compare((a, d): (Timestamp, Duration), (b, e): (Timestamp, Duration)) -> Ordering {
    let nanos = |d: Duration| i128::try_from(d.as_nanos()).unwrap_or(i128::MAX / 2);
    (a.as_nanosecond() + nanos(d)).cmp(&(b.as_nanosecond() + nanos(e)))
}

impl Dated {
    /// The rule that the date breaks, if it does.
    pub(super) fn fault(&self, clock: &AppClock) -> Option<DateFault> {
        let (issued_at, now) = (self.issued_at, clock.now);
        let (none, slack) = (Duration::ZERO, CLOCK_SLACK);
        // Whether the date is more than the slack before `t`.
        let before = |t: Timestamp, d: Duration| compare((issued_at, slack), (t, d)).is_lt();
        let ahead = compare((issued_at, none), (now, slack)).is_gt();
        if self.fresh {
            if ahead || before(now, none) {
                return Some(DateFault::Apart);
            }
            // Ahead is never wrong: the boot clock of a machine that is paused or moved stands.
            if let Some(first) = clock.first.filter(|f| before(f.issued_at, f.ago)) {
                return Some(DateFault::StandsStill(first));
            }
        } else {
            let run_for = self.run_for;
            let over = compare((issued_at, slack.saturating_add(run_for)), (now, none)).is_le();
            if ahead || over {
                return Some(DateFault::Over { run_for });
            }
        }
        if before(self.issued, none) {
            let issued = self.issued;
            return Some(DateFault::BeforeLicense { issued });
        }
        // A build of the future, by this clock, says nothing of it.
        let built_on = self.built_on.filter(|b| *b <= now && before(*b, none));
        built_on.map(|built_on| DateFault::BeforeBuild { built_on })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    const HOUR: i64 = 3600;
    const DAY: i64 = 24 * HOUR;

    fn t(secs: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + secs).unwrap()
    }

    fn secs(n: i64) -> Duration {
        Duration::from_secs(n.unsigned_abs())
    }

    /// A token of the time 0 under a license of a year before.
    fn dated(fresh: bool, run_for: i64) -> Dated {
        Dated {
            issued_at: t(0),
            fresh,
            run_for: secs(run_for),
            issued: t(-365 * DAY),
            built_on: None,
        }
    }

    fn fault_at(d: &Dated, now: i64) -> Option<DateFault> {
        d.fault(&AppClock::at(t(now)))
    }

    #[test]
    fn a_fresh_proof_is_good_within_a_day_of_the_wall_clock() {
        let d = dated(true, 14 * DAY);
        for now in [-DAY, -23 * HOUR, 0, 23 * HOUR, DAY] {
            assert_eq!(fault_at(&d, now), None, "{now}");
        }
        for now in [-DAY - 1, DAY + 1, 3 * DAY] {
            assert_eq!(fault_at(&d, now), Some(DateFault::Apart), "{now}");
        }
    }

    /// The attack: delegations that the dongle signed once, used for ever. Each is worth two days.
    #[test]
    fn a_delegation_signed_in_advance_is_worth_two_days() {
        let d = dated(true, 8 * HOUR);
        let days: i64 = (-40..40)
            .map(|h| i64::from(fault_at(&d, h * HOUR).is_none()))
            .sum();
        assert_eq!(
            days,
            2 * 24 + 1,
            "each hour from a day before to a day after"
        );
    }

    #[test]
    fn an_unfresh_one_is_good_for_as_long_as_it_lets_run_and_a_day() {
        let d = dated(false, 14 * DAY);
        // An application restarted on the third day of a long grace.
        for now in [-DAY, 0, 3 * DAY, 15 * DAY - 1] {
            assert_eq!(fault_at(&d, now), None, "{now}");
        }
        let run_for = secs(14 * DAY);
        for now in [-DAY - 1, 15 * DAY, 99 * DAY] {
            assert_eq!(
                fault_at(&d, now),
                Some(DateFault::Over { run_for }),
                "{now}"
            );
        }
    }

    #[test]
    fn the_proofs_of_a_process_may_not_stand_still() {
        let at = |ago: i64, issued_at: i64| {
            let first = FirstProof {
                issued_at: t(0),
                ago: secs(ago),
            };
            let d = Dated {
                issued_at: t(issued_at),
                ..dated(true, 8 * HOUR)
            };
            // The wall clock is turned to match, so that this rule alone can speak.
            let clock = AppClock {
                now: t(issued_at),
                first: Some(first),
            };
            d.fault(&clock)
        };
        // Time passes; NTP steps an hour back; the machine was paused, and its boot clock with it.
        for (ago, issued_at) in [
            (0, 0),
            (9 * DAY, 9 * DAY),
            (HOUR, 0),
            (HOUR, -HOUR),
            (60, 30 * DAY),
        ] {
            assert_eq!(at(ago, issued_at), None, "{ago} {issued_at}");
        }
        // The attack: a clock that stands still works for a day.
        assert_eq!(at(DAY, 0), None);
        for (ago, issued_at) in [(DAY + 1, 0), (30 * DAY, 0), (9 * DAY, 8 * DAY - 1)] {
            let fault = at(ago, issued_at);
            assert!(
                matches!(fault, Some(DateFault::StandsStill(_))),
                "{fault:?}"
            );
        }
        // What is no answer to a question may be old.
        let old = dated(false, 14 * DAY);
        let first = FirstProof {
            issued_at: t(0),
            ago: secs(3 * DAY),
        };
        let clock = AppClock {
            now: t(3 * DAY),
            first: Some(first),
        };
        assert_eq!(old.fault(&clock), None);
    }

    #[test]
    fn no_token_is_a_day_older_than_its_license_or_the_build() {
        for fresh in [true, false] {
            let d = dated(fresh, 8 * HOUR);
            for (since, fault) in [(-HOUR, false), (HOUR, false), (DAY, false), (DAY + 1, true)] {
                let issued = t(since);
                let of_license = Dated { issued, ..d };
                let expected = fault.then_some(DateFault::BeforeLicense { issued });
                assert_eq!(fault_at(&of_license, 0), expected, "{since}");

                let built_on = Some(issued);
                let of_build = Dated { built_on, ..d };
                assert_eq!(
                    fault_at(&of_build, 0),
                    None,
                    "a build of the future: {since}"
                );
                let expected = fault.then_some(DateFault::BeforeBuild { built_on: issued });
                let now = if fresh { DAY } else { DAY + 1 };
                // By a clock after the build. A fresh one then is a day off at the most.
                if since <= now {
                    assert_eq!(fault_at(&of_build, now), expected, "{since}");
                }
            }
        }
    }

    #[test]
    fn the_words_tell_both_times() {
        let d = dated(true, 8 * HOUR);
        let first = FirstProof {
            issued_at: t(-9 * DAY),
            ago: Duration::from_millis(90_061_500),
        };
        for fault in [
            DateFault::Apart,
            DateFault::Over {
                run_for: secs(HOUR),
            },
            DateFault::StandsStill(first),
            DateFault::BeforeLicense { issued: t(1) },
            DateFault::BeforeBuild { built_on: t(1) },
        ] {
            let (issued_at, now) = (d.issued_at, t(3 * DAY));
            let restricts = Restricts {
                optimistic_start: OptimisticStart::Deny,
                run_for: d.run_for,
                max_contested: d.run_for,
            };
            let e = ClockOrStale {
                issued_at,
                now,
                fault,
                restricts,
            };
            let words = e.to_string();
            assert!(words.contains(&issued_at.to_string()), "{words}");
            assert!(words.contains(&now.to_string()), "{words}");
        }
    }

    #[test]
    fn a_difference_is_told_from_an_hour_on() {
        for (here, told) in [
            (0, false),
            (HOUR - 1, false),
            (HOUR, true),
            (-HOUR, true),
            (1 - HOUR, false),
        ] {
            assert_eq!(clock_ahead(t(here), t(0)), told.then_some(here), "{here}");
        }
    }

    #[test]
    fn the_ends_of_all_time_are_dates_too() {
        let d = dated(false, 8 * HOUR);
        for now in [Timestamp::MIN, Timestamp::MAX] {
            for first in [Timestamp::MIN, Timestamp::MAX] {
                let first = FirstProof {
                    issued_at: first,
                    ago: Duration::MAX,
                };
                let clock = AppClock {
                    now,
                    first: Some(first),
                };
                assert!(d.fault(&clock).is_some());
                assert!(Dated { fresh: true, ..d }.fault(&clock).is_some());
            }
        }
    }
}
