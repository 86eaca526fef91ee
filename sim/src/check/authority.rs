//! What the run may sign, by an own reading of license, anchor and clock; and that whoever was
//! granted something hears it.
//!
//! A lease that is told without authority is one for a seat that there is not (promise 1): with no
//! license in force there are no seats, and without its anchor the server renews for the anchor
//! grace and no longer, under a delegation that covers the moment. What is granted is answered in
//! the same step (promise 5): a grant that its holder hears as a problem keeps a seat from all
//! others for nothing. A request is held open for half a lease at most, since its place dies a
//! lease after it (5).

use super::Seen;
use super::measure::{Verdict, signed, slack};
use super::model::Model;
use super::step::{Open, Step};
use crate::history::{Msg, MsgNo, Reply};

const DAY: i64 = 86_400_000;

/// Whether the run may sign now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum May {
    Yes,
    /// It depends on what holders have shown, or on a clock's drift.
    Unsure,
    No(&'static str),
}

pub(super) fn may_sign(m: &Model) -> May {
    let run = &m.run;
    let Some((from, to)) = run.delegated else {
        return May::No("the anchor has signed nothing for it");
    };
    let wall = signed(m.now) + run.wall;
    if wall >= m.license.ends {
        return May::No("its license has ended");
    }
    if wall < from || to <= wall {
        return May::No("its delegation does not cover the moment");
    }
    let drift = signed(slack(m.now));
    if run.started_wall.is_some_and(|w| run.wall + DAY + drift < w) {
        return May::No("its clock was turned back by more than a day");
    }
    // Dates of tokens count, too, and who has shown which is not followed here.
    let back = run.wall + DAY - drift < m.highest_wall;
    match run.anchor_lost {
        Some(since) => {
            let grace = m.license.anchor_grace;
            if m.now > since + grace + slack(grace) {
                May::No("its anchor is lost for longer than the grace")
            } else if back || m.now + slack(grace) >= since + grace {
                May::Unsure
            } else {
                May::Yes
            }
        }
        None if back => May::Unsure,
        None => May::Yes,
    }
}

/// Whether the run grants something new now, for sure.
pub(super) fn may_grant(m: &Model) -> bool {
    m.run.anchor_lost.is_none() && may_sign(m) == May::Yes
}

/// The server answers.
pub(super) fn answered(
    m: &mut Model,
    step: &mut Step,
    msg: MsgNo,
    reply: &Reply,
    seen: &mut Seen,
) -> Verdict {
    if let Some(i) = m.open.iter().position(|o| o.msg == msg) {
        step.closed.push((m.open.remove(i).of, reply.clone()));
    }
    let May::No(why) = may_sign(m) else {
        return Ok(());
    };
    if matches!(reply, Reply::Lease { .. } | Reply::Waiting { .. }) {
        let what = format!("{msg:?} is answered {reply:?}, signed; the run may not sign: {why}");
        return m.broken(1, what);
    }
    seen.not_signed += u64::from(unsigned(reply));
    Ok(())
}

/// An answer of a run that may not sign.
fn unsigned(reply: &Reply) -> bool {
    matches!(reply, Reply::Problem("anchor-lost" | "license-invalid"))
}

/// At the end of a step: who was granted something has heard it.
pub(super) fn step_end(m: &mut Model, step: &Step, seen: &mut Seen) -> Verdict {
    let asks = step
        .message()
        .filter(|c| matches!(c.what, Msg::Claim { .. }));
    if let Some(asks) = asks.filter(|_| step.reply().is_none()) {
        seen.held_open += 1;
        m.open.push(Open {
            msg: asks.msg,
            of: asks.of,
            received: m.now,
        });
    }
    for change in step.grants() {
        let Some(lease) = m.leases.get(&change.lease) else {
            continue;
        };
        if m.open.iter().any(|o| o.of == lease.of) {
            let what = format!("{change} is granted, and its request is not answered");
            return m.broken(5, what);
        }
        let closed = step.closed.iter().filter(|(of, _)| *of == lease.of);
        seen.granted_to_open += closed.clone().count() as u64;
        let at_once = asks.filter(|c| c.of == lease.of).and(step.reply());
        // Any other problem is about the message: a copy of the holder is told so, and a seat goes
        // to the one that is not.
        let mut replies = closed.map(|(_, r)| r).chain(at_once);
        if let Some(Reply::Problem(p)) = replies.find(|r| unsigned(r)) {
            let what = format!("{change} is granted in the books, and its holder hears {p}");
            return m.broken(5, what);
        }
    }
    Ok(())
}

/// Looks whether a request is held open for too long.
pub(super) fn overdue(m: &Model) -> Verdict {
    let Some(first) = m.open.first().filter(|_| m.run.up && !m.run.frozen) else {
        return Ok(());
    };
    let most = m.run.lease_for / 2;
    let until = (first.received + most + slack(most)).max(m.run.thawed + 2);
    if m.now <= until {
        return Ok(());
    }
    let what = format!(
        "the request {:?} of {:?} is held open since {} ms, for longer than half a lease ({} ms)",
        first.msg, first.of.0, first.received, m.run.lease_for
    );
    m.broken(5, what)
}
