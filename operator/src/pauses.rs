//! Pauses that grow while something goes wrong again and again.

use std::time::Duration;
use tokio::time::Instant;

/// How long to wait before something is done: not at all at first, longer and longer while it must
/// be done again soon after, and not at all after a long peace.
#[derive(Debug)]
pub(crate) struct Pauses {
    /// The second pause, and how far they grow.
    bounds: (Duration, Duration),
    /// When it was last done, and the pause that then went before it.
    last: Option<(Instant, Duration)>,
}

impl Pauses {
    pub(crate) fn new(second: Duration, longest: Duration) -> Self {
        Self {
            bounds: (second, longest),
            last: None,
        }
    }

    /// The pause before the next time. `jitter`, from 0 to 1, makes it up to half as long again.
    pub(crate) fn next(&mut self, now: Instant, jitter: f64) -> Duration {
        let (second, longest) = self.bounds;
        let pause = match self.last {
            // What went well for long begins anew.
            Some((at, pause)) if now.saturating_duration_since(at) < longest + 2 * pause => {
                (pause * 2).clamp(second, longest)
            }
            _ => Duration::ZERO,
        };
        self.last = Some((now + pause, pause));
        pause.mul_f64(1.0 + jitter / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn pauses_grow_to_the_longest_and_begin_anew_after_a_long_peace() {
        let mut pauses = Pauses::new(secs(1), secs(5));
        let mut now = Instant::now();
        let mut all = Vec::new();
        for _ in 0..6 {
            let pause = pauses.next(now, 0.0);
            now += pause;
            all.push(pause.as_secs());
        }
        assert_eq!(all, [0, 1, 2, 4, 5, 5]);
        assert_eq!(pauses.next(now, 1.0), secs(5).mul_f64(1.5));
        now += secs(60);
        assert_eq!(pauses.next(now, 1.0), Duration::ZERO);
    }
}
