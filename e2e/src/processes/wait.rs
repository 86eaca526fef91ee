//! Waiting for a condition.

use anyhow::Result;
use mooring_testkit::{look_for, secs};

/// Looks again and again until `look` gives something; its error says what is still missing.
pub(super) fn eventually<T>(
    what: &str,
    time: u64,
    look: impl FnMut() -> Result<T, String>,
) -> Result<T> {
    Ok(look_for(what, secs(time), look)?)
}
