//! Worlds of several license servers that have one product: pods whose claims stand in the lines of
//! all of them, as the sidecar has them stand ([`mooring_core::holder::lines`]).
//!
//! It is a smaller world than that of one server beside it: claims are all for one product of one
//! pool, and what one server decides alone is tried there. What goes wrong here is what makes
//! several servers one pool or not: which of them can be heard, what a crash between two saves
//! leaves, what is given back and does not arrive.
//!
//! | file | idea |
//! |---|---|
//! | `plan` | what a seed means |
//! | `history` | what happened, as data; all that the judge gets ([`crate::check::Lines`]) |
//! | `state` | who is there, what will happen |
//! | `pods` | sidecars: the lines of a claim, each with a file of its own |
//! | `servers` | the runs of the servers: frontend and ledger |
//! | `edge` | what reaches a server and what it answers |
//! | `net` | what becomes of messages |
//! | `smaller` | parts of a plan that failed |
//! | `trouble` | what the plan's faults do |

mod edge;
pub mod history;
mod net;
mod plan;
mod pods;
mod servers;
mod smaller;
mod state;
mod trouble;

pub use plan::SitePlan;

use crate::check::Seen;
use crate::history::{Broken, Ms};
use history::{SiteAt, SiteFact};
use state::Site;
use std::collections::BTreeMap;

/// How a world ended.
pub struct SiteOutcome {
    pub steps: u64,
    /// True time that passed.
    pub time: Ms,
    /// How often each kind of fault struck.
    pub faults: BTreeMap<&'static str, u64>,
    /// How often each part of the promise was put to the test.
    pub seen: Seen,
    /// The first promise broken.
    pub broken: Option<Broken>,
    /// Everything that happened, if it was kept.
    pub trace: Vec<SiteAt>,
}

/// Far more steps than any world has: something spins.
const MOST_STEPS: u64 = 1_000_000;

/// The longest pause after which somebody asks again: who was refused.
const ASKS_AGAIN: Ms = 66_000;

/// Lives a plan's world through, or until a promise is broken.
pub fn live(plan: &SitePlan, keep_trace: bool) -> SiteOutcome {
    let mut w = Site::new(plan.clone(), keep_trace);
    w.begin();
    while w.broken.is_none() && !w.ended {
        let Some(((t, _), act)) = w.queue.pop_first() else {
            break;
        };
        w.now = t.max(w.now);
        w.steps += 1;
        act(&mut w);
        if w.steps > MOST_STEPS {
            w.spins();
        }
    }
    SiteOutcome {
        steps: w.steps,
        time: w.now,
        faults: w.faults,
        seen: w.judge.seen().clone(),
        broken: w.broken,
        trace: w.trace.unwrap_or_default(),
    }
}

impl Site {
    fn begin(&mut self) {
        for server in 0..self.servers.len() {
            self.server_starts(server);
        }
        for pod in self.plan.pods.clone() {
            self.at(pod.at, move |w| w.pod_comes(&pod));
        }
        for (t, fault) in self.plan.faults.clone() {
            self.at(t, move |w| w.trouble(&fault));
        }
        self.at(self.plan.quiet_at, Self::quiet_begins);
    }

    /// Nothing fails from here on; the end comes once what is under way has arrived, and everybody
    /// had Q + 2D after that.
    fn quiet_begins(&mut self) {
        self.all_well();
        self.state(SiteFact::Quiet);
        let leases = self.servers.iter().map(|s| s.lease_for);
        let d = leases.max().unwrap_or_default();
        let q = (d + d / 1000 + 1_000).max(ASKS_AGAIN);
        self.after(self.net.latest + q + 2 * d + 5_000, |w| {
            w.state(SiteFact::End);
            w.ended = true;
        });
    }
}
