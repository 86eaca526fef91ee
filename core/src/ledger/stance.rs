//! How claims stand in line ([`Stance`]): seats gather for them, or they yield, or they rest; and
//! among which others of the queue they are for that.

use super::entry::State;
use super::queue::GroupAt;
use super::state::Ledger;
use super::tenant::Tenant;
use crate::mutant::{self, Mutant};
use crate::names::LeaseId;
use crate::request::Item;
use crate::time::BootTime;
use crate::wire::Stance;
use std::cmp::Reverse;

impl Ledger {
    /// Which group a claim waits in. An owner's that rests is counted by none.
    pub(super) fn group_by(
        &mut self,
        is_owner: bool,
        items: &[Item],
        tenant: Tenant,
        stance: Stance,
    ) -> GroupAt {
        if !is_owner {
            return self.group_for(items, tenant, stance);
        }
        match stance {
            Stance::Rests if !mutant::on(Mutant::GhostGathers) => GroupAt::Resting,
            _ => self.group_for(items, tenant, Stance::Gathers),
        }
    }

    /// Which group a tenant's claim for these items waits in.
    pub(super) fn group_for(&mut self, items: &[Item], tenant: Tenant, stance: Stance) -> GroupAt {
        // With no license in force nothing can be judged.
        let judged = !self.capacity.products.is_empty();
        if judged && self.capacity.check(items, tenant).is_err() {
            return GroupAt::Aside;
        }
        let pools = self.capacity.pools_of(items);
        let rights = &self.capacity.rights;
        let may_be_passed = pools.iter().any(|p| rights.patience(*p).is_some());
        let seats = items.iter().map(|i| u64::from(i.seats.get()));
        let owned = rights.owned_by_word(tenant, &pools);
        let may_be_own = owned.is_some_and(|owned| seats.sum::<u64>() <= owned)
            && !mutant::on(Mutant::OwnersWaitBehindTheirOwn);
        let with_its_like = match stance {
            Stance::Gathers => may_be_passed || may_be_own,
            // One that cannot be served must not keep those behind it from what is there.
            Stance::Yields => true,
            Stance::Rests => false,
        };
        let alike = with_its_like.then_some(items);
        self.queue.group_of(pools, tenant, alike, stance)
    }

    /// A claim of the queue stands otherwise from now on.
    pub(super) fn stands(&mut self, id: LeaseId, stance: Stance, now: BootTime) {
        let Some(e) = self.entries.get(&id) else {
            return;
        };
        let State::Queued(place) = &e.state else {
            return;
        };
        let known = self.queue.stance(place.group);
        if known.unwrap_or_default() == stance {
            return;
        }
        let before = **place;
        let (items, tenant) = (e.items().to_vec(), self.capacity.rights.tenant(e.asks()));
        let group = self.group_by(e.is_owner(), &items, tenant, stance);
        self.queue.leave(&before);
        self.stands_in(id, group);
        if stance != Stance::Gathers {
            // Nothing is called back for who keeps nothing, and nobody has passed it.
            self.recalls.lift(id);
            self.passers.waits_no_more(id, now);
        }
        self.refuse_if_impossible(id, now);
    }

    /// A claim that is in no group of the queue enters this one. A policy that came while it rested
    /// has ranked those alone that were in one.
    pub(super) fn stands_in(&mut self, id: LeaseId, group: GroupAt) {
        let Some(e) = self.entries.get_mut(&id) else {
            return;
        };
        let rights = &self.capacity.rights;
        let priority = rights.priority(rights.tenant(e.asks()));
        self.tally.leave(e);
        if let State::Queued(place) = &mut e.state {
            place.rank.priority = Reverse(priority);
            place.group = group;
            self.queue.enter(place);
        }
        self.tally.enter(e);
    }
}
