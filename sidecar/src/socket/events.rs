//! `GET /v1/events`: server-sent events (WHATWG HTML, "Server-sent events"). The first is the
//! present status; then each change, stamped with the boot clock. A reader that falls far behind is
//! brought up to date in one step: it sees the gap in `seq`.

use crate::registry::{Changes, Registry};
use bytes::Bytes;
use http::Response;
use mooring_core::wire::Status;
use mooring_net::clock;
use mooring_net::http::{Body, Pieces, streamed};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

pub(super) const CONTENT_TYPE: &str = "text/event-stream";
/// How often an idle stream says that it lives, and how.
pub(super) const ALIVE: Duration = Duration::from_secs(15);
pub(super) const LIVES: Bytes = Bytes::from_static(b": alive\n\n");

struct Follower {
    first: Option<Arc<Status>>,
    changes: Changes,
    _permit: OwnedSemaphorePermit,
}

/// `permit` is given back with the answer.
pub(super) fn follow(registry: &Arc<Registry>, permit: OwnedSemaphorePermit) -> Response<Body> {
    let (first, changes) = registry.subscribe(clock::boot());
    let follower = Follower {
        first: Some(first),
        changes,
        _permit: permit,
    };
    streamed(CONTENT_TYPE, follower)
}

impl Pieces for Follower {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return event(&first);
        }
        match tokio::time::timeout(ALIVE, self.changes.next()).await {
            Err(_) => Some(LIVES),
            Ok(status) => event(&status),
        }
    }
}

fn event(status: &Status) -> Option<Bytes> {
    let data = serde_json::to_string(status).ok()?;
    Some(format!("id: {}\nevent: status\ndata: {data}\n\n", status.seq).into())
}
