//! Promise 12: who is not entitled gets nothing new. Promise 4: what it has is called back:
//! renewed, with a limit in each answer that no later one moves, maxContested after the first; past
//! that it is refused; lifted if it is entitled again before.
//!
//! When its seat is free is promise 2's, as of any other: what is refused is no sign of life. How
//! long its application is licensed is in `licensed`, by what it was told. A claim that was in
//! line, or whose request was held open, when its holder ceased to be entitled is looked at when it
//! asks again.

use super::Seen;
use super::measure::{Verdict, slack};
use super::model::{Message, Model, Stand, Step};
use crate::history::{LeaseNo, Ms, Msg, Reply};

/// At the end of a step.
pub(super) fn step_end(m: &mut Model, step: &Step, seen: &mut Seen) -> Verdict {
    let Some(message) = step.message() else {
        return Ok(());
    };
    if matches!(message.what, Msg::Release { .. }) {
        return Ok(());
    }
    let entitled = m.run.entitled(message.of.0);
    match step.reply() {
        Some(Reply::Lease {
            lease,
            run_for,
            called_back,
            ..
        }) => match (entitled, *called_back) {
            (true, false) => {
                lifted(m, *lease, seen);
                Ok(())
            }
            (false, true) => called(m, step, message, (*lease, *run_for), seen),
            (entitled, called_back) => {
                let what = format!(
                    "{:?} asks ({:?}) and has {lease:?}: called back {called_back}, entitled {entitled}",
                    message.of.0, message.what
                );
                m.broken(4, what)
            }
        },
        Some(Reply::Waiting { .. }) if !entitled => {
            let what = format!("{:?} is not entitled, and gets a place", message.of.0);
            m.broken(12, what)
        }
        Some(Reply::Problem("not-entitled")) if !entitled => refused(m, message, seen),
        _ => Ok(()),
    }
}

fn lifted(m: &mut Model, lease: LeaseNo, seen: &mut Seen) {
    if let Some(l) = m.leases.get_mut(&lease) {
        seen.call_back_lifted += u64::from(l.called_back.take().is_some());
    }
}

/// It has a lease, which is called back.
fn called(
    m: &mut Model,
    step: &Step,
    message: &Message,
    (no, run_for): (LeaseNo, Ms),
    seen: &mut Seen,
) -> Verdict {
    let (now, notice, holder) = (m.now, m.run.max_contested, message.of.0);
    let had = message
        .before
        .is_some_and(|(_, stand)| stand == Stand::Seat);
    let taken_in = step.changes.iter().any(|c| c.lease == no && c.taken_in);
    if !had && !taken_in && !matches!(message.what, Msg::Renew { .. }) {
        let what = format!("{holder:?} is not entitled, and is granted {no:?}");
        return m.broken(12, what);
    }
    let Some(lease) = m.leases.get_mut(&no) else {
        return Ok(());
    };
    seen.called_back += 1;
    let since = *lease.called_back.get_or_insert(now);
    let until = since + notice + slack(notice);
    if now > until || now + run_for > until {
        let what = format!(
            "{no:?} of {holder:?} is called back since {since} ms; it is renewed for {run_for} ms, beyond {until} ms"
        );
        return m.broken(4, what);
    }
    Ok(())
}

/// It is refused: for sure only when the time is over that it was told, or if it has nothing.
fn refused(m: &Model, message: &Message, seen: &mut Seen) -> Verdict {
    let Msg::Renew {
        lease: no, secret, ..
    } = &message.what
    else {
        seen.asks_unentitled += 1;
        return Ok(());
    };
    let Some(lease) = m.leases.get(no).filter(|l| l.secret == Some(*secret)) else {
        return Ok(());
    };
    // As short as any license of this run had it.
    let notice = m.license.max_contested.min(m.run.least_contested);
    let since = lease.called_back;
    if since.is_some_and(|t| m.now + slack(notice) >= t + notice) {
        seen.call_back_over += 1;
        return Ok(());
    }
    let what = format!(
        "{:?} is not entitled any more, and its {no:?} is refused at once (called back since {since:?} ms)",
        message.of.0
    );
    m.broken(4, what)
}

#[cfg(test)]
mod tests;
