//! All that a ledger knows, and finding one's way in it.

use super::capacity::Capacity;
use super::entry::{Entry, State};
use super::queue::Queue;
use super::refusal::Refusal;
use super::settling::Settling;
use super::tally::Tally;
use super::types::{Event, Settings};
use crate::identity::HolderKey;
use crate::names::{ClaimName, LeaseId};
use crate::secret::SecretHash;
use crate::time::{BootTime, margin};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

#[derive(Debug)]
pub struct Ledger {
    pub(super) settings: Settings,
    pub(super) capacity: Capacity,
    pub(super) entries: HashMap<LeaseId, Entry>,
    /// A holder's few claims, by name.
    pub(super) by_holder: HashMap<HolderKey, Vec<(ClaimName, LeaseId)>>,
    pub(super) per_namespace: HashMap<String, usize>,
    pub(super) queue: Queue,
    pub(super) tally: Tally,
    /// Holders that an administrator has barred, and what they are told.
    pub(super) revoked: HashMap<HolderKey, String>,
    /// Leases whose seats come from a pool that is not open.
    pub(super) stranded: BTreeSet<LeaseId>,
    pub(super) deadlines: BTreeSet<(BootTime, LeaseId)>,
    pub(super) settling: Settling,
    pub(super) paused: Option<Refusal>,
    pub(super) arrivals: u64,
    /// Ended claims: a late duplicate of their messages changes nothing.
    pub(super) ended: HashMap<SecretHash, Ended>,
    /// Their ids, and whether such a lease must not be reinstated again: not so for a mere place in
    /// the queue, which a duplicate can have taken while the lease itself is on its way.
    pub(super) ended_ids: HashMap<LeaseId, bool>,
    pub(super) ended_order: VecDeque<(BootTime, SecretHash, LeaseId)>,
    pub(super) events: VecDeque<Event>,
    pub(super) seq: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    /// It was given back by its holder, and does not come back; one that lapsed may.
    pub(super) released: bool,
    /// The highest number of its requests.
    pub(super) counter: u64,
}

impl Ledger {
    /// Opens the books of a run that starts at `now`.
    pub fn new(settings: Settings, capacity: Capacity, now: BootTime) -> Self {
        let settling = Settling::new(now, &settings);
        Self {
            settings,
            capacity,
            entries: HashMap::new(),
            by_holder: HashMap::new(),
            per_namespace: HashMap::new(),
            queue: Queue::default(),
            tally: Tally::default(),
            revoked: HashMap::new(),
            stranded: BTreeSet::new(),
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

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether earlier leases are still reinstated and nothing new is granted.
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

    /// The lease that a holder's claim has, or will have.
    pub fn lease_of(&self, holder: &HolderKey, claim: &ClaimName) -> Option<LeaseId> {
        let claims = self.by_holder.get(holder)?;
        claims.iter().find(|(n, _)| n == claim).map(|(_, id)| *id)
    }

    pub(super) fn state_of(&self, id: LeaseId) -> Option<&State> {
        self.entries.get(&id).map(|e| &e.state)
    }

    /// M for this run's D.
    pub(super) fn margin(&self) -> Duration {
        margin(self.settings.lease_for)
    }

    pub(super) fn claims_of(&self, holder: &HolderKey) -> Vec<LeaseId> {
        let claims = self.by_holder.get(holder).into_iter().flatten();
        claims.map(|(_, id)| *id).collect()
    }
}
