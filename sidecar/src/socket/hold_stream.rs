//! `POST /v1/hold`: a claim that lives as long as the connection. It is told each change of that
//! claim alone, and given back when the connection ends in whatever way: closed, half closed, or
//! with its process.

use super::events::ALIVE;
use super::peer::Peer;
use crate::claims::Claims;
use crate::registry::ClaimId;
use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use mooring_core::wire::{ClaimStatus, HoldState, Status};
use mooring_net::clock;
use mooring_net::http::Body;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// Gives the claim back when it goes.
struct Guard {
    claims: Arc<Claims>,
    id: ClaimId,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.claims.give_back(self.id);
    }
}

struct HoldStream {
    guard: Guard,
    peer: Arc<Peer>,
    last: Option<ClaimStatus>,
    first: Option<Status>,
    changes: Receiver<Arc<Status>>,
    over: bool,
    _permit: OwnedSemaphorePermit,
}

/// The body of the answer. Claim and permit are given back with it.
pub(super) fn body(
    claims: Arc<Claims>,
    id: ClaimId,
    peer: Arc<Peer>,
    permit: OwnedSemaphorePermit,
) -> Body {
    peer.may_leave_unread();
    let (first, changes) = claims.registry.subscribe(clock::boot());
    let hold = HoldStream {
        guard: Guard { claims, id },
        peer,
        last: None,
        first: Some(first),
        changes,
        over: false,
        _permit: permit,
    };
    let events = stream::unfold(hold, |mut h| async move {
        let text = h.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(text)), h))
    });
    StreamBody::new(events).boxed_unsync()
}

impl HoldStream {
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        let mut seq = self.first.take().map(|s| s.seq);
        loop {
            if let Some(seq) = seq
                && let Some(text) = self.news(seq)
            {
                return Some(text);
            }
            let change = tokio::select! {
                c = tokio::time::timeout(ALIVE, self.changes.recv()) => c,
                () = self.peer.ended() => return None,
            };
            seq = match change {
                Err(_) => return Some(Bytes::from_static(b": alive\n\n")),
                Ok(Ok(status)) => Some(status.seq),
                Ok(Err(RecvError::Closed)) => return None,
                Ok(Err(RecvError::Lagged(_))) => {
                    let (status, changes) = self.guard.claims.registry.subscribe(clock::boot());
                    self.changes = changes;
                    Some(status.seq)
                }
            };
        }
    }

    /// How the claim stands now, if that is news. A slow reader is told the latest, not what was
    /// between.
    fn news(&mut self, seq: u64) -> Option<Bytes> {
        let now = clock::boot();
        let claim = match self.guard.claims.registry.claim(self.guard.id, now) {
            Some(c) => c,
            // Given back by name.
            None => ClaimStatus {
                state: HoldState::Released,
                licensed: false,
                until_boot_ms: None,
                for_ms: None,
                held_until_boot_ms: None,
                ..self.last.clone()?
            },
        };
        self.over = matches!(claim.state, HoldState::Refused | HoldState::Released);
        let comparable = ClaimStatus {
            for_ms: None,
            ..claim.clone()
        };
        if self.last.replace(comparable.clone()) == Some(comparable) {
            return None;
        }
        let data = serde_json::to_string(&claim).ok()?;
        Some(format!("id: {seq}\nevent: claim\ndata: {data}\n\n").into())
    }
}
