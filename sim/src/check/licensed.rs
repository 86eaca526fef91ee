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

use super::apps::App;
use super::measure::{broken, slack};
use super::model::Model;
use super::{Seen, copies};
use crate::history::{Broken, ClaimNo, CopyNo, LeaseNo, Ms, MsgNo, Reply, Says};

/// Problems that end being licensed.
const LASTING: [&str; 6] = [
    "cloned",
    "revoked",
    "not-entitled",
    "unknown-product",
    "exceeds-seats",
    "version-not-covered",
];

/// An answer reaches a copy.
pub(super) fn heard(
    m: &mut Model,
    (no, claim): (CopyNo, ClaimNo),
    msg: MsgNo,
    reply: &Reply,
    seen: &mut Seen,
) -> Result<(), Broken> {
    let now = m.now;
    let fresh = m.apps.fresh(now, no, claim, msg);
    let Some(sent) = m.apps.sent(msg).cloned() else {
        return Ok(());
    };
    let Some(app) = m.apps.claims.get_mut(&(no, claim)) else {
        return Ok(());
    };
    if app.gave_back || sent.secret != app.secret {
        return Ok(());
    }
    let holder = app.holder;
    let licensed = app.licensed(now);
    match reply {
        Reply::Lease {
            lease,
            lease_for,
            run_for,
        } => {
            let confirmed = super::apps::Confirmed {
                sent: sent.at,
                lease_for: *lease_for,
                lease: *lease,
            };
            app.confirm(confirmed, *run_for, fresh);
        }
        Reply::Waiting { settling, .. } => {
            let (low, high) = sent.contested().unwrap_or_default();
            app.at_least((sent.at + low).saturating_sub(slack(low)));
            if fresh {
                app.ticket_of = sent.run();
                app.heard_waiting = true;
            }
            if fresh && !settling && licensed {
                seen.contested_contacts += 1;
                seen.contested_optimistic += u64::from(app.confirmed.is_none());
                app.at_most(now + high + slack(high), 7);
                app.held_most = app.held_most.min(now + 2);
            }
        }
        Reply::Problem(problem) => {
            if LASTING.contains(problem) {
                app.ended_by = Some(problem);
                app.least = None;
                if fresh && licensed {
                    let by = match *problem {
                        "cloned" => 8,
                        "revoked" => 12,
                        _ => 4,
                    };
                    seen.heard_revoked += u64::from(by == 12);
                    app.at_most(now + 2, by);
                }
            }
        }
        Reply::Released => {}
    }
    if fresh {
        m.apps.look_at(now + 3, no, claim);
    }
    match reply {
        Reply::Problem("cloned") if m.apps.newest(msg) => {
            copies::told(m, holder, "hears", seen)?;
            copies::none_left(m, holder, claim)
        }
        Reply::Lease { .. } if sent.renewal && fresh => copies::renewed(m, no, claim, msg, seen),
        _ => Ok(()),
    }
}

/// What an application is told.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) says: Says,
    pub(super) lease: Option<LeaseNo>,
    pub(super) limit: Option<Ms>,
    pub(super) held_until: Option<Ms>,
}

/// What the application is told changes.
pub(super) fn tells(
    m: &mut Model,
    (no, claim): (CopyNo, ClaimNo),
    told: &Told,
    seen: &mut Seen,
) -> Result<(), Broken> {
    let now = m.now;
    let Some(app) = m.apps.claims.get_mut(&(no, claim)) else {
        return Ok(());
    };
    let holder = app.holder;
    let Told {
        says,
        limit,
        held_until,
        ..
    } = *told;
    let before = app.says;
    let was_licensed = before.is_some_and(Says::licensed);
    let early = app.limit.is_some_and(|l| now + 3 < l);
    if was_licensed && !says.licensed() && early && !app.gave_back && app.ended_by == Some("cloned")
    {
        copies::told(m, holder, "ends what it has by", seen)?;
    }
    let Some(app) = m.apps.claims.get_mut(&(no, claim)) else {
        return Ok(());
    };
    let who = format_args!("{holder:?} {claim:?} ({no:?})");
    let wrong = &|by: u8, what: String| broken(by, now, format!("{who} {what}"));
    seen.told_after_crash += u64::from(app.crashed && says.licensed());
    app.crashed = false;
    if says == Says::Optimistic && before != Some(Says::Optimistic) {
        starts_without_server(app, seen, wrong)?;
    }
    if says == Says::Contested && app.most.is_none() && now + slack(CONTACT) >= app.begun + CONTACT
    {
        // Its machine stood still: the time after which it starts had passed before it read the
        // answer.
        app.heard_waiting = false;
        starts_without_server(app, seen, wrong)?;
        app.heard_waiting = true;
    }
    if says.licensed() {
        licensed(app, now, told, seen, wrong)?;
    } else {
        unlicensed(app, now, says, seen, wrong)?;
    }
    let held_anew = says == Says::Held && (before != Some(Says::Held) || app.lease != told.lease);
    if before != Some(says) {
        app.says_since = now;
    }
    app.says = Some(says);
    app.lease = told.lease;
    app.limit = if says.licensed() { limit } else { None };
    app.held_until = if says == Says::Held { held_until } else { None };
    let limit = app.limit;
    if held_anew && m.apps.copied.contains_key(&holder) {
        m.apps.begin_counting(holder, claim);
    }
    if let Some(limit) = limit {
        m.apps.look_at(limit + 3, no, claim);
    }
    if let Some(until) = held_until.filter(|_| says == Says::Held) {
        m.apps.look_at(until, no, claim);
    }
    Ok(())
}

/// After how long without an answer an application starts that may.
const CONTACT: Ms = 15_000;

/// How a broken promise of this application is told.
type Wrong<'a> = &'a dyn Fn(u8, String) -> Result<(), Broken>;

/// It starts with no server in reach: it may, and from then on its own grace counts.
fn starts_without_server(app: &mut App, seen: &mut Seen, wrong: Wrong<'_>) -> Result<(), Broken> {
    let first = app.most.is_none();
    let from = app.begun + app.max_grace;
    if !app.start_optimistic || app.confirmed.is_some() || app.heard_waiting && first {
        return wrong(
            4,
            format!(
                "starts without a server, which it may not: allowed {}, held before {}, in line before {}",
                app.start_optimistic,
                app.confirmed.is_some(),
                app.heard_waiting
            ),
        );
    }
    if first {
        app.most = Some(from + slack(app.max_grace));
        app.least = Some(from.saturating_sub(slack(app.max_grace)));
        seen.optimistic_starts += 1;
    }
    Ok(())
}

/// It says that it is licensed: not beyond what an answer allows, and not short of it.
fn licensed(
    app: &mut App,
    now: Ms,
    told: &Told,
    seen: &mut Seen,
    wrong: Wrong<'_>,
) -> Result<(), Broken> {
    let Told {
        says,
        limit,
        held_until,
        ..
    } = *told;
    let before = app.says;
    let Some(limit) = limit else {
        return wrong(4, format!("says {says:?} without a limit"));
    };
    let Some(most) = app.most else {
        return wrong(
            4,
            format!("says {says:?}, and was never answered with a lease"),
        );
    };
    if limit > most || now > most {
        return wrong(
            app.most_by,
            format!(
                "says {says:?} at {now} ms with limit {limit} ms, which cannot be after {most} ms; last answered with a lease: {:?}, \
                 begun at {} ms, own grace {} ms",
                app.confirmed, app.begun, app.max_grace
            ),
        );
    }
    if let Some(least) = app.least.filter(|l| limit < *l) {
        return wrong(
            4,
            format!(
                "says {says:?} with limit {limit} ms, before {least} ms, until which it is licensed; last answered with a lease: {:?}",
                app.confirmed
            ),
        );
    }
    if app.gave_back {
        return wrong(4, format!("says {says:?} after it gave back"));
    }
    if says == Says::Held {
        let until = held_until.unwrap_or(Ms::MAX);
        if app.confirmed.is_none_or(|c| Some(c.lease) != told.lease) && before != Some(says) {
            return wrong(
                4,
                format!(
                    "says Held for {:?}; it was answered with {:?}",
                    told.lease, app.confirmed
                ),
            );
        }
        if until > app.held_most || now > app.held_most {
            return wrong(
                if app.heard_waiting && app.most_by == 7 {
                    7
                } else {
                    4
                },
                format!(
                    "says Held until {until} ms; by the sending of its last request that was answered with a lease that cannot be \
                     after {} ms ({:?})",
                    app.held_most, app.confirmed
                ),
            );
        }
    }
    app.ever_licensed = true;
    seen.in_grace += u64::from(says == Says::Grace && before != Some(Says::Grace));
    Ok(())
}

/// It says that it is not licensed (any more): it was released, refused, or its time is over.
fn unlicensed(
    app: &mut App,
    now: Ms,
    says: Says,
    seen: &mut Seen,
    wrong: Wrong<'_>,
) -> Result<(), Broken> {
    let before = app.says;
    let was_licensed = before.is_some_and(Says::licensed);
    if was_licensed {
        let released = app.gave_back || app.ended_by.is_some();
        if let Some(least) = app.least.filter(|l| now < *l && !released) {
            return wrong(
                4,
                format!(
                    "says {says:?} at {now} ms after {before:?}; it is licensed until {least} ms, and nobody refused it"
                ),
            );
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
pub(super) fn overdue(m: &Model, no: CopyNo, claim: ClaimNo) -> Result<(), Broken> {
    let now = m.now;
    let (Some(app), Some(copy)) = (m.apps.claims.get(&(no, claim)), m.apps.copies.get(&no)) else {
        return Ok(());
    };
    let (Some(says), Some(limit)) = (app.says.filter(|s| s.licensed()), app.limit) else {
        return Ok(());
    };
    if !copy.speaks() {
        return Ok(());
    }
    let who = format_args!("{:?} {claim:?} ({no:?})", app.holder);
    if now >= limit + 3 {
        return broken(
            4,
            now,
            format!("{who} still says {says:?}; its limit was {limit} ms"),
        );
    }
    if let Some(most) = app.most.filter(|most| limit > *most && now > *most) {
        return broken(
            app.most_by,
            now,
            format!(
                "{who} still says {says:?}; it is licensed until {most} ms at most ({:?})",
                app.ended_by
            ),
        );
    }
    if let Some(most) = app.most.filter(|most| limit > *most && app.most_by == 7) {
        return broken(
            7,
            now,
            format!(
                "{who} was told that it waits, and says {says:?} with limit {limit} ms; contested it is licensed until {most} ms at most"
            ),
        );
    }
    if says == Says::Held && now > app.held_most && app.held_until.is_none_or(|h| h > app.held_most)
    {
        return broken(
            if app.most_by == 7 { 7 } else { 4 },
            now,
            format!(
                "{who} still says Held; that ended at {} ms at most (heard since: {})",
                app.held_most,
                if app.heard_waiting {
                    "it waits"
                } else {
                    "nothing"
                }
            ),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
