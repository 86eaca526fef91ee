//! Promise 17: what a seat policy gives to whom.
//!
//! No grant takes a group beyond its `max`, or takes what an owner keeps; what that is, says
//! `owners`. A lease that is called back for an owner is of another group, which has had more than
//! it owns since the owner's claim came, of a pool that both draw on; and the claim still waits,
//! and was within what its group owns at some moment. Its notice is in `call_back`, when its seats
//! are free in `freeing`, whom the policy lets pass whom in `turns`.
//!
//! An owner waits no longer than its bound: as long as a silent holder may keep a seat, and then
//! the notice (or D), and its margin. Counted from when nobody who is not held back stood before
//! it, in a run that could grant all the time; from anew where the license, the policy or who may
//! hold what has changed, and where a lease of an earlier run came back. Not judged under
//! `Confirmed`, while somebody has such seats who was told of a longer notice first, as who is not
//! entitled, for claims that need pools in which their group owns nothing, and where seats end
//! on a day.

use super::Seen;
use super::authority;
use super::measure::{Verdict, margin, slack};
use super::model::{Change, Model, Passed, Stand, Step};
use super::owners::{How, Shares, Waits};
use super::patience;
use super::turns;
use crate::history::{Book, Index, LeaseNo, Ms, MsgNo, Policy, Reclaim, Reply};

/// Another policy is in force from now on, or none.
pub(super) fn taken_in(m: &mut Model, policy: Option<&Policy>) {
    m.ranks_anew(policy);
    m.run.disturbed = m.now;
}

/// What a grant would break, as seen before it.
#[derive(Debug, Default)]
pub(super) struct Before {
    beyond: Option<String>,
    passed: Vec<Passed>,
}

/// A claim is about to be booked.
pub(super) fn before(m: &Model, no: LeaseNo, book: &Book, seen: &mut Seen) -> Option<Before> {
    let (Some(policy), Book::Held { draws }) = (&m.run.policy, book) else {
        return None;
    };
    let lease = m.leases.get(&no).filter(|_| m.stand(no).in_line())?;
    let shares = Shares::of(m)?;
    let (tenant, draws) = (policy.tenant(lease.holder()), super::demand::tidy(draws));
    seen.by_project += u64::from(policy.is_by_project(lease.holder()));
    seen.not_allowed += u64::from(policy.is_not_allowed(lease.holder()));
    let mut beyond = None;
    for &(pool, n) in &draws {
        seen.limited_grants += u64::from(shares.max(tenant, pool) < u64::MAX);
        if u64::from(n) > shares.within_max(tenant, pool) {
            beyond = Some(format!(
                "{no:?} is granted {n} seats of pool {pool}; its group {tenant} has {} of at most {}",
                shares.has(tenant, pool),
                shares.max(tenant, pool)
            ));
        }
        if u64::from(n) > shares.left(tenant, pool, How::Surely) {
            beyond = Some(format!(
                "{no:?} of group {tenant} is granted {n} seats of pool {pool}; owners leave it {}: {shares:?}",
                shares.left(tenant, pool, How::Surely)
            ));
        }
    }
    let passed = turns::passes(m, &shares, no, &draws, seen);
    Some(Before { beyond, passed })
}

/// It is booked.
pub(super) fn booked(
    m: &mut Model,
    step: &mut Step,
    change: &Change,
    before: Option<Before>,
    seen: &mut Seen,
) -> Verdict {
    let Some(before) = before.filter(|_| change.grant()) else {
        return Ok(());
    };
    if let Some(what) = before.beyond {
        return m.broken(17, what);
    }
    let first = m.leases.get(&change.lease).and_then(|l| l.owns_since);
    seen.owners_served += u64::from(first.is_some());
    patience::may_be_passed(m, &before.passed);
    let after = step.changes.len();
    let passed = before.passed.into_iter();
    step.passed.extend(passed.map(|p| Passed { after, ..p }));
    Ok(())
}

/// At the end of a step.
pub(super) fn step_end(m: &mut Model, step: &Step, seen: &mut Seen) -> Verdict {
    let told = |(_, r): &&(MsgNo, Reply)| {
        matches!(
            r,
            Reply::Waiting {
                held_back: true,
                ..
            }
        )
    };
    seen.told_held_back += step.answers.iter().filter(told).count() as u64;
    if m.run.policy.is_none() && step.answers.iter().any(|a| told(&a)) {
        let what = "a claim is told that the policy keeps it back, and there is none".into();
        return m.broken(17, what);
    }
    let Some(shares) = Shares::of(m) else {
        return Ok(());
    };
    if step.changes.iter().any(|c| c.taken_in) {
        m.run.disturbed = m.now;
    }
    let now = m.now;
    for w in &shares.line {
        if let Some(lease) = m.leases.get_mut(&w.no) {
            lease.in_line_since.get_or_insert(now);
            lease.owned_once |= w.owns(How::Maybe);
        }
    }
    if let Some(policy) = &mut m.run.policy {
        policy.note_over(m.license.pools.len(), now, |t, p| {
            shares.has(t, p) > shares.owned(t, p)
        });
    }
    turns::who_gathers(m, &shares);
    owners_are_served(m, &shares, seen)
}

/// No owner that is first waits beyond its bound.
fn owners_are_served(m: &mut Model, shares: &Shares, seen: &mut Seen) -> Verdict {
    let may_grant = m.run.up
        && !m.run.frozen
        && m.run.settled
        && authority::may_grant(m)
        && m.run.reclaim == Reclaim::Any
        && m.license.dates.is_empty();
    let mut before: Vec<&Waits> = Vec::new();
    let (now, bound) = (m.now, bound(m));
    let mut late = None;
    for w in &shares.line {
        let stands = |b: &&Waits| w.shares(b.pools.iter().copied());
        let first = may_grant
            && w.alive
            && shares.owns_each(w)
            && !w.held_back(How::Maybe)
            && !before.iter().any(stands)
            && shares.weights.is_none()
            && m.queues.fuzzy == 0
            && !others_notice(m, &w.pools);
        if !w.held_back(How::Surely) {
            before.push(w);
        }
        let Some(lease) = m.leases.get_mut(&w.no) else {
            continue;
        };
        if !first {
            lease.owns_since = None;
            continue;
        }
        seen.owner_waits += u64::from(lease.owns_since.is_none());
        let since = *lease.owns_since.get_or_insert(now);
        let since = since.max(m.run.disturbed).max(m.run.thawed);
        if now > since + bound {
            late = Some((w.no, w.tenant, since));
        }
    }
    let Some((no, tenant, since)) = late else {
        return Ok(());
    };
    let what = format!(
        "{no:?} of group {tenant} waits for seats that it owns, first since {since} ms, and has none after {bound} ms: {shares:?}"
    );
    m.broken(17, what)
}

/// Whether a holder has some of these pools that is called back for something else, with the notice
/// of that.
fn others_notice(m: &Model, pools: &[Index]) -> bool {
    let notice = m.run.policy.as_ref().map_or(0, |p| p.policy.notice);
    let mut leases = m
        .live
        .values()
        .flatten()
        .filter_map(|(_, no)| m.leases.get(no));
    leases.any(|l| {
        let longer = l.called_back.is_some_and(|c| c.notice.1 > notice);
        (longer || !m.run.entitled(l.holder()))
            && l.stand(m.run.no) == Stand::Seat
            && l.draws.iter().any(|(p, _)| pools.contains(p))
    })
}

/// How long an owner waits at most that is first.
fn bound(m: &Model) -> Ms {
    let d = m.run.lease_for;
    let silence = d.max(m.run.longest_before);
    let policy = m.run.policy.as_ref().map(|p| &p.policy);
    let notice = policy.map_or(0, |p| p.notice).max(d);
    let patience = policy.and_then(|p| p.backfill.iter().map(|b| b.1).max());
    let bound = silence + margin(silence) + notice + margin(notice) + patience.unwrap_or(0);
    bound + slack(bound) + 2_000
}

/// Whether a lease is called back rightly, as its holder is told first: `Err` says why not.
pub(super) fn is_wanted(m: &Model, no: LeaseNo) -> Result<(), String> {
    let Some(policy) = &m.run.policy else {
        return Err("there is no policy".into());
    };
    let Some(lease) = m.leases.get(&no) else {
        return Ok(());
    };
    let tenant = policy.tenant(lease.holder());
    let lent = |pool: Index, since: Ms| policy.was_over(tenant, pool, since);
    let mut line = m.queues.all().iter().filter_map(|k| m.leases.get(&k.lease));
    let wanted = line.any(|w| {
        let since = w.in_line_since.unwrap_or(m.now);
        let mut pools = lease.draws.iter().map(|d| d.0);
        w.owned_once
            && policy.tenant(w.holder()) != tenant
            && pools.any(|p| w.pools.contains(&p) && lent(p, since))
    });
    if wanted {
        return Ok(());
    }
    Err(format!(
        "nobody waits that owns what group {tenant} has of {:?} beyond its own",
        lease.draws
    ))
}

#[cfg(test)]
mod tests;
