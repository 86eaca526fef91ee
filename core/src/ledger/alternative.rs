//! Which pools one seat of a product draws on, and how much of each.

use crate::license::Draw;
use crate::names::PoolName;

/// What one seat of a product draws: (pool, weight).
pub(super) type Alternative = Vec<(usize, u32)>;

/// Seats of a product, by the alternative they come from.
pub(super) type Taken = Vec<(u32, Alternative)>;

/// An alternative by the pools' places, each pool once.
pub(super) fn alternative(
    draws: &[Draw],
    place: &dyn Fn(&PoolName) -> Option<usize>,
) -> Alternative {
    let mut alt = Alternative::new();
    for d in draws {
        let (Some(p), w) = (place(&d.pool), d.weight.max(1)) else {
            continue;
        };
        match alt.iter_mut().find(|(q, _)| *q == p) {
            Some((_, sum)) => *sum = sum.saturating_add(w),
            None => alt.push((p, w)),
        }
    }
    alt
}

pub(super) fn draws(n: u32, alt: &Alternative) -> Vec<(usize, u32)> {
    alt.iter().map(|(p, w)| (*p, n * w)).collect()
}
