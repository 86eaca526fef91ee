//! What becomes of messages: lost, late, doubled, overtaken.

use super::history::{PodNo, ServerNo};
use crate::history::Ms;
use fastrand::Rng;
use foldhash::HashMap;

/// The longest that a second copy of a message takes.
const SECOND: Ms = 600_000;

/// The network. Its chance is its own, and each message draws the same number of dice.
pub(super) struct SiteNet {
    rng: Rng,
    delay: Ms,
    /// Until when what these pods send to these servers is lost; and what they are sent.
    pub(super) cut_up: HashMap<(PodNo, ServerNo), Ms>,
    pub(super) cut_down: HashMap<(PodNo, ServerNo), Ms>,
    pub(super) cut_server: HashMap<ServerNo, Ms>,
    pub(super) loss: Ms,
    pub(super) releases_lost: Ms,
    pub(super) duplicates: Ms,
    pub(super) delays: (Ms, Ms),
    /// The longest that any message takes on its first way.
    pub(super) latest: Ms,
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) pod: PodNo,
    pub(super) server: ServerNo,
    pub(super) up: bool,
    pub(super) release: bool,
}

impl SiteNet {
    pub(super) fn new(seed: u64, delay: Ms) -> Self {
        Self {
            rng: Rng::with_seed(!seed),
            delay,
            cut_up: HashMap::default(),
            cut_down: HashMap::default(),
            cut_server: HashMap::default(),
            loss: 0,
            releases_lost: 0,
            duplicates: 0,
            delays: (0, 0),
            latest: delay,
        }
    }

    pub(super) fn is_late(&mut self, until: Ms, up_to: Ms) {
        self.delays = (self.delays.0.max(until), up_to);
        self.latest = self.latest.max(self.delay + up_to);
    }

    /// All wires are whole.
    pub(super) fn heals(&mut self) {
        self.cut_up.clear();
        self.cut_down.clear();
        self.cut_server.clear();
        (self.loss, self.releases_lost, self.duplicates) = (0, 0, 0);
        self.delays = (0, 0);
        self.delay = self.delay.min(400);
    }

    fn is_cut(&self, now: Ms, way: Way) -> bool {
        let cut = if way.up { &self.cut_up } else { &self.cut_down };
        let cut = cut.get(&(way.pod, way.server));
        let until = cut.max(self.cut_server.get(&way.server));
        until.is_some_and(|t| now < *t) || (way.up && way.release && now < self.releases_lost)
    }

    /// When a message arrives that is sent now: never, once, or twice.
    pub(super) fn ways(&mut self, now: Ms, way: Way) -> Vec<Ms> {
        let (usual, lost, late, second) = (
            self.rng.u64(0..=self.delay),
            self.rng.u8(..3) == 0,
            self.rng.f64(),
            self.rng.f64(),
        );
        if self.is_cut(now, way) || (now < self.loss && lost) {
            return Vec::new();
        }
        let mut first = now + 1 + usual;
        if now < self.delays.0 {
            first += (self.delays.1 as f64 * late * late) as Ms;
        }
        let mut ways = vec![first];
        if now < self.duplicates {
            // Mostly soon, at times much later.
            ways.push(first + (SECOND as f64 * second.powi(6)) as Ms);
        }
        ways
    }
}
