//! A server of this crate, and what reaches it.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use mooring_core::wire::WIRE_HEADER;
use mooring_net::client::{Call, Client};
use mooring_net::http as net;
use mooring_net::serve::{Inbound, Limits, Peer, Tls, serve as serve_port};
use mooring_net::shutdown::Shutdown;
use mooring_net::tls::{self, Http, ServerIdentity};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub const SOON: Duration = Duration::from_secs(5);

pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        Self::named("test CA")
    }

    pub fn named(name: &str) -> Self {
        let mut p = CertificateParams::new(vec![]).unwrap();
        p.distinguished_name.push(DnType::CommonName, name);
        p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(p, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn roots(&self) -> String {
        self.0.pem()
    }

    pub fn issue(&self, common: &str, names: &[&str]) -> (String, String) {
        self.issue_for(common, names, Duration::from_secs(86_400))
    }

    pub fn issue_for(&self, common: &str, names: &[&str], time: Duration) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut p =
            CertificateParams::new(names.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>())
                .unwrap();
        p.not_after = (SystemTime::now() + time).into();
        p.distinguished_name.push(DnType::CommonName, common);
        (
            p.signed_by(&key, &self.0).unwrap().pem(),
            key.serialize_pem(),
        )
    }
}

pub struct Server {
    pub addr: SocketAddr,
    pub identity: Arc<ServerIdentity>,
    pub ca: Authority,
    pub stop: tokio::sync::watch::Sender<bool>,
    /// Says that client certificates are judged otherwise.
    pub judged: tokio::sync::watch::Sender<()>,
    /// Endless answers that are being given.
    pub streams: Arc<AtomicUsize>,
}

/// Zeros without end, for as long as somebody takes them.
struct Endless(Arc<AtomicUsize>);

impl Endless {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl net::Pieces for Endless {
    async fn next(&mut self) -> Option<Bytes> {
        Some(Bytes::from_static(&[0; 16 * 1024]))
    }
}

/// `GET /` says who asks, `GET /later` after a second, `GET /old` in a version of the messages that
/// there never was; `GET /endless` never ends; a `POST` says how
/// long its body is, one to `/kept` reads it after the answer.
async fn answer(req: Request<Inbound>, streams: Arc<AtomicUsize>) -> Response<net::Body> {
    let who = req.extensions().get::<Peer>().and_then(|p| p.cert.clone());
    let who = who.and_then(|c| tls::common_name(&c));
    let who = who.unwrap_or_else(|| "nobody".into());
    match (req.method(), req.uri().path()) {
        (&Method::GET, "/endless") => net::streamed("text/plain", Endless::new(&streams)),
        (&Method::GET, path) => {
            if path == "/later" {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            let mut answer = net::with_type(StatusCode::OK, "text/plain", who);
            if path == "/old" {
                let speaks = HeaderName::from_static(WIRE_HEADER);
                answer.headers_mut().insert(speaks, HeaderValue::from(0));
            }
            answer
        }
        (_, "/kept") => {
            tokio::spawn(async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                let _ = net::read_body(req.into_body(), 10_000, Duration::from_secs(5)).await;
            });
            net::with_type(StatusCode::OK, "text/plain", who)
        }
        _ => match net::read_body(req.into_body(), 1000, Duration::from_millis(500)).await {
            Ok(b) => net::with_type(StatusCode::OK, "text/plain", b.len().to_string()),
            Err(p) => net::problem(&p),
        },
    }
}

/// Over TLS, asking for client certificates.
pub async fn serve(limits: Limits) -> Server {
    serve_as(limits, true).await
}

/// Over TLS, or in plain.
pub async fn serve_as(limits: Limits, over_tls: bool) -> Server {
    let ca = Authority::new();
    let (cert, key) = ca.issue("first", &["main.ns.svc"]);
    let identity = ServerIdentity::new(tls::certified_key(&cert, &key).unwrap(), vec![]);
    let clients = tls::optional_clients(&ca.roots()).unwrap();
    let config = tls::server_config(identity.clone(), Some(clients), Http::Two).unwrap();
    let (judged, hears) = tokio::sync::watch::channel(());
    let tls = over_tls.then(|| Tls::judged_by(config, hears));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (stop, shutdown) = Shutdown::channel();
    let streams = Arc::<AtomicUsize>::default();
    let counted = streams.clone();
    let handler = move |req| answer(req, counted.clone());
    tokio::spawn(serve_port(listener, tls, limits, shutdown, handler));
    Server {
        addr,
        identity,
        ca,
        stop,
        judged,
        streams,
    }
}

impl Server {
    pub fn client(&self, name: &str, roots: &str, identity: Option<(&str, &str)>) -> Client {
        let config = tls::client_config(roots, identity).unwrap();
        Client::new(
            &format!("https://{name}:8443"),
            vec![self.addr.to_string()],
            config,
        )
        .unwrap()
    }

    /// A connection in plain from this address of the machine's own.
    pub async fn connect_from(&self, from: [u8; 4]) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((from, 0))).unwrap();
        socket.connect(self.addr).await.unwrap()
    }

    /// The same over TLS, speaking one of these.
    pub async fn shake_hands(
        &self,
        from: [u8; 4],
        alpn: &[&[u8]],
        identity: Option<(&str, &str)>,
    ) -> TlsStream<TcpStream> {
        let config = tls::client_config(&self.ca.roots(), identity).unwrap();
        let mut config = (*config).clone();
        config.alpn_protocols = alpn.iter().map(|a| a.to_vec()).collect();
        let tcp = self.connect_from(from).await;
        let connector = TlsConnector::from(Arc::new(config));
        let name = "main.ns.svc".try_into().unwrap();
        connector.connect(name, tcp).await.unwrap()
    }
}

pub fn get() -> Call {
    Call::new(Method::GET, "/")
}

pub fn post(n: usize) -> Call {
    Call {
        body: Some(Bytes::from(vec![b'x'; n])),
        ..Call::new(Method::POST, "/")
    }
}
