//! Metrics, for Prometheus. Gauges of the books are read from the ledger when they are asked for.

use crate::engine::Engine;
use mooring_core::frontend::Authority;
use mooring_core::ledger::{Ledger, ProjectSeats};
use mooring_core::names::{PoolName, ProjectName};
use mooring_core::time::{BootTime, Now, Timestamp};
use mooring_core::wire::version::WIRE;
use mooring_core::wire::{GroupUse, PolicyView, Problem};
use prometheus::{
    Counter, Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use std::collections::BTreeSet;

/// How many pools have series of their own. Those after them are one, which is no pool's name.
const MOST_POOLS: usize = 1000;
const OTHERS: &str = "(others)";
/// How many times a group and a pool have series of a policy: 64 groups and those in none, for 64
/// pools.
const MOST_OF_POLICY: usize = 65 * 64;
/// Those who are in no group, which is no group's name.
const NO_GROUP: &str = "(none)";

/// A row is a metric: its field, its type, its name with its labels, and its help.
macro_rules! metrics {
    ($($field:ident: $kind:ident, $name:literal $([$($label:literal),+])?, $help:literal;)+) => {
        /// Everything that is counted.
        pub(crate) struct Metrics {
            registry: Registry,
            $(pub(crate) $field: $kind,)+
        }

        impl Metrics {
            fn registered() -> Result<Self, prometheus::Error> {
                let registry = Registry::new();
                $(
                    let opts = Opts::new($name, $help);
                    let $field = metrics!(@new $kind, opts $(, [$($label),+])?)?;
                    registry.register(Box::new($field.clone()))?;
                )+
                Ok(Self { registry, $($field),+ })
            }
        }
    };
    (@new $kind:ident, $opts:ident) => { $kind::with_opts($opts) };
    (@new $kind:ident, $opts:ident, $labels:expr) => { $kind::new($opts, &$labels) };
}

metrics! {
    build_info: IntGaugeVec, "mooring_build_info" ["version"], "The server's version.";
    seats: IntGaugeVec, "mooring_seats" ["license", "pool", "kind"],
        "Seats that there are now, by pool; overdraft apart.";
    seats_used: IntGaugeVec, "mooring_seats_used" ["license", "pool"], "Seats of granted claims, by pool.";
    policy_seats: IntGaugeVec, "mooring_policy_seats" ["group", "pool", "kind"],
        "What a policy's group owns, has in use and may have at most, of the pools that it limits.";
    seats_held: IntGaugeVec, "mooring_seats_held" ["project"],
        "Seats of granted claims that name a project, by project: 32 by name, the others together.";
    claims: IntGaugeVec, "mooring_claims" ["state"], "Claims in the books, by state.";
    queue: IntGauge, "mooring_queue", "Claims in the queue.";
    overlap: IntGauge, "mooring_overlap_seats",
        "Seats of contested claims, and of handovers: how many more run than were granted.";
    handover: IntGauge, "mooring_handover_seats",
        "Seats of pods that run beside those that they replace, as the license allows.";
    backfill_grants: Counter, "mooring_backfill_grants_total",
        "Claims that were granted past others which did not fit.";
    backfill_won: Counter, "mooring_backfill_won_seat_seconds_total",
        "What those had of seats that would have gathered for others: seats times seconds.";
    backfill_delay: Counter, "mooring_backfill_delay_seconds_total",
        "How long others waited for it beside seats that would have been theirs.";
    settling: IntGauge, "mooring_settling", "1 while only earlier leases are reinstated.";
    second_server: IntGauge, "mooring_second_server_seen",
        "1 if a token of another server on this license was shown in the last hour.";
    anchor_present: IntGauge, "mooring_anchor_present", "1 while the anchor signs.";
    anchor: IntGaugeVec, "mooring_anchor" ["kind", "reason"],
        "1 for the kind of the anchor that signs, and whether it is there, is the standby, or why it is lost.";
    standby_left: Gauge, "mooring_standby_left_seconds",
        "How much longer the standby anchor may serve, once it has; +Inf before.";
    delegation_age: Gauge, "mooring_delegation_age_seconds", "Since the anchor last signed.";
    license_valid: IntGauge, "mooring_license_valid", "1 while a license is in force.";
    license_expires: GaugeVec, "mooring_license_expires_timestamp_seconds" ["license"],
        "When a license ends; +Inf if never.";
    seats_expire: GaugeVec, "mooring_seats_expire_timestamp_seconds" ["license", "pool"],
        "When a pool's seats end, where they do so before the license.";
    requests: IntCounterVec, "mooring_requests_total" ["call", "status"],
        "Requests by call and status.";
    wire: IntCounterVec, "mooring_wire_requests_total" ["version"],
        "Requests by the version of the messages that they are in; later: than this server's.";
    problems: IntCounterVec, "mooring_problems_total" ["type"], "Problems answered, by type.";
    token_reviews: IntCounterVec, "mooring_token_reviews_total" ["outcome"],
        "Service-account tokens looked at, by outcome.";
    client_tokens: IntCounterVec, "mooring_client_tokens_total" ["outcome"],
        "Client tokens looked at, by outcome.";
    revoked: IntGauge, "mooring_revoked", "Holders and client tokens that are revoked.";
    renewals: IntCounterVec, "mooring_renewals_total" ["outcome"], "Renewals by outcome.";
    bad_proofs: IntCounterVec, "mooring_bad_proofs_total" ["kind"],
        "Tickets and leases shown that did not count.";
    anchor_logins: IntCounterVec, "mooring_anchor_logins_total" ["outcome"],
        "Logins to the token, by outcome.";
    anchor_losses: IntCounterVec, "mooring_anchor_losses_total" ["kind", "reason"],
        "How often an anchor was lost, by its kind and by reason.";
    audit_lost: IntCounter, "mooring_audit_lost_total",
        "Records of the audit log that could not be written.";
    license_reads: IntCounter, "mooring_license_reads_total",
        "Changed license files that were looked at.";
    state_failures: IntCounter, "mooring_state_failures_total",
        "How often what must outlive the server could not be read or written.";
}

pub(crate) fn count(of: &IntCounterVec, labels: &[&str]) {
    of.with_label_values(labels).inc();
}

impl Metrics {
    /// With what is known before anything happens.
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let this = Self::registered()?;
        let version = [env!("CARGO_PKG_VERSION")];
        this.build_info.with_label_values(&version).set(1);
        this.standby_left.set(f64::INFINITY);
        Ok(this)
    }

    /// Counts a request in this version of the messages, which is one that is understood.
    pub(crate) fn speaks(&self, version: u16) {
        let own = (version <= WIRE).then(|| version.to_string());
        count(&self.wire, &[own.as_deref().unwrap_or("later")]);
    }

    /// Counts a problem that was answered.
    pub(crate) fn problem(&self, p: &Problem) {
        count(&self.problems, &[p.kind.name()]);
    }

    /// Notes what license and anchor allow.
    pub(crate) fn chain(&self, s: &Authority, now: Now, delegated: BootTime) {
        self.anchor_present.set(i64::from(s.anchor.present));
        self.anchor.reset();
        let labels: [&str; 2] = [&s.anchor.kind, s.anchor.reason.name()];
        self.anchor.with_label_values(&labels).set(1);
        self.license_valid.set(i64::from(s.license.valid));
        if let Some(f) = &s.in_force {
            let age = now.boot.since(delegated);
            self.delegation_age.set(age.as_secs_f64());
            self.license_expires.reset();
            for l in f.licenses().map(|o| &o.license) {
                let ends = l.expires.map(|t| t.as_second() as f64);
                let of = self.license_expires.with_label_values(&[l.id.as_str()]);
                of.set(ends.unwrap_or(f64::INFINITY));
            }
        }
    }

    /// How the groups of the policy in force stand.
    fn policy(&self, policy: Option<PolicyView>) {
        self.policy_seats.reset();
        let Some(policy) = policy else { return };
        let limits = |u: &&GroupUse| u.owned > 0 || u.max.is_some();
        // With weights the policy counts every pool of the license.
        let limited: BTreeSet<&PoolName> = policy
            .groups
            .iter()
            .filter(limits)
            .map(|u| &u.pool)
            .collect();
        let of_limited = policy.groups.iter().filter(|u| limited.contains(&u.pool));
        for u in of_limited.take(MOST_OF_POLICY) {
            let group = u.group.as_deref().unwrap_or(NO_GROUP);
            let seats = |kind: &str| {
                self.policy_seats
                    .with_label_values(&[group, u.pool.as_str(), kind])
            };
            seats("owned").set(u.owned.into());
            seats("used").set(u.used.into());
            if let Some(max) = u.max {
                seats("max").set(max.into());
            }
        }
    }

    fn projects(&self, projects: &[ProjectSeats]) {
        self.seats_held.reset();
        for (name, seats) in projects {
            let name = name.as_ref().map_or(OTHERS, ProjectName::as_str);
            let of = self.seats_held.with_label_values(&[name]);
            of.set(i64::try_from(*seats).unwrap_or(i64::MAX));
        }
    }

    /// Everything in Prometheus' text format, with the books as they are now.
    pub(crate) fn render(&self, engine: &Engine, second_server: bool) -> String {
        self.second_server.set(i64::from(second_server));
        let said = |l: &Ledger, _| {
            let (gauges, pools, settling) = (l.gauges(), l.pools(), l.settling());
            let all = (l.policy(), l.backfilled(), l.projects());
            (gauges, pools, settling, all)
        };
        let (gauges, pools, settling, (policy, filled, projects)) = engine.ask(said);
        self.policy(policy);
        self.projects(&projects);
        self.seats.reset();
        self.seats_used.reset();
        self.seats_expire.reset();
        for (i, p) in pools.into_iter().enumerate() {
            let license = p.license.as_deref().unwrap_or_default();
            let name = if i < MOST_POOLS {
                p.name.as_str()
            } else {
                OTHERS
            };
            let seats = |kind: &str| self.seats.with_label_values(&[license, name, kind]);
            seats("sold").add(p.seats.into());
            seats("overdraft").add(p.overdraft.into());
            let used = self.seats_used.with_label_values(&[license, name]);
            used.add(p.used.into());
            if name == OTHERS {
                continue;
            }
            let end = p.expires.and_then(|t| t.parse::<Timestamp>().ok());
            if let Some(t) = end {
                let expire = self.seats_expire.with_label_values(&[license, name]);
                expire.set(t.as_second() as f64);
            }
        }
        let int = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        for (state, n) in [
            ("held", gauges.held),
            ("reserved", gauges.reserved),
            ("silent", gauges.silent),
            ("waiting", gauges.waiting),
            ("contested", gauges.contested),
            ("refused", gauges.refused),
        ] {
            self.claims.with_label_values(&[state]).set(int(n));
        }
        self.queue.set(int(gauges.waiting + gauges.contested));
        self.overlap.set(int(gauges.overlap_seats));
        self.handover.set(int(gauges.handover_seats));
        self.settling.set(i64::from(settling));
        for (counter, value) in [
            (&self.backfill_grants, filled.grants as f64),
            (&self.backfill_won, filled.seats_won.as_secs_f64()),
            (&self.backfill_delay, filled.delayed.as_secs_f64()),
        ] {
            counter.reset();
            counter.inc_by(value);
        }
        let text = TextEncoder::new().encode_to_string(&self.registry.gather());
        text.unwrap_or_else(|e| {
            tracing::error!(error = %e, "writing metrics");
            String::new()
        })
    }
}
