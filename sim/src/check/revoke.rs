//! Promise 12: a revoked holder is `Lost` within D/3: its next contact tells it so, and it is not
//! `Held` again until the revocation is lifted.
//!
//! A holder makes contact each D/3; whether the network lets it through is not the promise's. So:
//! while a run of the server knows of the revocation, no request of that holder is answered with a
//! lease or a place, nothing of it is newly booked; and a copy that hears `revoked` is not licensed
//! from then on (that bound is kept in `licensed`). A new run must be told anew.

use super::Seen;
use super::measure::Verdict;
use super::model::{Change, Model, Step};
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

#[cfg(test)]
mod tests;
