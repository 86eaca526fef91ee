//! One pod, or one node, that is cut off from a license server which serves: what is known of its
//! holder is what the server said last. Pure.

use super::object::{bare, object, started_until, with_status};
use super::outage::{Service, until_about};
use crate::kubernetes::whole_seconds;
use crate::pods::{Holding, PodFact, node_of};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use mooring_api::names::ServerRef;
use mooring_api::{ClaimStatus, LeaseState, LicenseLease, LicenseLeaseStatus};
use mooring_core::time::Timestamp;

/// The reasons: its node is not ready, or nobody knows why.
const NODE: &str = "NodeNotReady";
const NOT_HEARD: &str = "NotHeard";
/// The reason of a seat that its pod held before it was started anew.
const EARLIER_LIFE: &str = "EarlierLife";

/// The mirror of a running pod that its server, which serves, does not know: it held a lease, or
/// runs on otherwise, or was started without one, or waits.
pub(super) fn not_heard(
    server: &ServerRef,
    service: &Service,
    of: &Holding,
    existing: Option<&LicenseLease>,
    now: Timestamp,
) -> LicenseLease {
    let claims = |e: &&LicenseLease| e.status.as_ref().is_some_and(|s| !s.claims.is_empty());
    if let Some(lease) = existing.filter(claims) {
        return was_known(lease, service, of, now);
    }
    let state = if of.optimistic {
        LeaseState::Optimistic
    } else {
        LeaseState::Unknown
    };
    let until = started_until(of);
    let status = LicenseLeaseStatus {
        reason: Some(reason(of).to_owned()),
        message: Some(words(&why(server, of), state, until.as_deref())),
        until,
        ..bare(of, state, now)
    };
    object(server, &of.holder, status)
}

/// The same of one that its server has known.
fn was_known(
    lease: &LicenseLease,
    service: &Service,
    of: &Holding,
    now: Timestamp,
) -> LicenseLease {
    with_status(lease, |server, status| {
        let why = why(server, of);
        for claim in &mut status.claims {
            runs_on(claim, service, of, now);
            claim.message = Some(words(&why, claim.state, claim.until.as_deref()));
        }
        let head = status.claims.iter().max_by_key(|c| c.state);
        if let Some(head) = head.cloned() {
            (status.state, status.since, status.until) = (head.state, head.since, head.until);
            status.message = head.message;
        }
        (status.place, status.as_of) = (None, None);
        status.reason = Some(reason(of).to_owned());
    })
}

/// What has become of a claim that its server does not know any more, while its pod runs.
fn runs_on(claim: &mut ClaimStatus, service: &Service, of: &Holding, now: Timestamp) {
    use LeaseState as S;
    claim.place = None;
    let state = match claim.state {
        S::Held | S::Silent | S::Grace => S::Grace,
        // Its limit stands, whoever hears of it.
        S::Contested => S::Contested,
        S::Reserved | S::Waiting | S::Optimistic | S::Refused | S::Revoked | S::Unknown => {
            S::Unknown
        }
    };
    if state == claim.state {
        return;
    }
    // Who is silent has been so since two thirds of a lease after its last renewal.
    let silent = (claim.state == S::Silent).then_some(claim.since.0);
    let renewed = silent.and_then(|t| t.checked_sub(service.lease_for * 2 / 3).ok());
    let grace = service.within(of.max_grace).filter(|_| state == S::Grace);
    let until = renewed.and_then(|t| t.checked_add(grace?).ok());
    claim.until = until.map(|t| whole_seconds(t).to_string());
    claim.since = Time(whole_seconds(now));
    claim.state = state;
}

/// The mirror of a holder that has fallen silent, where its pod says more than that: its node is
/// not ready, or no application of it runs, since the node was started anew.
pub(super) fn silent(lease: LicenseLease, pod: &PodFact) -> LicenseLease {
    let PodFact::Running { of, .. } = pod else {
        return lease;
    };
    let silent = lease.status.as_ref().map(|s| s.state) == Some(LeaseState::Silent);
    if !silent || (of.app_runs && !of.unreachable) {
        return lease;
    }
    with_status(&lease, |server, status| {
        let (reason, text) = if of.unreachable {
            let text = why(server, of);
            (
                NODE,
                format!("{text}; the application runs on under its grace"),
            )
        } else {
            let text = "none of the pod's applications runs now: an earlier life of the pod holds its seat, and it is asked for anew once that has lapsed";
            (EARLIER_LIFE, text.to_owned())
        };
        let claims = status.claims.iter_mut();
        for claim in claims.filter(|c| c.state == LeaseState::Silent) {
            claim.message = Some(text.clone());
        }
        status.message = Some(text);
        status.reason = Some(reason.to_owned());
    })
}

fn reason(of: &Holding) -> &'static str {
    if of.unreachable { NODE } else { NOT_HEARD }
}

fn why(server: &ServerRef, of: &Holding) -> String {
    if of.unreachable {
        let node = node_of(&of.holder).unwrap_or_default();
        return format!(
            "its node {node} is not ready, and license server {server}, which serves, does not hear from it"
        );
    }
    format!(
        "the pod's sidecar runs, and license server {server}, which serves, does not hear from it: look at the sidecar's log (container mooring) and at NetworkPolicies between the pod and {}",
        server.dns_name()
    )
}

fn words(why: &str, state: LeaseState, until: Option<&str>) -> String {
    let until = until_about(until);
    match state {
        LeaseState::Grace => {
            format!(
                "{why}. The application runs on under its grace, {until}; its seats are given to others"
            )
        }
        LeaseState::Optimistic => {
            format!("{why}. The application was started without a lease, and may run {until}")
        }
        LeaseState::Contested => format!("{why}. The application may go on {until}"),
        _ => why.to_owned(),
    }
}
