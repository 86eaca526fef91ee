//! `POST /v1/hold`: a claim that lives as long as the connection. It is told each change of that
//! claim alone, and given back when the connection ends in whatever way: closed, half closed, or
//! with its process.

use super::events::{ALIVE, CONTENT_TYPE, LIVES};
use super::limits::Permit;
use super::peer::Peer;
use crate::claims::Claims;
use crate::registry::{Changes, ClaimId, timeless};
use bytes::Bytes;
use http::Response;
use mooring_core::wire::{ClaimStatus, HoldState};
use mooring_net::clock;
use mooring_net::http::{Body, Pieces, streamed};
use std::sync::Arc;

struct HoldStream {
    claims: Arc<Claims>,
    id: ClaimId,
    peer: Arc<Peer>,
    last: Option<ClaimStatus>,
    /// The number of the first status, until it is told.
    first: Option<u64>,
    changes: Changes,
    over: bool,
    _permit: Permit,
}

impl Drop for HoldStream {
    fn drop(&mut self) {
        self.claims.give_back(self.id);
    }
}

/// Claim and permit are given back with the answer.
pub(super) fn follow(
    claims: Arc<Claims>,
    id: ClaimId,
    peer: Arc<Peer>,
    permit: Permit,
) -> Response<Body> {
    peer.may_leave_unread();
    let (first, changes) = claims.registry.subscribe(clock::boot());
    let hold = HoldStream {
        claims,
        id,
        peer,
        last: None,
        first: Some(first.seq),
        changes,
        over: false,
        _permit: permit,
    };
    streamed(CONTENT_TYPE, hold)
}

impl Pieces for HoldStream {
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        let mut seq = self.first.take();
        loop {
            if let Some(seq) = seq
                && let Some(text) = self.news(seq)
            {
                return Some(text);
            }
            let change = tokio::select! {
                c = tokio::time::timeout(ALIVE, self.changes.next()) => c,
                () = self.peer.ended() => return None,
            };
            match change {
                Err(_) => return Some(LIVES),
                Ok(status) => seq = Some(status.seq),
            }
        }
    }
}

impl HoldStream {
    /// How the claim stands now, if that is news. A slow reader is told the latest, not what was
    /// between.
    fn news(&mut self, seq: u64) -> Option<Bytes> {
        let claim = match self.claims.registry.claim(self.id, clock::boot()) {
            Some(c) => c,
            // Given back by name.
            None => self.last.clone()?.unlicensed(HoldState::Released),
        };
        self.over = matches!(claim.state, HoldState::Refused | HoldState::Released);
        let comparable = timeless(&claim);
        if self.last.replace(comparable.clone()) == Some(comparable) {
            return None;
        }
        let data = serde_json::to_string(&claim).ok()?;
        Some(format!("id: {seq}\nevent: claim\ndata: {data}\n\n").into())
    }
}
