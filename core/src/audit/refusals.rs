//! Refusals that repeat: the first is recorded at once, those that follow are counted, and the
//! count is recorded when the time is over. So a holder that asks each minute, or each millisecond,
//! writes a few records an hour, and pushes nobody else's out of the log.

use super::record::Fact;
use crate::identity::HolderKey;
use crate::names::ClaimName;
use crate::time::BootTime;
use crate::wire::ProblemType;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// For how long refusals of a claim for one problem are counted as one.
pub(super) const COUNTED: Duration = Duration::from_secs(3600);

/// How many claims and problems of a holder are told apart in that time; of all beyond them the
/// problem is told, and not the claim.
pub(super) const OF_A_HOLDER: usize = 16;

/// How many are kept in all; beyond them the oldest is over early.
const MOST: usize = 50_000;

/// Refusals that count as one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Same {
    holder: HolderKey,
    claim: Option<ClaimName>,
    problem: ProblemType,
}

#[derive(Debug)]
struct Counted {
    fact: Fact,
    /// Besides the one that was recorded.
    more: u64,
}

#[derive(Debug, Default)]
pub(super) struct Refusals {
    counted: HashMap<Same, Counted>,
    /// Oldest first.
    ends: VecDeque<(BootTime, Same)>,
    by_holder: HashMap<HolderKey, usize>,
}

impl Refusals {
    /// Takes a refusal of `holder`; gives what is to be recorded of it now.
    pub(super) fn note(
        &mut self,
        holder: HolderKey,
        problem: ProblemType,
        mut fact: Fact,
        now: BootTime,
    ) -> Option<Fact> {
        let claim = fact.claim.clone();
        let mut same = Same {
            holder,
            claim,
            problem,
        };
        let of_holder = self.by_holder.get(&same.holder).copied().unwrap_or(0);
        if of_holder >= OF_A_HOLDER && !self.counted.contains_key(&same) {
            same.claim = None;
            (fact.claim, fact.lease) = (None, None);
            fact.items.clear();
        }
        if let Some(c) = self.counted.get_mut(&same) {
            c.more += 1;
            return None;
        }
        *self.by_holder.entry(same.holder.clone()).or_default() += 1;
        self.ends.push_back((now + COUNTED, same.clone()));
        let kept = fact.clone();
        self.counted.insert(
            same,
            Counted {
                fact: kept,
                more: 0,
            },
        );
        Some(fact)
    }

    /// What is to be recorded of those whose time is over at `now`; at
    /// [`NEVER`](BootTime::NEVER) of all.
    pub(super) fn over(&mut self, now: BootTime) -> Vec<Fact> {
        let mut over = Vec::new();
        while self
            .ends
            .front()
            .is_some_and(|(t, _)| *t <= now || self.ends.len() > MOST)
        {
            let Some((_, same)) = self.ends.pop_front() else {
                break;
            };
            if let Some(n) = self.by_holder.get_mut(&same.holder) {
                *n -= 1;
                if *n == 0 {
                    self.by_holder.remove(&same.holder);
                }
            }
            let counted = self.counted.remove(&same).filter(|c| c.more > 0);
            over.extend(counted.map(|c| Fact {
                times: Some(c.more),
                ..c.fact
            }));
        }
        over
    }
}
