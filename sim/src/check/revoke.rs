//! Promise 12: a revoked holder is `Lost` within D/3: its next contact tells it so, and it is not
//! `Held` again until the revocation is lifted.
//!
//! A holder makes contact each D/3; whether the network lets it through is not the promise's. So:
//! while a run of the server knows of the revocation, no request of that holder is answered with a
//! lease or a place, nothing of it is newly booked; and a copy that hears `revoked` is not licensed
//! from then on (that bound is kept in `licensed`). A new run must be told anew.
//!
//! A lease that an administrator took back is renewed no more, and its holder may begin anew.

use super::Seen;
use super::measure::Verdict;
use super::model::{Change, Message, Model, Step};
use crate::history::{Msg, Reply};

/// The books change.
pub(super) fn booked(m: &Model, change: &Change) -> Verdict {
    let Change {
        lease,
        holder,
        was,
        is,
        ..
    } = change;
    if is.live() && was != is && m.run.revoked.contains(holder) {
        let what = format!("{holder:?} is revoked; its {lease:?} goes from {was:?} to {is:?}");
        return m.broken(12, what);
    }
    Ok(())
}

/// At the end of a step.
pub(super) fn step_end(m: &Model, step: &Step, seen: &mut Seen) -> Verdict {
    let Some(message) = step.message() else {
        return Ok(());
    };
    taken_back(m, step, message, seen)?;
    let (holder, asks) = (message.of.0, &message.what);
    if !m.run.revoked.contains(&holder) || matches!(asks, Msg::Release { .. }) {
        return Ok(());
    }
    seen.contacts_of_revoked += 1;
    if let Some(reply @ (Reply::Lease { .. } | Reply::Waiting { .. })) = step.reply() {
        let what = format!("{holder:?} is revoked; it asks ({asks:?}) and is answered {reply:?}");
        return m.broken(12, what);
    }
    Ok(())
}

/// A lease that an administrator took back is nobody's any more: its holder is told so.
fn taken_back(m: &Model, step: &Step, message: &Message, seen: &mut Seen) -> Verdict {
    let (no, secret) = match &message.what {
        Msg::Renew { lease, secret, .. } => (Some(*lease), secret),
        Msg::Claim { secret, .. } => (message.before.map(|(l, _)| l), secret),
        Msg::Release { .. } => return Ok(()),
    };
    let Some((no, lease)) = no.and_then(|no| Some((no, m.leases.get(&no)?))) else {
        return Ok(());
    };
    if !m.is_taken_back(lease) || lease.secret != Some(*secret) {
        return Ok(());
    }
    seen.contacts_of_taken_back += 1;
    if let Some(reply @ (Reply::Lease { .. } | Reply::Waiting { .. })) = step.reply() {
        let holder = message.of.0;
        let what = format!(
            "an administrator took {no:?} of {holder:?} back; it asks ({:?}) and is answered {reply:?}",
            message.what
        );
        return m.broken(12, what);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
