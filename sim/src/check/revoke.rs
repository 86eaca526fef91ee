//! Promise 12: a revoked holder is `Lost` within D/3: its next contact tells it so, and it is not
//! `Held` again until the revocation is lifted.
//!
//! A holder makes contact each D/3; whether the network lets it through is not the promise's. So:
//! while a run of the server knows of the revocation, no request of that holder is answered with a
//! lease or a place, nothing of it is newly booked; and a copy that hears `revoked` is not licensed
//! from then on (that bound is kept in `licensed`). A new run must be told anew.

use super::Seen;
use super::measure::broken;
use super::model::{Change, Model, Step};
use crate::history::{Broken, Msg, Reply};

/// The books change.
pub(super) fn booked(m: &Model, change: &Change) -> Result<(), Broken> {
    let Some(lease) = m.leases.get(&change.lease) else {
        return Ok(());
    };
    if change.is.live() && change.was != change.is && m.run.revoked.contains(&lease.holder) {
        return broken(
            12,
            m.now,
            format!(
                "{:?} is revoked; its {:?} goes from {:?} to {:?}",
                lease.holder, change.lease, change.was, change.is
            ),
        );
    }
    Ok(())
}

/// At the end of a step.
pub(super) fn step_end(m: &Model, step: &Step, seen: &mut Seen) -> Result<(), Broken> {
    let Some(message) = step.message() else {
        return Ok(());
    };
    if !m.run.revoked.contains(&message.holder) || matches!(message.what, Msg::Release { .. }) {
        return Ok(());
    }
    seen.contacts_of_revoked += 1;
    match step.reply() {
        Some(reply @ (Reply::Lease { .. } | Reply::Waiting { .. })) => broken(
            12,
            m.now,
            format!(
                "{:?} is revoked; it asks ({:?}) and is answered {reply:?}",
                message.holder, message.what
            ),
        ),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
