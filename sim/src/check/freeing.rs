//! Promise 2: a release, or the operator's `gone`, frees in the step that receives it. Silence
//! frees at the last receipt + D + M: not earlier, at most 1 s later; under `Confirmed` after the
//! grace, if that is longer, and without proof not before.
//!
//! The last receipt is that of the last request for the lease that was answered with it: from the
//! sending of that one its holder counts. A frozen server frees in the step in which it thaws. A
//! lease that was taken in may stay for as long as its holder could go by the earlier, longer
//! lease. A claim in line may be dropped once it was not asked for within D (promise 6 says that it
//! keeps its place until then).
//!
//! A loan that is called back is free when neither its notice, nor the D that was told with the
//! first word of it, is in force at its holder, and the margin of the longer of the two has passed;
//! or when its holder comes with another secret after its notice.

use std::cmp::Reverse;

use super::Seen;
use super::measure::{Verdict, slack};
use super::model::{Cause, Change, Lease, Model, Stand, Step};
use crate::history::{Msg, Reclaim};

/// A lease leaves the books, or its seat.
pub(super) fn booked(m: &Model, step: &Step, change: &Change, seen: &mut Seen) -> Verdict {
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
    if why == "released" {
        return released(m, step, change, lease, seen);
    }
    if why == "gone" && m.run.gone.contains(&change.holder) {
        seen.gone += 1;
        return Ok(());
    }
    // Whether a revoked seat was freed too early, promise 1 says: its holder is `Held` until it
    // hears of it.
    let revoked = m.run.revoked.contains(&change.holder) && matches!(why, "revoked" | "");
    if revoked || change.was != Stand::Seat {
        return Ok(());
    }
    let earliest = m.earliest_end(lease);
    if m.now < earliest {
        let what = format!(
            "the seat of {change} is given away ({:?}) before {earliest} ms: its last request came at {} ms, it was told {} \
             ms, grace {} ms, {:?}",
            change.is, lease.sure, lease.told_for, lease.told_run, m.run.reclaim
        );
        return m.broken(2, what);
    }
    seen.expired += 1;
    seen.loans_expired += u64::from(lease.called_back.is_some_and(|c| c.loan.is_some()));
    seen.expired_confirmed += u64::from(m.run.reclaim == Reclaim::Confirmed);
    Ok(())
}

/// A seat or a place is given back: by a release that names it and shows its secret.
fn released(m: &Model, step: &Step, change: &Change, lease: &Lease, seen: &mut Seen) -> Verdict {
    if m.is_taken_back(lease) && is_over(m, step, change, lease) {
        seen.taken_back += 1;
        return Ok(());
    }
    if begins_anew_after_notice(m, step, change, lease) {
        seen.loans_begun_anew += 1;
        return Ok(());
    }
    if matches!(step.cause, Cause::TakenBack(no) if no == change.lease) && change.was.in_line() {
        return Ok(());
    }
    let (promise, what) = match step.message().map(|c| &c.what) {
        Some(Msg::Release { lease: no, secret }) if *no == change.lease => {
            let its = lease.secret;
            if its.is_none_or(|s| s == *secret) {
                seen.released += 1;
                return Ok(());
            }
            let what = format!("{change} was given back with {secret:?}; its secret is {its:?}");
            (11, what)
        }
        Some(Msg::Release { lease: no, .. }) => {
            let what = format!("a release of {no:?} gave back {change}, which is another lease");
            (6, what)
        }
        _ => {
            let what = format!("{change} ended as released; no release was received");
            (2, what)
        }
    };
    m.broken(promise, what)
}

/// Whether the holder of a lease that an owner has called back comes with another secret, after
/// its notice.
fn begins_anew_after_notice(m: &Model, step: &Step, change: &Change, lease: &Lease) -> bool {
    let Some(called) = lease.called_back.filter(|c| c.loan.is_some()) else {
        return false;
    };
    let notice = called.notice.0;
    let over = m.now + slack(notice) >= called.since + notice;
    over && change.was == Stand::Seat && has_other_secret(step, lease)
}

fn has_other_secret(step: &Step, lease: &Lease) -> bool {
    step.message().is_some_and(|c| match &c.what {
        Msg::Claim { secret, .. } => c.of == lease.of && lease.secret != Some(*secret),
        _ => false,
    })
}

/// Whether a lease that an administrator took back may end now: its holder comes with another
/// secret, and so has heard; or the lease has run out that it may still go by.
fn is_over(m: &Model, step: &Step, change: &Change, lease: &Lease) -> bool {
    let has_heard = has_other_secret(step, lease);
    change.was == Stand::Seat && (has_heard || m.now >= m.earliest_end(lease))
}

/// A claim in line was dropped: was it asked for? It may be that it is seated now by an earlier
/// lease of its holder.
fn dropped(m: &Model, step: &Step, change: &Change) -> Verdict {
    let (Some(lease), Stand::Ended(why)) = (m.leases.get(&change.lease), change.is) else {
        return Ok(());
    };
    let d = m.run.lease_for;
    let told = matches!(why, "released" | "gone") || m.run.revoked.contains(&change.holder);
    let seated = m.live(lease.of).any(|l| m.stand(l) == Stand::Seat);
    if !change.was.in_line() || told || seated || m.now + slack(d) >= lease.alive + d {
        return Ok(());
    }
    let other_secret = has_other_secret(step, lease);
    let what = format!(
        "{change} loses its place in line ({why:?}) though it was asked for at {} ms (D is {d})",
        lease.alive
    );
    m.broken(if other_secret { 11 } else { 6 }, what)
}

/// At the end of a step: what it should have freed is free, and nothing else.
pub(super) fn step_end(m: &Model, step: &Step) -> Verdict {
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
            let theirs = lease.of == message.of && lease.secret == Some(*secret);
            // Of copies, the one that fell behind has nothing to give back: what the books have is
            // another's.
            let behind = m.apps.copied.contains_key(&lease.holder());
            let stand = m.stand(*no);
            if theirs && !behind && stand.live() {
                let what = format!(
                    "a release of {no:?} of {:?} was received; the books still have it as {stand:?}",
                    lease.holder()
                );
                return m.broken(2, what);
            }
        }
        Cause::Gone(holders) => {
            for holder in holders {
                let mut its = m.live_of(*holder);
                if let Some((_, no)) = its.find(|(_, l)| m.stand(*l) == Stand::Seat) {
                    let what = format!("{holder:?} is gone; the books still have {no:?} seated");
                    return m.broken(2, what);
                }
            }
        }
        Cause::TakenBack(_) | Cause::Nothing => {}
    }
    Ok(())
}

/// Looks at the seats that should have been freed before now.
pub(super) fn overdue(m: &mut Model) -> Verdict {
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
        let what = format!(
            "{no:?} of {:?} should have been freed by {latest} ms: nothing that counts came since {} ms (D is {})",
            lease.of.0, lease.maybe, m.run.lease_for
        );
        return m.broken(2, what);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
