//! From what happens in the books to what is recorded: who came to hold, lost or was denied what,
//! each once, and none of the plain renewals.

use super::record::{AuditDraw, AuditEvent, Credential, Fact, LicenseMark};
use super::refusals::Refusals;
use crate::frontend::InForce;
use crate::identity::{Holder, HolderKey};
use crate::ledger::{Event, Granted};
use crate::license::OpenLicense;
use crate::names::{ClaimName, LeaseId};
use crate::request::Item;
use crate::time::BootTime;
use crate::wire::{EndReason, LeaseView, ProblemType, ViewState};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// Who makes a step in the books.
#[derive(Clone, Debug)]
pub struct Actor {
    pub credential: Credential,
    pub about: About,
}

/// What a step is about. Whatever else comes of it (the next in line is granted) is nobody's deed.
#[derive(Clone, Debug)]
pub enum About {
    Claim(HolderKey, ClaimName),
    Lease(LeaseId),
    Holders(HashSet<HolderKey>),
}

impl Actor {
    fn means(&self, v: &LeaseView) -> bool {
        match &self.about {
            About::Claim(holder, name) => v.claim == *name && v.holder.key() == *holder,
            About::Lease(lease) => v.lease == *lease,
            About::Holders(holders) => holders.contains(&v.holder.key()),
        }
    }
}

/// What was recorded of a claim that is in the books.
#[derive(Debug, Default)]
struct Recorded {
    granted: bool,
    problem: Option<ProblemType>,
    /// By which it was claimed.
    credential: Option<Arc<Credential>>,
    /// The number of the terms that it was last renewed under.
    terms: u64,
}

/// What leases are given under.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Terms {
    licenses: Vec<LicenseMark>,
    lease_for_secs: u64,
    run_for_secs: u64,
}

impl Terms {
    fn of(f: &InForce) -> Self {
        let mark = |l: &Arc<OpenLicense>| LicenseMark {
            id: l.license.id.clone(),
            digest: l.digest.clone(),
        };
        Self {
            licenses: f.licenses().map(mark).collect(),
            lease_for_secs: f.terms.lease_for.as_secs(),
            run_for_secs: f.terms.run_for.as_secs(),
        }
    }

    fn say(self, fact: Fact) -> Fact {
        Fact {
            licenses: self.licenses,
            lease_for_secs: Some(self.lease_for_secs),
            run_for_secs: Some(self.run_for_secs),
            ..fact
        }
    }
}

/// Hears of each step, and says what is to be recorded of it.
#[derive(Debug, Default)]
pub struct Trail {
    leases: HashMap<LeaseId, Recorded>,
    refusals: Refusals,
    terms: Option<Terms>,
    /// Grows with each change of the terms.
    number: u64,
    facts: VecDeque<Fact>,
}

impl Trail {
    /// What is to be recorded, oldest first. Drain it after each step.
    pub fn next_fact(&mut self) -> Option<Fact> {
        self.facts.pop_front()
    }

    /// Something that is no claim's.
    pub fn note(&mut self, fact: Fact) {
        self.facts.push_back(fact);
    }

    /// What is in force: a change of it is recorded, and the first renewal under it of each lease.
    pub fn in_force(&mut self, f: &InForce) {
        let terms = Terms::of(f);
        if self.terms.as_ref() != Some(&terms) {
            self.number += 1;
            self.terms = Some(terms.clone());
            self.note(terms.say(Fact::of(AuditEvent::License)));
        }
    }

    /// A holder is barred, or no more.
    pub fn barred(&mut self, holder: &HolderKey, why: Option<&str>, by: Option<Credential>) {
        let event = why.map_or(AuditEvent::Lifted, |_| AuditEvent::Revoked);
        self.note(Fact {
            holder_key: Some(holder.clone()),
            credential: by,
            why: why.map(ToOwned::to_owned),
            ..Fact::of(event)
        });
    }

    /// Something happened in the books, in a step that `actor` made.
    pub fn happened(&mut self, e: &Event, actor: Option<&Actor>, now: BootTime) {
        let v = &e.view;
        let actor = actor.filter(|a| a.means(v));
        match v.state {
            ViewState::Waiting | ViewState::Contested => {
                if !self.leases.contains_key(&v.lease) {
                    self.begin(AuditEvent::Claimed, e, actor);
                }
            }
            ViewState::Held | ViewState::Reserved | ViewState::Silent => self.holds(e, actor),
            // The answer to a claim says that it was refused; here it is one that waited.
            ViewState::Refused => {
                self.leases.remove(&v.lease);
                let claimed = actor.is_some_and(|a| matches!(a.about, About::Claim(..)));
                if let Some(p) = v.problem.as_ref().filter(|_| !claimed) {
                    let credential = actor.map(|a| a.credential.clone());
                    self.refused((&v.holder, &v.claim, &v.items), credential, p.kind, now);
                }
            }
            ViewState::Ended => self.ended(v, actor),
        }
    }

    /// A claim is in the books from here on.
    fn begin(&mut self, event: AuditEvent, e: &Event, actor: Option<&Actor>) {
        let credential = actor.map(|a| a.credential.clone());
        let recorded = Recorded {
            credential: credential.clone().map(Arc::new),
            granted: event == AuditEvent::Reinstated,
            terms: self.number,
            problem: None,
        };
        self.leases.insert(e.view.lease, recorded);
        self.note(Fact {
            credential,
            ..of(event, e)
        });
    }

    fn holds(&mut self, e: &Event, actor: Option<&Actor>) {
        let v = &e.view;
        // A new claim waits first, if only for a moment.
        if !self.leases.contains_key(&v.lease) {
            self.begin(AuditEvent::Reinstated, e, actor);
        }
        let Some(r) = self.leases.get_mut(&v.lease) else {
            return;
        };
        if !r.granted {
            (r.granted, r.terms) = (true, self.number);
            self.facts.push_back(Fact {
                credential: r.credential.as_deref().cloned(),
                ..of(AuditEvent::Granted, e)
            });
        }
        let problem = v.problem.as_ref().map(|p| p.kind);
        // Of a silent one less is shown: that is no word that it is kept.
        if r.problem == problem || (v.state == ViewState::Silent && problem.is_none()) {
            return;
        }
        r.problem = problem;
        let event = problem.map_or(AuditEvent::Kept, |_| AuditEvent::CalledBack);
        self.facts.push_back(Fact {
            credential: actor.map(|a| a.credential.clone()),
            problem,
            run_for_secs: problem.and(v.free_in_ms).map(|ms| ms / 1000),
            ..of(event, e)
        });
    }

    fn ended(&mut self, v: &LeaseView, actor: Option<&Actor>) {
        let known = self.leases.remove(&v.lease).is_some();
        let how = v.ended.unwrap_or(EndReason::Other);
        // Its claim goes on otherwise in the same step, or was a refusal, which is recorded.
        if !known || matches!(how, EndReason::AskedAgain | EndReason::Forgotten) {
            return;
        }
        // Silence is nobody's deed, though somebody's step may find it out.
        let done = matches!(how, EndReason::Released | EndReason::Gone);
        self.note(Fact {
            holder: Some(v.holder.clone()),
            credential: actor.filter(|_| done).map(|a| a.credential.clone()),
            claim: Some(v.claim.clone()),
            lease: Some(v.lease),
            items: v.items.clone(),
            project: v.project.clone(),
            how: Some(how),
            ..Fact::of(AuditEvent::Ended)
        });
    }

    /// Somebody who is known is refused.
    pub fn refused(
        &mut self,
        (holder, claim, items): (&Holder, &ClaimName, &[Item]),
        credential: Option<Credential>,
        problem: ProblemType,
        now: BootTime,
    ) {
        // Who has not the secret is not known, nor whose a lease is that is not in the books. One
        // that ended while it waited is recorded as that.
        if matches!(
            problem,
            ProblemType::Unauthenticated | ProblemType::UnknownLease
        ) {
            return;
        }
        let fact = Fact {
            holder: Some(holder.clone()),
            credential,
            claim: Some(claim.clone()),
            items: items.to_vec(),
            problem: Some(problem),
            ..Fact::of(AuditEvent::Refused)
        };
        let fact = self.refusals.note(holder.key(), problem, fact, now);
        self.facts.extend(fact);
    }

    /// A lease was renewed.
    pub fn renewed(&mut self, g: &Granted) {
        let number = self.number;
        let Some(r) = self.leases.get_mut(&g.lease) else {
            return;
        };
        if std::mem::replace(&mut r.terms, number) == number {
            return;
        }
        let fact = Fact {
            holder: Some(g.holder.clone()),
            credential: Some(Credential::Secret),
            claim: Some(g.claim.clone()),
            lease: Some(g.lease),
            items: g.items.clone(),
            draws: AuditDraw::of(&g.parts),
            overdraft: g.overdraft,
            ..Fact::of(AuditEvent::Renewed)
        };
        let fact = match &self.terms {
            Some(terms) => terms.clone().say(fact),
            None => fact,
        };
        self.note(fact);
    }

    /// Records refusals that were counted for long enough; at [`NEVER`](BootTime::NEVER) all.
    pub fn count(&mut self, now: BootTime) {
        self.facts.extend(self.refusals.over(now));
    }
}

fn of(event: AuditEvent, e: &Event) -> Fact {
    let v = &e.view;
    Fact {
        holder: Some(v.holder.clone()),
        claim: Some(v.claim.clone()),
        lease: Some(v.lease),
        items: v.items.clone(),
        project: v.project.clone(),
        draws: AuditDraw::of(&e.parts),
        overdraft: e.overdraft,
        ..Fact::of(event)
    }
}
