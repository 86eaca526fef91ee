//! Promise 5 where a seat policy is in force: who is held back stands in nobody's way but of those
//! who wait for the same limit, and who may have seats that are free has them in that step.
//!
//! Where the policy has weights, the order of two groups of one priority is judged by what they
//! have for their weight as the grant is made, and only if it is sure that no seats gathered for
//! who was granted: a claim is said to gather from the first step on in which nobody who waited
//! stood before it for sure. A claim that could be granted but for others of its priority and of
//! another group is not asked for then.

use super::Seen;
use super::measure::Verdict;
use super::model::{Model, Step};
use super::owners::{How, Limit, Shares, Waits};
use crate::history::{Index, LeaseNo};

/// A claim is about to be granted these: who is passed over, and must not be if it still waits when
/// the step is over.
pub(super) fn passes(
    m: &Model,
    shares: &Shares,
    no: LeaseNo,
    draws: &[(Index, u32)],
    seen: &mut Seen,
) -> Vec<(LeaseNo, String)> {
    let Some(granted) = shares.line.iter().find(|w| w.no == no) else {
        return Vec::new();
    };
    let drawn = |w: &&Waits| w.no != no && w.shares(draws.iter().map(|d| d.0));
    let turn = m.leases.get(&no).is_none_or(|l| l.gathered);
    let mut passed = Vec::new();
    for waits in shares.line.iter().filter(drawn) {
        if !waits.alive || !shares.is_before(m, waits, granted, turn) {
            continue;
        }
        let by_weight = (waits.key.class, waits.key.rank) == (granted.key.class, granted.key.rank)
            && (waits.tenant, &waits.pools) != (granted.tenant, &granted.pools)
            && shares.weights.is_some();
        seen.by_weight += u64::from(by_weight);
        let why = if !waits.held_back(How::Maybe) {
            "is not held back by the policy".to_owned()
        } else if let Some(limit) = stands_before(shares, waits, granted, draws) {
            format!("waits for {limit:?}, as it does itself")
        } else {
            seen.passed_held_back += 1;
            continue;
        };
        let what = format!(
            "{no:?} of group {} ({:?}) is granted {draws:?} while {:?} of group {} ({:?}) waits, is better-ranked, shares a \
             pool and {why}",
            granted.tenant, granted.key, waits.no, waits.tenant, waits.key
        );
        passed.push((waits.no, what));
    }
    passed
}

/// The limit for which one who is held back stands before another, if it does for sure.
fn stands_before(
    shares: &Shares,
    held: &Waits,
    other: &Waits,
    draws: &[(Index, u32)],
) -> Option<Limit> {
    let stands = |limit: &&Limit| match **limit {
        Limit::Max(tenant, pool) => tenant == other.tenant && draws.iter().any(|(p, _)| *p == pool),
        Limit::Kept(pool) => draws.iter().any(|(p, n)| {
            let has = shares.has(other.tenant, pool);
            *p == pool && has + u64::from(*n) > shares.owned(other.tenant, pool)
        }),
    };
    held.lacks.iter().find(stands).copied()
}

/// At the end of a step: who could have seats has them.
pub(super) fn can_be_granted(m: &Model, shares: &Shares, seen: &mut Seen) -> Verdict {
    let mut blocked: Vec<Index> = Vec::new();
    for w in &shares.line {
        let free_to_go = w.alive && !shares.is_unsure(w) && !w.shares(blocked.iter().copied());
        if free_to_go && !w.held_back(How::Maybe) {
            if shares.can_be_granted(m, w) {
                let what = format!(
                    "{:?} of group {} for {:?} fits into what is free (used {:?} of {:?}) and the policy leaves to its group, nobody \
                     stands before it, and it is not granted",
                    w.no, w.tenant, w.items, m.run.used, m.license.pools
                );
                return m.broken(5, what);
            }
            seen.head_waits_for_seats += 1;
        }
        if w.held_back(How::Surely) {
            let by_max = w.lacks.iter().any(|l| matches!(l, Limit::Max(..)));
            seen.held_by_max += u64::from(by_max);
            seen.held_by_owners += u64::from(!by_max && !w.lacks.is_empty());
        } else {
            blocked.extend(&w.pools);
        }
    }
    Ok(())
}

/// At the end of a step: for whom free seats may gather from now on.
pub(super) fn who_gathers(m: &mut Model, shares: &Shares) {
    if shares.weights.is_none() {
        return;
    }
    for w in &shares.line {
        let mut others = shares.line.iter();
        let waits = others.any(|o| {
            o.no != w.no
                && o.alive
                && !o.held_back(How::Maybe)
                && w.shares(o.pools.iter().copied())
                && shares.is_before(m, o, w, false)
        });
        if let Some(lease) = m.leases.get_mut(&w.no).filter(|_| !waits) {
            lease.gathered = true;
        }
    }
}

/// What was passed over in a step, and still waits.
pub(super) fn step_end(m: &Model, step: &Step) -> Verdict {
    for (no, what, after) in &step.passed {
        // One that came in this step is told last, and may have held others back before.
        let mut later = step.changes.iter().skip(*after);
        let came = later.any(|c| c.is.in_line() && !c.was.in_line());
        if m.stand(*no).in_line() && !came {
            return m.broken(5, what.clone());
        }
    }
    Ok(())
}
