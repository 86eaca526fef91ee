//! One connection to each license server, over mTLS: posts who may still run, learns what the
//! server knows.
//!
//! On connecting, in this order: the roster (a server that has just started settles until each on
//! it is in or gone), who may use it, the list, and from there the watch. A broken connection is
//! made anew with growing pauses and begins with a full list. What is learnt goes into a
//! [`LeaseCache`] and a [`Snapshot`]; the mirrors follow in [`mirrors`].

mod allowance;
mod error;
mod lease_cache;
mod mirrors;
mod roster;
mod server;
mod session;
mod snapshot;

pub use error::ConnectionError;
pub use lease_cache::LeaseCache;
pub use roster::roster;
pub use server::{ConnectionContext, Endpoint};
pub use snapshot::Snapshot;

use mooring_api::names::ServerRef;
use server::Connection;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

/// All connections of this replica.
#[derive(Debug)]
pub struct Connections {
    connections: Mutex<HashMap<ServerRef, Running>>,
    changed: mpsc::UnboundedSender<ServerRef>,
}

#[derive(Debug)]
struct Running {
    target: watch::Sender<Endpoint>,
    snapshot: watch::Receiver<Snapshot>,
    task: AbortHandle,
}

impl Drop for Connections {
    fn drop(&mut self) {
        let connections = self
            .connections
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        for connection in connections.values() {
            connection.task.abort();
        }
    }
}

impl Connections {
    /// None yet; `changed` hears of servers whose snapshot changed.
    pub fn new(changed: mpsc::UnboundedSender<ServerRef>) -> Self {
        Self {
            connections: Mutex::default(),
            changed,
        }
    }

    /// Starts a server's connection, or tells it a new target.
    pub fn ensure(&self, server: &ServerRef, target: Endpoint, context: &ConnectionContext) {
        let mut connections = self
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(l) = connections.get(server) {
            l.target.send_if_modified(|t| {
                let differs = *t != target;
                *t = target;
                differs
            });
            return;
        }
        let (target_tx, target_rx) = watch::channel(target);
        let (snapshot_tx, snapshot_rx) = watch::channel(Snapshot::default());
        let connection = Connection::new(
            server.clone(),
            context.clone(),
            target_rx,
            snapshot_tx,
            self.changed.clone(),
        );
        let task = tokio::spawn(run(connection)).abort_handle();
        tracing::info!(server = %server, "link started");
        connections.insert(
            server.clone(),
            Running {
                target: target_tx,
                snapshot: snapshot_rx,
                task,
            },
        );
    }

    /// Ends a server's connection: the LicenseServer is gone.
    pub fn end(&self, server: &ServerRef, context: &ConnectionContext) {
        let connection = self
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(server);
        if let Some(l) = connection {
            l.task.abort();
            context.writer.metrics.forget(server);
            tracing::info!(server = %server, "link ended");
        }
    }

    /// The servers that have a connection.
    pub fn servers(&self) -> Vec<ServerRef> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .keys()
            .cloned()
            .collect()
    }

    /// What a server last said.
    pub fn snapshot(&self, server: &ServerRef) -> Snapshot {
        let connections = self
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        connections
            .get(server)
            .map(|l| l.snapshot.borrow().clone())
            .unwrap_or_default()
    }
}

/// Serves one license server until dropped.
async fn run(connection: Connection) {
    let cache = &connection.context.writer.cache;
    cache.complete().await;
    let subscription = cache.listen(&connection.server);
    let Some(touched) = connection.touched() else {
        return;
    };
    tokio::join!(
        connection.sessions(),
        mirrors::run(&connection, subscription, touched)
    );
}
