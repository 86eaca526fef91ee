//! Claims that are refused, kept for a while so that people see them.

use super::entry::State;
use super::queue::GroupAt;
use super::refusal::Refusal;
use super::state::Ledger;
use super::types::Claim;
use crate::identity::Holder;
use crate::names::{ClaimName, LeaseId, RequestId};
use crate::request::Item;
use crate::secret::SecretHash;
use crate::time::BootTime;
use crate::wire::{Problem, Standing};

impl Ledger {
    /// Notes that the edge refuses a claim, so that people see it where they look. Does nothing if
    /// the claim is granted or in the queue.
    pub fn refuse(
        &mut self,
        holder: &Holder,
        name: &ClaimName,
        items: &[Item],
        new_id: LeaseId,
        why: Problem,
        now: BootTime,
    ) {
        let why = Refusal::ByEdge(Box::new(why));
        self.note_refusal(holder, name, items, new_id, why, now);
    }

    /// Notes a refusal for people to see; not so where the claim is granted or in the queue.
    pub(super) fn note_refusal(
        &mut self,
        holder: &Holder,
        name: &ClaimName,
        items: &[Item],
        new_id: LeaseId,
        why: Refusal,
        now: BootTime,
    ) {
        if let Some(id) = self.find(&holder.key(), name) {
            if !self.is_refused(id) {
                return;
            }
            let same = self
                .entries
                .get(&id)
                .is_some_and(|e| matches!(&e.state, State::Refused(p) if **p == why));
            if same {
                return self.heard(id, now);
            }
            self.forget(id);
        }
        if self.has_room_for(holder).is_err() {
            return;
        }
        let c = Claim {
            holder: holder.clone(),
            name: name.clone(),
            items: items.to_vec(),
            secret_hash: SecretHash::none(),
            new_id,
            standing: Standing::Seeking,
            runs_for: None,
            counter: None,
            request_id: RequestId::from_bytes([0; 16]),
            others: Vec::new(),
            heard: None,
            ticket: None,
            held: None,
            priority: 0,
        };
        self.insert(new_id, &c, State::Refused(Box::new(why)), now);
    }

    pub(super) fn is_refused(&self, id: LeaseId) -> bool {
        self.entries
            .get(&id)
            .is_some_and(|e| matches!(e.state, State::Refused(_)))
    }

    /// Refuses a claim that stands aside and whose application does not run.
    pub(super) fn refuse_if_impossible(&mut self, id: LeaseId, now: BootTime) {
        let Some(e) = self.entries.get(&id) else {
            return;
        };
        if let State::Queued {
            group: GroupAt::Aside,
            runs_until: None,
            ..
        } = e.state
            && let Err(p) = self.capacity.check(&e.items)
        {
            self.set_state(id, State::Refused(Box::new(p)), now);
        }
    }
}
