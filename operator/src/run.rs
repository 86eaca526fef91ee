//! What a replica does: webhook and health always, the controllers while it leads.

use crate::allowance::Allowance;
use crate::certs::{Ca, keeper, lives::Lives};
use crate::connection::{ConnectionContext, OwnersBook};
use crate::discovery::{receiver::ReportReceiver, roots, sightings::Sightings};
use crate::election::Election;
use crate::health;
use crate::kubernetes::sends_once;
use crate::leases::Writer;
use crate::licenseserver;
use crate::licenseserver::build::Defaults;
use crate::metrics::Metrics;
use crate::rotation::Rotation;
use crate::webhook;
use kube::Client;
use kube::runtime::events::{Recorder, Reporter};
use mooring_api::names::FIELD_MANAGER;
use mooring_net::shutdown::Shutdown;
use prometheus::Registry;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// Writes of mirrors: so many at once, and one more each while.
const WRITES: (u32, Duration) = (100, Duration::from_millis(20));
/// The coordination Lease of the controllers.
const ELECTION: &str = "mooring-operator";

/// How the operator runs.
#[derive(clap::Args)]
pub struct Config {
    /// The operator's namespace.
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAMESPACE")]
    namespace: String,
    /// This replica's name, which differs from all others.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    replica: String,
    /// Where /metrics is served.
    #[arg(long, default_value_t = SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, 8081)), value_name = "ADDRESS:PORT")]
    metrics_listen: SocketAddr,
    #[command(flatten)]
    socket: health::Socket,
    #[command(flatten)]
    defaults: Defaults,
    /// What is logged: a level, or a filter such as mooring_operator=debug,info.
    #[arg(
        long,
        env = "MOORING_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    pub log: String,
    /// Take the discovery agents' reports in, and label nodes after the devices that LicenseServers
    /// name in placement.device.
    #[arg(long)]
    discovery: bool,
    /// Answer Kueue's AdmissionChecks whose controller is mooring.dev/license.
    #[arg(long)]
    kueue: bool,
    #[command(flatten)]
    lives: Lives,
    #[command(flatten)]
    webhook: webhook::Flags,
}

/// Runs until asked to end.
pub async fn run(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    let (namespace, replica) = (&config.namespace, &config.replica);
    let hook = config.webhook.clone().config(namespace);
    let mut hook = hook.map_err(anyhow::Error::msg)?;
    let reached = kube::Config::infer().await?;
    let client = Client::try_from(reached.clone())?;
    let once = sends_once(reached)?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), namespace = %namespace, replica = %replica, "starting");
    let registry = Registry::new();
    let metrics = Arc::new(Metrics::new(&registry)?);
    let admissions = Arc::new(webhook::WebhookMetrics::new(&registry)?);
    let ready = webhook::Trusted::default();
    let ca = Arc::new(Ca::load_or_create(&client, namespace, config.lives.clone()).await?);
    let listen = config.metrics_listen;
    let scraped = async {
        let served = health::scraped(listen, registry, shutdown.clone()).await;
        served.map_err(|e| anyhow::anyhow!("metrics on {listen}: {e}"))
    };
    let health = async {
        let served = config.socket.run(ready.clone(), shutdown.clone()).await;
        let path = config.socket.path().display();
        served.map_err(|e| anyhow::anyhow!("health socket {path}: {e}"))
    };
    let sightings = config.discovery.then(Arc::<Sightings>::default);
    let receiver = |s| Arc::new(ReportReceiver::new(client.clone(), namespace, s));
    hook.discovery = sightings.clone().map(receiver);
    let hook = async {
        let (client, ca) = (client.clone(), ca.clone());
        let served = webhook::serve(
            hook,
            client,
            ca,
            admissions,
            ready.clone(),
            shutdown.clone(),
        );
        Ok(served.await?)
    };
    let lead = async {
        let sightings = sightings.as_ref();
        Box::pin(controllers(
            &config,
            (&client, &once),
            &ca,
            &metrics,
            sightings,
            &shutdown,
        ))
        .await;
        Ok(())
    };
    let keep = keep_ca(&config, &client, &ca, &ready, &shutdown);
    tokio::try_join!(health, scraped, hook, lead, keep)?;
    Ok(())
}

/// Follows the CA's Secret, and keeps what the discovery agents must trust. Another CA in it is an
/// error, which ends the process.
async fn keep_ca(
    config: &Config,
    client: &Client,
    ca: &Ca,
    ready: &webhook::Trusted,
    shutdown: &Shutdown,
) -> anyhow::Result<()> {
    let roots = async {
        if config.discovery {
            roots::keep(client, &config.namespace, ca).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        kept = keeper::keep(client, &config.namespace, ca) => {
            ready.lost();
            match kept {
                Ok(never) => match never {},
                Err(e) => Err(e.into()),
            }
        }
        () = roots => Ok(()),
        () = shutdown.asked() => Ok(()),
    }
}

/// The controllers, whenever this replica leads. Losing leadership drops them at once, with all
/// that they had begun.
async fn controllers(
    config: &Config,
    (client, once): (&Client, &Client),
    ca: &Arc<Ca>,
    metrics: &Arc<Metrics>,
    sightings: Option<&Arc<Sightings>>,
    shutdown: &Shutdown,
) {
    let mut election = Election::new(client.clone(), &config.namespace, ELECTION, &config.replica);
    loop {
        tokio::select! {
            () = election.won() => {}
            () = shutdown.asked() => return,
        }
        metrics.leads(true);
        let reporter = Reporter {
            controller: FIELD_MANAGER.to_owned(),
            instance: Some(config.replica.clone()),
        };
        let writer = Writer {
            client: client.clone(),
            once: once.clone(),
            recorder: Recorder::new(client.clone(), reporter),
            pace: Arc::new(Mutex::new(Allowance::new(
                WRITES.0,
                WRITES.1,
                Instant::now(),
            ))),
            share: None,
            metrics: metrics.clone(),
            cache: Arc::default(),
        };
        let rotation = Rotation {
            client: client.clone(),
            namespace: config.namespace.clone(),
            ca: ca.clone(),
            cache: writer.cache.clone(),
            recorder: writer.recorder.clone(),
        };
        let book = Arc::new(OwnersBook::default());
        book.load(client, &config.namespace).await;
        let connection = ConnectionContext {
            ca: ca.clone(),
            writer,
            owners: book.clone(),
        };
        let ending = tokio::select! {
            () = Box::pin(licenseserver::run(connection, config.defaults.clone(), config.namespace.clone(), (sightings.cloned(), config.kueue))) => false,
            () = rotation.run() => false,
            () = election.lost() => false,
            () = shutdown.asked() => true,
        };
        metrics.leads(false);
        if ending {
            book.save(client, &config.namespace).await;
            election.resign().await;
            return;
        }
    }
}
