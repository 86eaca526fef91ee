//! What a LicenseServer's status says. Pure: facts in, status and Events out.

mod conditions;
mod events;

pub use conditions::{Judged, conditions};
pub use events::events;

use crate::connection::Snapshot;
use mooring_api::names::ServerRef;
use mooring_api::{LicenseServerStatus, ProductStatus, Span};
use mooring_core::time::{BootTime, MAX_LEASE, settling};
use std::time::Duration;

/// The longest lease that any instance may have granted, from now on.
///
/// `before` is what the status says. Raised at once; lowered only when a server that grants no
/// longer leases than `wanted` has stood for as long as the longest earlier lease could last.
/// `untouched`: no pod and no mirror points at this server, so that without a status this is its
/// first start.
pub fn in_force(
    before: Option<Duration>,
    wanted: Duration,
    untouched: bool,
    snapshot: &Snapshot,
    now: BootTime,
) -> Duration {
    let Some(before) = before else {
        return if untouched { wanted } else { MAX_LEASE };
    };
    let stood = snapshot.seen.map_or(Duration::ZERO, |t| now.since(t));
    let grants_less = snapshot
        .state
        .as_ref()
        .is_some_and(|s| s.lease_for <= wanted);
    let over = snapshot.settled() && grants_less && stood >= settling(Some(before));
    if over { wanted } else { before.max(wanted) }
}

/// Another LicenseServer that signs with the same anchor as `me`, by what both say of themselves
/// now.
pub fn twin(
    me: &Snapshot,
    others: impl IntoIterator<Item = (ServerRef, Snapshot)>,
) -> Option<ServerRef> {
    let signs_with = |s: &Snapshot| {
        let state = s.state.as_ref().filter(|_| s.connected)?;
        state.anchor.key_id.clone().filter(|_| state.anchor.present)
    };
    let mine = signs_with(me)?;
    let mut others = others.into_iter();
    others
        .find(|(_, s)| signs_with(s).as_ref() == Some(&mine))
        .map(|(name, _)| name)
}

/// The whole status.
pub fn status(
    j: &Judged<'_>,
    before: Option<&LicenseServerStatus>,
    in_force: Duration,
) -> LicenseServerStatus {
    let none = LicenseServerStatus::default();
    let old = before.unwrap_or(&none);
    let s = j.snapshot;
    let state = s.state.as_ref();
    let counted = state.is_some();
    // While there is no contact the last numbers stay: they are what is most likely still so.
    let keep = |new: u32, old: Option<u32>| if counted { Some(new) } else { old };
    let products = s.products.iter().map(|p| ProductStatus {
        name: p.name.to_string(),
        seats: p.seats,
        used: p.used,
        waiting: p.waiting,
        expires: p.expires.clone(),
    });
    let anchor = match state.filter(|_| s.connected) {
        Some(s) if s.anchor.present => "Present".to_owned(),
        Some(s) => s.anchor.reason.to_string(),
        None => old
            .anchor
            .clone()
            .filter(|_| conditions::untried(j))
            .unwrap_or_else(|| "Unknown".to_owned()),
    };
    LicenseServerStatus {
        conditions: conditions(j, &old.conditions),
        node: j.node.clone(),
        anchor: Some(anchor),
        endpoint: Some(j.endpoint.clone()),
        lease_duration_in_force: Some(Span(in_force)),
        observed_generation: j.generation,
        instance: state
            .map(|s| s.instance.to_string())
            .or_else(|| old.instance.clone()),
        version: state
            .map(|s| s.version.clone())
            .or_else(|| old.version.clone()),
        license: if counted {
            state.and_then(|s| s.license_id.clone())
        } else {
            old.license.clone()
        },
        // What is not known now is what it was: a server without its license is no reason to allow
        // more.
        optimistic_start: state
            .and_then(|s| s.optimistic_start)
            .map(|o| o.as_str().to_owned())
            .or_else(|| old.optimistic_start.clone()),
        used: keep(s.used(), old.used),
        seats: keep(s.seats(), old.seats),
        waiting: keep(s.waiting, old.waiting),
        products: if counted {
            products.collect()
        } else {
            old.products.clone()
        },
    }
}

#[cfg(test)]
mod tests;
