//! `mooring status`: servers in a table, products under it, then problems with what to do. Pure.

use super::age;
use super::api::Found;
use super::objects::{Condition, LicenseServer};
use crate::output::table;
use mooring_core::time::Timestamp;
use std::fmt::Write as _;

/// A license that ends within this many days is worth a word.
const SOON_DAYS: i64 = 30;

/// The whole print.
pub fn text(servers: &[LicenseServer], found: &Found, now: Timestamp, wide: bool) -> String {
    if servers.is_empty() {
        return found.nothing();
    }
    let all = found.namespace.is_none();
    let mut out = overview(servers, all, wide, now);
    let products = products(servers, all);
    if !products.is_empty() {
        out.push('\n');
        out.push_str(&products);
    }
    let problems: Vec<String> = servers.iter().flat_map(|s| problems(s, all, now)).collect();
    if !problems.is_empty() {
        out.push_str("\nProblems\n");
        for p in problems {
            let _ = writeln!(out, "  {p}");
        }
    }
    out
}

fn name(s: &LicenseServer, all: bool) -> String {
    if all {
        format!("{}/{}", s.metadata.namespace, s.metadata.name)
    } else {
        s.metadata.name.clone()
    }
}

fn or_dash<T: ToString>(v: Option<T>) -> String {
    v.map_or_else(|| "-".to_owned(), |v| v.to_string())
}

fn overview(servers: &[LicenseServer], all: bool, wide: bool, now: Timestamp) -> String {
    let mut header = vec![
        "SERVER", "NODE", "ANCHOR", "READY", "USED", "SEATS", "WAITING", "AGE",
    ];
    if wide {
        header.extend(["LICENSE", "ENDPOINT", "VERSION"]);
    }
    let row = |s: &LicenseServer| {
        let st = &s.status;
        let mut row = vec![
            name(s, all),
            or_dash(st.node.as_ref()),
            or_dash(st.anchor.as_ref()),
            ready(s),
            or_dash(st.used),
            or_dash(st.seats),
            or_dash(st.waiting),
            age::since(s.metadata.creation_timestamp, now),
        ];
        if wide {
            row.extend([
                or_dash(st.license.as_ref()),
                or_dash(st.endpoint.as_ref()),
                or_dash(st.version.as_ref()),
            ]);
        }
        row
    };
    table(&header, &servers.iter().map(row).collect::<Vec<_>>())
}

fn ready(s: &LicenseServer) -> String {
    match s.condition("Ready") {
        None => "-".into(),
        Some(c) if c.status == "True" => "True".into(),
        Some(c) if c.reason.is_empty() => c.status.clone(),
        Some(c) => format!("{} ({})", c.status, c.reason),
    }
}

fn products(servers: &[LicenseServer], all: bool) -> String {
    let rows: Vec<Vec<String>> = servers
        .iter()
        .flat_map(|s| {
            s.status.products.iter().map(move |p| {
                let expires = p
                    .expires
                    .map_or_else(|| "never".to_owned(), |t| t.to_string());
                vec![
                    name(s, all),
                    p.name.clone(),
                    p.used.to_string(),
                    p.seats.to_string(),
                    p.waiting.to_string(),
                    expires,
                ]
            })
        })
        .collect();
    if rows.is_empty() {
        String::new()
    } else {
        table(
            &["SERVER", "PRODUCT", "USED", "SEATS", "WAITING", "EXPIRES"],
            &rows,
        )
    }
}

/// What is wrong with one server. The condition that says most comes first; `Ready` only if no other explains it.
fn problems(s: &LicenseServer, all: bool, now: Timestamp) -> Vec<String> {
    let server = name(s, all);
    let mut out = Vec::new();
    for kind in ["AnchorPresent", "LicenseValid", "Placed"] {
        if let Some(c) = s.condition(kind).filter(|c| c.status != "True") {
            out.push(format!("{server}: {}", words(c, now)));
        }
    }
    match s.condition("Ready") {
        Some(c) if c.status != "True" && out.is_empty() => out.push(format!("{server}: {}", words(c, now))),
        None => out.push(format!(
            "{server}: it has no status yet. If that lasts, look at the operator: kubectl -n mooring-system logs deploy/mooring-operator"
        )),
        _ => {}
    }
    if let Some(c) = s.condition("Settling").filter(|c| c.status == "True") {
        let since = age::since(c.last_transition_time, now);
        out.push(format!(
            "{server}: settling for {since}: it has just started, takes earlier leases in first and grants nothing new. It ends by itself, in 5 min at most."
        ));
    }
    if let (Some(seen), Some(is)) = (s.status.observed_generation, s.metadata.generation)
        && seen < is
    {
        out.push(format!(
            "{server}: the operator has not taken in the last change of its spec yet."
        ));
    }
    let ends = s.status.products.iter().filter_map(|p| p.expires).min();
    if let Some(t) = ends.filter(|t| t.as_second() - now.as_second() < SOON_DAYS * 86_400) {
        out.push(if t <= now {
            format!("{server}: its license ended {t}. Ask the vendor for a new one and put it into the license's Secret.")
        } else {
            let left = age::span(t.as_second() - now.as_second());
            format!("{server}: its license ends {t}, in {left}. Ask the vendor for a new one and put it into the license's Secret: no restart is needed.")
        });
    }
    out
}

fn words(c: &Condition, now: Timestamp) -> String {
    let since = c
        .last_transition_time
        .map(|t| format!(", for {}", age::since(Some(t), now)))
        .unwrap_or_default();
    let said = if c.message.is_empty() {
        String::new()
    } else {
        format!(": {}", c.message)
    };
    format!(
        "{} is {} ({}{since}){said}",
        c.kind,
        c.status,
        if c.reason.is_empty() {
            "no reason"
        } else {
            &c.reason
        }
    )
}
