//! Waiting for a condition, never for a time.

use anyhow::{Result, bail};
use std::time::Duration;
use tokio::time::Instant;

/// A number of seconds, for [`eventually`].
pub const fn within(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Whether it is so now, for [`eventually`]; `missing` says how it is else.
pub fn so(is: bool, missing: impl FnOnce() -> String) -> Result<Result<(), String>> {
    Ok(is.then_some(()).ok_or_else(missing))
}

/// Looks again and again until `look` gives something; `Err` inside says what is still missing, and
/// is printed if the time runs out.
pub async fn eventually<T>(
    what: &str,
    time: Duration,
    mut look: impl AsyncFnMut() -> Result<Result<T, String>>,
) -> Result<T> {
    let end = Instant::now() + time;
    loop {
        let missing = match look().await {
            Ok(Ok(v)) => return Ok(v),
            Ok(Err(missing)) => missing,
            Err(e) => format!("{e:#}"),
        };
        if Instant::now() >= end {
            bail!("waited {time:?} for: {what}. Last seen: {missing}");
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}
