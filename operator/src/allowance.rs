//! How often something may be done: a few times at once, then seldom. Pure.

use std::time::Duration;
use tokio::time::Instant;

/// So many at once, and one more each while.
#[derive(Debug)]
pub struct Allowance {
    most: u32,
    each: Duration,
    /// When the allowance will be, or was, whole again.
    whole: Instant,
}

impl Allowance {
    pub fn new(most: u32, each: Duration, now: Instant) -> Self {
        Self {
            most,
            each,
            whole: now,
        }
    }

    /// The next moment at which it may be done, not before `wish`.
    pub fn next(&self, wish: Instant) -> Instant {
        let spare = self.each * self.most.saturating_sub(1);
        let earliest = self.whole.checked_sub(spare).unwrap_or(wish);
        earliest.max(wish)
    }

    pub fn take(&mut self, now: Instant) {
        self.whole = self.whole.max(now) + self.each;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_few_at_once_then_one_each_while() {
        let t0 = Instant::now();
        let secs = Duration::from_secs;
        let mut a = Allowance::new(3, secs(5), t0);
        for _ in 0..3 {
            assert_eq!(a.next(t0), t0);
            a.take(t0);
        }
        assert_eq!(a.next(t0), t0 + secs(5));
        a.take(t0 + secs(5));
        assert_eq!(a.next(t0 + secs(5)), t0 + secs(10));
        let later = t0 + secs(100);
        assert_eq!(a.next(later), later);
    }
}
