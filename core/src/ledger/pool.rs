//! Pools, what products draw on them, and what a claim has of them: plain data.

use super::alternative::{Alternative, Taken};
use super::count_by::ShareKey;
use crate::license::{CountBy, VersionRange};
use crate::mutant::{self, Mutant};
use crate::names::{PoolName, ProductName};
use crate::time::Timestamp;

#[derive(Clone, Debug)]
pub(super) struct PoolUse {
    pub(super) name: PoolName,
    pub(super) seats: u32,
    pub(super) overdraft: u32,
    pub(super) used: u32,
    /// From when its seats are there.
    pub(super) not_before: Option<Timestamp>,
    /// Until when (exclusive).
    pub(super) expires: Option<Timestamp>,
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
        self.not_before.is_none_or(|t| t <= at) && self.expires.is_none_or(|t| at < t)
    }

    /// Zero, never less, where a smaller license came while more was in use.
    pub(super) fn free(&self) -> u32 {
        if mutant::on(Mutant::ShrinkUnderflows) {
            return self.total().wrapping_sub(self.used);
        }
        self.total().saturating_sub(self.used)
    }
}

/// What is sold, as places in the list of pools.
#[derive(Clone, Debug)]
pub(super) struct ProductRule {
    pub(super) name: ProductName,
    pub(super) versions: VersionRange,
    /// When the last seat of it ends.
    pub(super) expires: Option<Timestamp>,
    pub(super) count_by: CountBy,
    /// Alternatives in order; each a list of (pool, weight).
    pub(super) from: Vec<Alternative>,
}

impl ProductRule {
    /// The pools that it can draw on, by their places, each once and in order.
    pub(super) fn pools(&self) -> Vec<usize> {
        let mut all: Vec<usize> = self.from.iter().flatten().map(|(p, _)| *p).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// Seats drawn: (pool, how many).
pub(super) type Draws = Vec<(usize, u32)>;

/// What a granted claim has of the pools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Drawn {
    /// Its own seats.
    pub(super) own: Draws,
    /// Seats that it counts as one with other claims.
    pub(super) shared: Vec<ShareKey>,
}

/// What a claim would draw, before it is booked.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) own: Draws,
    pub(super) shared: Vec<(ShareKey, u32, Taken)>,
}

impl Plan {
    /// Whether it takes any seat out of a pool.
    pub(super) fn needs_nothing(&self) -> bool {
        self.own.is_empty() && self.shared.iter().all(|(_, _, t)| t.is_empty())
    }
}
