//! The line: ranks, places, who is granted next.

use super::entry::{Entry, State};
use super::{Claimed, Granted, Ledger, Place};
use crate::names::LeaseId;
use crate::time::BootTime;
use crate::wire::WaitReason;
use std::cmp::Reverse;

/// The order in line (promise 5): contested holders that were `Held`, then priority, then arrival.
/// Earlier runs' places, restored from tickets, stand before this run's newcomers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) class: Class,
    pub(super) priority: Reverse<i32>,
    /// `u64::MAX` for this run's arrivals, whatever number this run has in the end.
    pub(super) generation: u64,
    pub(super) arrival: u64,
    /// Two tickets of different runs can carry the same numbers.
    pub(super) id: LeaseId,
}

/// This run's own arrivals.
pub(super) const OWN: u64 = u64::MAX;

/// Who stands before whom, whatever the arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// Was `Held`, and its seat was given away meanwhile.
    Contested,
    /// All others.
    Ordinary,
}

impl Ledger {
    /// Grants to the line what can be granted: in order, all or nothing. A claim that cannot be granted keeps
    /// all it could draw on for itself, so that free seats gather for it and nobody overtakes.
    pub(super) fn grant_line(&mut self, now: BootTime) {
        if self.settling.is_on() || self.paused.is_some() || self.line.is_empty() {
            return;
        }
        let mut blocked = vec![false; self.capacity.pools.len()];
        let mut free = self.capacity.free();
        let mut granted = Vec::new();
        for id in self.line.values() {
            // With nothing left anywhere nobody further back can be granted.
            if free.iter().zip(&blocked).all(|(f, b)| *f == 0 || *b) {
                break;
            }
            let Some(e) = self.entries.get(id) else {
                continue;
            };
            let pools = self.capacity.pools_of(&e.items);
            let waits_behind = pools
                .iter()
                .any(|p| blocked.get(*p).copied().unwrap_or(true));
            let draws = if waits_behind {
                None
            } else {
                self.capacity.draw_from(&e.items, &free)
            };
            match draws {
                Some(draws) => {
                    for (p, n) in &draws {
                        if let Some(f) = free.get_mut(*p) {
                            *f = f.saturating_sub(*n);
                        }
                    }
                    granted.push((*id, draws));
                }
                None => pools.iter().for_each(|p| {
                    if let Some(b) = blocked.get_mut(*p) {
                        *b = true;
                    }
                }),
            }
        }
        for (id, draws) in granted {
            let overdraft = self.capacity.book(&draws);
            self.set_state(
                id,
                State::Held {
                    draws,
                    overdraft,
                    silent: false,
                },
                now,
            );
        }
    }

    /// The place of a rank: one more than those before it that share a pool.
    fn place(&self, rank: Rank, e: &Entry) -> u32 {
        let mine = self.capacity.pools_of(&e.items);
        let shares = |id: &LeaseId| {
            let other = self.entries.get(id);
            other.is_some_and(|o| {
                self.capacity
                    .pools_of(&o.items)
                    .iter()
                    .any(|p| mine.contains(p))
            })
        };
        let before = self.line.range(..rank).filter(|(_, id)| shares(id)).count();
        u32::try_from(before + 1).unwrap_or(u32::MAX)
    }

    /// The place in line of an entry, and why it waits.
    pub(super) fn place_of(&self, e: &Entry) -> Option<(u32, WaitReason)> {
        let State::Line { rank, .. } = e.state else {
            return None;
        };
        let reason = if self.settling.is_on() {
            WaitReason::Settling
        } else {
            WaitReason::Full
        };
        Some((self.place(rank, e), reason))
    }

    /// The answer to a claim that is granted or in line; `None` for a refused one.
    pub(super) fn answer(&self, id: LeaseId, e: &Entry) -> Option<Claimed> {
        Some(match &e.state {
            State::Line { rank, .. } => {
                let (place, reason) = self.place_of(e).unwrap_or((1, WaitReason::Full));
                Claimed::Waiting(Place {
                    lease: id,
                    claim: e.name.clone(),
                    holder: e.holder.clone(),
                    items: e.items.clone(),
                    place,
                    reason,
                    generation: if rank.generation == OWN {
                        self.settings.generation
                    } else {
                        rank.generation
                    },
                    arrival: rank.arrival,
                    contested: rank.class == Class::Contested,
                    secret_hash: e.secret_hash,
                })
            }
            State::Held { overdraft, .. } => Claimed::Granted(granted(id, e, *overdraft)),
            State::Refused(_) => return None,
        })
    }
}

pub(super) fn granted(id: LeaseId, e: &Entry, overdraft: u32) -> Granted {
    Granted {
        lease: id,
        claim: e.name.clone(),
        holder: e.holder.clone(),
        items: e.items.clone(),
        counter: e.counter,
        received: e.last,
        overdraft,
        secret_hash: e.secret_hash,
    }
}
