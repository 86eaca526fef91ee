//! The roster: all holders of a server that are not proven gone.
//!
//! A server that has just started ends its settling once each of them is in or gone. One too many
//! costs time (it waits Q); one too few could let a seat be given away under a running pod. So only
//! what is proven gone is left out, and whoever names the server is on it, whatever the image, the
//! annotation or the namespace of the pod: anybody can forge that, at the price of Q.
//!
//! Where a silent holder keeps its seat for its grace, settling may last that long: past Q only who
//! is *lasting* is waited for, a pod that counts or one whose mirror says that it held. Past Q no
//! pod is waited for that has its license from another of its servers: it will not come.

use crate::cache::Elsewhere;
use mooring_api::{LeaseState, LicenseLease};
use mooring_core::identity::HolderKey;
use std::collections::BTreeSet;

/// The roster from the pods that point at this server and whose sidecar may have run, and from its
/// mirrors. `is_gone`: whether a holder is proven gone.
///
/// A pod whose sidecar never started cannot hold anything; it is left out, so that an image that
/// cannot be pulled does not prolong a settling.
pub(super) fn roster<'a>(
    pods: impl IntoIterator<Item = &'a HolderKey>,
    mirrors: impl IntoIterator<Item = &'a HolderKey>,
    is_gone: impl Fn(&HolderKey) -> bool,
) -> BTreeSet<HolderKey> {
    pods.into_iter()
        .chain(mirrors)
        .filter(|k| !is_gone(k))
        .cloned()
        .collect()
}

/// Whether a holder on the roster is waited for past Q. `counts`: its pod is the webhook's work, of
/// a namespace that may use the server. `elsewhere`: how it stands at its others.
pub(super) fn lasts(counts: bool, elsewhere: Elsewhere, mirror: Option<&LicenseLease>) -> bool {
    let status = mirror.and_then(|m| m.status.as_ref());
    // A revoked holder has its seats until then.
    let held = |s: &LeaseState, until: &Option<String>| match s {
        LeaseState::Held | LeaseState::Silent | LeaseState::Grace => true,
        LeaseState::Revoked => until.is_some(),
        _ => false,
    };
    (counts && elsewhere != Elsewhere::Licensed)
        || status.is_some_and(|s| {
            held(&s.state, &s.until) || s.claims.iter().any(|c| held(&c.state, &c.until))
        })
}

#[cfg(test)]
mod tests;
