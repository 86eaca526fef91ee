//! Whose a claim is for the policy, and what it has for its weight.

use std::cmp::Ordering;
use std::num::NonZeroU32;

/// Whose a claim is for the policy: its group's place, or the one after the last, of those who are
/// in none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Tenant(pub(super) usize);

/// How many seats a tenant has for its weight: who has fewer stands before. Equal, where weights do
/// not count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weighed {
    pub(super) seats: u32,
    pub(super) weight: NonZeroU32,
}

impl Weighed {
    pub(super) const NONE: Self = Self {
        seats: 0,
        weight: NonZeroU32::MIN,
    };
}

impl Ord for Weighed {
    fn cmp(&self, other: &Self) -> Ordering {
        let of = |a: &Self, b: &Self| u64::from(a.seats) * u64::from(b.weight.get());
        of(self, other).cmp(&of(other, self))
    }
}

impl PartialOrd for Weighed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Weighed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Weighed {}
