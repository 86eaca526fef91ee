//! A license server in the test's process, behind real TLS: it can be switched off and on, and restarted with empty books.

use super::books::Run;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use mooring_core::identity::HolderKey;
use mooring_core::ledger::Claimed;
use mooring_core::license::SigningKey;
use mooring_core::names::{ClaimName, LeaseId};
use mooring_core::secret::Secret;
use mooring_core::wire::{
    COUNTER_HEADER, ClaimRequest, LeaseView, NonceRequest, Problem, ProblemType, RenewRequest,
    RenewResponse, Renewed, SECRET_HEADER, TokenResponse, ViewState,
};
use mooring_net::http::{self as web, Body};
use mooring_net::shutdown::Shutdown;
use mooring_net::{clock, tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_rustls::TlsAcceptor;

pub struct Server {
    run: Arc<Mutex<Run>>,
    port: u16,
    pub roots: String,
    identity: (String, String),
    ca: CertifiedIssuer<'static, KeyPair>,
    on: Option<(tokio::runtime::Runtime, tokio::sync::watch::Sender<bool>)>,
}

async fn handle(run: Arc<Mutex<Run>>, req: Request<Incoming>) -> Response<Body> {
    let (parts, body) = req.into_parts();
    let cert = parts
        .extensions
        .get::<web::Peer>()
        .and_then(|p| p.cert.clone());
    let subject = cert.and_then(|c| tls::common_name(&c));
    let path = parts.uri.path().to_owned();
    let header = |n: &str| {
        parts
            .headers
            .get(n)
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned)
    };
    run.lock()
        .unwrap()
        .seen
        .push(format!("{} {}", parts.method, path));
    let body: Bytes = web::read_body(body, 64 * 1024, Duration::from_secs(5))
        .await
        .unwrap();
    let last = path.rsplit('/').next().unwrap_or_default();
    if parts.method == Method::PUT {
        let body: ClaimRequest = serde_json::from_slice(&body).unwrap();
        let bearer = header("authorization");
        let claimed = run.lock().unwrap().claim(
            ClaimName::new(last).unwrap(),
            &body,
            bearer.as_deref(),
            subject,
        );
        let prefer = header("prefer").and_then(|p| p.strip_prefix("wait=")?.parse().ok());
        let place = match claimed {
            Err(p) => return web::problem(&p),
            Ok(Claimed::Granted(g)) => return run.lock().unwrap().answer(Claimed::Granted(g)),
            Ok(Claimed::Waiting(p)) => p,
        };
        let until = clock::boot() + Duration::from_secs(prefer.unwrap_or(0));
        loop {
            {
                let mut run = run.lock().unwrap();
                run.ledger.tick(clock::boot());
                match run.ledger.standing(place.lease) {
                    Some(c @ Claimed::Granted(_)) => return run.answer(c),
                    Some(c) if clock::boot() >= until => return run.answer(c),
                    _ => {}
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    if parts.method == Method::DELETE {
        let delay = run.lock().unwrap().release_delay;
        tokio::time::sleep(delay).await;
    }
    let mut run = run.lock().unwrap();
    let now = clock::boot();
    if parts.method == Method::DELETE {
        let secret = Secret::try_from(header(SECRET_HEADER).unwrap()).unwrap();
        let lease: LeaseId = header("if-match")
            .unwrap()
            .trim_matches('"')
            .parse()
            .unwrap();
        let name: ClaimName = path.rsplit('/').next().unwrap().parse().unwrap();
        let counter = header(COUNTER_HEADER).map(|n| n.parse().unwrap());
        return match run.ledger.release(&name, lease, &secret, counter, now) {
            Ok(_) => web::no_content(),
            Err(p) => web::problem(&p),
        };
    }
    if path == "/v1/leases/renew" {
        let r: RenewRequest = serde_json::from_slice(&body).unwrap();
        let results = r.renewals.iter().map(|r| match run.ledger.renew(r, now) {
            Err(problem) => Renewed::Problem {
                lease: r.lease,
                problem,
            },
            Ok(g) => {
                let g = run.grant(&g);
                Renewed::Ok {
                    lease: g.lease,
                    instance: g.instance,
                    lease_for: g.lease_for,
                    run_for: g.run_for,
                    max_contested: g.max_contested,
                    optimistic_start: g.optimistic_start,
                    counter: g.counter,
                    token: g.token,
                }
            }
        });
        let results = results.collect();
        return web::json(StatusCode::OK, &RenewResponse { results });
    }
    if last == "token" {
        let lease: LeaseId = path.split('/').nth(3).unwrap().parse().unwrap();
        let r: NonceRequest = serde_json::from_slice(&body).unwrap();
        return match run.ledger.lookup(lease, &r.secret) {
            Ok(g) => web::json(
                StatusCode::OK,
                &TokenResponse {
                    token: run.token(&g, Some(r.nonce)),
                },
            ),
            Err(p) => web::problem(&p),
        };
    }
    web::problem(&Problem::new(ProblemType::NotFound, path))
}

/// A port that is free and stays the caller's: below those that the kernel gives to connections, and each once.
fn own_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = 10_000 + u16::try_from(std::process::id() % 100).unwrap() * 200;
    loop {
        let port = begin + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

impl Server {
    /// A server with this many seats of `render`, switched on.
    pub fn new(seats: u32, lease_secs: u64) -> Self {
        let mut s = Self::switched_off(seats, lease_secs);
        s.switch_on();
        s
    }

    /// The same, not on yet; its port is its own all the same.
    pub fn switched_off(seats: u32, lease_secs: u64) -> Self {
        let cert = rcgen::generate_simple_self_signed(vec!["licenses.test".to_owned()]).unwrap();
        let identity = (cert.cert.pem(), cert.signing_key.serialize_pem());
        let mut p = CertificateParams::new(vec![]).unwrap();
        p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(p, KeyPair::generate().unwrap()).unwrap();
        let run = Run::new(
            seats,
            Duration::from_secs(lease_secs),
            Duration::ZERO,
            vec![],
        );
        let port = own_port();
        Self {
            run: Arc::new(Mutex::new(run)),
            port,
            roots: identity.0.clone(),
            identity,
            ca,
            on: None,
        }
    }

    /// A client certificate for this subject, and its key.
    pub fn client(&self, subject: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut p = CertificateParams::new(vec![]).unwrap();
        p.distinguished_name.push(DnType::CommonName, subject);
        (
            p.signed_by(&key, &self.ca).unwrap().pem(),
            key.serialize_pem(),
        )
    }

    pub fn url(&self) -> String {
        format!("https://licenses.test:{}", self.port)
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn switch_on(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (tx, stop) = Shutdown::channel();
        let key = tls::certified_key(&self.identity.0, &self.identity.1).unwrap();
        let clients = tls::optional_clients(&self.ca.pem()).unwrap();
        let acceptor = TlsAcceptor::from(
            tls::server_config(tls::ServerIdentity::new(key), Some(clients)).unwrap(),
        );
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let listener = runtime.block_on(tokio::net::TcpListener::bind(at)).unwrap();
        let run = self.run.clone();
        let handler = move |req| handle(run.clone(), req);
        runtime.spawn(web::serve(
            listener,
            Some(acceptor),
            web::Limits::default(),
            stop,
            handler,
        ));
        self.on = Some((runtime, tx));
    }

    /// Gone from the network, with its books; connections break.
    pub fn switch_off(&mut self) {
        if let Some((runtime, _)) = self.on.take() {
            runtime.shutdown_timeout(Duration::from_millis(200));
        }
    }

    /// A new run with empty books that settles first, on the same port.
    pub fn restart(&mut self, seats: u32, settle: Duration) {
        self.switch_off();
        {
            let mut run = self.run.lock().unwrap();
            let mut earlier = std::mem::take(&mut run.earlier);
            let lease_for = run.lease_for;
            earlier.push(std::mem::replace(
                &mut run.key,
                SigningKey::from_seed(&[1; 32]).unwrap(),
            ));
            *run = Run::new(seats, lease_for, settle, earlier);
        }
        self.switch_on();
    }

    /// What the books say.
    pub fn views(&self) -> Vec<LeaseView> {
        self.run.lock().unwrap().ledger.views(clock::boot())
    }

    /// How many claims hold seats.
    pub fn holding(&self) -> usize {
        self.views()
            .iter()
            .filter(|v| matches!(v.state, ViewState::Held | ViewState::Silent))
            .count()
    }

    /// The renewal counter of the only lease.
    pub fn counter(&self) -> u64 {
        let run = self.run.lock().unwrap();
        let Some(Claimed::Granted(g)) = run
            .ledger
            .views(clock::boot())
            .first()
            .and_then(|v| run.ledger.standing(v.lease))
        else {
            panic!("no lease")
        };
        g.counter
    }

    /// Bars the holder of the pod with this UID, as an administrator does.
    pub fn revoke(&self, uid: &str) {
        let holder = HolderKey(uid.to_owned());
        let mut run = self.run.lock().unwrap();
        run.ledger.revoke(&holder, Some("a test"), clock::boot());
    }

    /// From now on releases take this long to arrive.
    pub fn delay_releases(&self, time: Duration) {
        self.run.lock().unwrap().release_delay = time;
    }

    /// What was asked so far.
    pub fn seen(&self) -> Vec<String> {
        self.run.lock().unwrap().seen.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.switch_off();
    }
}
