//! What every reconciliation needs, what is remembered between two, and why one may fail.

use super::build::Defaults;
use super::facts::ServerFacts;
use super::replug;
use super::seat_policy::named::{NamedPolicy, PolicyName};
use crate::cache::ClusterCache;
use crate::certs::CertError;
use crate::connection::{ConnectionContext, Connections};
use crate::discovery::sightings::Sightings;
use crate::kubernetes::is_terminating;
use crate::metrics::Metrics;
use kube::Client;
use kube::runtime::events::Recorder;
use mooring_api::LicenseServerStatus;
use mooring_api::names::{APP_NAME, FIELD_MANAGER, MANAGED_BY, SERVER_APP, ServerRef};
use mooring_core::wire::PolicyView;
use mooring_net::sync::lock;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Why a reconciliation did not come to its end. It is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server said no.
    #[error("{what}: {source}")]
    Api {
        what: String,
        #[source]
        source: Box<kube::Error>,
    },
    #[error(transparent)]
    Cert(#[from] CertError),
    /// A file could not be written as YAML.
    #[error(transparent)]
    Yaml(#[from] serde_yaml::Error),
    /// The API server did not answer.
    #[error("not done within {0:?}: the API server does not answer")]
    Slow(Duration),
    /// The spec was not validated first.
    #[error("an anchor is not of exactly one kind")]
    Anchor,
    /// `allowedNamespaces.selector` cannot be used.
    #[error("spec.allowedNamespaces.selector: {0}")]
    Selector(String),
}

impl Error {
    /// The API server takes no object with these values.
    pub(super) fn is_invalid(&self) -> bool {
        let Self::Api { source, .. } = self else {
            return false;
        };
        matches!(source.as_ref(), kube::Error::Api(s) if s.code == 422)
    }

    /// The LicenseServer or its namespace is being deleted: nothing is left to do.
    pub(super) fn is_farewell(&self) -> bool {
        let Self::Api { source, .. } = self else {
            return false;
        };
        let absent = matches!(source.as_ref(), kube::Error::Api(s) if s.code == 404);
        absent || is_terminating(source)
    }
}

/// What every reconciliation needs.
pub struct ControllerContext {
    pub connection: ConnectionContext,
    pub connections: Connections,
    pub defaults: Defaults,
    /// The operator's own namespace.
    pub namespace: String,
    /// What the discovery agents see; `None`: there are none.
    pub sightings: Option<Arc<Sightings>>,
    memory: Mutex<HashMap<ServerRef, Memory>>,
    /// Hears of policies of which a license server says something new.
    pub(super) policy_news: mpsc::UnboundedSender<PolicyName>,
}

/// What is remembered of a server between reconciliations.
#[derive(Clone, Default)]
pub(super) struct Memory {
    /// A child or the spec changed since the last look.
    pub(super) dirty: bool,
    pub(super) generation: Option<i64>,
    /// What an administrator asked for, as it was looked at last.
    pub(super) request: Option<String>,
    pub(super) looked: Option<Instant>,
    pub(super) applied: Option<Applied>,
    pub(super) facts: ServerFacts,
    /// Our last write of the status, newer than what the watch may show yet.
    pub(super) written: Option<(u64, LicenseServerStatus)>,
    /// What was seen of its anchor.
    pub(super) anchor: replug::Watched,
    /// What its policy was told of it.
    pub(super) told: Told,
}

/// What a LicensePolicy's status says of a license server: another one is news.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Told {
    pub(super) named: NamedPolicy,
    pub(super) connected: bool,
    pub(super) handed: Option<u64>,
    pub(super) view: Option<PolicyView>,
}

/// The last time the objects were written.
#[derive(Clone, Debug)]
pub(super) struct Applied {
    pub(super) print: String,
    /// What the API server made of it: another mark means that somebody else wrote.
    pub(super) mark: String,
    pub(super) at: Instant,
}

impl ControllerContext {
    /// With nothing remembered; `changed` hears of servers that said something new.
    pub(super) fn new(
        connection: ConnectionContext,
        defaults: Defaults,
        namespace: String,
        sightings: Option<Arc<Sightings>>,
        (changed, policy_news): (
            mpsc::UnboundedSender<ServerRef>,
            mpsc::UnboundedSender<PolicyName>,
        ),
    ) -> Self {
        Self {
            connection,
            connections: Connections::new(changed),
            defaults,
            namespace,
            sightings,
            memory: Mutex::default(),
            policy_news,
        }
    }

    pub(super) fn client(&self) -> &Client {
        &self.connection.writer.client
    }

    pub(super) fn cache(&self) -> &ClusterCache {
        &self.connection.writer.cache
    }

    pub(super) fn recorder(&self) -> &Recorder {
        &self.connection.writer.recorder
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.connection.writer.metrics
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, HashMap<ServerRef, Memory>> {
        lock(&self.memory)
    }

    pub(super) fn recall(&self, server: &ServerRef) -> Memory {
        self.memory().get(server).cloned().unwrap_or_default()
    }

    pub(super) fn remember(&self, server: &ServerRef, change: impl FnOnce(&mut Memory)) {
        change(self.memory().entry(server.clone()).or_default());
    }
}

/// Selects what the operator writes for license servers.
pub(super) fn ours() -> String {
    format!("{MANAGED_BY}={FIELD_MANAGER},{APP_NAME}={SERVER_APP}")
}
