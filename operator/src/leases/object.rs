//! A holder's claims as a LicenseLease object. Pure.

use super::known::Known;
use super::name::mirror_name;
use crate::pods::Holding;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use mooring_api::names::{
    FIELD_MANAGER, MANAGED_BY, SERVER_LABEL, SERVER_NAMESPACE_LABEL, ServerRef,
};
use mooring_api::{
    ClaimStatus, HolderKind, HolderReference, LeaseState, LicenseLease, LicenseLeaseSpec,
    LicenseLeaseStatus,
};
use mooring_core::identity::Holder;
use mooring_core::request;
use mooring_core::time::Timestamp;
use mooring_core::wire::ViewState;
use std::collections::BTreeMap;
use std::time::Duration;

/// How far a silent holder's end may move before it is written again: answers take a moment.
const SAME_UNTIL: Duration = Duration::from_secs(5);

fn state_of(view: ViewState) -> LeaseState {
    match view {
        ViewState::Waiting => LeaseState::Waiting,
        ViewState::Held | ViewState::Ended => LeaseState::Held,
        ViewState::Silent => LeaseState::Silent,
        ViewState::Contested => LeaseState::Contested,
        ViewState::Refused => LeaseState::Refused,
    }
}

/// The mirror of what the server knows: a holder's claims there, at least one. Points in time that
/// are already written stay, so that a repeated answer changes nothing.
pub(super) fn mirror(
    server: &ServerRef,
    claims: &[Known],
    existing: Option<&LicenseLease>,
    node: Option<String>,
) -> Option<LicenseLease> {
    let holder = &claims.first()?.view.holder;
    let before = existing.and_then(|e| e.status.as_ref());
    let claims: Vec<ClaimStatus> = claims.iter().map(|k| claim(k, before)).collect();
    let products: Vec<&str> = claims.iter().map(|c| c.products.as_str()).collect();
    // The claim that needs most attention speaks for the pod.
    let head = claims.iter().max_by_key(|c| c.state)?.clone();
    let status = LicenseLeaseStatus {
        products: products.join(","),
        state: head.state,
        since: head.since,
        node: node_of(holder).or(node),
        place: head.place,
        until: head.until,
        message: head.message,
        claims,
    };
    Some(object(server, holder, status))
}

fn node_of(holder: &Holder) -> Option<String> {
    match holder {
        Holder::Pod { node, .. } => node.clone(),
        Holder::External { .. } => None,
    }
}

fn claim(k: &Known, before: Option<&LicenseLeaseStatus>) -> ClaimStatus {
    let (name, lease) = (k.view.claim.to_string(), k.view.lease.to_string());
    let state = state_of(k.view.state);
    // A refused holder asks again each minute, each time under a new lease id that comes to
    // nothing: no change.
    let refused = state == LeaseState::Refused;
    let mut claims = before.into_iter().flat_map(|b| &b.claims);
    let same = claims.find(|c| c.name == name && c.state == state && (refused || c.lease == lease));
    let lease = same.map_or(lease, |s| s.lease.clone());
    let until = k.until.map(|u| {
        let written = same.and_then(|s| s.until.as_ref()?.parse::<Timestamp>().ok());
        let near = |w: &Timestamp| w.duration_since(u).unsigned_abs() <= SAME_UNTIL;
        written.filter(near).unwrap_or(u)
    });
    ClaimStatus {
        name,
        lease,
        products: request::print(&k.view.items),
        state,
        since: same.map_or_else(|| Time(whole_seconds(k.since)), |s| s.since.clone()),
        place: k.view.place,
        until: until.map(|u| whole_seconds(u).to_string()),
        message: message(k),
    }
}

fn message(k: &Known) -> Option<String> {
    if let Some(p) = &k.view.problem {
        let field = p.field.as_ref().map(|f| format!(" (field {f})"));
        return Some(format!("{}{}", p.detail, field.unwrap_or_default()));
    }
    k.view.reason.map(|r| r.explain().to_owned())
}

/// Kubernetes writes whole seconds.
fn whole_seconds(t: Timestamp) -> Timestamp {
    Timestamp::from_second(t.as_second()).unwrap_or(t)
}

/// The mirror of a running pod that its server does not know.
pub(super) fn unknown(server: &ServerRef, of: &Holding, now: Timestamp) -> LicenseLease {
    let status = LicenseLeaseStatus {
        products: of.products.clone(),
        state: LeaseState::Unknown,
        since: Time(whole_seconds(now)),
        node: node_of(&of.holder),
        place: None,
        until: None,
        message: Some(format!(
            "the pod's sidecar runs, and license server {server} does not know it: look at the sidecar's log (container mooring) and at NetworkPolicies between the pod and {}",
            server.dns_name()
        )),
        claims: Vec::new(),
    };
    object(server, &of.holder, status)
}

fn object(server: &ServerRef, holder: &Holder, status: LicenseLeaseStatus) -> LicenseLease {
    let (namespace, name) = mirror_name(server, holder);
    let reference = match holder {
        Holder::Pod {
            pod,
            uid,
            service_account,
            ..
        } => HolderReference {
            kind: HolderKind::Pod,
            name: pod.clone(),
            uid: Some(uid.clone()),
            service_account: Some(service_account.clone()).filter(|s| !s.is_empty()),
        },
        Holder::External { subject } => HolderReference {
            kind: HolderKind::External,
            name: subject.clone(),
            uid: None,
            service_account: None,
        },
    };
    let labels = [
        (MANAGED_BY, FIELD_MANAGER),
        (SERVER_LABEL, &server.name),
        (SERVER_NAMESPACE_LABEL, &server.namespace),
    ];
    let labels = labels.map(|(k, v)| (k.to_owned(), v.to_owned()));
    LicenseLease {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(namespace),
            labels: Some(BTreeMap::from(labels)),
            ..ObjectMeta::default()
        },
        spec: LicenseLeaseSpec {
            server: server.clone(),
            holder: reference,
        },
        status: Some(status),
    }
}
