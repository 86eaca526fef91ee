//! Promise 3: what a restart keeps. Nothing new is granted before Q; each lease is taken in at most
//! once, unexpired, with its secret, within the seats; a holder that arrives within its lease stays
//! `Held`, with the same id; places in line come back with tickets.
//!
//! Q may end early: once every seat of a pool was taken at one moment (then no earlier lease from
//! that pool is out there), or once each holder on a roster was in the books or gone. Under
//! `Confirmed` seats of an earlier run may also be held by pods that are silent: nothing new is
//! granted before such an early end, or the grace. How long a token lives: D + M from its answer;
//! under `Confirmed`, where its seat waits for it, the grace.

use super::Seen;
use super::authority;
use super::measure::{Verdict, margin, slack};
use super::model::{Change, Message, Model, Stand, Step};
use crate::history::{Msg, Reclaim, Reply, RunNo};

/// A lease is booked.
pub(super) fn booked(m: &Model, step: &Step, change: &Change, seen: &mut Seen) -> Verdict {
    let (Some(lease), true) = (m.leases.get(&change.lease), change.seated()) else {
        return Ok(());
    };
    if change.ended_before == m.run.no {
        let what = format!("{change} has a seat again, after it had ended in this run");
        return m.broken(3, what);
    }
    // A lease of an earlier run comes back by its token only; out of the line it is granted anew.
    if change.seated_before == RunNo(0) || change.was.in_line() && !change.taken_in {
        return Ok(());
    }
    let claim = step
        .message()
        .filter(|c| change.taken_in && c.of == lease.of);
    let Some(Msg::Claim {
        secret,
        shows_secret,
        ..
    }) = claim.map(|c| &c.what)
    else {
        let what = format!(
            "{change}, a lease of {:?}, has a seat again though nobody showed its token",
            change.seated_before
        );
        return m.broken(3, what);
    };
    if !shows_secret || lease.secret != Some(*secret) {
        let what = format!(
            "{change} is taken in without its secret (shown: {shows_secret}, {secret:?}; it is {:?})",
            lease.secret
        );
        return m.broken(11, what);
    }
    // Behind a clock that is behind, the holder's word alone tells the age: as of its sending.
    let told = claim.filter(|_| m.run.skewed);
    let at = told.map_or(m.now, |c| m.apps.sent_at(c.msg));
    if m.expired_at(lease, at) {
        let (answered, d) = lease.longest.unwrap_or_default();
        let what = format!(
            "{change} is taken in with an expired token: the longest was answered at {answered} ms, for {d} ms"
        );
        return m.broken(3, what);
    }
    seen.taken_in += 1;
    Ok(())
}

/// At the end of a step.
pub(super) fn step_end(m: &Model, step: &Step, seen: &mut Seen) -> Verdict {
    for change in step.grants() {
        not_before_q(m, change)?;
    }
    let (run, q, since) = (m.run.no, m.run.settling(), m.now - m.run.started);
    if step.settled && m.run.before_q(m.now) && !m.run.roster_done && !m.run.all_full() {
        let what = format!(
            "{run:?} ends settling {since} ms after its start; Q is {q} ms, not every seat was taken, no roster was complete"
        );
        return m.broken(3, what);
    }
    let late = (m.run.started + q + 1000 + slack(q)).max(m.run.thawed);
    if m.run.up && !m.run.settled && m.run.reclaim == Reclaim::Any && m.now > late {
        let what = format!("{run:?} still settles {since} ms after its start; Q is {q} ms");
        return m.broken(3, what);
    }
    let Some(message) = step.message() else {
        return Ok(());
    };
    stays_held(m, step, message, seen)?;
    keeps_its_place(m, step, message, seen)?;
    if m.run.before_q(m.now)
        && let Some(Reply::Waiting {
            lease,
            settling: true,
            ..
        }) = step.reply()
    {
        let lease = m.leases.get(lease);
        seen.held_back_settling += u64::from(lease.is_some_and(|l| m.fits(&l.items)));
    }
    Ok(())
}

fn not_before_q(m: &Model, change: &Change) -> Verdict {
    let Some(lease) = m.leases.get(&change.lease) else {
        return Ok(());
    };
    let run = &m.run;
    if run.longest_before == 0
        || run.roster_done
        || run.all_full()
        || lease.draws.iter().all(|(pool, _)| run.was_full(*pool))
    {
        return Ok(());
    }
    let since = m.now - run.started;
    let granted = || {
        format!(
            "{change} is granted {since} ms after the start of {:?}",
            run.no
        )
    };
    if run.before_q(m.now) {
        let what = format!(
            "{}; before Q ({} ms, from the longest earlier lease of {} ms) holders of earlier leases may still come",
            granted(),
            run.settling(),
            run.longest_before
        );
        return m.broken(3, what);
    }
    let silence = run.grace.1.max(run.longest_before);
    let until = run.started + silence + margin(run.longest_before);
    if run.reclaim == Reclaim::Confirmed && m.now + slack(silence) < until {
        let why = if run.rosters.is_empty() {
            "no roster came"
        } else {
            "holders on the roster are neither in nor gone"
        };
        return m.broken(3, format!("{}, under Confirmed: {why}", granted()));
    }
    Ok(())
}

/// A holder that arrives within its lease, at a server that settles, stays `Held`.
fn stays_held(m: &Model, step: &Step, message: &Message, seen: &mut Seen) -> Verdict {
    let Msg::Claim {
        items,
        secret,
        shows_secret: true,
        held: Some(no),
        held_sent,
        ..
    } = &message.what
    else {
        return Ok(());
    };
    let Some(lease) = m.leases.get(no) else {
        return Ok(());
    };
    // Without its holder's word another machine does not know how old it is.
    let knows_age = !m.run.moved || held_sent.is_some();
    let holder = message.of.0;
    let taken_in = lease.taken_in == m.run.no;
    let within = m.apps.of_claim(message.of).any(|(_, copy, app)| {
        copy.runs() && app.lease == Some(*no) && app.held(m.now) && app.secret == *secret
    });
    seen.stayed_held += u64::from(within && taken_in);
    seen.came_too_late += u64::from(!within && !taken_in);
    let sent = m.apps.sent_at(message.msg);
    let due = within
        && !m.run.skewed
        && knows_age
        && m.run.before_q(m.now)
        && message.before.is_none_or(|(_, stand)| stand.in_line())
        && lease.answered.is_some_and(|(t, _)| t <= sent)
        && lease.seated_in != m.run.no
        && lease.seat_ended_in != lease.seated_in
        && lease.secret == Some(*secret)
        && lease.items == *items
        && lease.epoch == m.epoch
        && lease.of == message.of
        && authority::may_grant(m)
        && !m.run.revoked.contains(&holder)
        && !m.run.gone.contains(&holder)
        && !m.apps.copied.contains_key(&holder)
        // What it drew: a copy of another holder, with an older lease, may have come back to that,
        // and other seats are not given out before Q.
        && !m.is_stranded(*no)
        && m.has_free(&lease.draws);
    let stays = matches!(step.reply(), Some(Reply::Lease { lease, .. }) if lease == no);
    if due && !stays {
        let (run, answered, reply) = (m.run.no, lease.answered, step.reply());
        let what = format!(
            "{holder:?} arrives at {run:?} within its lease {no:?} (answered at, for: {answered:?} ms), with token and secret, and there is \
             room; it is answered {reply:?}"
        );
        return m.broken(3, what);
    }
    Ok(())
}

/// A claim that was in line at the crash and shows its ticket is the same one again.
fn keeps_its_place(m: &Model, step: &Step, message: &Message, seen: &mut Seen) -> Verdict {
    let Msg::Claim {
        items,
        secret,
        shows_secret: true,
        held: None,
        ticket: Some(no),
        ..
    } = &message.what
    else {
        return Ok(());
    };
    let Some(lease) = m.leases.get(no) else {
        return Ok(());
    };
    let stand = m.stand(*no);
    let came = message.before.is_none() && stand.live();
    seen.came_with_ticket += u64::from(came);
    seen.passed_over_restart += u64::from(came && lease.passed.0.is_some());
    if stand != Stand::Absent
        || message.before.is_some()
        || !lease.in_line_at_crash
        || !m.run.before_q(m.now)
        || lease.secret != Some(*secret)
        || lease.items != *items
        || lease.of != message.of
    {
        return Ok(());
    }
    if let Some(other) = m.live(message.of).next() {
        let (holder, reply) = (message.of.0, step.reply());
        let what = format!(
            "{holder:?} was in line as {no:?} before the restart, and shows that ticket with its secret; now it is {other:?} (answer {reply:?})"
        );
        return m.broken(3, what);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
