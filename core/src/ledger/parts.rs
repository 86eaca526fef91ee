//! Parts: claims whose holders ask other servers for seats besides, and need all of them.
//!
//! Which part is taken when is the holder's to say (`holder::parts`): it rests in line until its
//! turn. Here a part that is granted is *reserved* until its holder says that all are there, and
//! goes back to its place in line if that takes too long, so that nobody waits for a seat that
//! nobody uses.

use super::entry::State;
use super::queue::{Class, OWN, Queued, Rank};
use super::state::Ledger;
use crate::names::LeaseId;
use crate::time::BootTime;
use crate::wire::Stance;
use std::cmp::Reverse;

impl Ledger {
    /// Whether a claim is a part, as its holder said last.
    pub(super) fn is_part(&mut self, id: LeaseId, part: bool, now: BootTime) {
        let Some(e) = self.entries.get(&id) else {
            return;
        };
        let before = e.part();
        let held = matches!(e.state, State::Held { .. });
        let after = match &e.state {
            _ if !part => None,
            State::Queued(place) => Some(place.rank),
            State::Held { .. } => before.or_else(|| Some(self.rank_now(id))),
            State::Refused(_) => None,
        };
        if before == after {
            return;
        }
        if let Some(e) = self.entries.get_mut(&id) {
            self.tally.leave(e);
            e.rare().part = after;
            self.tally.enter(e);
        }
        if held {
            self.tell(id, now);
        }
    }

    /// Tells who rests in line that it is the first there: then it may take its parts.
    pub fn tell_first_at_rest(&mut self, now: BootTime) {
        if self.queue.len() == 0 {
            return;
        }
        for id in self.queue.first_at_rest() {
            self.tell_news(id, now);
        }
    }

    /// The end of the line: of a part that another run has granted.
    fn rank_now(&mut self, id: LeaseId) -> Rank {
        self.arrivals += 1;
        Rank {
            class: Class::Ordinary,
            priority: Reverse(0),
            generation: OWN,
            arrival: self.arrivals,
            id,
        }
    }

    /// A part's seats are free, and it rests at the place in line that it had.
    pub(super) fn back_in_line(&mut self, id: LeaseId, now: BootTime) {
        let Some(e) = self.entries.get(&id) else {
            return;
        };
        let (State::Held { drawn, .. }, Some(rank)) = (&e.state, e.part()) else {
            return;
        };
        if e.handover().is_some() {
            return;
        }
        let (drawn, tenant) = (drawn.clone(), self.capacity.rights.tenant(e.asks()));
        self.capacity.give_back((id, tenant), &drawn);
        let priority = Reverse(self.capacity.rights.priority(tenant));
        let items = e.items().to_vec();
        let group = self.group_for(&items, tenant, Stance::Rests);
        let place = Queued {
            rank: Rank { priority, ..rank },
            group,
            runs_until: None,
            passed: None,
        };
        self.stranded.remove(&id);
        self.recalls.ended(id);
        self.passers.ended(id, now);
        if let Some(e) = self.entries.get_mut(&id) {
            e.goes_on();
            e.rare().stranded = None;
        }
        self.set_state(id, State::Queued(Box::new(place)), now);
    }
}
