//! What the books look like from outside: answers, views, numbers.

use super::entry::{Entry, State, Wait};
use super::projects::ProjectSeats;
use super::queue::Queued;
use super::queue::{Class, OWN};
use super::refusal::Refusal;
use super::state::Ledger;
use super::tally::Gauges;
use super::types::{Claimed, Granted, Place};
use crate::identity::Holder;
use crate::mutant::{self, Mutant};
use crate::names::{ClaimName, LeaseId};
use crate::request::Item;
use crate::time::{BootTime, whole_millis};
use crate::wire::{EndReason, LeaseView, PoolView, Problem, ProductView, ViewState};
use std::time::Duration;

impl Ledger {
    /// How a claim stands, to answer a request that was held open.
    pub fn status(&self, lease: LeaseId) -> Option<Claimed> {
        let e = self.entries.get(&lease)?;
        self.answer(e, e.who.holder())
    }

    /// The answer to a claim that is granted or in the queue, to its holder; `None` for a refused
    /// one.
    pub(super) fn answer(&self, e: &Entry, holder: Holder) -> Option<Claimed> {
        let State::Queued(queued) = &e.state else {
            return self.granted(e, holder).map(Claimed::Granted);
        };
        let Queued {
            rank,
            runs_until,
            passed,
            ..
        } = &**queued;
        let Wait {
            place,
            reason,
            message,
        } = self.wait_of(e)?;
        Some(Claimed::Waiting(Place {
            lease: e.id,
            claim: e.wish.name.clone(),
            holder,
            items: e.items().to_vec(),
            place,
            reason,
            message,
            generation: if rank.generation == OWN {
                self.settings.generation
            } else {
                rank.generation
            },
            arrival: rank.arrival,
            contested: rank.class == Class::Contested,
            runs_until: *runs_until,
            passed: *passed,
            secret_hash: e.secret_hash,
            bind: e.bind(),
            claims: e.wish.claims,
        }))
    }

    pub(super) fn granted(&self, e: &Entry, holder: Holder) -> Option<Granted> {
        let State::Held {
            drawn, overdraft, ..
        } = &e.state
        else {
            return None;
        };
        Some(Granted {
            lease: e.id,
            claim: e.wish.name.clone(),
            holder,
            items: e.items().to_vec(),
            counter: e.counter,
            received: e.last,
            parts: self.capacity.parts(e.id, e.items(), drawn),
            dates: self.capacity.dates(drawn),
            overdraft: *overdraft,
            secret_hash: e.secret_hash,
            bind: e.bind().filter(|_| !mutant::on(Mutant::BindForgotten)),
            claims: e.wish.claims,
            family: e
                .family()
                .filter(|_| !mutant::on(Mutant::FamilyForgotten))
                .map(Into::into),
            called_back: e.ends(),
            handover: e
                .handover()
                .filter(|_| !mutant::on(Mutant::HandoverForgotten))
                .map(|h| Box::new((h.from.clone(), h.until))),
            handed: e.handed(),
        })
    }

    pub fn views(&self, now: BootTime) -> Vec<LeaseView> {
        let all = self.entries.iter();
        all.map(|e| self.view(e, self.wait_of(e), now)).collect()
    }

    /// A claim as others see it; where it waits, how, as far as they are told.
    pub(super) fn view(&self, e: &Entry, wait: Option<Wait>, now: BootTime) -> LeaseView {
        let mut v = bare(e, now.since(e.since));
        match &e.state {
            State::Queued(place) => {
                v.state = waiting(place.runs_until);
                let runs_for = place.runs_until.map(|t| whole_millis(now.until(t)));
                v.runs_for_ms = runs_for;
                if let Some(wait) = wait {
                    v.place = Some(wait.place);
                    v.reason = Some(wait.reason);
                    v.message = Some(wait.message);
                }
            }
            State::Held { silent: false, .. }
                if (e.is_owner() || e.part().is_some()) && !e.taken_back =>
            {
                v.state = ViewState::Reserved;
                v.problem = e.called_back().map(|c| c.why.clone());
            }
            State::Held { silent: true, .. } => {
                v.state = ViewState::Silent;
                let left = now.until(self.due_at(e));
                v.free_in_ms = Some(whole_millis(left));
                let over = e.ends().filter(|c| c.until <= now);
                let taken = self.taken(e).map(Problem::from);
                let taken = taken.or_else(|| over.map(|c| c.why));
                v.problem = taken.or_else(|| self.why_stranded(e));
            }
            State::Held { .. } => {
                v.state = ViewState::Held;
                let called_back = e.ends();
                let taken = self.taken(e).map(Problem::from);
                let taken_away = taken.is_some();
                let taken = taken.or_else(|| called_back.as_ref().map(|c| c.why.clone()));
                v.problem = taken.or_else(|| self.why_stranded(e));
                let left = if taken_away {
                    Some(now.until(self.free_at(e)))
                } else {
                    let called_back = called_back.map(|c| c.left(now));
                    called_back.or_else(|| e.stranded().map(|t| now.until(t)))
                };
                v.free_in_ms = left.map(whole_millis);
            }
            State::Refused(p) => {
                v.state = ViewState::Refused;
                v.problem = Some(Refusal::clone(p).into());
            }
        }
        v
    }

    /// Why nothing of a granted lease counts any more.
    fn taken(&self, e: &Entry) -> Option<Refusal> {
        let barred = self.barred(e.who.key()).err();
        barred.or_else(|| e.taken_back.then_some(Refusal::TakenBack))
    }

    /// Whose a claim is, a refused one's too.
    pub fn holder_of(&self, lease: LeaseId) -> Option<Holder> {
        self.claim_of(lease).map(|(holder, ..)| holder)
    }

    /// Whose a claim is, its name, and what it asks for.
    pub fn claim_of(&self, lease: LeaseId) -> Option<(Holder, &ClaimName, &[Item])> {
        let e = self.entries.get(&lease)?;
        Some((e.who.holder(), &e.wish.name, e.items()))
    }

    pub(super) fn ended_view(e: &Entry, how: EndReason) -> LeaseView {
        LeaseView {
            ended: Some(how),
            ..bare(e, Duration::ZERO)
        }
    }

    /// Whether a granted lease has no seats of its own yet.
    pub fn is_beyond(&self, lease: LeaseId) -> bool {
        let e = self.entries.get(&lease);
        e.is_some_and(|e| e.handover().is_some())
    }

    /// What a granted lease has of each pool, by the pool's place in [`pools`](Self::pools):
    /// nothing of one beyond the seats.
    pub fn draws(&self, lease: LeaseId) -> Vec<(usize, u32)> {
        let e = self.entries.get(&lease);
        let e = e.filter(|e| e.handover().is_none());
        match e.map(|e| &e.state) {
            Some(State::Held { drawn, .. }) => self.capacity.drawn_by(lease, drawn),
            _ => Vec::new(),
        }
    }

    pub fn products(&self) -> Vec<ProductView> {
        let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let rules = self.capacity.products.iter();
        rules
            .map(|p| ProductView {
                name: p.name.clone(),
                seats: self.capacity.most(&p.name),
                used: small(self.tally.product(&p.name).used),
                waiting: small(self.tally.product(&p.name).waiting),
                expires: p.expires().map(|t| t.to_string()),
                changes: self.capacity.changes(&p.name),
                versions: p.versions(),
            })
            .collect()
    }

    pub fn pools(&self) -> Vec<PoolView> {
        let pools = self.capacity.pools.iter();
        pools
            .map(|p| PoolView {
                license: Some(self.capacity.license_id(p)),
                name: p.name.clone(),
                seats: if p.open { p.seats } else { 0 },
                overdraft: if p.open { p.overdraft } else { 0 },
                used: p.used,
                not_before: p.not_before.map(|t| t.to_string()),
                expires: p.expires.map(|t| t.to_string()),
            })
            .collect()
    }

    /// How many seats are held for each project.
    pub fn projects(&self) -> Vec<ProjectSeats> {
        self.tally.projects.seats()
    }

    pub fn gauges(&self) -> Gauges {
        self.tally.gauges()
    }
}

/// How a claim of the queue stands, by whether its application runs on.
pub(super) fn waiting(runs_until: Option<BootTime>) -> ViewState {
    runs_until.map_or(ViewState::Waiting, |_| ViewState::Contested)
}

fn bare(e: &Entry, since: Duration) -> LeaseView {
    let (claim, holder, items) = (e.wish.name.clone(), e.who.holder(), e.items().to_vec());
    LeaseView {
        project: e.wish.project.clone(),
        ..LeaseView::new(e.id, claim, holder, items, ViewState::Ended, since)
    }
}
