//! What is seen for the claims that keep seats and places for pods to come, and what is to be:
//! plain data.

use super::root::Root;
use super::wish::OwnerWish;
use crate::cache::OwnPod;
use mooring_core::identity::HolderKey;
use mooring_core::time::BootTime;
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

/// For how long a free seat waits for the pod that is to have it to exist.
pub(super) const EXISTS: Duration = Duration::from_secs(60);
/// And for how long for that to take it.
pub(super) const ASKS: Duration = Duration::from_secs(120);
/// How often an owner is asked what it wants while a seat is kept for it, and while its new pods
/// wait for its old ones.
pub(super) const ASK_EVERY: Duration = Duration::from_secs(5);
pub(super) const ASK_SURGE_EVERY: Duration = Duration::from_secs(30);
/// What is seen of all pods of a license server.
pub(super) struct Sight<'a> {
    pub(super) pods: &'a [OwnPod],
    /// Who has a lease of its own, in sight or not.
    pub(super) held: &'a HashSet<HolderKey>,
    /// Who stands in line by itself.
    pub(super) waiting: &'a HashSet<HolderKey>,
    /// Since when a pod is in sight.
    pub(super) first: &'a dyn Fn(&HolderKey) -> BootTime,
    /// Whether a pod is of another owner's claim.
    pub(super) taken: &'a dyn Fn(&HolderKey) -> bool,
    /// For how many seats of the first item the server has a claim, and whether it is reserved.
    pub(super) known: &'a dyn Fn(&HolderKey) -> Option<(u32, bool)>,
    pub(super) now: BootTime,
}

/// What is to be asked of the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OwnerQuestion {
    /// Whose the pods of this controller are.
    Root(Root),
    /// What an owner wants.
    Wants(Root),
}

/// What is to be.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) claims: Vec<OwnerWish>,
    pub(super) questions: Vec<OwnerQuestion>,
    /// Replacements whose seat is there: they need not wait before they are scheduled.
    pub(super) open: Vec<HolderKey>,
    /// Pods that wait for nobody's claim but these.
    pub(super) named: BTreeSet<HolderKey>,
    /// Not all owners are known yet: no claim is ended that may be one of theirs.
    pub(super) pending: bool,
    /// The same of Workloads.
    pub(super) workloads_pending: bool,
}

/// Whether this is the key of an owner whose seats are kept: a UID, and what its pods ask for.
pub(super) fn is_replacing(key: &HolderKey) -> bool {
    let parts = key.0.rsplit_once(REPLACING);
    parts.is_some_and(|(uid, _)| !uid.contains([':', '/']))
}

/// Between an owner's UID and what its pods ask for.
pub(super) const REPLACING: &str = ":pods-";
