//! What the webhook counts, on the operator's `/metrics`.

use crate::metrics::registered;
use prometheus::{Error, Gauge, Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry};
use std::time::{Duration, SystemTime};

/// The webhook's counters. All names begin with `mooring_webhook_`.
#[derive(Debug)]
pub struct WebhookMetrics {
    admissions: IntCounterVec,
    seconds: Histogram,
    bundle: IntGauge,
    certificate: Gauge,
}

/// Upper bounds of the histogram's buckets, in seconds.
const BUCKETS: [f64; 11] = [
    0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 10.0,
];

impl WebhookMetrics {
    /// Registers all of them in `registry`.
    pub fn new(registry: &Registry) -> Result<Self, Error> {
        let admissions = Opts::new(
            "mooring_webhook_admissions_total",
            "Pods that were judged, by result: injected, unchanged, refused, failed, unreadable, crowded.",
        );
        let seconds = HistogramOpts::new(
            "mooring_webhook_admission_seconds",
            "From a review's arrival to its answer.",
        );
        let bundle = IntGauge::new(
            "mooring_webhook_ca_bundle_current",
            "1 while the MutatingWebhookConfiguration carries this operator's CA.",
        );
        let certificate = Gauge::new(
            "mooring_webhook_certificate_expiry_timestamp_seconds",
            "When the serving certificate ends, in seconds since the epoch.",
        );
        let seconds = Histogram::with_opts(seconds.buckets(BUCKETS.to_vec()));
        let this = Self {
            admissions: registered(registry, IntCounterVec::new(admissions, &["result"]))?,
            seconds: registered(registry, seconds)?,
            bundle: registered(registry, bundle)?,
            certificate: registered(registry, certificate)?,
        };
        for result in [
            "injected",
            "unchanged",
            "refused",
            "failed",
            "unreadable",
            "crowded",
        ] {
            this.admissions.with_label_values(&[result]);
        }
        Ok(this)
    }

    pub(super) fn admission(&self, result: &str, took: Duration) {
        self.admissions.with_label_values(&[result]).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    pub(super) fn bundle_current(&self, current: bool) {
        self.bundle.set(i64::from(current));
    }

    pub(super) fn certificate_until(&self, at: SystemTime) {
        self.certificate.set(seconds(at) as f64);
    }
}

/// Seconds since the epoch: what metrics and logs have in common.
pub(super) fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}
