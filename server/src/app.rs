//! What all requests share.

use crate::auth::Auth;
use crate::auth::policy::PolicyStore;
use crate::chain::Chain;
use crate::engine::Engine;
use crate::metrics::Metrics;
use mooring_core::wire::ServerState;
use mooring_net::clock;
use mooring_net::shutdown::Shutdown;
use std::sync::Arc;
use std::time::Duration;

/// What all requests share.
pub(crate) struct App {
    /// The ledger.
    pub(crate) engine: Arc<Engine>,
    /// License, anchor, signatures.
    pub(crate) chain: Arc<Chain>,
    /// Who asks.
    pub(crate) auth: Auth,
    /// Who may.
    pub(crate) policies: PolicyStore,
    /// What is counted.
    pub(crate) metrics: Arc<Metrics>,
    /// D, the longest lease of this run.
    pub(crate) lease_for: Duration,
    /// When it ends.
    pub(crate) shutdown: Shutdown,
}

impl App {
    /// The server as a whole, for people and for the operator.
    pub(crate) fn server_state(&self) -> ServerState {
        let (s, _) = self.engine.authority();
        ServerState {
            instance: self.chain.instance,
            version: env!("CARGO_PKG_VERSION").into(),
            anchor: s.anchor.clone(),
            license_valid: s.license.valid,
            license_reason: s.license.reason,
            license_message: s.license.message.clone(),
            license_id: s.license.id.clone(),
            optimistic_start: s.in_force.as_ref().map(|f| f.terms.optimistic_start),
            settling: *self.engine.settling().borrow(),
            second_server: self.chain.second_server(clock::boot()),
            lease_for: self.lease_for,
        }
    }
}
