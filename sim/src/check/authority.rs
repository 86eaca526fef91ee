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
use super::measure::{broken, slack};
use super::model::Model;
use super::step::{Open, Step};
use crate::history::{Broken, ClaimNo, HolderNo, Ms, Msg, MsgNo, Reply};

const DAY: i64 = 86_400_000;

/// Whether the run may sign now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum May {
    Yes,
    /// It depends on what holders have shown, or on a clock's drift.
    Unsure,
    No(&'static str),
}

fn signed(ms: Ms) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
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
) -> Result<(), Broken> {
    if let Some(i) = m.open.iter().position(|o| o.msg == msg) {
        let open = m.open.remove(i);
        step.closed.push((open.holder, open.claim, reply.clone()));
    }
    let May::No(why) = may_sign(m) else {
        return Ok(());
    };
    match reply {
        Reply::Lease { .. } | Reply::Waiting { .. } => broken(
            1,
            m.now,
            format!("{msg:?} is answered {reply:?}, signed; the run may not sign: {why}"),
        ),
        Reply::Problem("anchor-lost" | "license-invalid") => {
            seen.not_signed += 1;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// At the end of a step: who was granted something has heard it.
pub(super) fn step_end(m: &mut Model, step: &Step, seen: &mut Seen) -> Result<(), Broken> {
    let asks = step
        .message()
        .filter(|c| matches!(c.what, Msg::Claim { .. }));
    if let Some(asks) = asks
        && step.reply().is_none()
    {
        seen.held_open += 1;
        m.open.push(Open {
            msg: asks.msg,
            holder: asks.holder,
            claim: asks.claim,
            received: m.now,
        });
    }
    for change in step.changes.iter().filter(|c| c.grant()) {
        let Some(lease) = m.leases.get(&change.lease) else {
            continue;
        };
        let its = |h: HolderNo, c: ClaimNo| (h, c) == (lease.holder, lease.claim);
        if m.open.iter().any(|o| its(o.holder, o.claim)) {
            return broken(
                5,
                m.now,
                format!(
                    "{:?} of {:?} is granted, and its request is not answered",
                    change.lease, lease.holder
                ),
            );
        }
        let mut replies: Vec<&Reply> = step
            .closed
            .iter()
            .filter(|(h, c, _)| its(*h, *c))
            .map(|(_, _, r)| r)
            .collect();
        seen.granted_to_open += replies.len() as u64;
        replies.extend(
            asks.filter(|c| its(c.holder, c.claim))
                .and_then(|_| step.reply()),
        );
        // Any other problem is about the message: a copy of the holder is told so, and a seat goes
        // to the one that is not.
        let unsigned = |r: &&&Reply| matches!(r, Reply::Problem("anchor-lost" | "license-invalid"));
        if let Some(Reply::Problem(p)) = replies.iter().find(unsigned) {
            return broken(
                5,
                m.now,
                format!(
                    "{:?} of {:?} is granted in the books, and its holder hears {p}",
                    change.lease, lease.holder
                ),
            );
        }
    }
    Ok(())
}

/// Looks whether a request is held open for too long.
pub(super) fn overdue(m: &Model) -> Result<(), Broken> {
    let Some(first) = m.open.first().filter(|_| m.run.up && !m.run.frozen) else {
        return Ok(());
    };
    let most = m.run.lease_for / 2;
    let until = (first.received + most + slack(most)).max(m.run.thawed + 2);
    if m.now <= until {
        return Ok(());
    }
    broken(
        5,
        m.now,
        format!(
            "the request {:?} of {:?} is held open since {} ms, for longer than half a lease ({} ms)",
            first.msg, first.holder, first.received, m.run.lease_for
        ),
    )
}
