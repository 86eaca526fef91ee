//! A small Kubernetes API server: it reviews tokens, and keeps one Secret by resource versions.

use super::Rig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request, StatusCode};
use mooring_net::http as net;
use mooring_net::serve::{Inbound, Limits, serve};
use mooring_net::shutdown::Shutdown;
use mooring_net::tls;
use mooring_testkit::Ca;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

/// The Secret for the server's state.
const SECRET: &str = "/api/v1/namespaces/licensing/secrets/rig-state";

/// What the API server has seen, and whether it works.
pub struct ApiServer {
    pub reviews: AtomicUsize,
    pub down: AtomicBool,
    /// How often the Secret was replaced.
    pub writes: AtomicUsize,
    /// The next write is done, and its answer does not come.
    pub lose_answer: AtomicBool,
    /// Somebody else writes this before the next write arrives.
    pub meanwhile: Mutex<Option<Value>>,
    secret: Mutex<Value>,
    ca: Ca,
    port: u16,
}

/// Tokens are `‹namespace›/‹pod›`, or words that stand for what is wrong with them.
fn review(token: &str, audiences: &serde_json::Value) -> serde_json::Value {
    let extra = |pod: &str| {
        serde_json::json!({
            "authentication.kubernetes.io/pod-name": [pod], "authentication.kubernetes.io/pod-uid": [format!("uid-{pod}")],
            "authentication.kubernetes.io/node-name": ["node-a"],
        })
    };
    let user = |ns: &str, extra: serde_json::Value| serde_json::json!({"username": format!("system:serviceaccount:{ns}:default"), "extra": extra});
    let status = match token {
        "forged" => serde_json::json!({"authenticated": false, "error": "invalid bearer token"}),
        "unbound" => serde_json::json!({
            "authenticated": true, "audiences": audiences, "user": user("licensing", serde_json::json!({}))}),
        "other-audience" => serde_json::json!({
            "authenticated": true, "audiences": ["https://kubernetes.default.svc"], "user": user("licensing", extra("x"))}),
        t => {
            let (ns, pod) = t.split_once('/').unwrap();
            serde_json::json!({"authenticated": true, "audiences": audiences, "user": user(ns, extra(pod))})
        }
    };
    serde_json::json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status})
}

impl ApiServer {
    /// Listens; with the Secret as the operator makes it, empty.
    pub async fn start() -> Arc<Self> {
        let ca = Ca::new();
        let (cert, key) = ca.issue("apiserver");
        let identity = tls::ServerIdentity::new(tls::certified_key(&cert, &key).unwrap(), vec![]);
        let tls = tls::server_config(identity, None, tls::Http::Two).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = Arc::new(Self {
            reviews: AtomicUsize::new(0),
            down: AtomicBool::new(false),
            writes: AtomicUsize::new(0),
            lose_answer: AtomicBool::new(false),
            meanwhile: Mutex::default(),
            secret: Mutex::new(json!({
                "apiVersion": "v1", "kind": "Secret", "type": "mooring.dev/state",
                "metadata": {"name": "rig-state", "namespace": "licensing", "uid": "u", "resourceVersion": "1",
                    "ownerReferences": [{"kind": "LicenseServer", "name": "rig", "uid": "l", "controller": true}]},
            })),
            port: listener.local_addr().unwrap().port(),
            ca,
        });
        let (stop, shutdown) = Shutdown::channel();
        let shared = this.clone();
        tokio::spawn(async move {
            let _stop = stop;
            let handler = move |req| answer(shared.clone(), req);
            let limits = Limits::of(1000, 1000);
            serve(listener, Some(tls.into()), limits, shutdown, handler).await;
        });
        this
    }

    /// The server of this rig is in namespace `licensing` of its cluster.
    pub fn has(&self, rig: &mut Rig) {
        let account = rig.path("account");
        std::fs::create_dir_all(&account).unwrap();
        std::fs::write(account.join("ca.crt"), &self.ca.pem).unwrap();
        std::fs::write(account.join("token"), "the-servers-own\n").unwrap();
        let env = |n: &str, v: &str| (n.to_owned(), v.to_owned());
        rig.setup.env.extend([
            env("KUBERNETES_SERVICE_HOST", "127.0.0.1"),
            env("KUBERNETES_SERVICE_PORT", &self.port.to_string()),
            env("MOORING_SERVICE_ACCOUNT_DIR", account.to_str().unwrap()),
        ]);
        let more = "namespace: licensing\ntokenReview: true\nstateSecret: rig-state\n";
        rig.setup.more = format!("{}\n{more}", rig.setup.more);
        let config = std::fs::read_to_string(rig.path("config.yaml")).unwrap();
        rig.write("config.yaml", &format!("{config}\n{more}"));
    }

    /// The document in the Secret; null while it is empty.
    pub fn state(&self) -> Value {
        let secret = self.secret.lock().unwrap();
        let Some(text) = secret["data"]["state.json"].as_str() else {
            return Value::Null;
        };
        serde_json::from_slice(&STANDARD.decode(text).unwrap()).unwrap()
    }

    /// Somebody writes this document.
    fn put(secret: &mut Value, document: &Value) {
        let text = STANDARD.encode(document.to_string());
        secret["data"] = json!({"state.json": text});
        Self::count_up(secret);
    }

    fn count_up(secret: &mut Value) {
        let version = &mut secret["metadata"]["resourceVersion"];
        let next = version.as_str().unwrap().parse::<u64>().unwrap() + 1;
        *version = json!(next.to_string());
    }

    fn replace(&self, new: Value) -> http::Response<net::Body> {
        let mut secret = self.secret.lock().unwrap();
        if let Some(document) = self.meanwhile.lock().unwrap().take() {
            Self::put(&mut secret, &document);
        }
        if new["metadata"]["resourceVersion"] != secret["metadata"]["resourceVersion"] {
            return net::with_type(StatusCode::CONFLICT, "text/plain", "modified");
        }
        // All that is not its data stays as the operator made it.
        assert_eq!(new["metadata"], secret["metadata"]);
        assert_eq!(new["type"], "mooring.dev/state");
        *secret = new;
        Self::count_up(&mut secret);
        self.writes.fetch_add(1, Ordering::Relaxed);
        if self.lose_answer.swap(false, Ordering::Relaxed) {
            return net::with_type(StatusCode::GATEWAY_TIMEOUT, "text/plain", "timed out");
        }
        net::json(StatusCode::OK, &*secret)
    }

    fn review(&self, body: &Value) -> http::Response<net::Body> {
        self.reviews.fetch_add(1, Ordering::Relaxed);
        assert_eq!(body["spec"]["audiences"], json!(["mooring.dev/licensing"]));
        let token = body["spec"]["token"].as_str().unwrap();
        let status = review(token, &body["spec"]["audiences"]);
        net::json(StatusCode::CREATED, &status)
    }
}

async fn answer(api: Arc<ApiServer>, req: Request<Inbound>) -> http::Response<net::Body> {
    let own = req.headers().get("authorization").unwrap();
    assert_eq!(own, "Bearer the-servers-own");
    if api.down.load(Ordering::Relaxed) {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        return net::with_type(status, "text/plain", "etcd is down");
    }
    let (method, path) = (req.method().clone(), req.uri().path().to_owned());
    if method == Method::GET && path == SECRET {
        return net::json(StatusCode::OK, &*api.secret.lock().unwrap());
    }
    let body = net::read_json(req.into_body(), 1 << 20, Duration::from_secs(5));
    let body: Value = body.await.unwrap();
    match (method, path.as_str()) {
        (Method::PUT, SECRET) => api.replace(body),
        (Method::POST, "/apis/authentication.k8s.io/v1/tokenreviews") => api.review(&body),
        other => panic!("the server's account may not {other:?}"),
    }
}
