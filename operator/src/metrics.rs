//! The controllers' counters, on `/metrics`.

use prometheus::core::Collector;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// What the controllers count. All names begin with `mooring_operator_`.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    mirror_writes: IntCounterVec,
    reconciles: IntCounterVec,
    gone: IntCounterVec,
    links: IntGaugeVec,
    link_breaks: IntCounter,
    leader: IntGauge,
}

fn counters(name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
    IntCounterVec::new(Opts::new(format!("mooring_operator_{name}"), help), labels)
}

impl Metrics {
    /// Registers all of them in `registry`.
    pub fn new(registry: Registry) -> Result<Self, prometheus::Error> {
        let this = Self {
            mirror_writes: counters(
                "mirror_writes_total",
                "Writes of LicenseLease objects, by kind.",
                &["kind"],
            )?,
            reconciles: counters(
                "reconciles_total",
                "Reconciliations of LicenseServers, by result.",
                &["result"],
            )?,
            gone: counters(
                "pods_proven_gone_total",
                "Pods reported to their license server as gone, by proof.",
                &["proof"],
            )?,
            links: IntGaugeVec::new(
                Opts::new(
                    "mooring_operator_link_connected",
                    "1 while connected to the license server.",
                ),
                &["namespace", "server"],
            )?,
            link_breaks: IntCounter::new(
                "mooring_operator_link_breaks_total",
                "Connections to license servers that broke or could not be made.",
            )?,
            leader: IntGauge::new(
                "mooring_operator_leader",
                "1 while this replica runs the controllers.",
            )?,
            registry,
        };
        let all: Vec<Box<dyn Collector>> = vec![
            Box::new(this.mirror_writes.clone()),
            Box::new(this.reconciles.clone()),
            Box::new(this.gone.clone()),
            Box::new(this.links.clone()),
            Box::new(this.link_breaks.clone()),
            Box::new(this.leader.clone()),
        ];
        for c in all {
            this.registry.register(c)?;
        }
        Ok(this)
    }

    /// Where they are registered.
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// A mirror was written, deleted, or could not be.
    pub fn mirror_write(&self, kind: &str) {
        self.mirror_writes.with_label_values(&[kind]).inc();
    }

    /// A LicenseServer was reconciled.
    pub fn reconciled(&self, result: &str) {
        self.reconciles.with_label_values(&[result]).inc();
    }

    /// A pod was reported as gone.
    pub fn reported_gone(&self, proof: crate::gone::Proof) {
        self.gone.with_label_values(&[&format!("{proof:?}")]).inc();
    }

    /// Whether a server is connected.
    pub fn connected(&self, server: &mooring_api::names::ServerRef, yes: bool) {
        self.links
            .with_label_values(&[&server.namespace, &server.name])
            .set(i64::from(yes));
        if !yes {
            self.link_breaks.inc();
        }
    }

    /// A server is no longer served.
    pub fn forget(&self, server: &mooring_api::names::ServerRef) {
        let _ = self
            .links
            .remove_label_values(&[&server.namespace, &server.name]);
    }

    /// Whether this replica leads.
    pub fn leads(&self, yes: bool) {
        self.leader.set(i64::from(yes));
    }
}
