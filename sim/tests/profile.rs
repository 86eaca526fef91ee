//! The load of Kueue's baseline on the ledger: what it leaves idle.

#![allow(clippy::unwrap_used)]

use mooring_sim::profile::{self, PATIENCE};

#[test]
fn nine_seats_of_ten_are_used_under_the_load_of_kueues_baseline() {
    let strict = profile::run(None).unwrap();
    let fill = profile::run(Some(PATIENCE)).unwrap();
    for (line, p) in [("strict", &strict), ("backfill", &fill)] {
        assert!(p.used >= 0.9, "{line}: {p}");
    }
    assert!(fill.used > strict.used, "{strict}\n{fill}");
    assert_eq!(strict.backfilled.grants, 0);
    assert!(fill.backfilled.grants > 0 && !fill.backfilled.seats_won.is_zero());
    // The large ones wait for their patience at most longer than they would.
    let large = |p: &profile::Profile| p.waited.last().map(|(_, _, most)| *most);
    let bound = large(&strict).map(|most| most + PATIENCE);
    assert!(large(&fill) <= bound, "{strict}\n{fill}");
}
