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
        let off = (i128::from(t) * i128::from(self.drift)).div_euclid(1_000_000);
        let ms = i128::from(self.base) + i128::from(t) + off;
        BootTime::from_millis(u64::try_from(ms).unwrap_or(0))
    }

    /// The first true time at which it shows `b` or more; `None` for never.
    pub fn when(&self, b: BootTime) -> Option<Ms> {
        if b == BootTime::NEVER {
            return None;
        }
        let shown = i128::from(b.as_millis()) - i128::from(self.base);
        if shown <= 0 {
            return Some(0);
        }
        let about = (shown * 1_000_000).div_euclid(1_000_000 + i128::from(self.drift));
        let mut t = u64::try_from(about).unwrap_or(0).saturating_sub(2);
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
