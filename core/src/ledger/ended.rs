//! Claims that have ended, remembered for a while: a late duplicate of their messages changes
//! nothing (promise 6).

use crate::names::LeaseId;
use crate::secret::SecretHash;
use crate::time::BootTime;
use hashbrown::HashTable;
use std::collections::VecDeque;
use std::fmt;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::time::Duration;

/// How long.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// How many at most.
const MOST: usize = 200_000;

#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) id: LeaseId,
    pub(super) secret_hash: SecretHash,
    /// The highest number of its requests.
    pub(super) counter: u64,
    /// It was given back by its holder, and does not come back; one that lapsed may.
    pub(super) released: bool,
    /// Such a lease must not be reinstated again: not so for a mere place in the queue, which a
    /// duplicate can have taken while the lease itself is on its way.
    pub(super) over: bool,
}

/// Each by its number: `first` is the oldest one's.
#[derive(Clone, Default)]
pub(super) struct Past {
    all: VecDeque<(BootTime, Ended)>,
    first: u32,
    by_secret: HashTable<u32>,
    by_id: HashTable<u32>,
    /// Holders choose their secrets: the hash is keyed.
    hasher: RandomState,
}

impl fmt::Debug for Past {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.all).finish()
    }
}

/// The one with a number.
fn at(all: &VecDeque<(BootTime, Ended)>, first: u32, n: u32) -> Option<&Ended> {
    let (_, e) = all.get(n.wrapping_sub(first) as usize)?;
    Some(e)
}

impl Past {
    pub(super) fn remember(&mut self, e: Ended, now: BootTime) {
        if self.all.len() >= MOST {
            self.forget_oldest();
        }
        let n = self.first.wrapping_add(self.all.len() as u32);
        self.all.push_back((now + REMEMBERED, e));
        let (all, first, hasher) = (&self.all, self.first, &self.hasher);
        let of = |n: &u32| at(all, first, *n);
        put(&mut self.by_secret, n, hasher, |n| {
            of(n).map(|e| e.secret_hash)
        });
        put(&mut self.by_id, n, hasher, |n| of(n).map(|e| e.id));
    }

    /// Forgets what was remembered for long enough.
    pub(super) fn forget(&mut self, now: BootTime) {
        while self.all.front().is_some_and(|(t, _)| *t <= now) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let n = self.first;
        let Some((_, e)) = self.all.pop_front() else {
            return;
        };
        self.first = n.wrapping_add(1);
        // A later one with the same secret, or id, has taken its place.
        let hash = self.hasher.hash_one(e.secret_hash);
        if let Ok(found) = self.by_secret.find_entry(hash, |m| *m == n) {
            found.remove();
        }
        let hash = self.hasher.hash_one(e.id);
        if let Ok(found) = self.by_id.find_entry(hash, |m| *m == n) {
            found.remove();
        }
    }

    /// The last claim with this secret.
    pub(super) fn of_secret(&self, secret: &SecretHash) -> Option<&Ended> {
        let of = |n: &u32| at(&self.all, self.first, *n);
        let same = |n: &u32| of(n).is_some_and(|e| e.secret_hash == *secret);
        of(self.by_secret.find(self.hasher.hash_one(secret), same)?)
    }

    /// The last claim with this id.
    pub(super) fn of_id(&self, id: &LeaseId) -> Option<&Ended> {
        let of = |n: &u32| at(&self.all, self.first, *n);
        let same = |n: &u32| of(n).is_some_and(|e| e.id == *id);
        of(self.by_id.find(self.hasher.hash_one(id), same)?)
    }
}

/// Number `n` is the one with its key from here on.
fn put<K: Hash + Eq>(
    table: &mut HashTable<u32>,
    n: u32,
    hasher: &RandomState,
    key: impl Fn(&u32) -> Option<K>,
) {
    let own = key(&n);
    let hash_of = |k: Option<K>| k.map_or(0, |k| hasher.hash_one(k));
    let hash = hash_of(key(&n));
    match table.find_mut(hash, |m| key(m) == own) {
        Some(there) => *there = n,
        None => {
            table.insert_unique(hash, n, |m| hash_of(key(m)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(id: u8, secret: u8, counter: u64) -> Ended {
        Ended {
            id: LeaseId::from_bytes([id; 16]),
            secret_hash: crate::secret::Secret::from_bytes([secret; 32]).hash(),
            counter,
            released: false,
            over: true,
        }
    }

    #[test]
    fn the_last_one_counts_until_it_is_forgotten_itself() {
        let at = |secs| BootTime::default() + Duration::from_secs(secs);
        let (mut past, e) = (Past::default(), ended(1, 1, 1));
        past.first = u32::MAX;
        past.remember(e, at(0));
        past.remember(ended(1, 1, 2), at(10));
        past.remember(ended(2, 2, 3), at(20));
        past.forget(at(3600));
        assert_eq!(past.of_secret(&e.secret_hash).map(|e| e.counter), Some(2));
        assert_eq!(past.of_id(&e.id).map(|e| e.counter), Some(2));
        past.forget(at(3610));
        assert!(past.of_secret(&e.secret_hash).is_none() && past.of_id(&e.id).is_none());
        let other = LeaseId::from_bytes([2; 16]);
        assert_eq!(past.of_id(&other).map(|e| e.counter), Some(3));
        for i in 0..2 * MOST {
            past.remember(ended((i % 250) as u8, (i % 250) as u8, 9), at(30));
        }
        assert_eq!(past.all.len(), MOST);
        assert_eq!(past.by_secret.len(), 250);
    }
}
