//! One claim in the lines of several license servers that have the same products: one pool to who
//! asks (docs/protocol.md, "Over several servers").
//!
//! Each line is a [`Drive`] of its own, under one name at each server. Here is what they are to
//! each other, as rules about how they stand; what these change is saved for all in one step, and
//! sent by each for itself.
//!
//! - The first that holds is *chosen*, which is saved before anybody is told, and the others are
//!   given back. It stays the claim's for as long as its application is licensed by it.
//! - Seats gather for the claim at one server: the first in order that has given it a place, or the
//!   first while none has. At the others it yields.
//! - One answer of any server is an answer: to start without a server all must be silent.
//! - It is refused if all refuse it.

use super::drive::Drive;
use crate::mutant::{self, Mutant};
use crate::time::BootTime;
use crate::wire::{ClaimStatus, HoldState, Stance};

/// What [`settle`] has changed of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineChange {
    /// It has something to do now.
    pub wake: bool,
    /// It is to be saved before anybody is told.
    pub save: bool,
}

/// Applies the rules to all lines of a claim, after something has happened to one of them; what has
/// changed of each, in their order. A claim with one line, or one that ends, is left as it is.
pub fn settle(lines: &mut [&mut Drive], now: BootTime) -> Vec<LineChange> {
    let mut changed = vec![LineChange::default(); lines.len()];
    if lines.len() < 2 || lines.iter().any(|l| l.is_ending()) {
        return changed;
    }
    choose(lines, &mut changed, now);
    share_answers(lines, &mut changed, now);
    if are_silent(lines, now) {
        start_without_servers(lines, &mut changed, now);
    }
    stand(lines, &mut changed, true, now);
    changed
}

/// How each stands: who is chosen has the claim to itself, and else seats gather at one of them,
/// if they are to (`takes`).
pub(super) fn stand(
    lines: &mut [&mut Drive],
    changed: &mut [LineChange],
    takes: bool,
    now: BootTime,
) {
    let chosen = lines.iter().position(|l| l.saved().chosen);
    let state = chosen.and_then(|i| Some(state_of(lines.get(i)?, now)));
    // Without a seat there it may have one elsewhere; what is silent may still have its own.
    let seeks = state.is_none_or(|s| s == HoldState::Contested);
    let gathers = gathers_at(lines, now);
    for (i, (line, changed)) in lines.iter_mut().zip(changed).enumerate() {
        if !seeks && Some(i) != chosen {
            if !line.is_out() && !mutant::on(Mutant::LosersKept) {
                changed.save |= line.stay_out(now);
                changed.wake = true;
            }
            continue;
        }
        if line.is_out() {
            line.come_back();
            (changed.save, changed.wake) = (true, true);
        }
        let holds = Some(i) == chosen && !seeks;
        let stance = if holds || (takes && i == gathers) {
            Stance::Gathers
        } else if takes {
            Stance::Yields
        } else {
            Stance::Rests
        };
        changed.wake |= line.stands(stance);
    }
}

/// The first that holds is the claim's, until its application is licensed by it no more, or another
/// holds while that one has no seat for it. A lease that came so late that it is over gives no more
/// than the grace, and is one all the same: else two could be kept, and neither chosen.
pub(super) fn choose(lines: &mut [&mut Drive], changed: &mut [LineChange], now: BootTime) {
    let before = lines.iter().position(|l| l.saved().chosen);
    let state = before.and_then(|i| Some(state_of(lines.get(i)?, now)));
    let licensed = state.is_some_and(HoldState::is_licensed);
    if licensed && state != Some(HoldState::Contested) {
        return;
    }
    let first = |is: HoldState| {
        let mut each = lines.iter();
        each.position(|l| !l.is_out() && state_of(l, now) == is)
    };
    let late = || first(HoldState::Grace).filter(|_| !licensed);
    let holds = first(HoldState::Held).or_else(late);
    let after = holds.or(before.filter(|_| licensed));
    for (i, (line, changed)) in lines.iter_mut().zip(changed).enumerate() {
        let is_it = after == Some(i);
        if line.saved().chosen != is_it {
            line.holder_mut().is_chosen(is_it, now);
            changed.save = true;
        }
    }
}

/// One answer of any is an answer: nobody starts without a server then. An application that was
/// started so goes on to the earliest end that any of its servers has told.
pub(super) fn share_answers(lines: &mut [&mut Drive], changed: &mut [LineChange], now: BootTime) {
    if mutant::on(Mutant::AnswerOfOneIsNone) || !lines.iter().any(|l| l.saved().answered) {
        return;
    }
    let runs = is_licensed(&lines.iter().map(|l| &**l), now);
    for (line, changed) in lines.iter_mut().zip(changed) {
        let runs = runs || line.saved().chosen;
        if line.holder_mut().is_answered_elsewhere(runs, now) {
            (changed.save, changed.wake) = (true, true);
        }
    }
}

/// Whether the application may start without any of the servers, as far as they are concerned.
pub(super) fn are_silent(lines: &[&mut Drive], now: BootTime) -> bool {
    let mut lines = lines.iter();
    if mutant::on(Mutant::AnswerOfOneIsNone) {
        return lines.any(|l| l.holder().is_silent(now));
    }
    lines.all(|l| l.holder().is_silent(now))
}

/// It does, where it may without each.
pub(super) fn start_without_servers(
    lines: &mut [&mut Drive],
    changed: &mut [LineChange],
    now: BootTime,
) {
    for (line, changed) in lines.iter_mut().zip(changed) {
        changed.save |= line.holder_mut().starts_as_all_are_silent(now);
    }
}

/// At which of them seats gather: the first that has a place for it and answers, or may have one;
/// before it the one that is chosen, where the claim stands before others.
fn gathers_at(lines: &[&mut Drive], now: BootTime) -> usize {
    let rank = |l: &Drive| {
        let state = state_of(l, now);
        let in_line = matches!(state, HoldState::Waiting | HoldState::Contested);
        let refused = state == HoldState::Refused;
        let chosen = l.saved().chosen;
        (refused, l.holder().is_unheard(), !in_line, !chosen)
    };
    let each = lines.iter().enumerate();
    let first = each.min_by_key(|(_, l)| rank(l));
    first.map_or(0, |(i, _)| i)
}

pub(super) fn state_of(line: &Drive, now: BootTime) -> HoldState {
    line.holder().status(now).state
}

/// Whether the application is licensed: by the line that is chosen, or, where it was started with
/// no server in reach, by all of them.
pub(super) fn is_licensed<'a>(
    lines: &(impl Iterator<Item = &'a Drive> + Clone),
    now: BootTime,
) -> bool {
    let mut chosen = lines.clone().filter(|l| l.saved().chosen);
    match chosen.next() {
        Some(line) => state_of(line, now).is_licensed(),
        None => lines.clone().count() > 0 && lines.clone().all(|l| state_of(l, now).is_licensed()),
    }
}

/// Which of a claim's lines speaks for it.
pub fn speaker<'a>(lines: &[&'a Drive], now: BootTime) -> Option<&'a Drive> {
    let state = |l: &&&Drive| state_of(l, now);
    if let Some(line) = lines.iter().find(|l| l.saved().chosen) {
        return Some(line);
    }
    if is_licensed(&lines.iter().copied(), now) {
        let limit = |l: &&&Drive| l.holder().status(now).until_boot_ms;
        return lines.iter().min_by_key(limit).copied();
    }
    // What it waits for before what it cannot have; in order, as it gathers.
    let rank = |l: &&&Drive| match state(l) {
        HoldState::Waiting => 0,
        HoldState::Lost => 1,
        HoldState::Refused => 3,
        _ => 2,
    };
    lines.iter().min_by_key(rank).copied()
}

/// What the application is told of the claim at `now`.
pub fn status(lines: &[&Drive], now: BootTime) -> Option<ClaimStatus> {
    let line = speaker(lines, now)?;
    let status = line.holder().status(now);
    if status.licensed && !is_licensed(&lines.iter().copied(), now) {
        // Its server alone is silent, and that of another may not be.
        return Some(status.unlicensed(HoldState::Seeking));
    }
    Some(status)
}
