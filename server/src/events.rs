//! The latest events of the ledger, kept so that a watcher that was away for a while can go on
//! where it was.

use mooring_core::ledger::Event;
use mooring_core::time::BootTime;
use mooring_core::wire::LeaseView;
use std::collections::VecDeque;
use std::sync::Arc;

const KEPT: usize = 16_384;

/// An event, and when it happened.
#[derive(Debug)]
pub(crate) struct Stamped {
    pub(crate) seq: u64,
    at: BootTime,
    view: LeaseView,
}

impl Stamped {
    pub(crate) fn as_it_was(&self) -> &LeaseView {
        &self.view
    }

    /// The claim as it was then, with its durations as they are now.
    pub(crate) fn view(&self, now: BootTime) -> LeaseView {
        let late = now.since(self.at);
        let late_ms = u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
        let mut v = self.view.clone();
        v.since += late;
        let left = |ms: Option<u64>| ms.map(|ms| ms.saturating_sub(late_ms));
        (v.free_in_ms, v.runs_for_ms) = (left(v.free_in_ms), left(v.runs_for_ms));
        v
    }
}

/// The kept events, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    events: VecDeque<Arc<Stamped>>,
    last: u64,
}

/// That position is no longer kept, or never was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expired;

impl Ring {
    /// Keeps an event, and gives it back with its time.
    pub(crate) fn push(&mut self, e: Event, at: BootTime) -> Arc<Stamped> {
        if self.events.len() == KEPT {
            self.events.pop_front();
        }
        self.last = e.seq;
        let kept = Arc::new(Stamped {
            seq: e.seq,
            at,
            view: e.view,
        });
        self.events.push_back(kept.clone());
        kept
    }

    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Up to `most` events after `seq`, oldest first.
    pub(crate) fn after(&self, seq: u64, most: usize) -> Result<Vec<Arc<Stamped>>, Expired> {
        let first = self.events.front().map_or(self.last + 1, |e| e.seq);
        if seq > self.last || seq + 1 < first {
            return Err(Expired);
        }
        let skip = usize::try_from(seq + 1 - first).unwrap_or(usize::MAX);
        Ok(self.events.iter().skip(skip).take(most).cloned().collect())
    }
}

#[cfg(test)]
mod tests;
