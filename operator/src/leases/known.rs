//! A claim as its license server knows it.

use mooring_core::time::Timestamp;
use mooring_core::wire::LeaseView;
use std::time::Duration;

/// One claim, and when it came into its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// As the server told it.
    pub view: LeaseView,
    /// Since when it is in its state.
    pub since: Timestamp,
    /// When silent: when its seats are freed. In line while its application runs on: until when
    /// that may.
    pub until: Option<Timestamp>,
}

impl Known {
    /// Relative times become points in time on receipt.
    pub fn new(view: LeaseView, now: Timestamp) -> Self {
        let since = now.checked_sub(view.since).unwrap_or(now);
        let until = view
            .free_in_ms
            .or(view.runs_for_ms)
            .and_then(|ms| now.checked_add(Duration::from_millis(ms)).ok());
        Self { view, since, until }
    }
}
