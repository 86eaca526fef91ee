//! An owner's claim as it is to be: plain data.

use mooring_core::identity::{Holder, HolderKey};
use mooring_core::names::{ProjectName, Seats};
use mooring_core::request::{Item, MAX_SEATS};
use mooring_core::wire::Replacing;

/// A claim as it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OwnerWish {
    pub(super) owner: Holder,
    pub(super) items: Vec<Item>,
    pub(super) project: Option<ProjectName>,
    pub(super) pods: Vec<HolderKey>,
    pub(super) rests: bool,
    /// It has fewer pods than seats.
    pub(super) short: bool,
    pub(super) replaces: Vec<Replacing>,
}

impl OwnerWish {
    /// Whether the server is told the same by both.
    pub(super) fn says_as(&self, other: &Self) -> bool {
        let short = self.short;
        *self
            == Self {
                short,
                ..other.clone()
            }
    }
}

/// What so many pods ask for together.
pub(crate) fn times(items: &[Item], count: usize) -> Vec<Item> {
    let count = u32::try_from(count).unwrap_or(MAX_SEATS);
    let all = |i: &Item| {
        let seats = i.seats.get().saturating_mul(count).min(MAX_SEATS);
        Item {
            seats: Seats::new(seats).unwrap_or(i.seats),
            ..i.clone()
        }
    };
    items.iter().map(all).collect()
}
