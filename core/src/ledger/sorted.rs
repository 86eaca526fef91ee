//! A sorted set that knows how many stand before an item, for places in line: the standard
//! library's trees do not.
//!
//! Items lie in chunks of bounded length. Finding one is two binary searches; counting adds up the
//! lengths of the chunks before it. At the bound of the line, 100,000 claims, that is a few hundred
//! numbers.

/// The longest a chunk gets before it is split.
const CHUNK: usize = 512;

#[derive(Clone, Debug)]
pub(super) struct Sorted<T> {
    /// None is empty, but where it is the only one.
    chunks: Vec<Vec<T>>,
}

impl<T> Default for Sorted<T> {
    fn default() -> Self {
        Self { chunks: Vec::new() }
    }
}

impl<T: Ord + Copy> Sorted<T> {
    pub(super) fn first(&self) -> Option<T> {
        self.chunks.first()?.first().copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }

    /// Those from one on (or after all that is smaller) up to another, which is not among them.
    pub(super) fn between(&self, from: T, to: T) -> impl Iterator<Item = &T> {
        let chunks = self.chunks.iter().skip(self.chunk_of(from));
        let all = chunks.flatten().skip_while(move |x| **x < from);
        all.take_while(move |x| **x < to)
    }

    /// How many are smaller.
    pub(super) fn before(&self, item: T) -> usize {
        let c = self.chunk_of(item);
        let whole: usize = self.chunks.iter().take(c).map(Vec::len).sum();
        let chunk = self.chunks.get(c);
        whole + chunk.map_or(0, |v| v.partition_point(|x| *x < item))
    }

    /// Puts it in; `false` if it was there.
    pub(super) fn insert(&mut self, item: T) -> bool {
        let c = self.chunk_of(item);
        let Some(chunk) = self.chunks.get_mut(c) else {
            self.chunks.push(vec![item]);
            return true;
        };
        let Err(at) = chunk.binary_search(&item) else {
            return false;
        };
        chunk.insert(at, item);
        if chunk.len() > CHUNK {
            // Most arrive at the end of the line: a full last chunk stays full, instead of half
            // empty for ever.
            let last = c + 1 == self.chunks.len();
            if let Some(chunk) = self.chunks.get_mut(c) {
                let tail = chunk.split_off(if last { CHUNK } else { CHUNK / 2 });
                self.chunks.insert(c + 1, tail);
            }
        }
        true
    }

    /// Takes it out; `false` if it was not there.
    pub(super) fn remove(&mut self, item: T) -> bool {
        let c = self.chunk_of(item);
        let Some(chunk) = self.chunks.get_mut(c) else {
            return false;
        };
        let Ok(at) = chunk.binary_search(&item) else {
            return false;
        };
        chunk.remove(at);
        // The last one's memory stays for the next to come.
        if chunk.is_empty() && self.chunks.len() > 1 {
            self.chunks.remove(c);
        }
        true
    }

    /// The chunk that an item is in or belongs to: the last one, if it is larger than all.
    fn chunk_of(&self, item: T) -> usize {
        let before = |v: &Vec<T>| v.last().is_some_and(|l| *l < item);
        let c = self.chunks.partition_point(before);
        c.min(self.chunks.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_is_a_sorted_set_that_counts(ops in proptest::collection::vec((0u8..4, 0u32..3000), 1..4000)) {
            let (mut ours, mut model) = (Sorted::default(), BTreeSet::new());
            for (op, n) in ops {
                if op == 0 {
                    prop_assert_eq!(ours.remove(n), model.remove(&n));
                } else {
                    prop_assert_eq!(ours.insert(n), model.insert(n));
                }
                prop_assert_eq!(ours.iter().count(), model.len());
                prop_assert_eq!(ours.first(), model.first().copied());
                prop_assert_eq!(ours.before(n), model.range(..n).count());
                prop_assert!(ours.between(n / 2, n).eq(model.range(n / 2..n)));
            }
            prop_assert!(ours.iter().eq(model.iter()));
        }
    }
}
