//! One connection to each license server, over mTLS: posts who may still run, learns what the
//! server knows.
//!
//! On connecting, in this order: the roster (a server that has just started settles until each on
//! it is in or gone), who may use it, the list, and from there the watch. A broken connection is
//! made anew with growing pauses and begins with a full list. What is learnt goes into a
//! `LeaseCache` and a [`Snapshot`]; the mirrors follow in `mirrors`.

mod error;
mod lease_cache;
mod mirrors;
mod roster;
mod server;
mod session;
mod snapshot;

pub use lease_cache::LeaseCache;
pub use server::{ConnectionContext, Endpoint};
pub use snapshot::Snapshot;

use mooring_api::names::ServerRef;
use mooring_core::identity::HolderKey;
use mooring_net::sync::lock;
use server::Connection;
use std::collections::HashMap;
use std::sync::Mutex;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::sync::watch;
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
        for connection in lock(&self.connections).values() {
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
        let mut connections = lock(&self.connections);
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
        let (touched, touched_rx) = mpsc::unbounded_channel();
        let (gone, gone_rx) = mpsc::unbounded_channel();
        let connection = Connection {
            server: server.clone(),
            context: context.clone(),
            target: target_rx,
            snapshot: snapshot_tx,
            changed: self.changed.clone(),
            lease_cache: Mutex::default(),
            touched,
            gone,
        };
        let task = tokio::spawn(run(connection, touched_rx, gone_rx)).abort_handle();
        tracing::info!(server = %server, "link started");
        let running = Running {
            target: target_tx,
            snapshot: snapshot_rx,
            task,
        };
        connections.insert(server.clone(), running);
    }

    /// Ends a server's connection: the LicenseServer is gone.
    pub fn end(&self, server: &ServerRef, context: &ConnectionContext) {
        if let Some(l) = lock(&self.connections).remove(server) {
            l.task.abort();
            context.writer.metrics.forget(server);
            tracing::info!(server = %server, "link ended");
        }
    }

    /// The servers that have a connection.
    pub fn servers(&self) -> Vec<ServerRef> {
        lock(&self.connections).keys().cloned().collect()
    }

    /// What a server last said.
    pub fn snapshot(&self, server: &ServerRef) -> Snapshot {
        let connections = lock(&self.connections);
        let snapshot = connections.get(server).map(|l| l.snapshot.borrow().clone());
        snapshot.unwrap_or_default()
    }
}

/// Serves one license server until dropped.
async fn run(
    connection: Connection,
    touched: UnboundedReceiver<HolderKey>,
    gone: UnboundedReceiver<HolderKey>,
) {
    let cache = &connection.context.writer.cache;
    cache.complete().await;
    let subscription = cache.listen(&connection.server);
    tokio::join!(
        connection.sessions(gone),
        mirrors::run(&connection, subscription, touched)
    );
}
