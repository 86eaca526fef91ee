//! Refusals as the API tells them: the kind that a holder acts on, and the field to blame.

use super::refusal::{Changed, Refusal};
use crate::wire::{Problem, ProblemType as Kind};

/// When a bound is reached, or seats have ended, how long to wait before asking again: others must
/// give something back first, or the vendor must.
pub(super) const FULL_AGAIN_SECS: u64 = 30;

impl From<Refusal> for Problem {
    fn from(r: Refusal) -> Self {
        let whole = |field: &str| Some(field.to_owned());
        let item = |i: &usize, part: &str| Some(format!("items[{i}].{part}"));
        let (kind, field) = match &r {
            Refusal::ByEdge(p) => return Self::clone(p),
            Refusal::ItemCount(_) | Refusal::ProductTwice(_) => (Kind::BadRequest, whole("items")),
            Refusal::UnknownProduct { item: i, .. } => (Kind::UnknownProduct, item(i, "product")),
            Refusal::NotReserved { item: i, .. } => (Kind::BadRequest, item(i, "product")),
            Refusal::VersionNotCovered { item: i, .. } => {
                (Kind::VersionNotCovered, item(i, "version"))
            }
            Refusal::ExceedsSeats { item: i, .. } => (Kind::ExceedsSeats, item(i, "seats")),
            Refusal::SeatsEnded { .. } => (Kind::LicenseInvalid, None),
            Refusal::ExceedsSeatsTogether | Refusal::ExceedsPolicy { .. } => {
                (Kind::ExceedsSeats, whole("items"))
            }
            Refusal::HolderFull { .. }
            | Refusal::NamespaceFull { .. }
            | Refusal::IssuerFull { .. } => (Kind::TooManyClaims, None),
            Refusal::QueueFull { .. } | Refusal::TooManyQuestions(_) => (Kind::Overloaded, None),
            Refusal::Changed { part, .. } => match part {
                Changed::Items => (Kind::ClaimChanged, whole("items")),
                Changed::Secret => (Kind::ClaimChanged, whole("secretHash")),
                Changed::Bind => (Kind::ClaimChanged, whole("bind")),
                Changed::Project => (Kind::ClaimChanged, whole("project")),
            },
            Refusal::GivenBack => (Kind::GivenBack, whole("secretHash")),
            Refusal::TakenBack => (Kind::GivenBack, None),
            Refusal::LateDuplicate => (Kind::ClaimChanged, whole("counter")),
            Refusal::Cloned { .. } => (Kind::Cloned, whole("counter")),
            Refusal::UnknownLease(_) | Refusal::Ended | Refusal::Lifted => {
                (Kind::UnknownLease, None)
            }
            Refusal::WrongSecret => (Kind::Unauthenticated, whole("secret")),
            Refusal::Revoked(_) => (Kind::Revoked, None),
        };
        let retry_after_secs = match &r {
            Refusal::HolderFull { .. }
            | Refusal::NamespaceFull { .. }
            | Refusal::IssuerFull { .. }
            | Refusal::QueueFull { .. }
            | Refusal::SeatsEnded { .. } => Some(FULL_AGAIN_SECS),
            Refusal::Changed { lapses, .. } => Some(lapses.as_secs()),
            Refusal::TooManyQuestions(_) => Some(1),
            _ => None,
        };
        Self {
            field,
            retry_after_secs,
            ..Self::new(kind, r.to_string())
        }
    }
}
