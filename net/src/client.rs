//! A small HTTP/1.1 client for one server: TLS that verifies the server's name whatever address it
//! is reached at, one idle connection kept, no proxy, no redirect.
//!
//! Addresses come first, so that no DNS is needed; where none answers, the name is resolved, since
//! a server made anew may have another address.

use crate::sync::lock;
use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use mooring_core::wire::calls::CallSpec;
use mooring_core::wire::version::{self, WIRE};
use mooring_core::wire::{Problem, WIRE_HEADER};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use serde::de::DeserializeOwned;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long connecting to one address may take, the handshake with it included.
const CONNECT: Duration = Duration::from_secs(6);
const MAX_ANSWER: usize = 16 * 1024 * 1024;
const SPEAKS: HeaderName = HeaderName::from_static(WIRE_HEADER);

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("server {0:?}: expected https://‹name›:‹port›")]
    Url(String),
    #[error("cannot connect to {server}: {problem}")]
    Connect { server: String, problem: String },
    /// The server's certificate is not accepted, or it accepts not ours.
    #[error("TLS with {server}: {problem}")]
    Tls { server: String, problem: String },
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The head came, and not the whole body.
    #[error("the answer broke off: {problem}")]
    Cut {
        headers: Box<HeaderMap>,
        problem: String,
    },
    #[error("the answer cannot be read: {0}")]
    Answer(String),
    /// The answer is in a version of the messages that is not understood here.
    #[error("{0}")]
    Version(Box<Problem>),
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    async fn whole(response: http::Response<Incoming>, most: usize) -> Result<Self, ClientError> {
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, most).collect().await;
        let body = body.map_err(|e| ClientError::Broken(e.to_string()))?;
        Ok(Self {
            status: parts.status,
            headers: parts.headers,
            body: body.to_bytes(),
        })
    }

    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body).map_err(|e| ClientError::Answer(e.to_string()))
    }
}

#[derive(Clone, Debug, Default)]
pub struct Call {
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// Headers besides Host and Content-Type.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Option<Bytes>,
    /// How much of the answer, or of a line of it, is read; 16 MiB at most.
    pub most: Option<usize>,
}

impl Call {
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            ..Self::default()
        }
    }

    /// A request of this call, in this program's version of the messages; `arg` is what stands in
    /// its path in the place of the braces, if it has any.
    pub fn of<C>(spec: &CallSpec<C>, arg: impl std::fmt::Display) -> Self {
        // The tables have no other methods than those of RFC 9110, so the default never comes
        // about.
        let method = spec.method.parse().unwrap_or_default();
        let mut call = Self::new(method, spec.path_of(arg));
        call.headers.push((SPEAKS, HeaderValue::from(WIRE)));
        call
    }

    /// With a query, of characters that need no escape.
    #[must_use]
    pub fn query(mut self, query: &str) -> Self {
        self.path = format!("{}?{query}", self.path);
        self
    }

    pub fn json<T: serde::Serialize>(mut self, value: &T) -> Result<Self, ClientError> {
        let v = serde_json::to_vec(value).map_err(|e| ClientError::Answer(e.to_string()))?;
        self.body = Some(v.into());
        Ok(self)
    }

    /// Reads no more than this of the answer, or of a line of it.
    #[must_use]
    pub fn at_most(mut self, bytes: usize) -> Self {
        self.most = Some(bytes);
        self
    }

    fn limit(&self) -> usize {
        self.most.unwrap_or(MAX_ANSWER).min(MAX_ANSWER)
    }

    /// With a header; a value that cannot stand in one is left out.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(v) = HeaderValue::from_str(value) {
            self.headers.push((name, v));
        }
        self
    }
}

/// A client for one server. Clones share the kept connection.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    name: ServerName<'static>,
    host: String,
    /// Where it may be, in the order to try: the name last.
    places: Vec<String>,
    /// The place that answered last: tried first.
    found: AtomicUsize,
    tls: Arc<ClientConfig>,
    idle: Mutex<Option<SendRequest<Full<Bytes>>>>,
    /// What each request says of who asks, where that is not the connection's certificate.
    bearer: Mutex<Option<HeaderValue>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.0.host)
    }
}

impl Client {
    /// A client for `url` (`https://name:port`), connecting to `addresses` (`ip:port`), or to what
    /// the name resolves to where none of them answers. The name is what the certificate must be
    /// for.
    pub fn new(
        url: &str,
        mut addresses: Vec<String>,
        tls: Arc<ClientConfig>,
    ) -> Result<Self, ClientError> {
        let bad = || ClientError::Url(url.chars().take(200).collect());
        let uri: http::Uri = url.parse().map_err(|_| bad())?;
        let host = uri.host().ok_or_else(bad)?;
        if uri.scheme_str() != Some("https") || !matches!(uri.path(), "" | "/") {
            return Err(bad());
        }
        let port = uri.port_u16().unwrap_or(443);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| bad())?;
        let host = format!("{host}:{port}");
        if !addresses.contains(&host) {
            addresses.push(host.clone());
        }
        Ok(Self(Arc::new(Inner {
            name,
            host,
            places: addresses,
            found: AtomicUsize::new(0),
            tls,
            idle: Mutex::new(None),
            bearer: Mutex::new(None),
        })))
    }

    /// From now on each request shows this token.
    pub fn authorize(&self, token: &str) -> Result<(), ClientError> {
        let bearer = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut bearer = bearer.map_err(|e| ClientError::Answer(format!("token: {e}")))?;
        bearer.set_sensitive(true);
        *lock(&self.0.bearer) = Some(bearer);
        Ok(())
    }

    /// The server, as `name:port`.
    pub fn server(&self) -> &str {
        &self.0.host
    }

    /// Asks, and reads the whole answer, all within `time`. A kept connection that turns out to be
    /// closed before anything was sent is replaced once; a request that may have arrived is never
    /// sent again here.
    pub async fn call(&self, call: &Call, time: Duration) -> Result<Answer, ClientError> {
        let mut head = None;
        let whole = async {
            let (mut sender, response) = self.send(call, time).await?;
            head = Some(response.headers().clone());
            let answer = Answer::whole(response, call.limit()).await?;
            if sender.ready().await.is_ok() {
                *lock(&self.0.idle) = Some(sender);
            }
            Ok(answer)
        };
        let done = within(time, whole).await;
        match (done, head) {
            (Err(e), Some(headers)) => Err(ClientError::Cut {
                headers: headers.into(),
                problem: e.to_string(),
            }),
            (done, _) => done,
        }
    }

    /// Asks, and gives the answer line by line as it comes (JSON, one a line). The connection is
    /// not kept. An answer that is no success is read whole and given instead.
    pub async fn lines(
        &self,
        call: &Call,
        time: Duration,
    ) -> Result<Result<Lines, Answer>, ClientError> {
        let head = async {
            let (sender, response) = self.send(call, time).await?;
            if !response.status().is_success() {
                return Ok(Err(Answer::whole(response, call.limit()).await?));
            }
            Ok(Ok(Lines {
                body: response.into_body(),
                buf: BytesMut::new(),
                most: call.limit(),
                _sender: sender,
            }))
        };
        within(time, head).await
    }

    async fn send(
        &self,
        call: &Call,
        time: Duration,
    ) -> Result<(SendRequest<Full<Bytes>>, http::Response<Incoming>), ClientError> {
        let mut kept = lock(&self.0.idle).take().filter(|s| !s.is_closed());
        loop {
            let reused = kept.is_some();
            let mut sender = match kept.take() {
                Some(s) => s,
                None => self.connect(time).await?,
            };
            match sender.try_send_request(self.request(call)?).await {
                Ok(r) => {
                    let speaks = r.headers().get(SPEAKS).map(HeaderValue::as_bytes);
                    let understood = version::understood(speaks);
                    understood.map_err(|e| ClientError::Version(e.of_the_server().into()))?;
                    return Ok((sender, r));
                }
                // Given back unsent: the kept connection had ended meanwhile.
                Err(e) if reused && e.message().is_some() => {}
                Err(e) => return Err(ClientError::Broken(e.into_error().to_string())),
            }
        }
    }

    fn request(&self, call: &Call) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut b = Request::builder()
            .method(&call.method)
            .uri(&call.path)
            .header(HOST, &self.0.host);
        if let Some(bearer) = &*lock(&self.0.bearer) {
            b = b.header(AUTHORIZATION, bearer);
        }
        for (n, v) in &call.headers {
            b = b.header(n, v);
        }
        if call.body.is_some() {
            b = b.header(CONTENT_TYPE, "application/json");
        }
        let body = Full::new(call.body.clone().unwrap_or_default());
        b.body(body)
            .map_err(|e| ClientError::Answer(format!("request: {e}")))
    }

    /// Connects to the first place that answers as the server, the one that did last before the
    /// others. `time` is what the whole call has: no place may use up what the others need.
    async fn connect(&self, time: Duration) -> Result<SendRequest<Full<Bytes>>, ClientError> {
        let inner = &*self.0;
        let count = inner.places.len();
        let each = CONNECT.min(time.mul_f64(0.8) / u32::try_from(count).unwrap_or(u32::MAX).max(1));
        let first = inner.found.load(Ordering::Relaxed);
        let (mut problems, mut met) = (Vec::new(), false);
        for i in (0..count).map(|i| (first + i) % count) {
            let Some(place) = inner.places.get(i) else {
                continue;
            };
            match tokio::time::timeout(each, inner.shake_hands(place)).await {
                Ok(Ok(sender)) => {
                    if i != first {
                        let (server, address) = (&inner.host, place);
                        tracing::info!(server, address, "the server is here now");
                    }
                    inner.found.store(i, Ordering::Relaxed);
                    return Ok(sender);
                }
                Ok(Err(Miss::Nobody(e))) => problems.push(format!("{place}: {e}")),
                Ok(Err(Miss::Stranger(e))) => {
                    met = true;
                    problems.push(format!("{place}: {e}"));
                }
                Err(_) => problems.push(format!("{place}: no answer within {each:?}")),
            }
        }
        let (server, problem) = (inner.host.clone(), problems.join("; "));
        Err(if met {
            ClientError::Tls { server, problem }
        } else {
            ClientError::Connect { server, problem }
        })
    }

    /// Gives up the kept connection: the next call makes a new one, with the credentials of then.
    pub fn disconnect(&self) {
        drop(lock(&self.0.idle).take());
    }
}

async fn within<T>(
    time: Duration,
    work: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    let done = tokio::time::timeout(time, work).await;
    done.map_err(|_| ClientError::Timeout(time))?
}

/// Why a place is not the server's.
enum Miss {
    Nobody(std::io::Error),
    /// Somebody does, but there is no TLS with them: another service may have the address by now.
    Stranger(String),
}

impl Inner {
    async fn shake_hands(&self, place: &str) -> Result<SendRequest<Full<Bytes>>, Miss> {
        let tcp = TcpStream::connect(place).await.map_err(Miss::Nobody)?;
        let _ = tcp.set_nodelay(true);
        let stranger = |e: &dyn std::fmt::Display| Miss::Stranger(e.to_string());
        let tls = TlsConnector::from(self.tls.clone()).connect(self.name.clone(), tcp);
        let tls = tls.await.map_err(|e| stranger(&e))?;
        let made = http1::Builder::new()
            .max_buf_size(64 * 1024)
            .handshake(TokioIo::new(tls));
        let (sender, connection) = made.await.map_err(|e| stranger(&e))?;
        tokio::spawn(async move {
            if let Err(e) = connection.await {
                tracing::debug!(error = %e, "connection to the server");
            }
        });
        Ok(sender)
    }
}

/// A streamed answer, line by line.
pub struct Lines {
    body: Incoming,
    buf: BytesMut,
    most: usize,
    // The connection lives as long as its sender.
    _sender: SendRequest<Full<Bytes>>,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lines")
    }
}

impl Lines {
    /// The next line without its end; `None` when the server has ended the answer.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            if let Some(i) = self.buf.iter().position(|b| *b == b'\n') {
                let mut line = self.buf.split_to(i + 1);
                line.truncate(i);
                return Ok(Some(line.freeze()));
            }
            if self.buf.len() > self.most {
                return Err(ClientError::Answer("a line is too long".into()));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(e)) => return Err(ClientError::Broken(e.to_string())),
                Some(Ok(f)) => {
                    if let Some(d) = f.data_ref() {
                        self.buf.extend_from_slice(d);
                    }
                }
            }
        }
    }
}
