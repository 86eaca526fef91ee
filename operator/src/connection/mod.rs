//! One connection to each license server, over mTLS: posts who may still run, learns what the
//! server knows.
//!
//! On connecting, in this order: who is revoked, who may use it, what owners have, the roster (a
//! server that has just started settles until each on it is in or gone), the list, and from there
//! the watch. A broken connection is made anew with growing pauses and begins with a full list.
//! What is learnt goes into a `LeaseCache` and a [`Snapshot`]; the mirrors follow in `mirrors`,
//! what is done to pods that wait before they are scheduled in `owners`.

mod abroad;
mod book;
mod error;
mod evict;
mod lease_cache;
mod mirrors;
mod outside;
mod owners;
mod revocations;
mod roster;
mod server;
mod session;
mod snapshot;
mod tokens;
mod touched;
mod trial;

pub use book::OwnersBook;
use book::OwnersPage;
pub use lease_cache::LeaseCache;
pub use outside::{BadOutside, Outside};
pub use server::{ConnectionContext, Endpoint};
pub use snapshot::{Notice, Snapshot};
use touched::Touched;

use crate::leases::Trouble;
use crate::owners::Act;
use mooring_api::names::ServerRef;
use mooring_core::policy::SeatPolicy;
use mooring_core::time::Timestamp;
use mooring_core::wire::{Policies, PolicyTest};
use mooring_net::clock;
use mooring_net::sync::lock;
use server::{Connection, Word};
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
    notice: watch::Sender<Notice>,
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
        let (notice_tx, notice_rx) = watch::channel(Notice::default());
        let (words, words_rx) = mpsc::unbounded_channel();
        let (acts, acts_rx) = mpsc::unbounded_channel();
        let OwnersPage { memory, news } = context.owners.open(server);
        let connection = Connection {
            server: server.clone(),
            context: ConnectionContext {
                writer: context.writer.of_one_server(),
                ..context.clone()
            },
            target: target_rx,
            snapshot: snapshot_tx,
            heard: Mutex::new(clock::now().wall),
            notice: notice_rx,
            changed: self.changed.clone(),
            lease_cache: Mutex::default(),
            touched: Touched::default(),
            words,
            revoked: Mutex::default(),
            owners: memory,
            owners_news: news,
            acts,
        };
        let task = tokio::spawn(run(connection, words_rx, acts_rx)).abort_handle();
        tracing::info!(server = %server, "link started");
        let running = Running {
            target: target_tx,
            notice: notice_tx,
            snapshot: snapshot_rx,
            task,
        };
        connections.insert(server.clone(), running);
    }

    /// Tells a server's mirrors how it is.
    pub fn tell(&self, server: &ServerRef, notice: Notice) {
        if let Some(l) = lock(&self.connections).get(server) {
            l.notice.send_if_modified(|n| {
                let differs = *n != notice;
                *n = notice;
                differs
            });
        }
    }

    /// Starts the care for a server's mirrors where nobody knows yet where the server is.
    pub fn begin(&self, server: &ServerRef, policies: &Policies, context: &ConnectionContext) {
        if !lock(&self.connections).contains_key(server) {
            let nowhere = Endpoint {
                policies: policies.clone(),
                ..Endpoint::default()
            };
            self.ensure(server, nowhere, context);
        }
    }

    /// The LicenseServer was deleted: its connection ends, and its mirrors are cared for as long as
    /// there are pods that may run on under their grace. Whether that is news.
    pub fn bereave(&self, server: &ServerRef, context: &ConnectionContext, now: Timestamp) -> bool {
        // Who might use it is whose mirrors are told to the end.
        let before = lock(&self.connections)
            .get(server)
            .map(|l| l.target.borrow().clone());
        let nowhere = Endpoint {
            addresses: Vec::new(),
            outside: None,
            ..before.unwrap_or_default()
        };
        self.ensure(server, nowhere, context);
        let connections = lock(&self.connections);
        connections.get(server).is_some_and(|l| {
            l.notice.send_if_modified(|n| {
                let known = n.trouble.as_ref().is_some_and(Trouble::is_deleted);
                if !known {
                    n.trouble = Some(Trouble::deleted(now));
                }
                !known
            })
        })
    }

    /// Ends a server's connection, and the care for its mirrors.
    pub fn end(&self, server: &ServerRef, context: &ConnectionContext) {
        if let Some(l) = lock(&self.connections).remove(server) {
            l.task.abort();
            context.writer.cache.deaf(server);
            context.owners.close(server);
            context.writer.metrics.forget(server);
            tracing::info!(server = %server, "link ended");
        }
    }

    /// The servers that have a connection.
    pub fn servers(&self) -> Vec<ServerRef> {
        lock(&self.connections).keys().cloned().collect()
    }

    /// What a policy would change on a server. Nothing changes by asking. An error in words.
    pub async fn try_policy(
        &self,
        server: &ServerRef,
        policy: &SeatPolicy,
        context: &ConnectionContext,
    ) -> Result<PolicyTest, String> {
        let target = lock(&self.connections)
            .get(server)
            .map(|l| l.target.borrow().clone());
        let target = target.filter(|t| !t.addresses.is_empty());
        let target = target.ok_or("its Service has no address yet")?;
        let tried = trial::try_policy(server, target, policy, context).await;
        tried.map_err(|e| e.to_string())
    }

    /// What a server last said.
    pub fn snapshot(&self, server: &ServerRef) -> Snapshot {
        let connections = lock(&self.connections);
        let snapshot = connections.get(server).map(|l| l.snapshot.borrow().clone());
        snapshot.unwrap_or_default()
    }
}

/// Serves one license server until dropped.
async fn run(connection: Connection, words: UnboundedReceiver<Word>, acts: UnboundedReceiver<Act>) {
    let cache = &connection.context.writer.cache;
    cache.complete().await;
    let subscription = cache.listen(&connection.server);
    tokio::join!(
        connection.sessions(words),
        connection.hands(acts),
        mirrors::run(&connection, subscription)
    );
}
