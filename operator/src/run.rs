//! What a replica does: webhook and health always, the controllers while it leads.

use crate::certs::Ca;
use crate::connection::ConnectionContext;
use crate::discovery::{receiver::ReportReceiver, roots, sightings::Sightings};
use crate::election::Election;
use crate::health;
use crate::leases::{Pace, Writer};
use crate::licenseserver;
use crate::licenseserver::build::Defaults;
use crate::metrics::Metrics;
use crate::webhook;
use kube::Client;
use kube::runtime::events::{Recorder, Reporter};
use mooring_api::names::FIELD_MANAGER;
use mooring_net::shutdown::Shutdown;
use prometheus::Registry;
use std::net::SocketAddr;
use std::sync::Arc;

/// Writes of mirrors: this many a second on average, and at once.
const WRITES: (u32, u32) = (50, 100);
/// The coordination Lease of the controllers.
const ELECTION: &str = "mooring-operator";

/// How the operator runs.
#[derive(Debug)]
pub struct Config {
    pub namespace: String,
    /// This replica, differing from all others: the pod's name.
    pub replica: String,
    /// Where health and metrics are served.
    pub health: SocketAddr,
    /// What the installation decides of license servers.
    pub defaults: Defaults,
    /// Whether discovery agents report devices here, and nodes are labelled after them.
    pub discovery: bool,
    pub webhook: webhook::WebhookConfig,
}

/// Runs until asked to end.
pub async fn run(mut config: Config, client: Client, shutdown: Shutdown) -> anyhow::Result<()> {
    let registry = Registry::new();
    let metrics = Arc::new(Metrics::new(registry.clone())?);
    let admissions = Arc::new(webhook::WebhookMetrics::new(&registry)?);
    let ready = webhook::Trusted::default();
    let ca = Arc::new(Ca::load_or_create(&client, &config.namespace).await?);
    let health = async {
        health::run(config.health, registry, ready.clone(), shutdown.clone())
            .await
            .map_err(|e| anyhow::anyhow!("health and metrics on {}: {e}", config.health))
    };
    let sightings = config.discovery.then(Arc::<Sightings>::default);
    config.webhook.discovery = sightings
        .clone()
        .map(|s| Arc::new(ReportReceiver::new(client.clone(), &config.namespace, s)));
    let roots = async {
        if config.discovery {
            tokio::select! {
                () = roots::keep(&client, &config.namespace, &ca) => {}
                () = shutdown.asked() => {}
            }
        }
        Ok(())
    };
    let hook = webhook::serve(
        config.webhook,
        client.clone(),
        ca.clone(),
        admissions,
        ready.clone(),
        shutdown.clone(),
    );
    let hook = async { hook.await.map_err(anyhow::Error::from) };
    let lead = async {
        let election = Election::new(client.clone(), &config.namespace, ELECTION, &config.replica);
        Box::pin(controllers(
            election,
            &client,
            &ca,
            &config.defaults,
            &config.replica,
            &metrics,
            sightings.as_ref(),
            &shutdown,
        ))
        .await;
        Ok(())
    };
    tokio::try_join!(health, hook, lead, roots)?;
    Ok(())
}

/// The controllers, whenever this replica leads. Losing leadership drops them at once, with all
/// that they had begun.
#[allow(clippy::too_many_arguments)] // what a replica has
async fn controllers(
    mut election: Election,
    client: &Client,
    ca: &Arc<Ca>,
    defaults: &Defaults,
    replica: &str,
    metrics: &Arc<Metrics>,
    sightings: Option<&Arc<Sightings>>,
    shutdown: &Shutdown,
) {
    loop {
        tokio::select! {
            () = election.won() => {}
            () = shutdown.asked() => return,
        }
        metrics.leads(true);
        let reporter = Reporter {
            controller: FIELD_MANAGER.to_owned(),
            instance: Some(replica.to_owned()),
        };
        let writer = Writer {
            client: client.clone(),
            recorder: Recorder::new(client.clone(), reporter),
            pace: Arc::new(Pace::new(WRITES.0, WRITES.1)),
            metrics: metrics.clone(),
            cache: Arc::default(),
        };
        let connection = ConnectionContext {
            ca: ca.clone(),
            writer,
        };
        let ending = tokio::select! {
            () = Box::pin(licenseserver::run(connection, defaults.clone(), sightings.cloned())) => false,
            () = election.lost() => false,
            () = shutdown.asked() => true,
        };
        metrics.leads(false);
        if ending {
            election.resign().await;
            return;
        }
    }
}
