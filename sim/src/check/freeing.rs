//! Promise 2: a release, or the operator's `gone`, frees in the step that receives it. Silence
//! frees at the last receipt + D + M: not earlier, at most 1 s later; under `Confirmed` after the
//! grace, if that is longer, and without proof not before.
//!
//! The last receipt is that of the last request for the lease that was answered with it: from the
//! sending of that one its holder counts. A frozen server frees in the step in which it thaws. A
//! lease that was taken in may stay for as long as its holder could go by the earlier, longer
//! lease. A claim in line may be dropped once it was not asked for within D (promise 6 says that it
//! keeps its place until then).

use std::cmp::Reverse;

use super::Seen;
use super::measure::{broken, slack};
use super::model::{Cause, Change, Lease, Model, Stand, Step};
use crate::history::{Broken, LeaseNo, Msg, Reclaim, SecretNo};

/// A lease leaves the books, or its seat.
pub(super) fn booked(
    m: &Model,
    step: &Step,
    change: &Change,
    seen: &mut Seen,
) -> Result<(), Broken> {
    let leaves = match change.was {
        Stand::Seat => change.is != Stand::Seat,
        Stand::Line { .. } => matches!(change.is, Stand::Ended(_)),
        _ => false,
    };
    let (true, Some(lease)) = (leaves, m.leases.get(&change.lease)) else {
        return Ok(());
    };
    let why = match change.is {
        Stand::Ended(why) => why,
        _ => "",
    };
    let release = match step.message().map(|c| &c.what) {
        Some(Msg::Release { lease, secret }) => Some((*lease, *secret)),
        _ => None,
    };
    if why == "released" {
        return released(m, change, lease, release, seen);
    }
    if why == "gone" && m.run.gone.contains(&lease.holder) {
        seen.gone += 1;
        return Ok(());
    }
    // Whether a revoked seat was freed too early, promise 1 says: its holder is `Held` until it
    // hears of it.
    if m.run.revoked.contains(&lease.holder) && matches!(why, "revoked" | "") {
        return Ok(());
    }
    if change.was != Stand::Seat && why == "askedAgain" && comes_back(step, lease) {
        return Ok(());
    }
    if change.was != Stand::Seat {
        return Ok(());
    }
    let earliest = m.earliest_end(lease);
    if m.now < earliest {
        return broken(
            2,
            m.now,
            format!(
                "the seat of {:?} of {:?} is given away ({:?}) before {earliest} ms: its last request came at {} ms, it was told {} \
                 ms, grace {} ms, {:?}",
                change.lease,
                lease.holder,
                change.is,
                lease.sure,
                lease.told_for,
                lease.told_run,
                m.run.reclaim
            ),
        );
    }
    seen.expired += 1;
    seen.expired_confirmed += u64::from(m.run.reclaim == Reclaim::Confirmed);
    Ok(())
}

/// A seat or a place is given back: by a release that names it and shows its secret.
fn released(
    m: &Model,
    change: &Change,
    lease: &Lease,
    release: Option<(LeaseNo, SecretNo)>,
    seen: &mut Seen,
) -> Result<(), Broken> {
    match release {
        Some((named, secret)) if named == change.lease => {
            if lease.secret.is_some_and(|s| s != secret) {
                return broken(
                    11,
                    m.now,
                    format!(
                        "{:?} of {:?} was given back with {secret:?}; its secret is {:?}",
                        change.lease, lease.holder, lease.secret
                    ),
                );
            }
            seen.released += 1;
            Ok(())
        }
        Some((named, _)) => broken(
            6,
            m.now,
            format!(
                "a release of {named:?} gave back {:?} of {:?}, which is another lease",
                change.lease, lease.holder
            ),
        ),
        None => broken(
            2,
            m.now,
            format!(
                "{:?} of {:?} ended as released; no release was received",
                change.lease, lease.holder
            ),
        ),
    }
}

/// The lease of an earlier run, shown with its secret, takes the place of the place that a
/// duplicate took.
fn comes_back(step: &Step, lease: &Lease) -> bool {
    step.message().is_some_and(|c| {
        let shows = matches!(
            &c.what,
            Msg::Claim {
                held: Some(_),
                shows_secret: true,
                ..
            }
        );
        shows && (c.holder, c.claim) == (lease.holder, lease.claim)
    })
}

/// A claim in line was dropped: was it asked for? It may be that it is seated now by an earlier
/// lease of its holder.
fn dropped(m: &Model, step: &Step, change: &Change) -> Result<(), Broken> {
    let (Some(lease), Stand::Ended(why)) = (m.leases.get(&change.lease), change.is) else {
        return Ok(());
    };
    let d = m.run.lease_for;
    let told = matches!(why, "released" | "gone") || m.run.revoked.contains(&lease.holder);
    let seated = m
        .live(lease.holder, lease.claim)
        .any(|l| m.stand(l) == Stand::Seat);
    if !change.was.in_line() || told || seated || m.now + slack(d) >= lease.alive + d {
        return Ok(());
    }
    let other_secret = step.message().is_some_and(|c| match &c.what {
        Msg::Claim { secret, .. } => {
            (c.holder, c.claim) == (lease.holder, lease.claim) && lease.secret != Some(*secret)
        }
        _ => false,
    });
    broken(
        if other_secret { 11 } else { 6 },
        m.now,
        format!(
            "{:?} of {:?} loses its place in line ({why:?}) though it was asked for at {} ms (D is {d})",
            change.lease, lease.holder, lease.alive
        ),
    )
}

/// At the end of a step: what it should have freed is free, and nothing else.
pub(super) fn step_end(m: &Model, step: &Step) -> Result<(), Broken> {
    for change in &step.changes {
        dropped(m, step, change)?;
    }
    match &step.cause {
        Cause::Message(message) => {
            let Msg::Release { lease: no, secret } = &message.what else {
                return Ok(());
            };
            let Some(lease) = m.leases.get(no) else {
                return Ok(());
            };
            let theirs = (lease.holder, lease.claim) == (message.holder, message.claim)
                && lease.secret == Some(*secret);
            // Of copies, the one that fell behind has nothing to give back: what the books have is
            // another's.
            let behind = m.apps.copied.contains_key(&message.holder);
            if theirs && !behind && m.stand(*no).live() {
                return broken(
                    2,
                    m.now,
                    format!(
                        "a release of {no:?} of {:?} was received; the books still have it as {:?}",
                        lease.holder,
                        m.stand(*no)
                    ),
                );
            }
        }
        Cause::Gone(holders) => {
            for holder in holders {
                if let Some((_, no)) = m.live_of(*holder).find(|(_, l)| m.stand(*l) == Stand::Seat)
                {
                    return broken(
                        2,
                        m.now,
                        format!("{holder:?} is gone; the books still have {no:?} seated"),
                    );
                }
            }
        }
        Cause::Nothing => {}
    }
    Ok(())
}

/// Looks at the seats that should have been freed before now.
pub(super) fn overdue(m: &mut Model) -> Result<(), Broken> {
    while let Some(&Reverse((at, no))) = m.due.peek() {
        if !m.run.up || m.run.frozen || at >= m.now {
            return Ok(());
        }
        m.due.pop();
        let Some(lease) = m.leases.get(&no) else {
            continue;
        };
        if m.stand(no) != Stand::Seat {
            continue;
        }
        let latest = m.latest_end(lease);
        if latest >= m.now {
            m.due.push(Reverse((latest, no)));
            continue;
        }
        return broken(
            2,
            m.now,
            format!(
                "{no:?} of {:?} should have been freed by {latest} ms: nothing that counts came since {} ms (D is {})",
                lease.holder, lease.maybe, m.run.lease_for
            ),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
