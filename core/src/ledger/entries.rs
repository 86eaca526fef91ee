//! The claims of the books, and finding them by id and by holder.
//!
//! They lie in chunks that never move, each at a place that stays; the indexes hold places alone.
//! So a million of them need no array of twice their size while a table grows, and no key stands
//! there twice.

use super::entry::Entry;
use super::who::HolderRef;
use crate::names::{ClaimName, LeaseId};
use hashbrown::HashTable;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};

/// How many a chunk has.
const CHUNK: usize = 256;

/// Where a claim lies, while it is in the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At(pub(super) u32);

#[derive(Default)]
struct Slots {
    chunks: Vec<Vec<Option<Entry>>>,
    free: Vec<At>,
}

impl Slots {
    fn get(&self, At(i): At) -> Option<&Entry> {
        let i = i as usize;
        self.chunks.get(i / CHUNK)?.get(i % CHUNK)?.as_ref()
    }

    fn get_mut(&mut self, At(i): At) -> Option<&mut Entry> {
        self.slot(At(i))?.as_mut()
    }

    fn slot(&mut self, At(i): At) -> Option<&mut Option<Entry>> {
        let i = i as usize;
        self.chunks.get_mut(i / CHUNK)?.get_mut(i % CHUNK)
    }

    fn put(&mut self, e: Entry) -> At {
        if let Some(at) = self.free.pop() {
            if let Some(slot) = self.slot(at) {
                *slot = Some(e);
            }
            return at;
        }
        let whole = self.chunks.len().saturating_sub(1);
        let last = self.chunks.last_mut().filter(|c| c.len() < CHUNK);
        if let Some(chunk) = last {
            chunk.push(Some(e));
            return At((whole * CHUNK + chunk.len() - 1) as u32);
        }
        // The first one grows: there are small books.
        let room = if self.chunks.is_empty() { 4 } else { CHUNK };
        let mut chunk = Vec::with_capacity(room);
        chunk.push(Some(e));
        self.chunks.push(chunk);
        At(((self.chunks.len() - 1) * CHUNK) as u32)
    }

    fn take(&mut self, at: At) -> Option<Entry> {
        let e = self.slot(at)?.take()?;
        self.free.push(at);
        Some(e)
    }
}

#[derive(Default)]
pub(super) struct Entries {
    slots: Slots,
    by_id: HashTable<At>,
    /// The latest of each holder's claims, which names the one before it. Holders choose what they
    /// are called, so the hash is keyed.
    by_holder: HashTable<At>,
    keyed: RandomState,
    /// Ids are random, and the server's own.
    quick: foldhash::fast::RandomState,
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Entries {
    /// Where a claim lies.
    pub(super) fn find(&self, id: &LeaseId) -> Option<At> {
        let same = |at: &At| self.slots.get(*at).is_some_and(|e| e.id == *id);
        self.by_id.find(self.quick.hash_one(id), same).copied()
    }

    pub(super) fn at(&self, at: At) -> Option<&Entry> {
        self.slots.get(at)
    }

    pub(super) fn at_mut(&mut self, at: At) -> Option<&mut Entry> {
        self.slots.get_mut(at)
    }

    pub(super) fn get(&self, id: &LeaseId) -> Option<&Entry> {
        self.slots.get(self.find(id)?)
    }

    pub(super) fn get_mut(&mut self, id: &LeaseId) -> Option<&mut Entry> {
        let at = self.find(id)?;
        self.slots.get_mut(at)
    }

    pub(super) fn contains_key(&self, id: &LeaseId) -> bool {
        self.find(id).is_some()
    }

    /// All, by their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.slots.chunks.iter().flatten().flatten()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.slots.chunks.iter_mut().flatten().flatten()
    }

    /// A holder's claims, the latest first.
    pub(super) fn of_holder(&self, holder: HolderRef<'_>) -> impl Iterator<Item = &Entry> {
        let same = |at: &At| self.slots.get(*at).is_some_and(|e| e.who.key() == holder);
        let first = self.by_holder.find(self.keyed.hash_one(holder), same);
        let first = first.and_then(|at| self.slots.get(*at));
        std::iter::successors(first, |e| self.slots.get(e.before?))
    }

    /// A holder's claim of this name.
    pub(super) fn of_name(&self, holder: HolderRef<'_>, claim: &ClaimName) -> Option<&Entry> {
        let mut all = self.of_holder(holder);
        all.find(|e| e.wish.name == *claim)
    }

    /// Puts a claim in; none with its id is there.
    pub(super) fn insert(&mut self, e: Entry) -> At {
        let (id, slots) = (e.id, &mut self.slots);
        let (keyed, quick) = (&self.keyed, &self.quick);
        let holder = keyed.hash_one(e.who.key());
        let at = slots.put(e);
        self.by_id.insert_unique(quick.hash_one(id), at, |at| {
            slots.get(*at).map_or(0, |e| quick.hash_one(e.id))
        });
        let key = slots.get(at).map(|e| e.who.key());
        let same = |at: &At| slots.get(*at).map(|e| e.who.key()) == key;
        if let Some(latest) = self.by_holder.find_mut(holder, same) {
            let before = std::mem::replace(latest, at);
            if let Some(e) = slots.get_mut(at) {
                e.before = Some(before);
            }
        } else {
            self.by_holder.insert_unique(holder, at, |at| {
                slots.get(*at).map_or(0, |e| keyed.hash_one(e.who.key()))
            });
        }
        at
    }

    /// Takes a claim out.
    pub(super) fn remove(&mut self, id: &LeaseId) -> Option<(At, Entry)> {
        let hash = self.quick.hash_one(id);
        let slots = &self.slots;
        let same = |at: &At| slots.get(*at).is_some_and(|e| e.id == *id);
        let found = self.by_id.find_entry(hash, same).ok()?;
        let (at, _) = found.remove();
        self.unlink(at);
        Some((at, self.slots.take(at)?))
    }

    /// Takes it out of its holder's claims.
    fn unlink(&mut self, at: At) {
        let Some(e) = self.slots.get(at) else {
            return;
        };
        let (before, hash) = (e.before, self.keyed.hash_one(e.who.key()));
        let slots = &self.slots;
        let same = |other: &At| {
            slots
                .get(*other)
                .is_some_and(|o| o.who.key() == e.who.key())
        };
        let Ok(mut found) = self.by_holder.find_entry(hash, same) else {
            return;
        };
        let latest = *found.get();
        if latest == at {
            match before {
                Some(before) => *found.get_mut() = before,
                None => drop(found.remove()),
            }
            return;
        }
        let mut later = Some(latest);
        while let Some(e) = later.and_then(|l| self.slots.get_mut(l)) {
            if e.before == Some(at) {
                e.before = before;
                return;
            }
            later = e.before;
        }
    }
}
