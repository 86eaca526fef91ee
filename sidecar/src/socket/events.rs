//! `GET /v1/events`: server-sent events (WHATWG HTML, "Server-sent events"). The first is the
//! present status; then each change, stamped with the boot clock. A reader that falls far behind is
//! brought up to date in one step: it sees the gap in `seq`.

use crate::registry::Registry;
use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use mooring_core::wire::Status;
use mooring_net::clock;
use mooring_net::http::Body;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// How often an idle stream says that it lives.
pub(super) const ALIVE: Duration = Duration::from_secs(15);

struct Follower {
    registry: Arc<Registry>,
    first: Option<Status>,
    changes: Receiver<Arc<Status>>,
    _permit: OwnedSemaphorePermit,
}

/// The body of the answer; `permit` is given back with it.
pub(super) fn body(
    registry: Arc<Registry>,
    first: Status,
    changes: Receiver<Arc<Status>>,
    permit: OwnedSemaphorePermit,
) -> Body {
    let follower = Follower {
        registry,
        first: Some(first),
        changes,
        _permit: permit,
    };
    let events = stream::unfold(follower, |mut f| async move {
        let text = f.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(text)), f))
    });
    StreamBody::new(events).boxed_unsync()
}

impl Follower {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return event(&first);
        }
        match tokio::time::timeout(ALIVE, self.changes.recv()).await {
            Err(_) => Some(Bytes::from_static(b": alive\n\n")),
            Ok(Ok(status)) => event(&status),
            Ok(Err(RecvError::Closed)) => None,
            Ok(Err(RecvError::Lagged(_))) => {
                let (status, changes) = self.registry.subscribe(clock::boot());
                self.changes = changes;
                event(&status)
            }
        }
    }
}

fn event(status: &Status) -> Option<Bytes> {
    let data = serde_json::to_string(status).ok()?;
    Some(format!("id: {}\nevent: status\ndata: {data}\n\n", status.seq).into())
}
