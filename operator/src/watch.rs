//! Watches on the API server, each of which pauses for itself after errors.
//!
//! kube's own pauses grow to half a minute and more, and its controller has one for all of its
//! watches: a restart of the API server is an error of each, one after the other, so two restarts
//! made the operator blind for that long.

use crate::pauses::Pauses;
use futures::Stream;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{Config, Event, Result};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::time::Duration;
use tokio::time::Instant;

/// The second pause, and the longest, without the jitter. The first attempt after an error is made
/// at once.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(3));

/// Follows objects for ever, over errors.
pub(crate) fn watch<K>(api: Api<K>, config: Config) -> impl Stream<Item = Result<Event<K>>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    watcher(api, config).backoff(WatchPauses::default())
}

/// The pauses of one watch.
struct WatchPauses(Pauses);

impl Default for WatchPauses {
    fn default() -> Self {
        Self(Pauses::new(PAUSES.0, PAUSES.1))
    }
}

impl Iterator for WatchPauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let jitter = mooring_net::random::fraction();
        Some(self.0.next(Instant::now(), jitter))
    }
}

impl Backoff for WatchPauses {
    /// Time alone does it: a list that is refused again and again says that it begins, each time.
    fn reset(&mut self) {}
}

/// For whatever gathers watches that pause themselves.
pub(crate) struct NoPause;

impl Iterator for NoPause {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(Duration::ZERO)
    }
}

impl Backoff for NoPause {
    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_that_fails_each_time_is_tried_again_within_five_seconds() {
        let mut watch = WatchPauses::default();
        let mut now = Instant::now();
        let mut all = Vec::new();
        for _ in 0..20 {
            // kube says that a list begins, and only then that it was refused.
            watch.reset();
            let pause = watch.0.next(now, 1.0);
            now += pause;
            all.push(pause);
        }
        let longest = all.iter().max().copied().unwrap_or_default();
        assert_eq!(all.first(), Some(&Duration::ZERO), "{all:?}");
        assert!(
            longest >= PAUSES.1,
            "no pause for a server in trouble: {all:?}"
        );
        assert!(longest <= Duration::from_secs(5), "{all:?}");
    }
}
