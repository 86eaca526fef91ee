//! The license server's runs: the real frontend and ledger, started, killed, frozen and moved; and
//! the facts of what comes of it.

use super::owners::owner_no;
use super::seen::Seen;
use super::state::{Packet, Run, World, lease_no};
use crate::history::{Book, ClaimNo, Fact, HolderNo, Ms, RunNo};
use foldhash::HashMap;
use mooring_core::frontend::Frontend;
use mooring_core::holder::Answer;
use mooring_core::ledger::{self, Capacity, Ledger, Limits, Settings, generation, settle_for};
use mooring_core::names::{InstanceId, LeaseId};
use mooring_core::time::{BootTime, Now};
use mooring_core::wire::{EndReason, ViewState};
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

/// How many events a run keeps for the watch.
pub(super) const RING: usize = 64;

impl World {
    /// A run starts.
    pub(super) fn server_starts(&mut self) {
        if self.server.run.is_some() {
            return;
        }
        let license = self.plan.licenses[self.server.license].clone();
        let instance = InstanceId::from_bytes(self.rng.u128(..).to_be_bytes());
        let s = &mut self.server;
        s.runs += 1;
        let moved = std::mem::replace(&mut s.was_on, s.on) != s.on;
        s.moved |= moved;
        let skewed = moved && s.machines[0].wall != s.machines[1].wall;
        let moved = s.moved;
        let lease_for = Duration::from_millis(s.lease_for);
        let settle = settle_for(s.longest.map(Duration::from_millis), lease_for);
        let longest_before = s.longest.unwrap_or(300_000);
        // Kept before the first grant.
        s.longest = Some(s.longest.unwrap_or(0).max(s.lease_for));
        let now = s.now(self.now);
        let kept = &mut s.generations[s.on];
        let generation = generation(*kept, now.wall);
        *kept = Some(generation);
        let settings = Settings {
            instance,
            generation,
            lease_for,
            settle,
            reclaim: s.reclaim.real(),
            grace: Duration::from_millis(license.grace),
            outsiders: false,
            limits: Limits::default(),
        };
        let ledger = Ledger::new(settings, Capacity::none(), now.boot);
        let seen = Seen::nothing(now.boot);
        let run = Run {
            no: RunNo(s.runs),
            settling: ledger.settling(),
            frontend: Frontend::new(ledger, seen.authority(), now),
            instance,
            seen,
            ring: VecDeque::new(),
            tick: 0,
            draws: HashMap::default(),
            beyond: BTreeSet::new(),
            overlap: 0,
            papers: 0,
        };
        let fact = Fact::Started {
            run: run.no,
            lease_for: s.lease_for,
            longest_before,
            reclaim: s.reclaim,
            license,
            moved,
            skewed,
        };
        s.run = Some(run);
        self.state(fact);
        self.state(Fact::Wall(self.server.machine().wall));
        self.server.told.clear();
        self.server.seats_told = None;
        self.takes_policies_in();
        self.handed_out();
        self.looks();
        let after = self.rng.u64(50..5_000);
        self.after(after, World::operator_connects);
    }

    /// The server is killed.
    pub(super) fn server_dies(&mut self) {
        let Some(mut run) = self.server.run.take() else {
            return;
        };
        self.server.frozen = false;
        self.server.queue.clear();
        self.state(Fact::Crashed);
        self.operator.connected = None;
        // Who had a request open sees the connection end, or nothing at all.
        run.frontend.close(self.server.now(self.now));
        while let Some((packet, _)) = run.frontend.next_answer() {
            if self.rng.bool() {
                self.loses_connection(&packet);
            }
        }
    }

    pub(super) fn loses_connection(&mut self, p: &Rc<Packet>) {
        for t in self.net.ways(self.now, p.copy, false) {
            let (copy, life, tag) = (p.copy, p.life, p.tag);
            self.at(t, move |w| {
                let closed = Answer::NoContact("connection closed".into());
                w.hears(copy, life, tag, closed, None);
            });
        }
    }

    /// The server's process stands still.
    pub(super) fn server_freezes(&mut self, lasts: Ms) {
        if self.server.run.is_none() || self.server.frozen {
            return;
        }
        self.server.frozen = true;
        self.state(Fact::Frozen);
        self.after(lasts, Self::server_thaws);
    }

    pub(super) fn server_thaws(&mut self) {
        if !std::mem::take(&mut self.server.frozen) {
            return;
        }
        self.state(Fact::Thawed);
        self.server_ticks();
        for act in std::mem::take(&mut self.server.queue) {
            act(self);
        }
    }

    /// Does something at the server's end, once it runs on if it stands still. Nothing if it is
    /// down.
    pub(super) fn when_awake(&mut self, act: impl FnOnce(&mut Self) + 'static) {
        if self.server.run.is_none() {
            // What is said of the world and not to the run is taken up by the next run's start.
            return;
        }
        if self.server.frozen {
            self.server.queue.push_back(Box::new(act));
        } else {
            act(self);
        }
    }

    /// Whether the server is there and moves.
    pub(super) fn server_runs(&self) -> bool {
        self.server.run.is_some() && !self.server.frozen
    }

    /// Lets the ledger do something now; then states what came of it.
    pub(super) fn with_ledger<R>(
        &mut self,
        f: impl FnOnce(&mut Ledger, BootTime) -> R,
    ) -> Option<R> {
        self.with_frontend(|frontend, now| frontend.act(now, f))
    }

    /// Lets the frontend do something now; then states what came of it, and answers.
    pub(super) fn with_frontend<R>(
        &mut self,
        f: impl FnOnce(&mut Frontend<Rc<Packet>>, Now) -> R,
    ) -> Option<R> {
        let now = self.server.now(self.now);
        let run = self.server.run.as_mut()?;
        let r = f(&mut run.frontend, now);
        self.handed_out();
        Some(r)
    }

    /// States what came of a step, and answers.
    pub(super) fn handed_out(&mut self) {
        while let Some(run) = self.server.run.as_mut() {
            let Some(e) = run.frontend.next_event() else {
                break;
            };
            let v = &e.view;
            // Drained after the step: a lease may have been granted and ended in it.
            let draws = match run.frontend.ledger().draws(v.lease) {
                none if none.is_empty() => run.draws.get(&v.lease).cloned().unwrap_or_default(),
                draws => draws,
            };
            run.draws.insert(v.lease, draws.clone());
            self.states_beyond(&e);
            let fact = self.booked(&e, draws);
            if let Some(run) = self.server.run.as_mut() {
                run.ring.push_back(e);
                if run.ring.len() > RING {
                    run.ring.pop_front();
                }
            }
            if let Some(fact) = fact {
                self.state(fact);
            }
        }
        let Some(run) = self.server.run.as_mut() else {
            return;
        };
        if std::mem::replace(&mut run.settling, run.frontend.ledger().settling()) && !run.settling {
            self.state(Fact::Settled);
        }
        let Some(run) = self.server.run.as_mut() else {
            return;
        };
        let overlap = run.frontend.ledger().gauges().overlap_seats;
        if std::mem::replace(&mut run.overlap, overlap) != overlap {
            self.state(Fact::Overlap(overlap));
        }
        while let Some(run) = self.server.run.as_mut() {
            let Some((packet, answer)) = run.frontend.next_answer() else {
                break;
            };
            self.answers_claim(&packet, answer);
        }
        if let Some(run) = self
            .server
            .run
            .as_ref()
            .filter(|_| !self.plan.owners.is_empty())
        {
            let pools = run.frontend.ledger().pools();
            let used = pools.iter().map(|p| u64::from(p.used)).collect();
            self.state(Fact::Used(used));
        }
        self.plan_tick();
    }

    /// Whether a lease has no seats of its own yet, where that is news.
    fn states_beyond(&mut self, e: &ledger::Event) {
        let lease = e.view.lease;
        let Some(run) = self.server.run.as_mut() else {
            return;
        };
        if !matches!(e.view.state, ViewState::Held | ViewState::Silent) {
            run.beyond.remove(&lease);
            return;
        }
        let is = run.frontend.ledger().is_beyond(lease);
        let news = if is {
            run.beyond.insert(lease)
        } else {
            run.beyond.remove(&lease)
        };
        if news {
            let lease = lease_no(lease);
            self.state(Fact::Beyond { lease, is });
        }
    }

    fn booked(&self, e: &ledger::Event, draws: Vec<(usize, u32)>) -> Option<Fact> {
        let v = &e.view;
        let key = v.holder.key();
        let book = match v.state {
            ViewState::Waiting => Book::Waiting,
            ViewState::Contested => Book::Contested,
            ViewState::Held | ViewState::Reserved => Book::Held { draws },
            ViewState::Silent => Book::Silent { draws },
            ViewState::Refused => Book::Refused,
            ViewState::Ended => Book::Ended(v.ended.map_or("ended", EndReason::as_str)),
        };
        if let Some(owner) = owner_no(&key) {
            return Some(Fact::OwnerBooked {
                owner,
                lease: lease_no(v.lease),
                items: self.items_of(&v.items),
                book,
            });
        }
        let holder = HolderNo(key.0.strip_prefix("uid-")?.parse().ok()?);
        let claim = match v.claim.as_str().strip_prefix("claim") {
            Some(no) => no.parse().ok()?,
            // The pod's own, where it may be an owner's.
            None => 0,
        };
        Some(Fact::Booked {
            seq: e.seq,
            lease: lease_no(v.lease),
            holder,
            claim: ClaimNo(claim),
            items: self.items_of(&v.items),
            priority: self.priority(holder),
            book,
        })
    }

    /// What the policy that the run has taken in says of a holder.
    fn priority(&self, holder: HolderNo) -> i32 {
        let policy = self.server.seats_told;
        let policy = policy.and_then(|n| self.plan.policies.get(n));
        policy.map_or(0, |p| p.priority(holder))
    }

    fn plan_tick(&mut self) {
        let now = self.now;
        let s = &mut self.server;
        let clock = s.machines[s.on].clock;
        let Some(run) = s.run.as_mut() else { return };
        run.tick += 1;
        let (no, tick) = (run.no, run.tick);
        let Some(t) = clock.when(run.frontend.next_deadline()) else {
            return;
        };
        self.at(t.max(now), move |w| {
            let run = w.server.run.as_ref();
            if run.is_some_and(|r| (r.no, r.tick) == (no, tick)) && !w.server.frozen {
                w.server_ticks();
            }
        });
    }

    /// What is due by now happens before anything else does: each is a step of its own.
    pub(super) fn server_ticks(&mut self) {
        self.with_frontend(Frontend::tick);
    }

    /// What the server lists at this moment: the books as the watch has them, each claim's state.
    pub(super) fn list(&self) -> Option<HashMap<LeaseId, ViewState>> {
        let now = self.server.boot(self.now);
        let views = self.server.run.as_ref()?.frontend.ledger().views(now);
        Some(views.into_iter().map(|v| (v.lease, v.state)).collect())
    }
}
