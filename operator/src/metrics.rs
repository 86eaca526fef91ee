//! The controllers' counters, on `/metrics`.

use mooring_api::names::ServerRef;
use prometheus::core::Collector;
use prometheus::{Error, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// What the controllers count. All names begin with `mooring_operator_`.
#[derive(Debug)]
pub struct Metrics {
    mirror_writes: IntCounterVec,
    reconciles: IntCounterVec,
    gone: IntCounterVec,
    links: IntGaugeVec,
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
            "mooring_operator_link_connected",
            "1 while connected to the license server.",
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
            links: registered(registry, IntGaugeVec::new(links, &["namespace", "server"]))?,
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

    /// Whether a server is connected.
    pub fn connected(&self, server: &ServerRef, yes: bool) {
        let labels = [server.namespace.as_str(), server.name.as_str()];
        self.links.with_label_values(&labels).set(i64::from(yes));
        if !yes {
            self.link_breaks.inc();
        }
    }

    /// A server is no longer served.
    pub fn forget(&self, server: &ServerRef) {
        let labels = [server.namespace.as_str(), server.name.as_str()];
        let _ = self.links.remove_label_values(&labels);
    }

    pub fn leads(&self, yes: bool) {
        self.leader.set(i64::from(yes));
    }
}
