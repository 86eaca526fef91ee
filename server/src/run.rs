//! Puts the parts together, runs them, and ends them in order.

use crate::anchor::any::AnyAnchor;
use crate::anchor::pin::PinGuard;
use crate::app::App;
use crate::auth::clients::{self, ClientTokens};
use crate::auth::policy::PolicyStore;
use crate::auth::review::Reviewer;
use crate::auth::revoked::Revoked;
use crate::auth::{Auth, Ways};
use crate::chain::Chain;
use crate::chain::anchor_task::AnchorTask;
use crate::chain::failover::Failover;
use crate::chain::standby::Served;
use crate::config::{AnchorConfig, Config, Lease};
use crate::engine::Engine;
use crate::license::{LicenseFile, Memory};
use crate::metrics::Metrics;
use crate::state::LongestLease;
use crate::tls::Certificates;
use crate::{api, health};
use anyhow::{Context as _, Result, bail};
use mooring_core::frontend::{Authority, LeaseTerms};
use mooring_core::ledger::{Capacity, Ledger, Limits, Settings, settle_for};
use mooring_core::license::{IdentityKey, SigningKey};
use mooring_core::policy::Reclaim;
use mooring_core::reason::{AnchorReason, LicenseReason};
use mooring_core::time::print_span;
use mooring_core::wire::AnchorView;
use mooring_net::shutdown::Shutdown;
use mooring_net::{clock, http as net, notify, random};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;

/// How long open requests may go on after SIGTERM.
const DRAIN: Duration = Duration::from_millis(1500);

/// The HMAC key that hides holders' names.
fn identity_key(path: &Path) -> Result<[u8; 32]> {
    let what = || format!("configuration field identityKey: {}", path.display());
    let bytes = std::fs::read(path).with_context(what)?;
    let n = bytes.len();
    let key: Result<[u8; 32], _> = bytes.try_into();
    match key {
        Ok(k) => Ok(k),
        Err(_) => bail!(
            "{}: {n} bytes, expected 32 random ones (head -c 32 /dev/urandom)",
            what()
        ),
    }
}

/// Reads everything that the configuration names, and says what is wrong. Touches neither token nor network.
pub(crate) fn check(config: &Config) -> Result<String> {
    identity_key(&config.identity_key)?;
    Certificates::load(config.tls.clone())
        .context("configuration field tls")?
        .acceptor()?;
    let mut file = LicenseFile::new(config.license.clone(), config.vendor_keys.clone())
        .with_revocations(config.revocations.clone())
        .with_memory(Memory::only_read(&config.state_dir));
    let now = clock::now().wall;
    file.look(now, None);
    let view = file.view(now);
    if !view.valid || view.reason == LicenseReason::RevocationsRefused {
        bail!(
            "configuration field license: {}: {}",
            view.reason,
            view.message
        );
    }
    if let Some(c) = &config.clients {
        clients::check(c)?;
    }
    config
        .anchor
        .check_key()
        .context("configuration field anchor")?;
    if let Some(a) = &config.standby {
        a.check_key().context("configuration field standby")?;
    }
    if let Some(p) = &config.policies {
        let text = std::fs::read_to_string(p)
            .with_context(|| format!("configuration field policies: {}", p.display()))?;
        serde_yaml::from_str::<mooring_core::wire::Policies>(&text)
            .context("configuration field policies")?;
    }
    // A file that need not be there may be one whose name is misspelt.
    let list = config.revocations.as_deref().filter(|p| !p.exists());
    let list = list.map(|p| format!("; there is no revocation list {} yet", p.display()));
    Ok(view.message + &list.unwrap_or_default())
}

/// Runs until asked to end.
pub(crate) async fn run(config: Config, shutdown: Shutdown) -> Result<()> {
    let started = clock::now();
    let identity = identity_key(&config.identity_key)?;
    let certificates = Certificates::load(config.tls.clone()).context("configuration field tls")?;
    let acceptor = certificates.acceptor()?;
    let metrics = Arc::new(Metrics::new().context("metrics")?);
    metrics.standby_left.set(f64::INFINITY);

    let mut longest = LongestLease::open(&config.state_dir)?;
    let mut file = LicenseFile::new(config.license.clone(), config.vendor_keys.clone())
        .with_revocations(config.revocations.clone())
        .with_memory(Memory::open(&config.state_dir));
    file.look(started.wall, None);
    // The ledger's D and grace hold for the whole run, from the license as it is now: a later license may shorten what
    // holders are told, and never lengthen it, since the ledger would free a seat before its holder stops.
    let policy = file
        .good()
        .map(|g| g.license.policy.clone())
        .unwrap_or_default();
    let terms = file
        .good()
        .map(|_| LeaseTerms::of(config.lease.duration(), config.lease.grace(), &policy));
    let lease_for = terms.map_or(config.lease.duration(), |t| t.lease_for);
    let grace = terms.map_or(config.lease.grace(), |t| t.run_for);
    let lease = Lease {
        duration_secs: lease_for.as_secs(),
        grace_secs: grace.as_secs(),
        ..config.lease.clone()
    };
    let confirmed =
        config.lease.reclaim == Reclaim::Confirmed || policy.reclaim == Some(Reclaim::Confirmed);

    let settle = if cfg!(feature = "mutant-no-settling") {
        std::time::Duration::ZERO
    } else {
        let configured = config
            .earlier_longest_lease_secs
            .map(std::time::Duration::from_secs);
        settle_for(configured.max(longest.known()), lease_for)
    };
    // Before the first grant.
    longest.raise(lease_for)?;
    let instance = random::instance_id();
    let settings = Settings {
        instance,
        generation: u64::try_from(started.wall.as_millisecond()).unwrap_or(0),
        lease_for,
        settle,
        reclaim: if confirmed {
            Reclaim::Confirmed
        } else {
            Reclaim::Any
        },
        grace,
        limits: Limits::default(),
    };
    tracing::info!(
        name = config.name, namespace = config.namespace.as_deref(), %instance, version = env!("CARGO_PKG_VERSION"),
        lease = print_span(lease_for), grace = print_span(grace), settling_ms = settle.as_millis(), "starting"
    );
    let engine = Engine::new(Ledger::new(settings, Capacity::none(), started.boot));
    // Nothing is granted before the anchor has spoken; the anchor task lifts this.
    let state = Authority {
        in_force: None,
        anchor: AnchorView {
            kind: config.anchor.kind().to_string(),
            key_id: None,
            present: false,
            reason: AnchorReason::Starting,
            message: "the anchor is being opened; this takes a moment".into(),
        },
        lost_since: Some(started.boot),
        license: file.view(started.wall),
        revoked: None,
    };

    let key = SigningKey::from_seed(&random::bytes()).context("the ephemeral key")?;
    let boot_id = clock::boot_id();
    let chain = Arc::new(Chain::new(
        instance,
        key,
        IdentityKey::new(&identity),
        boot_id,
        started,
        state,
    ));
    let why = chain.state().may_grant(started, chain.clock());
    engine.act(|l, now| l.pause(why.err().map(Into::into), now));
    let anchor = |config: &AnchorConfig, pins: std::path::PathBuf| {
        AnyAnchor::new(config, PinGuard::open(pins, &identity), metrics.clone())
    };
    let dir = &config.state_dir;
    let mut anchors = vec![anchor(&config.anchor, dir.join("pin.json"))];
    anchors.extend(
        config
            .standby
            .as_ref()
            .map(|s| anchor(s, dir.join("pin-standby.json"))),
    );
    let served = Served::open(dir.join("standby.json"));
    let time = Box::new(clock::now);
    let failover = Failover::new(anchors, served, chain.clone(), metrics.clone(), lease, time);
    let anchor_task = AnchorTask::new(
        failover,
        file,
        chain.clone(),
        engine.clone(),
        metrics.clone(),
        config.lease.reclaim,
    );

    let reviewer = match config.audience().filter(|_| config.token_review) {
        Some(audience) => Some(Reviewer::in_cluster(audience)?),
        None => None,
    };
    let revoked = Revoked::open(&config.state_dir)
        .map_err(|e| anyhow::anyhow!("configuration field stateDir: {e}"))?;
    let revoked = Arc::new(revoked);
    let client_tokens = match &config.clients {
        Some(files) => Some(Arc::new(ClientTokens::load(
            &config.name,
            files.clone(),
            revoked.clone(),
            metrics.clone(),
        )?)),
        None => None,
    };
    let ways = Ways {
        certificates: config.tls.client_ca.is_some(),
        clients: client_tokens,
        reviewer,
        revoked,
        admins: config.admins.clone(),
    };
    let app = Arc::new(App {
        engine: engine.clone(),
        chain,
        auth: Auth::new(ways, metrics.clone()),
        policies: PolicyStore::new(config.namespace.clone()),
        metrics,
        lease_for,
        shutdown: shutdown.clone(),
    });

    let listen = |field: &'static str, addr| async move {
        TcpListener::bind(addr)
            .await
            .with_context(|| format!("configuration field {field}: {addr} cannot be listened on"))
    };
    let health_listener = listen("health", config.health).await?;
    let api_listener = listen("listen", config.listen).await?;
    tracing::info!(api = %api_listener.local_addr()?, health = %health_listener.local_addr()?, "listening");

    let listening: health::Listening = Arc::new(AtomicBool::new(true));
    let anchor_task = tokio::spawn(anchor_task.run(shutdown.clone()));
    let timer = shutdown.clone();
    tokio::spawn(async move { engine.run(timer).await });
    tokio::spawn(certificates.follow(shutdown.clone()));
    // Before the first request.
    app.auth.bar(&app.engine);
    {
        let (app, shutdown) = (app.clone(), shutdown.clone());
        tokio::spawn(async move { app.auth.follow(&app.engine, shutdown).await });
    }
    if let Some(path) = config.policies.clone() {
        let (app, shutdown) = (app.clone(), shutdown.clone());
        tokio::spawn(async move { app.policies.follow(path, shutdown).await });
    }
    tokio::spawn(lower_later(longest, started.boot + settle, lease_for));
    let health_server = {
        let (app, listening, shutdown) = (app.clone(), listening.clone(), shutdown.clone());
        let limits = net::Limits {
            connections: 64,
            drain: DRAIN,
            ..net::Limits::default()
        };
        let handler = move |req| health::handle(app.clone(), listening.clone(), req);
        tokio::spawn(net::serve(health_listener, None, limits, shutdown, handler))
    };
    let limits = net::Limits {
        drain: DRAIN,
        ..net::Limits::default()
    };
    let handler = {
        let app = app.clone();
        move |req| api::handle(app.clone(), req)
    };
    let ending = shutdown.clone();
    let told = tokio::spawn(async move {
        ending.asked().await;
        notify::send("STOPPING=1");
    });
    notify::send("READY=1");
    net::serve(api_listener, Some(acceptor), limits, shutdown, handler).await;
    listening.store(false, Ordering::Relaxed);
    // Both end with the shutdown; neither may be cut short by an end that is quicker.
    let _ = tokio::time::timeout(Duration::from_secs(1), told).await;
    let _ = tokio::time::timeout(Duration::from_secs(1), anchor_task).await;
    health_server.abort();
    tracing::info!("ended");
    Ok(())
}

/// Once every longer lease of earlier runs has run out, the kept number is this run's.
async fn lower_later(
    mut longest: LongestLease,
    when: mooring_core::time::BootTime,
    lease_for: Duration,
) {
    clock::sleep_until(when).await;
    if let Err(e) = longest.lower(lease_for) {
        tracing::warn!("the longest lease is kept as it was: {e}");
    }
}
