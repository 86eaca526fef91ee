//! What the webhook counts, on the operator's `/metrics`.

use prometheus::{Gauge, Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry};
use std::time::{Duration, SystemTime};

/// The webhook's counters. All names begin with `mooring_webhook_`.
#[derive(Debug)]
pub struct WebhookMetrics {
    admissions: IntCounterVec,
    seconds: Histogram,
    bundle: IntGauge,
    certificate: Gauge,
}

impl WebhookMetrics {
    /// Registers all of them in `registry`.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let this = Self {
            admissions: IntCounterVec::new(
                Opts::new(
                    "mooring_webhook_admissions_total",
                    "Pods that were judged, by result: injected, unchanged, refused, failed, unreadable.",
                ),
                &["result"],
            )?,
            seconds: Histogram::with_opts(
                HistogramOpts::new(
                    "mooring_webhook_admission_seconds",
                    "From a review's arrival to its answer.",
                )
                .buckets(vec![
                    0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 10.0,
                ]),
            )?,
            bundle: IntGauge::new(
                "mooring_webhook_ca_bundle_current",
                "1 while the MutatingWebhookConfiguration carries this operator's CA.",
            )?,
            certificate: Gauge::new(
                "mooring_webhook_certificate_expiry_timestamp_seconds",
                "When the serving certificate ends, in seconds since the epoch.",
            )?,
        };
        for result in ["injected", "unchanged", "refused", "failed", "unreadable"] {
            this.admissions.with_label_values(&[result]);
        }
        registry.register(Box::new(this.admissions.clone()))?;
        registry.register(Box::new(this.seconds.clone()))?;
        registry.register(Box::new(this.bundle.clone()))?;
        registry.register(Box::new(this.certificate.clone()))?;
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
