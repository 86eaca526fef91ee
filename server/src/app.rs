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

pub(crate) struct App {
    pub(crate) engine: Arc<Engine>,
    pub(crate) chain: Arc<Chain>,
    pub(crate) auth: Auth,
    pub(crate) policies: PolicyStore,
    pub(crate) metrics: Arc<Metrics>,
    /// D, the longest lease of this run.
    pub(crate) lease_for: Duration,
    pub(crate) shutdown: Shutdown,
}

impl App {
    /// The server as a whole, for people and for the operator, who alone is told of the logins.
    pub(crate) fn server_state(&self, to_operator: bool) -> ServerState {
        let (s, clock) = self.engine.authority();
        let mut anchor = s.anchor.clone();
        if !to_operator {
            anchor.logins.clear();
        }
        ServerState {
            instance: self.chain.instance,
            version: env!("CARGO_PKG_VERSION").into(),
            anchor,
            license_valid: s.license.valid,
            license_reason: s.license.reason,
            license_message: s.license.message.clone(),
            license_id: s.license.id.clone(),
            optimistic_start: s.in_force.as_ref().map(|f| f.terms.optimistic_start),
            settling: self.engine.ask(|l, _| l.settling()),
            second_server: self.chain.second_server(clock::boot()),
            renews: s.may_sign(clock::now(), clock).is_ok(),
            lease_for: self.lease_for,
            run_for_secs: s.in_force.as_ref().map(|f| f.terms.run_for.as_secs()),
        }
    }
}
