//! Seats that several claims count as one: a product counted by pod, node, service account or
//! subject takes as many seats for all claims of one key as the largest of them asks for.

use super::alternative::{Alternative, Taken};
use super::tenant::Tenant;
use super::who::Asker;
use crate::license::CountBy;
use crate::names::{LeaseId, ProductName};
use std::collections::BTreeSet;

/// Who counts as one for which product of which license file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ShareKey {
    pub(super) product: ProductName,
    /// The place of the file.
    pub(super) license: usize,
    who: String,
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
    let who = match (by, asker.node(), asker.account()) {
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
    })
}

/// The claims of one key, and the seats they have together.
#[derive(Clone, Debug, Default)]
pub(super) struct Share {
    members: Vec<Member>,
    taken: Taken,
}

/// A claim among others that count as one with it.
#[derive(Clone, Debug)]
struct Member {
    lease: LeaseId,
    seats: u32,
    tenant: Tenant,
}

impl Share {
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

    /// Another claim, with the seats that it adds.
    pub(super) fn join(&mut self, (lease, tenant): (LeaseId, Tenant), seats: u32, added: Taken) {
        self.members.push(Member {
            lease,
            seats,
            tenant,
        });
        self.taken.extend(added);
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
        let of = self.members.iter().filter(|m| of(m));
        of.map(|m| m.seats).max().unwrap_or(0)
    }

    /// A claim leaves; returns the seats that nobody needs now, those taken last first.
    pub(super) fn leave(&mut self, lease: LeaseId) -> Taken {
        let need = self.need_without(lease);
        self.members.retain(|m| m.lease != lease);
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
