//! A license server in the test's process: the real ledger and chain, with a software anchor, behind real TLS. It can be
//! switched off and on, and restarted with empty books.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use mooring_core::ledger::{
    Capacity, Claim, Claimed, Granted, HeldLease, Ledger, Limits, Place, Settings,
};
use mooring_core::license::{
    AnchorKey, AnchorKind, Bundle, CountBy, Delegation, Draw, Envelope, IdentityKey, LeaseToken,
    Licence, Policy, Pool, Product, Reclaim, SigningKey, Ticket, TicketBundle, TokenAnchor,
    TokenItem, VersionRange, types,
};
use mooring_core::names::{ClaimName, InstanceId, LeaseId, PoolName, ProductName};
use mooring_core::secret::Secret;
use mooring_core::time::Timestamp;
use mooring_core::wire::{
    ClaimRequest, Grant, Holder, LeaseView, NonceRequest, OptimisticStart, Problem, ProblemType,
    RenewRequest, RenewResponse, Renewed, SECRET_HEADER, TokenResponse, ViewState, Waiting,
};
use mooring_net::http::{self as web, Body};
use mooring_net::shutdown::Shutdown;
use mooring_net::{clock, random, tls};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_rustls::TlsAcceptor;

/// The vendor's key.
pub fn vendor() -> SigningKey {
    SigningKey::from_seed(&[42; 32]).unwrap()
}

const MAX_CONTESTED: Duration = Duration::from_secs(900);
const GRACE: Duration = Duration::from_secs(120);

/// The books and the chain of one run of the server.
struct Run {
    ledger: Ledger,
    instance: InstanceId,
    key: SigningKey,
    licence: Envelope,
    delegation: Envelope,
    earlier: Vec<SigningKey>,
    lease_for: Duration,
    seq: u64,
    /// How many requests came, by their method and the path's last word but ids.
    seen: Vec<String>,
}

pub struct Server {
    run: Arc<Mutex<Run>>,
    port: u16,
    pub roots: String,
    identity: (String, String),
    on: Option<(tokio::runtime::Runtime, tokio::sync::watch::Sender<bool>)>,
}

fn licence(seats: u32) -> Licence {
    let pool = PoolName::new("seats").unwrap();
    let draw = Draw {
        pool: pool.clone(),
        weight: 1,
    };
    let product = Product {
        name: ProductName::new("render").unwrap(),
        versions: VersionRange::default(),
        features: vec![],
        count_by: CountBy::Claim,
        from: vec![vec![draw]],
    };
    let anchor = SigningKey::from_seed(&[5; 32]).unwrap().public();
    Licence {
        schema: 1,
        critical: vec![],
        id: "test-1".into(),
        supersedes: vec![],
        customer: "ACME".into(),
        issued: "2020-01-01T00:00:00Z".parse().unwrap(),
        not_before: None,
        expires: Some("2100-01-01T00:00:00Z".parse().unwrap()),
        maintenance_until: None,
        test: true,
        pools: vec![Pool {
            name: pool,
            seats,
            overdraft: 0,
        }],
        products: vec![product],
        anchors: vec![AnchorKey {
            kind: AnchorKind::Pkcs11,
            key: anchor,
            software: true,
            label: None,
            standby: None,
        }],
        policy: Policy::default(),
    }
}

impl Run {
    fn new(seats: u32, lease_for: Duration, settle: Duration, earlier: Vec<SigningKey>) -> Self {
        let anchor = SigningKey::from_seed(&[5; 32]).unwrap();
        let key = SigningKey::from_seed(&random::bytes()).unwrap();
        let (document, now, instance) = (licence(seats), clock::now(), random::instance_id());
        let licence = Envelope::sign(types::LICENCE, &document, &vendor()).unwrap();
        let delegation = Delegation {
            licence: licence.digest(),
            kind: AnchorKind::Pkcs11,
            key_id: anchor.public().id(),
            server_key: key.public(),
            instance,
            not_before: now.wall.checked_sub(Duration::from_secs(1)).unwrap(),
            not_after: now.wall.checked_add(Duration::from_secs(800)).unwrap(),
        };
        let delegation = Envelope::sign(types::DELEGATION, &delegation, &anchor).unwrap();
        let settings = Settings {
            instance,
            generation: u64::try_from(now.wall.as_millisecond()).unwrap(),
            lease_for,
            settle,
            reclaim: Reclaim::Any,
            grace: GRACE,
            limits: Limits::default(),
        };
        let ledger = Ledger::new(settings, Capacity::of(&document), now.boot);
        Self {
            ledger,
            instance,
            key,
            licence,
            delegation,
            earlier,
            lease_for,
            seq: 0,
            seen: vec![],
        }
    }

    fn token(&mut self, g: &Granted, nonce: Option<String>) -> Bundle {
        self.seq += 1;
        let items = g.items.iter().map(|i| TokenItem {
            product: i.product.clone(),
            seats: i.seats,
            versions: VersionRange::default(),
            maintenance_until: None,
        });
        let token = LeaseToken {
            licence: self.licence.digest(),
            anchor: TokenAnchor {
                kind: AnchorKind::Pkcs11,
                key_id: SigningKey::from_seed(&[5; 32]).unwrap().public().id(),
            },
            delegation: self.delegation.digest(),
            instance: self.instance,
            seq: self.seq,
            lease: g.lease,
            claim: g.claim.clone(),
            holder: identity().hide(&g.holder),
            items: items.collect(),
            issued_at: Timestamp::now(),
            issued_boot: None,
            lease_for: self.lease_for,
            run_for: GRACE,
            counter: g.counter,
            overdraft: g.overdraft,
            cnf: g.secret_hash,
            test: true,
            nonce,
        };
        let lease = Envelope::sign(types::LEASE, &token, &self.key).unwrap();
        Bundle {
            licence: self.licence.clone(),
            delegation: self.delegation.clone(),
            lease,
        }
    }

    fn answer(&mut self, c: Claimed) -> Response<Body> {
        match c {
            Claimed::Granted(g) => web::json(StatusCode::OK, &self.grant(&g)),
            Claimed::Waiting(p) => web::json(StatusCode::ACCEPTED, &self.waiting(p)),
        }
    }

    fn grant(&mut self, g: &Granted) -> Grant {
        Grant {
            lease: g.lease,
            claim: g.claim.clone(),
            instance: self.instance,
            items: g.items.clone(),
            lease_for: self.lease_for,
            run_for: GRACE,
            max_contested: MAX_CONTESTED,
            optimistic_start: OptimisticStart::Allow,
            counter: g.counter,
            holder: g.holder.clone(),
            token: self.token(g, None),
        }
    }

    fn waiting(&mut self, p: Place) -> Waiting {
        let ticket = Ticket {
            instance: self.instance,
            generation: p.generation,
            arrival: p.arrival,
            lease: p.lease,
            claim: p.claim.clone(),
            items: p.items.clone(),
            holder: identity().hide(&p.holder),
            cnf: p.secret_hash,
            contested: p.contested,
            issued_at: Timestamp::now(),
        };
        let ticket = Envelope::sign(types::TICKET, &ticket, &self.key).unwrap();
        Waiting {
            lease: p.lease,
            claim: p.claim,
            instance: self.instance,
            place: p.place,
            reason: p.reason,
            ticket: TicketBundle {
                delegation: self.delegation.clone(),
                ticket,
            },
            retry_in: self.lease_for / 2,
            max_contested: MAX_CONTESTED,
            holder: p.holder,
        }
    }

    fn keys(&self) -> Vec<mooring_core::license::PublicKey> {
        std::iter::once(&self.key)
            .chain(&self.earlier)
            .map(SigningKey::public)
            .collect()
    }

    fn claim(
        &mut self,
        name: ClaimName,
        body: ClaimRequest,
        bearer: Option<&str>,
    ) -> Result<Claimed, Problem> {
        let stranger = || Problem::new(ProblemType::Unauthenticated, "no acceptable credential");
        let proves = |cnf: mooring_core::secret::SecretHash| {
            body.secret.as_ref().is_some_and(|s| cnf.matches(s))
        };
        let ticket = body.ticket.as_ref().map(|t| {
            t.ticket
                .open::<Ticket>(types::TICKET, &self.keys())
                .unwrap()
                .0
        });
        let ticket = ticket.filter(|t| proves(t.cnf));
        let token = body.held.as_ref().map(|h| {
            h.lease
                .open::<LeaseToken>(types::LEASE, &self.keys())
                .unwrap()
                .0
        });
        let token = token.filter(|t| proves(t.cnf));
        let vouched = body.holder.clone().filter(|h| {
            ticket.as_ref().is_some_and(|t| identity().is(h, &t.holder))
                || token.as_ref().is_some_and(|t| identity().is(h, &t.holder))
        });
        let holder = match (vouched, bearer.and_then(|b| b.strip_prefix("Bearer pod-"))) {
            (Some(h), _) => h,
            (None, Some(uid)) => pod(uid),
            (None, None) => return Err(stranger()),
        };
        let held = token.map(|token| {
            let unexpired = token.unexpired(clock::now(), "");
            HeldLease {
                token,
                unexpired,
                counter: body.held.as_ref().unwrap().counter,
            }
        });
        let claim = Claim {
            holder,
            name,
            items: body.items,
            secret_hash: body.secret_hash,
            new_id: random::lease_id(),
            standing: body.standing,
            ticket,
            held,
            priority: 0,
        };
        self.ledger.claim(claim, clock::boot())
    }
}

fn identity() -> IdentityKey {
    IdentityKey::new(&[9; 32])
}

fn pod(uid: &str) -> Holder {
    let (namespace, pod) = ("team".into(), format!("pod-{uid}"));
    Holder::Pod {
        namespace,
        pod,
        uid: uid.into(),
        service_account: "default".into(),
        node: None,
    }
}

async fn handle(run: Arc<Mutex<Run>>, req: Request<Incoming>) -> Response<Body> {
    let (parts, body) = req.into_parts();
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
        let claimed =
            run.lock()
                .unwrap()
                .claim(ClaimName::new(last).unwrap(), body, bearer.as_deref());
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
    let mut run = run.lock().unwrap();
    let now = clock::boot();
    if parts.method == Method::DELETE {
        let secret = Secret::try_from(header(SECRET_HEADER).unwrap()).unwrap();
        let lease: LeaseId = header("if-match")
            .unwrap()
            .trim_matches('"')
            .parse()
            .unwrap();
        return match run.ledger.release(lease, &secret, now) {
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
        let run = Run::new(
            seats,
            Duration::from_secs(lease_secs),
            Duration::ZERO,
            vec![],
        );
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        Self {
            run: Arc::new(Mutex::new(run)),
            port,
            roots: identity.0.clone(),
            identity,
            on: None,
        }
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
        let acceptor =
            TlsAcceptor::from(tls::server_config(tls::ServerIdentity::new(key), None).unwrap());
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
