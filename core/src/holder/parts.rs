//! One claim for what several license servers have together, as of two vendors
//! (docs/protocol.md, "All parts or nothing").
//!
//! Its *parts* are what it asks of each; a part whose servers are several is a pool ([`lines`]).
//! Here is when which part is taken, so that two claims never wait for each other and few seats
//! idle:
//!
//! - All parts stand in line from the begin, and *rest* there: they keep their places, and nobody
//!   waits for them.
//! - Only who is the first in the line of its last server takes seats, and takes them in the order
//!   of the servers' own ids, which is the same for everybody: while it waits for one it has only
//!   such as come before. If one of those is lost, what comes after it goes back in line.
//! - What it has is *reserved*: nothing is told, shown or proven before all are there. That is
//!   saved in one step with all parts, before anybody is told.
//! - A part waits for the others for [`PART_WAITS`] at most; then it goes back to its place in
//!   line.
//! - Lost at one is lost, and given back at all.

use super::drive::Drive;
use super::lines::{self, LineChange, is_licensed, state_of};
use crate::mutant::{self, Mutant};
use crate::names::ServerId;
use crate::time::BootTime;
use crate::wire::{ClaimStatus, HoldState};
use std::time::Duration;

/// How long a part is kept for a claim whose other parts are not there.
pub const PART_WAITS: Duration = Duration::from_secs(60);

/// How a part stands towards the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Has {
    /// A lease that is in force.
    Seats,
    /// No answer since the begin, and the application may start without one.
    Silence,
    Nothing,
}

/// Applies the rules to all parts of a claim, each with its lines, after something has happened to
/// one of them; what has changed of each line. A claim that ends is left as it is.
pub fn settle(parts: &mut [Vec<&mut Drive>], now: BootTime) -> Vec<Vec<LineChange>> {
    if let [one] = parts {
        return vec![lines::settle(one, now)];
    }
    let none = parts.iter().map(|p| vec![LineChange::default(); p.len()]);
    let mut changed: Vec<Vec<LineChange>> = none.collect();
    if parts.iter().flatten().any(|l| l.is_ending()) {
        return changed;
    }
    for (part, changed) in parts.iter_mut().zip(&mut changed) {
        lines::choose(part, changed, now);
        lines::share_answers(part, changed, now);
    }
    if is_whole(parts) {
        let lasts = parts.iter().all(|p| is_licensed_by(p, now));
        if !lasts {
            break_up(parts, &mut changed, now);
        }
        // What begins anew rests until its turn.
        for (part, changed) in parts.iter_mut().zip(&mut changed) {
            lines::stand(part, changed, lasts, now);
        }
        return changed;
    }
    if parts.iter().all(|p| has(p, now) != Has::Nothing) {
        complete(parts, &mut changed, now);
        return changed;
    }
    let turn = turn(parts, now);
    for (i, (part, changed)) in parts.iter_mut().zip(&mut changed).enumerate() {
        let too_early = turn.as_ref().is_some_and(|t| t.later.contains(&i));
        back_in_line(part, changed, too_early, now);
        let takes = turn.as_ref().is_some_and(|t| t.takes == i);
        lines::stand(part, changed, takes, now);
    }
    changed
}

fn is_whole(parts: &[Vec<&mut Drive>]) -> bool {
    parts.iter().flatten().any(|l| l.saved().whole)
}

fn is_licensed_by(part: &[&mut Drive], now: BootTime) -> bool {
    is_licensed(&part.iter().map(|l| &**l), now)
}

fn has(part: &[&mut Drive], now: BootTime) -> Has {
    let holds = |l: &&mut Drive| l.saved().chosen && state_of(l, now) == HoldState::Held;
    if part.iter().any(holds) {
        Has::Seats
    } else if lines::are_silent(part, now) {
        Has::Silence
    } else {
        Has::Nothing
    }
}

/// All parts are there.
fn complete(parts: &mut [Vec<&mut Drive>], changed: &mut [Vec<LineChange>], now: BootTime) {
    for (part, changed) in parts.iter_mut().zip(changed) {
        if has(part, now) == Has::Silence {
            lines::start_without_servers(part, changed, now);
        }
        lines::stand(part, changed, true, now);
        for (line, changed) in part.iter_mut().zip(changed) {
            line.holder_mut().is_whole(true);
            (changed.save, changed.wake) = (true, true);
        }
    }
}

/// A part is lost, and with it the whole: what the others have is given back, and all begin anew.
fn break_up(parts: &mut [Vec<&mut Drive>], changed: &mut [Vec<LineChange>], now: BootTime) {
    for (part, changed) in parts.iter_mut().zip(changed) {
        for (line, changed) in part.iter_mut().zip(changed) {
            line.holder_mut().is_whole(false);
            line.holder_mut().is_chosen(false, now);
            // Who is told that it is a copy asks no more.
            if line.holder().is_copy() {
                changed.save = true;
                continue;
            }
            if !line.is_out() {
                let _ = line.stay_out(now);
            }
            line.come_back_lost();
            (changed.save, changed.wake) = (true, true);
        }
    }
}

/// Whose turn it is, by the parts' numbers.
struct Turn {
    takes: usize,
    /// Those that come after it.
    later: Vec<usize>,
}

/// Which part is to take its seats now, if one is: the first in the servers' order that has none,
/// once the last of them has nobody before this claim, and all can be had as far as is known.
fn turn(parts: &[Vec<&mut Drive>], now: BootTime) -> Option<Turn> {
    let asked = parts.iter().enumerate();
    let asked = asked.filter(|(_, p)| has(p, now) != Has::Silence);
    let order: Option<Vec<(ServerId, usize)>> = asked.map(|(i, p)| Some((id(p)?, i))).collect();
    let mut order = order?;
    order.sort_unstable();
    if mutant::on(Mutant::PartsInLocalOrder) {
        order.sort_unstable_by_key(|(_, i)| *i);
    }
    let part = |i: &usize| parts.get(*i).map_or(&[][..], Vec::as_slice);
    let there = |i: &usize| has(part(i), now) == Has::Seats;
    let can_be_had = |i: &usize| there(i) || stands(part(i)).next().is_some();
    if !order.iter().all(|(_, i)| can_be_had(i)) {
        return None;
    }
    let (_, last) = order.last()?;
    let is_first = there(last) || stands(part(last)).any(|l| l.holder().has_its_turn());
    if !is_first && !mutant::on(Mutant::PartsTakenEarly) {
        return None;
    }
    let mut order = order.into_iter().map(|(_, i)| i);
    let takes = order.find(|i| has(part(i), now) == Has::Nothing)?;
    Some(Turn {
        takes,
        later: order.collect(),
    })
}

/// Those of its lines in which it has a place that could become seats: their server answers, and
/// grants. What went back to its place is not among them before that is known there: whoever stands
/// behind it has had the seat by then.
fn stands<'a>(part: &'a [&mut Drive]) -> impl Iterator<Item = &'a Drive> {
    let lines = part.iter().map(|l| &**l);
    lines.filter(|l| l.holder().stands_in_line())
}

/// The least id of its servers, once one has told it.
fn id(part: &[&mut Drive]) -> Option<ServerId> {
    part.iter().filter_map(|l| l.saved().server).min()
}

/// A part that has waited for the others for long enough is free for others, and one that is had
/// before its turn (`too_early`).
fn back_in_line(
    part: &mut [&mut Drive],
    changed: &mut [LineChange],
    too_early: bool,
    now: BootTime,
) {
    for (line, changed) in part.iter_mut().zip(changed) {
        let s = line.saved();
        let long = now.since(s.chosen_at) >= PART_WAITS && !mutant::on(Mutant::PartsKept);
        if s.chosen && (long || too_early) {
            line.holder_mut().back_in_line(now);
            (changed.save, changed.wake) = (true, true);
        }
    }
}

/// Which of a claim's lines speaks for it: that of the part that it waits for; of a licensed one of
/// the first that ends.
pub fn speaker<'a>(parts: &[Vec<&'a Drive>], now: BootTime) -> Option<&'a Drive> {
    let mut each = parts.iter().filter_map(|p| lines::speaker(p, now));
    if parts.len() < 2 {
        return each.next();
    }
    if is_licensed_in_all(parts, now) {
        let rank = |l: &&Drive| {
            let status = l.holder().status(now);
            let holds = status.state == HoldState::Held;
            (!status.licensed, holds, status.until_boot_ms)
        };
        return each.min_by_key(rank);
    }
    // What it cannot have, what was lost, what it waits for; last what it has.
    let rank = |l: &&Drive| match state_of(l, now) {
        HoldState::Refused => 0,
        HoldState::Lost => 1,
        HoldState::Waiting => 2,
        HoldState::Held => 4,
        _ => 3,
    };
    each.min_by_key(rank)
}

fn is_licensed_in_all(parts: &[Vec<&Drive>], now: BootTime) -> bool {
    let whole = parts.len() < 2 || parts.iter().flatten().any(|l| l.saved().whole);
    if mutant::on(Mutant::PartShown) {
        return parts.iter().any(|p| is_licensed(&p.iter().copied(), now));
    }
    whole && parts.iter().all(|p| is_licensed(&p.iter().copied(), now))
}

/// What the application is told of the claim at `now`.
pub fn status(parts: &[Vec<&Drive>], now: BootTime) -> Option<ClaimStatus> {
    if let [one] = parts {
        return lines::status(one, now);
    }
    let mut status = speaker(parts, now)?.holder().status(now);
    let all = parts.iter().filter_map(|p| Some(p.first()?.items()));
    status.items = all.flatten().cloned().collect();
    if is_licensed_in_all(parts, now) {
        let chosen = parts.iter().filter_map(|p| lines::speaker(p, now));
        let each: Vec<ClaimStatus> = chosen.map(|l| l.holder().status(now)).collect();
        status.until_boot_ms = each.iter().filter_map(|s| s.until_boot_ms).min();
        status.for_ms = each.iter().filter_map(|s| s.for_ms).min();
        let held = each.iter().filter_map(|s| s.held_until_boot_ms).min();
        status.held_until_boot_ms = held.filter(|_| status.state == HoldState::Held);
    } else if parts.iter().flatten().any(|l| l.is_lost()) {
        // Until what there was is given back, and asked for anew.
        status = status.unlicensed(HoldState::Lost);
    } else if status.licensed {
        // One has an answer, and others have none.
        status = status.unlicensed(HoldState::Waiting);
    }
    Some(status)
}
