//! What becomes of messages: lost, late, doubled, overtaken.

use crate::history::{CopyNo, Ms};
use fastrand::Rng;
use foldhash::HashMap;

/// The longest that any message takes.
const HOUR: Ms = 3_600_000;

/// The network. Its chance is its own, and each message draws the same number of dice.
pub(super) struct Net {
    rng: Rng,
    pub(super) delay: Ms,
    pub(super) cut_up: HashMap<CopyNo, Ms>,
    pub(super) cut_down: HashMap<CopyNo, Ms>,
    pub(super) cut_server: Ms,
    pub(super) loss: Ms,
    pub(super) duplicates: Ms,
    pub(super) delays: (Ms, Ms),
}

impl Net {
    pub(super) fn new(seed: u64, delay: Ms) -> Self {
        Self {
            rng: Rng::with_seed(!seed),
            delay,
            cut_up: HashMap::default(),
            cut_down: HashMap::default(),
            cut_server: 0,
            loss: 0,
            duplicates: 0,
            delays: (0, 0),
        }
    }

    /// When a message arrives that is sent now: never, once, or twice.
    pub(super) fn ways(&mut self, now: Ms, copy: CopyNo, up: bool) -> Vec<Ms> {
        let (usual, lost, late, second) = (
            self.rng.u64(0..=self.delay),
            self.rng.u8(..3) == 0,
            self.rng.f64(),
            self.rng.f64(),
        );
        let cut = if up { &self.cut_up } else { &self.cut_down };
        let cut = cut.get(&copy).is_some_and(|t| now < *t) || now < self.cut_server;
        if cut || (now < self.loss && lost) {
            return Vec::new();
        }
        let mut first = now + 1 + usual;
        if now < self.delays.0 {
            first += (self.delays.1 as f64 * late * late) as Ms;
        }
        let mut ways = vec![first];
        if now < self.duplicates {
            // Mostly soon, at times much later.
            ways.push(first + (HOUR as f64 * second.powi(8)) as Ms);
        }
        ways
    }
}
