//! The latest events of the ledger, kept so that a watcher that was away for a while can go on
//! where it was.

use mooring_core::ledger::Event;
use mooring_core::time::BootTime;
use mooring_core::wire::LeaseView;
use std::collections::VecDeque;
use std::sync::Arc;

/// How many events are kept.
const KEPT: usize = 16_384;

/// An event, and when it happened.
#[derive(Debug)]
pub(crate) struct Stamped {
    /// Its number.
    pub(crate) seq: u64,
    at: BootTime,
    view: LeaseView,
}

impl Stamped {
    /// The claim as it was then.
    pub(crate) fn as_it_was(&self) -> &LeaseView {
        &self.view
    }

    /// The claim as it was then, with its durations as they are now.
    pub(crate) fn view(&self, now: BootTime) -> LeaseView {
        let late = now.since(self.at);
        let mut v = self.view.clone();
        v.since += late;
        v.free_in_ms = v
            .free_in_ms
            .map(|ms| ms.saturating_sub(u64::try_from(late.as_millis()).unwrap_or(u64::MAX)));
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

    /// The number of the last event.
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use mooring_core::identity::Holder;
    use mooring_core::names::{ClaimName, LeaseId};
    use mooring_core::wire::ViewState;
    use std::time::Duration;

    fn event(seq: u64) -> Event {
        let view = LeaseView {
            lease: LeaseId::from_bytes([0; 16]),
            claim: ClaimName::pod(),
            holder: Holder::External {
                subject: "x".into(),
            },
            items: Vec::new(),
            state: ViewState::Silent,
            since: Duration::from_secs(1),
            place: None,
            reason: None,
            free_in_ms: Some(5000),
            problem: None,
            ended: None,
        };
        Event { seq, view }
    }

    fn seqs(r: &Ring, after: u64) -> Result<Vec<u64>, Expired> {
        r.after(after, 10)
            .map(|v| v.iter().map(|e| e.seq).collect())
    }

    #[test]
    fn a_watcher_goes_on_where_it_was_or_is_told_that_it_cannot() {
        let mut r = Ring::default();
        assert_eq!(seqs(&r, 0), Ok(vec![]));
        assert_eq!(seqs(&r, 1), Err(Expired));
        for n in 1..=3 {
            r.push(event(n), BootTime::from_millis(0));
        }
        assert_eq!(seqs(&r, 0), Ok(vec![1, 2, 3]));
        assert_eq!(seqs(&r, 2), Ok(vec![3]));
        assert_eq!(seqs(&r, 3), Ok(vec![]));
        assert_eq!(seqs(&r, 4), Err(Expired));
        for n in 4..=(KEPT as u64 + 3) {
            r.push(event(n), BootTime::from_millis(0));
        }
        assert_eq!(seqs(&r, 2), Err(Expired));
        assert_eq!(seqs(&r, 3).unwrap().first(), Some(&4));
    }

    #[test]
    fn durations_are_told_as_they_are_now() {
        let mut r = Ring::default();
        r.push(event(1), BootTime::from_millis(1000));
        let v = r
            .after(0, 1)
            .unwrap()
            .first()
            .unwrap()
            .view(BootTime::from_millis(3000));
        assert_eq!(
            (v.since, v.free_in_ms),
            (Duration::from_secs(3), Some(3000))
        );
    }
}
