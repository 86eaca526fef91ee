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
use super::apps::{AppNo, KnownCopy, Told};
use super::demand;
use super::measure::Verdict;
use super::model::{Change, ClaimOf, Lease, Model, Stand, Step, add, of, subtract};
use crate::history::{Index, LeaseNo, Msg, RunNo, Says};
use std::collections::HashMap;

/// Looks anew whether an application counts.
pub(super) fn recount(m: &mut Model, no: AppNo, seen: &mut Seen) -> Verdict {
    let (now, copy) = (m.now, no.0);
    let runs = m.apps.copies.get(&copy).is_some_and(KnownCopy::runs);
    let Some(app) = m.apps.claims.get_mut(&no) else {
        return Ok(());
    };
    let counting = runs && app.held(now) && !app.copy_gave_back;
    let counts = app.lease.filter(|_| counting);
    let counted = std::mem::replace(&mut app.counted, counts);
    if counts == counted {
        return Ok(());
    }
    if let Some(lease) = counted {
        counts_no_more(m, lease);
    }
    let Some(lease) = counts else {
        return Ok(());
    };
    let says = format!("{copy:?} says Held for {lease:?}");
    if m.leases.get(&lease).is_none_or(|l| l.seated_in == RunNo(0)) {
        return m.broken(
            1,
            format!("{says}, which no run of the server ever granted"),
        );
    }
    for (pool, _) in counts_from_now(m, lease) {
        seen.held += 1;
        seen.held_all_seats += u64::from(of(&m.running, pool) == m.allowed(pool) && m.run.up);
        within(m, pool, &says)?;
    }
    Ok(())
}

/// One application more counts for a lease. What that adds.
fn counts_from_now(m: &mut Model, no: LeaseNo) -> Vec<(Index, u32)> {
    let Some(lease) = m.leases.get_mut(&no) else {
        return Vec::new();
    };
    lease.running += 1;
    if lease.running > 1 {
        return Vec::new();
    }
    lease.running_draws.clone_from(&lease.draws);
    add(&mut m.running, &lease.running_draws);
    lease.running_draws.clone()
}

/// One application less does.
fn counts_no_more(m: &mut Model, no: LeaseNo) {
    if let Some(lease) = m.leases.get_mut(&no) {
        lease.running = lease.running.saturating_sub(1);
        if lease.running == 0 {
            subtract(&mut m.running, &std::mem::take(&mut lease.running_draws));
        }
    }
}

pub(super) fn within(m: &Model, pool: Index, when: &str) -> Verdict {
    let (running, allowed) = (of(&m.running, pool), m.allowed(pool));
    if running <= allowed || running <= allowed + of_copies_begun_anew(m, pool) {
        return Ok(());
    }
    let running_leases = m.leases.iter().filter(|(_, l)| l.running > 0);
    let draws = running_leases.flat_map(|(no, l)| l.running_draws.iter().map(move |d| (no, l, d)));
    let mut who: Vec<_> = draws
        .filter(|(.., d)| d.0 == pool)
        .map(|(no, l, d)| (l.holder(), no, d.1))
        .collect();
    who.sort_unstable();
    who.truncate(10);
    let what = format!(
        "{when}: holders say Held for {running} seats of pool {pool}, where {allowed} were there at the latest grant: {who:?}"
    );
    m.broken(1, what)
}

/// Copies of one holder that began one claim anew, each with its own secret, do not keep to the
/// protocol: a claim has one lease. The same of one that came to a new run with an older token than
/// its sibling's, and was granted a lease of its own. What the books do not have of theirs is not
/// counted; nor, where a later run takes in the one and does not know of the other, more than the
/// lesser of both.
fn of_copies_begun_anew(m: &Model, pool: Index) -> u64 {
    let mut by_claim: HashMap<ClaimOf, Vec<(LeaseNo, &Lease, u64)>> = HashMap::new();
    for (no, l) in m.leases.iter().filter(|(_, l)| l.running > 0) {
        let draws = l.running_draws.iter().filter(|d| d.0 == pool);
        let draw = draws.map(|d| u64::from(d.1)).sum();
        by_claim.entry(l.of).or_default().push((*no, l, draw));
    }
    let excess = by_claim.iter().map(|(of, leases)| {
        let all: u64 = leases.iter().map(|(.., draw)| draw).sum();
        let least = leases.iter().map(|(.., draw)| *draw).min();
        if leases.len() > 1 && m.apps.copied.contains_key(&of.0) {
            return all - least.unwrap_or_default();
        }
        let anew = leases.iter().filter(|(no, l, _)| begun_anew(m, *no, l));
        anew.map(|(.., draw)| draw).sum()
    });
    excess.sum()
}

fn begun_anew(m: &Model, no: LeaseNo, l: &Lease) -> bool {
    let other = m
        .apps
        .of_claim(l.of)
        .any(|(.., app)| Some(app.secret) != l.secret || app.counted.is_some_and(|c| c != no));
    m.stand(no) != Stand::Seat && (other || is_seated_anew(m, l))
}

/// Whether the books have the claim of a copied holder seated by another lease, of which no copy
/// needs to have heard yet.
fn is_seated_anew(m: &Model, lease: &Lease) -> bool {
    let copied = m.apps.copied.contains_key(&lease.holder());
    copied && m.live(lease.of).any(|no| m.stand(no) == Stand::Seat)
}

/// The books have a lease as seated.
pub(super) fn booked(m: &mut Model, step: &Step, change: &Change, seen: &mut Seen) -> Verdict {
    part_of_a_claim(m, step, change, seen)?;
    if change.is != Stand::Seat {
        return Ok(());
    }
    let Some(lease) = m.leases.get_mut(&change.lease) else {
        return Ok(());
    };
    let draws = lease.draws.clone();
    if lease.running > 0 && lease.running_draws != draws {
        subtract(&mut m.running, &lease.running_draws);
        add(&mut m.running, &draws);
        lease.running_draws.clone_from(&draws);
    }
    for &(pool, _) in &draws {
        // An earlier run's lease comes back to its pool, though that has ended meanwhile.
        let comes_back = change.taken_in && !change.moved;
        let cap = if comes_back {
            m.sold(pool)
        } else {
            m.cap(pool)
        };
        let used = of(&m.run.used, pool);
        if (change.grant() || change.moved)
            && let Some(g) = m.granted_of.get_mut(pool)
        {
            *g = cap;
        }
        if !change.seated() {
            continue;
        }
        if used > cap {
            let (promise, how) = if change.taken_in {
                (3, "taken in")
            } else {
                (1, "granted")
            };
            let what = format!(
                "{:?} is {how}: now the books have {used} of the {cap} seats of pool {pool} taken",
                change.lease
            );
            return m.broken(promise, what);
        }
        within(m, pool, &format!("{:?} is granted", change.lease))?;
    }
    Ok(())
}

fn part_of_a_claim(m: &Model, step: &Step, change: &Change, seen: &mut Seen) -> Verdict {
    let Some(lease) = m.leases.get(&change.lease) else {
        return Ok(());
    };
    let (holder, booked, draws) = (change.holder, &lease.items, &lease.draws);
    if let Some(message) = step.message()
        && let Msg::Claim { items, .. } = &message.what
        && message.of == lease.of
        && !change.was.live()
        && change.is.live()
        && items != booked
    {
        let what = format!(
            "{holder:?} asked for {items:?}; {:?} is booked for {booked:?}",
            change.lease
        );
        return m.broken(14, what);
    }
    if change.is != Stand::Seat {
        return Ok(());
    }
    let (first, same) = (change.seated(), !change.other_products);
    if first && (same || !change.taken_in) {
        seen.whole_claims += 1;
        seen.many_seats += u64::from(booked.len() > 1 || booked.iter().any(|i| i.1 > 1));
        if !demand::matches(&m.license, booked, draws) {
            let what = format!(
                "{change} asks for {booked:?}, and is granted draws of {draws:?}: that is not what these products draw"
            );
            return m.broken(14, what);
        }
    }
    if !same || !change.redrawn {
        return Ok(());
    }
    // Whether it may be there now, is looked at when the step is over (`dates`).
    if change.moved {
        return Ok(());
    }
    if !first {
        let what = format!("{change} was granted, and now draws {draws:?} instead");
        return m.broken(14, what);
    }
    // By an older token than that of its last move: what has ended is nobody else's.
    if change.taken_in && !m.is_stranded(change.lease) {
        let what = format!(
            "{change} is taken in with draws of {draws:?}, which are not those that it was granted: others may hold these"
        );
        return m.broken(3, what);
    }
    Ok(())
}

/// The server answers with a lease: its books have it.
pub(super) fn answered(m: &Model, lease: LeaseNo) -> Verdict {
    let stand = m.stand(lease);
    if stand == Stand::Seat {
        return Ok(());
    }
    let what = format!("the server answers with {lease:?}, which its books have as {stand:?}");
    m.broken(1, what)
}

/// An application says `Held` without naming a lease, or without an end.
pub(super) fn tells(m: &Model, (copy, claim): AppNo, told: &Told) -> Verdict {
    if told.says == Says::Held && told.lease.is_none() {
        let what = format!("{copy:?} {claim:?} says Held without a lease");
        return m.broken(1, what);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
