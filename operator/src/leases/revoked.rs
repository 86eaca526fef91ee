//! What people write into a mirror, `spec.revoked` and `spec.release`, and what the operator does
//! about it. Pure.
//!
//! The license server's own list of who is revoked is the truth, and is shown. A mirror's
//! `spec.revoked` is put on that list, and put there again by each session, since the list ends
//! with the server's pod. A mirror that was deleted and written anew has nothing in its spec, as
//! one whose revocation was taken away. They are told apart by `status.revokedSince`, which is
//! written before anything is done: without it the word is restored, with it the holder is let in
//! again. So deleting a mirror lifts nothing.

use super::known::Known;
use super::name::mirror_name;
use super::object::with_status;
use crate::kubernetes::whole_seconds;
use crate::pods::holder_of;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt as _;
use mooring_api::{HolderKind, LicenseLease, Revoked};
use mooring_core::identity::{Holder, HolderKey};
use mooring_core::names::LeaseId;
use mooring_core::time::Timestamp;
use mooring_core::wire::{ProblemType, RevokedHolder, ViewState};

/// What a license server's list says of a holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed<'a> {
    /// Nobody knows: it is not connected.
    Unheard,
    No,
    Yes(&'a RevokedHolder),
}

/// What is due about a holder's revocation.
#[derive(Clone, Debug, PartialEq)]
pub enum RevocationDue {
    /// The license server is to be told.
    Revoke(RevokedHolder),
    Lift(HolderKey),
    /// The mirror is to say it again.
    Restore(Revoked),
}

/// Whether this is the object that the operator writes for its holder: whoever may make one in a
/// namespace of his own could name another's pod. `pod`: the one in sight with the holder's UID.
pub fn is_its_holders(lease: &LicenseLease, pod: Option<&Pod>, claims: &[Known]) -> bool {
    let reference = &lease.spec.holder;
    let holder = match (reference.kind, pod) {
        (HolderKind::External, _) => Some(Holder::External {
            subject: reference.name.clone(),
        }),
        (HolderKind::Pod | HolderKind::Owner, Some(pod)) => Some(holder_of(pod)),
        (HolderKind::Pod | HolderKind::Owner, None) => {
            claims.first().map(|c| c.view.holder.clone())
        }
    };
    holder.is_some_and(|h| {
        let (namespace, name) = mirror_name(&lease.spec.server, &h);
        lease.namespace() == Some(namespace) && lease.name_any() == name
    })
}

/// The mirror with what is to be noted in it before anything is done: that somebody wants its
/// holder revoked, or that this is over. `None`: it says so already.
pub fn noted(lease: &LicenseLease, listed: Listed<'_>, now: Timestamp) -> Option<LicenseLease> {
    let noted = lease.status.as_ref()?.revoked_since.is_some();
    let since = match (&lease.spec.revoked, listed) {
        (Some(_), _) if !noted => Some(Time(whole_seconds(now))),
        (None, Listed::No) if noted => None,
        _ => return None,
    };
    Some(with_status(lease, |_, status| status.revoked_since = since))
}

/// What is due now; nothing before it is [`noted`].
pub fn due(
    key: &HolderKey,
    lease: &LicenseLease,
    listed: Listed<'_>,
    now: Timestamp,
) -> Option<RevocationDue> {
    let since = lease.status.as_ref()?.revoked_since.as_ref();
    match (&lease.spec.revoked, since, listed) {
        (_, _, Listed::Unheard) | (Some(_), None, _) | (None, _, Listed::No) => None,
        (Some(wanted), Some(since), listed) => {
            let wanted = RevokedHolder {
                holder: key.clone(),
                lease: None,
                reason: wanted.reason.clone(),
                until: wanted.until.as_ref().map(|t| t.0),
                at: since.0,
            };
            let same = |l: &RevokedHolder| l.reason == wanted.reason && l.until == wanted.until;
            let is_listed = matches!(listed, Listed::Yes(l) if same(l));
            let is_over = wanted.until.is_some_and(|t| t <= now);
            (!is_listed && !is_over).then_some(RevocationDue::Revoke(wanted))
        }
        (None, Some(_), Listed::Yes(_)) => Some(RevocationDue::Lift(key.clone())),
        (None, None, Listed::Yes(listed)) => Some(RevocationDue::Restore(Revoked {
            reason: listed.reason.clone(),
            until: listed.until.map(Time),
            by: None,
        })),
    }
}

/// Which of a holder's leases are to be taken back, and are not yet.
pub fn to_take_back(lease: &LicenseLease, claims: &[Known]) -> Vec<LeaseId> {
    let asked = |k: &&Known| lease.spec.release.contains(&k.view.lease.to_string());
    let open = |k: &&Known| {
        let problem = k.view.problem.as_ref();
        let closed = |kind| matches!(kind, ProblemType::GivenBack | ProblemType::Revoked);
        k.view.state != ViewState::Refused && !problem.is_some_and(|p| closed(p.kind))
    };
    let due = claims.iter().filter(asked).filter(open);
    due.map(|k| k.view.lease).collect()
}

#[cfg(test)]
mod tests;
