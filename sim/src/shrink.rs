//! Makes a failing plan smaller: fewer faults, fewer pods, fewer claims, as long as the same
//! promise breaks.

use crate::history::Broken;
use crate::plan::Plan;
use crate::world::World;

/// The smallest plan found that breaks the same promise, and how it does.
pub fn shrink(plan: &Plan, broken: Broken) -> (Plan, Broken) {
    let (mut best, mut how) = (plan.clone(), broken);
    let mut tries = 0;
    loop {
        let before = size(&best);
        for smaller in smaller(&best) {
            tries += 1;
            if tries > 600 {
                return (best, how);
            }
            let broken = World::live(&smaller, false).broken;
            if let Some(b) = broken.filter(|b| b.promise == how.promise) {
                (best, how) = (smaller, b);
                break;
            }
        }
        if size(&best) == before {
            return (best, how);
        }
    }
}

fn size(p: &Plan) -> usize {
    p.faults.len() + p.pods.iter().map(|p| 1 + p.claims.len()).sum::<usize>()
}

fn smaller(p: &Plan) -> Vec<Plan> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Plan)| {
        let mut q = p.clone();
        change(&mut q);
        all.push(q);
    };
    let n = p.faults.len();
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
    for i in (0..p.pods.len()).rev() {
        if p.pods.len() > 1 {
            with(&|q| {
                q.pods.remove(i);
            });
        }
        if p.pods[i].claims.len() > 1 {
            with(&|q| q.pods[i].claims.truncate(1));
        }
    }
    all
}
