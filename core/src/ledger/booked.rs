//! When which claim is due: booked, moved, taken back.
//!
//! Most of what is booked is far off, and is moved or taken back before it comes; so what is far
//! off is kept by the second alone, unsorted, and put in order when that second is next. What is
//! taken back leaves a gap. A second that is mostly gaps is packed.

use super::at::At;
use crate::time::BootTime;
use std::collections::{BTreeMap, BTreeSet};

/// Gaps that are not worth packing.
const FEW: usize = 64;

/// Where a booking is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spot(u32);

#[derive(Clone, Debug, Default)]
pub(super) struct Booked {
    /// The next seconds, up to and with `next`. Never empty while there is something later.
    near: BTreeSet<(BootTime, At)>,
    next: u64,
    far: BTreeMap<u64, Second>,
}

#[derive(Clone, Debug, Default)]
struct Second {
    all: Vec<Option<(BootTime, At)>>,
    gaps: usize,
}

/// A second, or nearly.
fn second(t: BootTime) -> u64 {
    t.as_millis() >> 10
}

impl Booked {
    /// What is due first.
    pub(super) fn first(&self) -> Option<(BootTime, At)> {
        self.near.first().copied()
    }

    /// Takes what is due first, if it is by `now`.
    pub(super) fn pop(&mut self, now: BootTime) -> Option<At> {
        let (t, at) = self.first().filter(|(t, _)| *t <= now)?;
        self.near.remove(&(t, at));
        self.fill();
        Some(at)
    }

    /// Books a claim, which is not booked, and tells where.
    pub(super) fn book(&mut self, t: BootTime, at: At) -> Spot {
        let s = second(t);
        if s <= self.next || (self.near.is_empty() && self.far.is_empty()) {
            self.next = self.next.max(s);
            self.near.insert((t, at));
            return Spot::default();
        }
        let of = self.far.entry(s).or_default();
        of.all.push(Some((t, at)));
        Spot((of.all.len() - 1) as u32)
    }

    /// Takes a booking back. Tells who has another spot now.
    pub(super) fn cancel(&mut self, t: BootTime, at: At, Spot(i): Spot) -> Vec<(At, Spot)> {
        let s = second(t);
        if s <= self.next {
            self.near.remove(&(t, at));
            self.fill();
            return Vec::new();
        }
        let Some(of) = self.far.get_mut(&s) else {
            return Vec::new();
        };
        if let Some(booking) = of.all.get_mut(i as usize) {
            *booking = None;
            of.gaps += 1;
        }
        if of.gaps == of.all.len() {
            self.far.remove(&s);
            return Vec::new();
        }
        if of.gaps <= of.all.len() / 2 + FEW {
            return Vec::new();
        }
        of.gaps = 0;
        of.all.retain(Option::is_some);
        let spots = (0..).map(Spot);
        let kept = of.all.iter().flatten().map(|(_, at)| *at);
        kept.zip(spots).collect()
    }

    /// Puts the next second in order, if nothing nearer is left.
    fn fill(&mut self) {
        if self.near.is_empty()
            && let Some((s, of)) = self.far.pop_first()
        {
            self.next = s;
            self.near = of.all.into_iter().flatten().collect();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_is_a_sorted_set(ops in proptest::collection::vec((0u8..8, 0u32..600, 0u64..40_000), 1..4000)) {
            let (mut ours, mut model) = (Booked::default(), BTreeSet::new());
            let mut spots: HashMap<u32, (BootTime, Spot)> = HashMap::new();
            for (op, n, t) in ops {
                let (at, t) = (At(n), BootTime::from_millis(t));
                match spots.remove(&n) {
                    Some((t, spot)) => {
                        model.remove(&(t, at));
                        for (at, spot) in ours.cancel(t, at, spot) {
                            spots.get_mut(&at.0).unwrap().1 = spot;
                        }
                    }
                    None if op == 0 => {
                        let first = model.first().copied().filter(|(first, _)| *first <= t);
                        prop_assert_eq!(ours.pop(t), first.map(|(_, at)| at));
                        if let Some((t, at)) = first {
                            model.remove(&(t, at));
                            spots.remove(&at.0);
                        }
                    }
                    None => {
                        model.insert((t, at));
                        spots.insert(n, (t, ours.book(t, at)));
                    }
                }
                prop_assert_eq!(ours.first(), model.first().copied());
            }
        }
    }
}
