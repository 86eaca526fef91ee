//! Promise 10: after faults stop, within Q + 2D each claim is `Held` or waits behind a full pool.
//!
//! Judged when the history ends, if it ends late enough. Left out: claims given back (by any copy),
//! told a lasting refusal (or asking for more than there is), or begun in the last 2D; those of a
//! copied holder of which another copy began the claim anew; and those granted in the last D, whose
//! holder may not know yet. Waiting behind a full pool: it does not fit into what is free, or one
//! before it in line that is alive does not.

use super::Seen;
use super::apps::App;
use super::measure::broken;
use super::model::{Lease, Model, Stand};
use crate::history::{Broken, ClaimNo, CopyNo, LeaseNo, Ms, Reclaim, Says};

/// The history ends.
pub(super) fn end(m: &Model, faults_end: Option<Ms>, seen: &mut Seen) -> Result<(), Broken> {
    let d = m.run.lease_for;
    let Some(since) = faults_end else {
        return Ok(());
    };
    let from = since.max(m.run.started);
    if m.now < from + m.run.settling() + 2 * d || !m.run.up {
        return Ok(());
    }
    let mut all: Vec<(CopyNo, ClaimNo)> = m.apps.claims.keys().copied().collect();
    all.sort_unstable();
    for (copy, claim) in all {
        judge(m, copy, claim, seen)?;
    }
    Ok(())
}

fn judge(m: &Model, no: CopyNo, claim: ClaimNo, seen: &mut Seen) -> Result<(), Broken> {
    let d = m.run.lease_for;
    let (Some(app), Some(copy)) = (m.apps.claims.get(&(no, claim)), m.apps.copies.get(&no)) else {
        return Ok(());
    };
    let refused =
        app.ended_by.is_some() || app.says == Some(Says::Refused) || !m.could_fit(&app.items);
    if !copy.speaks() || m.apps.given_back(app) || refused || m.now < app.begun + 2 * d {
        return Ok(());
    }
    seen.judged_at_end += 1;
    if app.held(m.now) {
        return Ok(());
    }
    let what = format!("{:?} {claim:?} says {:?} at the end", app.holder, app.says);
    let Some(lease) = m.live(app.holder, claim).next() else {
        // What the license can never grant is refused, and told at the next contact.
        let mut its = m
            .leases
            .values()
            .filter(|l| (l.holder, l.claim) == (app.holder, claim));
        if app.says == Some(Says::Lost) && its.any(|l| !m.could_fit(&l.items)) {
            return Ok(());
        }
        return broken(10, m.now, format!("{what}, and the books do not have it"));
    };
    let Some(l) = m.leases.get(&lease) else {
        return Ok(());
    };
    // An earlier claim of this name, of which nobody knows the secret any more, has to lapse first.
    let lapses = m.stand(lease) == Stand::Seat && m.now <= m.latest_end(l);
    if l.secret != Some(app.secret) && (lapses || m.apps.copied.contains_key(&app.holder)) {
        return Ok(());
    }
    if m.stand(lease) == Stand::Seat {
        let may_not_know = !matches!(app.says, Some(Says::Grace | Says::Lost));
        if may_not_know && m.now <= l.maybe + d {
            return Ok(());
        }
        return broken(
            10,
            m.now,
            format!(
                "{what}, though {lease:?} has its seats since before {} ms",
                l.maybe
            ),
        );
    }
    waits_rightly(m, app, lease, l, &what, seen)
}

/// A claim in line says so, asks, and waits behind a full pool.
fn waits_rightly(
    m: &Model,
    app: &App,
    lease: LeaseNo,
    l: &Lease,
    what: &str,
    seen: &mut Seen,
) -> Result<(), Broken> {
    let d = m.run.lease_for;
    let just_lost = app.says == Some(Says::Lost) && m.now <= app.says_since + d;
    if !just_lost && !matches!(app.says, Some(Says::Waiting | Says::Contested)) {
        return broken(
            10,
            m.now,
            format!("{what}, though the server has {lease:?} in line"),
        );
    }
    if m.now > l.alive + d + 2000 {
        return broken(
            10,
            m.now,
            format!("{what}, and did not ask since {} ms (D is {d})", l.alive),
        );
    }
    seen.waits_at_end += 1;
    let withheld = m.run.reclaim == Reclaim::Confirmed && !m.run.roster_done;
    if withheld || !m.fits(&l.items) {
        return Ok(());
    }
    let key = l.key;
    let blocked = m
        .queues
        .all()
        .iter()
        .take_while(|k| key.is_none_or(|key| **k < key))
        .filter_map(|k| m.leases.get(&k.lease))
        .any(|before| {
            !m.surely_dead(before)
                && m.could_fit(&before.items)
                && before.pools.iter().any(|p| l.pools.contains(p))
        });
    // An unknown arrival: somebody of the same rank may be before it.
    let fuzzy = m.queues.unsure();
    if blocked || fuzzy {
        return Ok(());
    }
    broken(
        10,
        m.now,
        format!(
            "{what} for {:?}; {lease:?} fits into what is free (used {:?} of {:?}) and nobody before it shares a pool",
            l.items, m.run.used, m.license.pools
        ),
    )
}

#[cfg(test)]
mod tests;
