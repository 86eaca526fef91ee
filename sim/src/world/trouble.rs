//! What the plan's faults do.

use super::World;
use super::pods::GivesBack;
use crate::history::{CopyNo, Fact, Ms};
use crate::plan::{Fault, Pod};

impl World {
    /// The n-th of those that live.
    fn victim(&self, n: usize) -> Option<CopyNo> {
        let count = self.copies.len();
        self.copies.keys().nth(n.checked_rem(count)?).copied()
    }

    /// A fault strikes.
    pub(super) fn trouble(&mut self, fault: &Fault) {
        if self.quiet {
            return;
        }
        self.coverage
            .fault(fault.kind(), self.now, self.server.lease_for);
        let pod = |n: &usize| self.victim(*n);
        match fault {
            Fault::SidecarCrash { pod: n, amid, down } => match (pod(n), amid) {
                (Some(c), Some(after)) => self.sidecar_will_crash(c, *after, *down),
                (Some(c), None) => self.sidecar_crashes(c, *down),
                (None, _) => {}
            },
            Fault::PodDies { pod: n, back } => {
                if let Some(c) = pod(n) {
                    self.replaced(c, *back);
                    self.pod_dies(c);
                }
            }
            Fault::PodEnds { pod: n, back } => {
                if let Some(c) = pod(n) {
                    self.replaced(c, *back);
                    self.pod_ends(c);
                }
            }
            Fault::GivesBack {
                pod: n,
                again,
                at_once,
                crash,
            } => {
                if let Some(c) = pod(n) {
                    let how = GivesBack {
                        again: *again,
                        at_once: *at_once,
                        crash: *crash,
                    };
                    self.gives_back(c, how);
                }
            }
            Fault::ServerCrash { down } => {
                self.server_dies();
                self.after(*down, Self::server_starts);
            }
            Fault::ServerMoves { down } => {
                self.server_dies();
                self.server_moves();
                self.after(*down, Self::server_starts);
            }
            Fault::NewDuration { lease_for, down } => {
                self.server_dies();
                self.server.lease_for = *lease_for;
                self.after(*down, Self::server_starts);
            }
            Fault::CutUp { pod: n, .. }
            | Fault::CutDown { pod: n, .. }
            | Fault::CutBoth { pod: n, .. } => {
                let c = pod(n);
                self.net_trouble(fault, c);
            }
            Fault::CutServer { .. }
            | Fault::Loss { .. }
            | Fault::Duplicates { .. }
            | Fault::Delays { .. } => {
                self.net_trouble(fault, None);
            }
            Fault::WallJump { by_secs } => self.wall_jumps(*by_secs),
            Fault::Suspend { pod: n, lasts } => {
                if let Some(c) = pod(n) {
                    self.suspends(c, *lasts);
                }
            }
            Fault::ServerFreeze { lasts } => self.server_freezes(*lasts),
            Fault::Copy { pod: n } => {
                if let Some(c) = pod(n) {
                    self.copies(c);
                }
            }
            Fault::Thief { pod: n, lasts } => {
                if let Some(c) = pod(n) {
                    self.steals(c, *lasts);
                }
            }
            Fault::Reload { license } => self.reloads(*license),
            Fault::OperatorDown { lasts } => self.operator_away(*lasts),
            Fault::AnchorLost { lasts } => {
                self.anchor(true);
                self.after(*lasts, |w| w.anchor(false));
            }
            Fault::Revoke { pod: n, lasts } => {
                if let Some(h) = pod(n).and_then(|c| self.copies.get(&c)).map(|c| c.holder) {
                    self.revokes(h, true);
                    self.after(*lasts, move |w| w.revokes(h, false));
                }
            }
            Fault::ReviewDown { lasts } => {
                self.server.review_down = self.server.review_down.max(self.now + lasts);
            }
            Fault::Storm { pods, stay } => self.storm(*pods, *stay),
        }
    }

    /// Another pod like it comes after a while.
    fn replaced(&mut self, c: CopyNo, back: Ms) {
        let Some(plan) = self.copies.get(&c).map(|c| c.plan.clone()) else {
            return;
        };
        self.after(back, move |w| {
            w.pod_starts(&plan);
        });
    }

    fn storm(&mut self, pods: usize, stay: Ms) {
        let Some(like) = self.plan.pods.first().cloned() else {
            return;
        };
        for n in 0..pods {
            let came = self.rng.u64(0..1_000);
            let stays = stay + self.rng.u64(0..stay.max(1));
            let pod = Pod {
                clock: (like.clock.0 + n as u64, like.clock.1),
                ..like.clone()
            };
            self.after(came, move |w| {
                let c = w.pod_starts(&pod);
                w.after(stays, move |w| w.pod_ends(c));
            });
        }
    }

    /// Everything is mended.
    pub(super) fn all_well(&mut self) {
        self.net_heals();
        self.server.review_down = 0;
        self.server_starts();
        self.server_thaws();
        self.anchor(false);
        self.operator_is_back();
        self.lifts_all();
        self.pods_heal();
        self.state(Fact::FaultsEnd);
    }
}
