//! A run of the server: what it started with, and what it may grant so far.

use foldhash::HashSet;

use super::in_force::InForce;
use super::measure::{margin, slack};
use crate::history::{GroupNo, HolderNo, Index, Ms, Reclaim, RunNo};

/// A run of the server.
#[derive(Debug, Default)]
pub(super) struct KnownRun {
    pub(super) no: RunNo,
    pub(super) up: bool,
    pub(super) started: Ms,
    /// D.
    pub(super) lease_for: Ms,
    pub(super) longest_before: Ms,
    pub(super) reclaim: Reclaim,
    pub(super) settled: bool,
    pub(super) frozen: bool,
    pub(super) thawed: Ms,
    /// Since when the anchor is lost.
    pub(super) anchor_lost: Option<Ms>,
    /// By how much its wall clock is wrong, now and when it started.
    pub(super) wall: i64,
    pub(super) started_wall: Option<i64>,
    /// An earlier run was on another machine.
    pub(super) moved: bool,
    /// It cannot tell the age of what an earlier run gave: that was on a machine whose wall clock
    /// differs.
    pub(super) skewed: bool,
    /// From when until when, by that clock, the anchor's last signature lets it sign.
    pub(super) delegated: Option<(i64, i64)>,
    pub(super) rosters: Vec<Vec<HolderNo>>,
    /// Each holder of a roster was in or gone.
    pub(super) roster_done: bool,
    /// Pools of which every seat was taken once in this run.
    pub(super) full_once: Vec<bool>,
    /// Pools from which this run granted something new.
    pub(super) granted: Vec<bool>,
    /// Holders that the books of this run knew, and that are gone.
    pub(super) seen: HashSet<HolderNo>,
    pub(super) gone: HashSet<HolderNo>,
    pub(super) revoked: HashSet<HolderNo>,
    /// Groups that are not entitled by the policies that it has.
    pub(super) unentitled: HashSet<GroupNo>,
    /// The seat policy in force.
    pub(super) policy: Option<InForce>,
    /// When that, the license, or who may hold what has changed last.
    pub(super) disturbed: Ms,
    /// Seats taken by the books, by pool.
    pub(super) used: Vec<u64>,
    /// The longest and shortest grace, and the longest time for contested holders, of this run's
    /// licenses.
    pub(super) grace: (Ms, Ms),
    pub(super) max_contested: Ms,
    pub(super) least_contested: Ms,
}

impl KnownRun {
    /// Q; 0 if nobody can hold a lease of an earlier run.
    pub(super) fn settling(&self) -> Ms {
        match self.longest_before {
            0 => 0,
            longest => longest + margin(longest),
        }
    }

    /// Whether the time `t` is before Q has passed by the slowest clock.
    pub(super) fn before_q(&self, t: Ms) -> bool {
        let q = self.settling();
        q > 0 && t + slack(q) < self.started + q
    }

    /// Whether all seats of this pool were taken at one moment of this run: then no lease of an
    /// earlier run can be left out there.
    pub(super) fn was_full(&self, pool: Index) -> bool {
        self.full_once.get(pool).copied().unwrap_or_default()
    }

    pub(super) fn all_full(&self) -> bool {
        self.full_once.iter().all(|f| *f)
    }

    pub(super) fn entitled(&self, holder: HolderNo) -> bool {
        let group = holder.group();
        group != GroupNo::NEVER && !self.unentitled.contains(&group)
    }

    /// Looks whether each holder of some roster is in or gone.
    pub(super) fn look_at_rosters(&mut self) {
        let in_or_gone = |h: &HolderNo| self.seen.contains(h) || self.gone.contains(h);
        let mut rosters = self.rosters.iter();
        self.roster_done |= rosters.any(|roster| roster.iter().all(in_or_gone));
    }
}
