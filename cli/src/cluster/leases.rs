//! `mooring leases`: who holds what, and who waits, at which place. Pure.

use super::api::Listed;
use super::operator;
use crate::age;
use crate::output::{LINE, list, or_dash, problems, table};
use kube::ResourceExt as _;
use mooring_api::{HolderKind, LeaseState, LicenseLease};
use mooring_core::time::Timestamp;

/// The states in the order in which they are shown: holders first, then the line.
const ORDER: [LeaseState; 9] = [
    LeaseState::Held,
    LeaseState::Silent,
    LeaseState::Grace,
    LeaseState::Optimistic,
    LeaseState::Contested,
    LeaseState::Waiting,
    LeaseState::Refused,
    LeaseState::Revoked,
    LeaseState::Unknown,
];

pub fn state(l: &LicenseLease) -> LeaseState {
    l.status.as_ref().map_or(LeaseState::Unknown, |s| s.state)
}

/// Whether it is of the license server `NAME` or `NAMESPACE/NAME`.
pub fn is_of(l: &LicenseLease, server: &str) -> bool {
    let of = &l.spec.server;
    match server.split_once('/') {
        Some((ns, name)) => of.namespace == ns && of.name == name,
        None => of.name == server,
    }
}

/// By server; there holders first, then the line in its order.
pub fn sort(leases: &mut [LicenseLease]) {
    leases.sort_by_cached_key(|l| {
        let place = l.status.as_ref().and_then(|s| s.place);
        (
            (l.spec.server.namespace.clone(), l.spec.server.name.clone()),
            ORDER.iter().position(|s| *s == state(l)),
            place.unwrap_or(u32::MAX),
            l.namespace(),
            l.name_any(),
        )
    });
}

/// What was asked for besides a namespace, in words.
pub fn filter(states: &[LeaseState], server: Option<&str>) -> String {
    let states: Vec<&str> = states.iter().map(|s| s.as_str()).collect();
    let states = match states.as_slice() {
        [] => String::new(),
        some => format!(" in state {}", some.join(" or ")),
    };
    match server {
        Some(server) => format!("{states} of license server {server}"),
        None => states,
    }
}

/// `bare`: pods that ask for licenses and have no sidecar. `which`: by what they were chosen, as
/// [`filter`] has it.
pub fn text(
    leases: &[LicenseLease],
    bare: &[String],
    found: &Listed,
    which: &str,
    wide: bool,
) -> String {
    let now = found.now;
    let said = operator::said(&found.operator, now).into_iter();
    let said = said.chain(without_sidecar(bare));
    if leases.is_empty() {
        return found.nothing(which) + &problems(&said.collect::<Vec<_>>());
    }
    let all = found.namespace.is_none();
    let mut header = Vec::new();
    if all {
        header.push("NAMESPACE");
    }
    header.extend([
        "HOLDER", "PRODUCTS", "STATE", "PLACE", "SINCE", "UNTIL", "NODE", "SERVER",
    ]);
    if wide {
        header.extend(["AS OF", "AGE", "NAME"]);
    }
    let rows: Vec<Vec<String>> = leases.iter().map(|l| row(l, all, wide, now)).collect();
    let of_leases = leases.iter().filter_map(|l| note(l, all));
    let notes: Vec<String> = said.chain(of_leases).collect();
    let table = table(&header, &rows);
    format!("{table}\n{}\n{}", summary(leases), problems(&notes))
}

fn without_sidecar(pods: &[String]) -> Option<String> {
    const SHOWN: usize = 10;
    let more = pods.len().checked_sub(SHOWN).filter(|n| *n > 0);
    let more = more.map_or_else(String::new, |n| format!(" and {n} more"));
    let names = list(pods.iter().take(SHOWN));
    (!pods.is_empty()).then(|| {
        format!(
            "{names}{more}: asks for a license and has no sidecar, so that it runs without one: it was made while Mooring was not installed. Make it anew"
        )
    })
}

fn dash(s: Option<&str>) -> String {
    or_dash(s.filter(|s| !s.is_empty()))
}

fn server(l: &LicenseLease) -> String {
    format!("{}/{}", l.spec.server.namespace, l.spec.server.name)
}

fn row(l: &LicenseLease, all: bool, wide: bool, now: Timestamp) -> Vec<String> {
    let s = l.status.as_ref();
    let mut row = Vec::new();
    if all {
        row.extend(l.namespace());
    }
    row.extend([
        holder(l),
        dash(s.map(|s| s.products.as_str())),
        state(l).to_string(),
        or_dash(s.and_then(|s| s.place)),
        age::since(s.map(|s| s.since.0), now),
        dash(s.and_then(|s| s.until.as_deref())),
        dash(s.and_then(|s| s.node.as_deref())),
        server(l),
    ]);
    if wide {
        row.push(dash(s.and_then(|s| s.as_of.as_deref())));
        let made = l.metadata.creation_timestamp.as_ref();
        row.push(age::since(made.map(|t| t.0), now));
        row.push(l.name_any());
    }
    row
}

fn holder(l: &LicenseLease) -> String {
    let h = &l.spec.holder;
    match h.kind {
        HolderKind::External => format!("{} (external)", h.name),
        HolderKind::Pod | HolderKind::Owner => dash(Some(&h.name)),
    }
}

fn summary(leases: &[LicenseLease]) -> String {
    let count = |of: LeaseState| leases.iter().filter(|l| state(l) == of).count();
    let present = ORDER.into_iter().filter(|s| count(*s) > 0);
    list(present.map(|s| format!("{} {s}", count(s))))
}

/// What to do about one that is neither held nor far down the line.
fn note(l: &LicenseLease, all: bool) -> Option<String> {
    let (status, server, name) = (l.status.as_ref(), server(l), &l.spec.holder.name);
    let who = match l.namespace().filter(|_| all) {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.clone(),
    };
    let said = status.and_then(|s| s.message.as_deref());
    let said = said.filter(|m| !m.is_empty());
    let default = match state(l) {
        LeaseState::Held | LeaseState::Reserved if said.is_none() => return None,
        LeaseState::Waiting if status.and_then(|s| s.place).is_some_and(|p| p > LINE) => return None,
        LeaseState::Held | LeaseState::Reserved => String::new(),
        LeaseState::Waiting => "in line".into(),
        LeaseState::Grace => format!("not renewed by {server}; the application runs on under its grace"),
        LeaseState::Optimistic => format!("started without a lease of {server}"),
        LeaseState::Silent => format!(
            "renewals are missing; its seats are free {}. Does the pod reach {server}?",
            status.and_then(|s| s.until.as_ref()).map_or_else(|| "soon".to_owned(), |u| format!("at {u}"))
        ),
        LeaseState::Contested => "its seat was given away while it was silent; it runs on for a while, and stands in line".into(),
        LeaseState::Refused => format!("{server} refused it; look at its sidecar: kubectl logs {name} -c mooring"),
        LeaseState::Revoked => "an administrator revoked it".into(),
        LeaseState::Unknown => format!("{server}, which serves, does not hear from it: is a network policy in the way? kubectl logs {name} -c mooring"),
    };
    Some(format!("{who}: {}: {}", state(l), said.unwrap_or(&default)))
}
