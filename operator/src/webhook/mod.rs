//! The injecting webhook: admission reviews over TLS around the pure rules of [`crate::inject`].
//!
//! It promises: no side effects, so a dry run is safe; an answer within the webhook's ten seconds
//! or none; ready only once the API server trusts it. It runs in every replica, leader or not.

mod bundle;
#[cfg(test)]
mod chart;
mod flags;
mod identity;
mod lookup;
mod metrics;
pub mod review;
mod selftest;
#[cfg(test)]
mod tests;
pub mod weight;

pub use flags::Flags;
pub use metrics::WebhookMetrics;
pub use selftest::selftest;

use crate::certs::{Ca, CertError};
use crate::discovery::{self, receiver::ReportReceiver};
use crate::inject::{self, Settings};
use http::{Method, Request, Response, StatusCode};
use kube::Client;
use lookup::Lookup;
use mooring_api::names::ServerRef;
use mooring_core::cut::cut;
use mooring_net::http::{Body, Counted, json, read_body, with_type};
use mooring_net::serve::{Inbound, Limits, Peer, listen, serve as serve_http};
use mooring_net::shares::{Bounds, Rank, Share, Shares};
use mooring_net::shutdown::Shutdown;
use mooring_net::tls::{Http, TlsError, common_name, optional_clients, server_config};
use review::{Question, Verdict, names_of};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// The MutatingWebhookConfiguration. Configurations are called in the order of their names: this
/// one sorts before those of Istio, Linkerd and Kuma, so that the excluded port is in the pod's
/// annotations when they read them.
pub const CONFIGURATION: &str = "injector.mooring.dev";
/// The webhook in it: what people read where a pod is refused.
pub const WEBHOOK: &str = "sidecar-injector.mooring.dev";
/// The one in namespaces whose pods get the annotation by another webhook, which is called later:
/// called without it, it is called once more with it.
const LATE: &str = "late-annotations.mooring.dev";
/// The one that warns of Deployments and other workloads: only a controller hears what is said of
/// their pods.
const WORKLOADS: &str = "workloads.mooring.dev";
const OURS: [&str; 3] = [WEBHOOK, LATE, WORKLOADS];
pub const PATH: &str = "/mutate";
pub const SERVICE: &str = "mooring-webhook";
pub const PORT: u16 = 9443;

/// The API server takes objects of up to 3 MiB; the review around one is small.
const BODY_BYTES: usize = 4 * 1024 * 1024;
/// What reviews may take in memory, counted by the bytes that have come: of all, of one address,
/// and for each what comes before its body. Strangers in the cluster may post here, too.
const BODIES: Bounds = Bounds::new(2 * BODY_BYTES, BODY_BYTES * 3 / 2);
const REVIEW_BYTES: usize = 4096;
/// Connections: the API servers and the discovery agents, of which each has one or a few.
const CONNECTIONS: Limits = Limits::of(1024, 128);
/// To read a body, to wait for room, and to look things up: together less than the ten seconds that
/// the API server waits.
const BODY_TIME: Duration = Duration::from_secs(3);
const ROOM_TIME: Duration = Duration::from_secs(2);
const LOOKUP_TIME: Duration = Duration::from_secs(4);

/// Whose certificates the API server shows.
#[derive(Clone, Debug)]
pub struct Clients {
    /// Their roots, PEM.
    pub roots: String,
    /// Their common names; none: whatever chains to the roots.
    pub names: Vec<String>,
}

/// How the webhook runs.
#[derive(Clone)]
pub struct WebhookConfig {
    pub listen: SocketAddr,
    /// The operator's namespace, where its Service is.
    pub namespace: String,
    pub service: String,
    pub configuration: String,
    /// The LicenseServer of pods that name none.
    pub default_server: Option<ServerRef>,
    /// How sidecars are made.
    pub settings: Settings,
    /// By whose certificates the API server is known; `None`: whoever connects is answered.
    pub clients: Option<Clients>,
    /// Where the discovery agents' reports go, on the same port; `None`: nowhere.
    pub discovery: Option<Arc<ReportReceiver>>,
}

/// Why the webhook does not run.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    #[error("webhook: listening on {addr}: {source}")]
    Listen {
        addr: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("webhook: serving certificate: {0}")]
    Certificate(#[from] CertError),
    #[error("webhook: {0}")]
    Tls(#[from] TlsError),
}

impl From<identity::IdentityError> for WebhookError {
    fn from(e: identity::IdentityError) -> Self {
        match e {
            identity::IdentityError::Cert(e) => Self::Certificate(e),
            identity::IdentityError::Tls(e) => Self::Tls(e),
        }
    }
}

/// Whether the webhook may be sent pods: it listens, knows the LicenseServers, and the API server
/// trusts it.
#[derive(Clone, Debug, Default)]
pub struct Trusted(Arc<AtomicBool>);

impl Trusted {
    /// For `/readyz`.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// No more: this replica is about to end.
    pub fn lost(&self) {
        self.0.store(false, Ordering::Release);
    }

    fn set(&self) {
        if !self.0.swap(true, Ordering::AcqRel) {
            tracing::info!("webhook is ready");
        }
    }
}

/// Serves admission reviews until asked to end. `ready` becomes true once pods may be sent here.
pub async fn serve(
    config: WebhookConfig,
    client: Client,
    ca: Arc<Ca>,
    metrics: Arc<WebhookMetrics>,
    ready: Trusted,
    shutdown: Shutdown,
) -> Result<(), WebhookError> {
    let addr = config.listen;
    let listener = listen(addr).map_err(|source| WebhookError::Listen { addr, source })?;
    serve_on(listener, config, client, ca, metrics, ready, shutdown).await
}

async fn serve_on(
    listener: TcpListener,
    config: WebhookConfig,
    client: Client,
    ca: Arc<Ca>,
    metrics: Arc<WebhookMetrics>,
    ready: Trusted,
    shutdown: Shutdown,
) -> Result<(), WebhookError> {
    let mut services = vec![config.service.as_str()];
    services.extend(config.discovery.as_ref().map(|_| discovery::SERVICE));
    let request = identity::request(&services, &config.namespace, ca.lives.certificate());
    let identity = identity::Serving::start(ca.clone(), request)?;
    let clients = config.clients.as_ref().map(|c| optional_clients(&c.roots));
    let tls = server_config(identity.resolver(), clients.transpose()?, Http::Two)?;
    let (lookup, writer) = Lookup::new(client.clone());
    let app = Arc::new(App {
        ca,
        lookup: lookup.clone(),
        metrics: metrics.clone(),
        config,
        bodies: Shares::new(BODIES),
        rooms: weight::Rooms::default(),
    });

    let background = async {
        let trusted = async {
            lookup.until_known().await;
            let on_current = || {
                metrics.bundle_current(true);
                ready.set();
            };
            let bundle = bundle::Bundle {
                configuration: &app.config.configuration,
                webhooks: &OURS,
                ca: &app.ca,
            };
            let on_stale = || metrics.bundle_current(false);
            bundle.keep(&client, on_current, on_stale).await;
        };
        tokio::join!(trusted, lookup.watch(writer), identity.keep_fresh(&metrics));
    };
    let handler = {
        let app = app.clone();
        move |request| answer(app.clone(), request)
    };
    tokio::select! {
        () = serve_http(listener, Some(tls.into()), CONNECTIONS, shutdown, handler) => Ok(()),
        () = background => Ok(()),
    }
}

struct App {
    config: WebhookConfig,
    ca: Arc<Ca>,
    lookup: Lookup,
    metrics: Arc<WebhookMetrics>,
    bodies: Shares,
    rooms: weight::Rooms,
}

async fn answer(app: Arc<App>, request: Request<Inbound>) -> Response<Body> {
    if let (discovery::PATH, Some(receiver)) = (request.uri().path(), &app.config.discovery) {
        return receiver.answer(request).await;
    }
    let answer = match app.config.asks(&request) {
        Ok(asks) => reviewed(&app, request, asks).await,
        Err(refused) => Err(refused),
    };
    answer.unwrap_or_else(|(status, why)| with_type(status, "text/plain; charset=utf-8", why))
}

type Refused = (StatusCode, String);

/// Whether the API server is known here, and asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks {
    ApiServer,
    Anybody,
}

impl WebhookConfig {
    fn asks(&self, request: &Request<Inbound>) -> Result<Asks, Refused> {
        let Some(clients) = &self.clients else {
            return Ok(Asks::Anybody);
        };
        let cert = request.extensions().get::<Peer>();
        let cert = cert.and_then(|p| p.cert.as_deref());
        let name = cert.and_then(|c| common_name(c));
        let ours = |n: &String| clients.names.is_empty() || clients.names.contains(n);
        if name.as_ref().is_some_and(ours) {
            return Ok(Asks::ApiServer);
        }
        let why =
            "only the API server is answered here, by its client certificate (webhook.clientCa)\n";
        Err((StatusCode::FORBIDDEN, why.to_owned()))
    }
}

/// Answers within the peer's share of the memory for reviews.
async fn reviewed(
    app: &App,
    request: Request<Inbound>,
    asks: Asks,
) -> Result<Response<Body>, Refused> {
    let begun = Instant::now();
    let peer = request.extensions().get::<Peer>().map(|p| p.addr.ip());
    let address = peer.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    let share = app.bodies.take(address, REVIEW_BYTES, Rank::Busy);
    let share = share.ok_or_else(|| crowded(app, begun))?;
    tokio::select! {
        answer = review(app, request, &share, asks) => answer,
        () = share.over() => Err(crowded(app, begun)),
    }
}

fn crowded(app: &App, begun: Instant) -> Refused {
    app.metrics.admission("crowded", begun.elapsed());
    let what = "too many requests at once; try again\n".to_owned();
    (StatusCode::SERVICE_UNAVAILABLE, what)
}

async fn review(
    app: &App,
    request: Request<Inbound>,
    share: &Share,
    asks: Asks,
) -> Result<Response<Body>, Refused> {
    let begun = Instant::now();
    if request.uri().path() != PATH || request.method() != Method::POST {
        let status = match request.uri().path() {
            PATH => StatusCode::METHOD_NOT_ALLOWED,
            _ => StatusCode::NOT_FOUND,
        };
        return Err((status, format!("expected POST {PATH}\n")));
    }
    let body = Counted::new(request.into_body(), share);
    let body = read_body(body, BODY_BYTES, BODY_TIME).await;
    let body = body.map_err(|p| {
        app.metrics.admission("unreadable", begun.elapsed());
        let status = StatusCode::from_u16(p.status).unwrap_or(StatusCode::BAD_REQUEST);
        (status, p.to_string())
    })?;
    let room = app.rooms.take(weight::weigh(&body), ROOM_TIME).await;
    let _room = room.map_err(|e| match e {
        weight::NoRoom::Crowded => crowded(app, begun),
        weight::NoRoom::TooLarge { .. } => {
            app.metrics.admission("unreadable", begun.elapsed());
            (
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("AdmissionReview: {e}\n"),
            )
        }
    })?;
    let question = Question::read(&body).map_err(|e| {
        app.metrics.admission("unreadable", begun.elapsed());
        tracing::debug!(error = %e, "an admission review that could not be read");
        (StatusCode::BAD_REQUEST, format!("AdmissionReview: {e}\n"))
    })?;
    let verdict = judge(app, &question).await;
    let took = begun.elapsed();
    app.metrics.admission(verdict.kind(), took);
    log(&question, &verdict, took, asks);
    let review = question.answer(verdict).map_err(|e| {
        let what = format!("writing the answer: {e}\n");
        (StatusCode::INTERNAL_SERVER_ERROR, what)
    })?;
    Ok(json(StatusCode::OK, &review))
}

async fn judge(app: &App, question: &Question) -> Verdict {
    let verdict = judge_pod(app, question).await;
    if question.is_template() {
        verdict.of_a_template()
    } else {
        verdict
    }
}

/// Decides over one pod: reads what it asks for, looks up its license servers, says what changes.
async fn judge_pod(app: &App, question: &Question) -> Verdict {
    let requested = match question.requested() {
        Ok(Some(w)) => w,
        Ok(None) => return Verdict::Unchanged,
        Err(refusal) => return Verdict::Refused(refusal),
    };
    let default = app.config.default_server.as_ref();
    let (namespace, alone) = (question.namespace(), question.is_alone(&requested));
    let found = app.lookup.find(&requested, namespace, default, alone);
    let (parts, targets) = match tokio::time::timeout(LOOKUP_TIME, found).await {
        Ok(Ok(found)) => found,
        Ok(Err(lookup::LookupError::Server(e))) => {
            return Verdict::Refused(inject::Refusal::Server(e));
        }
        Ok(Err(lookup::LookupError::Api(e))) => {
            return Verdict::Failed(format!("asking the API server: {e}"));
        }
        Err(_) => {
            let text = format!("the API server did not answer within {LOOKUP_TIME:?}");
            return Verdict::Failed(text);
        }
    };
    let ours = app.ca.roots_pem();
    let ctx = inject::InjectContext {
        targets: &targets,
        roots: &ours,
        settings: &app.config.settings,
        review: question.id(),
    };
    question.verdict(&requested, &parts, &ctx)
}

/// What anybody may have sent is no fact: it is counted, and logged for who looks for it.
fn log(question: &Question, verdict: &Verdict, took: Duration, asks: Asks) {
    if asks == Asks::Anybody {
        return log_unproven(question, verdict, took);
    }
    let (namespace, pod) = (cut(question.namespace()), cut(question.name()));
    let dry_run = question.is_dry_run();
    let ms = took.as_millis();
    match verdict {
        Verdict::Unchanged => tracing::debug!(namespace, pod, dry_run, ms, "pod left alone"),
        Verdict::Warned(warnings) => {
            tracing::info!(
                namespace,
                workload = pod,
                ?warnings,
                dry_run,
                ms,
                "workload warned of"
            );
        }
        Verdict::Injected { servers, patch, .. } => {
            let servers = names_of(servers);
            tracing::info!(namespace, pod, %servers, operations = patch.len(), dry_run, ms, "sidecar injected");
        }
        Verdict::Refused(reason) => {
            tracing::info!(namespace, pod, %reason, dry_run, ms, "pod refused");
        }
        Verdict::Failed(reason) => {
            tracing::warn!(namespace, pod, %reason, dry_run, ms, "pod could not be judged");
        }
    }
}

fn log_unproven(question: &Question, verdict: &Verdict, took: Duration) {
    let (namespace, pod) = (cut(question.namespace()), cut(question.name()));
    let dry_run = question.is_dry_run();
    let (ms, verdict) = (took.as_millis(), verdict.kind());
    tracing::debug!(
        namespace,
        pod,
        dry_run,
        ms,
        verdict,
        "a review, of whomever"
    );
}
