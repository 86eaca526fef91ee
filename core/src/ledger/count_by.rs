//! Seats that several claims count as one: a product counted by pod, node, service account or
//! subject takes as many seats for all claims of one key as the largest of them asks for. An owner
//! and its pods take as many as the owner asks for, or its pods together if that is more: so pods
//! take their shares over, leave them to the owner when they go, and a restart may bring them back
//! in any order.

use super::alternative::{Alternative, Taken};
use super::tenant::Tenant;
use super::who::Asker;
use crate::license::CountBy;
use crate::mutant::{self, Mutant};
use crate::names::{LeaseId, ProductName};
use std::collections::BTreeSet;

/// Who counts as one for which product of which license file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ShareKey {
    pub(super) product: ProductName,
    /// The place of the file.
    pub(super) license: usize,
    who: String,
    /// An owner's.
    family: bool,
}

/// The key of a claim; `None` if each claim counts for itself.
///
/// What a key is made of comes from the holder's credential, never from the request. Where the
/// credential does not say (a pod whose token names no node, a machine outside Kubernetes), the
/// holder counts alone.
pub(super) fn share_key(
    (by, license): (CountBy, usize),
    product: &ProductName,
    asker: Asker<'_>,
) -> Option<ShareKey> {
    // Where pods count by themselves one of an owner's counts for its share.
    let family = asker
        .family
        .filter(|_| matches!(by, CountBy::Claim | CountBy::Pod));
    let who = match (by, asker.node(), asker.account()) {
        _ if let Some(family) = family => family.to_owned(),
        (CountBy::Claim, ..) => return None,
        (CountBy::Node, Some(n), _) => format!("node:{n}"),
        // The username that Kubernetes gives a service account.
        (CountBy::ServiceAccount | CountBy::Subject, _, Some((namespace, name))) => {
            format!("system:serviceaccount:{namespace}:{name}")
        }
        (CountBy::Pod | CountBy::Node | CountBy::ServiceAccount | CountBy::Subject, ..) => {
            asker.key().owned().0
        }
    };
    Some(ShareKey {
        product: product.clone(),
        license,
        who,
        family: family.is_some(),
    })
}

impl ShareKey {
    /// An owner's, of which its pods have their shares.
    pub(super) fn is_owners(&self) -> bool {
        self.family
    }
}

/// The claims of one key, and the seats they have together.
#[derive(Clone, Debug, Default)]
pub(super) struct Share {
    /// An owner's and its pods'.
    family: bool,
    members: Vec<Member>,
    taken: Taken,
}

/// A claim that is to be among those that count as one, and the seats that it adds.
#[derive(Clone, Debug)]
pub(super) struct Joins {
    pub(super) key: ShareKey,
    pub(super) seats: u32,
    pub(super) owns: bool,
    pub(super) taken: Taken,
}

/// A claim among others that count as one with it.
#[derive(Clone, Debug)]
struct Member {
    lease: LeaseId,
    seats: u32,
    tenant: Tenant,
    /// It is the owner of whose seats the others have their shares.
    owns: bool,
}

impl Share {
    pub(super) fn of(key: &ShareKey) -> Self {
        Self {
            family: key.family,
            ..Self::default()
        }
    }

    /// How many of its seats one more claim would find there for itself.
    pub(super) fn left_for(&self, owns: bool) -> u32 {
        if self.family && !owns {
            let others = self.sum(|m| !m.owns);
            return self.seats().saturating_sub(others);
        }
        self.seats()
    }

    /// No more than one claim has it.
    pub(super) fn is_of_one(&self) -> bool {
        self.members.len() <= 1
    }

    fn sum(&self, of: impl Fn(&Member) -> bool) -> u32 {
        let of = self.members.iter().filter(|m| of(m));
        of.fold(0, |sum, m| sum.saturating_add(m.seats))
    }

    /// A claim needs another number of seats; returns those that nobody needs now.
    pub(super) fn resize(&mut self, lease: LeaseId, seats: u32) -> Taken {
        for m in self.members.iter_mut().filter(|m| m.lease == lease) {
            m.seats = seats;
        }
        self.free_to(self.need(|_| true))
    }

    /// How many seats are taken for all of them.
    pub(super) fn seats(&self) -> u32 {
        self.taken.iter().map(|(n, _)| n).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn taken(&self) -> impl Iterator<Item = &(u32, Alternative)> {
        self.taken.iter()
    }

    /// The seats come from elsewhere from now on.
    pub(super) fn redraw(&mut self, taken: Taken) {
        self.taken = taken;
    }

    /// The seats, for the claim that came first; nothing for the others.
    pub(super) fn borne_by(&self, lease: LeaseId) -> impl Iterator<Item = &(u32, Alternative)> {
        let first = self.members.first().is_some_and(|m| m.lease == lease);
        self.taken.iter().filter(move |_| first)
    }

    /// What a claim goes by of the seats: all of them, but where each has its share.
    pub(super) fn shown_to(&self, lease: LeaseId) -> impl Iterator<Item = (u32, &Alternative)> {
        let is_it = |m: &&Member| m.lease == lease && !m.owns;
        let member = self.members.iter().find(is_it).filter(|_| self.family);
        let mut left = member.map_or(u32::MAX, |m| m.seats);
        let shown = self.taken.iter().map(move |(n, alt)| {
            let some = left.min(*n);
            left -= some;
            (some, alt)
        });
        shown.filter(|(n, _)| *n > 0)
    }

    /// Another claim, with the seats that it adds.
    pub(super) fn join(&mut self, (lease, tenant): (LeaseId, Tenant), joins: Joins) {
        self.members.push(Member {
            lease,
            seats: joins.seats,
            tenant,
            owns: joins.owns,
        });
        self.taken.extend(joins.taken);
    }

    /// Whether a lease has its seats for itself: as an owner's pod, or as the only one.
    pub(super) fn is_one_lease_s(&self) -> bool {
        self.family || self.members.len() == 1
    }

    /// How many its claims of one tenant need.
    pub(super) fn need_of(&self, tenant: Tenant) -> u32 {
        self.need(|m| m.tenant == tenant)
    }

    /// Its claims' tenants are others.
    pub(super) fn set_tenants(&mut self, tenant: impl Fn(LeaseId) -> Tenant) {
        for m in &mut self.members {
            m.tenant = tenant(m.lease);
        }
    }

    /// Each tenant that has claims here, once.
    pub(super) fn tenants(&self) -> BTreeSet<Tenant> {
        self.members.iter().map(|m| m.tenant).collect()
    }

    /// How many there would be without this claim.
    pub(super) fn seats_without(&self, lease: LeaseId) -> u32 {
        self.seats().min(self.need_without(lease))
    }

    fn need_without(&self, lease: LeaseId) -> u32 {
        self.need(|m| m.lease != lease)
    }

    fn need(&self, of: impl Fn(&Member) -> bool) -> u32 {
        let of_owner = self
            .members
            .iter()
            .filter(|m| of(m) && (m.owns || !self.family));
        let most = of_owner.map(|m| m.seats).max().unwrap_or(0);
        if !self.family {
            return most;
        }
        most.max(self.sum(|m| of(m) && !m.owns))
    }

    /// A claim leaves; returns the seats that nobody needs now, those taken last first.
    pub(super) fn leave(&mut self, lease: LeaseId) -> Taken {
        let mut need = self.need_without(lease);
        if self.family && mutant::on(Mutant::ShareGoesToStrangers) {
            let pods = self.members.iter().filter(|m| m.lease == lease && !m.owns);
            need = need.min(self.seats() - pods.map(|m| m.seats).sum::<u32>().min(self.seats()));
        }
        self.members.retain(|m| m.lease != lease);
        self.free_to(need)
    }

    /// Frees what is beyond the need, what was taken last first.
    fn free_to(&mut self, need: u32) -> Taken {
        let mut spare = self.seats().saturating_sub(need);
        let mut freed = Taken::new();
        while spare > 0 {
            let Some((n, alt)) = self.taken.last_mut() else {
                break;
            };
            let some = spare.min(*n);
            freed.push((some, alt.clone()));
            *n -= some;
            spare -= some;
            if *n == 0 {
                self.taken.pop();
            }
        }
        freed
    }
}
