//! What a LicenseServer's status says. Pure: facts in, status and Events out.

mod conditions;
mod events;
mod sides;

pub use conditions::{Judged, conditions};
pub use events::events;

use crate::connection::{Notice, Snapshot};
use crate::kubernetes::whole_seconds;
use crate::leases::Trouble;
use mooring_api::names::ServerRef;
use mooring_api::status::{MAX_STATUS_PRODUCTS, READY};
use mooring_api::{LicenseServerStatus, ProductStatus, Span};
use mooring_core::reason::AnchorReason;
use mooring_core::time::{BootTime, MAX_LEASE, settling};
use mooring_core::wire::{ServerState, counted_twice};
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

/// Another LicenseServer that signs with the same anchor as `me` and counts a license of it again,
/// by what both say of themselves now: which, and the license.
pub fn twin(me: &Snapshot, others: &[(ServerRef, Snapshot)]) -> Option<(ServerRef, String)> {
    let mine = &me.says()?.licenses;
    let mut on_anchor = others.iter().filter(|(_, s)| same_anchor(me, s));
    let twice = |(name, s): &(ServerRef, Snapshot)| {
        let license = counted_twice(mine, &s.says()?.licenses)?;
        Some((name.clone(), license.to_owned()))
    };
    on_anchor.find_map(twice)
}

/// Whether two servers sign with one anchor, by what both say of themselves now.
pub(super) fn same_anchor(one: &Snapshot, other: &Snapshot) -> bool {
    let signs_with = |s: &Snapshot| {
        let anchor = &s.says()?.anchor;
        anchor.key_id.clone().filter(|_| anchor.present)
    };
    signs_with(one).is_some_and(|key| signs_with(other) == Some(key))
}

/// The whole status.
pub fn status(
    j: &Judged<'_>,
    before: Option<&LicenseServerStatus>,
    in_force: Duration,
) -> LicenseServerStatus {
    // While there is no contact what was last said stays: it is what is most likely still so.
    let mut now = before.cloned().unwrap_or_default();
    let s = j.snapshot;
    if let Some(state) = &s.state {
        now.instance = Some(state.instance.to_string());
        now.version = Some(state.version.clone());
        let ids = state.licenses.iter().filter_map(|l| l.id.clone());
        now.licenses = ids.collect();
        // A server without its license is no reason to allow more.
        if let Some(o) = state.optimistic_start {
            now.optimistic_start = Some(o.as_str().to_owned());
        }
        if let Some(secs) = state.run_for_secs {
            now.grace = Some(Span(Duration::from_secs(secs)));
        }
        now.used = Some(s.used());
        now.seats = Some(s.seats());
        now.waiting = Some(s.waiting);
        let products = s.products.iter().map(|p| ProductStatus {
            name: p.name.to_string(),
            seats: p.seats,
            used: p.used,
            waiting: p.waiting,
            expires: p.expires.clone(),
            versions: p.versions.clone(),
        });
        now.products = products.take(MAX_STATUS_PRODUCTS).collect();
        let all = s.products.len();
        now.products_in_all = u32::try_from(all)
            .ok()
            .filter(|_| all > MAX_STATUS_PRODUCTS);
    }
    let heard = s.heard.map(|t| whole_seconds(t).to_string());
    let as_of = heard.or(now.as_of.take());
    now.as_of = as_of.filter(|_| !s.connected);
    if s.says().is_some_and(|s| s.anchor.present) {
        now.replacements = None;
    }
    let anchor = match s.says() {
        Some(s) if s.anchor.present => Some(AnchorReason::Present.name().to_owned()),
        Some(s) => Some(s.anchor.reason.to_string()),
        None => now.anchor.filter(|_| conditions::untried(j)),
    };
    if !j.cluster_ips.is_empty() {
        now.cluster_ips.clone_from(&j.cluster_ips);
    }
    LicenseServerStatus {
        conditions: conditions(j, &now.conditions),
        node: j.node.clone(),
        anchor: anchor.or_else(|| Some("Unknown".to_owned())),
        endpoint: Some(j.endpoint.clone()),
        serving: j.serving.as_ref().map(|(s, _)| (*s).clone()),
        stuck: j.stuck.as_ref().map(|(pod, _)| pod.clone()),
        lease_duration_in_force: Some(Span(in_force)),
        observed_generation: j.generation,
        ..now
    }
}

/// What its mirrors are told: why it does not serve. A spec that is invalid stops no server that
/// runs.
pub fn notice(
    j: &Judged<'_>,
    now: &LicenseServerStatus,
    lease_for: Duration,
    grace: Duration,
) -> Notice {
    let serves = |s: &ServerState| s.anchor.present && s.license_valid && !s.settling;
    let ready = now.condition(READY);
    let ready = ready.filter(|_| !j.snapshot.says().is_some_and(serves));
    Notice {
        trouble: ready.and_then(Trouble::of),
        lease_for,
        run_for: Some(grace),
    }
}

#[cfg(test)]
mod tests;
