//! The license server's books: who holds what, who waits, when a seat is free again.
//!
//! A state machine without I/O: each call takes the boot clock's reading and returns what to answer;
//! what others must be told comes out of [`Ledger::next_event`]. Promises are those of docs/protocol.md:
//!
//! - the seats of granted claims never exceed what the license has, and while it settles after a start nothing
//!   new is granted, so that not even the *holders* can count more (promises 1 and 3);
//! - a release frees in that step, silence frees at last receipt + D + M (promise 2);
//! - nobody overtakes a better-ranked claim that shares a pool (promise 5), and claims are all or nothing (promise 14);
//! - every call may be repeated (promise 6), and none works without the claim's secret (promise 11).
//!
//! | file | idea |
//! |---|---|
//! | `capacity`, `fit` | what the license has; drawing seats from it; which alternatives fit |
//! | `claim` | taking a claim: new, repeated, from a ticket |
//! | `take_in` | leases of earlier runs that holders show |
//! | `renew` | renewals, their counter, releases |
//! | `line`, `sorted` | ranks, places, who is granted next; counting places |
//! | `share` | seats that several claims count as one (`countBy`) |
//! | `revoke` | holders that an administrator has barred |
//! | `tally` | counts kept up with each change |
//! | `settle` | the time after a start; the operator's roster |
//! | `expiry` | what happens when nobody asks |
//! | `views` | what the books look like from outside |

mod capacity;
mod claim;
mod entry;
mod expiry;
mod fit;
mod line;
mod renew;
mod revoke;
mod settle;
mod share;
mod sorted;
mod take_in;
mod tally;
mod views;

#[cfg(test)]
mod tests;

pub use capacity::Capacity;
pub use claim::Claim;
pub use settle::{Settling, settle_for};
pub use take_in::HeldLease;
pub use views::{Event, Gauges};

use crate::identity::{Holder, HolderKey};
use crate::license::TokenDraw;
use crate::names::{ClaimName, InstanceId, LeaseId};
use crate::policy::Reclaim;
use crate::request::Item;
use crate::secret::SecretHash;
use crate::time::{BootTime, margin};
use crate::wire::{Problem, WaitReason};
use entry::Entry;
use line::Line;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;
use tally::Tally;

/// How long an ended claim's secret and id are remembered, so that a late duplicate brings nothing back (promise 6).
const REMEMBERED: Duration = Duration::from_secs(3600);
/// How many ended claims are remembered at most.
const MAX_REMEMBERED: usize = 200_000;

/// What a ledger is told once, at its start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// This run.
    pub instance: InstanceId,
    /// Orders runs; the wall clock's milliseconds at the start will do, since tickets of a higher one raise it.
    pub generation: u64,
    /// D.
    pub lease_for: Duration,
    /// Q; zero for none. See [`crate::time::settling`].
    pub settle: Duration,
    /// What proof a silent holder's seat needs.
    pub reclaim: Reclaim,
    /// The grace.
    pub grace: Duration,
    /// Bounds.
    pub limits: Limits,
}

/// Bounds on what strangers can make the ledger keep.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Claims of one holder.
    pub per_holder: usize,
    /// Claims of one namespace.
    pub per_namespace: usize,
    /// Claims in line.
    pub line: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_holder: 16,
            per_namespace: 20_000,
            line: 100_000,
        }
    }
}

/// An answer to a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// It holds.
    Granted(Granted),
    /// It waits.
    Waiting(Place),
}

/// A granted claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The lease.
    pub lease: LeaseId,
    /// The claim's name.
    pub claim: ClaimName,
    /// Who.
    pub holder: Holder,
    /// What.
    pub items: Vec<Item>,
    /// The renewal counter.
    pub counter: u64,
    /// When the holder's last request was received: D counts from here.
    pub received: BootTime,
    /// Which pools its seats come from, where a product can draw on several; for its token.
    pub draws: Vec<TokenDraw>,
    /// Seats of it over what was sold.
    pub overdraft: u32,
    /// The claim's secret, hashed.
    pub secret_hash: SecretHash,
}

/// A claim in line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The lease it will become.
    pub lease: LeaseId,
    /// The claim's name.
    pub claim: ClaimName,
    /// Who.
    pub holder: Holder,
    /// What.
    pub items: Vec<Item>,
    /// Its place, from 1.
    pub place: u32,
    /// Why it waits.
    pub reason: WaitReason,
    /// For its ticket: the run that it arrived in.
    pub generation: u64,
    /// For its ticket: its arrival in that run.
    pub arrival: u64,
    /// For its ticket: it was `Held` once.
    pub contested: bool,
    /// The claim's secret, hashed.
    pub secret_hash: SecretHash,
}

/// The books.
#[derive(Debug)]
pub struct Ledger {
    settings: Settings,
    capacity: Capacity,
    entries: HashMap<LeaseId, Entry>,
    /// A holder's few claims, by name.
    by_holder: HashMap<HolderKey, Vec<(ClaimName, LeaseId)>>,
    per_namespace: HashMap<String, usize>,
    line: Line,
    tally: Tally,
    /// Holders that an administrator has barred, and what they are told.
    revoked: HashMap<HolderKey, Problem>,
    deadlines: BTreeSet<(BootTime, LeaseId)>,
    settling: Settling,
    paused: Option<Problem>,
    arrivals: u64,
    /// Ended claims: a late duplicate of their messages changes nothing.
    ended: HashMap<SecretHash, Ended>,
    /// Their ids, and whether such a lease must not be taken in again: not so for a mere place in line, which a duplicate
    /// can have taken while the lease itself is on its way.
    ended_ids: HashMap<LeaseId, bool>,
    ended_order: VecDeque<(BootTime, SecretHash, LeaseId)>,
    events: VecDeque<Event>,
    seq: u64,
}

/// What is remembered of an ended claim.
#[derive(Clone, Copy, Debug)]
struct Ended {
    /// It was given back by its holder, and does not come back; one that lapsed may.
    released: bool,
    /// The highest number of its requests.
    counter: u64,
}

impl Ledger {
    /// Opens the books of a run that starts at `now`.
    pub fn new(settings: Settings, capacity: Capacity, now: BootTime) -> Self {
        let settling = Settling::new(now, settings.settle, settings.reclaim, settings.grace);
        Self {
            settings,
            capacity,
            entries: HashMap::new(),
            by_holder: HashMap::new(),
            per_namespace: HashMap::new(),
            line: Line::default(),
            tally: Tally::default(),
            revoked: HashMap::new(),
            deadlines: BTreeSet::new(),
            settling,
            paused: None,
            arrivals: 0,
            ended: HashMap::new(),
            ended_ids: HashMap::new(),
            ended_order: VecDeque::new(),
            events: VecDeque::new(),
            seq: 0,
        }
    }

    /// This run's settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Takes a new license in. With fewer seats nobody is thrown out: new claims wait until enough came back.
    pub fn set_capacity(&mut self, capacity: Capacity, now: BootTime) {
        self.tick(now);
        self.capacity.replace(capacity);
        self.regroup(now);
        self.settle_if_done(now);
        self.grant_line(now);
    }

    /// Grants nothing new while `why` holds (the anchor is lost, the license ended); claims are answered with it.
    /// `None`: goes on.
    pub fn pause(&mut self, why: Option<Problem>, now: BootTime) {
        self.paused = why;
        self.tick(now);
        self.grant_line(now);
    }

    /// A pod proven gone, or several: their seats are free in this step. Returns how many claims ended.
    pub fn gone(&mut self, holders: &[HolderKey], now: BootTime) -> usize {
        self.tick(now);
        let mut ended = 0;
        for h in holders {
            for id in self.claims_of(h) {
                self.end(id, "gone", now);
                ended += 1;
            }
            self.settling.gone(h);
        }
        self.settle_if_done(now);
        self.grant_line(now);
        ended
    }

    /// Whether earlier leases are still taken in and nothing new is granted.
    pub fn settling(&self) -> bool {
        self.settling.is_on()
    }

    /// The number of the last event.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// What others must be told, oldest first. Drain it after each call.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`tick`](Self::tick) has something to do; [`BootTime::NEVER`] if nothing is pending.
    pub fn next_deadline(&self) -> BootTime {
        let first = self.deadlines.first().map_or(BootTime::NEVER, |(t, _)| *t);
        first.min(self.settling.ends_at())
    }

    /// How a claim stands, to answer a request that was held open.
    pub fn standing(&self, lease: LeaseId) -> Option<Claimed> {
        self.answer(lease, self.entries.get(&lease)?)
    }

    /// The lease that a holder's claim has, or will have.
    pub fn lease_of(&self, holder: &HolderKey, claim: &ClaimName) -> Option<LeaseId> {
        self.find(holder, claim)
    }

    /// M for this run's D.
    fn margin(&self) -> Duration {
        margin(self.settings.lease_for)
    }

    fn claims_of(&self, holder: &HolderKey) -> Vec<LeaseId> {
        self.by_holder
            .get(holder)
            .map(|c| c.iter().map(|(_, id)| *id).collect())
            .unwrap_or_default()
    }

    fn find(&self, holder: &HolderKey, claim: &ClaimName) -> Option<LeaseId> {
        let claims = self.by_holder.get(holder)?;
        claims.iter().find(|(n, _)| n == claim).map(|(_, id)| *id)
    }
}
