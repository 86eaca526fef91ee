#![allow(clippy::unwrap_used)]
use super::*;
use mooring_core::identity::Holder;
use mooring_core::names::{ClaimName, LeaseId};
use mooring_core::wire::ViewState;
use std::time::Duration;

fn event(seq: u64) -> Event {
    let subject = "x".into();
    let view = LeaseView {
        free_in_ms: Some(5000),
        ..LeaseView::new(
            LeaseId::from_bytes([0; 16]),
            ClaimName::pod(),
            Holder::External { subject },
            Vec::new(),
            ViewState::Silent,
            Duration::from_secs(1),
        )
    };
    Event {
        seq,
        view,
        parts: Vec::new(),
        overdraft: 0,
    }
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
