//! Reinstating: the leases of earlier runs that their holders show, with their ids and from the
//! pools they had (promise 3).

use super::entry::{Entry, State};
use super::handover::Handover;
use super::pool::{Drawn, Plan};
use super::state::Ledger;
use super::types::{Claim, HeldLease};
use crate::identity::{Holder, HolderKey};
use crate::mutant::{self, Mutant};
use crate::names::LeaseId;
use crate::time::{BootTime, margin};
use crate::wire::Standing;

impl Ledger {
    /// Whether a claim shows an unexpired lease of an earlier run that can be reinstated, within
    /// the seats (promise 3); from where its seats come. One that ended in this run is not
    /// reinstated again, whatever its receipt says.
    pub(super) fn shows_lease<'a>(&self, c: &'a Claim) -> Option<(&'a HeldLease, Plan)> {
        let held = c.held.as_ref();
        let held = held.filter(|h| h.unexpired || mutant::on(Mutant::ExpiredReinstated))?;
        let own = held.instance == self.settings.instance;
        // Another run has told its holder since that it has a place and no lease: its seats may be
        // somebody's whom this one does not know yet.
        if c.heard.is_some_and(|run| run != held.instance) {
            return None;
        }
        let ended = self.past.of_id(&held.lease).is_some_and(|e| e.over);
        if (own || ended) && !mutant::on(Mutant::ReinstatedTwice) {
            return None;
        }
        if let Some(h) = &held.handover {
            let others = self.handovers.of(&h.from).is_some();
            let is_over = h.left.is_zero() || others;
            let plan = self.capacity.plan_beyond(&c.items, &held.parts);
            return plan.filter(|_| !is_over).map(|plan| (held, plan));
        }
        let asker = Self::asker(c);
        let plan = self.capacity.plan_as_before(&c.items, asker, &held.parts)?;
        let is_asked = mutant::on(Mutant::LimitAtReinstating);
        let allowed = !is_asked || self.capacity.allows(self.tenant_of(c), &plan);
        allowed.then_some((held, plan))
    }

    /// Takes the lease in that a claim shows, with its id.
    pub(super) fn reinstate(&mut self, c: &Claim, now: BootTime) -> Option<LeaseId> {
        let (held, plan) = self.shows_lease(c)?;
        let id = held.lease;
        if self.entries.contains_key(&id) {
            return None;
        }
        // Its holder goes by the earlier run's word until it has heard this one's, and that may be
        // a longer lease.
        let (d, run) = (held.lease_for, &self.settings);
        let longer = (d > run.lease_for).then(|| held.given(now) + d + margin(d));
        let shown = held.handed_ago.map(|ago| now - ago);
        let handed = shown.max(self.handed_by(&c.holder.key()));
        let handover = held.handover.as_ref().map(|h| Handover {
            from: h.from.clone(),
            since: handed.unwrap_or(now),
            until: now + h.left,
            in_vain: false,
        });
        let state = if handover.is_some() {
            let (licenses, own) = (plan.licenses, plan.own);
            self.beyond(Drawn {
                licenses,
                own,
                shared: Vec::new(),
            })
        } else {
            self.booked(id, self.tenant_of(c), plan)
        };
        if let Some(h) = &handover {
            self.comes_beyond(id, h);
        }
        let also = |e: &mut Entry| {
            if let Some(t) = longer {
                e.rare().not_before = t;
            }
            if handed.is_some() || handover.is_some() {
                (e.rare().handed, e.rare().handover) = (handed, handover);
            }
        };
        self.insert_as(id, c, (state, also), now);
        self.strands(id, now);
        Some(id)
    }

    /// What a claim shows of where its holder stands. A lease reinstated is the one it had. One
    /// that has heard from this run goes by what this run said. One that is refused and does not
    /// run has nothing. Any other may be a duplicate from long ago, and its holder be `Held` by an
    /// earlier run.
    ///
    /// Several clients outside Kubernetes may be one holder, and none knows the others' claims:
    /// only time ends their part.
    pub(super) fn shows_itself(&mut self, c: &Claim) {
        if !self.settling.is_on() || matches!(c.holder, Holder::External { .. }) {
            return;
        }
        let key = c.holder.key();
        let shows = match self.claim_by(c).map(|e| &e.state) {
            Some(State::Held { .. }) => true,
            Some(State::Queued(_)) => c.heard == Some(self.settings.instance),
            Some(State::Refused(_)) => c.standing == Standing::Seeking,
            None => false,
        };
        if shows {
            self.settling.names(&key, &c.others);
            self.settling.shown(&key, &c.name);
        }
    }

    /// The operator's roster: all holders of this server not proven gone, and those of them that
    /// are waited for past Q. A second one replaces the first.
    pub fn expected(&mut self, roster: &[HolderKey], lasting: &[HolderKey], now: BootTime) {
        self.tick(now);
        self.settling.expect(roster, lasting);
        self.settling.end_if_done(now);
        self.grant_queue(now);
    }
}
