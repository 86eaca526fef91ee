//! What a connection is read and written through, so that it can rest: what reads requests has 16
//! KiB of buffers and more, and most connections of a license server send a request every few
//! seconds. Between two of them only the connection itself is kept, and its TLS.

use crate::vitals::Vitals;
use bytes::{Buf as _, Bytes};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

/// A connection, and what was read of it that nobody has used yet.
#[derive(Debug)]
pub(crate) struct Flow<I> {
    io: I,
    read: Bytes,
    vitals: Arc<Vitals>,
}

impl<I: AsyncRead + AsyncWrite + Unpin> Flow<I> {
    pub(crate) fn new(io: I, vitals: Arc<Vitals>) -> Self {
        let read = Bytes::new();
        Self { io, read, vitals }
    }

    /// The same with what was read of it.
    pub(crate) fn with(self, read: &[u8]) -> Self {
        // A copy: what it was read into is larger.
        let read = Bytes::copy_from_slice(read);
        Self { read, ..self }
    }

    /// Waits for the next request's first byte; `false` at the end.
    pub(crate) async fn awaits_request(&mut self) -> io::Result<bool> {
        if self.read.is_empty() {
            let mut first = [0; 1];
            let n = self.io.read(&mut first).await?;
            self.read = Bytes::copy_from_slice(first.get(..n).unwrap_or_default());
        }
        Ok(!self.read.is_empty())
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Flow<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, to);
        }
        let n = self.read.len().min(to.remaining());
        to.put_slice(self.read.get(..n).unwrap_or_default());
        self.read.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Flow<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.vitals.note_unflushed(true);
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        self.vitals.note_unflushed(false);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.vitals.note_unflushed(true);
        Pin::new(&mut self.io).poll_write_vectored(cx, bytes)
    }
}
