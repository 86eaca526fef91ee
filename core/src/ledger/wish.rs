//! What a claim asks for. Most claims ask for what many others do, under the same name, so each
//! such is kept once.

use super::shared::Shared;
use crate::names::{ClaimName, ProjectName};
use crate::request::Item;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Wish {
    pub(super) name: ClaimName,
    pub(super) items: Box<[Item]>,
    /// How many claims the holder may have, where that is not the usual number.
    pub(super) claims: Option<u16>,
    /// What for.
    pub(super) project: Option<ProjectName>,
}

/// The same, borrowed.
#[derive(Clone, Copy, Debug)]
pub(super) struct WishRef<'a> {
    pub(super) name: &'a ClaimName,
    pub(super) items: &'a [Item],
    pub(super) claims: Option<u16>,
    pub(super) project: Option<&'a ProjectName>,
}

impl Wish {
    fn borrowed(&self) -> WishRef<'_> {
        let Self {
            name,
            items,
            claims,
            project,
        } = self;
        WishRef {
            name,
            items,
            claims: *claims,
            project: project.as_ref(),
        }
    }
}

impl WishRef<'_> {
    /// The one that is spelled alike.
    pub(super) fn one(self, all: &mut Shared<Wish>) -> Arc<Wish> {
        let new = |new: Self| {
            Arc::new(Wish {
                name: new.name.clone(),
                items: new.items.into(),
                claims: new.claims,
                project: new.project.cloned(),
            })
        };
        all.one(self, |new, w| new.is_spelled_as(w.borrowed()), new)
    }

    /// Products are equal without regard to case; here they are told apart.
    fn is_spelled_as(self, other: WishRef<'_>) -> bool {
        let same = |(a, b): (&Item, &Item)| {
            a.product.as_str() == b.product.as_str()
                && (a.seats, &a.version) == (b.seats, &b.version)
        };
        (self.name, self.claims, self.project) == (other.name, other.claims, other.project)
            && self.items.len() == other.items.len()
            && self.items.iter().zip(other.items).all(same)
    }
}

impl Hash for WishRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.name, self.claims, self.project).hash(state);
        for i in self.items {
            (i.product.as_str(), i.seats, &i.version).hash(state);
        }
    }
}

impl Hash for Wish {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.borrowed().hash(state);
    }
}
