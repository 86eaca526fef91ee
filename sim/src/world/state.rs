//! The world's state: who is there, what is known, what will happen. What happens is in the files
//! beside this one.

use super::net::Net;
use super::owned::Owned;
use super::seen::Seen;
use crate::check::{Checker, Families};
use crate::clock::Clock;
use crate::coverage::Coverage;
use crate::history::{
    At, Broken, ClaimNo, CopyNo, Fact, GroupNo, HolderNo, Items, LeaseNo, Ms, Msg, MsgNo, Reclaim,
    RunNo, Says, SecretNo,
};
use crate::plan::{Plan, Pod};
use fastrand::Rng;
use foldhash::HashMap;
use mooring_core::frontend::Frontend;
use mooring_core::holder::drive::Drive;
use mooring_core::holder::{Request, Saved, Spec, Tag};
use mooring_core::ledger;
use mooring_core::license::{Digest, LeaseToken};
use mooring_core::mutant::{self, Mutant};
use mooring_core::names::{
    BootId, ClaimName, InstanceId, LeaseId, PoolName, ProductName, RequestId,
};
use mooring_core::receipt::{Identity, Sealed};
use mooring_core::secret::{Secret, SecretHash};
use mooring_core::time::{BootTime, Now, Timestamp};
use mooring_core::wire::{ClaimKind, Policies, ViewState};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

pub(super) type Act = Box<dyn FnOnce(&mut World)>;

/// The wall clock at the world's beginning.
pub(crate) const EPOCH: i64 = 1_800_000_000_000;

/// A world.
pub struct World {
    pub(super) plan: Plan,
    pub(super) now: Ms,
    /// What will happen, by time and then by when it was planned.
    pub(super) queue: BTreeMap<(Ms, u64), Act>,
    pub(super) planned: u64,
    /// Chance for everything that is not a message's way.
    pub(super) rng: Rng,
    pub steps: u64,
    pub(super) checker: Checker,
    /// What judges worlds with owners.
    pub(super) families: Families,
    pub(super) owners: Vec<Owned>,
    pub coverage: Coverage,
    /// The first promise broken.
    pub broken: Option<Broken>,
    /// Everything that happened, if it is to be kept.
    pub trace: Option<Vec<At>>,
    pub(super) names: Names,
    pub(super) net: Net,
    pub(super) server: Server,
    pub(super) copies: BTreeMap<CopyNo, Copy>,
    pub(super) next_holder: u32,
    pub(super) next_copy: u32,
    pub(super) operator: Operator,
    pub(super) identity: Identity,
    pub(super) tokens: HashMap<u64, LeaseToken>,
    /// What each receipt and ticket that was given out is of.
    pub(super) sealed: HashMap<Sealed, SealedFor>,
    /// The license of each delegation.
    pub(super) delegations: Vec<Vec<Digest>>,
    pub(super) msgs: u64,
    pub(super) secrets: HashMap<SecretHash, SecretNo>,
    /// Pods that start before then have no token until then.
    pub(super) no_token: Ms,
    pub(super) quiet: bool,
    pub(super) ended: bool,
}

/// What a receipt or a ticket is of.
#[derive(Clone, Copy)]
pub(super) struct SealedFor {
    pub(super) lease: LeaseNo,
    /// When the request was received that it answered, in true time, and its grace.
    pub(super) given: Option<(Ms, Ms)>,
}

/// Names of pools and products, made once.
pub(super) struct Names {
    pub(super) pools: Vec<PoolName>,
    pub(super) products: Vec<ProductName>,
}

/// One lineage of sidecar processes over one state volume.
pub(super) struct Copy {
    pub(super) holder: HolderNo,
    pub(super) plan: Pod,
    pub(super) clock: Clock,
    /// True time that the machine was suspended: what CLOCK_MONOTONIC leaves out.
    pub(super) asleep: Ms,
    pub(super) asleep_since: Option<Ms>,
    /// What came while the machine stood still.
    pub(super) inbox: VecDeque<Act>,
    pub(super) up: bool,
    /// Those that were not given back; of one that is, there may be a newer one of the same name.
    pub(super) claims: Vec<Claim>,
    /// The pod ends once all is given back.
    pub(super) ending: bool,
    /// Until when the file with its token is missing.
    pub(super) no_token: Ms,
    /// It crashes before its n-th save or request from now, for so long.
    pub(super) crash: Option<(u8, Ms)>,
}

/// One claim of it.
pub(super) struct Claim {
    pub(super) no: ClaimNo,
    pub(super) kind: ClaimKind,
    pub(super) spec: Spec,
    pub(super) items: Items,
    pub(super) secret: SecretNo,
    /// While the sidecar runs.
    pub(super) drive: Option<Drive>,
    /// What is on the disk.
    pub(super) saved: Option<Saved>,
    /// Which drive this is: what was meant for an earlier one reaches nobody.
    pub(super) life: u64,
    /// The wake-up that counts.
    pub(super) wake: u64,
    /// The request whose answer is awaited.
    pub(super) awaits: Option<Tag>,
    pub(super) told: Option<ToldState>,
    /// An answer that nobody has heard until it is saved: a crash before that leaves things as they
    /// were.
    pub(super) heard: Option<Fact>,
    /// What becomes of it once it was given back; `None`: it was not.
    pub(super) given_back: Option<Then>,
}

/// What the application was told: state, lease, limit, until when `Held`.
pub(super) type ToldState = (Says, Option<LeaseNo>, Option<Ms>, Option<Ms>);

/// What follows when a claim was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing.
    End,
    /// After so long a new one begins.
    Again(Ms),
}

/// What an application asks for: a claim, its kind and items.
pub(super) type Wish = (ClaimNo, ClaimKind, Items);

impl Claim {
    /// One of which nobody was told anything yet.
    pub(super) fn new(
        (no, kind, items): Wish,
        spec: Spec,
        secret: SecretNo,
        drive: Drive,
        life: u64,
    ) -> Self {
        Self {
            no,
            kind,
            spec,
            items,
            secret,
            drive: Some(drive),
            saved: None,
            life,
            wake: 0,
            awaits: None,
            told: None,
            heard: None,
            given_back: None,
        }
    }

    pub(super) fn wish(&self) -> Wish {
        (self.no, self.kind, self.items.clone())
    }

    pub(super) fn restored(&self, saved: Saved, clock: BootTime) -> Drive {
        Drive::restore(self.spec.clone(), self.kind, saved, clock)
    }
}

impl Copy {
    /// One that runs and asks for nothing yet.
    pub(super) fn new(holder: HolderNo, plan: Pod, clock: Clock) -> Self {
        Self {
            holder,
            plan,
            clock,
            asleep: 0,
            asleep_since: None,
            inbox: VecDeque::new(),
            up: true,
            claims: Vec::new(),
            ending: false,
            no_token: 0,
            crash: None,
        }
    }

    /// What the clock that the sidecar goes by leaves out.
    fn left_out(&self) -> Duration {
        let monotonic = mutant::on(Mutant::MonotonicClock);
        Duration::from_millis(if monotonic { self.asleep } else { 0 })
    }

    /// What the clock shows that the sidecar goes by.
    pub(super) fn read(&self, now: Ms) -> BootTime {
        self.clock.read(now) - self.left_out()
    }

    /// The true time at which it shows `b`.
    pub(super) fn when(&self, b: BootTime) -> Option<Ms> {
        match b {
            BootTime::NEVER => None,
            b => self.clock.when(b + self.left_out()),
        }
    }

    /// Whether it can do anything.
    pub(super) fn runs(&self) -> bool {
        self.up && self.asleep_since.is_none()
    }

    pub(super) fn claim(&mut self, life: u64) -> Option<&mut Claim> {
        self.claims.iter_mut().find(|c| c.life == life)
    }

    pub(super) fn lives(&self) -> Vec<u64> {
        self.claims.iter().map(|c| c.life).collect()
    }
}

/// A message on its way.
pub(super) struct Packet {
    pub(super) msg: MsgNo,
    pub(super) copy: CopyNo,
    pub(super) holder: HolderNo,
    pub(super) claim: ClaimNo,
    pub(super) name: ClaimName,
    pub(super) life: u64,
    pub(super) tag: Tag,
    pub(super) request: Request,
    pub(super) what: Msg,
}

/// The server, whether it runs or not.
pub(super) struct Server {
    pub(super) run: Option<Run>,
    pub(super) runs: u32,
    pub(super) frozen: bool,
    pub(super) queue: VecDeque<Act>,
    /// Two machines.
    pub(super) machines: [Machine; 2],
    pub(super) on: usize,
    /// Where the last run was, and whether it was ever elsewhere than the one before.
    pub(super) was_on: usize,
    pub(super) moved: bool,
    /// No clock was ever wrong.
    pub(super) walls_right: bool,
    pub(super) lease_for: Ms,
    /// The longest lease any run may have granted, as it is kept; `None`: unknown.
    pub(super) longest: Option<Ms>,
    /// The generation of the last run, as each machine keeps it.
    pub(super) generations: [Option<u64>; 2],
    /// Which license file lies there, and how often it was issued anew.
    pub(super) license: usize,
    pub(super) issue: u64,
    /// The anchor is not there.
    pub(super) anchor_lost: bool,
    pub(super) review_down: Ms,
    /// Until when its edge answers everybody with a problem, and which.
    pub(super) edge: Option<(Ms, usize)>,
    /// Which groups are not entitled, as the file says that each run reads.
    pub(super) unentitled: BTreeSet<GroupNo>,
    /// What the present run has taken in of that.
    pub(super) policies: Rc<Policies>,
    pub(super) told: BTreeSet<GroupNo>,
    /// Which of the plan's seat policies lies there, and what the present run has taken in.
    pub(super) seats: Option<usize>,
    pub(super) seats_told: Option<usize>,
    pub(super) reclaim: Reclaim,
}

pub(super) struct Machine {
    pub(super) clock: Clock,
    pub(super) boot: BootId,
    /// By how much its wall clock is wrong.
    pub(super) wall: i64,
}

/// One run.
pub(super) struct Run {
    pub(super) no: RunNo,
    pub(super) frontend: Frontend<Rc<Packet>>,
    pub(super) instance: InstanceId,
    pub(super) seen: Seen,
    pub(super) ring: VecDeque<ledger::Event>,
    pub(super) tick: u64,
    /// What each lease drew when that was last told.
    pub(super) draws: HashMap<LeaseId, Vec<(usize, u32)>>,
    /// Those that were stated beyond the seats.
    pub(super) beyond: BTreeSet<LeaseId>,
    pub(super) settling: bool,
    pub(super) overlap: u64,
    pub(super) papers: u64,
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
            machines: [1, 2].map(|n| machine(BootId::from_bytes([n; 8]))),
            was_on: 0,
            moved: false,
            on: 0,
            walls_right: true,
            lease_for: plan.lease_for,
            longest: plan.first_start_known.then_some(0),
            generations: [None; 2],
            license: 0,
            issue: 0,
            anchor_lost: false,
            review_down: 0,
            edge: None,
            unentitled: BTreeSet::new(),
            policies: Rc::default(),
            told: BTreeSet::new(),
            seats: plan.policy,
            seats_told: None,
            reclaim: plan.reclaim,
        }
    }

    /// The longest lease that may be out.
    pub(super) fn longest_lease(&self) -> Ms {
        self.longest.unwrap_or(300_000).max(self.lease_for)
    }

    pub(super) fn machine(&self) -> &Machine {
        &self.machines[self.on]
    }

    pub(super) fn boot(&self, now: Ms) -> BootTime {
        self.machine().clock.read(now)
    }

    /// What both clocks of its machine show.
    pub(super) fn now(&self, now: Ms) -> Now {
        let ms = EPOCH + i64::try_from(now).unwrap_or(0) + self.machine().wall;
        Now {
            boot: self.boot(now),
            wall: Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }

    pub(super) fn set_wall(&mut self, set: impl Fn(i64) -> i64) {
        let m = &mut self.machines[self.on];
        m.wall = set(m.wall);
        self.walls_right = false;
    }
}

/// What it knows.
#[derive(Default)]
pub(super) struct Operator {
    /// Pods not proven gone.
    pub(super) there: BTreeSet<HolderNo>,
    /// Proven gone, and not yet said to the present run.
    pub(super) gone: BTreeSet<HolderNo>,
    pub(super) revoked: BTreeSet<HolderNo>,
    pub(super) down_until: u64,
    pub(super) connected: Option<RunNo>,
    /// The watch: what was put together, and up to which event.
    pub(super) follows: Option<(RunNo, u64, HashMap<LeaseId, ViewState>)>,
}

impl World {
    /// Plans something.
    pub(super) fn at(&mut self, t: Ms, act: impl FnOnce(&mut Self) + 'static) {
        self.planned += 1;
        self.queue
            .insert((t.max(self.now), self.planned), Box::new(act));
    }

    pub(super) fn after(&mut self, ms: Ms, act: impl FnOnce(&mut Self) + 'static) {
        self.at(self.now + ms, act);
    }

    /// States a fact.
    pub(super) fn state(&mut self, fact: Fact) {
        self.coverage.fact(&fact);
        let at = At { t: self.now, fact };
        if self.broken.is_none() {
            let verdict = if self.plan.owners.is_empty() {
                self.checker.see(&at)
            } else {
                self.families.see(&at)
            };
            self.broken = verdict.err();
        }
        if let Some(trace) = &mut self.trace {
            trace.push(at);
        }
    }

    pub(super) fn new_msg(&mut self) -> MsgNo {
        self.msgs += 1;
        MsgNo(self.msgs)
    }

    /// The claim of a copy whose drive this is.
    pub(super) fn claim(&mut self, no: CopyNo, life: u64) -> Option<&mut Claim> {
        self.copies.get_mut(&no)?.claim(life)
    }

    /// A fresh secret.
    pub(super) fn new_secret(&mut self) -> (SecretNo, Secret) {
        let no = SecretNo(u32::try_from(self.secrets.len()).unwrap_or(u32::MAX));
        let mut b = [0; 32];
        b[..4].copy_from_slice(&no.0.to_le_bytes());
        let secret = Secret::from_bytes(b);
        self.secrets.insert(secret.hash(), no);
        (no, secret)
    }

    /// The number of a secret; a new one for one that a holder has made by itself.
    pub(super) fn secret_no(&mut self, h: SecretHash) -> SecretNo {
        let next = SecretNo(u32::try_from(self.secrets.len()).unwrap_or(u32::MAX));
        *self.secrets.entry(h).or_insert(next)
    }
}

/// A lease's id as the history has it.
pub(crate) fn lease_no(id: LeaseId) -> LeaseNo {
    LeaseNo(u128::from_be_bytes(id.to_bytes()))
}

/// Chance for a holder.
pub(crate) struct Dice<'a>(pub(crate) &'a mut Rng);

impl mooring_core::holder::Random for Dice<'_> {
    fn request_id(&mut self) -> RequestId {
        RequestId::from_bytes(self.0.u128(..).to_be_bytes())
    }

    fn fraction(&mut self) -> f64 {
        self.0.f64()
    }

    fn secret(&mut self) -> Secret {
        let mut b = [0; 32];
        self.0.fill(&mut b);
        Secret::from_bytes(b)
    }
}
