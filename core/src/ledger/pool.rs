//! Pools, what products draw on them, and what a claim has of them: plain data.

use super::alternative::{Alternative, draws};
use super::count_by::{Joins, ShareKey};
use super::shared::Shared;
use crate::license::{CountBy, Digest, VersionRange};
use crate::mutant::{self, Mutant};
use crate::names::{PoolName, ProductName, Version};
use crate::time::{Timestamp, is_within};
use std::sync::Arc;
use std::time::Duration;

/// A license file whose pools are in the books.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) id: String,
    pub(super) digest: Digest,
    pub(super) supersedes: Vec<String>,
    /// Whether it is in force. One that is no more keeps its place while seats of it are out.
    pub(super) in_force: bool,
    /// How long a pod may run beside the one that it replaces.
    pub(super) max_handover: Duration,
}

#[derive(Clone, Debug)]
pub(super) struct PoolUse {
    /// Whose it is: the place of its license file.
    pub(super) license: usize,
    pub(super) name: PoolName,
    pub(super) seats: u32,
    pub(super) overdraft: u32,
    pub(super) used: u32,
    /// From when its seats are there.
    pub(super) not_before: Option<Timestamp>,
    /// Until when (exclusive).
    pub(super) expires: Option<Timestamp>,
    /// Its license file is in force no more, and none has taken its place.
    pub(super) gone: bool,
    /// Whether they are there now.
    pub(super) open: bool,
}

impl PoolUse {
    /// What is there now.
    pub(super) fn total(&self) -> u32 {
        if self.open { self.sold() } else { 0 }
    }

    /// What is there while it is open.
    pub(super) fn sold(&self) -> u32 {
        self.seats.saturating_add(self.overdraft)
    }

    /// What is there at a date.
    pub(super) fn sold_at(&self, at: Timestamp) -> u32 {
        if self.is_open(at) { self.sold() } else { 0 }
    }

    pub(super) fn is_open(&self, at: Timestamp) -> bool {
        !self.gone && is_within(self.not_before, self.expires, at)
    }

    /// Zero, never less, where a smaller license came while more was in use.
    pub(super) fn free(&self) -> u32 {
        if mutant::on(Mutant::ShrinkUnderflows) {
            return self.total().wrapping_sub(self.used);
        }
        self.total().saturating_sub(self.used)
    }
}

/// What is sold, by each license file that sells it, in the files' order.
#[derive(Clone, Debug)]
pub(super) struct ProductRule {
    pub(super) name: ProductName,
    pub(super) offers: Vec<Offer>,
}

/// A product as one license file sells it, as places in the list of pools.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    /// The place of the license file.
    pub(super) license: usize,
    pub(super) versions: VersionRange,
    /// When the last seat of it ends.
    pub(super) expires: Option<Timestamp>,
    pub(super) count_by: CountBy,
    /// Alternatives in order; each a list of (pool, weight).
    pub(super) from: Vec<Alternative>,
}

impl ProductRule {
    /// All alternatives, of all files.
    pub(super) fn alternatives(&self) -> impl Iterator<Item = &Alternative> {
        self.offers.iter().flat_map(|o| &o.from)
    }

    /// The pools that it can draw on, by their places, each once and in order.
    pub(super) fn pools(&self) -> Vec<usize> {
        let mut all: Vec<usize> = self.alternatives().flatten().map(|(p, _)| *p).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Which files may serve a claim for this version: those that cover it. All, where none does: a
    /// new claim is refused for that, and a lease from before a change of the license goes on.
    pub(super) fn offers_for<'a, 'v>(
        &'a self,
        version: Option<&'v Version>,
    ) -> impl Iterator<Item = &'a Offer> + use<'a, 'v> {
        let covers = move |o: &Offer| version.is_none_or(|v| o.versions.covers(v));
        let some = self.offers.iter().any(covers);
        self.offers.iter().filter(move |o| !some || covers(o))
    }

    /// The versions that the files cover; none: all.
    pub(super) fn versions(&self) -> Vec<VersionRange> {
        let mut all: Vec<VersionRange> = Vec::new();
        for o in &self.offers {
            if !all.contains(&o.versions) {
                all.push(o.versions.clone());
            }
        }
        if all.iter().any(VersionRange::is_all) {
            all.clear();
        }
        all
    }

    /// When the last seat of it ends. `None`: never.
    pub(super) fn expires(&self) -> Option<Timestamp> {
        let ends: Option<Vec<Timestamp>> = self.offers.iter().map(|o| o.expires).collect();
        ends.and_then(|e| e.into_iter().max())
    }
}

/// Seats drawn: (pool, how many).
pub(super) type Draws = Vec<(usize, u32)>;

/// What a granted claim has of the pools.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Drawn {
    /// Which license file each of its items comes from whole, in the items' order.
    pub(super) licenses: Vec<usize>,
    /// Its own seats.
    pub(super) own: Draws,
    /// Seats that it counts as one with other claims.
    pub(super) shared: Vec<ShareKey>,
}

impl Drawn {
    /// Most leases have what many others have.
    pub(super) fn one(self, all: &mut Shared<Self>) -> Arc<Self> {
        all.one(self, |new, d| d == new, Arc::new)
    }
}

/// What a claim would draw, before it is booked.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) licenses: Vec<usize>,
    pub(super) own: Draws,
    pub(super) shared: Vec<Joins>,
}

impl Plan {
    /// All that it takes out of the pools.
    pub(super) fn all(&self) -> Draws {
        let taken = self.shared.iter().flat_map(|j| &j.taken);
        let taken = taken.flat_map(|(n, alt)| draws(*n, alt));
        self.own.iter().copied().chain(taken).collect()
    }

    /// Whether it takes any seat out of a pool.
    pub(super) fn needs_nothing(&self) -> bool {
        self.own.is_empty() && self.shared.iter().all(|j| j.taken.is_empty())
    }
}
