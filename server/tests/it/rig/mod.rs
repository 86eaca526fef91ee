//! A license server as a real process, with a SoftHSM token, a license and certificates of its own,
//! and clients to drive it.

mod api_server;
mod holder;
pub mod token;

pub use api_server::ApiServer;
pub use holder::{Outcome, TestClaim, items, release, renew, request_id, whole};
pub use token::Token;

use mooring_core::license::{License, PublicKey};
use mooring_core::wire::{Problem, Products};
use mooring_net::client::{Answer, Call, Client};
use mooring_net::tls;
use mooring_testkit::{Ca, sealed, vendor};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub const SERVER: &str = env!("CARGO_BIN_EXE_mooring-server");
pub const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
/// A PIN that is not in a log by chance.
pub const PIN: &str = "heron-17";
/// Longer than any condition here takes on a busy machine.
pub const SOON: Duration = Duration::from_secs(40);

/// `seats` of `render`, bound to a token in software.
pub fn license(anchor: PublicKey, seats: u32) -> License {
    mooring_testkit::license(mooring_testkit::token(anchor), seats)
}

/// How a rig is to be.
pub struct Setup {
    pub seats: u32,
    pub lease_secs: u64,
    pub claims_per_holder: u16,
    pub earlier: Option<u64>,
    pub pin: &'static str,
    pub more: String,
    pub env: Vec<(String, String)>,
    /// As whom it runs, if not as the test.
    pub user: Option<u32>,
    /// What to anchor it to; a SoftHSM token of its own if nothing is said.
    pub anchored: Option<Anchored>,
}

/// An anchor that is there already.
#[derive(Clone)]
pub struct Anchored {
    /// Its key, as the license lists it.
    pub key: PublicKey,
    /// The configuration's field `anchor`; `$DIR` is the rig's folder.
    pub config: String,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            seats: 2,
            lease_secs: 10,
            claims_per_holder: 16,
            earlier: Some(0),
            pin: PIN,
            more: String::new(),
            env: Vec::new(),
            user: None,
            anchored: None,
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
    /// What it wrote to standard output.
    pub stdout: Arc<Mutex<Vec<String>>>,
    pub api: String,
    pub metrics_port: String,
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
        let token = match &setup.anchored {
            Some(a) => Token::elsewhere(a.key),
            None => Token::new(dir.path(), "a"),
        };
        let rig = Self {
            dir,
            ca,
            token,
            setup,
            child: None,
            log: Arc::default(),
            stdout: Arc::default(),
            api: String::new(),
            metrics_port: String::new(),
        };
        let (cert, key) = rig.ca.issue("server");
        rig.write("tls.crt", &cert);
        rig.write("tls.key", &key);
        rig.write("ca.crt", &rig.ca.pem);
        rig.write("vendor-keys", &vendor().public().to_string());
        rig.write("pin", rig.setup.pin);
        std::fs::write(rig.path("identity"), [7; 32]).unwrap();
        rig.write(
            "license",
            &sealed(&license(rig.token.key, rig.setup.seats), &vendor()),
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
        let anchor = match &s.anchored {
            Some(a) => a.config.replace("$DIR", &d.to_string()),
            None => {
                format!("{{pkcs11: {{module: {MODULE}, tokenLabel: mooring, pinFile: {d}/pin}}}}")
            }
        };
        let text = format!(
            "name: rig\nlisten: 127.0.0.1:0\nmetrics: 127.0.0.1:0\n\
             tls: {{cert: {d}/tls.crt, key: {d}/tls.key, clientCa: {d}/ca.crt}}\n\
             licenses: [{d}/license]\nvendorKeys: {d}/vendor-keys\n\
             anchor: {anchor}\n\
             lease: {{durationSecs: {}, graceSecs: 3600, claimsPerHolder: {}}}\n{earlier}\
             stateDir: {d}/state\nidentityKey: {d}/identity\n{}",
            s.lease_secs, s.claims_per_holder, s.more
        );
        self.write("config.yaml", &text);
    }

    /// Starts the process and waits until it listens.
    pub fn run(&mut self) {
        let mut command = Command::new(SERVER);
        command
            .args(["run", "--config"])
            .arg(self.path("config.yaml"))
            .env("SOFTHSM2_CONF", &self.token.conf)
            .env("MOORING_LOG", "debug,h2=info,hyper=info")
            .envs(self.setup.env.clone())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(user) = self.setup.user {
            command.uid(user).gid(user);
        }
        let mut child = command.spawn().unwrap();
        let printed = BufReader::new(child.stdout.take().unwrap()).lines();
        let stdout = self.stdout.clone();
        std::thread::spawn(move || {
            for line in printed.map_while(Result::ok) {
                stdout.lock().unwrap().push(line);
            }
        });
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (log, (tx, rx)) = (self.log.clone(), std::sync::mpsc::channel());
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if line.contains("\"listening\"") {
                    let v: serde_json::Value = serde_json::from_str(&line).unwrap();
                    let addr = |f: &str| v[f].as_str().unwrap().to_owned();
                    let _ = tx.send((addr("api"), addr("metrics")));
                }
                log.lock().unwrap().push(line);
            }
        });
        self.child = Some(child);
        let Ok((api, metrics)) = rx.recv_timeout(SOON) else {
            panic!(
                "the server does not listen: {}",
                self.log.lock().unwrap().join("\n")
            )
        };
        (self.api, self.metrics_port) = (api, metrics);
    }

    /// As a container that crashed.
    pub fn kill(&mut self) {
        if let Some(mut c) = self.child.take() {
            let _ = c.kill();
            let _ = c.wait();
        }
    }

    /// As a pod that is deleted: what is in its own folder goes with it.
    pub fn kill_pod(&mut self) {
        self.kill();
        std::fs::remove_dir_all(self.path("state")).unwrap();
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

    /// What `health` says of it, as a probe asks: whether that is good, and the words.
    pub fn health(&self, flags: &[&str]) -> (bool, String) {
        let config = self.path("config.yaml");
        let mut asked = Command::new(SERVER);
        asked.arg("health").arg("--config").arg(config).args(flags);
        let out = asked.output().unwrap();
        let text = [out.stdout, out.stderr].concat();
        (out.status.success(), String::from_utf8(text).unwrap())
    }

    pub async fn metrics(&self) -> String {
        self.get("/metrics").await
    }

    /// An answer of the port for metrics, head included.
    pub async fn get(&self, path: &str) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut s = tokio::net::TcpStream::connect(&self.metrics_port)
            .await
            .unwrap();
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

    /// As the operator, who is told everything, whoever asks.
    pub async fn products(&self, _: &Client) -> Products {
        let operator = self.client("mooring-operator");
        ask(&operator, Call::new(http::Method::GET, "/v1/products"))
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
