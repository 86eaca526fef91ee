//! Who waits, as far as the facts tell: the order of the queue, over all and by pool. No promise is
//! judged here.

use crate::history::{Index, LeaseNo};

/// A place in the queue: less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// 0: contested, once held. 1: all others.
    pub(super) class: u8,
    /// The priority, negated.
    pub(super) rank: i64,
    pub(super) arrival: u64,
    pub(super) lease: LeaseNo,
}

/// Who waits, best first: over all, and for each pool that a claim could draw on. Sorted lists: a
/// step in and out moves some kilobytes at worst, and a place is found by bisection.
#[derive(Debug, Default)]
pub(super) struct Queues {
    all: Vec<Key>,
    pools: Vec<Vec<Key>>,
    /// How many have an unknown arrival.
    pub(super) fuzzy: usize,
    /// Pools whose head might be granted now.
    pub(super) touched: Vec<Index>,
}

fn put(list: &mut Vec<Key>, key: Key) {
    if let Err(i) = list.binary_search(&key) {
        list.insert(i, key);
    }
}

fn out(list: &mut Vec<Key>, key: Key) {
    if let Ok(i) = list.binary_search(&key) {
        list.remove(i);
    }
}

impl Queues {
    pub(super) fn all(&self) -> &[Key] {
        &self.all
    }

    pub(super) fn pool(&self, pool: Index) -> &[Key] {
        self.pools.get(pool).map_or(&[], |l| l.as_slice())
    }

    pub(super) fn insert(&mut self, key: Key, pools: &[Index], fuzzy: bool) {
        put(&mut self.all, key);
        for &pool in pools {
            if self.pools.len() <= pool {
                self.pools.resize_with(pool + 1, Vec::new);
            }
            if let Some(list) = self.pools.get_mut(pool) {
                put(list, key);
            }
        }
        self.touch(pools.iter().copied());
        self.fuzzy += usize::from(fuzzy);
    }

    pub(super) fn remove(&mut self, key: Key, pools: &[Index], fuzzy: bool) {
        out(&mut self.all, key);
        for &pool in pools {
            if let Some(list) = self.pools.get_mut(pool) {
                out(list, key);
            }
        }
        self.touch(pools.iter().copied());
        self.fuzzy = self.fuzzy.saturating_sub(usize::from(fuzzy));
    }

    pub(super) fn clear(&mut self) {
        self.all.clear();
        self.pools.clear();
        self.fuzzy = 0;
        self.touched.clear();
    }

    pub(super) fn touch(&mut self, pools: impl Iterator<Item = Index>) {
        for pool in pools {
            if !self.touched.contains(&pool) {
                self.touched.push(pool);
            }
        }
    }

    pub(super) fn touch_all(&mut self, pools: usize) {
        self.touched = (0..pools).collect();
    }

    /// Whether some arrival is unknown, so that somebody else might be before a claim.
    pub(super) fn unsure(&self) -> bool {
        self.fuzzy > 0 && self.all.len() > 1
    }

    /// The place that a key has in the queue, from 1, as far as arrivals are known.
    pub(super) fn place(&self, key: &Key) -> Option<usize> {
        if self.fuzzy > 0 {
            return None;
        }
        self.all.binary_search(key).ok().map(|i| i + 1)
    }
}
