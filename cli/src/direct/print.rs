//! What a license server answered, as text. Pure.

use crate::age::span;
use crate::output::{LINE, list_or_dash, or_dash, problems, table};
use mooring_core::identity::Holder;
use mooring_core::reason::LicenseReason;
use mooring_core::request;
use mooring_core::wire::{
    LeaseView, PoolView, ProductView, Products, SeatChange, ServerState, ViewState,
};
use std::time::Duration;

/// Whether it grants.
pub fn is_ready(s: &ServerState) -> bool {
    s.anchor.present && s.license_valid
}

/// `mooring status`.
pub fn status(url: &str, p: &Products) -> String {
    let s = &p.server;
    let ready = match (is_ready(s), s.settling) {
        (false, _) => "False",
        (true, true) => "True (settling)",
        (true, false) => "True",
    };
    let sum = |f: fn(&PoolView) -> u32| p.pools.iter().map(f).sum::<u32>().to_string();
    let waiting = p.products.iter().map(|p| p.waiting).sum::<u32>();
    let ids: Vec<&str> = s.licenses.iter().filter_map(|l| l.id.as_deref()).collect();
    let row = vec![
        url.to_owned(),
        s.anchor.reason.to_string(),
        ready.to_owned(),
        sum(|p| p.used),
        sum(|p| p.seats),
        waiting.to_string(),
        list_or_dash(&ids),
        s.version.clone(),
    ];
    let header = [
        "SERVER", "ANCHOR", "READY", "USED", "SEATS", "WAITING", "LICENSE", "VERSION",
    ];
    let mut out = table(&header, &[row]);
    if !p.products.is_empty() {
        let row = |p: &ProductView| {
            vec![
                p.name.to_string(),
                p.used.to_string(),
                p.seats.to_string(),
                p.waiting.to_string(),
                p.expires.clone().unwrap_or_else(|| "never".into()),
            ]
        };
        let rows: Vec<_> = p.products.iter().map(row).collect();
        let header = ["PRODUCT", "USED", "SEATS", "WAITING", "EXPIRES"];
        out = out + "\n" + &table(&header, &rows);
        for p in &p.products {
            let change =
                |c: &SeatChange| format!("{} has {} seats from {} on\n", p.name, c.seats, c.at);
            out.extend(p.changes.iter().map(change));
        }
    }
    let mut wrong = Vec::new();
    if !s.anchor.present {
        wrong.push(format!("anchor: {}: {}", s.anchor.reason, s.anchor.message));
    }
    if !s.license_valid || s.license_reason != LicenseReason::Valid {
        wrong.push(format!(
            "license: {}: {}",
            s.license_reason, s.license_message
        ));
    }
    if !s.renews && !wrong.is_empty() {
        wrong.push("nothing is renewed: applications run on under their grace".into());
    }
    out + &problems(&wrong)
}

/// Holders first, then the line in its order.
pub fn sort(leases: &mut [LeaseView]) {
    let rank = |s: ViewState| match s {
        ViewState::Held | ViewState::Reserved => 0,
        ViewState::Silent => 1,
        ViewState::Contested | ViewState::Waiting => 2,
        ViewState::Refused => 3,
        ViewState::Ended => 4,
    };
    leases.sort_by_cached_key(|l| {
        (
            rank(l.state),
            l.place.unwrap_or(u32::MAX),
            l.holder.to_string(),
            l.claim.clone(),
        )
    });
}

/// `mooring leases`.
pub fn leases(url: &str, leases: &[LeaseView]) -> String {
    if leases.is_empty() {
        return format!("No leases on {url}.\n");
    }
    let secs = |d: Duration| span(i64::try_from(d.as_secs()).unwrap_or(i64::MAX));
    let row = |l: &LeaseView| {
        let kind = match &l.holder {
            Holder::Pod { .. } | Holder::Owner { .. } => "",
            Holder::External { .. } => " (external)",
        };
        vec![
            format!("{}{kind}", l.holder),
            l.claim.to_string(),
            request::print(&l.items),
            l.state.to_string(),
            or_dash(l.place),
            secs(l.since),
            l.lease.to_string(),
        ]
    };
    let rows: Vec<_> = leases.iter().map(row).collect();
    let header = [
        "HOLDER", "CLAIM", "PRODUCTS", "STATE", "PLACE", "SINCE", "LEASE",
    ];
    let notes: Vec<String> = leases.iter().filter_map(note).collect();
    table(&header, &rows) + &problems(&notes)
}

fn note(l: &LeaseView) -> Option<String> {
    let said = match l.state {
        ViewState::Silent => format!(
            "renewals are missing; its seats are free in {}s",
            l.free_in_ms.unwrap_or(0).div_ceil(1000)
        ),
        ViewState::Contested => {
            let left = l
                .runs_for_ms
                .map(|ms| span(i64::try_from(ms / 1000).unwrap_or(0)));
            let left = left.unwrap_or_else(|| "a while".into());
            let why = l.message.as_deref().unwrap_or("its seat was given away");
            format!("it runs on without a seat, for {left} at most, and stands in line: {why}")
        }
        ViewState::Waiting if l.place.is_some_and(|p| p <= LINE) => l.message.clone()?,
        ViewState::Refused => l.problem.as_ref().map(|p| p.detail.clone())?,
        _ => return None,
    };
    Some(format!("{}: {}: {said}", l.holder, l.state))
}

#[cfg(test)]
mod tests;
