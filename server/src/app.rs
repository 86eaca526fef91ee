//! What all requests share.

use crate::auth::Auth;
use crate::auth::policy::PolicyStore;
use crate::chain::Chain;
use crate::clock_skew::Skew;
use crate::engine::Engine;
use crate::metrics::Metrics;
use crate::watchers::Watchers;
use mooring_core::identity::HolderKey;
use mooring_core::wire::ServerState;
use mooring_net::clock;
use mooring_net::shutdown::Shutdown;
use mooring_net::sync::lock;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) struct App {
    pub(crate) engine: Arc<Engine>,
    pub(crate) chain: Arc<Chain>,
    pub(crate) auth: Auth,
    pub(crate) policies: PolicyStore,
    pub(crate) watchers: Arc<Watchers>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock_skew: Mutex<Skew>,
    /// D, the longest lease of this run.
    pub(crate) lease_for: Duration,
    pub(crate) shutdown: Shutdown,
}

/// Who reads what the server knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    Operator,
    /// One of the configured administrators.
    Admin,
    Holder(HolderKey),
    /// Who issues client tokens, by the key that its subjects' keys begin with.
    Issuer(HolderKey),
}

impl Reader {
    /// Who it is, if it is not shown everything; `None`: it is.
    pub(crate) const fn only(&self) -> Option<&HolderKey> {
        match self {
            Self::Operator | Self::Admin => None,
            Self::Holder(key) | Self::Issuer(key) => Some(key),
        }
    }

    /// Whether this one's claims are shown to it.
    pub(crate) fn sees(&self, holder: &HolderKey) -> bool {
        match self {
            Self::Operator | Self::Admin => true,
            Self::Holder(key) => key == holder,
            Self::Issuer(prefix) => holder.0.starts_with(&prefix.0),
        }
    }
}

impl App {
    /// The server as a whole, as far as the reader need know it: a holder is told neither whose the
    /// license is, nor where keys and files are.
    pub(crate) fn server_state(&self, reader: &Reader) -> ServerState {
        let mut state = self.whole_state();
        if reader.only().is_some() {
            state.license_message = state.license_reason.name().into();
            state.anchor.message = state.anchor.reason.name().into();
            state.licenses.clear();
            state.anchor.key_id = None;
            (state.second_server, state.clock_skew) = (None, None);
        }
        state
    }

    fn whole_state(&self) -> ServerState {
        let (s, clock) = self.engine.authority();
        ServerState {
            instance: self.chain.instance,
            version: env!("CARGO_PKG_VERSION").into(),
            anchor: s.anchor.clone(),
            license_valid: s.license.valid,
            license_reason: s.license.reason,
            license_message: s.license.message.clone(),
            licenses: s.license.files.clone(),
            optimistic_start: s.in_force.as_ref().map(|f| f.terms.optimistic_start),
            settling: self.engine.ask(|l, _| l.settling()),
            second_server: self.chain.second_server(clock::boot()),
            clock_skew: lock(&self.clock_skew).shown(clock::boot()).cloned(),
            renews: s.may_sign(clock::now(), clock).is_ok(),
            lease_for: self.lease_for,
            run_for_secs: s.in_force.as_ref().map(|f| f.longest_grace().as_secs()),
        }
    }
}
