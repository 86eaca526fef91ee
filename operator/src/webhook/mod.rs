//! The injecting webhook: admission reviews over TLS around the pure rules of [`crate::inject`].
//!
//! | module | what it does |
//! |---|---|
//! | [`review`] | one AdmissionReview in, one out: pure |
//! | [`lookup`] | LicenseServers from a watch; their Services and namespaces when asked |
//! | [`flags`] | its command line |
//! | [`identity`] | the serving certificate, made in memory, replaced without dropping connections |
//! | [`bundle`] | keeps `caBundle` of the MutatingWebhookConfiguration, and nothing else of it |
//! | [`metrics`] | what it counts |
//! | [`selftest`] | what `helm test` tries |
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
pub use selftest::{SelftestError, selftest};

use crate::certs::{Ca, CertError};
use crate::discovery::{self, receiver::ReportReceiver};
use crate::inject::{self, Settings};
use http::{Method, Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use kube::Client;
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
#[derive(Clone, Debug)]
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

impl WebhookConfig {
    /// With the names of docs/contracts.md.
    pub fn new(namespace: impl Into<String>, settings: Settings) -> Self {
        Self {
            listen: SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, PORT)),
            namespace: namespace.into(),
            service: SERVICE.to_owned(),
            configuration: CONFIGURATION.to_owned(),
            default_server: None,
            settings,
            discovery: None,
        }
    }
}

/// Why the webhook does not run.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The port cannot be listened on.
    #[error("webhook: listening on {addr}: {source}")]
    Listen {
        addr: SocketAddr,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// No serving certificate.
    #[error("webhook: serving certificate: {0}")]
    Certificate(#[from] CertError),
    /// TLS refuses the certificate.
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
    let listener = TcpListener::bind(config.listen).await;
    let listener = listener.map_err(|source| WebhookError::Listen {
        addr: config.listen,
        source,
    })?;
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
    let names = identity::Names::new(&config.service, &config.namespace);
    let names = match &config.discovery {
        Some(_) => names.also(discovery::SERVICE, &config.namespace),
        None => names,
    };
    let identity = identity::Serving::start(ca.clone(), names)?;
    let tls = server_config(identity.resolver(), None)?;
    let lookup = Lookup::new(client.clone());
    let bodies = Semaphore::new(BODIES);
    let app = Arc::new(App {
        roots: ca.roots_pem(),
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
                roots: &app.roots,
            };
            bundle
                .keep(&client, on_current, || metrics.bundle_current(false))
                .await;
        };
        tokio::join!(trusted, lookup.watch(), identity.keep_fresh(&metrics));
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
    roots: String,
    lookup: Lookup,
    metrics: Arc<WebhookMetrics>,
    bodies: Semaphore,
}

/// How much of the memory for bodies a request takes: what it announces, or the most there may be.
fn units(request: &Request<Incoming>) -> u32 {
    let announced = request
        .body()
        .size_hint()
        .upper()
        .and_then(|n| usize::try_from(n).ok());
    u32::try_from(announced.unwrap_or(BODY_BYTES).min(BODY_BYTES) / UNIT + 1).unwrap_or(1)
}

async fn answer(app: Arc<App>, request: Request<Incoming>) -> Response<Body> {
    let begun = Instant::now();
    let refuse = |status, text: String| with_type(status, "text/plain; charset=utf-8", text);
    if let (discovery::PATH, Some(receiver)) = (request.uri().path(), &app.config.discovery) {
        return receiver.answer(request).await;
    }
    if request.uri().path() != PATH {
        return refuse(StatusCode::NOT_FOUND, format!("expected POST {PATH}\n"));
    }
    if request.method() != Method::POST {
        return refuse(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("expected POST {PATH}\n"),
        );
    }
    let room = tokio::time::timeout(BODY_TIME, app.bodies.acquire_many(units(&request))).await;
    let Ok(Ok(_room)) = room else {
        app.metrics.admission("unreadable", begun.elapsed());
        return refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many requests at once; try again\n".to_owned(),
        );
    };
    let body = match read_body(request.into_body(), BODY_BYTES, BODY_TIME).await {
        Ok(b) => b,
        Err(p) => {
            return refuse(
                StatusCode::from_u16(p.status).unwrap_or(StatusCode::BAD_REQUEST),
                p.to_string(),
            );
        }
    };
    let question = match Question::read(&body) {
        Ok(q) => q,
        Err(e) => {
            app.metrics.admission("unreadable", begun.elapsed());
            tracing::warn!(error = %e, "an admission review that could not be read");
            return refuse(StatusCode::BAD_REQUEST, format!("AdmissionReview: {e}\n"));
        }
    };
    let verdict = judge(&app, &question).await;
    let took = begun.elapsed();
    app.metrics.admission(verdict.kind(), took);
    log(&question, &verdict, took);
    match question.answer(verdict) {
        Ok(review) => json(StatusCode::OK, &review),
        Err(e) => refuse(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("writing the answer: {e}\n"),
        ),
    }
}

/// Decides over one pod: reads what it asks for, looks up its license server, says what changes.
async fn judge(app: &App, question: &Question) -> Verdict {
    let (Some(pod), Some(raw)) = (question.pod(), question.raw()) else {
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
            return Verdict::Failed(format!(
                "the API server did not answer within {LOOKUP_TIME:?}"
            ));
        }
    };
    let mut warnings = inject::license_warnings(&requested.items, &server);
    warnings.extend(
        pod.metadata
            .annotations
            .as_ref()
            .map(inject::unknown_keys)
            .unwrap_or_default(),
    );
    if target.addresses.is_empty() {
        let name = inject::reference(&server);
        warnings.push(format!(
            "LicenseServer {name} has no address yet (kubectl -n {} describe lsrv {}): the pod waits, and looks its name up by DNS",
            name.namespace, name.name
        ));
    }
    let ctx = inject::InjectContext {
        target: &target,
        roots: &app.roots,
        settings: &app.config.settings,
    };
    match inject::mutate(raw.clone(), pod, &requested, &ctx) {
        Ok(patch) => Verdict::Injected {
            patch,
            warnings,
            server: inject::reference(&server),
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
