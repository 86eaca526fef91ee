//! How long a connection lives: until its peer has been silent for too long, whatever it is silent
//! about: the handshake, a request's head, the next request, or the answer that it does not take.

use crate::shares::{Rank, Share};
use crate::sync::lock;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How long a peer may be silent.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the accept to the end of the first request's head, the TLS handshake included.
    pub head: Duration,
    /// From an answer's end to the end of the next request's head.
    pub idle: Duration,
    /// With an answer that waits to be taken.
    pub unread: Duration,
    /// From an answer's end until what reads requests is given back (`crate::resting`).
    pub rest: Duration,
}

/// Why a connection has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// It never sent a whole request's head.
    Silent,
    /// No request came any more.
    Idle,
    /// It does not take its answer.
    Unread,
    /// Others need the room.
    Crowded,
}

/// One connection's.
#[derive(Debug)]
pub(crate) struct Vitals {
    patience: Patience,
    share: Share,
    state: Mutex<State>,
    /// Bytes of an answer are not with the kernel yet.
    unflushed: AtomicBool,
}

#[derive(Debug)]
struct State {
    quiet_since: Instant,
    /// How many requests have begun.
    begun: u64,
    /// How many bodies of requests have not been read to their ends.
    unread: u64,
    /// Requests under way; since when the peer has not taken what is there for it, if so.
    exchanges: Vec<(u64, Option<Instant>)>,
}

/// A request under way, until its answer is taken or given up.
#[derive(Debug)]
pub(crate) struct Exchange {
    vitals: Arc<Vitals>,
    id: u64,
}

impl Vitals {
    /// Of a connection that was accepted just now.
    pub(crate) fn begin(patience: Patience, share: Share) -> Arc<Self> {
        let state = Mutex::new(State {
            quiet_since: Instant::now(),
            begun: 0,
            unread: 0,
            exchanges: Vec::new(),
        });
        Arc::new(Self {
            patience,
            share,
            state,
            unflushed: AtomicBool::new(false),
        })
    }

    /// A request's head has come.
    pub(crate) fn exchange(self: &Arc<Self>) -> Exchange {
        let mut state = lock(&self.state);
        let id = state.begun;
        state.begun += 1;
        state.exchanges.push((id, None));
        if state.exchanges.len() == 1 {
            self.share.set_rank(Rank::Busy);
        }
        let vitals = self.clone();
        Exchange { vitals, id }
    }

    /// When it has to end if nothing happens until then; at the latest when to look again.
    fn deadline(&self) -> (Instant, Option<Over>) {
        let (state, patience) = (lock(&self.state), &self.patience);
        if state.exchanges.is_empty() {
            let (time, why) = if state.begun > 0 {
                (patience.idle, Over::Idle)
            } else {
                (patience.head, Over::Silent)
            };
            return (state.quiet_since + time, Some(why));
        }
        match state.exchanges.iter().filter_map(|(_, since)| *since).min() {
            Some(since) => (since + patience.unread, Some(Over::Unread)),
            None => (Instant::now() + patience.unread, None),
        }
    }

    /// Waits until it has to end.
    pub(crate) async fn over(&self) -> Over {
        let silent = async {
            loop {
                let (at, why) = self.deadline();
                if let Some(why) = why.filter(|_| at <= Instant::now()) {
                    return why;
                }
                sleep_until(at).await;
            }
        };
        tokio::select! {
            why = silent => why,
            () = self.share.over() => Over::Crowded,
        }
    }

    /// How many requests have begun.
    pub(crate) fn begun(&self) -> u64 {
        lock(&self.state).begun
    }

    /// Tells whether there are bytes of an answer that the kernel does not have yet.
    pub(crate) fn note_unflushed(&self, are: bool) {
        self.unflushed.store(are, Ordering::Relaxed);
    }

    /// Waits until a request after so many was answered, and the peer has rested since: nothing of
    /// it is anywhere but what it may have sent of its next request.
    pub(crate) async fn rests(&self, after: u64) {
        loop {
            let (now, rest) = (Instant::now(), self.patience.rest);
            let at = {
                let state = lock(&self.state);
                let done = state.begun > after && state.exchanges.is_empty() && state.unread == 0;
                let done = done && !self.unflushed.load(Ordering::Relaxed);
                let since = if done { state.quiet_since } else { now };
                since + rest
            };
            if at <= now {
                return;
            }
            sleep_until(at).await;
        }
    }
}

impl Exchange {
    fn waits_for_peer(&self, since: Option<Instant>) {
        let mut state = lock(&self.vitals.state);
        let own = state.exchanges.iter_mut().find(|(id, _)| *id == self.id);
        if let Some((_, e)) = own {
            *e = since;
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut state = lock(&self.vitals.state);
        state.exchanges.retain(|(id, _)| *id != self.id);
        if state.exchanges.is_empty() {
            state.quiet_since = Instant::now();
            self.vitals.share.set_rank(Rank::Idle);
        }
    }
}

/// A request's body as it comes, which tells whether it was read to its end: where it was not, the
/// next request is not what follows.
#[derive(Debug)]
pub struct Inbound {
    body: Incoming,
    vitals: Arc<Vitals>,
    whole: bool,
}

impl Inbound {
    pub(crate) fn new(body: Incoming, vitals: &Arc<Vitals>) -> Self {
        let whole = body.is_end_stream();
        if !whole {
            lock(&vitals.state).unread += 1;
        }
        let vitals = vitals.clone();
        Self {
            body,
            vitals,
            whole,
        }
    }
}

impl Body for Inbound {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        // Who reads to a known end asks no further.
        let whole = matches!(polled, Poll::Ready(None)) || self.body.is_end_stream();
        if whole && !std::mem::replace(&mut self.whole, true) {
            lock(&self.vitals.state).unread -= 1;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body that tells how far its peer has taken it.
#[derive(Debug)]
pub(crate) struct Taken<B> {
    body: B,
    exchange: Exchange,
}

impl<B> Taken<B> {
    pub(crate) fn new(body: B, exchange: Exchange) -> Self {
        exchange.waits_for_peer(Some(Instant::now()));
        Self { body, exchange }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Taken<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        // While there is no piece it is us who are waited for.
        let since = polled.is_ready().then(Instant::now);
        self.exchange.waits_for_peer(since);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
