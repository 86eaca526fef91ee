//! One connection to each license server, over mTLS: posts who may still run, learns what the server knows.
//!
//! On connecting, in this order: the roster (a server that has just started settles until each on it is in or gone), who may
//! use it, the list, and from there the watch. A broken connection is made anew with growing pauses and begins with a
//! full list. What is learnt goes into a [`Book`] and a [`Snapshot`]; the mirrors follow in [`mirrors`].

mod allowance;
mod book;
mod mirrors;
mod roster;
mod session;
mod snapshot;

pub use book::{Book, Known};
pub use roster::{holder_of, roster, server_of, sidecar_env, sidecar_may_have_run, sidecar_runs};
pub use snapshot::Snapshot;

use crate::certs::{Ca, CertRequest, Usage};
use crate::mirror::Writer;
use mooring_api::names::{FIELD_MANAGER, ServerRef};
use mooring_core::wire::Policies;
use mooring_net::tls::TlsError;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

/// How long the operator's client certificate is valid. It is made anew for each session.
const CERT_VALIDITY: Duration = Duration::from_secs(30 * 86_400);

/// Where a server is, and who may use it: what the controller hands to its link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `ip:port` of its Service, both families.
    pub addresses: Vec<String>,
    /// The Service's port.
    pub port: u16,
    /// Who may use it.
    pub policies: Policies,
}

/// All links of this replica.
#[derive(Debug)]
pub struct Links {
    links: Mutex<HashMap<ServerRef, Running>>,
    changed: mpsc::UnboundedSender<ServerRef>,
}

#[derive(Debug)]
struct Running {
    target: watch::Sender<Target>,
    snapshot: watch::Receiver<Snapshot>,
    task: AbortHandle,
}

impl Drop for Links {
    fn drop(&mut self) {
        let links = self.links.get_mut().unwrap_or_else(PoisonError::into_inner);
        for link in links.values() {
            link.task.abort();
        }
    }
}

/// What every link needs.
#[derive(Clone)]
pub struct Context {
    /// Signs the operator's client certificates, and says which roots to trust.
    pub ca: Arc<Ca>,
    /// Writes mirrors and Events.
    pub writer: Writer,
}

impl Links {
    /// None yet; `changed` hears of servers whose snapshot changed.
    pub fn new(changed: mpsc::UnboundedSender<ServerRef>) -> Self {
        Self {
            links: Mutex::default(),
            changed,
        }
    }

    /// Starts a server's link, or tells it a new target.
    pub fn ensure(&self, server: &ServerRef, target: Target, context: &Context) {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(l) = links.get(server) {
            l.target.send_if_modified(|t| {
                let differs = *t != target;
                *t = target;
                differs
            });
            return;
        }
        let (target_tx, target_rx) = watch::channel(target);
        let (snapshot_tx, snapshot_rx) = watch::channel(Snapshot::default());
        let link = session::Link::new(
            server.clone(),
            context.clone(),
            target_rx,
            snapshot_tx,
            self.changed.clone(),
        );
        let task = tokio::spawn(link.run()).abort_handle();
        tracing::info!(server = %server, "link started");
        links.insert(
            server.clone(),
            Running {
                target: target_tx,
                snapshot: snapshot_rx,
                task,
            },
        );
    }

    /// Ends a server's link: the LicenseServer is gone.
    pub fn end(&self, server: &ServerRef, context: &Context) {
        let link = self
            .links
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(server);
        if let Some(l) = link {
            l.task.abort();
            context.writer.metrics.forget(server);
            tracing::info!(server = %server, "link ended");
        }
    }

    /// The servers that have a link.
    pub fn servers(&self) -> Vec<ServerRef> {
        self.links
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .keys()
            .cloned()
            .collect()
    }

    /// What a server last said.
    pub fn snapshot(&self, server: &ServerRef) -> Snapshot {
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links
            .get(server)
            .map(|l| l.snapshot.borrow().clone())
            .unwrap_or_default()
    }
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The client's error.
    #[error(transparent)]
    Client(#[from] mooring_net::client::ClientError),
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The CA did not sign.
    #[error(transparent)]
    Cert(#[from] crate::certs::CertError),
    /// The server answered with a problem.
    #[error("{call}: the server answered {status}: {detail}")]
    Answer {
        /// What was asked.
        call: String,
        /// The status code.
        status: u16,
        /// The problem's detail, or the beginning of the body.
        detail: String,
    },
    /// The server said nothing for too long.
    #[error("the watch was silent for {0:?}")]
    Silent(Duration),
    /// The server ended the watch.
    #[error("the server ended the watch")]
    Ended,
    /// The server has restarted.
    #[error("the server has restarted")]
    Restarted,
}

/// A TLS configuration that shows the operator's certificate and trusts the operator's CA alone.
fn tls(ca: &Ca) -> Result<Arc<rustls::ClientConfig>, LinkError> {
    let cert = ca.issue(&CertRequest {
        common_name: FIELD_MANAGER.to_owned(),
        dns_names: Vec::new(),
        usages: vec![Usage::Client],
        validity: CERT_VALIDITY,
    })?;
    Ok(mooring_net::tls::client_config(
        &ca.roots_pem(),
        Some((&cert.cert_pem, &cert.key_pem)),
    )?)
}
