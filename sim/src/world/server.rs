//! The license server's runs: the real `Ledger`, and an edge that judges what is shown, answers, holds requests open, is
//! killed, frozen and moved. It does what `server/` does around the ledger, without sockets and signatures: a document is
//! a number that only this world's server can give out.

use super::pods::claim_name;
use super::{World, lease_no};
use crate::clock::Clock;
use crate::history::{
    Book, ClaimNo, CopyNo, Fact, HolderNo, License, Ms, Msg, MsgNo, Reclaim, Reply, RunNo,
};
use crate::plan::Plan;
use fastrand::Rng;
use mooring_core::holder::{Answer, Request, Tag};
use mooring_core::identity::HolderKey;
use mooring_core::ledger::{
    self, Capacity, Claimed, Granted, HeldLease, Ledger, Limits, Place, Settings, settle_for,
};
use mooring_core::license::{
    AnchorKind, BootStamp, Bundle, CountBy, Digest, Draw, Envelope, KeyId, LeaseToken,
    License as RealLicense, Pool, Product, Shown, Ticket, TicketBundle, TokenAnchor, TokenItem,
    VersionRange, types,
};
use mooring_core::names::{InstanceId, LeaseId};
use mooring_core::policy::OptimisticStart;
use mooring_core::time::{BootTime, Now, Timestamp};
use mooring_core::wire::{
    ClaimRequest, EndReason, Grant, LeaseView, Problem, ProblemType, Renewed, ViewState,
    WaitReason, Waiting,
};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// For how long renewals go on without the anchor.
const ANCHOR_GRACE: Ms = 600_000;
/// How many events a run keeps for the watch.
pub(super) const RING: usize = 64;
/// The wall clock at the world's beginning.
const EPOCH: i64 = 1_800_000_000_000;

/// A message on its way.
#[derive(Clone)]
pub(super) struct Packet {
    pub(super) msg: MsgNo,
    pub(super) copy: CopyNo,
    pub(super) holder: HolderNo,
    pub(super) claim: ClaimNo,
    pub(super) life: u64,
    pub(super) tag: Tag,
    pub(super) request: Request,
    pub(super) what: Msg,
}

/// The server, whether it runs or not.
pub(super) struct Server {
    pub(super) run: Option<Run>,
    runs: u32,
    frozen: bool,
    queue: VecDeque<super::Act>,
    /// Two machines.
    machines: [Machine; 2],
    on: usize,
    pub(super) lease_for: Ms,
    /// The longest lease any run may have granted, as it is kept; `None`: unknown.
    longest: Option<Ms>,
    license: usize,
    anchor_lost: Option<Ms>,
    pub(super) review_down: Ms,
    reclaim: Reclaim,
}

struct Machine {
    clock: Clock,
    boot: &'static str,
    /// By how much its wall clock is wrong.
    wall: i64,
}

/// One run.
pub(super) struct Run {
    pub(super) no: RunNo,
    pub(super) ledger: Ledger,
    instance: InstanceId,
    held_open: Vec<HeldOpen>,
    pub(super) ring: VecDeque<ledger::Event>,
    tick: u64,
    /// What each lease drew when that was last told.
    draws: HashMap<LeaseId, Vec<(usize, u32)>>,
    settling: bool,
    overlap: u64,
    papers: u64,
}

struct HeldOpen {
    packet: Packet,
    lease: LeaseId,
    number: u64,
}

impl Server {
    pub(super) fn new(plan: &Plan, r: &mut Rng) -> Self {
        let mut machine = |boot| Machine {
            clock: Clock::new(
                r.u64(1_000_000..900_000_000),
                r.i64(-crate::clock::MAX_DRIFT..=crate::clock::MAX_DRIFT),
            ),
            boot,
            wall: 0,
        };
        Self {
            run: None,
            runs: 0,
            frozen: false,
            queue: VecDeque::new(),
            machines: [machine("one"), machine("two")],
            on: 0,
            lease_for: plan.lease_for,
            longest: plan.first_start_known.then_some(0),
            license: 0,
            anchor_lost: None,
            review_down: 0,
            reclaim: plan.reclaim,
        }
    }

    /// The longest lease that may be out.
    pub(super) fn longest_lease(&self) -> Ms {
        self.longest.unwrap_or(300_000).max(self.lease_for)
    }

    fn machine(&self) -> &Machine {
        &self.machines[self.on]
    }

    fn boot(&self, now: Ms) -> BootTime {
        self.machine().clock.read(now)
    }

    fn wall(&self, now: Ms) -> Timestamp {
        let ms = EPOCH + i64::try_from(now).unwrap_or(0) + self.machine().wall;
        Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// A document that only the server can give out: its number.
fn paper(kind: &str, no: u64) -> Envelope {
    Envelope {
        payload_type: kind.into(),
        payload: no.to_le_bytes().to_vec(),
        signatures: Vec::new(),
    }
}

/// The number of a document.
pub(super) fn paper_no(e: &Envelope) -> Option<u64> {
    Some(u64::from_le_bytes(e.payload.as_slice().try_into().ok()?))
}

impl World {
    fn real_license(&self, l: &License) -> RealLicense {
        let pools = self.names.pools.iter().zip(&l.pools);
        let products = self.names.products.iter().zip(&l.products);
        RealLicense {
            schema: 1,
            critical: vec![],
            id: "sim".into(),
            supersedes: vec![],
            customer: "sim".into(),
            issued: Timestamp::UNIX_EPOCH,
            not_before: None,
            expires: None,
            maintenance_until: None,
            test: false,
            emergency: false,
            pools: pools
                .map(|(n, (s, o))| Pool {
                    name: n.clone(),
                    seats: *s,
                    overdraft: *o,
                })
                .collect(),
            products: products
                .map(|(name, from)| Product {
                    name: name.clone(),
                    versions: VersionRange::default(),
                    features: vec![],
                    count_by: CountBy::Claim,
                    from: from
                        .iter()
                        .map(|alt| {
                            let draw = |(p, w): &(usize, u32)| Draw {
                                pool: self.names.pools[*p].clone(),
                                weight: *w,
                            };
                            alt.iter().map(draw).collect()
                        })
                        .collect(),
                })
                .collect(),
            anchors: vec![],
            policy: mooring_core::license::Policy::default(),
        }
    }

    fn license(&self) -> &License {
        &self.plan.licenses[self.server.license]
    }

    /// A run starts.
    pub(super) fn server_starts(&mut self) {
        if self.server.run.is_some() {
            return;
        }
        let license = self.license().clone();
        let capacity = Capacity::of(&self.real_license(&license));
        let instance = InstanceId::from_bytes(self.rng.u128(..).to_be_bytes());
        let s = &mut self.server;
        s.runs += 1;
        let lease_for = Duration::from_millis(s.lease_for);
        let settle = settle_for(s.longest.map(Duration::from_millis), lease_for);
        let longest_before = s.longest.unwrap_or(300_000);
        // Kept before the first grant.
        s.longest = Some(s.longest.unwrap_or(0).max(s.lease_for));
        let now = s.boot(self.now);
        let settings = Settings {
            instance,
            generation: u64::try_from(s.wall(self.now).as_millisecond()).unwrap_or(0),
            lease_for,
            settle,
            reclaim: match s.reclaim {
                Reclaim::Any => mooring_core::policy::Reclaim::Any,
                Reclaim::Confirmed => mooring_core::policy::Reclaim::Confirmed,
            },
            grace: Duration::from_millis(license.grace),
            limits: Limits::default(),
        };
        let mut ledger = Ledger::new(settings, capacity, now);
        if s.anchor_lost.is_some() {
            ledger.pause(Some(anchor_lost()), now);
        }
        let run = Run {
            no: RunNo(s.runs),
            settling: ledger.settling(),
            ledger,
            instance,
            held_open: Vec::new(),
            ring: VecDeque::new(),
            tick: 0,
            draws: HashMap::new(),
            overlap: 0,
            papers: 0,
        };
        let fact = Fact::Started {
            run: run.no,
            lease_for: s.lease_for,
            longest_before,
            reclaim: s.reclaim,
            license,
        };
        s.run = Some(run);
        let lost = s.anchor_lost.is_some();
        self.state(fact);
        if lost {
            self.state(Fact::AnchorLost(true));
        }
        self.handed_out();
        let after = self.rng.u64(50..5_000);
        self.after(after, World::operator_connects);
    }

    /// The server is killed.
    pub(super) fn server_dies(&mut self) {
        let Some(run) = self.server.run.take() else {
            return;
        };
        self.server.frozen = false;
        self.server.queue.clear();
        self.state(Fact::Crashed);
        self.operator.disconnected();
        // Who had a request open sees the connection end, or nothing at all.
        for h in run.held_open {
            if self.rng.bool() {
                self.loses_connection(&h.packet);
            }
        }
    }

    fn loses_connection(&mut self, p: &Packet) {
        let p = p.clone();
        for t in self.net.ways(self.now, p.copy, false) {
            let (copy, life, tag) = (p.copy, p.life, p.tag);
            self.at(t, move |w| {
                let closed = Answer::NoContact("connection closed".into());
                w.hears(copy, life, tag, closed, None);
            });
        }
    }

    pub(super) fn server_moves(&mut self) {
        self.server.on = 1 - self.server.on;
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

    pub(super) fn wall_jumps(&mut self, by_secs: i64) {
        let on = self.server.on;
        self.server.machines[on].wall += by_secs * 1000;
    }

    pub(super) fn reloads(&mut self, license: usize) {
        self.when_awake(move |w| {
            w.server_ticks();
            w.server.license = license;
            let l = w.license().clone();
            let capacity = Capacity::of(&w.real_license(&l));
            w.state(Fact::Reloaded(l));
            w.with_ledger(|l, now| l.set_capacity(capacity, now));
        });
    }

    pub(super) fn anchor(&mut self, lost: bool) {
        if lost == self.server.anchor_lost.is_some() {
            return;
        }
        self.server.anchor_lost = lost.then_some(self.now);
        self.when_awake(move |w| {
            w.server_ticks();
            let lost = w.server.anchor_lost.is_some();
            w.state(Fact::AnchorLost(lost));
            w.with_ledger(|l, now| l.pause(lost.then(anchor_lost), now));
        });
    }

    /// Does something at the server's end, once it runs on if it stands still. Nothing if it is down.
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
        let now = self.server.boot(self.now);
        let run = self.server.run.as_mut()?;
        let r = f(&mut run.ledger, now);
        self.handed_out();
        Some(r)
    }

    /// States what came of a step, and answers who waited for it.
    fn handed_out(&mut self) {
        let mut wake = Vec::new();
        while let Some(run) = self.server.run.as_mut() {
            let Some(e) = run.ledger.next_event() else {
                break;
            };
            let v = &e.view;
            if matches!(
                v.state,
                ViewState::Held | ViewState::Ended | ViewState::Refused
            ) {
                let (go, stay) = std::mem::take(&mut run.held_open)
                    .into_iter()
                    .partition(|h| h.lease == v.lease);
                run.held_open = stay;
                wake.extend::<Vec<HeldOpen>>(go);
            }
            // Drained after the step: a lease may have been granted and ended in it.
            let draws = match run.ledger.draws(v.lease) {
                none if none.is_empty() => run.draws.get(&v.lease).cloned().unwrap_or_default(),
                draws => draws,
            };
            run.draws.insert(v.lease, draws.clone());
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
        if std::mem::replace(&mut run.settling, run.ledger.settling()) && !run.settling {
            self.state(Fact::Settled);
        }
        let Some(run) = self.server.run.as_mut() else {
            return;
        };
        let overlap = run.ledger.gauges().overlap_seats;
        if std::mem::replace(&mut run.overlap, overlap) != overlap {
            self.state(Fact::Overlap(overlap));
        }
        for h in wake {
            self.answer_held_open(&h);
        }
        self.plan_tick();
    }

    fn booked(&self, e: &ledger::Event, draws: Vec<(usize, u32)>) -> Option<Fact> {
        let v = &e.view;
        let holder = holder_no(v)?;
        let claim = claim_of(v)?;
        let priority = self.priority(holder);
        let book = match v.state {
            ViewState::Waiting => Book::Waiting,
            ViewState::Contested => Book::Contested,
            ViewState::Held => Book::Held { draws },
            ViewState::Silent => Book::Silent { draws },
            ViewState::Refused => Book::Refused,
            ViewState::Ended => Book::Ended(v.ended.map_or("ended", EndReason::as_str)),
        };
        Some(Fact::Booked {
            seq: e.seq,
            lease: lease_no(v.lease),
            holder,
            claim,
            items: self.items_of(&v.items),
            priority,
            book,
        })
    }

    fn priority(&self, holder: HolderNo) -> i32 {
        // By identity, as a policy would have it; replaced pods keep it.
        self.plan
            .pods
            .get(holder.0 as usize % self.plan.pods.len())
            .map_or(0, |p| p.priority)
    }

    fn plan_tick(&mut self) {
        let now = self.now;
        let s = &mut self.server;
        let clock = s.machines[s.on].clock;
        let Some(run) = s.run.as_mut() else { return };
        run.tick += 1;
        let (no, tick) = (run.no, run.tick);
        let Some(t) = clock.when(run.ledger.next_deadline()) else {
            return;
        };
        self.at(t.max(now), move |w| {
            if w.server
                .run
                .as_ref()
                .is_some_and(|r| (r.no, r.tick) == (no, tick))
                && !w.server.frozen
            {
                w.server_ticks();
            }
        });
    }

    /// What is due by now happens before anything else does: each is a step of its own.
    pub(super) fn server_ticks(&mut self) {
        self.with_ledger(mooring_core::ledger::Ledger::tick);
    }

    /// A message reaches the server's machine.
    pub(super) fn arrives(&mut self, p: Packet) {
        if self.server.run.is_none() {
            // Nobody listens: the connection is refused.
            self.loses_connection(&p);
            return;
        }
        self.when_awake(move |w| w.received(&p));
    }

    fn received(&mut self, p: &Packet) {
        self.server_ticks();
        self.state(Fact::Received {
            msg: p.msg,
            holder: p.holder,
            claim: p.claim,
            what: p.what.clone(),
        });
        match p.request.clone() {
            Request::Renew(r) => {
                let renewed = self.with_ledger(|l, now| l.renew(&r, now));
                let Some(renewed) = renewed.map(|r| r.map_err(Problem::from)) else {
                    return;
                };
                let late = self
                    .server
                    .anchor_lost
                    .is_some_and(|t| self.now > t + ANCHOR_GRACE);
                let renewed = if late {
                    renewed.and_then(|_| Err(anchor_lost()))
                } else {
                    renewed
                };
                match renewed {
                    Ok(g) => {
                        let token = self.token(&g);
                        let reply = self.lease_reply(&g);
                        let l = self.license();
                        let renewed = Renewed::Ok {
                            lease: g.lease,
                            instance: self.instance(),
                            lease_for: Duration::from_millis(self.server.lease_for),
                            run_for: Duration::from_millis(l.grace),
                            max_contested: Duration::from_millis(l.max_contested),
                            optimistic_start: OptimisticStart::Allow,
                            counter: g.counter,
                            token,
                        };
                        self.answers(p, Answer::Renewed(Box::new(renewed)), reply);
                    }
                    Err(problem) => {
                        let reply = Reply::Problem(problem.kind.name());
                        let renewed = Renewed::Problem {
                            lease: r.lease,
                            problem,
                        };
                        self.answers(p, Answer::Renewed(Box::new(renewed)), reply);
                    }
                }
            }
            Request::Release {
                lease,
                secret,
                counter,
            } => {
                let Some(name) = claim_name(p.claim) else {
                    return;
                };
                match self
                    .with_ledger(|l, now| l.release(&name, lease, &secret, Some(counter), now))
                {
                    Some(Ok(_)) => self.answers(p, Answer::Released, Reply::Released),
                    Some(Err(e)) => self.refuses(p, e.into()),
                    None => {}
                }
            }
            Request::Claim { body, wait, bearer } => self.claimed(p, &body, wait, bearer),
        }
    }

    /// `PUT /v1/claims/{name}`, as the server's edge does it.
    fn claimed(&mut self, p: &Packet, body: &ClaimRequest, wait: Option<Duration>, bearer: bool) {
        let Some(name) = claim_name(p.claim) else {
            return;
        };
        let shows = body.ticket.is_some() || body.held.is_some();
        if shows
            && self
                .server
                .anchor_lost
                .is_some_and(|t| self.now > t + ANCHOR_GRACE)
        {
            return self.refuses(p, anchor_lost());
        }
        let real = Self::real_holder(p.holder);
        let shown = Shown {
            claim: &name,
            secret_hash: body.secret_hash,
            secret: body.secret.as_ref(),
            holder: &real,
        };
        let now = Now {
            boot: self.server.boot(self.now),
            wall: self.server.wall(self.now),
        };
        let boot = self.server.machine().boot;
        let ticket = body
            .ticket
            .as_ref()
            .and_then(|t| self.tickets.get(&paper_no(&t.ticket)?));
        let ticket = ticket
            .filter(|t| shown.counts(*t, &self.identity).is_ok())
            .cloned();
        let held = body
            .held
            .as_ref()
            .and_then(|h| Some((h.counter, self.tokens.get(&paper_no(&h.lease)?)?)));
        let held = held.filter(|(_, t)| shown.counts(*t, &self.identity).is_ok());
        let held = held.map(|(counter, t)| HeldLease {
            unexpired: t.unexpired(now, boot),
            age: t.age(now.boot, boot),
            counter,
            token: t.clone(),
        });
        let vouched = ticket.is_some() || held.is_some();
        if !vouched && !bearer {
            return self.refuses(
                p,
                Problem::new(ProblemType::Unauthenticated, "no credential"),
            );
        }
        if !vouched && self.now < self.server.review_down {
            return self.refuses(
                p,
                Problem::new(ProblemType::Overloaded, "tokens cannot be reviewed"),
            );
        }
        let id = LeaseId::from_bytes(self.rng.u128(..).to_be_bytes());
        let claim = ledger::Claim {
            ticket,
            held,
            priority: self.priority(p.holder),
            ..ledger::Claim::of(body, real.clone(), name, id)
        };
        let settles = self
            .server
            .run
            .as_ref()
            .is_some_and(|r| r.ledger.settling());
        let comes_back = settles && body.heard != Some(self.instance());
        match self.with_ledger(|l, now| l.claim(claim, now)) {
            None => {}
            Some(Err(e)) => self.refuses(p, e.into()),
            Some(Ok(Claimed::Granted(g))) => self.grants(p, g),
            Some(Ok(Claimed::Waiting(place))) => match wait.filter(|_| !comes_back) {
                Some(wait) => self.holds_open(p, place.lease, wait),
                None => self.waits(p, place),
            },
        }
    }

    /// The answer is held until the claim is granted, for half a lease at most.
    fn holds_open(&mut self, p: &Packet, lease: LeaseId, wait: Duration) {
        let wait = u64::try_from(wait.as_millis())
            .unwrap_or(0)
            .min(self.server.lease_for / 2);
        let number = self.planned;
        let Some(run) = self.server.run.as_mut() else {
            return;
        };
        run.held_open.push(HeldOpen {
            packet: p.clone(),
            lease,
            number,
        });
        let no = run.no;
        self.after(wait, move |w| {
            w.when_awake(move |w| {
                let Some(run) = w.server.run.as_mut().filter(|r| r.no == no) else {
                    return;
                };
                if let Some(i) = run.held_open.iter().position(|h| h.number == number) {
                    let h = run.held_open.swap_remove(i);
                    w.answer_held_open(&h);
                }
            });
        });
    }

    fn answer_held_open(&mut self, h: &HeldOpen) {
        let Some(run) = &self.server.run else { return };
        match run.ledger.status(h.lease) {
            Some(Claimed::Granted(g)) => self.grants(&h.packet, g),
            Some(Claimed::Waiting(p)) => self.waits(&h.packet, p),
            None => self.refuses(
                &h.packet,
                Problem::new(ProblemType::UnknownLease, "the claim ended while it waited"),
            ),
        }
    }

    fn grants(&mut self, p: &Packet, g: Granted) {
        let token = self.token(&g);
        let reply = self.lease_reply(&g);
        let l = self.license();
        let grant = Grant {
            lease: g.lease,
            claim: g.claim,
            instance: self.instance(),
            items: g.items,
            lease_for: Duration::from_millis(self.server.lease_for),
            run_for: Duration::from_millis(l.grace),
            max_contested: Duration::from_millis(l.max_contested),
            optimistic_start: OptimisticStart::Allow,
            counter: g.counter,
            holder: g.holder,
            token,
        };
        self.answers(p, Answer::Granted(Box::new(grant)), reply);
    }

    fn waits(&mut self, p: &Packet, place: Place) {
        let Some(run) = self.server.run.as_mut() else {
            return;
        };
        run.papers += 1;
        let no = (u64::from(run.no.0) << 40) | run.papers;
        let instance = run.instance;
        let ticket = Ticket {
            instance,
            generation: place.generation,
            arrival: place.arrival,
            lease: place.lease,
            claim: place.claim.clone(),
            items: place.items.clone(),
            holder: self.identity.hide(&place.holder),
            cnf: place.secret_hash,
            contested: place.contested,
            issued_at: self.server.wall(self.now),
        };
        self.tickets.insert(no, ticket);
        let l = self.license();
        let reply = Reply::Waiting {
            lease: lease_no(place.lease),
            place: place.place,
            settling: place.reason == WaitReason::Settling,
        };
        let waiting = Waiting {
            lease: place.lease,
            claim: place.claim,
            instance,
            place: place.place,
            reason: place.reason,
            ticket: TicketBundle {
                delegation: paper(types::DELEGATION, 0),
                ticket: paper(types::TICKET, no),
            },
            retry_in: Duration::from_millis((self.server.lease_for / 3).max(1000)),
            max_contested: Duration::from_millis(l.max_contested),
            holder: place.holder,
        };
        self.answers(p, Answer::Waiting(Box::new(waiting)), reply);
    }

    fn refuses(&mut self, p: &Packet, e: Problem) {
        let reply = Reply::Problem(e.kind.name());
        self.answers(p, Answer::Problem(e), reply);
    }

    #[allow(clippy::needless_pass_by_value)] // an answer is used up by being given
    fn answers(&mut self, p: &Packet, answer: Answer, reply: Reply) {
        self.state(Fact::Answered {
            msg: p.msg,
            reply: reply.clone(),
        });
        for t in self.net.ways(self.now, p.copy, false) {
            let (copy, life, tag, msg) = (p.copy, p.life, p.tag, p.msg);
            let (answer, reply) = (answer.clone(), reply.clone());
            self.at(t, move |w| {
                w.hears(copy, life, tag, answer, Some((msg, reply)));
            });
        }
    }

    fn instance(&self) -> InstanceId {
        self.server
            .run
            .as_ref()
            .map_or(InstanceId::from_bytes([0; 16]), |r| r.instance)
    }

    fn lease_reply(&self, g: &Granted) -> Reply {
        Reply::Lease {
            lease: lease_no(g.lease),
            lease_for: self.server.lease_for,
            run_for: self.license().grace,
        }
    }

    fn token(&mut self, g: &Granted) -> Bundle {
        let now = self.server.boot(self.now);
        let age = i64::try_from(now.since(g.received).as_millis()).unwrap_or(0);
        let wall = self.server.wall(self.now);
        let issued_at = Timestamp::from_millisecond(wall.as_millisecond() - age).unwrap_or(wall);
        let (lease_for, run_for) = (self.server.lease_for, self.license().grace);
        let boot = self.server.machine().boot;
        let holder = self.identity.hide(&g.holder);
        let item = |i: &mooring_core::request::Item| TokenItem {
            product: i.product.clone(),
            seats: i.seats,
            versions: VersionRange::default(),
            maintenance_until: None,
        };
        let no = self.server.run.as_mut().map_or(0, |run| {
            run.papers += 1;
            (u64::from(run.no.0) << 40) | run.papers
        });
        let token = LeaseToken {
            license: Digest(String::new()),
            anchor: TokenAnchor {
                kind: AnchorKind::Pkcs11,
                key_id: KeyId(String::new()),
            },
            delegation: Digest(String::new()),
            instance: self.instance(),
            seq: no,
            lease: g.lease,
            claim: g.claim.clone(),
            holder,
            items: g.items.iter().map(item).collect(),
            issued_at,
            issued_boot: Some(BootStamp {
                boot: boot.into(),
                ms: g.received,
            }),
            lease_for: Duration::from_millis(lease_for),
            run_for: Duration::from_millis(run_for),
            counter: g.counter,
            draws: g.draws.clone(),
            overdraft: g.overdraft,
            cnf: g.secret_hash,
            test: false,
            emergency: false,
            nonce: None,
        };
        self.tokens.insert(no, token);
        Bundle {
            license: paper(types::LICENSE, 0),
            delegation: paper(types::DELEGATION, 0),
            lease: paper(types::LEASE, no),
        }
    }
}

fn anchor_lost() -> Problem {
    Problem::new(ProblemType::AnchorLost, "the anchor is not there")
}

/// Whose a claim of the books is.
pub(super) fn holder_no(v: &LeaseView) -> Option<HolderNo> {
    let HolderKey(uid) = v.holder.key();
    Some(HolderNo(uid.strip_prefix("uid-")?.parse().ok()?))
}

fn claim_of(v: &LeaseView) -> Option<ClaimNo> {
    Some(ClaimNo(
        v.claim.as_str().strip_prefix("claim")?.parse().ok()?,
    ))
}

/// The books as the watch has them: each claim's state.
pub(super) fn listed(run: &Run, now: BootTime) -> HashMap<LeaseId, ViewState> {
    run.ledger
        .views(now)
        .into_iter()
        .map(|v| (v.lease, v.state))
        .collect()
}

impl World {
    /// What the server lists at this moment.
    pub(super) fn list(&self) -> Option<HashMap<LeaseId, ViewState>> {
        let now = self.server.boot(self.now);
        self.server.run.as_ref().map(|r| listed(r, now))
    }
}
