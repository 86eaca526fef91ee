//! Where a claim lies in the books, while it is there ([`Entries`](super::entries::Entries)).

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At(pub(super) u32);
