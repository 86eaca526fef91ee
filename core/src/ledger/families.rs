//! Owners and their pods: a claim that the operator makes for what has pods run (or for a pod that
//! is not scheduled yet), and that pods take their shares of over.
//!
//! An owner's claim asks for as many seats as its pods will together, all or nothing. Which pods
//! are its own is the operator's word. A pod's claim counts for its share of what the owner has:
//! owner and pods together have as many seats as the owner asks for, or its pods if that is more
//! ([`Share`](super::count_by::Share)). So a pod that goes leaves its share to the owner, for the
//! pod that replaces it; and after a restart each counts the same, whichever comes back first,
//! since a pod's receipt says whose share it has.
//!
//! Nobody runs on what no pod has taken: an owner's claim needs no proof to be gone, and is free
//! when the operator has not asked for [`OWNER_SILENCE`]. One of which no pod lives (`rests`) keeps
//! its place in line, gathers nothing and is in nobody's way.

use super::count_by::Share;
use super::entry::{Entry, State};
use super::pool::Draws;
use super::refusal::{Changed, Refusal};
use super::state::Ledger;
use super::types::Claim;
use super::who::{Asker, AskerRef, HolderRef};
use super::wish::WishRef;
use crate::identity::{Holder, HolderKey};
use crate::names::{ClaimName, LeaseId};
use crate::request::Item;
use crate::time::BootTime;
use crate::wire::EndReason;
use std::time::Duration;

/// For how long what an owner has is kept without a word of the operator.
pub const OWNER_SILENCE: Duration = Duration::from_secs(300);

/// What an owner's seats are known by.
pub(super) fn family(owner: HolderRef<'_>, claim: &ClaimName) -> Box<str> {
    format!("owner:{}/{claim}", owner.owned()).into()
}

impl Ledger {
    /// Which owner's seats a claim has a share of: an owner's its own; a pod's own claim those of
    /// the owner that the operator has named, or else that its receipt names.
    pub(super) fn family_of(&self, c: &Claim) -> Option<Box<str>> {
        match &c.holder {
            Holder::Owner { .. } => Some(family(HolderRef::of(&c.holder), &c.name)),
            Holder::Pod { uid, .. } if c.name.is_pod() => {
                let named = self.families.of_pod(uid);
                let shown = || c.held.as_ref()?.family.clone();
                named.or_else(shown)
            }
            _ => None,
        }
    }

    /// Whom a new claim's seats would be for.
    pub(super) fn asker(c: &Claim) -> Asker<'_> {
        Asker::of(AskerRef::New(&c.holder), c.family.as_deref()).using(c.project.as_ref())
    }

    /// The operator names the pods that may take shares of an owner's claim: these, and no others.
    pub fn set_pods(
        &mut self,
        owner: &HolderKey,
        claim: &ClaimName,
        pods: &[HolderKey],
        now: BootTime,
    ) {
        self.tick(now);
        let family = family(owner.into(), claim);
        for pod in self.families.set(&family, pods) {
            let claim = ClaimName::pod();
            if let Some(id) = self.entries.of_name((&pod).into(), &claim).map(|e| e.id) {
                self.adopt(id, &family);
            }
        }
        self.grant_queue(now);
        self.grant_sharers(now);
    }

    /// An owner's claim ends: what no pod has taken is free, and its pods are on their own.
    pub fn end_owner(&mut self, owner: &HolderKey, claim: &ClaimName, now: BootTime) {
        self.tick(now);
        let family = family(owner.into(), claim);
        self.families.set(&family, &[]);
        self.handovers.set(&family, &[]);
        let of_name = self.entries.of_name(owner.into(), claim);
        if let Some(id) = of_name.filter(|e| e.is_owner()).map(|e| e.id) {
            self.end(id, EndReason::Released, now);
        }
        self.grant_queue(now);
    }

    /// The mistake that an owner's pods end with it.
    pub(super) fn ends_pods_of(&mut self, owner: LeaseId, now: BootTime) {
        let owner = self.entries.get(&owner).filter(|e| e.is_owner());
        let Some(family) = owner.and_then(Entry::family) else {
            return;
        };
        let pods = self.entries.iter().filter(|e| e.family() == Some(family));
        let pods: Vec<LeaseId> = pods.filter(|e| !e.is_owner()).map(|e| e.id).collect();
        for id in pods {
            self.end(id, EndReason::Expired, now);
        }
    }

    /// A pod's claim that is there already counts for its share from now on.
    fn adopt(&mut self, id: LeaseId, family: &str) {
        let Some(e) = self.entries.get_mut(&id) else {
            return;
        };
        if e.family() == Some(family) {
            return;
        }
        let tenant = self.capacity.rights.tenant(e.asks());
        match e.state.clone() {
            State::Queued(place) => {
                self.sharers.leave(place.rank);
                e.rare().family = Some(family.into());
                let keys = self.capacity.share_keys(e.items(), e.asks());
                self.sharers.enter(place.rank, keys);
            }
            // It has nothing yet.
            State::Held { .. } if e.handover().is_some() => e.rare().family = Some(family.into()),
            // What it has moves into the family's part; what counts for others, too, stays theirs.
            State::Held { drawn, .. } if self.capacity.has_alone(&drawn) => {
                let all: Draws = self.capacity.all_of(&drawn).collect();
                let had = |p: usize| {
                    let of_it = all.iter().filter(|(q, _)| *q == p);
                    of_it.map(|(_, n)| n).sum::<u32>()
                };
                self.capacity.give_back((id, tenant), &drawn);
                let before = e.rare().family.replace(family.into());
                let mut plan = self.capacity.plan(e.items(), e.asks(), &had);
                if plan.is_none() {
                    e.rare().family = before;
                    plan = self.capacity.plan(e.items(), e.asks(), &had);
                }
                let plan = plan.unwrap_or_else(|| super::pool::Plan {
                    licenses: drawn.licenses.clone(),
                    own: all.clone(),
                    shared: Vec::new(),
                });
                let (drawn, _) = self.capacity.book((id, tenant), plan);
                let drawn = drawn.one(&mut self.drawn);
                if let Some(State::Held { drawn: d, .. }) =
                    self.entries.get_mut(&id).map(|e| &mut e.state)
                {
                    *d = drawn;
                }
            }
            State::Held { .. } | State::Refused(_) => {}
        }
    }

    /// An owner asks for another number of seats: for fewer at any time, for more where its pods
    /// have them already, or while it waits.
    pub(super) fn resize(&mut self, id: LeaseId, c: &Claim, now: BootTime) -> Result<(), Refusal> {
        let changed = Refusal::Changed {
            claim: c.name.clone(),
            holder: Box::new(c.holder.clone()),
            part: Changed::Items,
            lapses: OWNER_SILENCE,
        };
        let Some(e) = self.entries.get(&id) else {
            return Err(changed);
        };
        let same = e.items().len() == c.items.len()
            && e.items()
                .iter()
                .zip(&c.items)
                .all(|(a, b)| a.product == b.product && a.version == b.version);
        if !same {
            return Err(changed);
        }
        let tenant = self.capacity.rights.tenant(e.asks());
        match e.state.clone() {
            State::Queued(place) => {
                self.queue.leave(&place);
                self.sharers.leave(place.rank);
                self.wish(id, &c.items);
                let keys = self.capacity.share_keys(&c.items, Self::asker(c));
                self.sharers.enter(place.rank, keys);
                let group = self.group_by(true, &c.items, tenant, c.stance);
                self.stands_in(id, group);
                self.refuse_if_impossible(id, now);
            }
            State::Held { drawn, .. } => {
                let more = drawn.shared.iter().any(|key| {
                    let there = self.capacity.shares.get(key).map_or(0, Share::seats);
                    let asked = c.items.iter().find(|i| i.product == key.product);
                    asked.is_some_and(|i| i.seats.get() > there)
                });
                if more || drawn.shared.len() != c.items.len() {
                    return Err(changed);
                }
                for key in &drawn.shared {
                    let seats = c.items.iter().find(|i| i.product == key.product);
                    let seats = seats.map_or(0, |i| i.seats.get());
                    self.capacity.resize(key, (id, tenant), seats);
                }
                self.wish(id, &c.items);
                self.tell(id, now);
            }
            State::Refused(_) => {}
        }
        Ok(())
    }

    /// A claim asks for these from now on.
    fn wish(&mut self, id: LeaseId, items: &[Item]) {
        let items = self.capacity.spelled(items).into_owned();
        let Some(e) = self.entries.get_mut(&id) else {
            return;
        };
        self.tally.leave(e);
        let before = e.wish.clone();
        let wish = WishRef {
            name: &before.name,
            items: &items,
            claims: before.claims,
            project: before.project.as_ref(),
        };
        e.wish = wish.one(&mut self.wishes);
        self.tally.enter(e);
    }
}

impl Entry {
    /// It is an owner's.
    pub(super) fn is_owner(&self) -> bool {
        self.asks().is_owner()
    }
}
