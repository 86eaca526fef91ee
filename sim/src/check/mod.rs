//! Holds a history against the promises of docs/protocol.md. It imports neither state machine.
//!
//! | file | promise |
//! |---|---|
//! | `seats` | 1, 14: what holders hold; never a part |
//! | `freeing` | 2: what frees a seat, and when |
//! | `restart` | 3: what a restart keeps |
//! | `licensed` | 4, 9, half of 7: how long an application is licensed |
//! | `overtaking` | 5, places of 6: nobody is passed over |
//! | `authority` | 1: nothing is signed without authority; 5: who is granted something hears it, and waits no longer than half a lease |
//! | `repeat` | 6: one lease per claim |
//! | `contested` | 7: the books of contested claims, the gauge |
//! | `copies` | 8: copies, and what is none |
//! | `liveness` | 10: after faults |
//! | `secrets` | 11: nothing without the secret |
//! | `call_back` | 4, 12: holders that are not entitled any more |
//! | `revoke` | 12: revoked holders, leases that an administrator took back |
//! | `silence` | 15: what starts without the server |
//! | `watch` | 13: the watch |
//! | `dates` | 16: seats begin and end on their day |
//! | `policy` | 17: what a seat policy gives to whom |
//! | `turns`, `patience` | 5: nobody is passed over, where a policy is in force; for how long who does not fit is |
//! | `families`, `handovers` | 18, 19: owners hold for their pods; a rollout hands over; a judge by itself, of the worlds that have them |
//! | `lines` | 20: one claim in the lines of several servers; a judge by itself, of the worlds that have several |
//! | `model`: `lease`, `run`, `step`, `books`, `queue`, `apps`, `demand`, `in_force`, `owners` | what is known: leases, the server's run, steps and books, who waits, holders, what claims draw, what a policy leaves to whom |
//! | `measure` | how exact a clock is |
//!
//! A step of the server (a message, a word of the operator, or time) is judged when it is over:
//! when a fact comes that is neither a change of the books nor an answer, or time goes on. Each
//! fact costs what it concerns: looks by key, bisection of a line, a heap for what time alone makes
//! due.
//!
//! Where the design leaves something open, the file's head says which reading is taken.

mod apps;
mod authority;
mod books;
mod call_back;
mod contested;
mod copies;
mod dates;
mod demand;
mod families;
mod freeing;
mod handovers;
mod in_force;
mod lease;
mod licensed;
mod lines;
mod liveness;
mod measure;
mod model;
mod overtaking;
mod owners;
mod patience;
mod policy;
mod queue;
mod repeat;
mod restart;
mod revoke;
mod run;
mod seats;
mod secrets;
mod seen;
mod silence;
mod step;
#[cfg(test)]
mod story;
mod turns;
mod watch;

use std::cmp::Reverse;

use apps::{App, Told};
pub use families::Families;
pub use lines::Lines;
use measure::Verdict;
use model::{Cause, Model, Step};
pub use seen::Seen;

use crate::history::{At, ClaimNo, CopyNo, Fact, Ms, Reply};

/// The checker.
#[derive(Debug, Default)]
pub struct Checker {
    m: Model,
    step: Step,
    seen: Seen,
    last_seq: u64,
    faults_end: Option<Ms>,
}

impl Checker {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How often each promise's condition was really put to the test.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Takes the next fact; the first promise that it breaks, if any.
    ///
    /// # Errors
    /// The promise that is broken.
    pub fn see(&mut self, fact: &At) -> Verdict {
        if fact.t > self.m.now {
            self.close_step()?;
            self.m.now = fact.t;
            freeing::overdue(&mut self.m)?;
            authority::overdue(&self.m)?;
            self.look_at_apps()?;
        }
        match &fact.fact {
            // The gauge may be read amid a step.
            Fact::Overlap(says) => contested::gauge(&self.m, *says, &mut self.seen),
            Fact::Booked { .. } | Fact::Answered { .. } | Fact::Settled => {
                self.step.open = true;
                self.of_the_step(&fact.fact)
            }
            other => {
                self.close_step()?;
                self.of_the_server(other);
                self.of_the_watch(other)?;
                self.of_holders(other)
            }
        }
    }

    /// What time alone makes due.
    fn look_at_apps(&mut self) -> Verdict {
        while let Some(&Reverse((at, no))) = self.m.apps.due.peek() {
            if at > self.m.now {
                break;
            }
            self.m.apps.due.pop();
            seats::recount(&mut self.m, no, &mut self.seen)?;
            licensed::overdue(&self.m, no)?;
        }
        Ok(())
    }

    /// A step of the server is over.
    fn close_step(&mut self) -> Verdict {
        if !self.step.open {
            return Ok(());
        }
        let step = std::mem::take(&mut self.step);
        let (m, seen) = (&mut self.m, &mut self.seen);
        m.note_receipt(&step);
        dates::step_begins(m);
        if !m.run.roster_done && (step.settled || step.grants().next().is_some()) {
            m.run.look_at_rosters();
        }
        authority::step_end(m, &step, seen)?;
        freeing::step_end(m, &step)?;
        secrets::step_end(m, &step, seen)?;
        repeat::step_end(m, &step, seen)?;
        revoke::step_end(m, &step, seen)?;
        policy::step_end(m, &step, seen)?;
        call_back::step_end(m, &step, seen)?;
        restart::step_end(m, &step, seen)?;
        contested::step_end(m, &step, seen)?;
        dates::step_end(m, &step, seen)?;
        if let Some(misplaced) = step.misplaced {
            return Err(misplaced);
        }
        overtaking::step_end(m, &step, seen)
    }

    /// What a step brings about.
    fn of_the_step(&mut self, fact: &Fact) -> Verdict {
        let (m, step, seen) = (&mut self.m, &mut self.step, &mut self.seen);
        match fact {
            Fact::Booked {
                seq,
                lease,
                holder,
                claim,
                items,
                priority,
                book,
            } => {
                watch::booked(m, &mut self.last_seq, *seq)?;
                let (of, asked) = ((*holder, *claim), (items, *priority));
                let before = policy::before(m, *lease, book, seen);
                let change = m.booked(step.message(), *lease, of, asked, book);
                restart::booked(m, step, &change, seen)?;
                seats::booked(m, step, &change, seen)?;
                freeing::booked(m, step, &change, seen)?;
                revoke::booked(m, &change)?;
                policy::booked(m, step, &change, before, seen)?;
                step.changes.push(change);
            }
            Fact::Answered { msg, reply } => {
                authority::answered(m, step, *msg, reply, seen)?;
                m.answered(step, *msg, reply);
                if let Reply::Lease { lease, .. } = reply {
                    dates::answered(m, *lease)?;
                    seats::answered(m, *lease)?;
                }
                // Why a place is wrong is seen better when the step is over.
                let place = overtaking::answered(m, step, *msg, reply, seen);
                step.misplaced = step.misplaced.take().or(place.err());
                if *reply == Reply::Problem("cloned")
                    && m.apps.newest(*msg)
                    && let Some(asks) = step.message().filter(|c| c.msg == *msg)
                {
                    copies::told(m, asks.of.0, "is answered", seen)?;
                }
                step.answers.push((*msg, reply.clone()));
            }
            Fact::Settled => {
                m.run.settled = true;
                step.settled = true;
                m.queues.touch_all(m.license.pools.len());
            }
            _ => {}
        }
        Ok(())
    }

    /// Facts of the server, the operator and the world.
    fn of_the_server(&mut self, fact: &Fact) {
        let m = &mut self.m;
        let pools = m.license.pools.len();
        let mut cause = Cause::Nothing;
        match fact {
            Fact::Started {
                run,
                lease_for,
                longest_before,
                reclaim,
                license,
                moved,
                skewed,
            } => {
                m.started(*run, *lease_for, *longest_before, *reclaim, license.clone());
                (m.run.moved, m.run.skewed) = (*moved, *skewed);
                self.last_seq = 0;
            }
            Fact::Crashed => return m.crashed(),
            Fact::Frozen => {
                m.run.frozen = true;
                return;
            }
            Fact::Thawed => {
                m.run.frozen = false;
                m.run.thawed = m.now;
                m.queues.touch_all(pools);
            }
            Fact::Reloaded(license) => {
                m.run.disturbed = m.now;
                m.adopt(license.clone());
            }
            Fact::Wall(off) => {
                m.run.wall = *off;
                m.run.started_wall.get_or_insert(*off);
                m.highest_wall = m.highest_wall.max(*off);
                return;
            }
            Fact::Delegated { from, to } => {
                m.run.delegated = Some((*from, *to));
                m.queues.touch_all(pools);
            }
            Fact::AnchorLost(lost) => {
                m.run.anchor_lost = lost.then_some(m.now);
                m.queues.touch_all(pools);
            }
            Fact::Received {
                msg,
                holder,
                claim,
                what,
            } => cause = Cause::Message(m.received(*msg, (*holder, *claim), what)),
            Fact::Roster(holders) => {
                m.run.rosters.push(holders.clone());
                m.run.look_at_rosters();
                m.queues.touch_all(pools);
            }
            Fact::Gone(holders) => {
                m.run.gone.extend(holders);
                cause = Cause::Gone(holders.clone());
            }
            Fact::TakenBack(lease) => {
                m.taken_back(*lease);
                m.run.disturbed = m.now;
                cause = Cause::TakenBack(*lease);
            }
            Fact::Policy(policy) => policy::taken_in(m, policy.as_ref()),
            Fact::Revoked(..) | Fact::Entitled(..) => m.may_hold(fact),
            _ => return,
        }
        (self.step.open, self.step.cause) = (true, cause);
    }

    /// Facts of the watch and of the world's end.
    fn of_the_watch(&mut self, fact: &Fact) -> Verdict {
        match fact {
            Fact::Followed { equal } => watch::followed(&self.m, *equal, &mut self.seen)?,
            Fact::ListAnew => self.seen.listed_anew += 1,
            Fact::FaultsEnd => self.faults_end = Some(self.m.now),
            Fact::End => liveness::end(&self.m, self.faults_end, &mut self.seen)?,
            _ => {}
        }
        Ok(())
    }

    fn of_holders(&mut self, fact: &Fact) -> Verdict {
        let (m, seen) = (&mut self.m, &mut self.seen);
        let now = m.now;
        match fact {
            Fact::Begun { .. } => self.begun(fact)?,
            Fact::Sent {
                copy,
                claim,
                msg,
                what,
            } => m.apps.send(now, (*copy, *claim), *msg, what),
            Fact::Heard {
                copy,
                claim,
                msg,
                reply,
            } => licensed::heard(m, (*copy, *claim), *msg, reply, seen)?,
            Fact::Silence { copy, claim } => silence::heard_nothing(m, (*copy, *claim), seen),
            Fact::Tells {
                copy,
                claim,
                says,
                lease,
                limit,
                held_until,
            } => {
                let no = (*copy, *claim);
                let told = Told {
                    says: *says,
                    lease: *lease,
                    limit: *limit,
                    held_until: *held_until,
                };
                seats::tells(m, no, &told)?;
                licensed::tells(m, no, &told, seen)?;
                seats::recount(m, no, seen)?;
            }
            Fact::GivesBack { copy, claim } => {
                m.apps.give_back((*copy, *claim));
                let holder = m.apps.copies.get(copy).map(|c| c.holder);
                let all = holder.map_or(Vec::new(), |h| m.apps.copies_of(h).to_vec());
                for copy in all {
                    seats::recount(m, (copy, *claim), seen)?;
                }
            }
            Fact::SidecarDown(copy) => self.of_copy(*copy, |c| c.up = false, true)?,
            Fact::SidecarUp(copy) => self.of_copy(*copy, |c| c.up = true, false)?,
            Fact::Died(copy) => self.of_copy(*copy, |c| c.dead = true, false)?,
            Fact::Suspended(copy) => self.of_copy(*copy, |c| c.suspended = true, false)?,
            Fact::Resumed(copy) => self.of_copy(*copy, |c| c.suspended = false, false)?,
            Fact::Copied { from, to } => m.apps.copy(now, *from, *to),
            _ => {}
        }
        Ok(())
    }

    fn begun(&mut self, fact: &Fact) -> Verdict {
        let (m, seen) = (&mut self.m, &mut self.seen);
        let Fact::Begun {
            copy,
            holder,
            claim,
            pods,
            secret,
            items,
            start_optimistic,
            max_grace,
        } = fact
        else {
            return Ok(());
        };
        let mut answered = false;
        if let Some(old) = m.apps.claims.get_mut(&(*copy, *claim)) {
            old.says = None;
            answered = *pods && old.answered;
            seats::recount(m, (*copy, *claim), seen)?;
        }
        let mut app = App::new(*holder, *claim, *secret, m.now);
        app.start_optimistic = *start_optimistic;
        app.answered = answered;
        app.max_grace = *max_grace;
        app.items.clone_from(items);
        m.apps.begin(*copy, app);
        Ok(())
    }

    /// Something happens to a copy: its applications may count no more, or again; what they say is
    /// looked at a moment later.
    fn of_copy(
        &mut self,
        no: CopyNo,
        change: impl FnOnce(&mut apps::KnownCopy),
        crash: bool,
    ) -> Verdict {
        let m = &mut self.m;
        let Some(copy) = m.apps.copies.get_mut(&no) else {
            return Ok(());
        };
        change(copy);
        let claims: Vec<ClaimNo> = copy.claims.clone();
        for no in claims.into_iter().map(|claim| (no, claim)) {
            if crash {
                m.apps.crash(no);
            }
            seats::recount(m, no, &mut self.seen)?;
            m.apps.look_at(m.now + 3, no);
        }
        Ok(())
    }
}
