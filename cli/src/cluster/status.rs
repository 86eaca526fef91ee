//! `mooring status`: servers in a table, products under it, then problems with what to do. Pure.

use super::api::Listed;
use crate::age;
use crate::output::{self, or_dash, table};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use kube::core::{NotUsed, Object};
use mooring_api::status::{ANCHOR_PRESENT, LICENSE_VALID, PLACED, READY, SETTLING};
use mooring_api::{LicenseServerStatus, ProductStatus};
use mooring_core::time::Timestamp;

/// A LicenseServer as far as it is shown; one that was just made has no status.
pub type ServerObject = Object<NotUsed, LicenseServerStatus>;

/// Whether it serves.
pub fn is_ready(s: &ServerObject) -> bool {
    condition(s, READY).is_some_and(|c| c.status == "True")
}

fn condition<'a>(s: &'a ServerObject, kind: &str) -> Option<&'a Condition> {
    s.status.as_ref()?.condition(kind)
}

/// A license that ends within this many days is worth a word.
const SOON_DAYS: i64 = 30;

pub fn text(servers: &[ServerObject], found: &Listed, now: Timestamp, wide: bool) -> String {
    if servers.is_empty() {
        return found.nothing();
    }
    let all = found.namespace.is_none();
    let problems: Vec<String> = servers.iter().flat_map(|s| problems(s, all, now)).collect();
    overview(servers, all, wide, now) + &products(servers, all) + &output::problems(&problems)
}

fn name(s: &ServerObject, all: bool) -> String {
    if all {
        format!("{}/{}", s.namespace().unwrap_or_default(), s.name_any())
    } else {
        s.name_any()
    }
}

fn overview(servers: &[ServerObject], all: bool, wide: bool, now: Timestamp) -> String {
    let mut header = vec![
        "SERVER", "NODE", "ANCHOR", "READY", "USED", "SEATS", "WAITING", "AGE",
    ];
    if wide {
        header.extend(["LICENSE", "ENDPOINT", "VERSION"]);
    }
    let row = |s: &ServerObject| {
        let st = s.status.clone().unwrap_or_default();
        let made = s.metadata.creation_timestamp.as_ref().map(|t| t.0);
        let mut row = vec![
            name(s, all),
            or_dash(st.node.as_ref()),
            or_dash(st.anchor.as_ref()),
            ready(s),
            or_dash(st.used),
            or_dash(st.seats),
            or_dash(st.waiting),
            age::since(made, now),
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

fn ready(s: &ServerObject) -> String {
    match condition(s, READY) {
        None => "-".into(),
        Some(c) if c.status == "True" => "True".into(),
        Some(c) if c.reason.is_empty() => c.status.clone(),
        Some(c) => format!("{} ({})", c.status, c.reason),
    }
}

fn products(servers: &[ServerObject], all: bool) -> String {
    let row = |s, p: &ProductStatus| {
        vec![
            name(s, all),
            p.name.clone(),
            p.used.to_string(),
            p.seats.to_string(),
            p.waiting.to_string(),
            p.expires.clone().unwrap_or_else(|| "never".to_owned()),
        ]
    };
    let rows: Vec<Vec<String>> = servers
        .iter()
        .flat_map(|s| of_products(s).iter().map(move |p| row(s, p)))
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let header = ["SERVER", "PRODUCT", "USED", "SEATS", "WAITING", "EXPIRES"];
    format!("\n{}", table(&header, &rows))
}

fn of_products(s: &ServerObject) -> &[ProductStatus] {
    s.status.as_ref().map_or(&[], |s| &s.products)
}

/// What is wrong with one server. The condition that says most comes first; `Ready` only if no
/// other explains it.
fn problems(s: &ServerObject, all: bool, now: Timestamp) -> Vec<String> {
    let mut out = Vec::new();
    for kind in [ANCHOR_PRESENT, LICENSE_VALID, PLACED] {
        out.extend(
            condition(s, kind)
                .filter(|c| c.status != "True")
                .map(|c| words(c, now)),
        );
    }
    match condition(s, READY) {
        Some(c) if c.status != "True" && out.is_empty() => out.push(words(c, now)),
        None => out.push("it has no status yet. If that lasts, look at the operator: kubectl -n mooring-system logs deploy/mooring-operator".to_owned()),
        _ => {}
    }
    if let Some(c) = condition(s, SETTLING).filter(|c| c.status == "True") {
        let since = age::since(Some(c.last_transition_time.0), now);
        out.push(format!(
            "settling for {since}: it has just started, takes earlier leases in first and grants nothing new. It ends by itself, in 5 min at most."
        ));
    }
    let observed = s.status.as_ref().and_then(|s| s.observed_generation);
    if observed.is_some_and(|seen| s.metadata.generation.is_some_and(|is| seen < is)) {
        out.push("the operator has not taken in the last change of its spec yet.".to_owned());
    }
    let expires = |p: &ProductStatus| p.expires.as_ref()?.parse::<Timestamp>().ok();
    let ends = of_products(s).iter().filter_map(expires).min();
    if let Some(t) = ends.filter(|t| t.as_second() - now.as_second() < SOON_DAYS * 86_400) {
        let ask = "Ask the vendor for a new one and put it into the license's Secret";
        let left = age::span(t.as_second() - now.as_second());
        out.push(if t <= now {
            format!("its license ended {t}. {ask}.")
        } else {
            format!("its license ends {t}, in {left}. {ask}: no restart is needed.")
        });
    }
    let server = name(s, all);
    out.into_iter()
        .map(|problem| format!("{server}: {problem}"))
        .collect()
}

fn words(c: &Condition, now: Timestamp) -> String {
    let since = age::since(Some(c.last_transition_time.0), now);
    let said = if c.message.is_empty() {
        String::new()
    } else {
        format!(": {}", c.message)
    };
    let reason = Some(c.reason.as_str()).filter(|r| !r.is_empty());
    let reason = reason.unwrap_or("no reason");
    format!("{} is {} ({reason}, for {since}){said}", c.type_, c.status)
}
