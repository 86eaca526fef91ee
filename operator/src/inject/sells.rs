//! Which license servers sell what a pod asks for, by what they last said of their licenses. Pure.
//!
//! A license may be renewed at any moment, and its server decides: here it is only found, and its
//! author is warned.

use super::hint::nearest;
use mooring_api::LicenseServer;
use mooring_core::request::Item;
use std::cmp::Reverse;
use std::sync::Arc;

/// How many products a warning names at most.
const MOST_NAMED: usize = 20;

/// How well a license meets an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Meets {
    Not,
    /// It sells the product, but fewer seats or other versions.
    InName,
    /// Its status does not list all that it sells.
    Perhaps,
    Fully,
}

fn meets(item: &Item, server: &LicenseServer) -> Meets {
    let Some(status) = &server.status else {
        return Meets::Not;
    };
    match status.products.iter().find(|p| item.product.is(&p.name)) {
        None if status.products_in_all.is_some() => Meets::Perhaps,
        None => Meets::Not,
        Some(p) => {
            let covers = |v| p.versions.is_empty() || p.versions.iter().any(|r| r.covers(v));
            let fits = item.seats.get() <= p.seats && item.version.as_ref().is_none_or(covers);
            if fits { Meets::Fully } else { Meets::InName }
        }
    }
}

/// What license servers sell one part of what a pod asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What they are asked for.
    pub items: Vec<Item>,
    /// A pool: the part stands in the lines of all of them, and is never split.
    pub servers: Vec<Arc<LicenseServer>>,
}

/// The parts of what is asked for, by who sells them, the first item's first: one, where some of
/// the servers have all of it. Each server in the order in which it comes. `None`: something is
/// sold by none of them, as far as is known.
pub(super) fn parts(items: &[Item], servers: &[&Arc<LicenseServer>]) -> Option<Vec<Part>> {
    if let Some(servers) = pool(items, servers) {
        let items = items.to_vec();
        return Some(vec![Part { items, servers }]);
    }
    let mut parts: Vec<Part> = Vec::new();
    for item in items {
        let servers = pool(std::slice::from_ref(item), servers)?;
        match parts.iter_mut().find(|p| p.servers == servers) {
            Some(part) => part.items.push(item.clone()),
            None => parts.push(Part {
                items: vec![item.clone()],
                servers,
            }),
        }
    }
    Some(parts)
}

/// Those of the servers that have all of it: enough seats in versions that are covered; where none
/// has, those that do not list all that they sell; else those that have its products at least.
/// `None`: not one.
fn pool(items: &[Item], servers: &[&Arc<LicenseServer>]) -> Option<Vec<Arc<LicenseServer>>> {
    let of = |least: Meets| {
        let have = |s: &&Arc<LicenseServer>| items.iter().all(|i| meets(i, s) >= least);
        let all = servers.iter().copied().filter(have);
        let all: Vec<_> = all.cloned().collect();
        (!all.is_empty()).then_some(all)
    };
    let best = [Meets::Fully, Meets::Perhaps, Meets::InName];
    best.into_iter().find_map(of)
}

/// Warnings where the licenses of a part, as their servers last reported them, cannot meet it: not
/// while one of them can, since a claim stands in the lines of all. Of several the one is told of
/// that lacks least.
pub fn license_warnings(Part { items, servers }: &Part) -> Vec<String> {
    let lacks = |s: &Arc<LicenseServer>| (warnings_of(items, s), Reverse(seats(items, s)));
    let all = servers.iter().map(lacks);
    let least = all.min_by_key(|(warnings, seats)| (warnings.len(), *seats));
    let warnings = least.map(|(warnings, _)| warnings).unwrap_or_default();
    match servers.len() {
        0 | 1 => warnings,
        n => {
            let others =
                format!("; none of its {n} LicenseServers has more, and a claim is never split");
            warnings.into_iter().map(|w| w + &others).collect()
        }
    }
}

/// How many seats it has of what is asked for.
fn seats(items: &[Item], server: &LicenseServer) -> u64 {
    let products = server.status.iter().flat_map(|s| &s.products);
    let asked = products.filter(|p| items.iter().any(|i| i.product.is(&p.name)));
    asked.map(|p| u64::from(p.seats)).sum()
}

fn warnings_of(items: &[Item], server: &LicenseServer) -> Vec<String> {
    let (products, is_whole) = match &server.status {
        Some(s) if !s.products.is_empty() => (&s.products, s.products_in_all.is_none()),
        _ => return Vec::new(),
    };
    let name = server.reference();
    let warning = |item: &Item| match products.iter().find(|p| item.product.is(&p.name)) {
        // It may be one of those that the status does not list.
        None if !is_whole => None,
        None => {
            let known: Vec<_> = products.iter().map(|p| p.name.as_str()).collect();
            let hint = nearest(item.product.as_str(), known.iter().copied());
            let hint = hint.map_or_else(
                || format!("it has: {}", some(&known)),
                |h| format!("did you mean {h}?"),
            );
            Some(format!(
                "the license of LicenseServer {name} has no product {} ({hint})",
                item.product
            ))
        }
        Some(p) if item.seats.get() > p.seats => Some(format!(
            "{}:{} asks for more than there is: the license of LicenseServer {name} has {} seats of it",
            item.product, item.seats, p.seats
        )),
        Some(p) => {
            let covers = |v| p.versions.is_empty() || p.versions.iter().any(|r| r.covers(v));
            let uncovered = item.version.as_ref().filter(|v| !covers(v));
            uncovered.map(|v| {
                let covered: Vec<String> = p.versions.iter().map(|r| r.against(v)).collect();
                let covered = covered.join(", or ");
                format!(
                    "{}@{v} is not covered: the license of LicenseServer {name} covers {covered}",
                    item.product
                )
            })
        }
    };
    items.iter().filter_map(warning).collect()
}

/// The first names, and how many more there are.
fn some(names: &[&str]) -> String {
    let named = names.get(..MOST_NAMED).unwrap_or(names);
    match names.len() - named.len() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
