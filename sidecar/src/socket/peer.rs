//! One connection, seen from two sides: hyper reads and writes it, a hold watches for its end.
//!
//! Reading is the reading half's alone: tokio knows of it that a short read has emptied the socket,
//! and does not ask the kernel once more after each request.

use crate::users::Asker;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Sleep, sleep};

#[derive(Debug)]
pub(super) struct Peer {
    writing: OwnedWriteHalf,
    pub(super) asker: Asker,
    patient: AtomicBool,
}

impl Peer {
    /// The connection's two sides.
    pub(super) fn new(stream: UnixStream, asker: Asker) -> (Arc<Self>, OwnedReadHalf) {
        let (reading, writing) = stream.into_split();
        let peer = Self {
            writing,
            asker,
            patient: AtomicBool::new(false),
        };
        (Arc::new(peer), reading)
    }

    fn stream(&self) -> &UnixStream {
        self.writing.as_ref()
    }

    /// From now on the client may leave its answer unread: a hold lives as long as its process, and
    /// what was not read yet is brought up to date in one step.
    pub(super) fn may_leave_unread(&self) {
        self.patient.store(true, Ordering::Relaxed);
    }

    /// Waits until the client has closed its end, or its sending half of it, whatever else it sent
    /// before and nobody read.
    pub(super) async fn ended(&self) {
        // Waiting to read would end at once where something lies unread; urgent data does not exist
        // on this socket (tokio never asks the kernel for it), so what is left of this interest is
        // the end.
        while let Ok(ready) = self.writing.ready(Interest::PRIORITY).await {
            if ready.is_read_closed() {
                return;
            }
        }
    }
}

/// The stream for hyper. It fails when nothing of what is written is taken for `time`: a reader
/// that stops reading gives its connection back after a while.
pub(super) struct Stall {
    peer: Arc<Peer>,
    reading: OwnedReadHalf,
    time: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Stall {
    pub(super) fn new((peer, reading): (Arc<Peer>, OwnedReadHalf), time: Duration) -> Self {
        Self {
            peer,
            reading,
            time,
            waiting: None,
        }
    }

    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() || self.peer.patient.load(Ordering::Relaxed) {
            self.waiting = None;
            return result;
        }
        let time = self.time;
        let timer = self.waiting.get_or_insert_with(|| Box::pin(sleep(time)));
        ready!(timer.as_mut().poll(cx));
        let why = "the reader does not read";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)))
    }
}

impl AsyncRead for Stall {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.reading).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stall {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        loop {
            let ready = this.peer.stream().poll_write_ready(cx);
            ready!(this.watch(cx, ready))?;
            match this.peer.stream().try_write(buf) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = rustix::net::shutdown(self.peer.stream(), rustix::net::Shutdown::Write);
        Poll::Ready(done.map_err(Into::into))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::users::Users;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    fn anybody() -> Asker {
        Users::Together.asker(None).unwrap()
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_reader_that_does_not_read_is_cut_off_unless_it_holds() {
        let (mine, theirs) = UnixStream::pair().unwrap();
        let (peer, reading) = Peer::new(mine, anybody());
        let mut s = Stall::new((peer.clone(), reading), Duration::from_millis(50));
        let big = vec![0; 8 << 20];
        let e = s.write_all(&big).await.unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::TimedOut);
        peer.may_leave_unread();
        let long = Duration::from_millis(500);
        let more = tokio::time::timeout(long, s.write_all(&big)).await;
        assert!(more.is_err(), "it waits on");
        drop(theirs);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn the_end_is_seen_behind_what_nobody_read() {
        let (mine, mut theirs) = UnixStream::pair().unwrap();
        let (peer, reading) = Peer::new(mine, anybody());
        theirs.write_all(b"never read").await.unwrap();
        let short = Duration::from_millis(50);
        assert!(tokio::time::timeout(short, peer.ended()).await.is_err());
        theirs.shutdown().await.unwrap();
        peer.ended().await;
        // What was sent before is still there to be read, and so is the way back.
        let mut s = Stall::new((peer, reading), Duration::from_secs(5));
        let mut text = String::new();
        s.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "never read");
        s.write_all(b"bye").await.unwrap();
        s.shutdown().await.unwrap();
        text.clear();
        theirs.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "bye");
    }
}
