//! Why a claim, a renewal or a release is refused. What HTTP says of it stands in `problem`.

use super::pool::ProductRule;
use super::types::{MOST_CLAIMS_PER_HOLDER, QUESTIONS_A_MINUTE};
use crate::identity::Holder;
use crate::license::{CountBy, VersionRange};
use crate::names::{ClaimName, LeaseId, ProductName, Seats, Version};
use crate::policy::words;
use crate::request::MAX_ITEMS;
use crate::time::Timestamp;
use crate::wire::Problem;
use std::fmt;
use std::time::Duration;

/// Why the ledger says no, in words for people. `item` is the place of an item in the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{0} products, expected 1 to {MAX_ITEMS}")]
    ItemCount(usize),
    #[error("product {0} is there twice")]
    ProductTwice(ProductName),
    #[error("product {product:?} is not in the license; it has: {sold}")]
    UnknownProduct {
        item: usize,
        product: ProductName,
        sold: Sold,
    },
    #[error(
        "version {version} of {product} is not covered; the license covers {}",
        or(covered, version)
    )]
    VersionNotCovered {
        item: usize,
        product: ProductName,
        version: Version,
        /// By each file that sells it.
        covered: Vec<VersionRange>,
    },
    /// It asks for more than the license has, were nothing else out.
    #[error(
        "{asked} seats of {product} are asked for, and the license has {sold}{}",
        by_files(*sold, *of_one_file)
    )]
    ExceedsSeats {
        item: usize,
        product: ProductName,
        asked: Seats,
        /// By all license files together, and the most by one: a claim's seats of a product come
        /// from one.
        sold: u32,
        of_one_file: u32,
    },
    #[error("the seats of {product} ended {ended}; ask the vendor for a new license")]
    SeatsEnded {
        product: ProductName,
        /// When the last of them did.
        ended: Timestamp,
    },
    /// Each item could be had, and all together never.
    #[error("these products together ask for more seats than the license has")]
    ExceedsSeatsTogether,
    /// An owner's, whose pods could not take their shares of it over.
    #[error(
        "{product} is counted by {by}: its seats cannot be reserved for pods to come; let the pods wait at startup"
    )]
    NotReserved {
        item: usize,
        product: ProductName,
        by: CountBy,
    },
    /// It asks for more than its group may have, were nothing else out.
    #[error("policy {policy} never lets {} have so many seats at a time", member(group.as_deref()))]
    ExceedsPolicy {
        policy: String,
        /// None: those who are in no group.
        group: Option<String>,
    },
    #[error(
        "{holder} has {most} claims, and may have {most}; {}",
        more_claims(holder)
    )]
    HolderFull { holder: Box<Holder>, most: usize },
    #[error("namespace {namespace} has {most} claims, the most one may have")]
    NamespaceFull { namespace: String, most: usize },
    /// Of all who its credential's issuer may name.
    #[error(
        "the subjects of issuer {issuer} have {most} claims, and may have {most} in all; give one back, or have the license server's administrator raise the issuer's claims"
    )]
    IssuerFull { issuer: String, most: usize },
    #[error("the queue has {most} claims, the most it may have")]
    QueueFull { most: usize },
    #[error(
        "claim {claim} of {holder} exists with other {part}; give it back first, or wait until it lapses"
    )]
    Changed {
        claim: ClaimName,
        holder: Box<Holder>,
        part: Changed,
        /// After how much silence at most the existing one is gone.
        lapses: Duration,
    },
    /// The claim with this secret.
    #[error("this claim was given back; a new one needs a new secret")]
    GivenBack,
    #[error("an administrator took this lease back; its holder is barred from nothing")]
    TakenBack,
    /// The claim with this secret lapsed, and this request is older than that.
    #[error("a late duplicate of a request that was answered before")]
    LateDuplicate,
    #[error("another copy of {holder} has renewed lease {lease} meanwhile; only one may run")]
    Cloned { lease: LeaseId, holder: Box<Holder> },
    /// This run does not know it, or has not granted it.
    #[error(
        "lease {0} is not in the books of this run; repeat the claim with its token and secret"
    )]
    UnknownLease(LeaseId),
    /// In the very step that took it.
    #[error("the claim has ended")]
    Ended,
    #[error("the secret is not this claim's")]
    WrongSecret,
    /// Of an application, for one lease.
    #[error("more than {QUESTIONS_A_MINUTE} questions a minute for lease {0}")]
    TooManyQuestions(LeaseId),
    #[error("an administrator revoked it: {0}")]
    Revoked(String),
    /// Of one that was, until it is heard again.
    #[error("its revocation is lifted; its holder asks again within a minute")]
    Lifted,
    /// What the edge gave as reason, when it paused the ledger or refused for itself.
    #[error("{0}")]
    ByEdge(Box<Problem>),
}

impl Refusal {
    /// The same for who knows already what kind of refusal it is.
    pub(super) fn told(&self) -> String {
        match self {
            Self::ByEdge(p) => p.detail.clone(),
            other => other.to_string(),
        }
    }
}

/// In what a repeated claim differs from the one that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    Items,
    Secret,
    Bind,
    Project,
}

words!(Changed: Items = "items", Secret = "secret", Bind = "bind", Project = "project");

/// Whom a policy speaks of.
fn member(group: Option<&str>) -> String {
    match group {
        Some(group) => format!("group {group}"),
        None => "who is in none of its groups".into(),
    }
}

/// What to do about a holder's bound.
fn more_claims(holder: &Holder) -> String {
    match holder {
        Holder::External { .. } => format!(
            "give one back, or have a client token issued that carries more (mooring client issue --claims, up to {MOST_CLAIMS_PER_HOLDER})"
        ),
        Holder::Pod { .. } | Holder::Owner { .. } => {
            "give one back, or raise the license server's lease.claimsPerHolder".into()
        }
    }
}

fn or(covered: &[VersionRange], version: &Version) -> String {
    let ranges = covered.iter().map(|r| r.against(version));
    ranges.collect::<Vec<_>>().join(", or ")
}

fn by_files(sold: u32, of_one_file: u32) -> String {
    if of_one_file < sold {
        format!(", at most {of_one_file} of them in one file; make several claims of it")
    } else {
        String::new()
    }
}

/// What a license sells, for people: the first names, and how many more there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sold {
    first: Vec<ProductName>,
    more: usize,
}

impl Sold {
    /// How many are named.
    const NAMED: usize = 20;

    pub(super) fn of(products: &[ProductRule]) -> Self {
        let first = products.iter().take(Self::NAMED);
        Self {
            first: first.map(|p| p.name.clone()).collect(),
            more: products.len().saturating_sub(Self::NAMED),
        }
    }
}

impl fmt::Display for Sold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.first.iter().map(ProductName::as_str).collect();
        match (names.is_empty(), self.more) {
            (true, _) => f.write_str("none"),
            (_, 0) => f.write_str(&names.join(", ")),
            (_, more) => write!(f, "{} and {more} more", names.join(", ")),
        }
    }
}
