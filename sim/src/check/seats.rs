//! Promise 1: per pool, what holders say they hold is never more than what was there at the latest
//! grant. Promise 14: never a part of a claim.
//!
//! A lease counts while some application that runs was told `Held`, and that time has not run out;
//! two copies of a holder count once. A dead application counts no more, a suspended one not until
//! it goes on; one whose sidecar is down goes by what it was told. It counts with what the books
//! drew for it last. The books are held to their own sum as well, at each grant.
//!
//! One copy of a holder may give back what another still holds: until that one hears of it, it does
//! not count. That is the one way out that the protocol leaves to copies; a copy that was told
//! `cloned` has nothing to give back, and if it does, it shows here.
//!
//! A license that shrinks throws nobody out: what counts is what was there at the latest grant from
//! the pool.

use super::Seen;
use super::apps::KnownCopy;
use super::demand;
use super::measure::broken;
use super::model::{Change, Model, Stand, Step, of};
use crate::history::{Broken, ClaimNo, CopyNo, Index, LeaseNo, Msg, RunNo, Says};

/// Looks anew whether an application counts.
pub(super) fn recount(
    m: &mut Model,
    copy: CopyNo,
    claim: ClaimNo,
    seen: &mut Seen,
) -> Result<(), Broken> {
    let now = m.now;
    let runs = m.apps.copies.get(&copy).is_some_and(KnownCopy::runs);
    let Some(app) = m.apps.claims.get_mut(&(copy, claim)) else {
        return Ok(());
    };
    let counts = if runs && app.held(now) && !app.copy_gave_back {
        app.lease
    } else {
        None
    };
    let counted = std::mem::replace(&mut app.counted, counts);
    if counts == counted {
        return Ok(());
    }
    if let Some(lease) = counted {
        count(m, lease, false);
    }
    let Some(lease) = counts else {
        return Ok(());
    };
    if m.leases.get(&lease).is_none_or(|l| l.seated_in == RunNo(0)) {
        return broken(
            1,
            now,
            format!("{copy:?} says Held for {lease:?}, which no run of the server ever granted"),
        );
    }
    let draws = count(m, lease, true);
    for (pool, _) in draws {
        seen.held += 1;
        seen.held_all_seats += u64::from(of(&m.running, pool) == m.allowed(pool) && m.run.up);
        within(m, pool, &format!("{copy:?} says Held for {lease:?}"))?;
    }
    Ok(())
}

/// One application more, or less, counts for a lease. What that adds.
fn count(m: &mut Model, no: LeaseNo, more: bool) -> Vec<(Index, u32)> {
    let Some(lease) = m.leases.get_mut(&no) else {
        return Vec::new();
    };
    if more {
        lease.running += 1;
        if lease.running > 1 {
            return Vec::new();
        }
        lease.running_draws.clone_from(&lease.draws);
        for &(pool, seats) in &lease.running_draws {
            if let Some(r) = m.running.get_mut(pool) {
                *r += u64::from(seats);
            }
        }
        lease.running_draws.clone()
    } else {
        lease.running = lease.running.saturating_sub(1);
        if lease.running == 0 {
            for (pool, seats) in std::mem::take(&mut lease.running_draws) {
                if let Some(r) = m.running.get_mut(pool) {
                    *r = r.saturating_sub(u64::from(seats));
                }
            }
        }
        Vec::new()
    }
}

fn within(m: &Model, pool: Index, when: &str) -> Result<(), Broken> {
    let (running, allowed) = (of(&m.running, pool), m.allowed(pool));
    if running <= allowed || running <= allowed + of_copies_begun_anew(m, pool) {
        return Ok(());
    }
    let mut who: Vec<_> = m
        .leases
        .iter()
        .filter(|(_, l)| l.running > 0)
        .flat_map(|(no, l)| l.running_draws.iter().map(move |d| (*no, l.holder, *d)))
        .filter(|(_, _, d)| d.0 == pool)
        .map(|(no, h, d)| (h, no, d.1))
        .collect();
    who.sort_unstable();
    who.truncate(10);
    broken(
        1,
        m.now,
        format!(
            "{when}: holders say Held for {running} seats of pool {pool}, where {allowed} were there at the latest grant: {who:?}"
        ),
    )
}

/// Copies of one holder that began one claim anew, each with its own secret, do not keep to the
/// protocol: a claim has one lease. The same of one that came to a new run with an older token than
/// its sibling's, and was granted a lease of its own. What the books do not have of theirs is not
/// counted.
fn of_copies_begun_anew(m: &Model, pool: Index) -> u64 {
    m.leases
        .iter()
        .filter(|(no, l)| {
            l.running > 0
                && m.stand(**no) != Stand::Seat
                && m.apps.of_claim(l.holder, l.claim).any(|(.., app)| {
                    Some(app.secret) != l.secret || app.counted.is_some_and(|c| c != **no)
                })
        })
        .flat_map(|(_, l)| &l.running_draws)
        .filter(|d| d.0 == pool)
        .map(|d| u64::from(d.1))
        .sum()
}

/// The books have a lease as seated.
pub(super) fn booked(
    m: &mut Model,
    step: &Step,
    change: &Change,
    seen: &mut Seen,
) -> Result<(), Broken> {
    part_of_a_claim(m, step, change, seen)?;
    if change.is != Stand::Seat {
        return Ok(());
    }
    let Some(lease) = m.leases.get_mut(&change.lease) else {
        return Ok(());
    };
    let draws = lease.draws.clone();
    if lease.running > 0 && lease.running_draws != draws {
        for (pool, seats) in std::mem::replace(&mut lease.running_draws, draws.clone()) {
            if let Some(r) = m.running.get_mut(pool) {
                *r = r.saturating_sub(u64::from(seats));
            }
        }
        for &(pool, seats) in &draws {
            if let Some(r) = m.running.get_mut(pool) {
                *r += u64::from(seats);
            }
        }
    }
    for &(pool, _) in &draws {
        let cap = m.cap(pool);
        if change.grant()
            && let Some(g) = m.granted_of.get_mut(pool)
        {
            *g = cap;
        }
        let used = of(&m.run.used, pool);
        if change.was != Stand::Seat && used > cap {
            return broken(
                if change.taken_in { 3 } else { 1 },
                m.now,
                format!(
                    "{:?} is {}: now the books have {used} of the {cap} seats of pool {pool} taken",
                    change.lease,
                    if change.taken_in {
                        "taken in"
                    } else {
                        "granted"
                    }
                ),
            );
        }
        if change.was != Stand::Seat {
            within(m, pool, &format!("{:?} is granted", change.lease))?;
        }
    }
    Ok(())
}

fn part_of_a_claim(m: &Model, step: &Step, change: &Change, seen: &mut Seen) -> Result<(), Broken> {
    let Some(lease) = m.leases.get(&change.lease) else {
        return Ok(());
    };
    if let Some(message) = step.message()
        && let Msg::Claim { items, .. } = &message.what
        && (message.holder, message.claim) == (lease.holder, lease.claim)
        && !change.was.live()
        && change.is.live()
        && *items != lease.items
    {
        return broken(
            14,
            m.now,
            format!(
                "{:?} asked for {items:?}; {:?} is booked for {:?}",
                lease.holder, change.lease, lease.items
            ),
        );
    }
    if change.is != Stand::Seat {
        return Ok(());
    }
    let (first, same) = (change.was != Stand::Seat, !change.other_products);
    if first && (same || !change.taken_in) {
        seen.whole_claims += 1;
        seen.many_seats += u64::from(lease.items.len() > 1 || lease.items.iter().any(|i| i.1 > 1));
        if !demand::matches(&m.license, &lease.items, &lease.draws) {
            return broken(
                14,
                m.now,
                format!(
                    "{:?} of {:?} asks for {:?}, and is granted draws of {:?}: that is not what these products draw",
                    change.lease, lease.holder, lease.items, lease.draws
                ),
            );
        }
    }
    if first && same && change.taken_in && change.redrawn {
        return broken(
            3,
            m.now,
            format!(
                "{:?} of {:?} is taken in with draws of {:?}, which are not those that it was granted: others may hold these",
                change.lease, lease.holder, lease.draws
            ),
        );
    }
    if !first && same && change.redrawn {
        return broken(
            14,
            m.now,
            format!(
                "{:?} of {:?} was granted, and now draws {:?} instead",
                change.lease, lease.holder, lease.draws
            ),
        );
    }
    Ok(())
}

/// The server answers with a lease: its books have it.
pub(super) fn answered(m: &Model, lease: LeaseNo) -> Result<(), Broken> {
    if m.stand(lease) == Stand::Seat {
        return Ok(());
    }
    broken(
        1,
        m.now,
        format!(
            "the server answers with {lease:?}, which its books have as {:?}",
            m.stand(lease)
        ),
    )
}

/// An application says `Held` without naming a lease, or without an end.
pub(super) fn tells(
    m: &Model,
    copy: CopyNo,
    claim: ClaimNo,
    says: Says,
    lease: Option<LeaseNo>,
) -> Result<(), Broken> {
    if says == Says::Held && lease.is_none() {
        return broken(
            1,
            m.now,
            format!("{copy:?} {claim:?} says Held without a lease"),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
