//! What several checks measure with: how exact a clock is, the server's margin, and what they find.

use crate::history::{Broken, Ms};

/// How far a duration that somebody's clock measured may be from true time: clocks run within 0.04
/// %, and show milliseconds.
pub(super) fn slack(duration: Ms) -> Ms {
    duration.saturating_mul(6) / 10_000 + 2
}

/// M: what the server waits beyond D.
pub(super) fn margin(lease_for: Ms) -> Ms {
    1000 + lease_for / 1000
}

/// The promise that is broken, if one is.
pub(super) type Verdict = Result<(), Broken>;

pub(super) fn signed(ms: Ms) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}
