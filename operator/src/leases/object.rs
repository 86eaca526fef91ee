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
    LicenseLeaseStatus, ServerReference,
};
use mooring_core::identity::Holder;
use mooring_core::request;
use mooring_core::time::Timestamp;
use mooring_core::wire::ViewState;
use std::collections::BTreeMap;
use std::time::Duration;

/// How far a silent holder's end may move before it is written again: answers take a moment.
const SAME_UNTIL: Duration = Duration::from_secs(5);

/// What the server says of one holder.
#[derive(Clone, Copy, Debug)]
pub struct ServerWord<'a> {
    pub server: &'a ServerRef,
    /// The holder's claims there; at least one.
    pub claims: &'a [Known],
}

fn state_of(view: ViewState) -> LeaseState {
    match view {
        ViewState::Waiting => LeaseState::Waiting,
        ViewState::Held | ViewState::Ended => LeaseState::Held,
        ViewState::Silent => LeaseState::Silent,
        ViewState::Contested => LeaseState::Contested,
        ViewState::Refused => LeaseState::Refused,
    }
}

/// The mirror of what the server knows. Points in time that are already written stay, so that a
/// repeated answer changes nothing.
pub fn mirror(
    word: ServerWord<'_>,
    existing: Option<&LicenseLease>,
    node: Option<String>,
) -> Option<LicenseLease> {
    let holder = &word.claims.first()?.view.holder;
    let before = existing.and_then(|e| e.status.as_ref());
    let claims: Vec<ClaimStatus> = word.claims.iter().map(|k| claim(k, before)).collect();
    // The claim that needs most attention speaks for the pod.
    let head = claims.iter().max_by_key(|c| c.state)?;
    let status = LicenseLeaseStatus {
        products: claims
            .iter()
            .map(|c| c.products.as_str())
            .collect::<Vec<_>>()
            .join(","),
        state: head.state,
        since: head.since.clone(),
        node: match holder {
            Holder::Pod { node: Some(n), .. } => Some(n.clone()),
            _ => node,
        },
        place: head.place,
        until: head.until.clone(),
        message: head.message.clone(),
        claims: claims.clone(),
    };
    Some(object(word.server, holder, status))
}

fn claim(k: &Known, before: Option<&LicenseLeaseStatus>) -> ClaimStatus {
    let (name, lease, state) = (
        k.view.claim.to_string(),
        k.view.lease.to_string(),
        state_of(k.view.state),
    );
    // A refused holder asks again each minute, each time under a new lease id that comes to
    // nothing: no change.
    let refused = state == LeaseState::Refused;
    let same = before.and_then(|b| {
        b.claims
            .iter()
            .find(|c| c.name == name && c.state == state && (refused || c.lease == lease))
    });
    let lease = same.map_or(lease, |s| s.lease.clone());
    let until = k.until.map(|u| {
        let written = same
            .and_then(|s| s.until.as_ref())
            .and_then(|t| t.parse::<Timestamp>().ok());
        written.filter(|w| near(*w, u)).unwrap_or(u)
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
        let field = p
            .field
            .as_deref()
            .map(|f| format!(" (field {f})"))
            .unwrap_or_default();
        return Some(format!("{}{field}", p.detail));
    }
    k.view.reason.map(|r| r.explain().to_owned())
}

fn near(a: Timestamp, b: Timestamp) -> bool {
    a.duration_since(b).unsigned_abs() <= SAME_UNTIL
}

/// Kubernetes writes whole seconds.
pub(super) fn whole_seconds(t: Timestamp) -> Timestamp {
    Timestamp::from_second(t.as_second()).unwrap_or(t)
}

/// The mirror of a running pod that its server does not know.
pub fn unknown(server: &ServerRef, of: &Holding, now: Timestamp) -> LicenseLease {
    let status = LicenseLeaseStatus {
        products: of.products.clone(),
        state: LeaseState::Unknown,
        since: Time(whole_seconds(now)),
        node: match &of.holder {
            Holder::Pod { node, .. } => node.clone(),
            Holder::External { .. } => None,
        },
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
    let labels = BTreeMap::from([
        (MANAGED_BY.to_owned(), FIELD_MANAGER.to_owned()),
        (SERVER_LABEL.to_owned(), server.name.clone()),
        (SERVER_NAMESPACE_LABEL.to_owned(), server.namespace.clone()),
    ]);
    LicenseLease {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(namespace),
            labels: Some(labels),
            ..ObjectMeta::default()
        },
        spec: LicenseLeaseSpec {
            server: ServerReference {
                namespace: server.namespace.clone(),
                name: server.name.clone(),
            },
            holder: reference,
        },
        status: Some(status),
    }
}
