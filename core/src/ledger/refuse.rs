//! Claims that are refused, kept for a while so that people see them.

use super::entry::State;
use super::queue::GroupAt;
use super::refusal::Refusal;
use super::state::Ledger;
use super::types::Claim;
use crate::names::LeaseId;
use crate::secret::SecretHash;
use crate::time::BootTime;

impl Ledger {
    /// Notes a refusal, also one by the edge, for people to see; not so where the claim is granted
    /// or in the queue.
    pub fn refuse(&mut self, c: &Claim, why: Refusal, now: BootTime) {
        if let Some(id) = self.claim_by(c).map(|e| e.id) {
            match self.state_of(id) {
                Some(State::Refused(p)) if **p == why => return self.heard(id, now),
                Some(State::Refused(_)) => self.forget(id, now),
                // Its place ends, unless only this message is at fault.
                Some(State::Queued(_)) if c.call_back.is_some() => {
                    return self.set_state(id, State::Refused(Box::new(why)), now);
                }
                _ => return,
            }
        }
        if self.has_room_for(c).is_err() {
            return;
        }
        // It is nobody's to renew or to give back.
        let c = Claim {
            secret_hash: SecretHash::none(),
            counter: None,
            held: None,
            ..c.clone()
        };
        self.insert(c.new_id, &c, State::Refused(Box::new(why)), now);
    }

    pub(super) fn is_refused(&self, id: LeaseId) -> bool {
        matches!(self.state_of(id), Some(State::Refused(_)))
    }

    /// Refuses a claim that stands aside and whose application does not run.
    pub(super) fn refuse_if_impossible(&mut self, id: LeaseId, now: BootTime) {
        let Some(e) = self.entries.get(&id) else {
            return;
        };
        if let State::Queued(place) = &e.state
            && place.group == GroupAt::Aside
            && place.runs_until.is_none()
            && let tenant = self.capacity.rights.tenant(e.asks())
            && let Err(p) = self.capacity.check(e.items(), tenant)
        {
            self.set_state(id, State::Refused(Box::new(p)), now);
        }
    }
}
