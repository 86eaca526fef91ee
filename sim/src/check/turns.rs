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
use super::model::{Model, Passed, Step};
use super::owners::{How, Limit, Shares, Waits};
use super::patience;
use crate::history::{Index, LeaseNo};

/// A claim is about to be granted these: who is passed over, and, if it still waits when the step
/// is over, whether that is wrong.
pub(super) fn passes(
    m: &Model,
    shares: &Shares,
    no: LeaseNo,
    draws: &[(Index, u32)],
    seen: &mut Seen,
) -> Vec<Passed> {
    let Some(granted) = shares.line.iter().find(|w| w.no == no) else {
        return Vec::new();
    };
    let turn = m.leases.get(&no).is_none_or(|l| l.gathered);
    let near = |w: &&Waits| w.no != no && w.shares(granted.pools.iter().copied());
    let mut passed = Vec::new();
    for waits in shares.line.iter().filter(near) {
        let drawn = waits.shares(draws.iter().map(|d| d.0));
        let better = drawn && waits.alive && shares.is_before(m, waits, granted, turn);
        let mut wrong = None;
        let mut surely = false;
        if better {
            let by_weight = (waits.key.class, waits.key.rank)
                == (granted.key.class, granted.key.rank)
                && (waits.tenant, &waits.pools) != (granted.tenant, &granted.pools)
                && shares.weights.is_some();
            seen.by_weight += u64::from(by_weight);
            (wrong, surely) = why_not(m, shares, waits, granted, draws, seen);
        }
        let wrong = wrong.map(|why| {
            format!(
                "{no:?} of group {} ({:?}) is granted {draws:?} while {:?} of group {} ({:?}) waits, is better-ranked, shares a \
                 pool and {why}",
                granted.tenant, granted.key, waits.no, waits.tenant, waits.key
            )
        });
        // Whose rank is not known may be passed, too.
        let worse = shares.weights.is_none() && m.is_better(&granted.key, &waits.key);
        if !worse {
            passed.push(Passed {
                no: waits.no,
                wrong,
                surely,
                after: 0,
            });
        }
    }
    passed
}

/// Why a better-ranked claim must not be passed, if that is so; and else whether its patience has
/// begun for sure.
fn why_not(
    m: &Model,
    shares: &Shares,
    waits: &Waits,
    granted: &Waits,
    draws: &[(Index, u32)],
    seen: &mut Seen,
) -> (Option<String>, bool) {
    if !waits.held_back(How::Maybe) {
        let mut pools = draws.iter().map(|d| d.0).filter(|p| waits.shares([*p]));
        if let Some(pool) = pools.find(|p| patience::is_over(m, waits.no, *p)) {
            let since = patience::told(m, waits.no, pool);
            return (
                Some(format!("is not held back by the policy{since}")),
                false,
            );
        }
        seen.passed_by_fill += 1;
        return (None, true);
    }
    let limits = stands_before(shares, waits, granted, draws);
    if let Some(limit) = limits
        .iter()
        .find(|l| patience::is_over(m, waits.no, l.pool()))
    {
        let since = patience::told(m, waits.no, limit.pool());
        let why = format!("waits for {limit:?}, as it does itself{since}");
        return (Some(why), false);
    }
    seen.passed_held_back += 1;
    seen.passed_under_limit += u64::from(!limits.is_empty());
    (None, !limits.is_empty())
}

/// The limits for which one who is held back stands before another, as far as it does for sure.
fn stands_before(
    shares: &Shares,
    held: &Waits,
    other: &Waits,
    draws: &[(Index, u32)],
) -> Vec<Limit> {
    let stands = |limit: &&Limit| match **limit {
        Limit::Max(tenant, pool) => tenant == other.tenant && draws.iter().any(|(p, _)| *p == pool),
        Limit::Kept(pool) => draws.iter().any(|(p, n)| {
            let has = shares.has(other.tenant, pool);
            *p == pool && has + u64::from(*n) > shares.owned(other.tenant, pool)
        }),
    };
    held.lacks.iter().filter(stands).copied().collect()
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
            let stays = |p: &&Index| !patience::yields(m, w.no, **p);
            blocked.extend(w.pools.iter().filter(stays));
            seen.patience_over += u64::from(patience::has_run_out(m, w));
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
pub(super) fn step_end(m: &mut Model, step: &Step) -> Verdict {
    for passed in &step.passed {
        // One that came in this step is told last, and may have held others back before.
        let mut later = step.changes.iter().skip(passed.after);
        let came = later.any(|c| c.is.in_line() && !c.was.in_line());
        if !m.stand(passed.no).in_line() || came {
            continue;
        }
        if let Some(what) = &passed.wrong {
            return m.broken(5, what.clone());
        }
        if passed.surely {
            patience::begins(m, passed.no);
        }
    }
    Ok(())
}
