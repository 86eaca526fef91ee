//! Is there a second server on this license? Pure functions of tokens and the time.
//!
//! Each run has a random id, and its tokens carry it. A token of another run that is younger than
//! this run cannot come from the one before it: somebody serves the same license at the same time.
//! That is noticed and shown, not prevented (docs/protocol.md, "A second server"); who signs with
//! one anchor twice can only be seen where their holders meet.

use mooring_core::license::BootStamp;
use mooring_core::names::InstanceId;
use mooring_core::time::{BootTime, Now, Timestamp};
use mooring_core::wire::SecondServer;
use std::time::Duration;

/// How far a token's date may lie after this run's start by the wall clocks of two machines, which
/// differ.
const SKEW: Duration = Duration::from_secs(60);
/// The same on one machine's boot clock: the run before this one may still have answered while this
/// one started.
const OVERLAP: Duration = Duration::from_secs(5);
/// How long a sign of a second server is shown after the last one.
const SHOWN: Duration = Duration::from_secs(3600);

/// Whose token, from when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sign<'a> {
    /// The run that signed.
    pub(super) instance: InstanceId,
    /// Its date.
    pub(super) issued_at: Timestamp,
    /// The same on the signer's boot clock, where it says.
    pub(super) issued_boot: Option<&'a BootStamp>,
}

impl Sign<'_> {
    /// Whether it shows that another server than `me`, which began at `started` on the boot
    /// `boot_id`, has run beside it.
    pub(super) fn of_a_second_server(self, me: InstanceId, started: Now, boot_id: &str) -> bool {
        if self.instance == me {
            return false;
        }
        match self.issued_boot {
            Some(s) if s.boot == boot_id => s.ms > started.boot + OVERLAP,
            _ => started
                .wall
                .checked_add(SKEW)
                .is_ok_and(|limit| self.issued_at > limit),
        }
    }
}

/// The second server that was seen last.
#[derive(Clone, Debug, Default)]
pub(super) struct Sighting(Option<(SecondServer, BootTime)>);

impl Sighting {
    /// Notes a sign. Returns whether it is news: another server, or one that was no longer shown.
    pub(super) fn note(&mut self, sign: Sign<'_>, now: BootTime) -> bool {
        let same = self
            .shown(now)
            .filter(|s| s.instance == sign.instance)
            .map(|s| s.issued_at);
        let second = SecondServer {
            instance: sign.instance,
            issued_at: same.map_or(sign.issued_at, |at| at.max(sign.issued_at)),
        };
        self.0 = Some((second, now));
        same.is_none()
    }

    /// The one to be shown.
    pub(super) fn shown(&self, now: BootTime) -> Option<&SecondServer> {
        let (s, at) = self.0.as_ref()?;
        (now.since(*at) < SHOWN).then_some(s)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::chain::testing::{at, instance};

    fn started() -> Now {
        Now {
            boot: BootTime::from_millis(100_000),
            wall: at("2026-05-01T12:00:00Z"),
        }
    }

    fn sign(run: u8, issued_at: &str, boot: Option<&BootStamp>) -> bool {
        let s = Sign {
            instance: instance(run),
            issued_at: at(issued_at),
            issued_boot: boot,
        };
        s.of_a_second_server(instance(1), started(), "here")
    }

    fn stamp(boot: &str, secs: u64) -> BootStamp {
        BootStamp {
            boot: boot.into(),
            ms: BootTime::from_millis(secs * 1000),
        }
    }

    #[test]
    fn a_younger_token_of_another_run_is_a_sign_and_the_run_before_is_none() {
        assert!(!sign(1, "2026-05-01T13:00:00Z", None), "its own");
        assert!(!sign(2, "2026-05-01T11:59:59Z", None), "the one before");
        assert!(!sign(2, "2026-05-01T12:01:00Z", None), "clocks differ");
        assert!(sign(2, "2026-05-01T12:01:01Z", None));
    }

    #[test]
    fn on_the_same_boot_its_clock_decides_whatever_the_wall_clock_said() {
        // The run before had a wall clock that ran an hour ahead.
        let before = stamp("here", 99);
        assert!(!sign(2, "2026-05-01T13:00:00Z", Some(&before)));
        let overlap = stamp("here", 105);
        assert!(!sign(2, "2026-05-01T13:00:00Z", Some(&overlap)));
        let beside = stamp("here", 106);
        assert!(sign(2, "2026-05-01T11:00:00Z", Some(&beside)));
        // Another machine's boot clock says nothing here.
        let elsewhere = stamp("there", 10_000);
        assert!(!sign(2, "2026-05-01T12:00:30Z", Some(&elsewhere)));
    }

    #[test]
    fn it_is_news_once_and_shown_for_an_hour_after_the_last_sign() {
        let mut seen = Sighting::default();
        let t = |secs: u64| BootTime::from_millis(secs * 1000);
        let s = |run, issued_at| Sign {
            instance: instance(run),
            issued_at: at(issued_at),
            issued_boot: None,
        };
        assert!(seen.shown(t(1)).is_none());
        assert!(seen.note(s(2, "2026-05-01T12:30:00Z"), t(1)));
        assert!(!seen.note(s(2, "2026-05-01T12:20:00Z"), t(1800)));
        let shown = seen.shown(t(1800)).unwrap();
        assert_eq!(shown.issued_at, at("2026-05-01T12:30:00Z"));
        assert!(seen.shown(t(5399)).is_some() && seen.shown(t(5400)).is_none());
        assert!(seen.note(s(2, "2026-05-01T14:00:00Z"), t(5400)));
        assert!(seen.note(s(3, "2026-05-01T14:00:00Z"), t(5401)));
    }
}
