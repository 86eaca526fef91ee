//! Bounds on what strangers can make the ledger keep.

use super::quotas::Quotas;
use super::refusal::Refusal;
use super::state::Ledger;
use super::types::Claim;
use super::who::HolderRef;
use crate::client_token::Issuers;
use crate::identity::Holder;
use crate::request::MAX_ITEMS;

impl Ledger {
    pub(super) fn check_bounds(&self, c: &Claim) -> Result<(), Refusal> {
        if c.items.is_empty() || c.items.len() > MAX_ITEMS {
            return Err(Refusal::ItemCount(c.items.len()));
        }
        for (i, item) in c.items.iter().enumerate() {
            if c.items.iter().take(i).any(|o| o.product == item.product) {
                return Err(Refusal::ProductTwice(item.product.clone()));
            }
        }
        self.has_room_for(c)?;
        self.has_quota_for(c)?;
        let most = self.settings.limits.queue;
        if self.queue.len() >= most {
            return Err(Refusal::QueueFull { most });
        }
        Ok(())
    }

    /// Whether this holder and its namespace may have one claim more.
    pub(super) fn has_room_for(&self, c: &Claim) -> Result<(), Refusal> {
        let (limits, holder) = (self.settings.limits, &c.holder);
        // What is claimed for a pod before it is scheduled is no claim of its own.
        let owns = Self::asker(c).is_owner();
        let own = self.entries.of_holder(HolderRef::of(holder));
        let own = own.filter(|e| e.is_owner() == owns).count();
        let most = c.claims.map_or(limits.per_holder, usize::from);
        if own >= most {
            let holder = Box::new(holder.clone());
            return Err(Refusal::HolderFull { holder, most });
        }
        let Some(namespace) = holder.namespace() else {
            return Ok(());
        };
        let of_all = self.per_namespace.get(namespace).copied().unwrap_or(0);
        if of_all >= limits.per_namespace {
            return Err(Refusal::NamespaceFull {
                namespace: namespace.to_owned(),
                most: limits.per_namespace,
            });
        }
        Ok(())
    }

    /// Which issuers of client tokens there are from now on. Nobody is thrown out: whose subjects
    /// have more than they may make no new claims until they have less.
    pub fn set_issuers(&mut self, issuers: &Issuers) {
        self.quotas = Quotas::new(issuers);
        for e in self.entries.iter() {
            self.quotas.count(&e.who, true);
        }
    }

    /// Whether its issuer's subjects may have one claim more. A lease of an earlier run comes in
    /// whatever else has come since: it was counted when it was granted, and its holder runs.
    fn has_quota_for(&self, c: &Claim) -> Result<(), Refusal> {
        let Holder::External { subject } = &c.holder else {
            return Ok(());
        };
        match self.quotas.of(subject) {
            Some(q) if q.is_used_up() && self.shows_lease(c).is_none() => {
                Err(Refusal::IssuerFull {
                    issuer: q.issuer.to_string(),
                    most: q.most,
                })
            }
            _ => Ok(()),
        }
    }
}
