//! A socket in the sidecar's place whose every word the test chooses, and a chain of signatures to
//! choose from.

use mooring_client::{Bundle, Mooring, Timestamp, VendorKey, boot};
use mooring_core::license::{Delegation, Envelope, LeaseToken, License, SigningKey, types};
use mooring_core::names::LeaseId;
use mooring_core::secret::SecretHash;
use mooring_core::wire::{Problem, ProblemType};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

pub static VECTORS: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../core/testdata/vectors.json")).unwrap()
});

/// A key of the vectors.
fn key(name: &str) -> SigningKey {
    let seed = VECTORS["keys"][name]["seedHex"].as_str().unwrap();
    let byte = u8::from_str_radix(&seed[..2], 16).unwrap();
    SigningKey::from_seed(&[byte; 32]).unwrap()
}

/// A document of the vectors' plain good chain.
fn plain<T: DeserializeOwned>(link: &str, payload_type: &'static str, by: &SigningKey) -> T {
    let envelope = VECTORS["envelopes"][format!("ed25519.{link}")].clone();
    let envelope: Envelope = serde_json::from_value(envelope).unwrap();
    envelope.open(payload_type, &[by.public()]).unwrap().0
}

/// The plain good chain of the vectors, made anew for the present; its nonce is that of another
/// day.
pub fn bundle() -> Bundle {
    edited(|_| ())
}

/// The same with its token edited, signed by the vectors' server.
pub fn edited(edit: impl FnOnce(&mut LeaseToken)) -> Bundle {
    dated(Timestamp::now(), edit)
}

/// The same by a server whose clock reads so.
pub fn dated(now: Timestamp, edit: impl FnOnce(&mut LeaseToken)) -> Bundle {
    let (vendor, anchor, server) = (key("vendor"), key("anchorEd25519"), key("server"));
    let mut license: License = plain("license", types::LICENSE, &vendor);
    license.expires = None;
    license.policy.max_grace = Some(Duration::from_secs(14 * 24 * 3600));
    let license = Envelope::sign(types::LICENSE, &license, &vendor).unwrap();
    let mut delegation: Delegation = plain("delegation", types::DELEGATION, &anchor);
    delegation.licenses = vec![license.digest()];
    delegation.not_before = now.checked_sub(Duration::from_secs(60)).unwrap();
    delegation.not_after = now.checked_add(Duration::from_secs(600)).unwrap();
    let delegation = Envelope::sign(types::DELEGATION, &delegation, &anchor).unwrap();
    let mut token: LeaseToken = plain("lease", types::LEASE, &server);
    token.parts[0].license = license.digest();
    token.delegation = delegation.digest();
    token.issued_at = now;
    edit(&mut token);
    Bundle {
        licenses: vec![license],
        delegation,
        lease: Envelope::sign(types::LEASE, &token, &server).unwrap(),
    }
}

/// The same with this nonce.
pub fn bundle_for(nonce: &str) -> Bundle {
    edited(|t| t.nonce = Some(nonce.into()))
}

pub fn vendor_key() -> VendorKey {
    let key = VECTORS["keys"]["vendor"]["public"].as_str().unwrap();
    VendorKey::from_hex(key.strip_prefix("ed25519:").unwrap())
}

pub fn lease(n: u8) -> LeaseId {
    LeaseId::from_bytes([n; 16])
}

pub fn answer(code: u16, body: &impl serde::Serialize) -> Vec<u8> {
    let body = serde_json::to_string(body).unwrap();
    let length = body.len();
    format!("HTTP/1.1 {code} x\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

pub fn problem(kind: ProblemType, detail: &str) -> Vec<u8> {
    answer(kind.status(), &Problem::new(kind, detail))
}

/// A claim's status as the contract has it; licensed for a minute and held for half of one, where
/// it says so.
pub fn claim(name: &str, state: &str) -> Value {
    let licensed = ["Held", "Grace", "Optimistic", "Contested"].contains(&state);
    let now = boot().as_millis();
    json!({
        "name": name, "kind": if name == "pod" { "pod" } else { "hold" }, "state": state, "licensed": licensed,
        "items": [{"product": "render", "seats": 2}], "later": {"unknown": true},
        "untilBootMs": licensed.then_some(now + 60_000), "forMs": licensed.then_some(60_000),
        "heldUntilBootMs": (state == "Held").then_some(now + 30_000),
        "lease": (licensed && state != "Optimistic").then(|| lease(1).to_string()),
        "place": (state == "Waiting").then_some(3), "message": (state == "Waiting").then_some("all 2 seats of render are taken"),
    })
}

pub fn with(mut v: Value, field: &str, value: impl Into<Value>) -> Value {
    v[field] = value.into();
    v
}

/// What a test decides for one request: bytes to answer, or to follow the events.
pub enum Reply {
    Bytes(Vec<u8>),
    /// Nothing is said, and the connection stays.
    Hang,
    /// A stream that begins with these events.
    Stream(Vec<Value>),
}

type Handler = Box<dyn FnMut(&str) -> Reply + Send>;

struct World {
    handler: Handler,
    /// Whose each hold is, by its name.
    binds: HashMap<String, SecretHash>,
    /// Each with the name of the claim that it follows.
    streams: Vec<(String, UnixStream)>,
    /// What hangs is kept open.
    hanging: Vec<UnixStream>,
    asked: Vec<String>,
}

/// The sidecar. `handler` gets `METHOD path`.
pub struct Scripted {
    dir: tempfile::TempDir,
    world: Arc<Mutex<World>>,
    ended: Receiver<()>,
    end: std::sync::mpsc::Sender<()>,
}

impl Scripted {
    pub fn new(handler: impl FnMut(&str) -> Reply + Send + 'static) -> Self {
        let world = World {
            handler: Box::new(handler),
            binds: HashMap::new(),
            streams: vec![],
            hanging: vec![],
            asked: vec![],
        };
        let (end, ended) = channel();
        let fake = Self {
            dir: tempfile::tempdir().unwrap(),
            world: Arc::new(Mutex::new(world)),
            ended,
            end,
        };
        fake.start();
        fake
    }

    /// A sidecar that holds and proves whatever is asked: holds from `hold-1` on, the pod's claim
    /// `pod`.
    pub fn good() -> Self {
        Self::with_tokens(|nonce, name| match nonce {
            Some(n) => answer(200, &token(n, name)),
            None => answer(200, &bundle()),
        })
    }

    /// One that holds whatever is asked, and proves it with what `f` makes of nonce and claim.
    pub fn with_tokens(mut f: impl FnMut(Option<&str>, &str) -> Vec<u8> + Send + 'static) -> Self {
        let mut holds = 0;
        Self::new(move |request| match request.split_once(' ').unwrap() {
            (_, path) if path.starts_with("/v1/token") => {
                let claim = parameter(path, "claim=").unwrap_or("pod");
                Reply::Bytes(f(parameter(path, "nonce="), claim))
            }
            ("POST", path) => {
                let name = parameter(path, "resume=").map_or_else(
                    || {
                        holds += 1;
                        format!("hold-{holds}")
                    },
                    str::to_owned,
                );
                Reply::Stream(vec![claim(&name, "Held")])
            }
            (_, "/v1/events") => Reply::Stream(vec![claim("pod", "Held")]),
            _ => Reply::Bytes(status(&[claim("pod", "Held")])),
        })
    }

    /// Listens (again).
    pub fn start(&self) {
        let _ = std::fs::remove_file(self.socket());
        let listener = UnixListener::bind(self.socket()).unwrap();
        let (world, end) = (self.world.clone(), self.end.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = request(&mut stream) else {
                    return; // the bell of `stop`
                };
                let mut w = world.lock().unwrap();
                w.asked.push(request.clone());
                match (w.handler)(&request) {
                    Reply::Bytes(b) => {
                        let bind = parameter(&request, "claim=").and_then(|c| w.binds.get(c));
                        let bound = bind.and_then(|bind| bound(&b, *bind));
                        drop(stream.write_all(&bound.unwrap_or(b)));
                    }
                    Reply::Hang => w.hanging.push(stream),
                    Reply::Stream(first) => {
                        let bind = parameter(&request, "bind=").map(str::to_owned);
                        let bind = bind.and_then(|b| SecretHash::try_from(b).ok());
                        let name = first.first().and_then(|c| c["name"].as_str());
                        if let (Some(bind), Some(name)) = (bind, name) {
                            w.binds.insert(name.to_owned(), bind);
                        }
                        let _ = stream
                            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                        let name = name.unwrap_or_default().to_owned();
                        for e in first {
                            write(&mut stream, &e);
                        }
                        watch(stream.try_clone().unwrap(), end.clone());
                        w.streams.push((name, stream));
                    }
                }
            }
        });
    }

    /// As a crash: no listener, connections closed.
    pub fn stop(&self) {
        let gone = self.socket().with_extension("gone");
        let _ = std::fs::remove_file(&gone);
        std::fs::rename(self.socket(), &gone).unwrap();
        // Wakes the listener, which ends without a request.
        drop(UnixStream::connect(gone).unwrap());
        self.cut();
    }

    /// Closes the streams.
    pub fn cut(&self) {
        let mut w = self.world.lock().unwrap();
        for (_, s) in w.streams.drain(..) {
            let _ = s.shutdown(Shutdown::Both);
        }
        w.hanging.clear();
    }

    /// Sends an event to whoever follows.
    pub fn say(&self, claim: &Value) {
        for (_, s) in &mut self.world.lock().unwrap().streams {
            write(s, claim);
        }
    }

    /// Tells each follower that its own claim is in this state.
    pub fn tell(&self, state: &str) {
        for (name, s) in &mut self.world.lock().unwrap().streams {
            write(s, &claim(name, state));
        }
    }

    /// Sends these bytes, whatever they are.
    pub fn say_raw(&self, bytes: &[u8]) {
        for (_, s) in &mut self.world.lock().unwrap().streams {
            let _ = s.write_all(bytes);
        }
    }

    /// From now on it answers otherwise.
    pub fn now(&self, handler: impl FnMut(&str) -> Reply + Send + 'static) {
        self.world.lock().unwrap().handler = Box::new(handler);
    }

    pub fn asked(&self) -> Vec<String> {
        self.world.lock().unwrap().asked.clone()
    }

    /// How many requests began so.
    pub fn count(&self, begin: &str) -> usize {
        self.asked().iter().filter(|a| a.starts_with(begin)).count()
    }

    /// Waits until a follower is gone.
    pub fn follower_left(&self) {
        let ended = self.ended.recv_timeout(Duration::from_secs(5));
        ended.expect("the connection is still there");
    }

    pub fn follower_stays(&self) {
        assert!(self.ended.try_recv().is_err(), "the connection was closed");
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("mooring.sock")
    }

    pub fn builder(&self) -> mooring_client::Builder {
        Mooring::builder(&[vendor_key()])
            .app_version("2026.1")
            .built_on("2026-03-01")
            .socket(self.socket())
    }

    pub fn mooring(&self) -> Mooring {
        self.builder().connect().unwrap()
    }
}

/// What a request's query says of a parameter, named with its `=`.
fn parameter<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = request.split_once('?')?;
    let query = query.split(' ').next()?;
    query.split('&').find_map(|p| p.strip_prefix(name))
}

/// An answer with a genuine token that is nobody's seat: the same for whose it is, as the server
/// fixes it when it grants.
fn bound(answered: &[u8], bind: SecretHash) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(answered).ok()?;
    let (_, body) = text.split_once("\r\n\r\n")?;
    let mut bundle: Bundle = serde_json::from_str(body).ok()?;
    let server = key("server");
    let opened = bundle.lease.open(types::LEASE, &[server.public()]);
    let (mut token, _): (LeaseToken, _) = opened.ok()?;
    if token.bind.is_some() {
        return None;
    }
    token.bind = Some(bind);
    bundle.lease = Envelope::sign(types::LEASE, &token, &server).ok()?;
    Some(answer(200, &bundle))
}

/// The token that proves [`claim`]'s lease.
pub fn token(nonce: &str, name: &str) -> Bundle {
    edited(|t| {
        t.nonce = Some(nonce.into());
        t.claim = name.parse().unwrap();
        t.lease = lease(1);
    })
}

pub fn status(claims: &[Value]) -> Vec<u8> {
    answer(200, &status_value(claims))
}

fn status_value(claims: &[Value]) -> Value {
    let pod = &claims[0];
    json!({
        "state": pod["state"], "licensed": pod["licensed"], "bootMs": boot().as_millis(), "seq": 1, "server": "main:8443",
        "forMs": pod["forMs"], "untilBootMs": pod["untilBootMs"], "unknownField": true, "claims": claims,
    })
}

fn write(s: &mut UnixStream, claim: &Value) {
    let (kind, data) = if claim["name"] == "pod" {
        ("status", status_value(std::slice::from_ref(claim)))
    } else {
        ("claim", claim.clone())
    };
    let text = format!(": alive\n\nid: 1\nevent: {kind}\ndata: {data}\n\n");
    let _ = s.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes());
}

fn watch(mut s: UnixStream, end: std::sync::mpsc::Sender<()>) {
    std::thread::spawn(move || {
        while s.read(&mut [0; 64]).is_ok_and(|n| n > 0) {}
        let _ = end.send(());
    });
}

/// `METHOD path` of a request without a body.
fn request(stream: &mut UnixStream) -> Option<String> {
    let (mut request, mut byte) = (Vec::new(), [0]);
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
        request.push(byte[0]);
    }
    let request = String::from_utf8(request).unwrap();
    let mut words = request.split(' ');
    Some(format!("{} {}", words.next()?, words.next()?))
}
