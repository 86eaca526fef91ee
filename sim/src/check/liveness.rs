//! Promise 10: after faults stop, within Q + 2D each claim is `Held` or waits behind a full pool.
//!
//! Judged when the history ends, if it ends late enough. Left out: claims given back (by any copy),
//! told a lasting refusal (or asking for more than there is), or begun in the last 2D; those of a
//! copied holder of which another copy began the claim anew; and those granted in the last D, whose
//! holder may not know yet. Waiting behind a full pool: it does not fit into what is free, or one
//! before it in line that is alive does not; or a seat policy keeps it back.

use super::Seen;
use super::apps::{App, AppNo};
use super::measure::Verdict;
use super::model::{Lease, Model, Stand};
use super::owners::{How, Shares, is_possible};
use super::queue::Key;
use crate::history::{LeaseNo, Ms, Reclaim, Says};

/// The history ends.
pub(super) fn end(m: &Model, faults_end: Option<Ms>, seen: &mut Seen) -> Verdict {
    let d = m.run.lease_for;
    let Some(since) = faults_end else {
        return Ok(());
    };
    let from = since.max(m.run.started);
    if m.now < from + m.run.settling() + 2 * d || !m.run.up {
        return Ok(());
    }
    let mut all: Vec<AppNo> = m.apps.claims.keys().copied().collect();
    all.sort_unstable();
    all.into_iter().try_for_each(|no| judge(m, no, seen))
}

fn judge(m: &Model, no: AppNo, seen: &mut Seen) -> Verdict {
    let d = m.run.lease_for;
    let (Some(app), Some(copy)) = (m.apps.claims.get(&no), m.apps.copies.get(&no.0)) else {
        return Ok(());
    };
    let refused = app.ended_by.is_some()
        || app.says == Some(Says::Refused)
        || !is_possible(m, app.holder, &app.items);
    if !copy.speaks() || m.apps.given_back(app) || refused || m.now < app.begun + 2 * d {
        return Ok(());
    }
    seen.judged_at_end += 1;
    if app.held(m.now) {
        return Ok(());
    }
    let what = format!("{:?} {:?} says {:?} at the end", app.holder, no.1, app.says);
    let Some(lease) = m.live(app.of()).next() else {
        // What the license can never grant is refused, and told at the next contact.
        let its = m.leases.values().filter(|l| l.of == app.of());
        if app.says == Some(Says::Lost)
            && its.clone().any(|l| !is_possible(m, app.holder, &l.items))
        {
            return Ok(());
        }
        // Its seats have ended, and so has its stranded lease: it asks again within D.
        let mut asked = its.filter(|l| m.now <= l.asked + d);
        let seats_end = m.license.dates.iter().any(|(_, end)| end.is_some());
        if app.says == Some(Says::Lost) && seats_end && asked.next().is_some() {
            return Ok(());
        }
        return m.broken(10, format!("{what}, and the books do not have it"));
    };
    let Some(l) = m.leases.get(&lease) else {
        return Ok(());
    };
    // An earlier claim of this name, of which nobody knows the secret any more, has to lapse first.
    let seated = m.stand(lease) == Stand::Seat;
    let lapses = seated && m.now <= m.latest_end(l);
    if l.secret != Some(app.secret) && (lapses || m.apps.copied.contains_key(&app.holder)) {
        return Ok(());
    }
    // It runs on under its grace, or did: promise 16.
    if seated && m.is_stranded(lease) {
        return Ok(());
    }
    if !seated {
        return waits_rightly(m, app, lease, l, seen).or_else(|why| m.broken(10, what + &why));
    }
    let may_not_know = !matches!(app.says, Some(Says::Grace | Says::Lost));
    if may_not_know && m.now <= l.maybe + d {
        return Ok(());
    }
    let since = l.maybe;
    let what = format!("{what}, though {lease:?} has its seats since before {since} ms");
    m.broken(10, what)
}

/// A claim in line says so, asks, and waits behind a full pool.
fn waits_rightly(
    m: &Model,
    app: &App,
    lease: LeaseNo,
    l: &Lease,
    seen: &mut Seen,
) -> Result<(), String> {
    let d = m.run.lease_for;
    let just_lost = app.says == Some(Says::Lost) && m.now <= app.says_since + d;
    if !just_lost && !matches!(app.says, Some(Says::Waiting | Says::Contested)) {
        return Err(format!(", though the server has {lease:?} in line"));
    }
    let asked = l.alive;
    if m.now > asked + d + 2000 {
        return Err(format!(", and did not ask since {asked} ms (D is {d})"));
    }
    seen.waits_at_end += 1;
    let withheld = m.run.reclaim == Reclaim::Confirmed && !m.run.roster_done;
    if withheld || !m.fits(&l.items) {
        return Ok(());
    }
    if is_held_back(m, lease) {
        return Ok(());
    }
    let before = |k: &&Key| l.key.is_none_or(|key| **k < key);
    let line = m.queues.all().iter().take_while(before);
    let blocked = line.filter_map(|k| m.leases.get(&k.lease)).any(|before| {
        !m.surely_dead(before)
            && m.could_fit(&before.items)
            && before.pools.iter().any(|p| l.pools.contains(p))
    });
    // An unknown arrival: somebody of the same rank may be before it.
    if blocked || m.queues.unsure() {
        return Ok(());
    }
    let (items, used, pools) = (&l.items, &m.run.used, &m.license.pools);
    Err(format!(
        " for {items:?}; {lease:?} fits into what is free (used {used:?} of {pools:?}) and nobody before it shares a pool"
    ))
}

/// Whether the policy may keep it from its seats.
fn is_held_back(m: &Model, lease: LeaseNo) -> bool {
    Shares::of(m).is_some_and(|shares| {
        let w = shares.line.iter().find(|w| w.no == lease);
        w.is_none_or(|w| {
            w.held_back(How::Maybe) || shares.is_unsure(w) || !shares.can_be_granted(m, w)
        })
    })
}

#[cfg(test)]
mod tests;
