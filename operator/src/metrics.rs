//! The controllers' counters, on `/metrics`.

use mooring_api::names::ServerRef;
use mooring_net::sync::lock;
use prometheus::core::Collector;
use prometheus::{Error, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use std::collections::HashMap;
use std::sync::Mutex;

/// What the controllers count. All names begin with `mooring_operator_`.
#[derive(Debug)]
pub struct Metrics {
    mirror_writes: IntCounterVec,
    reconciles: IntCounterVec,
    gone: IntCounterVec,
    refused: IntCounterVec,
    failovers: IntCounterVec,
    links: IntGaugeVec,
    /// By name, which metrics do not tell: whoever reaches the port reads them.
    connected: Mutex<HashMap<ServerRef, bool>>,
    link_breaks: IntCounter,
    leader: IntGauge,
}

/// Registers what was made.
pub(crate) fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    made: Result<C, Error>,
) -> Result<C, Error> {
    let collector = made?;
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

impl Metrics {
    /// Registers all of them in `registry`.
    pub fn new(registry: &Registry) -> Result<Self, Error> {
        let counters = |name: &str, help: &str, label: &str| {
            let made = IntCounterVec::new(Opts::new(name, help), &[label]);
            registered(registry, made)
        };
        let links = Opts::new(
            "mooring_operator_links",
            "License servers, by whether the operator is connected to them.",
        );
        let link_breaks = IntCounter::new(
            "mooring_operator_link_breaks_total",
            "Connections to license servers that broke or could not be made.",
        );
        let leader = IntGauge::new(
            "mooring_operator_leader",
            "1 while this replica runs the controllers.",
        );
        Ok(Self {
            mirror_writes: counters(
                "mooring_operator_mirror_writes_total",
                "Writes of LicenseLease objects, by kind.",
                "kind",
            )?,
            reconciles: counters(
                "mooring_operator_reconciles_total",
                "Reconciliations of LicenseServers, by result.",
                "result",
            )?,
            gone: counters(
                "mooring_operator_pods_proven_gone_total",
                "Pods reported to their license server as gone, by proof.",
                "proof",
            )?,
            refused: counters(
                "mooring_operator_words_refused_total",
                "What an administrator wrote into a LicenseLease and its license server refused, by what it was.",
                "what",
            )?,
            failovers: counters(
                "mooring_operator_failovers_total",
                "Changes of which side serves, of LicenseServers with a standby on another node, by the reason of their Event.",
                "reason",
            )?,
            links: registered(registry, IntGaugeVec::new(links, &["connected"]))?,
            connected: Mutex::default(),
            link_breaks: registered(registry, link_breaks)?,
            leader: registered(registry, leader)?,
        })
    }

    /// A mirror was written, deleted, or could not be.
    pub fn mirror_write(&self, kind: &str) {
        self.mirror_writes.with_label_values(&[kind]).inc();
    }

    pub fn reconciled(&self, result: &str) {
        self.reconciles.with_label_values(&[result]).inc();
    }

    /// A pod was reported as gone.
    pub fn reported_gone(&self, proof: crate::gone::Proof) {
        self.gone.with_label_values(&[&format!("{proof:?}")]).inc();
    }

    /// A license server refused what an administrator asked for.
    pub fn word_refused(&self, what: &str) {
        self.refused.with_label_values(&[what]).inc();
    }

    /// Which side of a license server serves, or is to, has changed.
    pub fn side_changed(&self, reason: &str) {
        self.failovers.with_label_values(&[reason]).inc();
    }

    /// Whether a server is connected.
    pub fn connected(&self, server: &ServerRef, yes: bool) {
        lock(&self.connected).insert(server.clone(), yes);
        self.count_links();
        if !yes {
            self.link_breaks.inc();
        }
    }

    /// A server is no longer served.
    pub fn forget(&self, server: &ServerRef) {
        lock(&self.connected).remove(server);
        self.count_links();
    }

    fn count_links(&self) {
        let connected = lock(&self.connected);
        for yes in [true, false] {
            let n = connected.values().filter(|c| **c == yes).count();
            let gauge = self.links.with_label_values(&[&yes.to_string()]);
            gauge.set(i64::try_from(n).unwrap_or(i64::MAX));
        }
    }

    pub fn leads(&self, yes: bool) {
        self.leader.set(i64::from(yes));
    }
}
