//! Settling: the time after a start in which earlier leases are reinstated and nothing new is
//! granted (promise 3).
//!
//! Without it the books of every run stay right and yet two applications are `Held` for one seat:
//! one by a lease of the run before, one by a lease of this. It lasts Q, and ends early once every
//! holder on the operator's roster is in or gone; never early where there may be holders that no
//! roster names. That all seats are taken again does not end it: the license may have had more of
//! them when the leases were given.
//!
//! Under `Confirmed` a silent holder keeps its seat for its grace, also over a restart, and so
//! settling may last that long. Anybody's pod can be on the roster, which has to be a superset:
//! past Q only those of it count that the operator calls lasting, since they held, or may.

use super::types::Settings;
use crate::identity::HolderKey;
use crate::mutant::{self, Mutant};
use crate::names::ClaimName;
use crate::policy::Reclaim;
use crate::time::{BootTime, margin, settling};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// Q for a new run that grants leases of `new`: counted from the longest lease that any earlier run
/// may have granted, which is unknown where `longest_before` is `None`. Zero only if no lease was
/// ever granted.
pub fn settle_for(longest_before: Option<Duration>, new: Duration) -> Duration {
    match longest_before {
        Some(Duration::ZERO) => Duration::ZERO,
        Some(_) if mutant::on(Mutant::SettlesByNewDuration) => settling(Some(new)),
        longest => settling(longest),
    }
}

/// Where a run stands with it.
#[derive(Clone, Debug, Default)]
pub(super) struct Settling {
    /// `None` once it is over.
    until: Option<BootTime>,
    /// The end of Q: until then an earlier run's places can be alive; not ended early.
    places_until: BootTime,
    /// There may be holders that no roster names.
    outsiders: bool,
    now: BootTime,
    /// Holders on the roster that are neither in nor gone; `None` before it came.
    missing: Option<HashSet<HolderKey>>,
    /// Those on it that are waited for past Q.
    lasting: HashSet<HolderKey>,
    /// Who has shown itself, or is gone.
    seen: HashSet<HolderKey>,
    /// Claims that have shown themselves, and others that their holders named.
    shown: HashSet<(HolderKey, ClaimName)>,
    named: HashMap<HolderKey, HashSet<ClaimName>>,
}

impl Settling {
    pub(super) fn new(now: BootTime, settings: &Settings) -> Self {
        let (q, grace) = (settings.settle, settings.grace);
        let time = match settings.reclaim {
            Reclaim::Confirmed => q.max(grace + margin(grace)),
            Reclaim::Any => q,
        };
        let until = (!q.is_zero()).then(|| now + time);
        Self {
            until,
            places_until: now + q,
            outsiders: settings.outsiders,
            now,
            ..Self::default()
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.until.is_some()
    }

    pub(super) fn ends_at(&self) -> BootTime {
        let latest = self.until.unwrap_or(BootTime::NEVER);
        if self.until.is_some() && self.none_lasts() {
            return latest.min(self.places_until);
        }
        latest
    }

    /// The roster came, and of those on it that are missing none is waited for past Q.
    fn none_lasts(&self) -> bool {
        let missing = self.missing.as_ref().filter(|_| !self.outsiders);
        missing.is_some_and(|m| m.is_disjoint(&self.lasting))
    }

    pub(super) fn restores_places(&self) -> bool {
        self.now < self.places_until
    }

    /// A claim has shown itself; its holder has once all its other claims have, too. The roster
    /// names holders, and a lease counts by its claim: with one claim in, another's lease could
    /// still be out. So it could with one given back whose holder has named no others here.
    pub(super) fn shown(&mut self, h: &HolderKey, claim: &ClaimName) {
        if self.until.is_none() {
            return;
        }
        self.shown.insert((h.clone(), claim.clone()));
        let Some(others) = self.named.get(h) else {
            return;
        };
        let is_in = |o: &ClaimName| self.shown.contains(&(h.clone(), o.clone()));
        if others.iter().all(is_in) {
            self.seen(h);
        }
    }

    /// A holder names all its other claims.
    pub(super) fn names(&mut self, h: &HolderKey, others: &[ClaimName]) {
        if self.until.is_some() {
            let others = others.iter().cloned().collect();
            self.named.insert(h.clone(), others);
        }
    }

    /// A holder has shown itself, or is gone.
    pub(super) fn seen(&mut self, h: &HolderKey) {
        if self.until.is_none() {
            return;
        }
        if let Some(m) = &mut self.missing {
            m.remove(h);
        }
        // A second roster may come.
        self.seen.insert(h.clone());
    }

    pub(super) fn expect(&mut self, roster: &[HolderKey], lasting: &[HolderKey]) {
        if self.until.is_some() {
            let missing = roster.iter().filter(|h| !self.seen.contains(*h));
            self.missing = Some(missing.cloned().collect());
            self.lasting = lasting.iter().cloned().collect();
        }
    }

    /// Whether it ends in this step: its time is over, or all on the roster are in or gone.
    pub(super) fn end_if_done(&mut self, now: BootTime) -> bool {
        self.now = self.now.max(now);
        let Some(until) = self.until else {
            return false;
        };
        let complete = self.missing.as_ref().is_some_and(HashSet::is_empty);
        let all_in = complete && !self.outsiders;
        let q_is_over = self.now >= self.places_until && self.none_lasts();
        if now < until && !all_in && !q_is_over {
            return false;
        }
        self.until = None;
        self.lasting = HashSet::new();
        self.seen = HashSet::new();
        self.shown = HashSet::new();
        self.named = HashMap::new();
        true
    }

    /// How many holders of the roster are still missing; `None` before it came.
    #[cfg(test)]
    pub(super) fn missing(&self) -> Option<usize> {
        self.missing.as_ref().map(HashSet::len)
    }
}
