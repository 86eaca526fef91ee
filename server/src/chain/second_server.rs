//! Is there a second server on this license? Pure functions of tokens and the time.
//!
//! Each run has a random id, and its tokens carry it. A token of another run that is younger than
//! this run cannot come from the one before it: somebody serves the same license at the same time.
//! That is noticed and shown, not prevented (docs/protocol.md, "A second server"); who signs with
//! one anchor twice can only be seen where their holders meet.

use mooring_core::age::BootStamp;
use mooring_core::names::{BootId, InstanceId};
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
    pub(super) instance: InstanceId,
    pub(super) issued_at: Timestamp,
    /// The same on the signer's boot clock, where it says.
    pub(super) issued_boot: Option<&'a BootStamp>,
}

impl Sign<'_> {
    /// Whether it shows that another server than `me`, which began at `started` on the boot
    /// `boot`, has run beside it.
    pub(super) fn of_a_second_server(self, me: InstanceId, started: Now, boot: BootId) -> bool {
        if self.instance == me {
            return false;
        }
        match self.issued_boot {
            Some(s) if s.boot.is(boot) => s.ms > started.boot + OVERLAP,
            _ => {
                let limit = started.wall.checked_add(SKEW);
                limit.is_ok_and(|limit| self.issued_at > limit)
            }
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Sighting(Option<(SecondServer, BootTime)>);

impl Sighting {
    /// Notes a sign. Returns whether it is news: another server, or one that was no longer shown.
    pub(super) fn note(&mut self, sign: Sign<'_>, now: BootTime) -> bool {
        let same = self.shown(now).filter(|s| s.instance == sign.instance);
        let same = same.map(|s| s.issued_at);
        let second = SecondServer {
            instance: sign.instance,
            issued_at: same.map_or(sign.issued_at, |at| at.max(sign.issued_at)),
        };
        self.0 = Some((second, now));
        same.is_none()
    }

    pub(super) fn shown(&self, now: BootTime) -> Option<&SecondServer> {
        let (s, at) = self.0.as_ref()?;
        (now.since(*at) < SHOWN).then_some(s)
    }
}

#[cfg(test)]
mod tests;
