//! Claims of the queue that count as one with others (`countBy`), by whom they count as: so that
//! where seats came or went only those are looked at who may now have them for nothing.

use super::count_by::ShareKey;
use super::queue::Rank;
use crate::names::LeaseId;
use std::collections::{BTreeSet, HashMap};

/// After so many changes that nobody has looked at, all are looked at.
const MOST_CHANGES: usize = 1_000;

/// Which keys' seats have changed since the queue was looked through for them.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    keys: Vec<ShareKey>,
    all: bool,
}

impl Changes {
    pub(super) fn note(&mut self, key: &ShareKey) {
        if self.keys.len() < MOST_CHANGES {
            self.keys.push(key.clone());
        } else {
            self.note_all();
        }
    }

    pub(super) fn note_all(&mut self) {
        self.all = true;
        self.keys.clear();
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Sharers {
    /// By how many seats they ask for: those that are there serve who asks for no more.
    by_key: HashMap<ShareKey, BTreeSet<(u32, Rank)>>,
    keys: HashMap<LeaseId, Vec<(ShareKey, u32)>>,
    /// Claims that have come since.
    new: BTreeSet<Rank>,
}

impl Sharers {
    /// A claim of the queue, and as whom it counts for how many seats.
    pub(super) fn enter(&mut self, rank: Rank, keys: Vec<(ShareKey, u32)>) {
        if keys.is_empty() {
            return;
        }
        for (key, seats) in &keys {
            let of_key = self.by_key.entry(key.clone()).or_default();
            of_key.insert((*seats, rank));
        }
        self.keys.insert(rank.id, keys);
        self.new.insert(rank);
    }

    pub(super) fn leave(&mut self, rank: Rank) {
        for (key, seats) in self.keys.remove(&rank.id).into_iter().flatten() {
            if let Some(of_key) = self.by_key.get_mut(&key) {
                of_key.remove(&(seats, rank));
                if of_key.is_empty() {
                    self.by_key.remove(&key);
                }
            }
        }
        self.new.remove(&rank);
    }

    /// Nothing may be granted now: when it may, all are looked at.
    pub(super) fn put_off(&mut self, changes: &mut Changes) {
        changes.note_all();
        self.new.clear();
    }

    /// Who may have seats for nothing now, in their order: those that came, and those of keys that
    /// changed who ask for no more than `seats` of it.
    pub(super) fn looked_at(
        &mut self,
        changes: &mut Changes,
        seats: impl Fn(&ShareKey) -> u32,
    ) -> Vec<Rank> {
        let mut ranks: Vec<Rank> = std::mem::take(&mut self.new).into_iter().collect();
        let keys = std::mem::take(&mut changes.keys);
        if std::mem::take(&mut changes.all) {
            ranks = self.by_key.values().flatten().map(|(_, r)| *r).collect();
        } else {
            for key in keys {
                let of_key = self.by_key.get(&key).into_iter().flatten();
                let most = seats(&key);
                let few = of_key.take_while(|(n, _)| *n <= most);
                ranks.extend(few.map(|(_, r)| *r));
            }
        }
        ranks.sort_unstable();
        ranks.dedup();
        ranks
    }
}
