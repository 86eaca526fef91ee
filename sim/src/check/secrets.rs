//! Promise 11: without the claim's secret nobody changes or gives back another's claim.
//!
//! The server knows a claim's secret from the claim that began it. A request with another secret is
//! answered neither with the lease nor with its place. What it must not end is seen in `freeing`,
//! what it must not take in in `restart`. And whose seat a claim asks for is whose it gets.

use super::Seen;
use super::measure::Verdict;
use super::model::{Model, Step};
use crate::history::{LeaseNo, Msg, Reply};

/// At the end of a step.
pub(super) fn step_end(m: &Model, step: &Step, seen: &mut Seen) -> Verdict {
    let Some(message) = step.message() else {
        return Ok(());
    };
    let (named, secret) = match message.what {
        Msg::Claim {
            secret,
            held,
            ticket,
            ..
        } => {
            let before = message.before.map(|(l, _)| l);
            (before.or(held).or(ticket), secret)
        }
        Msg::Renew { lease, secret, .. } | Msg::Release { lease, secret } => (Some(lease), secret),
    };
    let secret_of = |no: LeaseNo| m.leases.get(&no).and_then(|l| l.secret);
    let theirs = |no: LeaseNo| secret_of(no).is_none_or(|s| s == secret);
    seen.wrong_secrets += u64::from(named.is_some_and(|n| !theirs(n)));
    if let (Msg::Claim { bind, .. }, Some(reply)) = (&message.what, step.reply())
        && let Reply::Lease { bind: says, .. } | Reply::Waiting { bind: says, .. } = reply
        && says != bind
    {
        let of = message.of.0;
        let what = format!("{of:?} asks for the seat of {bind:?}, and is given that of {says:?}");
        return m.broken(11, what);
    }
    let answered = match step.reply() {
        Some(Reply::Lease { lease, .. } | Reply::Waiting { lease, .. }) => *lease,
        _ => return Ok(()),
    };
    if theirs(answered) {
        return Ok(());
    }
    let what = format!(
        "{:?} sends {:?} with {secret:?}; it is answered with {answered:?}, whose secret is {:?}",
        message.of.0,
        message.what,
        secret_of(answered)
    );
    m.broken(11, what)
}

#[cfg(test)]
mod tests;
