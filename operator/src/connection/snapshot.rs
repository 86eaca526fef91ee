//! What a license server last said of itself, for the LicenseServer's status.

use mooring_core::time::BootTime;
use mooring_core::wire::{PoolView, ProductView, Products, ServerState};

/// One server, as its connection sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Whether the link stands, and the list is complete.
    pub connected: bool,
    /// Why it does not stand, in words, once it was tried.
    pub problem: Option<String>,
    /// The server as a whole, as last told. Kept while the connection is broken.
    pub state: Option<ServerState>,
    /// When this process first saw this run of the server.
    pub seen: Option<BootTime>,
    pub products: Vec<ProductView>,
    pub pools: Vec<PoolView>,
    /// How many claims are in line.
    pub waiting: u32,
}

impl Snapshot {
    /// Takes in what the server said of itself.
    pub fn told(&mut self, state: ServerState, now: BootTime) {
        let before = self.state.as_ref().map(|s| s.instance);
        if before != Some(state.instance) {
            self.seen = Some(now);
        }
        self.state = Some(state);
    }

    pub fn counted(&mut self, products: Products, waiting: u32, now: BootTime) {
        self.told(products.server, now);
        self.products = products.products;
        self.pools = products.pools;
        self.waiting = waiting;
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
