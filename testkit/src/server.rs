//! The license server itself, in the test's process: over real TLS, with files of its own, anchored
//! to a USB device that is a folder. A proxy stands before it, so that it can go out of reach.

use crate::proxy::Proxy;
use crate::{Ca, eventually, license, metric, sealed, secs, vendor};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use mooring_core::client_token::{ClientToken, OPERATOR_SUBJECT};
use mooring_core::license::{AnchorKey, AnchorKind, License, SigningKey, UsbDevice};
use mooring_core::time::Timestamp;
use mooring_core::wire::calls::server;
use mooring_core::wire::{LeaseView, Leases, Revoke, ViewState};
use mooring_net::client::{Answer, Call, Client};
use mooring_net::serve::Peer;
use mooring_net::shutdown::Shutdown;
use mooring_net::tls;
use mooring_server::Config;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// PKCS#8 of the seed of sevens.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n-----END PRIVATE KEY-----\n";

/// The key of client tokens.
fn clients() -> SigningKey {
    SigningKey::from_seed(&[43; 32]).unwrap()
}

fn anchor() -> AnchorKey {
    AnchorKey {
        kind: AnchorKind::Usb,
        usb: Some(UsbDevice {
            vendor_id: "096e".into(),
            product_id: "0006".into(),
            serial: "A1".into(),
        }),
        ..crate::token(SigningKey::from_seed(&[7; 32]).unwrap().public())
    }
}

/// A license server that this process runs.
pub struct Server {
    dir: tempfile::TempDir,
    ca: Ca,
    /// What clients know it by.
    pub roots: String,
    proxy: Proxy,
    /// The proxy's, and that of this test's own calls.
    runtime: Runtime,
    on: Option<On>,
}

/// One run of it.
struct On {
    runtime: Runtime,
    server: mooring_server::Server,
    /// As the operator, past the proxy.
    client: Client,
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().unwrap()
}

impl Server {
    /// A server with this many seats of `render`, in reach.
    pub fn new(seats: u32, lease_secs: u64) -> Self {
        let mut s = Self::switched_off(seats, lease_secs);
        s.switch_on();
        s
    }

    /// The same, never started yet; its port is its own all the same.
    pub fn switched_off(seats: u32, lease_secs: u64) -> Self {
        Self::licensed_by(seats, lease_secs, |_| {})
    }

    /// The same, with something else in its license.
    pub fn licensed_by(seats: u32, lease_secs: u64, change: impl FnOnce(&mut License)) -> Self {
        let (dir, ca) = (tempfile::tempdir().unwrap(), Ca::new());
        let d = dir.path();
        let (cert, key) = ca.issue("server");
        let mut l = license(anchor(), seats);
        // The configuration takes ten seconds at least; a test license may say less.
        l.policy.max_lease = Some(secs(lease_secs));
        change(&mut l);
        private(&d.join("anchor.key"), KEY);
        for (name, text) in [
            ("tls.crt", cert.as_str()),
            ("tls.key", &key),
            ("ca.crt", &ca.pem),
            ("vendor-keys", &vendor().public().to_string()),
            ("client-keys", &clients().public().to_string()),
            ("license", &sealed(&l, &vendor())),
            ("identity", &"7".repeat(32)),
            ("config.yaml", &config(d, lease_secs.max(10))),
        ] {
            std::fs::write(d.join(name), text).unwrap();
        }
        let device = d.join("sys/bus/usb/devices/1-1");
        std::fs::create_dir_all(&device).unwrap();
        for (name, says) in [
            ("idVendor", "096e"),
            ("idProduct", "0006"),
            ("serial", "A1"),
        ] {
            std::fs::write(device.join(name), says).unwrap();
        }
        Self {
            roots: ca.pem.clone(),
            dir,
            ca,
            proxy: Proxy::new(),
            runtime: runtime(),
            on: None,
        }
    }

    /// In reach (again), started if it does not run.
    pub fn switch_on(&mut self) {
        if self.on.is_none() {
            self.on = Some(On::start(self.dir.path(), &self.ca));
        }
        self.proxy.open(&self.runtime, self.on().server.api);
    }

    /// Gone from the network, with its books; connections break.
    pub fn switch_off(&mut self) {
        self.proxy.shut(&self.runtime);
    }

    /// As after a crash: a new run with empty books, which settles first, behind the same port.
    pub fn restart(&mut self) {
        self.switch_off();
        self.stop();
        self.switch_on();
    }

    /// Its device is pulled out; until it has noticed.
    pub fn pull_anchor(&self) {
        std::fs::remove_dir_all(self.dir.path().join("sys/bus/usb/devices/1-1")).unwrap();
        eventually("the anchor is missed", secs(30), || {
            let present = metric(self.on().server.metrics, "mooring_anchor_present", "").ok()?;
            (present < 1.0).then_some(())
        });
    }

    fn stop(&mut self) {
        if let Some(on) = self.on.take() {
            on.runtime.shutdown_timeout(Duration::from_millis(200));
        }
    }

    fn on(&self) -> &On {
        self.on.as_ref().expect("it was never started")
    }

    /// The folder with its configuration (`config.yaml`) and all that this names, for who runs it
    /// as a process.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn url(&self) -> String {
        format!("https://licenses.test:{}", self.proxy.port)
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.proxy.port)
    }

    /// A client certificate for this subject, and its key.
    pub fn client(&self, subject: &str) -> (String, String) {
        self.ca.issue(subject)
    }

    /// A client token for this subject.
    pub fn token(&self, subject: &str) -> String {
        self.token_for(subject, None)
    }

    /// The same, that carries so many claims.
    pub fn token_for(&self, subject: &str, claims: Option<u16>) -> String {
        let now = Timestamp::now();
        let token = ClientToken {
            id: format!("of-{subject}"),
            subject: subject.into(),
            server: "test".into(),
            issued_at: now,
            expires: now.checked_add(secs(86_400)).unwrap(),
            claims,
        };
        token.seal(&clients()).unwrap()
    }

    /// Who asks with a certificate for this subject, from this machine.
    pub fn peer(&self, subject: &str) -> Peer {
        let (cert, key) = self.ca.issue(subject);
        let shown = tls::certified_key(&cert, &key).unwrap();
        Peer {
            addr: SocketAddr::from(([127, 0, 0, 1], 1)),
            cert: shown.cert.first().cloned().map(Arc::new),
        }
    }

    /// Its answer to a request that came over no connection; `None` if it takes longer than this.
    /// Who asks stands in the extensions. Of a stream there is the head alone.
    pub fn answer(&self, request: Request<Bytes>, patience: Duration) -> Option<Response<Bytes>> {
        let on = self.on();
        let answer = async {
            let (head, body) = on.server.answer(request).await.into_parts();
            let body = match body.size_hint().exact() {
                Some(_) => body.collect().await.unwrap().to_bytes(),
                None => Bytes::new(),
            };
            Response::from_parts(head, body)
        };
        let answer = async { tokio::time::timeout(patience, answer).await };
        on.runtime.block_on(answer).ok()
    }

    fn ask(&self, call: &Call) -> Answer {
        let answer = self.on().client.call(call, secs(10));
        self.runtime.block_on(answer).unwrap()
    }

    /// What the books say.
    pub fn views(&self) -> Vec<LeaseView> {
        let answer = self.ask(&Call::of(&server::LEASES, ""));
        answer.json::<Leases>().unwrap().leases
    }

    /// How many claims hold seats.
    pub fn holding(&self) -> usize {
        let holds = |v: &LeaseView| matches!(v.state, ViewState::Held | ViewState::Silent);
        self.views().into_iter().filter(holds).count()
    }

    /// Bars this holder, as an administrator does.
    pub fn revoke(&self, subject: &str) {
        let mut views = self.views().into_iter();
        let view = views.find(|v| v.holder.to_string() == subject);
        let lease = view.unwrap().lease;
        let why = Revoke {
            reason: Some("a test".into()),
            until: None,
        };
        let call = Call::of(&server::REVOKE, lease).json(&why).unwrap();
        assert!(self.ask(&call).status.is_success());
    }

    /// From now on what clients say takes this long to arrive.
    pub fn delay(&self, time: Duration) {
        self.proxy.delay(time);
    }

    /// How many requests of this kind were answered (`claim`, `renew`, …); all, if it is empty.
    pub fn asked(&self, call: &str) -> f64 {
        self.metric("mooring_requests_total", call)
    }

    /// How often any lease was renewed.
    pub fn renewals(&self) -> f64 {
        self.metric("mooring_renewals_total", "renewed")
    }

    /// The sum of a metric's series that have this label.
    pub fn metric(&self, name: &str, label: &str) -> f64 {
        metric(self.on().server.metrics, name, label).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.switch_off();
        self.stop();
    }
}

impl On {
    /// Starts it, and waits until its anchor signs.
    fn start(dir: &Path, ca: &Ca) -> Self {
        let runtime = runtime();
        let config = Config::load(&dir.join("config.yaml")).unwrap();
        // It is never asked to end: it goes with its runtime.
        let (_, shutdown) = Shutdown::channel();
        let server = runtime.block_on(mooring_server::Server::start(&config, shutdown));
        let server = server.unwrap();
        let (api, metrics) = (server.api, server.metrics);
        eventually("the anchor signs", secs(40), || {
            let present = metric(metrics, "mooring_anchor_present", "").ok()?;
            (present > 0.0).then_some(())
        });
        let (cert, key) = ca.issue(OPERATOR_SUBJECT);
        let tls = tls::client_config(&ca.pem, Some((&cert, &key))).unwrap();
        Self {
            runtime,
            server,
            client: Client::new("https://localhost", vec![api.to_string()], tls).unwrap(),
        }
    }
}

fn private(file: &Path, text: &str) {
    let mut options = std::fs::File::options();
    let options = options.write(true).create_new(true).mode(0o600);
    let mut f = options.open(file).unwrap();
    f.write_all(text.as_bytes()).unwrap();
}

fn config(dir: &Path, lease_secs: u64) -> String {
    let d = dir.display();
    format!(
        "name: test\nlisten: 127.0.0.1:0\nmetrics: 127.0.0.1:0\n\
         tls: {{cert: {d}/tls.crt, key: {d}/tls.key, clientCa: {d}/ca.crt}}\n\
         licenses: [{d}/license]\nvendorKeys: {d}/vendor-keys\n\
         anchor: {{usb: {{keyFile: {d}/anchor.key, sysfsRoot: {d}/sys}}}}\n\
         lease: {{durationSecs: {lease_secs}, graceSecs: 120}}\nearlierLongestLeaseSecs: 0\n\
         clients: {{keys: {d}/client-keys}}\nstateDir: {d}/state\nidentityKey: {d}/identity\n"
    )
}
