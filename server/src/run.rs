//! Puts the parts together, runs them, and ends them in order.

use crate::anchor::any::AnyAnchor;
use crate::anchor::pin::PinGuard;
use crate::app::App;
use crate::audit::Audit;
use crate::auth::Auth;
use crate::auth::policy::PolicyStore;
use crate::chain::Chain;
use crate::chain::anchor_task::AnchorTask;
use crate::chain::failover::Failover;
use crate::chain::standby::Served;
use crate::check;
use crate::engine::Engine;
use crate::keeper::{Keeper, Place, state_file};
use crate::kubernetes::service_account;
use crate::license::{LicenseFiles, Memory};
use crate::metrics::Metrics;
use crate::state::{LongestLease, next_generation};
use crate::terms::RunTerms;
use crate::tls::Certificates;
use crate::{api, scrape};
use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use mooring_config::{AnchorConfig, Config, Connections, Tls};
use mooring_core::frontend::Authority;
use mooring_core::kept::AnchorRole;
use mooring_core::ledger::{Capacity, Ledger, Limits as LedgerLimits, Settings};
use mooring_core::license::SigningKey;
use mooring_core::names::InstanceId;
use mooring_core::reason::AnchorReason;
use mooring_core::receipt::Identity;
use mooring_core::time::{BootTime, Now, print_span};
use mooring_core::wire::{AnchorView, ReplacedElsewhere};
use mooring_net::http::Body;
use mooring_net::serve::{self, Inbound, Limits, file_limit};
use mooring_net::shutdown::Shutdown;
use mooring_net::sync::Current;
use mooring_net::{clock, health, notify, random};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How long open requests may go on after the end was asked for.
const DRAIN: Duration = Duration::from_millis(1500);
/// Files that are open besides the API's connections.
const OTHER_FILES: usize = 128;

/// A license server that runs in this process, until its shutdown is asked for.
pub struct Server {
    app: Arc<App>,
    pub api: SocketAddr,
    pub metrics: SocketAddr,
    listening: Arc<AtomicBool>,
    serving: JoinHandle<()>,
    serving_metrics: JoinHandle<()>,
    /// They end with the shutdown; neither may be cut short by an end that is quicker.
    finish: [JoinHandle<()>; 2],
}

struct Opened {
    engine: Arc<Engine>,
    chain: Arc<Chain>,
    anchor_task: AnchorTask<AnyAnchor>,
    longest: LongestLease,
    /// What the operator says of other servers on the anchor.
    elsewhere: Arc<Current<Vec<ReplacedElsewhere>>>,
    lease_for: Duration,
    /// When it stops settling at the latest.
    settled: BootTime,
}

impl Server {
    /// Reads what the configuration names, opens the ports and serves. The anchor is opened
    /// afterwards, by a task: without it the server explains itself, and renews what it can.
    pub async fn start(config: &Config, shutdown: Shutdown) -> Result<Self> {
        let started = clock::now();
        let identity = check::identity(config)?;
        let certificates =
            Certificates::load(config.tls.clone()).context("configuration field tls")?;
        let acceptor = certificates.tls()?;
        let metrics = Arc::new(Metrics::new().context("metrics")?);
        // It makes the folder.
        let longest = LongestLease::open(&config.state_dir)?;
        let instance = random::instance_id();
        let keeper = Keeper::new(Place::of(config)?, instance, metrics.clone());
        let keeper = keeper.with_copy(state_file(config));
        // Without it no license is refused that an earlier pod knew to be superseded.
        keeper.flush().await;
        let keeper = Arc::new(keeper);
        let opened = open_chain(
            config,
            identity,
            (instance, started),
            &metrics,
            &keeper,
            longest,
        )?;
        let app = Arc::new(App {
            engine: opened.engine.clone(),
            chain: opened.chain.clone(),
            auth: Auth::open(config, &metrics)?,
            policies: PolicyStore::new(config.namespace.clone(), opened.elsewhere.clone()),
            watchers: Arc::default(),
            metrics,
            clock_skew: Mutex::default(),
            lease_for: opened.lease_for,
            shutdown: shutdown.clone(),
        });
        let metrics_listener = listen("metrics", config.metrics)?;
        let api_listener = listen("listen", config.listen)?;
        let (api, metrics) = (api_listener.local_addr()?, metrics_listener.local_addr()?);
        tracing::info!(%api, %metrics, "listening");

        tokio::spawn(certificates.follow(shutdown.clone()));
        let anchor_task = spawn_tasks(opened, &app, config.policies.clone());
        let told = tokio::spawn(async move {
            shutdown.asked().await;
            notify::send("STOPPING=1");
        });
        let listening = Arc::new(AtomicBool::new(true));
        answer_health(&config.state_dir, listening.clone())?;
        let few = Limits {
            drain: DRAIN,
            ..Limits::few()
        };
        let (scraped, shutdown) = (app.clone(), app.shutdown.clone());
        let handler = move |req| scrape::handle(scraped.clone(), req);
        let serving_metrics = serve::serve(metrics_listener, None, few, shutdown.clone(), handler);
        let of_api = app.clone();
        let handler = move |req: Request<Inbound>| {
            let req = req.map(|body| body.map_err(std::io::Error::other).boxed());
            api::handle(of_api.clone(), req)
        };
        let limits = limits(config.connections);
        let serving = serve::serve(api_listener, Some(acceptor), limits, shutdown, handler);
        let (serving, serving_metrics) = (tokio::spawn(serving), tokio::spawn(serving_metrics));
        notify::send("READY=1");
        Ok(Self {
            app,
            api,
            metrics,
            listening,
            serving,
            serving_metrics,
            finish: [told, anchor_task],
        })
    }

    /// Answers a request as the API's port does, for tests that have it in hand already. Who asks
    /// stands in its extensions, a [`Peer`](mooring_net::serve::Peer).
    pub async fn answer(&self, request: Request<Bytes>) -> Response<Body> {
        let whole = |body| Full::new(body).map_err(|never| match never {}).boxed();
        api::handle(self.app.clone(), request.map(whole)).await
    }

    /// Waits until it was asked to end, and has ended in order.
    pub async fn ended(self) {
        let _ = self.serving.await;
        self.listening.store(false, Ordering::Relaxed);
        for task in self.finish {
            let _ = tokio::time::timeout(Duration::from_secs(1), task).await;
        }
        self.app.engine.end().await;
        self.serving_metrics.abort();
        tracing::info!("ended");
    }
}

/// License, ledger, and the task that will keep the anchor. Grants nothing yet.
fn open_chain(
    config: &Config,
    identity: Identity,
    (instance, started): (InstanceId, Now),
    metrics: &Arc<Metrics>,
    keeper: &Arc<Keeper>,
    mut longest: LongestLease,
) -> Result<Opened> {
    let mut files = LicenseFiles::new(config, Memory::new(keeper.clone()));
    files.look(started.wall, None);
    let terms = RunTerms::of(config, &files.good(started.wall), longest.known());
    let (lease_for, grace) = (terms.lease.duration(), terms.lease.grace());
    // Before the first grant.
    longest.raise(lease_for)?;
    tracing::info!(
        name = config.name, namespace = config.namespace.as_deref(), %instance,
        version = env!("CARGO_PKG_VERSION"), lease = print_span(lease_for),
        grace = print_span(grace), settling_ms = terms.settle.as_millis(), "starting"
    );
    let settings = Settings {
        instance,
        generation: next_generation(&config.state_dir, started.wall)?,
        lease_for,
        settle: terms.settle,
        reclaim: terms.reclaim,
        grace,
        outsiders: !config.operator_knows_all || config.clients.is_some(),
        limits: LedgerLimits {
            per_holder: config.lease.claims_per_holder.into(),
            ..LedgerLimits::default()
        },
    };
    let ledger = Ledger::new(settings, Capacity::none(), started.boot);
    let authority = before_the_anchor(config, &files, started);
    let seen = authority.anchor.clone();
    let lost = metrics.audit_lost.clone();
    let audit = Audit::open(&config.state_dir, config.audit, instance, lost);
    let audit = audit.context("the audit log's thread")?;
    let engine = Engine::new(ledger, authority, started, audit);
    let key = SigningKey::from_seed(&random::bytes()).context("the ephemeral key")?;
    let (boot, pin_key) = (clock::boot_id(), identity.pin_key());
    let chain = Arc::new(Chain::new(instance, key, identity, boot, started));
    let secrets = secrets(config);
    let anchor = |config: &AnchorConfig, role| {
        let pins = PinGuard::new(keeper.clone(), role, &pin_key);
        AnyAnchor::new(config, secrets.clone(), pins, metrics.clone())
    };
    let mut anchors = vec![anchor(&config.anchor, AnchorRole::Anchor)];
    let standby = config.standby.as_ref();
    anchors.extend(standby.map(|s| anchor(s, AnchorRole::Standby)));
    let served = Served::new(keeper.clone());
    let (of_anchors, counts, time) = (chain.clone(), metrics.clone(), Box::new(clock::now));
    let failover = Failover::new(anchors, served, of_anchors, counts, terms.lease, time, seen);
    let elsewhere = files.elsewhere();
    let (of_task, reclaim) = (engine.clone(), config.lease.reclaim);
    Ok(Opened {
        engine,
        chain,
        anchor_task: AnchorTask::new(
            failover,
            files,
            keeper.clone(),
            of_task,
            metrics.clone(),
            reclaim,
        ),
        longest,
        elsewhere,
        lease_for,
        settled: started.boot + terms.settle,
    })
}

/// What is none of a token's driver's business.
fn secrets(config: &Config) -> Vec<PathBuf> {
    // Each field is named, so that a new one is thought of here.
    let Tls {
        cert: _,
        key,
        earlier,
        client_ca: _,
    } = &config.tls;
    let mut all = vec![key.clone(), config.identity_key.clone()];
    all.extend(earlier.clone());
    all.push(service_account());
    for anchor in std::iter::once(&config.anchor).chain(&config.standby) {
        all.extend(anchor.secret_file().map(Path::to_path_buf));
    }
    all
}

/// What is allowed while the anchor is still being opened: nothing is granted before it has spoken.
fn before_the_anchor(config: &Config, files: &LicenseFiles, started: Now) -> Authority {
    Authority {
        in_force: None,
        anchor: AnchorView {
            kind: config.anchor.kind().to_string(),
            key_id: None,
            present: false,
            reason: AnchorReason::Starting,
            message: "the anchor is being opened; this takes a moment".into(),
        },
        lost_since: Some(started.boot),
        license: files.view(started.wall),
        revoked: None,
    }
}

/// What the API takes: as configured, as far as the process may have files open.
fn limits(config: Connections) -> Limits {
    let (most, of_one) = (config.most as usize, config.per_address as usize);
    let files = file_limit().saturating_sub(OTHER_FILES).max(16);
    if files < most {
        tracing::warn!(
            most,
            files,
            "fewer connections than configured: the process may not open more files (LimitNOFILE)"
        );
    }
    Limits {
        drain: DRAIN,
        ..Limits::of(most.min(files), of_one.min(files / 2))
    }
}

/// Says who asks on the health socket whether it listens. A server without its anchor or license
/// still renews, explains, and is what the operator must reach: so listening is ready.
fn answer_health(state_dir: &Path, listening: Arc<AtomicBool>) -> Result<()> {
    let path = state_dir.join(health::SOCKET);
    let bound = health::bind(&path);
    let bound = bound.with_context(|| {
        let path = path.display();
        format!("configuration field stateDir: {path} cannot be listened on")
    })?;
    let ready = move || {
        let listens = listening.load(Ordering::Relaxed);
        listens.then_some(()).ok_or("not listening")
    };
    // It goes with the process, and answers until then.
    let (_, never) = Shutdown::channel();
    tokio::spawn(health::serve(bound, ready, never));
    Ok(())
}

fn listen(field: &'static str, addr: SocketAddr) -> Result<TcpListener> {
    let bound = serve::listen(addr);
    bound.with_context(|| format!("configuration field {field}: {addr} cannot be listened on"))
}

/// Everything that runs beside the requests; gives the anchor's.
fn spawn_tasks(opened: Opened, app: &Arc<App>, policies: Option<PathBuf>) -> JoinHandle<()> {
    let anchor_task = tokio::spawn(opened.anchor_task.run(app.shutdown.clone()));
    let of_app = app.clone();
    tokio::spawn(async move { of_app.engine.run(of_app.shutdown.clone()).await });
    // Before the first request.
    app.auth.bar(&app.engine);
    app.auth.bound(&app.engine);
    let of_app = app.clone();
    tokio::spawn(async move { of_app.auth.follow(&of_app.engine, &of_app.shutdown).await });
    if let Some(path) = policies {
        let of_app = app.clone();
        let files = app.policies.read(&path, |p| app.engine.set_policy(p));
        tokio::spawn(async move {
            let seats = |p| of_app.engine.set_policy(p);
            let shutdown = of_app.shutdown.clone();
            of_app.policies.follow((files, path), seats, shutdown).await;
        });
    }
    let lowered = lower_later(opened.longest, opened.settled, opened.lease_for);
    tokio::spawn(lowered);
    anchor_task
}

/// Once every longer lease of earlier runs has run out, the kept number is this run's.
async fn lower_later(mut longest: LongestLease, when: BootTime, lease_for: Duration) {
    clock::sleep_until(when).await;
    if let Err(e) = longest.lower(lease_for) {
        tracing::warn!("the longest lease is kept as it was: {e}");
    }
}
