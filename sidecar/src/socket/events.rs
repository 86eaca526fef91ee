//! `GET /v1/events`: server-sent events (WHATWG HTML, "Server-sent events"). The first is the
//! present status; then each change, stamped with the boot clock. A reader that falls far behind is
//! brought up to date in one step: it sees the gap in `seq`.

use super::limits::Permit;
use crate::registry::{Changes, Registry, timeless};
use crate::users::Asker;
use bytes::Bytes;
use http::Response;
use mooring_core::wire::{ClaimStatus, Status};
use mooring_net::clock;
use mooring_net::http::{Body, Pieces, streamed};
use std::sync::Arc;
use std::time::Duration;

pub(super) const CONTENT_TYPE: &str = "text/event-stream";
/// How often an idle stream says that it lives, and how.
pub(super) const ALIVE: Duration = Duration::from_secs(15);
pub(super) const LIVES: Bytes = Bytes::from_static(b": alive\n\n");

struct Follower {
    registry: Arc<Registry>,
    asker: Asker,
    first: Option<Arc<Status>>,
    told: Option<(Vec<ClaimStatus>, u32)>,
    changes: Changes,
    _permit: Permit,
}

/// `permit` is given back with the answer.
pub(super) fn follow(registry: &Arc<Registry>, asker: Asker, permit: Permit) -> Response<Body> {
    let (first, changes) = registry.subscribe(clock::boot());
    let follower = Follower {
        registry: registry.clone(),
        asker,
        first: Some(first),
        told: None,
        changes,
        _permit: permit,
    };
    streamed(CONTENT_TYPE, follower)
}

impl Pieces for Follower {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let all = match self.first.take() {
                Some(first) => first,
                None => match tokio::time::timeout(ALIVE, self.changes.next()).await {
                    Err(_) => return Some(LIVES),
                    Ok(status) => status,
                },
            };
            if self.asker.all {
                return event(&all);
            }
            let status = self.registry.status(self.asker, clock::boot());
            let claims = status.claims.iter().map(timeless).collect();
            let news = Some((claims, status.others));
            // What changed may be another user's.
            if self.told != news {
                self.told = news;
                return event(&status);
            }
        }
    }
}

fn event(status: &Status) -> Option<Bytes> {
    let data = serde_json::to_string(status).ok()?;
    Some(format!("id: {}\nevent: status\ndata: {data}\n\n", status.seq).into())
}
