//! Makes a failing plan smaller: fewer faults, fewer pods.

use super::live;
use super::plan::SitePlan;
use crate::history::Broken;
use crate::shrink::Shrink;

impl Shrink for SitePlan {
    fn broken(&self) -> Option<Broken> {
        live(self, false).broken
    }

    fn size(&self) -> usize {
        self.faults.len() + self.pods.len()
    }

    fn smaller(&self) -> Vec<Self> {
        let mut all = Vec::new();
        let mut with = |change: &dyn Fn(&mut Self)| {
            let mut q = self.clone();
            change(&mut q);
            all.push(q);
        };
        for i in (0..self.faults.len()).rev() {
            with(&|q| {
                q.faults.remove(i);
            });
        }
        for i in (0..self.pods.len()).rev().filter(|_| self.pods.len() > 1) {
            with(&|q| {
                q.pods.remove(i);
            });
        }
        all
    }
}
