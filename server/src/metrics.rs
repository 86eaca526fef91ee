//! Metrics, for Prometheus. Gauges of the books are read from the ledger when they are asked for.

use crate::engine::Engine;
use mooring_core::frontend::Authority;
use mooring_core::time::{BootTime, Now};
use mooring_core::wire::Problem;
use prometheus::{
    Gauge, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

/// Everything that is counted.
pub(crate) struct Metrics {
    registry: Registry,
    seats: IntGaugeVec,
    seats_used: IntGaugeVec,
    claims: IntGaugeVec,
    line: IntGauge,
    overlap: IntGauge,
    settling: IntGauge,
    second_server: IntGauge,
    anchor_present: IntGauge,
    anchor: IntGaugeVec,
    /// How much longer the standby anchor may serve.
    pub(crate) standby_left: Gauge,
    delegation_age: Gauge,
    license_valid: IntGauge,
    license_expires: Gauge,
    /// Requests by call and status.
    pub(crate) requests: IntCounterVec,
    problems: IntCounterVec,
    /// Token reviews by outcome.
    pub(crate) token_reviews: IntCounterVec,
    /// Client tokens by outcome.
    pub(crate) client_tokens: IntCounterVec,
    /// Holders and tokens that are revoked.
    pub(crate) revoked: IntGauge,
    /// Renewals by outcome.
    pub(crate) renewals: IntCounterVec,
    /// Proofs that did not count, by kind.
    pub(crate) bad_proofs: IntCounterVec,
    /// Logins to the token by outcome.
    pub(crate) anchor_logins: IntCounterVec,
    /// How often the anchor was lost, by reason.
    pub(crate) anchor_losses: IntCounterVec,
    /// How often a changed license file was looked at.
    pub(crate) license_reads: IntCounter,
}

impl Metrics {
    /// Registers them all.
    #[expect(
        clippy::too_many_lines,
        reason = "a table: a name and its help, one after the other"
    )]
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let r = Registry::new();
        let gauge = |name: &str, help: &str| {
            let g = IntGauge::new(name, help)?;
            r.register(Box::new(g.clone())).map(|()| g)
        };
        let float = |name: &str, help: &str| {
            let g = Gauge::new(name, help)?;
            r.register(Box::new(g.clone())).map(|()| g)
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            let g = IntGaugeVec::new(Opts::new(name, help), labels)?;
            r.register(Box::new(g.clone())).map(|()| g)
        };
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let c = IntCounterVec::new(Opts::new(name, help), labels)?;
            r.register(Box::new(c.clone())).map(|()| c)
        };
        let counter = |name: &str, help: &str| {
            let c = IntCounter::new(name, help)?;
            r.register(Box::new(c.clone())).map(|()| c)
        };
        gauges("mooring_build_info", "The server's version.", &["version"])?
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1);
        Ok(Self {
            seats: gauges(
                "mooring_seats",
                "Seats that the license has, by pool; overdraft apart.",
                &["pool", "kind"],
            )?,
            seats_used: gauges(
                "mooring_seats_used",
                "Seats of granted claims, by pool.",
                &["pool"],
            )?,
            claims: gauges(
                "mooring_claims",
                "Claims in the books, by state.",
                &["state"],
            )?,
            line: gauge("mooring_line", "Claims in line.")?,
            overlap: gauge(
                "mooring_overlap_seats",
                "Seats of contested claims: how many more run than were granted.",
            )?,
            settling: gauge(
                "mooring_settling",
                "1 while only earlier leases are taken in.",
            )?,
            second_server: gauge(
                "mooring_second_server_seen",
                "1 if a token of another server on this license was shown in the last hour.",
            )?,
            anchor_present: gauge("mooring_anchor_present", "1 while the anchor signs.")?,
            anchor: gauges(
                "mooring_anchor",
                "1 for the kind of the anchor that signs, and whether it is there, is the standby, or why it is lost.",
                &["kind", "reason"],
            )?,
            standby_left: float(
                "mooring_standby_left_seconds",
                "How much longer the standby anchor may serve, once it has; +Inf before.",
            )?,
            delegation_age: float(
                "mooring_delegation_age_seconds",
                "Since the anchor last signed.",
            )?,
            license_valid: gauge("mooring_license_valid", "1 while a license is in force.")?,
            license_expires: float(
                "mooring_license_expires_timestamp_seconds",
                "When the license ends; +Inf if never.",
            )?,
            requests: counters(
                "mooring_requests_total",
                "Requests by call and status.",
                &["call", "status"],
            )?,
            problems: counters(
                "mooring_problems_total",
                "Problems answered, by type.",
                &["type"],
            )?,
            token_reviews: counters(
                "mooring_token_reviews_total",
                "Service-account tokens looked at, by outcome.",
                &["outcome"],
            )?,
            client_tokens: counters(
                "mooring_client_tokens_total",
                "Client tokens looked at, by outcome.",
                &["outcome"],
            )?,
            revoked: gauge(
                "mooring_revoked",
                "Holders and client tokens that are revoked.",
            )?,
            renewals: counters(
                "mooring_renewals_total",
                "Renewals by outcome.",
                &["outcome"],
            )?,
            bad_proofs: counters(
                "mooring_bad_proofs_total",
                "Tickets and leases shown that did not count.",
                &["kind"],
            )?,
            anchor_logins: counters(
                "mooring_anchor_logins_total",
                "Logins to the token, by outcome.",
                &["outcome"],
            )?,
            anchor_losses: counters(
                "mooring_anchor_losses_total",
                "How often an anchor was lost, by its kind and by reason.",
                &["kind", "reason"],
            )?,
            license_reads: counter(
                "mooring_license_reads_total",
                "Changed license files that were looked at.",
            )?,
            registry: r,
        })
    }

    /// Counts a problem that was answered.
    pub(crate) fn problem(&self, p: &Problem) {
        self.problems.with_label_values(&[p.kind.name()]).inc();
    }

    /// Notes what license and anchor allow.
    pub(crate) fn chain(&self, s: &Authority, now: Now, delegated: BootTime) {
        self.anchor_present.set(i64::from(s.anchor.present));
        self.anchor.reset();
        self.anchor
            .with_label_values(&[&s.anchor.kind, s.anchor.reason.name()])
            .set(1);
        self.license_valid.set(i64::from(s.license.valid));
        if let Some(f) = &s.in_force {
            self.delegation_age
                .set(now.boot.since(delegated).as_secs_f64());
            let ends = f
                .license
                .license
                .expires
                .map_or(f64::INFINITY, |t| t.as_second() as f64);
            self.license_expires.set(ends);
        }
    }

    /// Everything in Prometheus' text format, with the books as they are now.
    pub(crate) fn render(&self, engine: &Engine, second_server: bool) -> String {
        self.second_server.set(i64::from(second_server));
        let (gauges, pools, settling) = engine.ask(|l, _| (l.gauges(), l.pools(), l.settling()));
        self.seats.reset();
        self.seats_used.reset();
        for p in pools {
            let name = p.name.as_str();
            self.seats
                .with_label_values(&[name, "sold"])
                .set(i64::from(p.seats));
            self.seats
                .with_label_values(&[name, "overdraft"])
                .set(i64::from(p.overdraft));
            self.seats_used
                .with_label_values(&[name])
                .set(i64::from(p.used));
        }
        let int = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        for (state, n) in [
            ("held", gauges.held),
            ("silent", gauges.silent),
            ("waiting", gauges.waiting),
            ("contested", gauges.contested),
            ("refused", gauges.refused),
        ] {
            self.claims.with_label_values(&[state]).set(int(n));
        }
        self.line.set(int(gauges.waiting + gauges.contested));
        self.overlap.set(int(gauges.overlap_seats));
        self.settling.set(i64::from(settling));
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap_or_else(|e| {
                tracing::error!(error = %e, "writing metrics");
                String::new()
            })
    }
}
