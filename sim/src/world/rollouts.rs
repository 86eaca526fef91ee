//! Rollouts: an owner's pod is replaced by one that comes first. Once that has been `Held` for a
//! while the one before goes; one that does not come up is taken away again, and the one before
//! stays.

use super::state::World;
use crate::history::{CopyNo, HolderNo, Ms, Says};

/// Two pods of an owner, of which the second is to replace the first.
#[derive(Clone, Copy)]
struct Pair {
    owner: usize,
    old: (CopyNo, HolderNo),
    new: (CopyNo, HolderNo),
    /// The second one's image does not come up.
    broken: bool,
    since: Ms,
    /// Since when the second is `Held`.
    held: Option<Ms>,
}

impl World {
    /// An owner's pod is to be replaced.
    pub(super) fn rolls_out(&mut self, no: usize, pod: HolderNo) {
        let broken = self.rng.u8(..3) == 0;
        self.owners_pod_starts(no, Some((pod, broken)));
    }

    /// A pod has come that replaces another, if that is still there.
    pub(super) fn comes_before(
        &mut self,
        owner: usize,
        old: (CopyNo, HolderNo),
        new: (CopyNo, HolderNo),
        broken: bool,
    ) -> bool {
        let its = &mut self.owners[owner];
        let named = its.replaces.iter().any(|(o, _)| *o == old.1);
        if named || !its.pods.contains(&old.1) {
            return false;
        }
        its.replaces.push((old.1, new.1));
        let pair = Pair {
            owner,
            old,
            new,
            broken,
            since: self.now,
            held: None,
        };
        self.looks_in_a_while(pair);
        true
    }

    fn looks_in_a_while(&mut self, pair: Pair) {
        let after = self.server.lease_for / 10 + 500;
        self.after(after, move |w| w.rollout_looks(pair));
    }

    /// The owner's controller looks how far they are.
    fn rollout_looks(&mut self, mut p: Pair) {
        if self.quiet {
            return;
        }
        let is_there = |w: &Self, c: CopyNo| w.copies.get(&c).is_some_and(|copy| !copy.ending);
        if !is_there(self, p.new.0) {
            // Another one comes, by and by.
            if is_there(self, p.old.0) {
                self.owners_pod_stays(p.owner, p.old.0, p.old.1);
            }
            return;
        }
        if !is_there(self, p.old.0) || self.owners[p.owner].over {
            for (copy, pod) in [p.old, p.new] {
                if is_there(self, copy) {
                    self.owners_pod_stays(p.owner, copy, pod);
                }
            }
            return;
        }
        let ready = self.owners[p.owner].plan.ready.unwrap_or_default();
        if p.broken && self.now > p.since + ready * 3 {
            self.owners_pod_stays(p.owner, p.old.0, p.old.1);
            return self.pod_ends(p.new.0);
        }
        let told = |w: &Self| w.copies.get(&p.new.0)?.claims.first()?.told;
        let holds = told(self).is_some_and(|(says, ..)| says == Says::Held);
        p.held = p.held.or(Some(self.now)).filter(|_| holds);
        let is_ready = p.held.is_some_and(|since| self.now >= since + ready);
        if is_ready && !p.broken {
            self.owners_pod_stays(p.owner, p.new.0, p.new.1);
            return self.pod_ends(p.old.0);
        }
        self.looks_in_a_while(p);
    }
}
