//! A port that strangers reach: connections are accepted always, and each has bounds in number,
//! time and bytes from the accept on ([`crate::shares`], [`crate::vitals`]).

use crate::http::Body;
use crate::resting::Flow;
use crate::shares::{Bounds, Rank, Shares};
use crate::shutdown::Shutdown;
use crate::tls;
pub use crate::vitals::Inbound;
use crate::vitals::{Over, Patience, Taken, Vitals};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use rustix::net::sockopt;
use rustix::process::{Resource, getrlimit, setrlimit};
use rustls::ServerConfig;
use rustls::server::Acceptor;
use rustls_pki_types::CertificateDer;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a connection has to end once it was asked to.
const FAREWELL: Duration = Duration::from_secs(5);
/// What an HTTP/2 peer may send before anybody reads it: of one request, and of all on one
/// connection.
const WINDOW: u32 = 64 * 1024;
const STREAMS: u32 = 32;
/// The kernel asks whether a quiet peer is still there, and gives up what is not taken in.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(30), Duration::from_secs(10), 3);
const UNACKNOWLEDGED_MS: u32 = 60_000;
/// How many connections the kernel may keep until they are accepted, if its own `somaxconn` is not
/// lower: a whole cluster comes back at once, and whom there is no room for tries again a second
/// later.
const BACKLOG: u32 = 4096;

/// What a port takes at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once, in sum and of one address.
    pub connections: Bounds,
    pub patience: Patience,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// How long open requests may go on after the process was asked to end.
    pub drain: Duration,
}

impl Limits {
    /// So many connections in sum, and of one address.
    pub const fn of(all: usize, of_one: usize) -> Self {
        Self {
            connections: Bounds::new(all, of_one),
            patience: Patience {
                head: Duration::from_secs(10),
                idle: Duration::from_secs(60),
                unread: Duration::from_secs(30),
                rest: Duration::from_secs(1),
            },
            head_bytes: 16 * 1024,
            drain: Duration::from_secs(5),
        }
    }

    /// For a port that few need, such as metrics.
    pub const fn few() -> Self {
        Self::of(64, 16)
    }
}

/// TLS on a port.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    /// The cores' turns at handshakes.
    turns: Arc<Semaphore>,
    /// Says that client certificates are judged otherwise from now on.
    clients: Option<watch::Receiver<()>>,
}

impl From<Arc<ServerConfig>> for Tls {
    fn from(config: Arc<ServerConfig>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            config,
            turns: Arc::new(Semaphore::new(cores)),
            clients: None,
        }
    }
}

impl Tls {
    /// Ends connections with a client certificate whenever `clients` says that such certificates
    /// are judged otherwise.
    pub fn judged_by(config: Arc<ServerConfig>, clients: watch::Receiver<()>) -> Self {
        Self {
            clients: Some(clients),
            ..config.into()
        }
    }

    /// Shakes hands. What a handshake computes takes as long as many requests do: of those that
    /// came at once each waits for its turn. A peer that says nothing, or half of its hello, has
    /// none.
    async fn shake<S>(&self, stream: S) -> std::io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let greeted = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let turn = self.turns.acquire().await;
        let accepted = greeted.into_stream(self.config.clone());
        drop(turn);
        accepted.await
    }
}

/// Who is at the other end.
#[derive(Clone, Debug)]
pub struct Peer {
    pub addr: SocketAddr,
    /// Its certificate, if it showed one that is verified and has not ended since.
    pub cert: Option<Arc<CertificateDer<'static>>>,
}

#[derive(Clone)]
struct Port<H> {
    tls: Option<Tls>,
    limits: Limits,
    shutdown: Shutdown,
    handler: H,
}

/// Listens on a port.
pub fn listen(addr: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // As the standard library does: the connections of the process before may linger.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// Serves `handler` on `listener` until asked to end; over TLS if `tls` is there.
/// The handler finds the [`Peer`] in the request's extensions.
pub async fn serve<H, F>(
    listener: TcpListener,
    tls: Option<Tls>,
    limits: Limits,
    shutdown: Shutdown,
    handler: H,
) where
    H: Fn(Request<Inbound>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let shares = Shares::new(limits.connections);
    let (open, mut all_closed) = mpsc::channel::<Infallible>(1);
    let port = Port {
        tls,
        limits,
        shutdown: shutdown.clone(),
        handler,
    };
    loop {
        let accepted = tokio::select! {
            a = listener.accept() => a,
            () = shutdown.asked() => break,
        };
        let (stream, addr) = match accepted {
            Ok(a) => a,
            Err(e) => {
                // Out of file descriptors or the like: waiting a little is all that helps.
                tracing::warn!(error = %e, "accepting a connection");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Some(share) = shares.take(addr.ip(), 1, Rank::Silent) else {
            tracing::debug!(peer = %addr, "it has its share of connections");
            continue;
        };
        let vitals = Vitals::begin(limits.patience, share);
        let (port, open) = (port.clone(), open.clone());
        tokio::spawn(async move {
            let _open = open;
            port.live(stream, addr, vitals).await;
        });
    }
    drop((listener, open));
    let _ = timeout(limits.drain, all_closed.recv()).await;
}

impl<H, F> Port<H>
where
    H: Fn(Request<Inbound>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    async fn live(self, stream: TcpStream, addr: SocketAddr, vitals: Arc<Vitals>) {
        if let Err(e) = watch_over(&stream) {
            tracing::debug!(peer = %addr, error = %e, "options of a connection");
        }
        let Some(tls) = self.tls.clone() else {
            let peer = Peer { addr, cert: None };
            return self.http1(stream, peer, &vitals, None).await;
        };
        // Before the handshake, so that no change falls between.
        let mut clients = tls.clients.clone();
        if let Some(c) = &mut clients {
            c.mark_unchanged();
        }
        let shaken = tokio::select! {
            r = Box::pin(tls.shake(stream)) => r,
            why = vitals.over() => return tracing::debug!(peer = %addr, ?why, "TLS handshake"),
        };
        let stream = match shaken {
            Ok(s) => Box::new(s),
            Err(e) => return tracing::debug!(peer = %addr, error = %e, "TLS handshake"),
        };
        let session = stream.get_ref().1;
        let first = session.peer_certificates().and_then(<[_]>::first);
        let cert = first.map(|c| Arc::new(c.clone().into_owned()));
        let clients = clients.filter(|_| cert.is_some());
        let is_h2 = session.alpn_protocol() == Some(tls::H2);
        let peer = Peer { addr, cert };
        if is_h2 {
            // Its state is large, and few speak it: apart, so that no other connection has room.
            Box::pin(self.http2(stream, peer, &vitals, clients)).await;
        } else {
            self.http1(stream, peer, &vitals, clients).await;
        }
    }

    async fn http1<I>(
        self,
        io: I,
        peer: Peer,
        vitals: &Arc<Vitals>,
        clients: Option<watch::Receiver<()>>,
    ) where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let addr = peer.addr;
        let mut end = pin!(ends(vitals, clients, &self.shutdown, &self.limits));
        let mut service = service_fn(answering(self.handler, peer, vitals.clone()));
        let mut flow = Flow::new(io, vitals.clone());
        loop {
            let comes = tokio::select! {
                comes = flow.awaits_request() => comes,
                end = &mut end => match end {
                    End::AtOnce(why) => return ended(addr, why),
                    End::InOrder(_) => Ok(false),
                },
            };
            match comes {
                Ok(true) => {}
                Ok(false) => return take_leave(flow).await,
                Err(e) => return tracing::debug!(peer = %addr, error = %e, "connection"),
            }
            let before = vitals.begun();
            let mut served = reading(flow, service, &self.limits);
            tokio::select! {
                over = until_over(Pin::new(&mut *served), addr, end.as_mut()) => return over,
                () = vitals.rests(before) => {}
            }
            let parts = served.into_parts();
            flow = parts.io.into_inner().with(&parts.read_buf);
            service = parts.service;
        }
    }

    async fn http2<I>(
        self,
        io: I,
        peer: Peer,
        vitals: &Arc<Vitals>,
        clients: Option<watch::Receiver<()>>,
    ) where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let addr = peer.addr;
        let service = service_fn(answering(self.handler, peer, vitals.clone()));
        let bytes = u32::try_from(self.limits.head_bytes).unwrap_or(u32::MAX);
        let served = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_header_list_size(bytes)
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_send_buf_size(WINDOW as usize)
            .serve_connection(TokioIo::new(io), service);
        let end = pin!(ends(vitals, clients, &self.shutdown, &self.limits));
        until_over(pin!(served), addr, end).await;
    }
}

/// What reads requests and answers them: apart, so that a connection that rests has no room for it.
fn reading<I, S>(flow: Flow<I>, service: S, limits: &Limits) -> Box<Reading<I, S>>
where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
    S: HttpService<Incoming, ResBody = Taken<Body>>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        // The connection's own patience covers this, and the time before the first byte, too.
        .header_read_timeout(None)
        .max_buf_size(limits.head_bytes.max(8192))
        .half_close(false)
        .serve_connection(TokioIo::new(flow), service);
    Box::new(served)
}

type Reading<I, S> = http1::Connection<TokioIo<Flow<I>>, S>;

type Answering = BoxFuture<'static, Result<Response<Taken<Body>>, Infallible>>;

/// The handler as a service: each request is known to the connection's vitals until its answer is
/// taken.
fn answering<H, F>(
    handler: H,
    peer: Peer,
    vitals: Arc<Vitals>,
) -> impl Fn(Request<Incoming>) -> Answering
where
    H: Fn(Request<Inbound>) -> F,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    // One whose end cannot be read has ended.
    let until = peer.cert.as_deref();
    let until = until.map(|c| tls::not_after(c).unwrap_or(SystemTime::UNIX_EPOCH));
    move |req: Request<Incoming>| {
        let mut req = req.map(|body| Inbound::new(body, &vitals));
        let exchange = vitals.exchange();
        let mut peer = peer.clone();
        if until.is_some_and(|t| t <= SystemTime::now()) {
            peer.cert = None;
        }
        req.extensions_mut().insert(peer);
        // A block that awaits it would hold it twice.
        Box::pin(handler(req).map(move |r| Ok(r.map(|body| Taken::new(body, exchange)))))
    }
}

/// How a connection must end.
enum End {
    /// So long after it was told.
    InOrder(Duration),
    /// Its peer has no right to more.
    AtOnce(Over),
}

/// Waits until a connection must end: in order where the peer may be waiting for nothing, at once
/// where it has no right to more.
async fn ends(
    vitals: &Vitals,
    clients: Option<watch::Receiver<()>>,
    shutdown: &Shutdown,
    limits: &Limits,
) -> End {
    tokio::select! {
        why = vitals.over() => match why {
            Over::Idle => End::InOrder(FAREWELL),
            Over::Silent | Over::Unread | Over::Crowded => End::AtOnce(why),
        },
        () = changed(clients) => End::InOrder(FAREWELL),
        () = shutdown.asked() => End::InOrder(limits.drain),
    }
}

fn ended(addr: SocketAddr, why: Over) {
    tracing::debug!(peer = %addr, ?why, "a connection is ended");
}

/// Ends one that nothing is under way on.
async fn take_leave(mut io: impl AsyncWrite + Unpin) {
    let _ = timeout(FAREWELL, io.shutdown()).await;
}

/// Drives a connection until it ends or must.
async fn until_over<C>(
    mut connection: Pin<&mut C>,
    addr: SocketAddr,
    end: Pin<&mut impl Future<Output = End>>,
) where
    C: GracefulConnection<Error = hyper::Error>,
{
    let over = tokio::select! {
        over = connection.as_mut() => over,
        end = end => match end {
            End::AtOnce(why) => return ended(addr, why),
            End::InOrder(within) => {
                connection.as_mut().graceful_shutdown();
                timeout(within, connection).await.unwrap_or(Ok(()))
            }
        },
    };
    if let Err(e) = over {
        tracing::debug!(peer = %addr, error = %e, "connection");
    }
}

async fn changed(clients: Option<watch::Receiver<()>>) {
    if let Some(mut clients) = clients
        && clients.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

/// How many files the process may have open, after raising that as far as it may.
pub fn file_limit() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(e) = setrlimit(Resource::Nofile, limit) {
            tracing::debug!(error = %e, "raising how many files may be open");
        }
    }
    let now = getrlimit(Resource::Nofile).current;
    now.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX))
}

fn watch_over(stream: &TcpStream) -> std::io::Result<()> {
    let (idle, between, times) = KEEPALIVE;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, idle)?;
    sockopt::set_tcp_keepintvl(stream, between)?;
    sockopt::set_tcp_keepcnt(stream, times)?;
    Ok(sockopt::set_tcp_user_timeout(stream, UNACKNOWLEDGED_MS)?)
}
