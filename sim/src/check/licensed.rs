//! Promise 4: once `Held` or `Optimistic`, the application is licensed at each instant before its
//! limit, unless it gave back or was told `revoked`, `cloned` or a refusal; never after it. Promise
//! 9, jumps of the wall clock, is part of this: no fact here shows a wall clock, so a limit that it
//! moved is a limit that is wrong. Promise 7's half about holders is here, too.
//!
//! The limit, reckoned from what was sent and heard: the sending of the last request that was
//! answered with a lease + the grace told with it, at most the holder's own, at least D.
//! `Optimistic`: from when the claim was begun, + the holder's own grace. Contested: at most
//! maxContested from contact, which lies between the sending of the request and hearing that it
//! waits. `Held` ends with the sending of the last such request + D. A crash of the sidecar and a
//! suspend change nothing.
//!
//! 202 while the server settles is left open by the design's table for a licensed holder: it may go
//! on or become contested.

use super::apps::{App, AppNo, Confirmed, Told};
use super::measure::{Verdict, slack};
use super::model::Model;
use super::{Seen, copies, silence};
use crate::history::{Ms, MsgNo, Reply, Says};

/// Problems that end being licensed.
const LASTING: [&str; 8] = [
    "cloned",
    "revoked",
    "given-back",
    "called-back",
    "not-entitled",
    "unknown-product",
    "exceeds-seats",
    "version-not-covered",
];

/// An answer reaches a copy.
pub(super) fn heard(
    m: &mut Model,
    no: AppNo,
    msg: MsgNo,
    reply: &Reply,
    seen: &mut Seen,
) -> Verdict {
    let now = m.now;
    let fresh = m.apps.fresh(now, no, msg);
    let Some(sent) = m.apps.sent(msg).cloned() else {
        return Ok(());
    };
    let Some(app) = m.apps.claims.get_mut(&no) else {
        return Ok(());
    };
    if app.gave_back || sent.secret != app.secret {
        return Ok(());
    }
    silence::answered(app);
    let (of, licensed) = (app.of(), app.licensed(now));
    match *reply {
        Reply::Lease {
            lease,
            lease_for,
            run_for,
            called_back,
            ..
        } => {
            let confirmed = Confirmed {
                sent: sent.at,
                lease_for,
                lease,
                called_back,
            };
            app.confirm(confirmed, run_for, fresh);
        }
        Reply::Waiting { settling, .. } => {
            let (low, high) = sent.contested.unwrap_or_default();
            app.at_least((sent.at + low).saturating_sub(slack(low)));
            if fresh {
                app.ticket_of = sent.run();
                app.ticket_given = sent.told_waiting.unwrap_or_default();
                app.heard_waiting = true;
            }
            if fresh && !settling && licensed {
                seen.contested_contacts += 1;
                seen.contested_optimistic += u64::from(app.confirmed.is_none());
                app.at_most(now + high + slack(high), 7);
                app.held_most = app.held_most.min(now + 2);
            }
        }
        Reply::Problem(problem) => heard_problem(app, now, problem, (sent.at, fresh), seen),
        Reply::Released => {}
    }
    if fresh {
        m.apps.look_at(now + 3, no);
    }
    match reply {
        Reply::Problem("cloned") if m.apps.newest(msg) => {
            copies::told(m, of.0, "hears", seen)?;
            copies::none_left(m, of)
        }
        Reply::Lease { .. } if sent.renewal && fresh => copies::renewed(m, no, msg, seen),
        _ => Ok(()),
    }
}

/// A problem is heard, by a request that was sent then; `fresh`: the holder must have taken it.
fn heard_problem(
    app: &mut App,
    now: Ms,
    problem: &'static str,
    (sent, fresh): (Ms, bool),
    seen: &mut Seen,
) {
    let licensed = app.licensed(now);
    if LASTING.contains(&problem) {
        app.ended_by = Some(problem);
        app.least = None;
        if fresh && licensed {
            let by = match problem {
                "cloned" => 8,
                "revoked" => 12,
                _ => 4,
            };
            seen.heard_revoked += u64::from(by == 12);
            app.at_most(now + 2, by);
        }
    }
    // There is no seat for it: contested, if it started without the server.
    let no_seat = matches!(problem, "too-many-claims" | "license-invalid");
    if no_seat && app.confirmed.is_none() {
        app.at_least((sent + CONTESTED_UNTOLD).saturating_sub(slack(CONTESTED_UNTOLD)));
        if fresh && app.says == Some(Says::Optimistic) {
            seen.contested_by_a_problem += 1;
            app.at_most(now + CONTESTED_UNTOLD + slack(CONTESTED_UNTOLD), 7);
        }
    }
}

/// What the application is told changes.
pub(super) fn tells(m: &mut Model, no: AppNo, told: &Told, seen: &mut Seen) -> Verdict {
    let now = m.now;
    let Some(app) = m.apps.claims.get(&no) else {
        return Ok(());
    };
    let (of, says, before) = (app.of(), told.says, app.says);
    let was_licensed = before.is_some_and(Says::licensed);
    let early = app.limit.is_some_and(|l| now + 3 < l);
    let cloned = !app.gave_back && app.ended_by == Some("cloned");
    if was_licensed && !says.licensed() && early && cloned {
        copies::told(m, of.0, "ends what it has by", seen)?;
    }
    let Some(app) = m.apps.claims.get_mut(&no) else {
        return Ok(());
    };
    seen.told_after_crash += u64::from(app.crashed && says.licensed());
    app.crashed = false;
    if let Err((promise, what)) = holds(app, now, told, seen) {
        let what = format!("{:?} {:?} ({:?}) {what}", of.0, of.1, no.0);
        return m.broken(promise, what);
    }
    let held_anew = says == Says::Held && (before != Some(Says::Held) || app.lease != told.lease);
    if before != Some(says) {
        app.says_since = now;
    }
    app.says = Some(says);
    app.lease = told.lease;
    app.limit = told.limit.filter(|_| says.licensed());
    app.held_until = told.held_until.filter(|_| says == Says::Held);
    let (limit, held_until) = (app.limit, app.held_until);
    if held_anew && m.apps.copied.contains_key(&of.0) {
        m.apps.begin_counting(of);
    }
    if let Some(limit) = limit {
        m.apps.look_at(limit + 3, no);
    }
    if let Some(until) = held_until {
        m.apps.look_at(until, no);
    }
    Ok(())
}

/// For how long a contested application may go on where no answer has said so.
const CONTESTED_UNTOLD: Ms = 900_000;

/// The promise that an application's word breaks, if any, and how.
type Right = Result<(), (u8, String)>;

/// Whether what it is told now is right.
fn holds(app: &mut App, now: Ms, told: &Told, seen: &mut Seen) -> Right {
    let (says, before) = (told.says, app.says);
    // A copy of one that started goes on as that one does.
    let goes_on = before == Some(Says::Optimistic) || before.is_none() && app.started_in_silence;
    if says == Says::Optimistic && !goes_on {
        starts_without_server(app, now, seen)?;
    }
    if says.licensed() {
        licensed(app, now, told, seen)
    } else {
        unlicensed(app, now, says, seen)
    }
}

/// It starts with no server in reach: it may, and from then on its own grace counts.
fn starts_without_server(app: &mut App, now: Ms, seen: &mut Seen) -> Right {
    silence::starts(app, now).map_err(|why| (15, why))?;
    let until = app.begun + app.max_grace;
    app.most = Some(until + slack(app.max_grace));
    app.least = Some(until.saturating_sub(slack(app.max_grace)));
    app.started_in_silence = true;
    seen.optimistic_starts += 1;
    Ok(())
}

/// It says that it is licensed: not beyond what an answer allows, and not short of it.
fn licensed(app: &mut App, now: Ms, told: &Told, seen: &mut Seen) -> Right {
    let (says, before, confirmed) = (told.says, app.says, app.confirmed);
    let Some(limit) = told.limit else {
        return Err((4, format!("says {says:?} without a limit")));
    };
    let Some(most) = app.most else {
        let what = format!("says {says:?}, and was never answered with a lease");
        return Err((4, what));
    };
    if limit > most || now > most {
        let what = format!(
            "says {says:?} at {now} ms with limit {limit} ms, which cannot be after {most} ms; last answered with a lease: {confirmed:?}, \
             begun at {} ms, own grace {} ms",
            app.begun, app.max_grace
        );
        return Err((app.most_by, what));
    }
    if let Some(least) = app.least.filter(|l| limit < *l) {
        let what = format!(
            "says {says:?} with limit {limit} ms, before {least} ms, until which it is licensed; last answered with a lease: {confirmed:?}"
        );
        return Err((4, what));
    }
    if app.gave_back {
        return Err((4, format!("says {says:?} after it gave back")));
    }
    if says == Says::Held {
        let until = told.held_until.unwrap_or(Ms::MAX);
        if confirmed.is_none_or(|c| Some(c.lease) != told.lease) && before != Some(says) {
            let lease = told.lease;
            let what = format!("says Held for {lease:?}; it was answered with {confirmed:?}");
            return Err((4, what));
        }
        let most = app.held_most;
        if until > most || now > most {
            let by = if app.heard_waiting && app.most_by == 7 {
                7
            } else {
                4
            };
            let what = format!(
                "says Held until {until} ms; by the sending of its last request that was answered with a lease that cannot be \
                 after {most} ms ({confirmed:?})"
            );
            return Err((by, what));
        }
    }
    app.ever_licensed = true;
    seen.in_grace += u64::from(says == Says::Grace && before != Some(Says::Grace));
    Ok(())
}

/// It says that it is not licensed (any more): it was released, refused, or its time is over.
fn unlicensed(app: &mut App, now: Ms, says: Says, seen: &mut Seen) -> Right {
    let before = app.says;
    if before.is_some_and(Says::licensed) {
        let released = app.gave_back || app.ended_by.is_some();
        if let Some(least) = app.least.filter(|l| now < *l && !released) {
            let what = format!(
                "says {says:?} at {now} ms after {before:?}; it is licensed until {least} ms, and nobody refused it"
            );
            return Err((4, what));
        }
        seen.ran_out += u64::from(!released && app.least.is_some());
    }
    // Licensed again only by an answer that comes from now on.
    if app.ever_licensed {
        app.at_most(now, 4);
    }
    app.least = None;
    Ok(())
}

/// Time has passed: nobody who can speak still says what is over.
pub(super) fn overdue(m: &Model, no: AppNo) -> Verdict {
    let now = m.now;
    let (Some(app), Some(copy)) = (m.apps.claims.get(&no), m.apps.copies.get(&no.0)) else {
        return Ok(());
    };
    let (Some(says), Some(limit)) = (app.says.filter(|s| s.licensed()), app.limit) else {
        return Ok(());
    };
    if !copy.speaks() {
        return Ok(());
    }
    let who = format_args!("{:?} {:?} ({:?})", app.holder, no.1, no.0);
    if now >= limit + 3 {
        let what = format!("{who} still says {says:?}; its limit was {limit} ms");
        return m.broken(4, what);
    }
    let (by, ended_by) = (app.most_by, app.ended_by);
    if let Some(most) = app.most.filter(|most| limit > *most && now > *most) {
        let what = format!(
            "{who} still says {says:?}; it is licensed until {most} ms at most ({ended_by:?})"
        );
        return m.broken(by, what);
    }
    if let Some(most) = app.most.filter(|most| limit > *most && by == 7) {
        let what = format!(
            "{who} was told that it waits, and says {says:?} with limit {limit} ms; contested it is licensed until {most} ms at most"
        );
        return m.broken(7, what);
    }
    let most = app.held_most;
    if says == Says::Held && now > most && app.held_until.is_none_or(|h| h > most) {
        let heard = if app.heard_waiting {
            "it waits"
        } else {
            "nothing"
        };
        let what = format!(
            "{who} still says Held; that ended at {most} ms at most (heard since: {heard})"
        );
        return m.broken(if by == 7 { 7 } else { 4 }, what);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
