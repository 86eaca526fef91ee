//! Whose application has lost its license, and when its pod is evicted for it. Pure.
//!
//! Lost is only what its license server says: a claim that it has granted, and that waits again or
//! is refused, is one whose application may not run on (else it is `Contested`). Silence, the
//! grace, and a server that the operator does not reach are no loss.

use crate::cache::Elsewhere;
use crate::kubernetes::whole_seconds;
use crate::pods::Holding;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use mooring_api::{LeaseState, LicenseLeaseStatus};
use mooring_core::names::ClaimName;
use mooring_core::policy::OnLoss;
use mooring_core::time::Timestamp;
use std::time::Duration;

/// How old what a kubelet last said of a pod may be: one whose node was started anew asks for its
/// seat before its kubelet has said that no application of it runs.
const KUBELETS_WORD: Duration = Duration::from_secs(15);

/// What is to be done about a pod with regard to a lost license.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    Nothing,
    /// It may come to that: look again after this long.
    In(Duration),
    Due,
}

/// How the annotation's claim stands; others are the application's own business.
fn of_the_pod(status: &LicenseLeaseStatus) -> Option<LeaseState> {
    let name = ClaimName::pod();
    let mut claims = status.claims.iter();
    let claim = claims.find(|c| c.name == name.as_str());
    let bare = status.claims.is_empty().then_some(status.state);
    claim.map(|c| c.state).or(bare)
}

/// Whether its server has granted it, as far as it was last heard. An optimistic start is not the
/// server's word.
fn was_granted(before: &LicenseLeaseStatus) -> bool {
    use LeaseState as S;
    let state = of_the_pod(before);
    matches!(state, Some(S::Held | S::Silent | S::Contested | S::Grace))
}

/// The status to be, with since when the license is lost, if it is.
pub(super) fn noted(
    before: Option<&LicenseLeaseStatus>,
    mut status: LicenseLeaseStatus,
    now: Timestamp,
) -> LicenseLeaseStatus {
    use LeaseState as S;
    let earlier = before.and_then(|b| b.lost_since.clone());
    status.lost_since = match of_the_pod(&status) {
        Some(S::Waiting | S::Refused | S::Revoked) => {
            let lost = before.is_some_and(was_granted);
            earlier.or_else(|| lost.then(|| Time(whole_seconds(now))))
        }
        Some(S::Held | S::Reserved | S::Silent | S::Contested | S::Grace | S::Optimistic) => None,
        Some(S::Unknown) | None => earlier,
    };
    status
}

/// Whether a running pod is to be evicted, by its mirror as it is written. Only asked of a server
/// that is connected and does not settle. Lost here is not lost where another of its servers lets
/// its application run.
pub fn eviction(
    status: &LicenseLeaseStatus,
    of: &Holding,
    elsewhere: Elsewhere,
    lease_for: Duration,
    now: Timestamp,
) -> Eviction {
    use LeaseState as S;
    let runs_on = elsewhere >= Elsewhere::Contested;
    let asked = of.on_loss == OnLoss::Stop && of.app_runs && !of.unreachable && !runs_on;
    let heard = matches!(
        of_the_pod(status),
        Some(S::Waiting | S::Refused | S::Revoked)
    );
    let Some(since) = status.lost_since.as_ref().filter(|_| asked && heard) else {
        return Eviction::Nothing;
    };
    // Who is revoked hears it at its next renewal, within a third of a lease.
    let wait = KUBELETS_WORD.max(lease_for / 2);
    let passed = Duration::try_from(now.duration_since(since.0)).unwrap_or_default();
    match wait.checked_sub(passed) {
        Some(left) if !left.is_zero() => Eviction::In(left),
        _ => Eviction::Due,
    }
}

#[cfg(test)]
mod tests;
