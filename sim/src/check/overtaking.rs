//! Promise 5: no claim is granted while a better-ranked one that shares a pool waits; and a waiting
//! claim is granted in the step in which it can be.
//!
//! Better-ranked: a contested claim that was once `Held` (it proves that with its token); then
//! priority; then arrival. The design leaves open how contested claims stand among themselves: as
//! all others, by priority and arrival. A claim shares a pool with a grant if any alternative of
//! its products draws on a pool that the grant draws on.
//!
//! Arrival is the first time that the books had the claim in line. A ticket keeps it over a
//! restart, if it is shown within Q. For a claim that left the line and came back, or came back
//! later, arrival says nothing here (`fuzzy`).
//!
//! Where a seat policy is in force, who passes whom, and who can be granted, is in `turns`.
//!
//! Nobody waits behind the dead: a claim that was not asked for within D neither blocks nor is
//! granted.

use super::Seen;
use super::authority;
use super::measure::Verdict;
use super::model::{Change, Model, Step};
use super::owners::Shares;
use super::queue::Key;
use super::turns;
use crate::history::{Index, MsgNo, Reclaim, Reply};

/// A claim is answered that it waits: its place is not worse than those before it make it. Promise
/// 6 if it was there before.
pub(super) fn answered(
    m: &Model,
    step: &Step,
    msg: MsgNo,
    reply: &Reply,
    seen: &mut Seen,
) -> Verdict {
    let Reply::Waiting { lease, place, .. } = reply else {
        return Ok(());
    };
    let Some(key) = m.leases.get(lease).and_then(|l| l.key) else {
        let what = format!(
            "{lease:?} is told that it waits at place {place}; the books do not have it in line"
        );
        return m.broken(6, what);
    };
    let Some(most) = m.queues.place(&key) else {
        return Ok(());
    };
    seen.places += 1;
    if (1..=most).contains(&(*place as usize)) {
        return Ok(());
    }
    let message = step.message().filter(|c| c.msg == msg);
    let again = message.is_some_and(|c| c.before.is_some());
    let what = format!(
        "{lease:?} is told place {place}; by rank (contested, priority, arrival) it is at {most} of {}",
        m.queues.all().len()
    );
    m.broken(if again { 6 } else { 5 }, what)
}

/// At the end of a step: nobody was passed over, and nobody waits for free seats.
pub(super) fn step_end(m: &mut Model, step: &Step, seen: &mut Seen) -> Verdict {
    turns::step_end(m, step)?;
    for change in step.grants() {
        granted(m, step, change, seen)?;
    }
    if !m.run.up || m.run.frozen || !authority::may_grant(m) || !m.run.settled {
        return Ok(());
    }
    let roster_missing = m.run.reclaim == Reclaim::Confirmed && !m.run.roster_done;
    if roster_missing && m.run.longest_before > 0 {
        return Ok(());
    }
    let touched = std::mem::take(&mut m.queues.touched);
    if let Some(shares) = Shares::of(m).filter(|_| !touched.is_empty()) {
        return turns::can_be_granted(m, &shares, seen);
    }
    if m.run.policy.is_some() {
        return Ok(());
    }
    touched
        .into_iter()
        .try_for_each(|pool| can_be_granted(m, pool, seen))
}

fn granted(m: &Model, step: &Step, change: &Change, seen: &mut Seen) -> Verdict {
    let (Some(lease), Some(key)) = (m.leases.get(&change.lease), change.rank) else {
        return Ok(());
    };
    let asks = step.message().is_some_and(|c| c.of == lease.of);
    if change.was.in_line() {
        seen.granted_from_line += 1;
        if !asks && m.surely_dead(lease) {
            let what = format!(
                "{change} is granted though nobody asked for it since {} ms (D is {})",
                lease.asked, m.run.lease_for
            );
            return m.broken(5, what);
        }
    }
    for &(pool, _) in &lease.draws {
        let line = m.queues.pool(pool);
        seen.granted_before_others += u64::from(line.last().is_some_and(|last| *last > key));
        if m.run.policy.is_some() {
            continue;
        }
        for waits in line.iter().take_while(|k| **k < key) {
            let Some(w) = m.leases.get(&waits.lease) else {
                continue;
            };
            if waits.lease == change.lease
                || !m.is_better(waits, &key)
                || !m.surely_alive(w)
                || m.run.revoked.contains(&w.holder())
                || !m.could_fit(&w.items)
            {
                continue;
            }
            let what = format!(
                "{change} (priority {}, {key:?}) is granted seats of pool {pool} while {:?} of {:?} (priority {}, \
                 {waits:?}, asked for at {} ms) waits, is better-ranked and shares the pool",
                lease.priority,
                waits.lease,
                w.holder(),
                w.priority,
                w.alive
            );
            return m.broken(5, what);
        }
    }
    Ok(())
}

/// The first in line for a pool that is not surely dead; `None` if it is not sure who that is.
fn head(m: &Model, pool: Index) -> Option<Key> {
    let line = m.queues.pool(pool);
    for (i, key) in line.iter().enumerate() {
        let lease = m.leases.get(&key.lease)?;
        if m.surely_dead(lease) || m.run.revoked.contains(&lease.holder()) {
            continue;
        }
        // Somebody whose arrival is unknown may be before it.
        let unsure = m.queues.fuzzy > 0
            && line
                .iter()
                .skip(i + 1)
                .take_while(|k| (k.class, k.rank) == (key.class, key.rank))
                .any(|k| !m.is_better(key, k));
        if unsure {
            return None;
        }
        return (m.surely_alive(lease) && m.could_fit(&lease.items)).then_some(*key);
    }
    None
}

fn can_be_granted(m: &Model, pool: Index, seen: &mut Seen) -> Verdict {
    let Some(key) = head(m, pool) else {
        return Ok(());
    };
    let Some(lease) = m.leases.get(&key.lease) else {
        return Ok(());
    };
    if !lease.pools.iter().all(|p| head(m, *p) == Some(key)) {
        return Ok(());
    }
    if !m.fits(&lease.items) {
        seen.head_waits_for_seats += 1;
        return Ok(());
    }
    let what = format!(
        "{:?} of {:?} for {:?} is first in line and fits into what is free (used {:?} of {:?}), and is not granted",
        key.lease, lease.of.0, lease.items, m.run.used, m.license.pools
    );
    m.broken(5, what)
}

#[cfg(test)]
mod tests;
