//! A holder's claims as a LicenseLease object. Pure.

use super::known::Known;
use super::lost;
use super::name::mirror_name;
use super::outage::{Service, Trouble};
use crate::kubernetes::whole_seconds;
use crate::pods::{Holding, node_of};
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
use mooring_core::wire::{LeaseView, ProblemType, RevokedHolder, ViewState, WaitReason};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many claims a mirror tells of.
const MOST_CLAIMS: usize = 64;
/// How many characters its products have.
const MOST_PRODUCTS: usize = 1000;
/// How far a silent holder's end may move before it is written again: answers take a moment.
const SAME_UNTIL: Duration = Duration::from_secs(5);

const REVOKED: &str = "Revoked";
const LIFTED: &str = "Lifted";
/// The reason of a lease that an administrator took back.
pub(super) const TAKEN_BACK: &str = "TakenBack";
/// The reason of a lease that ends at a limit although it is renewed.
pub(super) const CALLED_BACK: &str = "CalledBack";

/// Whether a mirror's reason comes and goes in a line that moves, or there is none.
pub(super) fn passes(reason: Option<&str>) -> bool {
    let moving = [
        WaitReason::Full,
        WaitReason::Behind,
        WaitReason::Policy,
        WaitReason::Settling,
        WaitReason::Elsewhere,
    ];
    reason.is_none_or(|r| moving.map(waits_for).contains(&r))
}

/// Whether a mirror's reason is that there are others before it.
pub(super) fn in_a_line(reason: Option<&str>) -> bool {
    let others = [WaitReason::Full, WaitReason::Behind];
    reason.is_some_and(|r| others.map(waits_for).contains(&r))
}

fn state_of(view: &LeaseView) -> LeaseState {
    if kind_of(view) == Some(ProblemType::Revoked) {
        return LeaseState::Revoked;
    }
    match view.state {
        ViewState::Waiting => LeaseState::Waiting,
        ViewState::Held | ViewState::Ended => LeaseState::Held,
        ViewState::Reserved => LeaseState::Reserved,
        ViewState::Silent => LeaseState::Silent,
        ViewState::Contested => LeaseState::Contested,
        ViewState::Refused => LeaseState::Refused,
    }
}

fn kind_of(view: &LeaseView) -> Option<ProblemType> {
    view.problem.as_ref().map(|p| p.kind)
}

/// Why a claim stands so, in the CamelCase of a status.
fn reason_of(view: &LeaseView) -> Option<&'static str> {
    match (view.state, kind_of(view)) {
        (_, Some(ProblemType::Revoked)) => Some(REVOKED),
        (ViewState::Held | ViewState::Silent, Some(ProblemType::GivenBack)) => Some(TAKEN_BACK),
        (ViewState::Held | ViewState::Silent, Some(_)) => Some(CALLED_BACK),
        _ => view.reason.map(waits_for),
    }
}

/// The mirror of what the server knows: a holder's claims there, at least one. Points in time that
/// are already written stay, so that a repeated answer changes nothing.
pub(super) fn mirror(
    server: &ServerRef,
    known: &[Known],
    existing: Option<&LicenseLease>,
    node: Option<String>,
    now: Timestamp,
) -> Option<LicenseLease> {
    let holder = &known.first()?.view.holder;
    let before = existing.and_then(|e| e.status.as_ref());
    let by = existing.and_then(|e| e.spec.revoked.as_ref()?.by.as_deref());
    let claims: Vec<ClaimStatus> = known.iter().map(|k| claim(k, before, by)).collect();
    // The claim that needs most attention speaks for the pod.
    let (at, head) = claims.iter().enumerate().max_by_key(|(_, c)| c.state)?;
    let (head, reason) = (head.clone(), known.get(at).and_then(|k| reason_of(&k.view)));
    let claims = some_of(claims);
    let products: Vec<&str> = claims.iter().map(|c| c.products.as_str()).collect();
    let status = LicenseLeaseStatus {
        products: cut(products.join(",")),
        project: known
            .iter()
            .find_map(|k| k.view.project.as_ref().map(ToString::to_string)),
        state: head.state,
        since: head.since,
        node: node_of(holder).or(node),
        place: head.place,
        until: head.until,
        as_of: None,
        reason: reason.map(str::to_owned),
        message: head.message,
        revoked_since: before.and_then(|b| b.revoked_since.clone()),
        lost_since: None,
        claims,
    };
    let status = lost::noted(before, status, now);
    Some(object(server, holder, status))
}

/// As many claims as a mirror tells of, those first that need attention: how many a holder has is
/// the server's word.
fn some_of(mut claims: Vec<ClaimStatus>) -> Vec<ClaimStatus> {
    if claims.len() > MOST_CLAIMS {
        claims.sort_by_key(|c| Reverse(c.state));
        claims.truncate(MOST_CLAIMS);
        claims.sort_by(|a, b| a.name.cmp(&b.name));
    }
    claims
}

fn cut(products: String) -> String {
    match products.char_indices().nth(MOST_PRODUCTS) {
        Some((at, _)) => format!("{}…", products.get(..at).unwrap_or_default()),
        None => products,
    }
}

fn claim(k: &Known, before: Option<&LicenseLeaseStatus>, by: Option<&str>) -> ClaimStatus {
    let (name, lease) = (k.view.claim.to_string(), k.view.lease.to_string());
    let state = state_of(&k.view);
    // A refused holder asks again each minute, each time under a new lease id that comes to
    // nothing: no change.
    let refused = k.view.state == ViewState::Refused;
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
        message: message(k, by, until),
        until: until.map(|u| whole_seconds(u).to_string()),
    }
}

fn message(k: &Known, by: Option<&str>, until: Option<Timestamp>) -> Option<String> {
    if let Some(p) = &k.view.problem {
        let until = until.map_or_else(|| "its end".into(), |t| whole_seconds(t).to_string());
        let detail = &p.detail;
        return Some(match reason_of(&k.view) {
            Some(REVOKED) => {
                let by = by.map(|b| format!(" (as {b} asked)")).unwrap_or_default();
                let lift = "kubectl mooring revoke --lift takes that back";
                format!("{detail}{by}; {lift}")
            }
            Some(CALLED_BACK) if k.view.state == ViewState::Silent => {
                format!("{detail}. Its notice has run out, and its seats are free at {until}")
            }
            Some(CALLED_BACK) => format!(
                "called back: {detail}. The application may go on until {until}, and longer if that is mended before"
            ),
            Some(TAKEN_BACK) => format!("{detail}; its seats are free at {until} at the latest"),
            _ => {
                let field = p.field.as_ref().map(|f| format!(" (field {f})"));
                format!("{detail}{}", field.unwrap_or_default())
            }
        });
    }
    let known = k.view.reason.map(|r| r.explain().to_owned());
    k.view.message.clone().or(known)
}

/// The reason in the CamelCase of a status.
fn waits_for(reason: WaitReason) -> &'static str {
    match reason {
        WaitReason::Full => "Full",
        WaitReason::Behind => "Behind",
        WaitReason::Policy => "Policy",
        WaitReason::Settling => "Settling",
        WaitReason::Elsewhere => "Elsewhere",
        WaitReason::AnchorLost => "AnchorLost",
        WaitReason::LicenseInvalid => "LicenseInvalid",
        WaitReason::Other => "Other",
    }
}

/// The mirror of a running pod that asks a server which does not serve, and has never heard it: its
/// application waits, or was started without a lease.
pub(super) fn without_contact(
    server: &ServerRef,
    of: &Holding,
    service: &Service,
    trouble: &Trouble,
    now: Timestamp,
) -> LicenseLease {
    let state = if of.optimistic {
        LeaseState::Optimistic
    } else {
        LeaseState::Waiting
    };
    let until = started_until(of);
    let status = LicenseLeaseStatus {
        as_of: service.as_of(),
        reason: Some(trouble.reason.clone()),
        message: Some(service.words(server, trouble, state, until.as_deref())),
        until,
        ..bare(of, state, now)
    };
    object(server, &of.holder, status)
}

/// Until when an application may run that was started without a lease.
pub(super) fn started_until(of: &Holding) -> Option<String> {
    let begun = of.since.filter(|_| of.optimistic);
    let until = begun.and_then(|t| t.checked_add(of.max_grace).ok());
    until.map(|t| whole_seconds(t).to_string())
}

pub(super) fn bare(of: &Holding, state: LeaseState, now: Timestamp) -> LicenseLeaseStatus {
    LicenseLeaseStatus {
        products: of.products.clone(),
        project: None,
        state,
        since: Time(whole_seconds(now)),
        node: node_of(&of.holder),
        place: None,
        until: None,
        as_of: None,
        reason: None,
        message: None,
        revoked_since: None,
        lost_since: None,
        claims: Vec::new(),
    }
}

/// How long a pod may be silent whose revocation was lifted: it asks once a minute.
const ASKS_WITHIN: Duration = Duration::from_secs(90);

/// Whether a mirror says that its holder is revoked, or has just been let in again.
pub(super) fn is_lifted(before: &LicenseLeaseStatus, now: Timestamp) -> bool {
    let said = before.reason.as_deref() == Some(LIFTED);
    let age = now.duration_since(before.since.0).unsigned_abs();
    before.state == LeaseState::Revoked || (said && age < ASKS_WITHIN)
}

/// The mirror of a running pod whose revocation was lifted, until its server hears it.
pub(super) fn lifted(server: &ServerRef, of: &Holding, now: Timestamp) -> LicenseLease {
    let status = LicenseLeaseStatus {
        reason: Some(LIFTED.to_owned()),
        message: Some("its revocation is lifted; it asks again within a minute".into()),
        ..bare(of, LeaseState::Unknown, now)
    };
    object(server, &of.holder, status)
}

/// The mirror of a running pod that is revoked, and that its server has not heard: it asks once a
/// minute.
pub(super) fn revoked(
    server: &ServerRef,
    of: &Holding,
    why: &RevokedHolder,
    now: Timestamp,
) -> LicenseLease {
    let why = why.reason.as_deref().unwrap_or("no reason given");
    let status = LicenseLeaseStatus {
        reason: Some(REVOKED.to_owned()),
        message: Some(format!(
            "an administrator revoked it: {why}; kubectl mooring revoke --lift takes that back"
        )),
        ..bare(of, LeaseState::Revoked, now)
    };
    object(server, &of.holder, status)
}

/// A mirror as it is to be read during an outage.
pub(super) fn restated(
    lease: &LicenseLease,
    service: &Service,
    trouble: &Trouble,
    now: Timestamp,
) -> LicenseLease {
    with_status(lease, |server, status| {
        service.restate(server, trouble, status, now);
    })
}

/// A mirror whose pod is not there any more, while nobody can be told.
pub(super) fn pod_missing(
    lease: &LicenseLease,
    service: &Service,
    trouble: &Trouble,
    now: Timestamp,
) -> LicenseLease {
    with_status(lease, |server, status| {
        if status.state != LeaseState::Unknown {
            status.since = Time(whole_seconds(now));
        }
        let why = service.words(server, trouble, LeaseState::Unknown, None);
        status.state = LeaseState::Unknown;
        (status.place, status.until) = (None, None);
        status.as_of = service.as_of();
        status.reason = Some(trouble.reason.clone());
        status.message = Some(format!(
            "its pod is not there any more, which is no proof that it has ended: the server decides of its seat once it serves. {why}"
        ));
    })
}

/// A mirror as we write it, with its status changed: what the API server adds is left out, and what
/// people wrote stays theirs.
pub(super) fn with_status(
    lease: &LicenseLease,
    change: impl FnOnce(&ServerRef, &mut LicenseLeaseStatus),
) -> LicenseLease {
    let old = &lease.metadata;
    let mut status = lease.status.clone();
    if let Some(status) = &mut status {
        change(&lease.spec.server, status);
    }
    LicenseLease {
        metadata: ObjectMeta {
            name: old.name.clone(),
            namespace: old.namespace.clone(),
            labels: old.labels.clone(),
            ..ObjectMeta::default()
        },
        spec: LicenseLeaseSpec {
            revoked: None,
            release: Vec::new(),
            ..lease.spec.clone()
        },
        status,
    }
}

/// Whom a mirror is about.
pub fn holder_in(mirror: &LicenseLease) -> Holder {
    let (to, status) = (&mirror.spec.holder, mirror.status.as_ref());
    match to.kind {
        HolderKind::Pod => Holder::Pod {
            namespace: mirror.metadata.namespace.clone().unwrap_or_default(),
            pod: to.name.clone(),
            uid: to.uid.clone().unwrap_or_default(),
            service_account: to.service_account.clone().unwrap_or_default(),
            node: status.and_then(|s| s.node.clone()),
        },
        HolderKind::Owner => Holder::Owner {
            namespace: mirror.metadata.namespace.clone().unwrap_or_default(),
            owner: to.name.clone(),
            uid: to.uid.clone().unwrap_or_default(),
            service_account: to.service_account.clone().unwrap_or_default(),
        },
        HolderKind::External => Holder::External {
            subject: to.name.clone(),
        },
    }
}

pub(super) fn object(
    server: &ServerRef,
    holder: &Holder,
    status: LicenseLeaseStatus,
) -> LicenseLease {
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
        Holder::Owner {
            owner,
            uid,
            service_account,
            ..
        } => HolderReference {
            kind: HolderKind::Owner,
            name: owner.clone(),
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
            revoked: None,
            release: Vec::new(),
        },
        status: Some(status),
    }
}
