//! What many claims have alike, kept once: namespaces with their service accounts, nodes, what is
//! asked for, what is drawn.
//!
//! Nobody says when a value is needed no more. Before the table grows it is looked through for
//! those that nobody has but itself; so it is at most twice as large as it must be, and a claim
//! that ends costs nothing here. Others choose what these values are, so the hash is keyed.

use hashbrown::HashTable;
use std::fmt;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::Arc;

pub(super) struct Shared<T: ?Sized> {
    all: HashTable<Arc<T>>,
    hasher: RandomState,
}

impl<T: ?Sized> Default for Shared<T> {
    fn default() -> Self {
        Self {
            all: HashTable::new(),
            hasher: RandomState::new(),
        }
    }
}

impl<T: ?Sized> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self {
            all: self.all.clone(),
            hasher: self.hasher.clone(),
        }
    }
}

impl<T: ?Sized> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("len", &self.all.len())
            .finish_non_exhaustive()
    }
}

impl<T: Hash + ?Sized> Shared<T> {
    /// The one that is like `key`, as `same` tells, made by `new` of the key if there is none. A
    /// key has the hash of what it is the key of.
    pub(super) fn one<K: Hash>(
        &mut self,
        key: K,
        same: impl Fn(&K, &T) -> bool,
        new: impl FnOnce(K) -> Arc<T>,
    ) -> Arc<T> {
        let hash = self.hasher.hash_one(&key);
        if let Some(there) = self.all.find(hash, |v| same(&key, v)) {
            return there.clone();
        }
        if self.all.len() == self.all.capacity() {
            self.all.retain(|v| Arc::strong_count(v) > 1);
        }
        let new = new(key);
        let (hasher, kept) = (&self.hasher, new.clone());
        self.all
            .insert_unique(hash, kept, |v| hasher.hash_one(&**v));
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(all: &mut Shared<str>, name: &str) -> Arc<str> {
        all.one(name, |name, v| v == *name, Arc::from)
    }

    #[test]
    fn equal_values_are_one_and_those_of_nobody_make_room() {
        let mut all = Shared::default();
        let kept = node(&mut all, "a");
        assert!(Arc::ptr_eq(&kept, &node(&mut all, "a")));
        for i in 0..100_000 {
            node(&mut all, &i.to_string());
        }
        assert!(all.all.capacity() < 100, "{all:?}");
        assert!(Arc::ptr_eq(&kept, &node(&mut all, "a")));
    }
}
