//! Why a claim, a renewal or a release is refused. What HTTP and people are told stands in
//! `problem`.

use crate::identity::Holder;
use crate::license::VersionRange;
use crate::names::{ClaimName, LeaseId, ProductName, Seats, Version};
use crate::wire::Problem;
use std::time::Duration;

/// Why the ledger says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// So many products are asked for: none, or more than a claim may have.
    ItemCount(usize),
    /// This product is asked for twice.
    ProductTwice(ProductName),
    /// The license does not list the product of this item.
    UnknownProduct {
        item: usize,
        product: ProductName,
        sold: Vec<ProductName>,
    },
    /// The license does not cover the version of this item.
    VersionNotCovered {
        item: usize,
        product: ProductName,
        version: Version,
        covered: VersionRange,
    },
    /// This item asks for more seats than the license has, were nothing else out.
    ExceedsSeats {
        item: usize,
        product: ProductName,
        asked: Seats,
        sold: u32,
    },
    /// Each item could be had, and all together never.
    ExceedsSeatsTogether,
    /// The holder has as many claims as one may.
    HolderFull { holder: Box<Holder>, most: usize },
    /// The namespace has as many claims as one may.
    NamespaceFull { namespace: String, most: usize },
    /// So many claims wait that no other may.
    QueueFull { most: usize },
    /// The claim exists and this request differs from it.
    Changed {
        claim: ClaimName,
        holder: Box<Holder>,
        part: Changed,
        /// After how much silence at most the existing one is gone.
        lapses: Duration,
    },
    /// The claim with this secret was given back.
    GivenBack,
    /// The claim with this secret lapsed, and this request is older than that.
    LateDuplicate,
    /// Another copy of the holder has gone on with this lease.
    Cloned { lease: LeaseId, holder: Box<Holder> },
    /// This run does not know the lease, or has not granted it.
    UnknownLease(LeaseId),
    /// The claim ended in the very step that took it.
    Ended,
    /// The secret is not this claim's.
    WrongSecret,
    /// An administrator has barred the holder, for this reason.
    Revoked(String),
    /// What the edge gave as reason, when it paused the ledger or refused for itself.
    ByEdge(Box<Problem>),
}

/// In what a repeated claim differs from the one that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    Items,
    Secret,
}
