//! Does this machine's clock differ from the license server's? A warning long before applications
//! here take no proof any more, and what the server is told of it.

use mooring_core::license::{CLOCK_SLACK, Envelope, clock_ahead, clocks_apart, says_issued_at};
use mooring_core::time::{Timestamp, print_span};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// By the last token. All claims share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClockSkew(Arc<AtomicI64>);

impl ClockSkew {
    /// By how many seconds this machine's clock is ahead (negative: behind), where that is worth
    /// telling.
    pub(crate) fn ahead_secs(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|n| *n != 0)
    }

    /// A token has just come.
    pub(crate) fn note(&self, token: &Envelope, now: Timestamp) {
        let Some(issued_at) = says_issued_at(token) else {
            return;
        };
        let ahead = clock_ahead(now, issued_at);
        let before = self.0.swap(ahead.unwrap_or_default(), Ordering::Relaxed);
        match ahead {
            Some(ahead) if before == 0 => {
                let apart = clocks_apart(ahead);
                let most = print_span(CLOCK_SLACK);
                tracing::warn!(here = %now, server = %issued_at,
                    "this machine's clock is {apart} the license server's: from {most} on, applications here take no proof; \
                     set whichever clock is wrong");
            }
            None if before != 0 => {
                tracing::info!("this machine's clock and the license server's agree again");
            }
            _ => {}
        }
    }
}
