//! The claims of the books, and finding them by id and by holder.
//!
//! They lie in chunks that never move, each at a place that stays; the indexes hold places.
//! So a million of them need no array of twice their size while a table grows, and no key stands
//! there twice.

use super::at::At;
use super::entry::Entry;
use super::who::HolderRef;
use crate::names::{ClaimName, LeaseId};
use hashbrown::HashTable;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};

/// How many a chunk has.
const CHUNK: usize = 256;

#[derive(Clone, Default)]
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

/// Places, by half of a hash of what is looked for there: with it a table grows without going to
/// them, which are all over the memory.
#[derive(Clone, Default)]
struct Index(HashTable<(u32, At)>);

/// All of a hash, by its half: tables take one end of it for where to look, the other for what to
/// look at first.
fn whole(half: u32) -> u64 {
    u64::from(half) << 32 | u64::from(half)
}

impl Index {
    fn find(&self, hash: u64, is: impl Fn(At) -> bool) -> Option<At> {
        let half = hash as u32;
        let found = self.0.find(whole(half), |(h, at)| *h == half && is(*at));
        found.map(|(_, at)| *at)
    }

    fn insert(&mut self, hash: u64, at: At) {
        let half = hash as u32;
        self.0
            .insert_unique(whole(half), (half, at), |(h, _)| whole(*h));
    }

    /// Another place for what was at one.
    fn replace(&mut self, hash: u64, before: At, at: At) {
        let half = hash as u32;
        if let Some(found) = self.0.find_mut(whole(half), |(_, a)| *a == before) {
            found.1 = at;
        }
    }

    fn remove(&mut self, hash: u64, at: At) {
        let half = hash as u32;
        if let Ok(found) = self.0.find_entry(whole(half), |(_, a)| *a == at) {
            found.remove();
        }
    }
}

#[derive(Clone, Default)]
pub(super) struct Entries {
    slots: Slots,
    by_id: Index,
    /// The latest of each holder's claims, which names the one before it. Holders choose what they
    /// are called, so the hash is keyed.
    by_holder: Index,
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
        let same = |at| self.slots.get(at).is_some_and(|e| e.id == *id);
        self.by_id.find(self.quick.hash_one(id), same)
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

    /// A holder's latest claim.
    fn latest(&self, holder: HolderRef<'_>, hash: u64) -> Option<At> {
        let same = |at| self.slots.get(at).is_some_and(|e| e.who.key() == holder);
        self.by_holder.find(hash, same)
    }

    /// A holder's claims, the latest first.
    pub(super) fn of_holder(&self, holder: HolderRef<'_>) -> impl Iterator<Item = &Entry> {
        let latest = self.latest(holder, self.keyed.hash_one(holder));
        let latest = latest.and_then(|at| self.slots.get(at));
        std::iter::successors(latest, |e| self.slots.get(e.before?))
    }

    /// A holder's claim of this name.
    pub(super) fn of_name(&self, holder: HolderRef<'_>, claim: &ClaimName) -> Option<&Entry> {
        let mut all = self.of_holder(holder);
        all.find(|e| e.wish.name == *claim)
    }

    /// Puts a claim in; none with its id is there.
    pub(super) fn insert(&mut self, mut e: Entry) -> At {
        let holder = self.keyed.hash_one(e.who.key());
        let id = self.quick.hash_one(e.id);
        let before = self.latest(e.who.key(), holder);
        e.before = before;
        let at = self.slots.put(e);
        self.by_id.insert(id, at);
        match before {
            Some(before) => self.by_holder.replace(holder, before, at),
            None => self.by_holder.insert(holder, at),
        }
        at
    }

    /// Takes a claim out.
    pub(super) fn remove(&mut self, id: &LeaseId) -> Option<(At, Entry)> {
        let at = self.find(id)?;
        self.unlink(at);
        self.by_id.remove(self.quick.hash_one(id), at);
        Some((at, self.slots.take(at)?))
    }

    /// Takes it out of its holder's claims.
    fn unlink(&mut self, at: At) {
        let Some(e) = self.slots.get(at) else {
            return;
        };
        let (before, hash) = (e.before, self.keyed.hash_one(e.who.key()));
        let mut later = self.latest(e.who.key(), hash);
        if later == Some(at) {
            match before {
                Some(before) => self.by_holder.replace(hash, at, before),
                None => self.by_holder.remove(hash, at),
            }
            return;
        }
        while let Some(e) = later.and_then(|l| self.slots.get_mut(l)) {
            if e.before == Some(at) {
                e.before = before;
                return;
            }
            later = e.before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::State;
    use super::super::refusal::Refusal;
    use super::super::shared::Shared;
    use super::super::types::Claim;
    use super::super::who::Places;
    use super::super::wish::WishRef;
    use super::*;
    use crate::identity::Holder;
    use crate::secret::SecretHash;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn claim(id: u8, holder: u8) -> Claim {
        let holder = Holder::External {
            subject: holder.to_string(),
        };
        let id = LeaseId::from_bytes([id; 16]);
        Claim::new(
            holder,
            ClaimName::pod(),
            Vec::new(),
            (SecretHash::none(), id),
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn each_is_found_by_its_id_and_its_holder(ids in proptest::collection::vec(0u8..=255, 1..2000)) {
            let (mut ours, mut model) = (Entries::default(), BTreeMap::<LeaseId, At>::new());
            let (mut places, mut wishes) = (Places::default(), Shared::default());
            let mut order: Vec<LeaseId> = Vec::new();
            for n in ids {
                let c = claim(n, n % 40);
                let id = c.new_id;
                if let Some(at) = model.remove(&id) {
                    order.retain(|i| *i != id);
                    let removed = ours.remove(&id).map(|(at, e)| (at, e.id));
                    prop_assert_eq!(removed, Some((at, id)));
                } else {
                    let wish = WishRef { name: &c.name, items: &[], claims: None, project: None };
                    let kept = (places.keep(&c.holder), wish.one(&mut wishes));
                    let state = State::Refused(Box::new(Refusal::Ended));
                    model.insert(id, ours.insert(Entry::new((id, state), &c, kept)));
                    order.push(id);
                }
                prop_assert_eq!(ours.find(&id), model.get(&id).copied());
                prop_assert_eq!(ours.iter().count(), model.len());
                let of = |i: &&LeaseId| i.to_bytes()[0] % 40 == n % 40;
                let his: Vec<LeaseId> = order.iter().rev().filter(of).copied().collect();
                let found = ours.of_holder(HolderRef::of(&c.holder)).map(|e| e.id);
                prop_assert_eq!(found.collect::<Vec<_>>(), his);
            }
        }
    }
}
