//! All that a ledger knows, and finding one's way in it.

use super::booked::Booked;
use super::capacity::Capacity;
use super::ended::Past;
use super::entries::Entries;
use super::entry::State;
use super::family::Families;
use super::handover::Handovers;
use super::passers::Passers;
use super::pool::Drawn;
use super::queue::Queue;
use super::quotas::Quotas;
use super::recalls::Recalls;
use super::refusal::Refusal;
use super::settling::Settling;
use super::shared::Shared;
use super::sharers::Sharers;
use super::tally::Tally;
use super::types::{Event, Settings};
use super::who::Places;
use super::wish::Wish;
use crate::identity::HolderKey;
use crate::names::{ClaimName, LeaseId};
use crate::time::{BootTime, margin};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Ledger {
    pub(super) settings: Settings,
    pub(super) capacity: Capacity,
    pub(super) entries: Entries,
    /// What they have alike.
    pub(super) places: Places,
    pub(super) wishes: Shared<Wish>,
    pub(super) drawn: Shared<Drawn>,
    pub(super) per_namespace: HashMap<String, usize>,
    pub(super) quotas: Quotas,
    pub(super) queue: Queue,
    pub(super) sharers: Sharers,
    pub(super) recalls: Recalls,
    pub(super) passers: Passers,
    pub(super) families: Families,
    pub(super) handovers: Handovers,
    pub(super) tally: Tally,
    /// Holders that an administrator has barred, and what they are told.
    pub(super) revoked: HashMap<HolderKey, String>,
    /// Leases whose seats come from a pool that is not open.
    pub(super) stranded: BTreeSet<LeaseId>,
    pub(super) deadlines: Booked,
    pub(super) settling: Settling,
    pub(super) paused: Option<Refusal>,
    pub(super) arrivals: u64,
    pub(super) past: Past,
    pub(super) events: VecDeque<Event>,
    pub(super) seq: u64,
}

impl Ledger {
    /// Opens the books of a run that starts at `now`.
    pub fn new(settings: Settings, capacity: Capacity, now: BootTime) -> Self {
        let settling = Settling::new(now, &settings);
        Self {
            settings,
            capacity,
            entries: Entries::default(),
            places: Places::default(),
            wishes: Shared::default(),
            drawn: Shared::default(),
            per_namespace: HashMap::new(),
            quotas: Quotas::default(),
            queue: Queue::default(),
            sharers: Sharers::default(),
            recalls: Recalls::default(),
            passers: Passers::default(),
            families: Families::default(),
            handovers: Handovers::default(),
            tally: Tally::default(),
            revoked: HashMap::new(),
            stranded: BTreeSet::new(),
            deadlines: Booked::default(),
            settling,
            paused: None,
            arrivals: 0,
            past: Past::default(),
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
        let first = self.deadlines.first().map_or(BootTime::NEVER, |(t, _)| t);
        first.min(self.settling.ends_at())
    }

    /// The lease that a holder's claim has, or will have.
    pub fn lease_of(&self, holder: &HolderKey, claim: &ClaimName) -> Option<LeaseId> {
        let e = self.entries.of_name(holder.into(), claim)?;
        Some(e.id)
    }

    pub(super) fn state_of(&self, id: LeaseId) -> Option<&State> {
        self.entries.get(&id).map(|e| &e.state)
    }

    /// M for this run's D.
    pub(super) fn margin(&self) -> Duration {
        margin(self.settings.lease_for)
    }

    /// In the order in which they came.
    pub(super) fn claims_of(&self, holder: &HolderKey) -> Vec<LeaseId> {
        let claims = self.entries.of_holder(holder.into());
        let mut claims: Vec<LeaseId> = claims.map(|e| e.id).collect();
        claims.reverse();
        claims
    }
}
