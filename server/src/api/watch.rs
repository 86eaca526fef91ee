//! `GET /v1/leases?watch`: each change as a line of JSON, from a position that an earlier list or
//! line gave.
//!
//! Replayed, it equals the history, or it says that it starts anew (`resume-expired`): after a
//! restart, or for a watcher that was away too long. A watcher that reads too slowly is cut off the
//! same way.

use crate::app::{App, Reader};
use crate::watchers::Watching;
use bytes::{BufMut as _, Bytes, BytesMut};
use http::Response;
use mooring_core::time::BootTime;
use mooring_core::wire::{Problem, ProblemType, ServerState, WatchEvent, WatchPosition};
use mooring_net::clock;
use mooring_net::http::{Body, Pieces, streamed};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch::Receiver;

/// How long nothing may happen before a line says that the connection lives.
const ALIVE: Duration = Duration::from_secs(10);
/// Events in one piece of the stream.
const BATCH: usize = 256;

struct Watch {
    app: Arc<App>,
    watching: Watching,
    reader: Reader,
    seq: u64,
    told: Option<ServerState>,
    changes: Receiver<()>,
    spoke: BootTime,
}

fn expired(detail: &str) -> Problem {
    Problem::new(ProblemType::ResumeExpired, detail)
}

/// Begins a watch; without a position it begins now.
pub(super) fn watch(
    app: &Arc<App>,
    after: Option<WatchPosition>,
    reader: Reader,
) -> Result<Response<Body>, Problem> {
    let changes = app.engine.changes();
    let seq = match after {
        None => app.engine.last_event(),
        Some(p) if p.instance != app.chain.instance => {
            return Err(expired("the server has started anew since; list again"));
        }
        Some(p) => p.seq,
    };
    if app.engine.events_after(seq, 0).is_err() {
        return Err(expired(
            "that position is too long ago, or never was; list again",
        ));
    }
    let watch = Watch {
        watching: app.watchers.begin(reader.only().cloned())?,
        reader,
        seq,
        told: None,
        changes,
        spoke: clock::boot(),
        app: app.clone(),
    };
    Ok(streamed("application/x-ndjson", watch))
}

impl Pieces for Watch {
    /// The next piece: one or more whole lines; `None` ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.app.shutdown.is_asked() {
                return None;
            }
            // Seen before it is looked at, so that no change falls between.
            self.changes.mark_unchanged();
            let piece = self.collect()?;
            if !piece.is_empty() {
                self.spoke = clock::boot();
                return Some(piece);
            }
            let quiet = clock::sleep_until(self.spoke + ALIVE);
            tokio::select! {
                r = self.changes.changed() => r.ok()?,
                () = self.app.shutdown.asked() => return None,
                () = self.watching.over() => return None,
                () = quiet => {
                    self.spoke = clock::boot();
                    let mut out = BytesMut::new();
                    line(&mut out, &WatchEvent::Alive);
                    return Some(out.freeze());
                }
            }
        }
    }
}

impl Watch {
    fn collect(&mut self) -> Option<Bytes> {
        let mut out = BytesMut::new();
        let server = self.app.server_state(&self.reader);
        if self.told.as_ref() != Some(&server) {
            self.told = Some(server.clone());
            line(&mut out, &WatchEvent::Server { state: server });
        }
        // Too slow a reader: the stream ends, and the next watch is told to list again.
        let events = self.app.engine.events_after(self.seq, BATCH).ok()?;
        let now = clock::boot();
        for e in events {
            self.seq = e.seq;
            let lease = e.view(now);
            if self.reader.sees(&lease.holder.key()) {
                let position = WatchPosition {
                    instance: self.app.chain.instance,
                    seq: e.seq,
                };
                line(&mut out, &WatchEvent::Lease { position, lease });
            }
        }
        Some(out.freeze())
    }
}

fn line(out: &mut BytesMut, e: &WatchEvent) {
    let start = out.len();
    if let Err(error) = serde_json::to_writer(&mut (&mut *out).writer(), e) {
        tracing::error!(%error, "writing a watch's line");
        out.truncate(start);
        return;
    }
    out.put_u8(b'\n');
}
