//! When a document was given, and how old it is: by the boot clock where its machine still runs,
//! else by the wall clock.

use crate::mutant::{self, Mutant};
use crate::names::BootId;
use crate::time::{BootTime, Now, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How far in the future a document of another boot may lie by this machine's wall clock: the
/// clocks of two machines differ.
pub const SKEW: Duration = Duration::from_secs(60);

/// A reading of a named boot's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BootStamp {
    /// Which boot: the kernel's boot id, hashed.
    pub boot: BootId,
    /// The reading.
    pub ms: BootTime,
}

/// When a document was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// By the wall clock.
    pub at: Timestamp,
    /// On the boot clock of the machine that gave it, if it says.
    pub stamp: Option<BootStamp>,
}

impl Given {
    /// How long ago, on this machine's boot clock; `None` if another boot gave it.
    pub fn age(self, now: BootTime, boot: BootId) -> Option<Duration> {
        let of_this_boot = self.stamp.filter(|s| s.boot.is(boot));
        of_this_boot.map(|s| now.since(s.ms))
    }

    /// Whether it is younger than `limit`.
    ///
    /// `sent_ago` is how long ago by its holder's boot clock the request was sent that it answered,
    /// if the holder says: no clock of a machine that the server has moved to makes an old document
    /// young then. Where the server's boot clock tells, that alone counts.
    pub fn is_younger(
        self,
        limit: Duration,
        sent_ago: Option<Duration>,
        (now, boot): (Now, BootId),
    ) -> bool {
        match self.stamp {
            Some(s) if s.boot.is(boot) && !mutant::on(Mutant::AgedByWallClock) => {
                s.ms <= now.boot && now.boot.since(s.ms) < limit
            }
            _ => {
                let age = now.wall.duration_since(self.at);
                let most = if age.is_negative() { SKEW } else { limit };
                let by_holder = sent_ago.is_none_or(|ago| ago < limit);
                age.unsigned_abs() < most && (by_holder || mutant::on(Mutant::SentAgoUnheard))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const HERE: BootId = BootId::from_bytes([1; 8]);
    const D: Duration = Duration::from_secs(31);

    fn now(boot: u64, wall: i64) -> (Now, BootId) {
        let now = Now {
            boot: BootTime::from_millis(boot * 1000),
            wall: Timestamp::from_second(1_000_000 + wall).unwrap(),
        };
        (now, HERE)
    }

    fn given(boot: BootId) -> Given {
        let ms = BootTime::from_millis(100_000);
        Given {
            at: Timestamp::from_second(1_000_000).unwrap(),
            stamp: Some(BootStamp { boot, ms }),
        }
    }

    #[test]
    fn on_one_boot_no_wall_clock_and_no_word_of_the_holder_counts() {
        let g = given(HERE);
        for wall in [-100_000, 0, 100_000] {
            for ago in [None, Some(Duration::ZERO), Some(D * 2)] {
                assert!(g.is_younger(D, ago, now(130, wall)));
                assert!(!g.is_younger(D, ago, now(131, wall)));
                assert!(!g.is_younger(D, ago, now(99, wall)), "from the future");
            }
        }
        assert_eq!(
            g.age(now(130, 0).0.boot, HERE),
            Some(Duration::from_secs(30))
        );
    }

    #[test]
    fn on_another_boot_both_clocks_must_find_it_young() {
        let g = given(BootId::from_bytes([2; 8]));
        let young = |wall: i64, ago: Option<u64>| {
            g.is_younger(D, ago.map(Duration::from_secs), now(7, wall))
        };
        assert!(young(30, None) && young(30, Some(30)) && young(-59, Some(3)));
        assert!(!young(31, Some(3)), "old by the wall clock");
        assert!(!young(-60, Some(3)), "further ahead than two clocks may be");
        assert!(!young(0, Some(31)), "old by the holder's clock");
        assert_eq!(g.age(now(7, 0).0.boot, HERE), None);
    }
}
