//! The webhook over real TLS, with a small API server behind it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::inject::{Budget, Images};
use json_patch::Patch;
use mooring_net::client::{Call, Client as TlsClient};
use mooring_net::http as net_http;
use mooring_net::serve::Inbound;
use mooring_net::tls::client_config;
use serde_json::{Value, json};
use std::sync::Mutex;
use std::time::SystemTime;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};

/// What the API server knows, and what was written to it.
#[derive(Default)]
struct Cluster {
    servers: Mutex<Vec<Value>>,
    /// The watch shows LicenseServers as they were at the start.
    watched: Vec<Value>,
    bundle: Mutex<Option<String>>,
    patches: Mutex<Vec<(String, Value)>>,
    changed: tokio::sync::Notify,
}

impl Cluster {
    fn configuration(&self) -> Value {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": CONFIGURATION, "resourceVersion": "7"},
            "webhooks": [{"name": WEBHOOK, "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "clientConfig": {"caBundle": *self.bundle.lock().unwrap()}}],
        })
    }

    async fn answer(self: Arc<Self>, request: Request<Inbound>) -> Response<Body> {
        let ok = |v: Value| net_http::json(StatusCode::OK, &v);
        let (path, query) = (
            request.uri().path().to_owned(),
            request.uri().query().unwrap_or_default().to_owned(),
        );
        let watch = query.contains("watch=true");
        let list = |items: Value| {
            ok(
                json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "5"}, "items": items}),
            )
        };
        match path.as_str() {
            "/apis/mooring.dev/v1alpha1/licenseservers" if watch => {
                tokio::time::sleep(Duration::from_secs(30)).await;
                ok(json!({}))
            }
            "/apis/mooring.dev/v1alpha1/licenseservers" if query.contains("limit") => {
                list(json!(self.watched))
            }
            "/apis/mooring.dev/v1alpha1/licenseservers" => {
                list(json!(*self.servers.lock().unwrap()))
            }
            "/api/v1/namespaces/licensing/services/main" => ok(json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": "main"}, "spec": {"clusterIPs": ["10.96.0.7"]},
            })),
            "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations" if watch => {
                self.changed.notified().await;
                let event = json!({"type": "MODIFIED", "object": self.configuration()});
                with_type(StatusCode::OK, "application/json", format!("{event}\n"))
            }
            "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations" => {
                assert!(
                    query.contains("fieldSelector=metadata.name%3Dinjector.mooring.dev"),
                    "{query}"
                );
                list(json!([self.configuration()]))
            }
            "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/injector.mooring.dev" =>
            {
                let body = read_body(request.into_body(), BODY_BYTES, BODY_TIME)
                    .await
                    .unwrap();
                let patch: Value = serde_json::from_slice(&body).unwrap();
                *self.bundle.lock().unwrap() = patch["webhooks"][0]["clientConfig"]["caBundle"]
                    .as_str()
                    .map(str::to_owned);
                self.patches.lock().unwrap().push((query, patch));
                self.changed.notify_one();
                ok(self.configuration())
            }
            other => {
                let status = json!({"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound", "message": format!("{other} not found")});
                net_http::json(StatusCode::NOT_FOUND, &status)
            }
        }
    }
}

fn license_server(allowed: &str) -> Value {
    json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "LicenseServer", "metadata": {"namespace": "licensing", "name": "main"},
        "spec": {
            "licenses": [{"secretName": "license"}], "placement": {"nodeSelector": {"a": "b"}}, "allowedNamespaces": {"from": allowed},
            "anchor": {"pkcs11": {"module": "/m.so", "tokenLabel": "t", "pinSecret": {"name": "pin"}}},
        },
        "status": {"products": [{"name": "render", "seats": 2, "used": 0, "waiting": 0}]},
    })
}

struct Running {
    cluster: Arc<Cluster>,
    address: String,
    webhook: TlsClient,
    ready: Trusted,
    registry: prometheus::Registry,
    ca: Arc<Ca>,
    _shutdown: tokio::sync::watch::Sender<bool>,
}

async fn start(cluster: Cluster) -> Running {
    start_with(cluster, |_| ()).await
}

async fn start_with(cluster: Cluster, change: impl FnOnce(&mut WebhookConfig)) -> Running {
    let cluster = Arc::new(cluster);
    let (tx, shutdown) = Shutdown::channel();
    let api = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", api.local_addr().unwrap());
    let handler = {
        let cluster = cluster.clone();
        move |r| cluster.clone().answer(r)
    };
    tokio::spawn(serve_http(
        api,
        None,
        Limits::of(1000, 1000),
        shutdown.clone(),
        handler,
    ));
    let client = Client::try_from(kube::Config::new(url.parse().unwrap())).unwrap();

    let ca = Arc::new(Ca::ephemeral(SystemTime::now()).unwrap());
    let settings = Settings {
        images: Images {
            image: "sidecar:1".into(),
            also: vec![],
        },
        pull_policy: "IfNotPresent".into(),
        pull_secrets: vec![],
        run_as_user: None,
        budget: Budget::parse(("10m", "100m"), ("32Mi", "32Mi")).unwrap(),
        log: "info".into(),
        version: "0.1.0".into(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut config = WebhookConfig {
        listen: SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, PORT)),
        namespace: "mooring-system".to_owned(),
        service: SERVICE.to_owned(),
        configuration: CONFIGURATION.to_owned(),
        default_server: None,
        settings,
        clients: None,
        discovery: None,
    };
    config.default_server = Some(ServerRef::new("licensing", "main"));
    change(&mut config);
    let (registry, ready) = (prometheus::Registry::new(), Trusted::default());
    let metrics = Arc::new(WebhookMetrics::new(&registry).unwrap());
    tokio::spawn(serve_on(
        listener,
        config,
        client,
        ca.clone(),
        metrics,
        ready.clone(),
        shutdown,
    ));
    let tls = client_config(&ca.roots_pem(), None).unwrap();
    let webhook = TlsClient::new(
        "https://mooring-webhook.mooring-system.svc:443",
        vec![address.clone()],
        tls,
    )
    .unwrap();
    Running {
        cluster,
        address,
        webhook,
        ready,
        registry,
        ca,
        _shutdown: tx,
    }
}

impl Running {
    /// A stranger's connection from this address of the machine, over TLS.
    async fn stranger(&self, from: [u8; 4]) -> tokio_rustls::client::TlsStream<TcpStream> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((from, 0))).unwrap();
        let tcp = socket.connect(self.address.parse().unwrap()).await.unwrap();
        let tls = client_config(&self.ca.roots_pem(), None).unwrap();
        let name = "mooring-webhook.mooring-system.svc".try_into().unwrap();
        let connector = tokio_rustls::TlsConnector::from(tls);
        connector.connect(name, tcp).await.unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> (StatusCode, Vec<u8>) {
        let call = Call::new(Method::POST, path).json(body).unwrap();
        let answer = self
            .webhook
            .call(&call, Duration::from_secs(5))
            .await
            .unwrap();
        (answer.status, answer.body.to_vec())
    }

    async fn review(&self, pod: &Value) -> Value {
        self.review_of(("", "Pod", "pods"), pod).await
    }

    async fn review_of(&self, (group, kind, plural): (&str, &str, &str), object: &Value) -> Value {
        let request = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "u-1", "kind": {"group": group, "version": "v1", "kind": kind},
                "resource": {"group": group, "version": "v1", "resource": plural},
                "namespace": "studio", "operation": "CREATE", "userInfo": {"username": "someone"}, "object": object, "oldObject": null, "dryRun": false,
            },
        });
        let (status, body) = self.post(PATH, &request).await;
        assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
        let mut v: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(v["response"]["uid"], "u-1");
        v["response"].take()
    }

    async fn until_ready(&self) {
        for _ in 0..200 {
            if self.ready.get() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("never ready");
    }
}

fn pod(annotations: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "app-", "annotations": annotations},
        "spec": {"containers": [{"name": "app", "image": "a"}]}})
}

#[tokio::test]
async fn a_pod_is_injected_over_tls_and_the_bundle_is_written_first() {
    let run = start(Cluster {
        servers: Mutex::new(vec![license_server("All")]),
        watched: vec![license_server("All")],
        ..Cluster::default()
    })
    .await;
    run.until_ready().await;
    {
        let patches = run.cluster.patches.lock().unwrap();
        assert_eq!(patches.len(), 1);
        assert!(
            patches[0].0.contains("fieldManager=mooring-operator")
                && patches[0].0.contains("force=true"),
            "{}",
            patches[0].0
        );
        let fields: Vec<_> = patches[0].1["webhooks"][0]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        assert_eq!(fields, ["clientConfig", "name"], "only caBundle is ours");
    }
    let mut before = pod(&json!({"mooring.dev/licenses": "render:9", "mooring.dev/license": "x"}));
    let response = run.review(&before).await;
    assert_eq!(
        (&response["allowed"], &response["patchType"]),
        (&json!(true), &json!("JSONPatch"))
    );
    assert_eq!(
        response["warnings"],
        json!([
            "render:9 asks for more than there is: the license of LicenseServer licensing/main has 2 seats of it",
            "unknown annotation mooring.dev/license has no effect: did you mean mooring.dev/licenses?",
        ])
    );
    assert_eq!(response["auditAnnotations"]["server"], "licensing/main");
    let patch = response["patch"].as_str().expect("base64");
    let bytes: k8s_openapi::ByteString = serde_json::from_value(json!(patch)).unwrap();
    let patch: Patch = serde_json::from_slice(&bytes.0).unwrap();
    json_patch::patch(&mut before, &patch).unwrap();
    let sidecar = &before["spec"]["initContainers"][0];
    assert_eq!(sidecar["name"], "mooring");
    let env = sidecar["env"].as_array().unwrap();
    assert!(env.contains(&json!({"name": "MOORING_ROOTS", "value": run.ca.roots_pem()})));
    assert!(env.contains(&json!({"name": "MOORING_ADDRESSES", "value": "10.96.0.7:8443"})));
}

#[tokio::test]
async fn a_pod_that_names_no_server_is_given_all_that_have_its_product() {
    let mut second = license_server("All");
    second["metadata"]["name"] = json!("second");
    let servers = vec![second, license_server("All")];
    let run = start(Cluster {
        servers: Mutex::new(servers.clone()),
        watched: servers,
        ..Cluster::default()
    })
    .await;
    run.until_ready().await;
    let env = async |annotations: Value| {
        let mut after = pod(&annotations);
        let response = run.review(&after).await;
        assert_eq!(response.get("warnings"), None);
        let bytes = json!(response["patch"].as_str().expect("base64"));
        let bytes: k8s_openapi::ByteString = serde_json::from_value(bytes).unwrap();
        let patch: Patch = serde_json::from_slice(&bytes.0).unwrap();
        json_patch::patch(&mut after, &patch).unwrap();
        let sidecar = &after["spec"]["initContainers"][0];
        let env = sidecar["env"].as_array().unwrap().clone();
        (response["auditAnnotations"]["server"].clone(), env)
    };
    let (server, all) = env(json!({"mooring.dev/licenses": "render"})).await;
    assert_eq!(server, "licensing/main, licensing/second");
    let urls = "https://main.licensing.svc:8443;https://second.licensing.svc:8443";
    assert!(all.contains(&json!({"name": "MOORING_SERVER", "value": urls})));
    // The second has no Service yet.
    assert!(all.contains(&json!({"name": "MOORING_ADDRESSES", "value": "10.96.0.7:8443;"})));
    let waits = json!({"mooring.dev/licenses": "render", "mooring.dev/wait": "scheduling"});
    assert_eq!(env(waits).await.0, "licensing/main");
}

#[tokio::test]
async fn refusals_say_why_and_who_did_not_opt_in_is_left_alone() {
    let run = start(Cluster {
        servers: Mutex::new(vec![license_server("Same")]),
        watched: vec![license_server("Same")],
        ..Cluster::default()
    })
    .await;
    let response = run
        .review(&pod(&json!({"mooring.dev/licenses": "render:x"})))
        .await;
    assert_eq!(
        (&response["allowed"], &response["status"]["code"]),
        (&json!(false), &json!(400))
    );
    let said = response["status"]["message"].as_str().unwrap();
    assert!(
        said.starts_with("annotation mooring.dev/licenses: character 8: 'x'"),
        "{said}"
    );

    let response = run
        .review(&pod(&json!({"mooring.dev/licenses": "render"})))
        .await;
    assert_eq!(
        (&response["allowed"], &response["status"]["code"]),
        (&json!(false), &json!(403))
    );
    let said = response["status"]["message"].as_str().unwrap();
    assert!(
        said.contains("spec.allowedNamespaces says from: Same"),
        "{said}"
    );

    let response = run.review(&pod(&json!({}))).await;
    assert_eq!(
        (&response["allowed"], response.get("patch")),
        (&json!(true), None)
    );
    let text = prometheus::TextEncoder::new()
        .encode_to_string(&run.registry.gather())
        .unwrap();
    assert!(
        text.contains("mooring_webhook_admissions_total{result=\"refused\"} 2"),
        "{text}"
    );
    assert!(
        text.contains("mooring_webhook_admissions_total{result=\"unchanged\"} 1"),
        "{text}"
    );
}

#[tokio::test]
async fn a_workload_is_warned_of_what_its_pods_meet_and_never_refused() {
    let run = start(Cluster {
        servers: Mutex::new(vec![license_server("All")]),
        watched: vec![license_server("All")],
        ..Cluster::default()
    })
    .await;
    let warned = async |of, object: Value| {
        let response = run.review_of(of, &object).await;
        assert_eq!(
            (&response["allowed"], response.get("patch")),
            (&json!(true), None)
        );
        response["warnings"].clone()
    };
    let template =
        |asks: &str| pod(&json!({"mooring.dev/licenses": asks, "mooring.dev/wiat": "none"}));
    let deployment = |asks: &str, replicas: u32| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
            "spec": {"replicas": replicas, "selector": {}, "template": template(asks)}})
    };
    let deployments = ("apps", "Deployment", "deployments");
    let fine = warned(deployments, deployment("render", 1)).await;
    assert_eq!(fine, Value::Null, "a policy speaks of the keys");
    let many = warned(deployments, deployment("render:9", 1)).await;
    assert!(
        many[0]
            .as_str()
            .unwrap()
            .contains("asks for more than there is"),
        "{many}"
    );
    let full = warned(deployments, deployment("render", 2)).await;
    assert!(full[0].as_str().unwrap().contains("maxSurge: 0"), "{full}");
    let job = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c"},
        "spec": {"schedule": "@daily", "jobTemplate": {"spec": {"template": template("render:x")}}}});
    let refused = warned(("batch", "CronJob", "cronjobs"), job).await;
    let refused = refused[0].as_str().unwrap();
    assert!(
        refused
            .starts_with("its pods will be refused: annotation mooring.dev/licenses: character 8"),
        "{refused}"
    );
    // What is no workload at all is the API server's business.
    let odd = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}, "spec": {"template": {"metadata": 7}}});
    assert_eq!(warned(deployments, odd).await, Value::Null);
}

#[tokio::test]
async fn a_server_that_the_watch_has_not_shown_yet_is_asked_for() {
    let run = start(Cluster::default()).await;
    let wish = pod(&json!({"mooring.dev/licenses": "render"}));
    let said = run.review(&wish).await["status"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        said.contains("there is no LicenseServer licensing/main"),
        "{said}"
    );
    run.cluster
        .servers
        .lock()
        .unwrap()
        .push(license_server("All"));
    assert_eq!(run.review(&wish).await["allowed"], true);
}

#[tokio::test]
async fn strangers_get_short_answers() {
    let run = start(Cluster::default()).await;
    assert_eq!(run.post("/", &json!({})).await.0, StatusCode::NOT_FOUND);
    let (status, body) = run
        .post(
            PATH,
            &json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1beta1"}),
        )
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(
        String::from_utf8_lossy(&body).contains("expected \"admission.k8s.io/v1\""),
        "{}",
        String::from_utf8_lossy(&body)
    );
    let long = json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": "x".repeat(BODY_BYTES / 2)});
    let (status, body) = run.post(PATH, &long).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body.len() < 1000, "it repeats {} bytes", body.len());
    let large = json!({"x": "y".repeat(BODY_BYTES)});
    assert_eq!(
        run.post(PATH, &large).await.0,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    // Short, and large once it is read.
    let many = json!({"x": vec![json!({}); 30_000]});
    let (status, body) = run.post(PATH, &many).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let said = String::from_utf8_lossy(&body);
    assert!(
        said.contains("MiB of memory to read; expected at most 48"),
        "{said}"
    );
}

/// A body that is announced as large, of which so much comes.
async fn slow_body(
    run: &Running,
    from: [u8; 4],
    bytes: usize,
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut io = run.stranger(from).await;
    let head = format!("POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: {BODY_BYTES}\r\n\r\n");
    io.write_all(head.as_bytes()).await.unwrap();
    // It may be ended meanwhile.
    let _ = io.write_all(&vec![b' '; bytes]).await;
    io
}

#[tokio::test]
async fn slow_bodies_of_strangers_keep_no_review_waiting() {
    let run = start(Cluster {
        servers: Mutex::new(vec![license_server("All")]),
        watched: vec![license_server("All")],
        ..Cluster::default()
    })
    .await;
    run.until_ready().await;
    let mut held = Vec::new();
    // What is announced only, and what nearly fills all there is.
    for n in 1..=8 {
        held.push(slow_body(&run, [127, 0, 0, 60 + n], 100).await);
        held.push(slow_body(&run, [127, 0, 0, 60 + n], BODY_BYTES - 1).await);
    }
    let wish = pod(&json!({"mooring.dev/licenses": "render"}));
    for _ in 0..20 {
        assert_eq!(run.review(&wish).await["allowed"], true);
    }
    // A large pod, too.
    let mut large = wish.clone();
    large["metadata"]["annotations"]["note"] = json!("x".repeat(200 * 1024));
    assert_eq!(run.review(&large).await["allowed"], true);
    drop(held);
}

#[tokio::test]
async fn where_the_api_server_is_known_by_its_certificate_nobody_else_is_answered() {
    let others = Ca::ephemeral(SystemTime::now()).unwrap();
    let issue = |name: &str| {
        others
            .issue(&crate::certs::CertRequest {
                common_name: name.to_owned(),
                dns_names: vec![],
                usages: vec![crate::certs::Usage::Client],
                validity: Duration::from_secs(600),
            })
            .unwrap()
    };
    let clients = Clients {
        roots: others.roots_pem(),
        names: vec!["kube-apiserver".into()],
    };
    let mut run = start_with(Cluster::default(), |c| c.clients = Some(clients)).await;
    let wish = pod(&json!({}));
    let (status, body) = run.post(PATH, &wish).await;
    let said = String::from_utf8_lossy(&body).into_owned();
    assert_eq!(status, StatusCode::FORBIDDEN, "{said}");
    assert!(said.contains("only the API server"), "{said}");
    for (name, status) in [
        ("kubelet", StatusCode::FORBIDDEN),
        ("kube-apiserver", StatusCode::BAD_REQUEST),
    ] {
        let cert = issue(name);
        let identity = (cert.cert_pem.as_str(), cert.key_pem.as_str());
        let tls = client_config(&run.ca.roots_pem(), Some(identity)).unwrap();
        let url = "https://mooring-webhook.mooring-system.svc:443";
        run.webhook = TlsClient::new(url, vec![run.address.clone()], tls).unwrap();
        assert_eq!(run.post(PATH, &wish).await.0, status, "{name}");
    }
}
