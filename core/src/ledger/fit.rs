//! Whether several products' seats can all be had at once, and from which alternatives.
//!
//! Drawing greedily is not enough: a product that could draw on two pools may take the seat that
//! another product of the same claim can get nowhere else. So it is searched: products with fewer
//! alternatives first, as much as there is from each alternative in its order, less where that
//! leads nowhere. A product comes from one license file whole, so that an application can prove its
//! seats with one: the files are tried in their order.

use super::alternative::{Alternative, Taken};
use crate::mutant::{self, Mutant};
use std::borrow::Borrow;

/// How many steps a search may take. Licenses have few alternatives, and nearly every claim fits at
/// the first try; one that is not placed within the bound waits.
const STEPS: u32 = 20_000;

/// What is wanted of a product: by each file that sells it, its alternatives, and how many seats
/// that would take.
pub(super) type Want<'a> = Vec<(&'a [Alternative], u32)>;

/// A product's seats: out of which of the wanted files, by its place, and from where.
pub(super) type Found = (usize, Taken);

/// Where each product's seats come from, in the order of `wants`; `None` if not all fit into
/// `free`.
pub(super) fn fit(wants: &[Want<'_>], free: &[u32]) -> Option<Vec<Found>> {
    let mut order: Vec<usize> = (0..wants.len()).collect();
    let ways = |w: &Want<'_>| w.iter().map(|(from, _)| from.len()).sum();
    order.sort_by_key(|i| wants.get(*i).map_or(0, ways));
    let mut search = Search {
        wants,
        order,
        free: free.to_vec(),
        taken: vec![Found::default(); wants.len()],
        steps: STEPS,
    };
    let found = search.product(0);
    (found || mutant::on(Mutant::PartialGrant)).then_some(search.taken)
}

/// The most seats that these alternatives give together. They may share pools, so this is what
/// drawing in their order gives.
pub(super) fn most(
    alternatives: impl IntoIterator<Item = impl Borrow<Alternative>>,
    free: &mut [u32],
) -> u32 {
    alternatives.into_iter().fold(0u32, |sum, alt| {
        let n = room(alt.borrow(), &of(free));
        take(alt.borrow(), n, free);
        sum.saturating_add(n)
    })
}

/// How many seats an alternative has room for. A pool stands once in it, so the scarcest decides.
pub(super) fn room(alt: &Alternative, free: &dyn Fn(usize) -> u32) -> u32 {
    let each = alt.iter().map(|(p, w)| free(*p) / (*w).max(1));
    each.min().unwrap_or(0)
}

/// What a list says.
fn of(free: &[u32]) -> impl Fn(usize) -> u32 {
    |p| free.get(p).copied().unwrap_or(0)
}

/// Takes `n` seats out of an alternative's pools; there must be room.
fn take(alt: &Alternative, n: u32, free: &mut [u32]) {
    for (p, w) in alt {
        if let Some(f) = free.get_mut(*p) {
            *f = f.saturating_sub(n * w);
        }
    }
}

fn put_back(alt: &Alternative, n: u32, free: &mut [u32]) {
    for (p, w) in alt {
        if let Some(f) = free.get_mut(*p) {
            *f += n * w;
        }
    }
}

struct Search<'a> {
    wants: &'a [Want<'a>],
    order: Vec<usize>,
    free: Vec<u32>,
    taken: Vec<Found>,
    steps: u32,
}

impl<'a> Search<'a> {
    /// The k-th product and all after it.
    fn product(&mut self, k: usize) -> bool {
        let Some(i) = self.order.get(k).copied() else {
            return true;
        };
        let wants: &'a [Want<'a>] = self.wants;
        let Some(offers) = wants.get(i) else {
            return true;
        };
        for (place, (from, want)) in offers.iter().enumerate() {
            if let Some(t) = self.taken.get_mut(i) {
                t.0 = place;
            }
            if self.alternative(k, i, from, *want) {
                return true;
            }
        }
        false
    }

    /// `want` seats of product `i` from these alternatives, and all products after it.
    fn alternative(&mut self, k: usize, i: usize, from: &'a [Alternative], want: u32) -> bool {
        if want == 0 {
            return self.product(k + 1);
        }
        // More than each alternative has by itself is not in all of them.
        let there = from.iter().map(|alt| u64::from(room(alt, &of(&self.free))));
        let Some((alt, rest)) = from
            .split_first()
            .filter(|_| there.sum::<u64>() >= want.into())
        else {
            return false;
        };
        let most = room(alt, &of(&self.free)).min(want);
        // The last alternative must give all that is still wanted.
        let least = if rest.is_empty() { want } else { 0 };
        let mut n = most;
        loop {
            if self.steps == 0 || n < least {
                return false;
            }
            self.steps -= 1;
            if n > 0 {
                take(alt, n, &mut self.free);
                if let Some(t) = self.taken.get_mut(i) {
                    t.1.push((n, alt.clone()));
                }
            }
            if self.alternative(k, i, rest, want - n) {
                return true;
            }
            if n == 0 {
                return false;
            }
            put_back(alt, n, &mut self.free);
            if let Some(t) = self.taken.get_mut(i) {
                t.1.pop();
            }
            n -= 1;
        }
    }
}

#[cfg(test)]
mod tests;
