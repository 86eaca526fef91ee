//! What a new license changes, and what stops grants.

use super::at::At;
use super::capacity::Capacity;
use super::entry::{Entry, State};
use super::refusal::Refusal;
use super::sharers::Sharers;
use super::state::Ledger;
use super::wish::WishRef;
use crate::mutant::{self, Mutant};
use crate::policy::Reclaim;
use crate::time::BootTime;
use crate::wire::Problem;
use std::borrow::Cow;
use std::cmp::Reverse;

impl Ledger {
    /// Takes new licenses in. With fewer seats nobody is thrown out: new claims wait until enough
    /// came back. Nothing is granted in this step: whoever asks says first whether anything may be.
    pub fn set_capacity(&mut self, capacity: Capacity, now: BootTime) {
        self.tick(now);
        self.capacity.replace(capacity);
        self.count_tenants();
        for e in self.entries.iter_mut() {
            if let Cow::Owned(items) = self.capacity.spelled(&e.wish.items) {
                let wish = WishRef {
                    name: &e.wish.name,
                    items: &items,
                    claims: e.wish.claims,
                    project: e.wish.project.as_ref(),
                };
                e.wish = wish.one(&mut self.wishes);
            }
        }
        self.look_at_stranded(now);
        self.regroup(now);
        self.settling.end_if_done(now);
    }

    /// Takes over what a new license demands of a silent holder's seat. Seats that are silent now
    /// are judged by it, too.
    pub fn set_reclaim(&mut self, reclaim: Reclaim, now: BootTime) {
        self.tick(now);
        if self.settings.reclaim == reclaim {
            return;
        }
        self.settings.reclaim = reclaim;
        // Deadlines are moved when they come; one that is nearer now would come too late.
        let held = |e: &Entry| matches!(e.state, State::Held { .. });
        let held = self.entries.iter().filter(|e| held(e));
        let held: Vec<At> = held.filter_map(|e| self.entries.find(&e.id)).collect();
        for at in held {
            self.book_deadline(at);
        }
        self.tick(now);
    }

    /// Grants nothing new while `why` holds (the anchor is lost, the license ended); claims are
    /// answered with it. `None`: goes on.
    pub fn pause(&mut self, why: Option<Problem>, now: BootTime) {
        self.paused = why.map(|p| Refusal::ByEdge(Box::new(p)));
        self.tick(now);
        self.grant_queue(now);
    }

    /// Sorts the queue anew after the license has changed. Claims that it could never grant are
    /// refused, unless their applications run: those are thrown out by nobody but their own limit.
    pub(super) fn regroup(&mut self, now: BootTime) {
        let before = std::mem::take(&mut self.queue);
        let waiting = before.all();
        let mut again = Vec::with_capacity(waiting.len());
        self.sharers = Sharers::default();
        self.capacity.changes.note_all();
        for mut rank in waiting {
            let Some(e) = self.entries.get(&rank.id) else {
                continue;
            };
            let (wish, tenant) = (e.wish.clone(), self.capacity.rights.tenant(e.asks()));
            let stance = match &e.state {
                State::Queued(place) => before.stance(place.group),
                _ => None,
            };
            let at = self.group_for(&wish.items, tenant, stance.unwrap_or_default());
            if !mutant::on(Mutant::PolicyKeepsRanks) {
                rank.priority = Reverse(self.capacity.rights.priority(tenant));
            }
            if let Some(e) = self.entries.get_mut(&rank.id) {
                if let State::Queued(place) = &mut e.state {
                    (place.group, place.rank) = (at, rank);
                    self.queue.enter(place);
                }
                let keys = self.capacity.share_keys(&wish.items, e.asks());
                self.sharers.enter(rank, keys);
                again.push(rank.id);
            }
        }
        for id in again {
            self.refuse_if_impossible(id, now);
        }
    }
}
