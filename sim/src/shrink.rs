//! Makes a failing plan smaller: fewer faults, fewer pods, fewer claims, as long as the same
//! promise breaks.

use crate::history::Broken;
use crate::plan::Plan;
use crate::world::World;

/// A plan that can be made smaller.
pub trait Shrink: Clone {
    /// The promise that its world breaks.
    fn broken(&self) -> Option<Broken>;
    fn size(&self) -> usize;
    /// Plans with a part of it.
    fn smaller(&self) -> Vec<Self>;
}

/// The smallest plan found that breaks the same promise, and how it does.
pub fn shrink<P: Shrink>(plan: &P, broken: Broken) -> (P, Broken) {
    let (mut best, mut how) = (plan.clone(), broken);
    let mut tries = 0;
    loop {
        let before = best.size();
        for smaller in best.smaller() {
            tries += 1;
            if tries > 600 {
                return (best, how);
            }
            let broken = smaller.broken();
            if let Some(b) = broken.filter(|b| b.promise == how.promise) {
                (best, how) = (smaller, b);
                break;
            }
        }
        if best.size() == before {
            return (best, how);
        }
    }
}

impl Shrink for Plan {
    fn broken(&self) -> Option<Broken> {
        World::live(self, false).broken
    }

    fn size(&self) -> usize {
        self.faults.len() + self.pods.iter().map(|p| 1 + p.claims.len()).sum::<usize>()
    }

    fn smaller(&self) -> Vec<Self> {
        let mut all = Vec::new();
        let mut with = |change: &dyn Fn(&mut Self)| {
            let mut q = self.clone();
            change(&mut q);
            all.push(q);
        };
        let n = self.faults.len();
        for part in [2, 4] {
            let len = n / part;
            for i in 0..part {
                if len > 1 {
                    with(&|q| drop(q.faults.drain(i * len..(i + 1) * len)));
                }
            }
        }
        for i in (0..n).rev() {
            with(&|q| {
                q.faults.remove(i);
            });
        }
        for i in (0..self.pods.len()).rev() {
            if self.pods.len() > 1 {
                with(&|q| {
                    q.pods.remove(i);
                });
            }
            if self.pods[i].claims.len() > 1 {
                with(&|q| q.pods[i].claims.truncate(1));
            }
        }
        all
    }
}
