//! What was found of an installation. Whoever asks may not be allowed to see all of it.

use crate::cluster::operator::Operator;
use crate::cluster::status::ServerObject;
use mooring_api::ca::CaStatus;
use mooring_core::time::Timestamp;
use std::time::Duration;

/// Something that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told<T> {
    Is(T),
    /// There is none.
    None,
    /// Nobody can say, for this reason.
    NotRead(String),
}

/// All that is judged.
#[derive(Debug)]
pub(super) struct Facts {
    /// Of this program.
    pub(super) version: &'static str,
    /// This machine's clock, and the API server's as it answered.
    pub(super) clocks: (Timestamp, Option<Timestamp>),
    /// Major and minor.
    pub(super) kubernetes: Told<(u32, u32)>,
    /// By name.
    pub(super) crds: Vec<(&'static str, Told<Crd>)>,
    pub(super) operator_namespace: String,
    pub(super) operator: Operator,
    pub(super) deployment: Told<Deployment>,
    pub(super) webhook: Told<Webhook>,
    pub(super) probe: Probe,
    pub(super) ca: Told<CaStatus>,
    /// What the operator may do, as `verb resource`.
    pub(super) rights: Told<Vec<(String, bool)>>,
    pub(super) servers: Told<Vec<ServerObject>>,
    /// Pods that ask for licenses and have no sidecar, as `namespace/name`.
    pub(super) bare: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Crd {
    pub(super) established: bool,
    /// The versions that are served.
    pub(super) served: Vec<String>,
}

/// The operator's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Deployment {
    pub(super) wanted: i32,
    pub(super) ready: i32,
    /// The chart's, by its label.
    pub(super) version: Option<String>,
}

/// What the API server knows of the webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Webhook {
    /// The ends of the certificates that it trusts; an error where its bundle cannot be read.
    pub(super) trusts_until: Result<Vec<Timestamp>, String>,
}

/// What became of a pod with an annotation that nobody can read, which was never to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// The webhook refused it, with these words.
    Refused { said: String, took: Duration },
    /// Nobody did: the webhook was not asked.
    Admitted,
    /// The API server did not reach the webhook.
    Unreachable { said: String, took: Duration },
    /// It could not be tried, for this reason.
    NotTried(String),
}
