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
mod review;
mod selftest;
#[cfg(test)]
mod tests;

pub use flags::Flags;
pub use metrics::WebhookMetrics;
pub use selftest::selftest;

use crate::certs::{Ca, CertError};
use crate::discovery::{self, receiver::ReportReceiver};
use crate::inject::{self, Settings};
use http::{Method, Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use kube::{Client, ResourceExt as _};
use lookup::Lookup;
use mooring_api::names::ServerRef;
use mooring_net::http::{Body, Limits, json, read_body, serve as serve_http, with_type};
use mooring_net::shutdown::Shutdown;
use mooring_net::tls::{TlsError, server_config};
use review::{Question, Verdict};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// The MutatingWebhookConfiguration. Configurations are called in the order of their names: this
/// one sorts before those of Istio, Linkerd and Kuma, so that the excluded port is in the pod's
/// annotations when they read them.
pub const CONFIGURATION: &str = "injector.mooring.dev";
/// The webhook in it: what people read where a pod is refused.
pub const WEBHOOK: &str = "sidecar-injector.mooring.dev";
pub const PATH: &str = "/mutate";
pub const SERVICE: &str = "mooring-webhook";
pub const PORT: u16 = 9443;

/// The API server takes objects of up to 3 MiB; the review around one is small.
const BODY_BYTES: usize = 4 * 1024 * 1024;
/// Bodies in memory at once, in units of [`UNIT`]: strangers in the cluster may post here, too.
const BODIES: usize = 4 * BODY_BYTES / UNIT;
const UNIT: usize = 4096;
/// To read a body, and to look things up: together less than the ten seconds that the API server
/// waits.
const BODY_TIME: Duration = Duration::from_secs(4);
const LOOKUP_TIME: Duration = Duration::from_secs(5);

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
    let listener = TcpListener::bind(addr).await;
    let listener = listener.map_err(|source| WebhookError::Listen { addr, source })?;
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
    let tls = server_config(identity.resolver(), None)?;
    let (lookup, writer) = Lookup::new(client.clone());
    let bodies = Semaphore::new(BODIES);
    let app = Arc::new(App {
        ca,
        lookup: lookup.clone(),
        metrics: metrics.clone(),
        config,
        bodies,
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
                webhook: WEBHOOK,
                ca: &app.ca,
            };
            let on_stale = || metrics.bundle_current(false);
            bundle.keep(&client, on_current, on_stale).await;
        };
        tokio::join!(trusted, lookup.watch(writer), identity.keep_fresh(&metrics));
    };
    let limits = Limits {
        connections: 1024,
        ..Limits::default()
    };
    let handler = {
        let app = app.clone();
        move |request| answer(app.clone(), request)
    };
    tokio::select! {
        () = serve_http(listener, Some(tls.into()), limits, shutdown, handler) => Ok(()),
        () = background => Ok(()),
    }
}

struct App {
    config: WebhookConfig,
    ca: Arc<Ca>,
    lookup: Lookup,
    metrics: Arc<WebhookMetrics>,
    bodies: Semaphore,
}

/// How much of the memory for bodies a request takes: what it announces, or the most there may be.
fn units(request: &Request<Incoming>) -> u32 {
    let announced = request.body().size_hint().upper();
    let announced = announced.and_then(|n| usize::try_from(n).ok());
    u32::try_from(announced.unwrap_or(BODY_BYTES).min(BODY_BYTES) / UNIT + 1).unwrap_or(1)
}

async fn answer(app: Arc<App>, request: Request<Incoming>) -> Response<Body> {
    if let (discovery::PATH, Some(receiver)) = (request.uri().path(), &app.config.discovery) {
        return receiver.answer(request).await;
    }
    match review(&app, request).await {
        Ok(answer) => answer,
        Err((status, why)) => with_type(status, "text/plain; charset=utf-8", why),
    }
}

async fn review(
    app: &App,
    request: Request<Incoming>,
) -> Result<Response<Body>, (StatusCode, String)> {
    let begun = Instant::now();
    if request.uri().path() != PATH || request.method() != Method::POST {
        let status = match request.uri().path() {
            PATH => StatusCode::METHOD_NOT_ALLOWED,
            _ => StatusCode::NOT_FOUND,
        };
        return Err((status, format!("expected POST {PATH}\n")));
    }
    let room = tokio::time::timeout(BODY_TIME, app.bodies.acquire_many(units(&request))).await;
    let Ok(Ok(_room)) = room else {
        app.metrics.admission("unreadable", begun.elapsed());
        let what = "too many requests at once; try again\n".to_owned();
        return Err((StatusCode::SERVICE_UNAVAILABLE, what));
    };
    let body = read_body(request.into_body(), BODY_BYTES, BODY_TIME).await;
    let body = body.map_err(|p| {
        let status = StatusCode::from_u16(p.status).unwrap_or(StatusCode::BAD_REQUEST);
        (status, p.to_string())
    })?;
    let question = Question::read(&body).map_err(|e| {
        app.metrics.admission("unreadable", begun.elapsed());
        tracing::warn!(error = %e, "an admission review that could not be read");
        (StatusCode::BAD_REQUEST, format!("AdmissionReview: {e}\n"))
    })?;
    let verdict = judge(app, &question).await;
    let took = begun.elapsed();
    app.metrics.admission(verdict.kind(), took);
    log(&question, &verdict, took);
    let review = question.answer(verdict).map_err(|e| {
        let what = format!("writing the answer: {e}\n");
        (StatusCode::INTERNAL_SERVER_ERROR, what)
    })?;
    Ok(json(StatusCode::OK, &review))
}

/// Decides over one pod: reads what it asks for, looks up its license server, says what changes.
async fn judge(app: &App, question: &Question) -> Verdict {
    let (Some(pod), Some(raw)) = (&question.pod, &question.raw) else {
        return Verdict::Unchanged;
    };
    let requested = match inject::requested(pod) {
        Ok(Some(w)) => w,
        Ok(None) => return Verdict::Unchanged,
        Err(refusal) => return Verdict::Refused(refusal),
    };
    let default = app.config.default_server.as_ref();
    let found = app
        .lookup
        .find(requested.server.as_ref(), question.namespace(), default);
    let (server, target) = match tokio::time::timeout(LOOKUP_TIME, found).await {
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
    let mut warnings = inject::license_warnings(&requested.items, &server);
    warnings.extend(inject::unknown_keys(pod.annotations()));
    let name = server.reference();
    if target.addresses.is_empty() {
        warnings.push(format!(
            "LicenseServer {name} has no address yet (kubectl -n {} describe lsrv {}): the pod waits, and looks its name up by DNS",
            name.namespace, name.name
        ));
    }
    let roots = app.ca.roots_pem();
    let ctx = inject::InjectContext {
        target: &target,
        roots: &roots,
        settings: &app.config.settings,
    };
    match inject::mutate(raw.clone(), pod, &requested, &ctx) {
        Ok(patch) => Verdict::Injected {
            patch,
            warnings,
            server: name,
        },
        Err(refusal) => Verdict::Refused(refusal),
    }
}

fn log(question: &Question, verdict: &Verdict, took: Duration) {
    let (namespace, pod, dry_run) = (question.namespace(), question.name(), question.is_dry_run());
    let ms = took.as_millis();
    match verdict {
        Verdict::Unchanged => tracing::debug!(namespace, pod, dry_run, ms, "pod left alone"),
        Verdict::Injected { server, patch, .. } => {
            tracing::info!(namespace, pod, %server, operations = patch.len(), dry_run, ms, "sidecar injected");
        }
        Verdict::Refused(reason) => {
            tracing::info!(namespace, pod, %reason, dry_run, ms, "pod refused");
        }
        Verdict::Failed(reason) => {
            tracing::warn!(namespace, pod, %reason, dry_run, ms, "pod could not be judged");
        }
    }
}
