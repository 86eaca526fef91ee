//! A simulated world: the real `Ledger` and the real `Holder`, and around them machines, clocks, a network, an operator.
//!
//! Everything that will happen stands in one queue, ordered by true time. Taking the next thing out and doing it is a
//! step. Nothing here judges: each thing that happens is stated as a fact, and the facts go to the checker.
//!
//! | file | idea |
//! |---|---|
//! | `pods` | pods with their sidecars: the `Holder` and its edge |
//! | `server` | the license server's runs: the frontend with its `Ledger`, and the facts of what comes of them |
//! | `edge` | what reaches the server and what it answers: documents are numbers |
//! | `anchor` | its anchor and license file |
//! | `operator` | the roster, proof that pods are gone, revocations, the watch |
//! | `net` | what becomes of messages |
//! | `trouble` | what the plan's faults do |

mod anchor;
mod edge;
mod net;
mod operator;
mod pods;
mod server;
mod trouble;

use crate::check::Checker;
use crate::coverage::Coverage;
use crate::history::{At, Broken, CopyNo, Fact, LeaseNo, Ms, MsgNo, SecretNo};
use crate::plan::Plan;
use fastrand::Rng;
use mooring_core::license::{Digest, IdentityKey, LeaseToken, Ticket};
use mooring_core::names::{LeaseId, PoolName, ProductName, RequestId};
use mooring_core::secret::{Secret, SecretHash};
use std::collections::{BTreeMap, HashMap};

type Act = Box<dyn FnOnce(&mut World)>;

/// A world.
pub struct World {
    plan: Plan,
    now: Ms,
    /// What will happen, by time and then by when it was planned.
    queue: BTreeMap<(Ms, u64), Act>,
    planned: u64,
    /// Chance for everything that is not a message's way.
    rng: Rng,
    /// Steps done.
    pub steps: u64,
    checker: Checker,
    /// What came up in this world.
    pub coverage: Coverage,
    /// The first promise broken.
    pub broken: Option<Broken>,
    /// Everything that happened, if it is to be kept.
    pub trace: Option<Vec<At>>,
    names: Names,
    net: net::Net,
    server: server::Server,
    copies: BTreeMap<CopyNo, pods::Copy>,
    next_holder: u32,
    next_copy: u32,
    operator: operator::Operator,
    identity: IdentityKey,
    tokens: HashMap<u64, LeaseToken>,
    tickets: HashMap<u64, Ticket>,
    /// The license of each delegation.
    delegations: Vec<Digest>,
    msgs: u64,
    secrets: HashMap<SecretHash, SecretNo>,
    quiet: bool,
    ended: bool,
}

/// Names of pools and products, made once.
struct Names {
    pools: Vec<PoolName>,
    products: Vec<ProductName>,
}

/// How a world ended.
pub struct Outcome {
    /// Steps done.
    pub steps: u64,
    /// True time that passed.
    pub time: Ms,
    /// What came up.
    pub coverage: Coverage,
    /// The first promise broken.
    pub broken: Option<Broken>,
    /// Everything that happened, if it was kept.
    pub trace: Vec<At>,
}

impl World {
    /// Lives a plan's world through, or until a promise is broken.
    pub fn live(plan: &Plan, keep_trace: bool) -> Outcome {
        let mut w = Self::new(plan.clone(), keep_trace);
        w.begin();
        // Far more steps than planned means that something spins: the plan's end is then an error of its own.
        let most = plan.steps * 60 + 3_000_000;
        while w.broken.is_none() && !w.ended {
            let Some(((t, _), act)) = w.queue.pop_first() else {
                break;
            };
            w.now = t.max(w.now);
            w.steps += 1;
            act(&mut w);
            if w.steps > most {
                w.broken = Some(Broken {
                    promise: 10,
                    t: w.now,
                    what: format!("{most} steps and no end"),
                });
            }
        }
        w.coverage.checks(w.checker.seen().each());
        Outcome {
            steps: w.steps,
            time: w.now,
            coverage: w.coverage,
            broken: w.broken,
            trace: w.trace.unwrap_or_default(),
        }
    }

    fn new(plan: Plan, keep_trace: bool) -> Self {
        let mut rng = Rng::with_seed(plan.seed);
        let name = |p: &str, n: usize| format!("{p}{n}");
        let pools = plan.licenses[0].pools.len();
        let products = plan.licenses[0].products.len();
        let names = Names {
            pools: (0..pools)
                .filter_map(|n| name("pool", n).parse().ok())
                .collect(),
            products: (0..products)
                .filter_map(|n| name("product", n).parse().ok())
                .collect(),
        };
        let server = server::Server::new(&plan, &mut rng);
        Self {
            net: net::Net::new(plan.seed, plan.delay),
            plan,
            now: 0,
            queue: BTreeMap::new(),
            planned: 0,
            rng,
            steps: 0,
            checker: Checker::new(),
            coverage: Coverage::default(),
            broken: None,
            trace: keep_trace.then(Vec::new),
            names,
            server,
            copies: BTreeMap::new(),
            next_holder: 1,
            next_copy: 1,
            operator: operator::Operator::default(),
            identity: IdentityKey::new(&[7; 32]),
            tokens: HashMap::new(),
            tickets: HashMap::new(),
            delegations: Vec::new(),
            msgs: 0,
            secrets: HashMap::new(),
            quiet: false,
            ended: false,
        }
    }

    fn begin(&mut self) {
        self.server_starts();
        for pod in self.plan.pods.clone() {
            self.at(pod.at, move |w| {
                w.pod_starts(&pod);
            });
        }
        for (t, fault) in self.plan.faults.clone() {
            self.at(t, move |w| w.trouble(&fault));
        }
        self.at(self.plan.quiet_at, Self::quiet_begins);
        let first = self.rng.u64(0..self.plan.lease_for);
        self.after(first, Self::operator_looks);
    }

    /// Nothing fails from here on; the end comes once everybody had Q + 2D to recover.
    fn quiet_begins(&mut self) {
        self.quiet = true;
        self.all_well();
        let d = self.server.longest_lease();
        // Who was refused asks again after a minute; only then is it heard.
        let q = (d + d / 1000 + 1_000).max(66_000);
        let end = (self.now + q + 2 * d + 2_000).max(self.plan.end_at);
        self.at(end, |w| {
            w.state(Fact::End);
            w.ended = true;
        });
    }

    /// Plans something.
    fn at(&mut self, t: Ms, act: impl FnOnce(&mut Self) + 'static) {
        self.planned += 1;
        self.queue
            .insert((t.max(self.now), self.planned), Box::new(act));
    }

    fn after(&mut self, ms: Ms, act: impl FnOnce(&mut Self) + 'static) {
        self.at(self.now + ms, act);
    }

    /// States a fact.
    fn state(&mut self, fact: Fact) {
        self.coverage.fact(&fact);
        let at = At { t: self.now, fact };
        if self.broken.is_none()
            && let Err(b) = self.checker.see(&at)
        {
            self.broken = Some(b);
        }
        if let Some(trace) = &mut self.trace {
            trace.push(at);
        }
    }

    fn new_msg(&mut self) -> MsgNo {
        self.msgs += 1;
        MsgNo(self.msgs)
    }

    /// A fresh secret.
    fn new_secret(&mut self) -> (SecretNo, Secret) {
        let no = SecretNo(u32::try_from(self.secrets.len()).unwrap_or(u32::MAX));
        let mut b = [0; 32];
        b[..4].copy_from_slice(&no.0.to_le_bytes());
        let secret = Secret::from_bytes(b);
        self.secrets.insert(secret.hash(), no);
        (no, secret)
    }

    /// The number of a secret; a new one for one that a holder has made by itself.
    fn secret_no(&mut self, h: SecretHash) -> SecretNo {
        let next = SecretNo(u32::try_from(self.secrets.len()).unwrap_or(u32::MAX));
        *self.secrets.entry(h).or_insert(next)
    }
}

/// A lease's id as the history has it.
fn lease_no(id: LeaseId) -> LeaseNo {
    LeaseNo(u128::from_be_bytes(id.to_bytes()))
}

/// Chance for a holder.
struct Dice<'a>(&'a mut Rng);

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
