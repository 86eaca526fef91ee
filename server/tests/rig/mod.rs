//! A license server as a real process, with a SoftHSM token, a licence and certificates of its own, and clients to drive it.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs
)]

use mooring_core::license::{
    AnchorKey, AnchorKind, CountBy, Draw, Envelope, Licence, Policy, Pool, Product, PublicKey,
    SigningKey, TicketBundle, VersionRange, armour, types,
};
use mooring_core::names::{ClaimName, LeaseId, PoolName, ProductName, RequestId, Seats};
use mooring_core::request::Item;
use mooring_core::secret::Secret;
use mooring_core::time::Timestamp;
use mooring_core::wire::{
    ClaimRequest, Grant, HeldProof, Holder, Problem, ProblemType, Products, RenewRequest,
    RenewResponse, Renewal, Renewed, Standing, Waiting,
};
use mooring_net::client::{Answer, Call, Client};
use mooring_net::{random, tls};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub const SERVER: &str = env!("CARGO_BIN_EXE_mooring-server");
const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
/// A PIN that is not in a log by chance.
pub const PIN: &str = "heron-17";
/// Longer than any condition here takes on a busy machine.
pub const SOON: Duration = Duration::from_secs(40);

pub fn vendor() -> SigningKey {
    SigningKey::from_seed(&[42; 32]).unwrap()
}

/// `seats` of `render` for one year from yesterday.
pub fn licence(anchor: PublicKey, seats: u32) -> Licence {
    let pool = PoolName::new("seats").unwrap();
    let day = Duration::from_secs(86_400);
    Licence {
        schema: 1,
        critical: Vec::new(),
        id: "rig-1".into(),
        supersedes: Vec::new(),
        customer: "ACME".into(),
        issued: Timestamp::now().checked_sub(day).unwrap(),
        not_before: None,
        expires: Some(Timestamp::now().checked_add(day * 365).unwrap()),
        maintenance_until: None,
        test: true,
        pools: vec![Pool {
            name: pool.clone(),
            seats,
            overdraft: 0,
        }],
        products: vec![Product {
            name: ProductName::new("render").unwrap(),
            versions: VersionRange::default(),
            features: Vec::new(),
            count_by: CountBy::Claim,
            from: vec![vec![Draw { pool, weight: 1 }]],
        }],
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

pub fn sealed(l: &Licence, by: &SigningKey) -> String {
    armour(&Envelope::sign(types::LICENCE, l, by).unwrap()).unwrap()
}

/// Certificates.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

impl Ca {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut p = CertificateParams::new(Vec::new()).unwrap();
        p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        p.distinguished_name.push(DnType::CommonName, "rig CA");
        let pem = p.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(p, key),
            pem,
        }
    }

    /// A certificate and its key.
    pub fn issue(&self, cn: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut p = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        p.subject_alt_names
            .push(SanType::IpAddress("127.0.0.1".parse().unwrap()));
        p.distinguished_name.push(DnType::CommonName, cn);
        (
            p.signed_by(&key, &self.issuer).unwrap().pem(),
            key.serialize_pem(),
        )
    }
}

/// A SoftHSM token in a folder.
pub struct Token {
    pub store: PathBuf,
    pub conf: PathBuf,
    pub key: PublicKey,
}

fn tool(conf: &Path, program: &str, args: &[&str]) {
    let out = Command::new(program)
        .args(args)
        .env("SOFTHSM2_CONF", conf)
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{program} {args:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
}

impl Token {
    pub fn new(dir: &Path, label: &str) -> Self {
        let store = dir.join(format!("store-{label}"));
        std::fs::create_dir(&store).unwrap();
        let conf = dir.join(format!("softhsm2-{label}.conf"));
        std::fs::write(
            &conf,
            format!(
                "directories.tokendir = {}\nobjectstore.backend = file\n",
                store.display()
            ),
        )
        .unwrap();
        Self::init(&conf, "mooring");
        let key = Self::key_of(&conf, "mooring");
        Self { store, conf, key }
    }

    fn init(conf: &Path, label: &str) {
        tool(
            conf,
            "softhsm2-util",
            &[
                "--init-token",
                "--free",
                "--label",
                label,
                "--pin",
                PIN,
                "--so-pin",
                "567890",
            ],
        );
        let args = [
            "--module",
            MODULE,
            "--token-label",
            label,
            "--login",
            "--pin",
            PIN,
            "--keypairgen",
        ];
        tool(
            conf,
            "pkcs11-tool",
            &[
                &args[..],
                &[
                    "--key-type",
                    "EC:prime256v1",
                    "--id",
                    "01",
                    "--label",
                    "anchor",
                ],
            ]
            .concat(),
        );
    }

    /// The token's key, as the server's own worker lists it.
    fn key_of(conf: &Path, label: &str) -> PublicKey {
        let mut worker = Command::new(SERVER)
            .arg("anchor-worker")
            .env("SOFTHSM2_CONF", conf)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut to = worker.stdin.take().unwrap();
        let asks = [
            serde_json::json!({"ask": "open", "module": MODULE, "tokenLabel": label}),
            serde_json::json!({"ask": "login", "pin": PIN}),
            serde_json::json!({"ask": "keys"}),
        ];
        for a in asks {
            writeln!(to, "{a}").unwrap();
        }
        drop(to);
        let out = worker.wait_with_output().unwrap();
        let last: serde_json::Value =
            serde_json::from_slice(out.stdout.split(|b| *b == b'\n').nth(2).unwrap()).unwrap();
        last["keys"][0].as_str().unwrap().parse().unwrap()
    }
}

/// How a rig is to be.
pub struct Setup {
    pub seats: u32,
    pub lease_secs: u64,
    pub earlier: Option<u64>,
    pub pin: &'static str,
    pub more: String,
    pub env: Vec<(String, String)>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            seats: 2,
            lease_secs: 10,
            earlier: Some(0),
            pin: PIN,
            more: String::new(),
            env: Vec::new(),
        }
    }
}

/// A license server with everything around it.
pub struct Rig {
    pub dir: tempfile::TempDir,
    pub ca: Ca,
    pub token: Token,
    pub setup: Setup,
    child: Option<Child>,
    pub log: Arc<Mutex<Vec<String>>>,
    pub api: String,
    pub health: String,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!(
                "--- the server's log\n{}",
                self.log.lock().unwrap().join("\n")
            );
        }
    }
}

impl Rig {
    /// Everything but the process.
    pub fn prepare(setup: Setup) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ca = Ca::new();
        let token = Token::new(dir.path(), "a");
        let rig = Self {
            dir,
            ca,
            token,
            setup,
            child: None,
            log: Arc::default(),
            api: String::new(),
            health: String::new(),
        };
        let (cert, key) = rig.ca.issue("server");
        rig.write("tls.crt", &cert);
        rig.write("tls.key", &key);
        rig.write("ca.crt", &rig.ca.pem);
        rig.write("vendor-keys", &vendor().public().to_string());
        rig.write("pin", rig.setup.pin);
        std::fs::write(rig.path("identity"), [7; 32]).unwrap();
        rig.write(
            "licence",
            &sealed(&licence(rig.token.key, rig.setup.seats), &vendor()),
        );
        rig.configure();
        rig
    }

    /// Started, the anchor signing.
    pub async fn start(setup: Setup) -> Self {
        let mut rig = Self::prepare(setup);
        rig.run();
        rig.until_metric("mooring_anchor_present 1").await;
        rig
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        // As Kubernetes does: a new file in the old one's place.
        let aside = self.path(&format!("{name}.aside"));
        std::fs::write(&aside, text).unwrap();
        std::fs::rename(aside, self.path(name)).unwrap();
    }

    pub fn configure(&self) {
        let d = self.dir.path().display();
        let s = &self.setup;
        let earlier = s
            .earlier
            .map(|e| format!("earlierLongestLeaseSecs: {e}\n"))
            .unwrap_or_default();
        let text = format!(
            "name: rig\nlisten: 127.0.0.1:0\nhealth: 127.0.0.1:0\n\
             tls: {{cert: {d}/tls.crt, key: {d}/tls.key, clientCa: {d}/ca.crt}}\n\
             licence: {d}/licence\nvendorKeys: {d}/vendor-keys\n\
             anchor: {{pkcs11: {{module: {MODULE}, tokenLabel: mooring, pinFile: {d}/pin}}}}\n\
             lease: {{durationSecs: {}, graceSecs: 3600}}\n{earlier}\
             stateDir: {d}/state\nidentityKey: {d}/identity\n{}",
            s.lease_secs, s.more
        );
        self.write("config.yaml", &text);
    }

    /// Starts the process and waits until it listens.
    pub fn run(&mut self) {
        let mut child = Command::new(SERVER)
            .args(["run", "--config"])
            .arg(self.path("config.yaml"))
            .env("SOFTHSM2_CONF", &self.token.conf)
            .env("MOORING_LOG", "debug,h2=info,hyper=info")
            .envs(self.setup.env.clone())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (log, (tx, rx)) = (self.log.clone(), std::sync::mpsc::channel());
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if line.contains("\"listening\"") {
                    let v: serde_json::Value = serde_json::from_str(&line).unwrap();
                    let addr = |f: &str| v[f].as_str().unwrap().to_owned();
                    let _ = tx.send((addr("api"), addr("health")));
                }
                log.lock().unwrap().push(line);
            }
        });
        self.child = Some(child);
        let Ok((api, health)) = rx.recv_timeout(SOON) else {
            panic!(
                "the server does not listen: {}",
                self.log.lock().unwrap().join("\n")
            )
        };
        (self.api, self.health) = (api, health);
    }

    /// As a container that crashed.
    pub fn kill(&mut self) {
        if let Some(mut c) = self.child.take() {
            let _ = c.kill();
            let _ = c.wait();
        }
    }

    /// SIGTERM; returns how long it took to end.
    pub fn terminate(&mut self) -> Duration {
        let mut c = self.child.take().unwrap();
        let begin = Instant::now();
        let pid = c.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        assert!(c.wait().unwrap().success());
        begin.elapsed()
    }

    pub fn client(&self, cn: &str) -> Client {
        let (cert, key) = self.ca.issue(cn);
        self.connect(Some((&cert, &key)))
    }

    /// One without a certificate.
    pub fn stranger(&self) -> Client {
        self.connect(None)
    }

    pub fn connect(&self, identity: Option<(&str, &str)>) -> Client {
        let port = self.api.rsplit(':').next().unwrap();
        let config = tls::client_config(&self.ca.pem, identity).unwrap();
        Client::new(
            &format!("https://localhost:{port}"),
            vec![self.api.clone()],
            config,
        )
        .unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub async fn metrics(&self) -> String {
        self.get("/metrics").await
    }

    /// An answer of the health port, head included.
    pub async fn get(&self, path: &str) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut s = tokio::net::TcpStream::connect(&self.health).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        s.write_all(head.as_bytes()).await.unwrap();
        let mut text = String::new();
        s.read_to_string(&mut text).await.unwrap();
        text
    }

    pub async fn metric(&self, name: &str) -> Option<f64> {
        let text = self.metrics().await;
        let line = text
            .lines()
            .find_map(|l| l.strip_prefix(name)?.strip_prefix(' '))?;
        line.trim().parse().ok()
    }

    pub async fn until_metric(&self, line: &str) {
        until(line, async || {
            self.metrics().await.lines().any(|l| l == line)
        })
        .await;
    }

    pub fn logged(&self, words: &str) -> usize {
        self.log
            .lock()
            .unwrap()
            .iter()
            .filter(|l| l.contains(words))
            .count()
    }

    pub async fn products(&self, c: &Client) -> Products {
        ask(c, Call::new(http::Method::GET, "/v1/products"))
            .await
            .json()
            .unwrap()
    }
}

/// Waits for a condition.
pub async fn until(what: &str, mut f: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while !f().await {
        assert!(begin.elapsed() < SOON, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub async fn ask(c: &Client, call: Call) -> Answer {
    c.call(&call, SOON).await.unwrap()
}

pub fn problem(a: &Answer) -> Problem {
    a.json()
        .unwrap_or_else(|e| panic!("{e}: {} {:?}", a.status, a.body))
}

pub fn items(seats: u32) -> Vec<Item> {
    vec![Item {
        product: ProductName::new("render").unwrap(),
        seats: Seats::new(seats).unwrap(),
        version: None,
    }]
}

/// One claim as its holder keeps it.
#[derive(Clone)]
pub struct TestClaim {
    pub name: ClaimName,
    pub secret: Secret,
    pub items: Vec<Item>,
    pub counter: u64,
    pub holder: Option<Holder>,
    pub ticket: Option<TicketBundle>,
    pub held: Option<HeldProof>,
}

/// What a claim was answered with.
#[derive(Debug)]
pub enum Outcome {
    Granted(Box<Grant>),
    Waiting(Box<Waiting>),
    Problem(Problem),
}

impl Outcome {
    pub fn granted(self) -> Grant {
        match self {
            Self::Granted(g) => *g,
            other => panic!("not granted: {other:?}"),
        }
    }

    pub fn waiting(self) -> Waiting {
        match self {
            Self::Waiting(w) => *w,
            other => panic!("not waiting: {other:?}"),
        }
    }

    pub fn problem(self, kind: ProblemType) -> Problem {
        match self {
            Self::Problem(p) if p.kind == kind => p,
            other => panic!("no {kind}: {other:?}"),
        }
    }
}

impl TestClaim {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.parse().unwrap(),
            secret: random::secret(),
            items: items(1),
            counter: 0,
            holder: None,
            ticket: None,
            held: None,
        }
    }

    pub fn body(&self) -> ClaimRequest {
        let shows = self.ticket.is_some() || self.held.is_some();
        ClaimRequest {
            items: self.items.clone(),
            secret_hash: self.secret.hash(),
            request_id: random::request_id(),
            standing: if self.held.is_some() {
                Standing::Held
            } else {
                Standing::Seeking
            },
            ticket: self.ticket.clone(),
            held: self.held.clone(),
            secret: shows.then(|| self.secret.clone()),
            holder: self.holder.clone().filter(|_| shows),
        }
    }

    pub fn call(&self, wait: Option<u64>) -> Call {
        let call = Call::new(http::Method::PUT, format!("/v1/claims/{}", self.name))
            .json(&self.body())
            .unwrap();
        match wait {
            Some(s) => call.header(
                http::HeaderName::from_static("prefer"),
                &format!("wait={s}"),
            ),
            None => call,
        }
    }

    pub async fn claim(&mut self, c: &Client, wait: Option<u64>) -> Outcome {
        let call = self.call(wait);
        self.take(&ask(c, call).await)
    }

    pub async fn claim_as(&mut self, c: &Client, bearer: &str) -> Outcome {
        let call = self
            .call(None)
            .header(http::header::AUTHORIZATION, &format!("Bearer {bearer}"));
        self.take(&ask(c, call).await)
    }

    /// Keeps what a holder keeps.
    pub fn take(&mut self, a: &Answer) -> Outcome {
        match a.status.as_u16() {
            200 => {
                let g: Grant = a.json().unwrap();
                self.counter = g.counter;
                self.holder = Some(g.holder.clone());
                self.ticket = None;
                let (delegation, lease) = (g.token.delegation.clone(), g.token.lease.clone());
                self.held = Some(HeldProof {
                    delegation,
                    lease,
                    counter: g.counter,
                });
                Outcome::Granted(Box::new(g))
            }
            202 => {
                let w: Waiting = a.json().unwrap();
                self.holder = Some(w.holder.clone());
                self.ticket = Some(w.ticket.clone());
                Outcome::Waiting(Box::new(w))
            }
            _ => Outcome::Problem(problem(a)),
        }
    }

    pub fn renewal(&mut self, lease: LeaseId) -> Renewal {
        self.counter += 1;
        Renewal {
            lease,
            secret: self.secret.clone(),
            counter: self.counter,
            request_id: random::request_id(),
        }
    }

    pub async fn release(&self, c: &Client, lease: LeaseId) -> Answer {
        release(c, &self.name, lease, &self.secret).await
    }
}

pub async fn release(c: &Client, name: &ClaimName, lease: LeaseId, secret: &Secret) -> Answer {
    let call = Call::new(http::Method::DELETE, format!("/v1/claims/{name}"))
        .header(http::header::IF_MATCH, &format!("\"{lease}\""))
        .header(
            http::HeaderName::from_static("mooring-secret"),
            &String::from(secret.clone()),
        );
    ask(c, call).await
}

pub async fn renew(c: &Client, renewals: Vec<Renewal>) -> Vec<Renewed> {
    let call = Call::new(http::Method::POST, "/v1/leases/renew")
        .json(&RenewRequest { renewals })
        .unwrap();
    let a = ask(c, call).await;
    let r: RenewResponse = a
        .json()
        .unwrap_or_else(|e| panic!("{e}: {} {:?}", a.status, a.body));
    r.results
}

/// A request id, for retries.
pub fn request_id() -> RequestId {
    random::request_id()
}
