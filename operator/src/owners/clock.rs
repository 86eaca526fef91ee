//! When it is to be looked what is due about owners.

use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// How often it is looked what is due.
const EACH: Duration = Duration::from_secs(5);
/// How long to gather changes before that.
const GATHER: Duration = Duration::from_millis(200);
/// When to look next; kept while other things are heard.
pub struct OwnersClock(Instant);

impl OwnersClock {
    /// Waits until it is to be looked.
    pub async fn due(&mut self, news: &Notify) {
        loop {
            tokio::select! {
                () = sleep_until(self.0) => {
                    self.0 = Instant::now() + EACH;
                    return;
                }
                () = news.notified() => self.0 = self.0.min(Instant::now() + GATHER),
            }
        }
    }
}

impl Default for OwnersClock {
    /// At once.
    fn default() -> Self {
        Self(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    #[tokio::test]
    async fn news_are_heard_although_the_wait_for_them_is_given_up() {
        let (mut clock, news) = (OwnersClock::default(), Notify::new());
        clock.due(&news).await;
        let begun = Instant::now();
        news.notify_one();
        let short = timeout(GATHER / 4, clock.due(&news)).await;
        assert!(short.is_err(), "they are gathered");
        clock.due(&news).await;
        assert!(begun.elapsed() < EACH);
    }
}
