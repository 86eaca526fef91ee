//! The world's state. What happens is in the files beside this one.

use super::history::{AppTold, PodNo, SentNo, ServerNo, SiteAt, SiteFact};
use super::net::SiteNet;
use super::plan::{PodPlan, ServerPlan, SitePlan};
use crate::check::Lines;
use crate::clock::Clock;
use crate::history::{Broken, Ms};
use crate::world::EPOCH;
use fastrand::Rng;
use foldhash::HashMap;
use mooring_core::frontend::{Frontend, InForce};
use mooring_core::holder::drive::Drive;
use mooring_core::holder::{Request, Saved, Spec, Tag};
use mooring_core::license::{Digest, LeaseToken};
use mooring_core::names::{BootId, InstanceId};
use mooring_core::receipt::Identity;
use mooring_core::time::{Now, Timestamp};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

type SiteAct = Box<dyn FnOnce(&mut Site)>;

pub(super) struct Site {
    pub(super) plan: SitePlan,
    pub(super) now: Ms,
    /// What will happen, by time and then by when it was planned.
    pub(super) queue: BTreeMap<(Ms, u64), SiteAct>,
    planned: u64,
    /// Chance for everything that is not a message's way.
    pub(super) rng: Rng,
    pub(super) steps: u64,
    pub(super) judge: Lines,
    pub(super) broken: Option<Broken>,
    pub(super) trace: Option<Vec<SiteAt>>,
    pub(super) faults: BTreeMap<&'static str, u64>,
    pub(super) net: SiteNet,
    pub(super) servers: Vec<SiteServer>,
    pub(super) pods: BTreeMap<PodNo, SitePod>,
    pub(super) next_pod: u32,
    msgs: u64,
    pub(super) quiet: bool,
    pub(super) ended: bool,
}

/// A pod with its sidecar.
pub(super) struct SitePod {
    pub(super) plan: PodPlan,
    pub(super) clock: Clock,
    pub(super) up: bool,
    /// Which of its processes runs: what was meant for an earlier one reaches nobody.
    pub(super) life: u64,
    /// The wake-up that counts.
    pub(super) wake: u64,
    /// It crashes before its n-th save or request from now, for so long.
    pub(super) crash: Option<(u8, Ms)>,
    /// It is being ended for good.
    pub(super) ending: bool,
    pub(super) lines: Vec<Line>,
    pub(super) told: Option<AppTold>,
}

/// Its claim in the line of one server.
pub(super) struct Line {
    pub(super) server: ServerNo,
    /// Which part of the claim it is of.
    pub(super) part: usize,
    pub(super) spec: Spec,
    /// While the sidecar runs.
    pub(super) drive: Option<Drive>,
    /// What is on the disk.
    pub(super) saved: Saved,
    /// The request whose answer is awaited.
    pub(super) awaits: Option<Tag>,
    /// An answer that nobody has heard until it is saved.
    pub(super) heard: Option<SiteFact>,
}

/// A request on its way.
pub(super) struct SitePacket {
    pub(super) msg: SentNo,
    pub(super) pod: PodNo,
    pub(super) server: ServerNo,
    pub(super) line: usize,
    pub(super) life: u64,
    pub(super) tag: Tag,
    pub(super) request: Request,
}

/// A server, whether it runs or not.
pub(super) struct SiteServer {
    pub(super) run: Option<SiteRun>,
    pub(super) runs: u64,
    /// It never starts again.
    pub(super) is_over: bool,
    pub(super) clock: Clock,
    pub(super) boot: BootId,
    pub(super) lease_for: Ms,
    pub(super) seats: u32,
    pub(super) identity: Identity,
    pub(super) tokens: HashMap<u64, LeaseToken>,
    /// The license of each delegation.
    pub(super) delegations: Vec<Vec<Digest>>,
    /// The generation of the last run.
    pub(super) generation: Option<u64>,
}

/// One run of it.
pub(super) struct SiteRun {
    pub(super) no: u64,
    pub(super) frontend: Frontend<Rc<SitePacket>>,
    pub(super) in_force: Option<Arc<InForce>>,
    pub(super) instance: InstanceId,
    pub(super) tick: u64,
    pub(super) papers: u64,
    pub(super) settling: bool,
}

/// Of so many servers: their ids are in the order of their numbers.
fn identities(servers: usize) -> Vec<Identity> {
    let keys = (1..).take(servers);
    let all = keys.map(|n| Identity::new(&[n; 32], &[], format!("sim/server-{n}")));
    let mut all: Vec<Identity> = all.collect();
    all.sort_by_key(Identity::id);
    all
}

impl SiteServer {
    fn new(no: u8, identity: Identity, plan: &ServerPlan) -> Self {
        Self {
            run: None,
            runs: 0,
            is_over: false,
            clock: Clock::new(plan.clock.0, plan.clock.1),
            boot: BootId::from_bytes([no + 1; 8]),
            lease_for: plan.lease_for,
            seats: plan.seats,
            identity,
            tokens: HashMap::default(),
            delegations: Vec::new(),
            generation: None,
        }
    }

    /// What both clocks of its machine show. The wall clock is right.
    pub(super) fn clocks(&self, now: Ms) -> Now {
        let ms = EPOCH + i64::try_from(now).unwrap_or(0);
        Now {
            boot: self.clock.read(now),
            wall: Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }
}

impl SitePod {
    pub(super) fn drives(&self) -> Vec<&Drive> {
        self.lines.iter().filter_map(|l| l.drive.as_ref()).collect()
    }

    /// The same, to change them.
    pub(super) fn drives_mut(&mut self) -> Vec<&mut Drive> {
        let lines = self.lines.iter_mut();
        lines.filter_map(|l| l.drive.as_mut()).collect()
    }

    /// The same, by the part of the claim that each is of.
    pub(super) fn parts(&self) -> Vec<Vec<&Drive>> {
        let mut parts = vec![Vec::new(); self.plan.parts.len()];
        for l in &self.lines {
            parts[l.part].extend(l.drive.as_ref());
        }
        parts
    }

    pub(super) fn parts_mut(&mut self) -> Vec<Vec<&mut Drive>> {
        let mut parts: Vec<Vec<&mut Drive>> = self.plan.parts.iter().map(|_| Vec::new()).collect();
        for l in &mut self.lines {
            parts[l.part].extend(l.drive.as_mut());
        }
        parts
    }
}

impl Site {
    pub(super) fn new(plan: SitePlan, keep_trace: bool) -> Self {
        let each = (0..).zip(identities(plan.servers.len()));
        let servers = each.zip(&plan.servers);
        let servers = servers.map(|((n, identity), s)| SiteServer::new(n, identity, s));
        Self {
            now: 0,
            queue: BTreeMap::new(),
            planned: 0,
            rng: Rng::with_seed(plan.seed),
            steps: 0,
            judge: Lines::default(),
            broken: None,
            trace: keep_trace.then(Vec::new),
            faults: BTreeMap::new(),
            net: SiteNet::new(plan.seed, plan.delay),
            servers: servers.collect(),
            pods: BTreeMap::new(),
            next_pod: 0,
            msgs: 0,
            quiet: false,
            ended: false,
            plan,
        }
    }

    /// Plans something.
    pub(super) fn at(&mut self, t: Ms, act: impl FnOnce(&mut Self) + 'static) {
        let key = (t.max(self.now), self.number());
        self.queue.insert(key, Box::new(act));
    }

    pub(super) fn after(&mut self, ms: Ms, act: impl FnOnce(&mut Self) + 'static) {
        self.at(self.now + ms, act);
    }

    /// One that nothing else has.
    pub(super) fn number(&mut self) -> u64 {
        self.planned += 1;
        self.planned
    }

    pub(super) fn new_msg(&mut self) -> SentNo {
        self.msgs += 1;
        SentNo(self.msgs)
    }

    /// States a fact.
    pub(super) fn state(&mut self, fact: SiteFact) {
        let at = SiteAt { t: self.now, fact };
        if self.broken.is_none() {
            self.broken = self.judge.see(&at).err();
        }
        if let Some(trace) = &mut self.trace {
            trace.push(at);
        }
    }

    /// Somebody does one thing after another and comes to no end.
    pub(super) fn spins(&mut self) {
        self.broken.get_or_insert(Broken {
            promise: 10,
            t: self.now,
            what: format!("{} steps and no end", self.steps),
        });
    }
}
