//! Promise 11: without the claim's secret nobody changes or gives back another's claim.
//!
//! The server knows a claim's secret from the claim that began it. A request with another secret is
//! answered neither with the lease nor with its place. What it must not end is seen in `freeing`,
//! what it must not take in in `restart`.

use super::Seen;
use super::measure::broken;
use super::model::{Model, Step};
use crate::history::{Broken, LeaseNo, Msg, Reply};

/// At the end of a step.
pub(super) fn step_end(m: &Model, step: &Step, seen: &mut Seen) -> Result<(), Broken> {
    let Some(message) = step.message() else {
        return Ok(());
    };
    let (named, secret): (Option<LeaseNo>, _) = match &message.what {
        Msg::Claim {
            secret,
            held,
            ticket,
            ..
        } => (
            message.before.map(|(l, _)| l).or(*held).or(*ticket),
            *secret,
        ),
        Msg::Renew { lease, secret, .. } | Msg::Release { lease, secret } => {
            (Some(*lease), *secret)
        }
    };
    let theirs = |no: LeaseNo| {
        m.leases
            .get(&no)
            .and_then(|l| l.secret)
            .is_none_or(|s| s == secret)
    };
    seen.wrong_secrets += u64::from(named.is_some_and(|n| !theirs(n)));
    let answered = match step.reply() {
        Some(Reply::Lease { lease, .. } | Reply::Waiting { lease, .. }) => *lease,
        _ => return Ok(()),
    };
    if theirs(answered) {
        return Ok(());
    }
    broken(
        11,
        m.now,
        format!(
            "{:?} sends {:?} with {secret:?}; it is answered with {answered:?}, whose secret is {:?}",
            message.holder,
            message.what,
            m.leases.get(&answered).and_then(|l| l.secret)
        ),
    )
}

#[cfg(test)]
mod tests;
