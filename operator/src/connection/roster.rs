//! The roster: all holders of a server that are not proven gone.
//!
//! A server that has just started ends its settling once each of them is in or gone. One too many
//! costs time (it waits Q); one too few could let a seat be given away under a running pod. So only
//! what is proven gone is left out.

use crate::pods::sidecar_may_have_run;
use k8s_openapi::api::core::v1::Pod;
use mooring_core::identity::HolderKey;
use std::collections::BTreeSet;

/// The roster from the pods that point at this server and from its mirrors. `is_gone`: whether a
/// holder is proven gone.
///
/// A pod whose sidecar never started cannot hold anything; it is left out, so that an image that
/// cannot be pulled does not prolong a settling.
pub(super) fn roster<'a>(
    pods: impl IntoIterator<Item = (&'a HolderKey, &'a Pod)>,
    mirrors: impl IntoIterator<Item = &'a HolderKey>,
    is_gone: impl Fn(&HolderKey) -> bool,
) -> BTreeSet<HolderKey> {
    let pods = pods
        .into_iter()
        .filter(|(_, p)| sidecar_may_have_run(p))
        .map(|(k, _)| k);
    pods.chain(mirrors)
        .filter(|k| !is_gone(k))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests;
