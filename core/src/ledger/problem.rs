//! Refusals as the API tells them: the kind that a holder acts on, the field to blame, words for
//! people.

use super::refusal::{Changed, Refusal};
use crate::names::ProductName;
use crate::request::MAX_ITEMS;
use crate::wire::{Problem, ProblemType as Kind};

/// When a bound is reached, how long to wait before asking again: others must give something back
/// first.
const FULL_AGAIN_SECS: u64 = 30;

impl From<Refusal> for Problem {
    fn from(r: Refusal) -> Self {
        match r {
            Refusal::ByEdge(p) => *p,
            Refusal::ItemCount(_)
            | Refusal::ProductTwice(_)
            | Refusal::UnknownProduct { .. }
            | Refusal::VersionNotCovered { .. }
            | Refusal::ExceedsSeats { .. }
            | Refusal::ExceedsSeatsTogether => of_items(r),
            Refusal::HolderFull { holder, most } => full(
                Kind::TooManyClaims,
                format!("{holder} has {most} claims, the most one holder may have"),
            ),
            Refusal::NamespaceFull { namespace, most } => full(
                Kind::TooManyClaims,
                format!("namespace {namespace} has {most} claims, the most one may have"),
            ),
            Refusal::QueueFull { most } => full(
                Kind::Overloaded,
                format!("the queue has {most} claims, the most it may have"),
            ),
            Refusal::Changed {
                claim,
                holder,
                part,
                lapses,
            } => {
                let (what, field) = match part {
                    Changed::Items => ("items", "items"),
                    Changed::Secret => ("secret", "secretHash"),
                };
                let detail = format!(
                    "claim {claim} of {holder} exists with other {what}; give it back first, or wait until it lapses"
                );
                let p = Self::new(Kind::ClaimChanged, detail).field(field);
                p.retry_after(lapses.as_secs())
            }
            Refusal::GivenBack => {
                let detail = "this claim was given back; a new one needs a new secret";
                Self::new(Kind::GivenBack, detail).field("secretHash")
            }
            Refusal::LateDuplicate => {
                let detail = "a late duplicate of a request that was answered before";
                Self::new(Kind::ClaimChanged, detail).field("counter")
            }
            Refusal::Cloned { lease, holder } => {
                let detail = format!(
                    "another copy of {holder} has renewed lease {lease} meanwhile; only one may run"
                );
                Self::new(Kind::Cloned, detail).field("counter")
            }
            Refusal::UnknownLease(lease) => {
                let detail = format!(
                    "lease {lease} is not in the books of this run; repeat the claim with its token and secret"
                );
                Self::new(Kind::UnknownLease, detail)
            }
            Refusal::Ended => Self::new(Kind::UnknownLease, "the claim has ended"),
            Refusal::WrongSecret => {
                let p = Self::new(Kind::Unauthenticated, "the secret is not this claim's");
                p.field("secret")
            }
            Refusal::Revoked(reason) => {
                let detail = format!("an administrator revoked it: {reason}");
                Self::new(Kind::Revoked, detail)
            }
        }
    }
}

fn full(kind: Kind, detail: String) -> Problem {
    Problem::new(kind, detail).retry_after(FULL_AGAIN_SECS)
}

/// Those that blame what is asked for.
fn of_items(r: Refusal) -> Problem {
    match r {
        Refusal::ItemCount(n) => {
            let detail = format!("{n} products, expected 1 to {MAX_ITEMS}");
            Problem::new(Kind::BadRequest, detail).field("items")
        }
        Refusal::ProductTwice(product) => {
            let detail = format!("product {product} is there twice");
            Problem::new(Kind::BadRequest, detail).field("items")
        }
        Refusal::UnknownProduct {
            item,
            product,
            sold,
        } => {
            let names: Vec<&str> = sold.iter().map(ProductName::as_str).collect();
            let known = if names.is_empty() {
                "none".into()
            } else {
                names.join(", ")
            };
            let detail = format!("product {product:?} is not in the license; it has: {known}");
            Problem::new(Kind::UnknownProduct, detail).field(format!("items[{item}].product"))
        }
        Refusal::VersionNotCovered {
            item,
            product,
            version,
            covered,
        } => {
            let detail = format!(
                "version {version} of {product} is not covered; the license covers {covered}"
            );
            Problem::new(Kind::VersionNotCovered, detail).field(format!("items[{item}].version"))
        }
        Refusal::ExceedsSeats {
            item,
            product,
            asked,
            sold,
        } => {
            let detail =
                format!("{asked} seats of {product} are asked for, and the license has {sold}");
            Problem::new(Kind::ExceedsSeats, detail).field(format!("items[{item}].seats"))
        }
        _ => {
            let detail = "these products together ask for more seats than the license has";
            Problem::new(Kind::ExceedsSeats, detail).field("items")
        }
    }
}
