//! `mooring leases`: who holds what, and who waits, at which place. Pure.

use super::age;
use super::api::Found;
use super::objects::{LicenseLease, State};
use crate::output::table;
use mooring_core::time::Timestamp;
use std::fmt::Write as _;

/// By server; there holders first, then the line in its order.
pub fn sort(leases: &mut [LicenseLease]) {
    let server = |l: &LicenseLease| (l.spec.server.namespace.clone(), l.spec.server.name.clone());
    leases.sort_by_cached_key(|l| {
        let place = l.status.place.unwrap_or(u32::MAX);
        (
            server(l),
            l.state(),
            place,
            l.metadata.namespace.clone(),
            l.metadata.name.clone(),
        )
    });
}

/// The whole print.
pub fn text(leases: &[LicenseLease], found: &Found, now: Timestamp, wide: bool) -> String {
    if leases.is_empty() {
        return found.nothing();
    }
    let all = found.namespace.is_none();
    let mut header = Vec::new();
    if all {
        header.push("NAMESPACE");
    }
    header.extend([
        "HOLDER", "PRODUCTS", "STATE", "PLACE", "SINCE", "NODE", "SERVER",
    ]);
    if wide {
        header.extend(["UNTIL", "AGE", "NAME"]);
    }
    let rows: Vec<Vec<String>> = leases.iter().map(|l| row(l, all, wide, now)).collect();
    let mut out = table(&header, &rows);
    let _ = write!(out, "\n{}\n", summary(leases));
    let notes: Vec<String> = leases.iter().filter_map(|l| note(l, all)).collect();
    if !notes.is_empty() {
        out.push_str("\nProblems\n");
        for n in notes {
            let _ = writeln!(out, "  {n}");
        }
    }
    out
}

fn dash(s: &str) -> String {
    if s.is_empty() { "-".into() } else { s.into() }
}

fn row(l: &LicenseLease, all: bool, wide: bool, now: Timestamp) -> Vec<String> {
    let s = &l.status;
    let mut row = Vec::new();
    if all {
        row.push(l.metadata.namespace.clone());
    }
    row.extend([
        holder(l),
        dash(&s.products),
        s.state.to_string(),
        s.place.map_or_else(|| "-".into(), |p| p.to_string()),
        age::since(s.since, now),
        dash(s.node.as_deref().unwrap_or_default()),
        format!("{}/{}", l.spec.server.namespace, l.spec.server.name),
    ]);
    if wide {
        row.push(dash(s.until.as_deref().unwrap_or_default()));
        row.push(age::since(l.metadata.creation_timestamp, now));
        row.push(l.metadata.name.clone());
    }
    row
}

fn holder(l: &LicenseLease) -> String {
    let h = &l.spec.holder;
    if h.kind == "External" {
        format!("{} (external)", h.name)
    } else {
        dash(&h.name)
    }
}

/// How many are in which state.
fn summary(leases: &[LicenseLease]) -> String {
    use State::{Contested, Held, Refused, Reserved, Silent, Unknown, Waiting};
    let count = |s: State| leases.iter().filter(|l| l.state() == s).count();
    let states = [Held, Silent, Contested, Reserved, Waiting, Refused, Unknown];
    let parts: Vec<String> = states
        .iter()
        .filter(|s| count(**s) > 0)
        .map(|s| format!("{} {s}", count(*s)))
        .collect();
    parts.join(", ")
}

/// What to do about one that is neither held nor simply in line.
fn note(l: &LicenseLease, all: bool) -> Option<String> {
    let who = if all {
        format!("{}/{}", l.metadata.namespace, l.spec.holder.name)
    } else {
        l.spec.holder.name.clone()
    };
    let said = l.status.message.as_deref().filter(|m| !m.is_empty());
    let server = format!("{}/{}", l.spec.server.namespace, l.spec.server.name);
    let default = match l.state() {
        State::Held | State::Reserved | State::Waiting => return None,
        State::Silent => format!(
            "renewals are missing; its seats are free {}. Does the pod reach {server}?",
            l.status.until.as_ref().map_or_else(|| "soon".to_owned(), |u| format!("at {u}"))
        ),
        State::Contested => "its seat was given away while it was silent; it runs on for a while, and stands in line".into(),
        State::Refused => format!("{server} refused it; look at its sidecar: kubectl logs {} -c mooring", l.spec.holder.name),
        State::Unknown => format!("{server} does not know it: is a network policy in the way? kubectl logs {} -c mooring", l.spec.holder.name),
    };
    Some(format!(
        "{who}: {}: {}",
        l.state(),
        said.unwrap_or(&default)
    ))
}
