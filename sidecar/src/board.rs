//! The claims as they stand, and what the application is told of them. Status is always computed at the moment of
//! asking, so a limit that passes shows without anyone waking up; changes go out numbered, each once.

use mooring_core::holder::Holder;
use mooring_core::time::BootTime;
use mooring_core::wire::{ClaimStatus, HoldState, Status, WaitReason};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;

/// How many changes a slow reader may be behind before it is brought up to date in one step.
const BACKLOG: usize = 64;

/// All claims of this sidecar.
#[derive(Debug)]
pub(crate) struct Board {
    inner: Mutex<Inner>,
    changes: broadcast::Sender<Arc<Status>>,
}

#[derive(Debug)]
struct Inner {
    server: String,
    holders: Vec<Holder>,
    told: Vec<ClaimStatus>,
    seq: u64,
}

/// Which claim on the board.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClaimAt(usize);

impl Board {
    /// The board with these claims; the first is the pod's.
    pub(crate) fn new(server: String, holders: Vec<Holder>) -> (Arc<Self>, Vec<ClaimAt>) {
        let all = (0..holders.len()).map(ClaimAt).collect();
        let inner = Mutex::new(Inner {
            server,
            holders,
            told: Vec::new(),
            seq: 0,
        });
        (
            Arc::new(Self {
                inner,
                changes: broadcast::Sender::new(BACKLOG),
            }),
            all,
        )
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with a claim, then tells what has changed by it.
    pub(crate) fn with<T>(
        &self,
        at: ClaimAt,
        now: BootTime,
        f: impl FnOnce(&mut Holder) -> T,
    ) -> Option<T> {
        let mut inner = self.lock();
        let result = inner.holders.get_mut(at.0).map(f);
        self.refresh(&mut inner, now);
        result
    }

    /// Does something with the pod's own claim.
    pub(crate) fn first<T>(&self, f: impl FnOnce(&Holder) -> T) -> Option<T> {
        self.lock().holders.first().map(f)
    }

    /// How everything stands at `now`.
    pub(crate) fn status(&self, now: BootTime) -> Option<Status> {
        let mut inner = self.lock();
        self.refresh(&mut inner, now)
    }

    /// How everything stands at `now`, and every change from then on.
    pub(crate) fn subscribe(
        &self,
        now: BootTime,
    ) -> (Option<Status>, broadcast::Receiver<Arc<Status>>) {
        let mut inner = self.lock();
        let status = self.refresh(&mut inner, now);
        (status, self.changes.subscribe())
    }

    fn refresh(&self, inner: &mut Inner, now: BootTime) -> Option<Status> {
        let claims: Vec<_> = inner.holders.iter().map(|h| h.status(now)).collect();
        let comparable: Vec<_> = claims
            .iter()
            .map(|c| ClaimStatus {
                for_ms: None,
                ..c.clone()
            })
            .collect();
        let changed = comparable != inner.told;
        if changed {
            inner.seq += 1;
            for (i, new) in comparable.iter().enumerate() {
                log_change(inner.told.get(i), new);
            }
            inner.told = comparable;
        }
        let status = status_of(inner.server.clone(), inner.seq, claims, now)?;
        if changed {
            // Nobody may be listening.
            let _ = self.changes.send(Arc::new(status.clone()));
        }
        Some(status)
    }
}

/// The whole from its claims: the first one's state; licensed only if each is, and until the first limit.
fn status_of(server: String, seq: u64, claims: Vec<ClaimStatus>, now: BootTime) -> Option<Status> {
    let licensed = claims.iter().all(|c| c.licensed);
    let until_boot_ms = claims
        .iter()
        .filter_map(|c| c.until_boot_ms)
        .min()
        .filter(|_| licensed);
    let for_ms = claims
        .iter()
        .filter_map(|c| c.for_ms)
        .min()
        .filter(|_| licensed);
    let state = claims.first()?.state;
    Some(Status {
        state,
        licensed,
        until_boot_ms,
        for_ms,
        boot_ms: now.as_millis(),
        seq,
        server,
        claims,
    })
}

/// One line for each change of state; a limit that moved is no news in a log.
fn log_change(old: Option<&ClaimStatus>, new: &ClaimStatus) {
    let same = old.is_some_and(|o| {
        (o.state, o.lease, o.place, o.reason, &o.message)
            == (new.state, new.lease, new.place, new.reason, &new.message)
    });
    if same {
        return;
    }
    let from = old.map(|o| o.state);
    let moved = from != Some(new.state);
    let (claim, state) = (new.name.as_str(), new.state);
    let (lease, place, reason) = (
        new.lease.map(|l| l.to_string()),
        new.place,
        new.reason.map(WaitReason::explain),
    );
    let from = from.map(|f| f.to_string());
    let message = new.message.as_deref();
    let taken = !state.is_licensed() && state != HoldState::Released;
    if moved && taken && old.is_some_and(|o| o.licensed) {
        tracing::warn!(claim, %state, from, lease, place, reason, message, "the application is not licensed any more");
    } else if moved {
        tracing::info!(claim, %state, from, lease, place, reason, message, "the claim's state changed");
    } else {
        tracing::info!(claim, %state, lease, place, reason, message, "the claim goes on");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;
    use mooring_core::holder::{Spec, Start};
    use mooring_core::names::ClaimName;
    use mooring_core::request;
    use mooring_core::secret::Secret;
    use std::time::Duration;

    fn holder(name: &str, start: Start) -> Holder {
        let spec = Spec::new(
            ClaimName::new(name).unwrap(),
            request::parse("render:2").unwrap(),
            start,
        );
        Holder::new(
            spec,
            Secret::from_bytes([1; 32]),
            BootTime::from_millis(1000),
        )
    }

    #[test]
    fn changes_by_time_alone_show_at_once_and_are_numbered_once() {
        let (board, at) = Board::new("s:1".into(), vec![holder("pod", Start::Optimistic)]);
        let t = |s: u64| BootTime::from_millis(1000) + Duration::from_secs(s);
        let (first, mut changes) = board.subscribe(t(0));
        let first = first.unwrap();
        assert_eq!(
            (first.state, first.seq, first.licensed, first.boot_ms),
            (HoldState::Seeking, 1, false, 1000)
        );
        assert_eq!(board.status(t(1)).unwrap().seq, 1, "nothing changed");
        assert!(changes.try_recv().is_err());
        // Nobody polled the holder; the question alone finds that its time has come.
        let s = board.status(t(15)).unwrap();
        assert_eq!(
            (s.state, s.seq, s.licensed),
            (HoldState::Optimistic, 2, true)
        );
        assert_eq!(s.for_ms, s.until_boot_ms.map(|u| u - s.boot_ms));
        assert_eq!(*changes.try_recv().unwrap(), s);
        assert_eq!(
            board.status(t(16)).unwrap().seq,
            2,
            "less time left is no change"
        );
        board.with(at[0], t(17), |h| h.release(t(17)));
        assert_eq!(changes.try_recv().unwrap().state, HoldState::Released);
        assert!(changes.try_recv().is_err());
    }

    #[test]
    fn several_claims_are_licensed_together_or_not() {
        let two = vec![
            holder("pod", Start::Optimistic),
            holder("other", Start::Licensed),
        ];
        let (board, _) = Board::new("s:1".into(), two);
        let s = board
            .status(BootTime::from_millis(1000) + Duration::from_secs(20))
            .unwrap();
        assert_eq!(
            (s.state, s.licensed, s.until_boot_ms, s.for_ms),
            (HoldState::Optimistic, false, None, None)
        );
        assert!(s.claims[0].licensed && !s.claims[1].licensed);
    }
}
