//! What a license server last said of itself, for the LicenseServer's status.

use crate::leases::{Service, Trouble};
use mooring_core::time::{BootTime, Now, Timestamp};
use mooring_core::wire::{PolicyView, PoolView, ProductView, Products, ServerState};
use std::time::Duration;

/// What the controller says of a license server, for its mirrors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// Why it does not serve.
    pub trouble: Option<Trouble>,
    /// D and the grace, as its LicenseServer has them: where the server has not said its own.
    pub lease_for: Duration,
    pub run_for: Option<Duration>,
}

/// One server, as its connection sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Whether the link stands, and the list is complete.
    pub connected: bool,
    /// Why it does not stand, in words, once it was tried.
    pub problem: Option<String>,
    /// The server as a whole, as last told. Kept while the connection is broken.
    pub state: Option<ServerState>,
    /// When it was heard last, once the link has broken.
    pub heard: Option<Timestamp>,
    /// Since when it renews nothing, if it was seen to stop.
    pub idle: Option<Timestamp>,
    /// When this process first saw this run of the server.
    pub seen: Option<BootTime>,
    pub products: Vec<ProductView>,
    pub pools: Vec<PoolView>,
    /// Whose the seats are, as it goes by.
    pub policy: Option<PolicyView>,
    /// The number of the policies that it had been handed when it said that.
    pub handed: Option<u64>,
    /// How many claims are in line.
    pub waiting: u32,
}

impl Snapshot {
    /// Takes in what the server said of itself.
    pub fn told(&mut self, state: ServerState, now: Now) {
        let before = self.state.as_ref();
        if before.map(|s| s.instance) != Some(state.instance) {
            self.seen = Some(now.boot);
        }
        let stops = before.is_some_and(|b| b.renews) && !state.renews;
        self.idle = self
            .idle
            .filter(|_| !state.renews)
            .or(stops.then_some(now.wall));
        self.state = Some(state);
    }

    pub fn counted(&mut self, products: Products, waiting: u32, now: Now) {
        self.told(products.server, now);
        self.products = products.products;
        self.pools = products.pools;
        self.policy = products.policy;
        self.waiting = waiting;
    }

    /// The link has broken; the server was `heard` last then.
    pub fn broke(&mut self, problem: String, heard: Timestamp) {
        if self.connected {
            self.heard = Some(heard);
        }
        self.connected = false;
        self.problem = Some(problem);
    }

    /// How it serves its holders, with what the controller says of it.
    pub fn service(&self, notice: &Notice) -> Service {
        let since = notice.trouble.as_ref().map(|t| t.since);
        let stopped = match self.says() {
            Some(state) if state.renews => None,
            Some(_) => self.idle.or(since),
            None => [self.idle, self.heard]
                .into_iter()
                .flatten()
                .min()
                .or(since),
        };
        let state = self.state.as_ref();
        let run_for = state.and_then(|s| s.run_for_secs).map(Duration::from_secs);
        Service {
            trouble: notice.trouble.clone(),
            stopped,
            heard: self.heard,
            connected: self.connected,
            lease_for: state.map_or(notice.lease_for, |s| s.lease_for),
            run_for: run_for.or(notice.run_for),
        }
    }

    /// Seats there are, over all pools.
    pub fn seats(&self) -> u32 {
        self.pools.iter().fold(0, |n, p| n.saturating_add(p.seats))
    }

    /// Seats taken, over all pools.
    pub fn used(&self) -> u32 {
        self.pools.iter().fold(0, |n, p| n.saturating_add(p.used))
    }

    /// What it says of itself now: nothing while the link does not stand.
    pub fn says(&self) -> Option<&ServerState> {
        self.state.as_ref().filter(|_| self.connected)
    }

    /// The list is complete and the server does not settle: what it does not know, it will not take
    /// in.
    pub fn settled(&self) -> bool {
        self.says().is_some_and(|s| !s.settling)
    }
}
