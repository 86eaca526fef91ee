//! What claims draw from pools: an own reading of the license, so that the server's is not
//! believed.
//!
//! An item's product has alternatives; each seat of it draws a weight from each pool of one
//! alternative. The seats of one item may lie on several alternatives.

use crate::history::{Index, License};

/// Draws with each pool once, in order, without zeros.
pub(super) fn tidy(draws: &[(Index, u32)]) -> Vec<(Index, u32)> {
    let mut tidy: Vec<(Index, u32)> = Vec::with_capacity(draws.len());
    for &(pool, seats) in draws {
        if seats == 0 {
            continue;
        }
        match tidy.binary_search_by_key(&pool, |d| d.0) {
            Ok(i) => {
                if let Some(d) = tidy.get_mut(i) {
                    d.1 = d.1.saturating_add(seats);
                }
            }
            Err(i) => tidy.insert(i, (pool, seats)),
        }
    }
    tidy
}

/// The pools that these items could draw on, by any alternative.
pub(super) fn pools(license: &License, items: &[(Index, u32)]) -> Vec<Index> {
    let mut pools: Vec<Index> = items
        .iter()
        .filter_map(|(product, _)| license.products.get(*product))
        .flatten()
        .flatten()
        .map(|(pool, _)| *pool)
        .collect();
    pools.sort_unstable();
    pools.dedup();
    pools
}

/// What these items draw, if there is but one way.
pub(super) fn only_way(license: &License, items: &[(Index, u32)]) -> Option<Vec<(Index, u32)>> {
    let mut draws = Vec::new();
    for (product, seats) in items {
        let [only] = license.products.get(*product)?.as_slice() else {
            return None;
        };
        draws.extend(only.iter().map(|(pool, weight)| (*pool, weight * seats)));
    }
    Some(tidy(&draws))
}

/// Whether all items fit together into `left`.
pub(super) fn fits(license: &License, items: &[(Index, u32)], left: &mut [u64]) -> bool {
    assign(license, items, left, &|_| true)
}

/// Whether `draws` is what the items take, on some alternatives: not less, not more.
pub(super) fn matches(license: &License, items: &[(Index, u32)], draws: &[(Index, u32)]) -> bool {
    let mut left = vec![0_u64; license.pools.len()];
    for &(pool, seats) in draws {
        match left.get_mut(pool) {
            Some(l) => *l += u64::from(seats),
            None => return false,
        }
    }
    assign(license, items, &mut left, &|left| {
        left.iter().all(|l| *l == 0)
    })
}

/// Whether the items can be taken from `left` so that what remains is `right`. Leaves `left` as it
/// was.
fn assign(
    license: &License,
    items: &[(Index, u32)],
    left: &mut [u64],
    right: &dyn Fn(&[u64]) -> bool,
) -> bool {
    let Some((&(product, seats), rest)) = items.split_first() else {
        return right(left);
    };
    let Some(alternatives) = license.products.get(product) else {
        return false;
    };
    split(license, alternatives, u64::from(seats), rest, left, right)
}

fn split(
    license: &License,
    alternatives: &[Vec<(Index, u32)>],
    seats: u64,
    rest: &[(Index, u32)],
    left: &mut [u64],
    right: &dyn Fn(&[u64]) -> bool,
) -> bool {
    if seats == 0 {
        return assign(license, rest, left, right);
    }
    let Some((alternative, others)) = alternatives.split_first() else {
        return false;
    };
    // All on one alternative is what is mostly done: most seats first.
    (0..=seats).rev().any(|here| {
        take(alternative, here, left) && {
            let fit = split(license, others, seats - here, rest, left, right);
            give(alternative, here, left);
            fit
        }
    })
}

/// Takes as much as `seats` seats draw; nothing if it is not there.
fn take(alternative: &[(Index, u32)], seats: u64, left: &mut [u64]) -> bool {
    for (done, &(pool, weight)) in alternative.iter().enumerate() {
        let wanted = u64::from(weight) * seats;
        match left.get_mut(pool) {
            Some(l) if *l >= wanted => *l -= wanted,
            _ => {
                give(alternative.get(..done).unwrap_or_default(), seats, left);
                return false;
            }
        }
    }
    true
}

fn give(alternative: &[(Index, u32)], seats: u64, left: &mut [u64]) {
    for &(pool, weight) in alternative {
        if let Some(l) = left.get_mut(pool) {
            *l += u64::from(weight) * seats;
        }
    }
}

#[cfg(test)]
mod tests;
