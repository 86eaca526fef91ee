//! Promise 16: seats begin and end on their day, by the server's wall clock.
//!
//! Of a pool that has not begun or has ended nothing is granted and nothing renewed. A lease whose
//! seats come from one that has ended moves to other pools of its products, all of it, if there is
//! room; then it is counted there, and there alone. That who waits gets what begins is promise 5.
//!
//! Room: what nobody has, and what it has itself in pools that are there. A run that may not grant
//! moves nothing.

use super::Seen;
use super::authority;
use super::demand;
use super::measure::Verdict;
use super::model::{Change, Model, Stand, Step, of};
use super::seats;
use crate::history::{Index, LeaseNo, Reclaim};

/// The server answers with a lease.
pub(super) fn answered(m: &Model, no: LeaseNo) -> Verdict {
    let Some(lease) = m.leases.get(&no).filter(|_| m.is_stranded(no)) else {
        return Ok(());
    };
    let (draws, dates, wall) = (&lease.draws, &m.license.dates, m.wall());
    let what = format!(
        "the server answers with {no:?}, which draws {draws:?}; of pools with the dates {dates:?} that is not there at {wall}"
    );
    m.broken(16, what)
}

/// Before a step is judged: where pools began or ended, everybody who waits is looked at.
pub(super) fn step_begins(m: &mut Model) {
    if m.license.dates.is_empty() {
        return;
    }
    let pools = m.license.pools.len();
    let open: Vec<bool> = (0..pools).map(|p| m.is_open(p)).collect();
    if open != m.were_open {
        m.were_open = open;
        m.queues.touch_all(pools);
    }
}

/// At the end of a step: who has moved is within the seats, and who could has.
///
/// Each change of a step is told with what its lease draws in the end: seats that others gave back
/// in the same step, as of a server that stood still, may be told of later.
pub(super) fn step_end(m: &Model, step: &Step, seen: &mut Seen) -> Verdict {
    for change in step.changes.iter().filter(|c| c.moved) {
        moved(m, change, seen)?;
    }
    could_move(m, seen)
}

fn moved(m: &Model, change: &Change, seen: &mut Seen) -> Verdict {
    seen.moved += 1;
    let seated = m.stand(change.lease) == Stand::Seat;
    let Some(lease) = m.leases.get(&change.lease).filter(|_| seated) else {
        return Ok(());
    };
    let (items, draws) = (&lease.items, &lease.draws);
    if !demand::matches(&m.license, items, draws) || m.is_stranded(change.lease) {
        let what = format!(
            "{change} for {items:?} moves, and draws {draws:?} now: not what these products draw from pools that are there"
        );
        return m.broken(16, what);
    }
    for &(pool, _) in draws {
        let (used, cap) = (of(&m.run.used, pool), m.cap(pool));
        if used > cap {
            let what = format!(
                "{change} moves: now the books have {used} of the {cap} seats of pool {pool} taken"
            );
            return m.broken(1, what);
        }
        seats::within(m, pool, &format!("{change} moves"))?;
    }
    Ok(())
}

fn could_move(m: &Model, seen: &mut Seen) -> Verdict {
    let open = |p: &Index| m.is_open(*p);
    let pools = 0..m.license.dates.len();
    seen.pools_begun += u64::from(
        m.license
            .dates
            .iter()
            .any(|d| d.0.is_some_and(|t| t <= m.wall())),
    );
    let missing = m.run.reclaim == Reclaim::Confirmed && !m.run.roster_done;
    let settles = !m.run.settled || missing && m.run.longest_before > 0;
    if settles
        || !m.run.up
        || m.run.frozen
        || pools.clone().all(|p| open(&p))
        || !authority::may_grant(m)
    {
        return Ok(());
    }
    for (claim, no) in m.live.values().flatten() {
        let Some(l) = m.leases.get(no).filter(|_| m.is_stranded(*no)) else {
            continue;
        };
        let left = m.run.revoked.contains(&l.holder()) || m.is_taken_back(l);
        if m.stand(*no) != Stand::Seat || left {
            continue;
        }
        seen.stranded += 1;
        let own = |pool| -> u64 {
            let of_it = l.draws.iter().filter(|d| d.0 == pool);
            of_it.map(|d| u64::from(d.1)).sum()
        };
        let others: Vec<u64> = (0..m.license.pools.len())
            .map(|p| of(&m.run.used, p).saturating_sub(own(p)))
            .collect();
        if m.fits_beside(&others, &l.items) {
            let (items, draws, used) = (&l.items, &l.draws, &m.run.used);
            let what = format!(
                "{no:?} of {claim:?} for {items:?} stays with {draws:?}, though there is room elsewhere (used {used:?})"
            );
            return m.broken(16, what);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
