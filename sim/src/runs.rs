//! Many seeds on all cores, and the mistakes that must be found.

use crate::coverage::Coverage;
use crate::history::{Broken, Ms};
use crate::plan::Plan;
use crate::world::World;
use mooring_core::mutant::{self, Mutant};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What came of many seeds.
#[derive(Debug, Default)]
pub struct Summary {
    pub seeds: u64,
    pub steps: u64,
    /// True time that passed in all worlds.
    pub time: Ms,
    pub coverage: Coverage,
    /// Seeds that broke a promise.
    pub broken: Vec<(u64, Broken)>,
}

/// Lives these seeds on `threads` threads, with a mistake switched on or none. `stop_at`: ends
/// after so many broken promises. `progress` is told how many seeds and steps are done.
pub fn live(
    seeds: std::ops::Range<u64>,
    steps: u64,
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
                    let o = World::live(&Plan::of(seed, steps), false);
                    let mut a = all.lock().unwrap_or_else(PoisonError::into_inner);
                    a.seeds += 1;
                    a.steps += o.steps;
                    a.time += o.time;
                    a.coverage.add(o.coverage);
                    if let Some(b) = o.broken {
                        a.broken.push((seed, b));
                        stop.fetch_or(a.broken.len() >= stop_at, Ordering::Relaxed);
                    }
                    progress(a.seeds, a.steps);
                }
            });
        }
    });
    let mut a = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    a.broken.sort_by_key(|(s, _)| *s);
    a
}
