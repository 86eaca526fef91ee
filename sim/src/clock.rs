//! Clocks of the simulated machines: each runs a little fast or slow, none knows the true time.

use crate::history::Ms;
use mooring_core::time::BootTime;

/// How far a clock's rate is from true at most, in millionths. Two clocks then differ by less than
/// the thousandth that the margin M allows for (docs/protocol.md, "Time").
pub const MAX_DRIFT: i64 = 400;

/// A machine's boot clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    base: u64,
    drift: i64,
}

impl Clock {
    /// A clock that shows `base` at the world's beginning and drifts by so many millionths.
    pub fn new(base: u64, drift: i64) -> Self {
        Self { base, drift }
    }

    /// What it shows at a true time.
    pub fn read(&self, t: Ms) -> BootTime {
        let off = (t.cast_signed() * self.drift).div_euclid(1_000_000);
        BootTime::from_millis((self.base + t).saturating_add_signed(off))
    }

    /// The first true time at which it shows `b` or more; `None` for never, and for more than two
    /// centuries.
    pub fn when(&self, b: BootTime) -> Option<Ms> {
        if b == BootTime::NEVER {
            return None;
        }
        let shown = b.as_millis().saturating_sub(self.base);
        let about = shown.checked_mul(1_000_000)? / 1_000_000_u64.saturating_add_signed(self.drift);
        let mut t = about.saturating_sub(2);
        while self.read(t) < b {
            t += 1;
        }
        Some(t)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moment_at_which_a_clock_shows_a_time_is_the_first_such() {
        for drift in [-400, -1, 0, 3, 400] {
            let c = Clock::new(1_000, drift);
            for b in [1_000u64, 1_001, 5_000, 3_601_000, 999_999_999] {
                let b = BootTime::from_millis(b);
                let t = c.when(b).unwrap_or(0);
                assert!(c.read(t) >= b);
                assert!(t == 0 || c.read(t - 1) < b, "{drift} {b}");
            }
        }
        assert_eq!(Clock::new(0, 0).when(BootTime::NEVER), None);
    }
}
