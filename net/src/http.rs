//! A bounded HTTP server: everything a stranger sends has a limit (docs/protocol.md, "Calls and
//! problems").

use crate::shutdown::Shutdown;
use bytes::Bytes;
use futures::stream;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use mooring_core::wire::{Problem, ProblemType};
use rustls_pki_types::CertificateDer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

/// An answer's body: whole, or streamed.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What a server takes at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; further ones wait in the kernel's queue.
    pub connections: usize,
    /// From accepting to the end of the TLS handshake.
    pub handshake: Duration,
    /// From a request's first byte to the end of its headers; also how long an idle HTTP/1.1
    /// connection is kept.
    pub header_read: Duration,
    /// Bytes of headers.
    pub header_bytes: usize,
    /// How long open requests may go on after the process was asked to end.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            handshake: Duration::from_secs(10),
            header_read: Duration::from_secs(60),
            header_bytes: 32 * 1024,
            drain: Duration::from_secs(5),
        }
    }
}

/// Who is at the other end.
#[derive(Clone, Debug)]
pub struct Peer {
    pub addr: SocketAddr,
    /// Its verified certificate, if it showed one.
    pub cert: Option<Arc<CertificateDer<'static>>>,
}

/// Serves `handler` on `listener` until asked to end; over TLS if `tls` is there.
/// The handler finds the [`Peer`] in the request's extensions.
pub async fn serve<H, F>(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    limits: Limits,
    shutdown: Shutdown,
    handler: H,
) where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    loop {
        let permit = tokio::select! {
            p = permits.clone().acquire_owned() => p,
            () = shutdown.asked() => break,
        };
        let accepted = tokio::select! {
            a = listener.accept() => a,
            () = shutdown.asked() => break,
        };
        let (stream, addr) = match accepted {
            Ok(a) => a,
            Err(e) => {
                // Out of file descriptors or the like: waiting a little is all that helps.
                tracing::warn!(error = %e, "accepting a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let (tls, handler, watcher) = (tls.clone(), handler.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _permit = permit;
            let Some(acceptor) = tls else {
                let peer = Peer { addr, cert: None };
                return connection(stream, peer, limits, handler, watcher).await;
            };
            match tokio::time::timeout(limits.handshake, acceptor.accept(stream)).await {
                Ok(Ok(s)) => {
                    let certs = s.get_ref().1.peer_certificates();
                    let first = certs.and_then(<[_]>::first);
                    let cert = first.map(|c| Arc::new(c.clone().into_owned()));
                    connection(s, Peer { addr, cert }, limits, handler, watcher).await;
                }
                Ok(Err(e)) => tracing::debug!(peer = %addr, error = %e, "TLS handshake"),
                Err(_) => tracing::debug!(peer = %addr, "TLS handshake took too long"),
            }
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(limits.drain, graceful.shutdown()).await;
}

async fn connection<I, H, F>(
    io: I,
    peer: Peer,
    limits: Limits,
    handler: H,
    watcher: hyper_util::server::graceful::Watcher,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let addr = peer.addr;
    let service = service_fn(move |mut req: Request<Incoming>| {
        req.extensions_mut().insert(peer.clone());
        let answer = handler(req);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut b = auto::Builder::new(TokioExecutor::new());
    b.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read)
        .max_buf_size(limits.header_bytes.max(8192))
        .half_close(false);
    b.http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(32)
        .keep_alive_interval(Duration::from_secs(60))
        .keep_alive_timeout(Duration::from_secs(20));
    let served = b.serve_connection(TokioIo::new(io), service).into_owned();
    if let Err(e) = watcher.watch(served).await {
        tracing::debug!(peer = %addr, error = %e, "connection");
    }
}

/// What a streamed body is made of.
pub trait Pieces: Send + 'static {
    /// The next piece; `None` ends the body.
    fn next(&mut self) -> impl Future<Output = Option<Bytes>> + Send;
}

/// An answer that goes on for as long as there are pieces.
pub fn streamed(content_type: &'static str, pieces: impl Pieces) -> Response<Body> {
    let frames = stream::unfold(pieces, |mut p| async {
        let piece = p.next().await?;
        Some((Ok(Frame::data(piece)), p))
    });
    let body = StreamBody::new(frames).boxed_unsync();
    with_body(StatusCode::OK, content_type, body)
}

pub fn json<T: Serialize>(status: StatusCode, value: &T) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(v) => with_type(status, "application/json", v),
        Err(e) => {
            tracing::error!(error = %e, "writing an answer");
            with_type(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", Vec::new())
        }
    }
}

pub fn with_type(
    status: StatusCode,
    content_type: &'static str,
    data: impl Into<Bytes>,
) -> Response<Body> {
    with_body(status, content_type, Full::new(data.into()).boxed_unsync())
}

fn with_body(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut r = Response::new(body);
    *r.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    r.headers_mut().insert(CONTENT_TYPE, content_type);
    r
}

/// 204.
pub fn no_content() -> Response<Body> {
    let mut r = Response::new(Body::default());
    *r.status_mut() = StatusCode::NO_CONTENT;
    r
}

/// A problem as an answer (RFC 9457), with `Retry-After` where it says when to ask again.
pub fn problem(p: &Problem) -> Response<Body> {
    let status = StatusCode::from_u16(p.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut r = json(status, p);
    let content_type = HeaderValue::from_static("application/problem+json");
    r.headers_mut().insert(CONTENT_TYPE, content_type);
    if let Some(secs) = p.retry_after_secs {
        r.headers_mut().insert(RETRY_AFTER, HeaderValue::from(secs));
    }
    r
}

/// With the methods that the path takes, where a problem says that this one is none of them (RFC
/// 9110, 10.2.1).
pub fn allowing(mut response: Response<Body>, methods: &str) -> Response<Body> {
    let allow = HeaderValue::from_str(methods).ok();
    let allow = allow.filter(|v| !v.is_empty()).map(|v| (ALLOW, v));
    response.headers_mut().extend(allow);
    response
}

/// Reads a body of at most `limit` bytes within `time`.
pub async fn read_body<B>(body: B, limit: usize, time: Duration) -> Result<Bytes, Problem>
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let read = tokio::time::timeout(time, Limited::new(body, limit).collect());
    let detail = match read.await {
        Ok(Ok(c)) => return Ok(c.to_bytes()),
        Ok(Err(e)) if e.is::<LengthLimitError>() => {
            let detail = format!("the body is larger than {limit} bytes");
            return Err(Problem::new(ProblemType::TooLarge, detail));
        }
        Ok(Err(e)) => format!("the body broke off: {e}"),
        Err(_) => "the body took too long to arrive".into(),
    };
    Err(Problem::new(ProblemType::BadRequest, detail))
}

/// Reads a JSON body; a bad one is answered with the place and what was expected there.
pub async fn read_json<T, B>(body: B, limit: usize, time: Duration) -> Result<T, Problem>
where
    T: DeserializeOwned,
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    parse_json(&read_body(body, limit, time).await?)
}

/// The same of a body that was read.
pub fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body)
        .map_err(|e| Problem::new(ProblemType::BadRequest, format!("JSON body: {e}")))
}
