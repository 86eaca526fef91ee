//! Reinstating: the leases of earlier runs that their holders show, with their ids and from the
//! pools they had (promise 3).

use super::entry::State;
use super::pool::Plan;
use super::state::Ledger;
use super::types::{Claim, HeldLease};
use super::who::Asker;
use crate::identity::{Holder, HolderKey};
use crate::mutant::{self, Mutant};
use crate::names::LeaseId;
use crate::request::Item;
use crate::time::{BootTime, margin};
use crate::wire::Standing;

impl Ledger {
    /// Whether a claim shows an unexpired lease of an earlier run that can be reinstated, within
    /// the seats (promise 3); from where its seats come. One that ended in this run is not
    /// reinstated again, whatever its token says.
    pub(super) fn shows_lease<'a>(&self, c: &'a Claim) -> Option<(&'a HeldLease, Plan)> {
        let held = c.held.as_ref().filter(|h| {
            (h.unexpired || mutant::on(Mutant::ExpiredReinstated))
                && (h.token.cnf == c.secret_hash || mutant::on(Mutant::ReinstatedWithoutSecret))
                && h.token.claim == c.name
                && h.token.bind == c.bind
        })?;
        // By the files, not in the claim's order; each product stands once in both.
        let had = |i: &Item| {
            let mut items = held.token.items();
            items.any(|h| h.product == i.product && h.seats == i.seats)
        };
        let same = held.token.items().count() == c.items.len() && c.items.iter().all(had);
        let own = held.token.instance == self.settings.instance;
        let ended = self.past.of_id(&held.token.lease).is_some_and(|e| e.over);
        if !same || ((own || ended) && !mutant::on(Mutant::ReinstatedTwice)) {
            return None;
        }
        let parts = &held.token.parts;
        let asker = Asker::New(&c.holder);
        let plan = self.capacity.plan_as_before(&c.items, asker, parts)?;
        Some((held, plan))
    }

    /// Takes the lease in that a claim shows, with its id.
    pub(super) fn reinstate(&mut self, c: &Claim, now: BootTime) -> Option<LeaseId> {
        let (held, plan) = self.shows_lease(c)?;
        let id = held.token.lease;
        if self.entries.contains_key(&id) {
            return None;
        }
        // Its holder goes by the earlier run's word until it has heard this one's, and that may be
        // a longer lease.
        let (d, run) = (held.token.lease_for, &self.settings);
        let longer = (d > run.lease_for).then(|| held.given(now) + d + margin(d));
        let state = self.booked(id, plan);
        self.insert(id, c, state, now);
        if let (Some(t), Some(e)) = (longer, self.entries.get_mut(&id)) {
            e.rare().not_before = t;
        }
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
