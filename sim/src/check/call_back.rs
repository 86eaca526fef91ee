//! Promise 12: who is not entitled gets nothing new. Promise 4: what it has is called back:
//! renewed, with a limit in each answer that no later one moves, maxContested after the first; past
//! that it is refused; lifted if it is entitled again before. Promise 17: so is a loan that an
//! owner wants, with the policy's notice. Of two things that speak against a lease the first one
//! told sets the limit.
//!
//! When its seat is free is promise 2's, as of any other: what is refused is no sign of life. How
//! long its application is licensed is in `licensed`, by what it was told. A claim that was in
//! line, or whose request was held open, when its holder ceased to be entitled is looked at when it
//! asks again.

use super::Seen;
use super::lease::CalledBack;
use super::measure::{Verdict, slack};
use super::model::{Message, Model, Stand, Step};
use super::policy;
use crate::history::{LeaseNo, Ms, Msg, Reply};
use std::cmp::Reverse;

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
            (true, true) if m.run.policy.is_some() => {
                is_loan(m, *lease, seen)?;
                within_notice(m, message, (*lease, *run_for))
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
        Some(Reply::Problem("called-back")) => loan_is_refused(m, message, seen),
        Some(Reply::Problem("anchor-lost" | "license-invalid")) => {
            if let Some(called) = lease_of(message)
                .and_then(|no| m.leases.get_mut(&no))
                .and_then(|l| l.called_back.as_mut())
            {
                called.unsure = true;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Which lease a request is for.
fn lease_of(message: &Message) -> Option<LeaseNo> {
    match &message.what {
        Msg::Renew { lease, .. } => Some(*lease),
        _ => message.before.map(|b| b.0),
    }
}

fn lifted(m: &mut Model, lease: LeaseNo, seen: &mut Seen) {
    if let Some(called) = m.leases.get_mut(&lease).and_then(|l| l.called_back.take()) {
        let loan = called.loan.is_some();
        seen.loans_lifted += u64::from(loan);
        seen.call_back_lifted += u64::from(!loan);
    }
}

/// It has a lease, which is called back since it is not entitled.
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
    // As short as any license of this run had it.
    let least = m.license.max_contested.min(m.run.least_contested);
    let Some(lease) = m.leases.get_mut(&no) else {
        return Ok(());
    };
    seen.called_back += 1;
    let called = lease.called_back.get_or_insert(CalledBack {
        since: now,
        notice: (least, notice),
        loan: None,
        unsure: false,
    });
    called.loan = None;
    within_notice(m, message, (no, run_for))
}

/// It has a lease, which is called back for an owner.
fn is_loan(m: &mut Model, no: LeaseNo, seen: &mut Seen) -> Verdict {
    if let Err(why) = policy::is_wanted(m, no) {
        return m.broken(17, format!("{no:?} is called back, and {why}"));
    }
    let now = m.now;
    let notice = m.run.policy.as_ref().map_or(0, |p| p.policy.notice);
    let Some(lease) = m.leases.get_mut(&no) else {
        return Ok(());
    };
    let called = lease.called_back.get_or_insert(CalledBack {
        since: now,
        notice: (notice, notice),
        loan: None,
        unsure: false,
    });
    if std::mem::take(&mut called.unsure) {
        // It may be another word.
        called.notice.1 = called.notice.1.max(now - called.since + notice);
        called.loan = None;
    }
    if called.loan.is_none() {
        called.loan = Some((now, notice));
        seen.loans_called_back += 1;
        if let Some(lease) = m.leases.get(&no) {
            m.due.push(Reverse((m.latest_end(lease), no)));
        }
    }
    Ok(())
}

/// What it is renewed for is within the notice that began with the first word.
fn within_notice(m: &Model, message: &Message, (no, run_for): (LeaseNo, Ms)) -> Verdict {
    let called = m.leases.get(&no).and_then(|l| l.called_back);
    let Some(CalledBack { since, notice, .. }) = called else {
        return Ok(());
    };
    let until = since + notice.1 + slack(notice.1);
    if m.now > until || m.now + run_for > until {
        let what = format!(
            "{no:?} of {:?} is called back since {since} ms; it is renewed for {run_for} ms, beyond {until} ms",
            message.of.0
        );
        return m.broken(4, what);
    }
    Ok(())
}

/// Whether its notice is over that it was told.
fn is_over(m: &Model, called: Option<CalledBack>) -> bool {
    called.is_some_and(|c| m.now + slack(c.notice.0) >= c.since + c.notice.0)
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
    if is_over(m, lease.called_back) {
        seen.call_back_over += 1;
        return Ok(());
    }
    let what = format!(
        "{:?} is not entitled any more, and its {no:?} is refused at once (called back: {:?})",
        message.of.0, lease.called_back
    );
    m.broken(4, what)
}

/// A loan is refused: when the notice is over that its holder was told, of that or of what spoke
/// against it before.
fn loan_is_refused(m: &mut Model, message: &Message, seen: &mut Seen) -> Verdict {
    let now = m.now;
    let no = lease_of(message);
    let notice = m.run.policy.as_ref().map_or(0, |p| p.policy.notice);
    let lease = no.and_then(|no| m.leases.get(&no));
    let called = lease.and_then(|l| l.called_back);
    if !is_over(m, called) {
        let what = format!(
            "{:?} is refused {no:?}, as a loan that an owner wants, before its notice is over: {called:?}",
            message.of.0
        );
        return m.broken(17, what);
    }
    seen.loans_over += 1;
    let lease = no.and_then(|no| m.leases.get_mut(&no));
    if let Some(called) = lease.and_then(|l| l.called_back.as_mut()) {
        called.loan.get_or_insert((now, notice));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
