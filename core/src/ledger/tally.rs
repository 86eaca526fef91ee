//! Counts kept up with each change, so that nobody has to go through the books for them.

use super::capacity::FixedNames;
use super::entry::{Entry, State};
use super::projects::Projects;
use super::queue::GroupAt;
use crate::names::ProductName;
use std::collections::HashMap;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Granted and renewed in time.
    pub held: u64,
    /// Granted, renewals missed.
    pub silent: u64,
    /// In line, not running.
    pub waiting: u64,
    /// In line, running on.
    pub contested: u64,
    pub refused: u64,
    /// Granted, and nothing runs by them: owners', for their pods, and parts whose others are not
    /// there yet.
    pub reserved: u64,
    /// Seats of contested claims, and of handovers: by how much more runs than was granted, as far
    /// as the server knows.
    pub overlap_seats: u64,
    /// Those of handovers.
    pub handover_seats: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    gauges: Gauges,
    products: HashMap<ProductName, ProductTally, FixedNames>,
    pub(super) projects: Projects,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ProductTally {
    /// Seats of granted claims.
    pub(super) used: u64,
    /// Claims in the queue.
    pub(super) waiting: u64,
}

impl Tally {
    pub(super) fn gauges(&self) -> Gauges {
        self.gauges
    }

    pub(super) fn product(&self, name: &ProductName) -> ProductTally {
        self.products.get(name).copied().unwrap_or_default()
    }

    /// An entry is as it is from now on.
    pub(super) fn enter(&mut self, e: &Entry) {
        self.count(e, |n, by| *n += by);
    }

    /// An entry is about to change or to go.
    pub(super) fn leave(&mut self, e: &Entry) {
        self.count(e, |n, by| *n = n.saturating_sub(by));
    }

    fn count(&mut self, e: &Entry, add: impl Fn(&mut u64, u64)) {
        let g = &mut self.gauges;
        let seats = || e.items().iter().map(|i| u64::from(i.seats.get())).sum();
        let is_beyond = matches!(e.state, State::Held { .. }) && e.handover().is_some();
        if is_beyond {
            add(&mut g.overlap_seats, seats());
            add(&mut g.handover_seats, seats());
        }
        match &e.state {
            // What its pods have counts by them.
            State::Held { .. } if e.is_owner() => return add(&mut g.reserved, 1),
            State::Held { silent: false, .. } if e.part().is_some() => add(&mut g.reserved, 1),
            State::Held { silent: false, .. } => add(&mut g.held, 1),
            State::Held { .. } => add(&mut g.silent, 1),
            // It gathers nothing, and whoever waits of its pods is counted.
            State::Queued(place) if place.group == GroupAt::Resting => return,
            State::Queued(place) if place.runs_until.is_none() => add(&mut g.waiting, 1),
            State::Queued(_) => {
                add(&mut g.contested, 1);
                add(&mut g.overlap_seats, seats());
            }
            State::Refused(_) => return add(&mut g.refused, 1),
        }
        if let (State::Held { .. }, Some(project)) = (&e.state, &e.wish.project) {
            let seats = e.items().iter().map(|i| u64::from(i.seats.get())).sum();
            self.projects.count(project, seats, &add);
        }
        for item in e.items() {
            // Names come from the license by now: a claim of an unknown product is refused before
            // it is counted.
            let p = match self.products.get_mut(&item.product) {
                Some(p) => p,
                None => self.products.entry(item.product.clone()).or_default(),
            };
            match &e.state {
                State::Held { .. } if is_beyond => {}
                State::Held { .. } => add(&mut p.used, u64::from(item.seats.get())),
                _ => add(&mut p.waiting, 1),
            }
            if p.used == 0 && p.waiting == 0 {
                self.products.remove(&item.product);
            }
        }
    }
}
