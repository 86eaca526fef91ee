//! A simulated world: the real `Ledger` and the real `Claimant`, and around them machines, clocks,
//! a network, an operator.
//!
//! Everything that will happen stands in one queue, ordered by true time. Taking the next thing out
//! and doing it is a step. Nothing here judges: each thing that happens is stated as a fact, and
//! the facts go to the checker.
//!
//! | file | idea |
//! |---|---|
//! | `state` | who is there, what is known, what will happen |
//! | `pods` | pods with their sidecars: the `Claimant` and its edge |
//! | `thief` | who has read their papers off the wire |
//! | `server` | the license server's runs: the frontend with its `Ledger`, and the facts of what comes of them |
//! | `edge` | what reaches the server and what it answers: signed documents are numbers |
//! | `anchor` | its anchor and license file |
//! | `operator` | the roster, proof that pods are gone, revocations, the watch |
//! | `owners`, `owned`, `rollouts` | what it claims for those that have pods run; pods that come before those go that they replace |
//! | `projects` | what pods and owners say that their seats are for, and what namespaces allow of that |
//! | `net` | what becomes of messages |
//! | `trouble` | what the plan's faults do |

mod anchor;
mod edge;
mod net;
mod operator;
mod owned;
mod owners;
mod pods;
mod projects;
mod rollouts;
mod seen;
mod server;
mod state;
mod thief;
mod trouble;

pub(crate) use self::pods::says;
pub use self::state::World;
pub(crate) use self::state::{Dice, EPOCH, lease_no};

use self::net::Net;
use self::state::{Names, Operator, Server};
use crate::check::{Checker, Families};
use crate::coverage::Coverage;
use crate::history::{At, Broken, Fact, Ms};
use crate::plan::Plan;
use fastrand::Rng;
use foldhash::HashMap;
use mooring_core::receipt::Identity;
use std::collections::BTreeMap;

/// How a world ended.
pub struct Outcome {
    pub steps: u64,
    /// True time that passed.
    pub time: Ms,
    pub coverage: Coverage,
    /// The first promise broken.
    pub broken: Option<Broken>,
    /// Everything that happened, if it was kept.
    pub trace: Vec<At>,
}

fn named<N: std::str::FromStr>(what: &str, count: usize) -> Vec<N> {
    let names = (0..count).map(|n| format!("{what}{n}"));
    names.filter_map(|name| name.parse().ok()).collect()
}

impl World {
    /// Lives a plan's world through, or until a promise is broken.
    pub fn live(plan: &Plan, keep_trace: bool) -> Outcome {
        let mut w = Self::new(plan.clone(), keep_trace);
        w.begin();
        // Far more steps than planned means that something spins: the plan's end is then an error
        // of its own.
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
        let mut seen = w.checker.seen().clone();
        seen.add(w.families.seen());
        w.coverage.checks(seen.each());
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
        let first = &plan.licenses[0];
        let names = Names {
            pools: named("pool", first.pools.len()),
            products: named("product", first.products.len()),
        };
        let server = Server::new(&plan, &mut rng);
        Self {
            net: Net::new(plan.seed, plan.delay),
            plan,
            now: 0,
            queue: BTreeMap::new(),
            planned: 0,
            rng,
            steps: 0,
            checker: Checker::new(),
            families: Families::default(),
            owners: Vec::new(),
            coverage: Coverage::default(),
            broken: None,
            trace: keep_trace.then(Vec::new),
            names,
            server,
            copies: BTreeMap::new(),
            next_holder: 1,
            next_copy: 1,
            operator: Operator::default(),
            identity: Identity::new(&[7; 32], &[], "sim/main"),
            tokens: HashMap::default(),
            sealed: HashMap::default(),
            delegations: Vec::new(),
            msgs: 0,
            secrets: HashMap::default(),
            no_token: 0,
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
        for owner in self.plan.owners.clone() {
            self.at(owner.at, move |w| w.owner_comes(owner));
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
}
