//! Many seeds on all cores, and the mistakes that must be found.

use crate::coverage::Coverage;
use crate::history::{Broken, Ms};
use crate::lines;
use crate::plan::Plan;
use crate::world::World;
use mooring_core::mutant::{self, Mutant};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Which worlds seeds mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worlds {
    /// Those of one server ([`crate::plan`]), of so many steps at least.
    OfOneServer(u64),
    /// Those of several ([`lines`]).
    OfSeveral,
}

impl Worlds {
    /// Those that show a mistake.
    pub fn that_show(m: Mutant, steps: u64) -> Self {
        match m {
            Mutant::GathersEverywhere
            | Mutant::LosersKept
            | Mutant::AnswerOfOneIsNone
            | Mutant::PartsInLocalOrder
            | Mutant::PartsTakenEarly
            | Mutant::PartsKept
            | Mutant::PartShown => Self::OfSeveral,
            _ => Self::OfOneServer(steps),
        }
    }
}

/// What came of many seeds.
#[derive(Debug, Default)]
pub struct Summary {
    pub worlds: u64,
    pub steps: u64,
    /// True time that passed in all worlds.
    pub time: Ms,
    pub coverage: Coverage,
    /// Seeds that broke a promise.
    pub broken: Vec<(u64, Broken)>,
}

impl Summary {
    fn of(worlds: Worlds, seed: u64) -> Self {
        let mut s = Self {
            worlds: 1,
            ..Self::default()
        };
        let broken = match worlds {
            Worlds::OfOneServer(steps) => {
                let o = World::live(&Plan::of(seed, steps), false);
                (s.steps, s.time, s.coverage) = (o.steps, o.time, o.coverage);
                o.broken
            }
            Worlds::OfSeveral => {
                let o = lines::live(&lines::SitePlan::of(seed), false);
                (s.steps, s.time) = (o.steps, o.time);
                s.coverage.checks(o.seen.each());
                s.coverage.faults_of_several(o.faults);
                o.broken
            }
        };
        s.broken.extend(broken.map(|b| (seed, b)));
        s
    }

    /// Adds what came of others.
    pub fn add(&mut self, o: Self) {
        self.worlds += o.worlds;
        self.steps += o.steps;
        self.time += o.time;
        self.coverage.add(o.coverage);
        self.broken.extend(o.broken);
    }
}

/// Lives these seeds on `threads` threads, with a mistake switched on or none. `stop_at`: ends
/// after so many broken promises. `progress` is told how many worlds and steps are done.
pub fn live(
    worlds: Worlds,
    seeds: std::ops::Range<u64>,
    threads: usize,
    mistake: Option<Mutant>,
    stop_at: usize,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Summary {
    let next = AtomicU64::new(seeds.start);
    let stop = AtomicBool::new(false);
    let all = Mutex::new(Summary::default());
    std::thread::scope(|s| {
        for _ in 0..threads.max(1) {
            s.spawn(|| {
                mutant::set(mistake);
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let one = Summary::of(worlds, seed);
                    let mut a = all.lock().unwrap_or_else(PoisonError::into_inner);
                    a.add(one);
                    stop.fetch_or(a.broken.len() >= stop_at, Ordering::Relaxed);
                    progress(a.worlds, a.steps);
                }
            });
        }
    });
    let mut a = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    a.broken.sort_by_key(|(s, _)| *s);
    a
}
